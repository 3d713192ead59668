// SPDX-License-Identifier: GPL-3.0-or-later
//! Which of the library's voices a request means.

use std::path::Path;

use duplex_synthesis::{Error, Request, Voice};

/// Spoken where a request names neither voice nor language.
pub const DEFAULT_VOICE: &str = "en-us";

/// A voice as the library lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Ours: its best language tag, or its file's name where another voice has that tag.
    pub name: String,
    /// The library's, such as `English (America)`.
    pub title: String,
    /// Its file below the data folder's `lang`, such as `gmw/en-US`.
    pub identifier: String,
    /// Language tags in small letters, each with its priority (low is preferred).
    pub languages: Vec<(u8, String)>,
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// For `espeak_SetVoiceByName`.
    pub identifier: String,
    /// The language that is spoken.
    pub language: String,
}

/// All voices, and the names of the variants (`+f3`) that each can be asked for with.
#[derive(Clone, Debug, Default)]
pub struct Voices {
    entries: Vec<Entry>,
    variants: Vec<String>,
}

impl Voices {
    pub fn new(mut entries: Vec<Entry>, data: &Path) -> Self {
        for entry in &mut entries {
            let file = basename(&entry.identifier).to_lowercase();
            entry.name = match entry.languages.first() {
                Some((_, tag)) => tag.clone(),
                None => file,
            };
        }
        for i in 1..entries.len() {
            if entries[..i]
                .iter()
                .any(|other| other.name == entries[i].name)
            {
                entries[i].name = basename(&entries[i].identifier).to_lowercase();
            }
        }
        let mut variants: Vec<String> = std::fs::read_dir(data.join("voices/!v"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|file| file.file_name().into_string().ok())
            .collect();
        variants.sort();
        Self { entries, variants }
    }

    pub fn list(&self) -> Vec<Voice> {
        self.entries
            .iter()
            .map(|entry| Voice {
                name: entry.name.clone(),
                languages: entry.languages.iter().map(|(_, tag)| bcp47(tag)).collect(),
            })
            .collect()
    }

    pub fn choose(&self, request: &Request) -> Result<Chosen, Error> {
        match (request.voice.as_deref(), request.language.as_deref()) {
            (Some(voice), _) if !voice.is_empty() => self.by_name(voice),
            (_, Some(language)) if !language.is_empty() => self.by_language(language),
            _ => self.by_name(DEFAULT_VOICE),
        }
    }

    fn by_name(&self, asked: &str) -> Result<Chosen, Error> {
        let (voice, variant) = match asked.split_once('+') {
            Some((voice, variant)) => (voice, Some(variant)),
            None => (asked, None),
        };
        let wanted = normal(voice);
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.name == wanted)
            .or_else(|| {
                self.entries.iter().find(|entry| {
                    normal(&entry.identifier) == wanted
                        || normal(basename(&entry.identifier)) == wanted
                        || normal(&entry.title) == wanted
                })
            })
            .or_else(|| self.speaking(&wanted));
        let Some(entry) = entry else {
            return Err(Error::NoSuchVoice {
                name: asked.to_owned(),
                remedy: format!(
                    "the nearest voices are {}; `espeak-ng --voices` lists all",
                    self.nearest(&wanted)
                ),
            });
        };
        let identifier = match variant {
            None => entry.identifier.clone(),
            Some(variant) if self.variants.iter().any(|known| known == variant) => {
                format!("{}+{variant}", entry.identifier)
            }
            Some(variant) => {
                return Err(Error::NoSuchVoice {
                    name: asked.to_owned(),
                    remedy: format!(
                        "`{}` has no variant `{variant}`; the nearest are {}",
                        entry.name,
                        nearest(variant, self.variants.iter().map(String::as_str))
                    ),
                });
            }
        };
        Ok(Chosen {
            identifier,
            language: entry
                .languages
                .first()
                .map(|(_, tag)| tag.clone())
                .unwrap_or_default(),
        })
    }

    fn by_language(&self, asked: &str) -> Result<Chosen, Error> {
        let mut tag = normal(asked);
        for (alias, known) in ALIASES {
            if tag == *alias || tag.starts_with(&format!("{alias}-")) {
                tag = format!("{known}{}", &tag[alias.len()..]);
                break;
            }
        }
        loop {
            if let Some(entry) = self.speaking(&tag) {
                return Ok(Chosen {
                    identifier: entry.identifier.clone(),
                    language: normal(asked),
                });
            }
            match tag.rfind('-') {
                Some(dash) => tag.truncate(dash),
                None => break,
            }
        }
        // A dialect of a language that has dialects only: `nb` for `nb-no` and the like.
        let prefix = format!("{tag}-");
        let dialect = self
            .entries
            .iter()
            .find(|entry| entry.name.starts_with(&prefix));
        match dialect {
            Some(entry) => Ok(Chosen {
                identifier: entry.identifier.clone(),
                language: normal(asked),
            }),
            None => Err(Error::NoSuchVoice {
                name: asked.to_owned(),
                remedy: format!(
                    "no voice speaks this language; the nearest are {}; `espeak-ng --voices` lists all",
                    self.nearest(&normal(asked))
                ),
            }),
        }
    }

    /// The voice that prefers a language most.
    fn speaking(&self, tag: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .filter_map(|entry| {
                let (priority, _) = entry.languages.iter().find(|(_, known)| known == tag)?;
                Some((*priority, entry))
            })
            .min_by_key(|(priority, _)| *priority)
            .map(|(_, entry)| entry)
    }

    fn nearest(&self, wanted: &str) -> String {
        nearest(wanted, self.entries.iter().map(|entry| entry.name.as_str()))
    }
}

/// Tags in use that the library spells otherwise.
const ALIASES: &[(&str, &str)] = &[
    ("zh-hk", "yue"),
    ("zh-yue", "yue"),
    ("zh-hant-hk", "yue"),
    ("iw", "he"),
    ("in", "id"),
    ("no", "nb"),
    ("nn", "nb"),
    ("tl", "fil"),
    ("mo", "ro"),
    ("sh", "hr"),
    ("fr-ca", "fr-fr"),
    ("es-mx", "es-419"),
    ("es-ar", "es-419"),
    ("es-co", "es-419"),
    ("es-us", "es-419"),
    ("en-au", "en-gb"),
    ("en-nz", "en-gb"),
    ("en-ie", "en-gb"),
    ("en-za", "en-gb"),
    ("en-in", "en-gb"),
    ("en-ca", "en-us"),
];

fn basename(identifier: &str) -> &str {
    identifier.rsplit('/').next().unwrap_or(identifier)
}

fn normal(name: &str) -> String {
    name.trim().to_lowercase().replace(['_', ' '], "-")
}

/// `en-gb-x-rp` as BCP 47 writes it: `en-GB-x-rp`.
fn bcp47(tag: &str) -> String {
    let mut private = false;
    let parts: Vec<String> = tag
        .split('-')
        .enumerate()
        .map(|(i, part)| {
            private |= part.len() == 1;
            match part.len() {
                2 if i > 0 && !private => part.to_uppercase(),
                4 if i > 0 && !private && part.bytes().all(|b| b.is_ascii_alphabetic()) => {
                    part[..1].to_uppercase() + &part[1..]
                }
                _ => part.to_owned(),
            }
        })
        .collect();
    parts.join("-")
}

fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut known: Vec<(usize, &str)> = known
        .map(|name| {
            let distance = strsim::damerau_levenshtein(wanted, &name.to_lowercase());
            let head = wanted
                .chars()
                .zip(name.chars())
                .take_while(|(a, b)| a == b)
                .count();
            (2 * distance + 4 - head.min(4), name)
        })
        .collect();
    known.sort();
    let names: Vec<String> = known
        .iter()
        .take(4)
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    names.join(", ")
}
