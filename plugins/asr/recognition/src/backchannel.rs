// SPDX-License-Identifier: MPL-2.0

//! Backchannels: what a listener says to show that he listens, without wanting the floor.

use std::collections::BTreeSet;

/// What a listener says, by language: BCP 47 primary tag, then words and phrases. In lower case; hyphens as the
/// dictionaries have them.
const WORDS: [(&str, &[&str]); 14] = [
    (
        "en",
        &[
            "uh",
            "huh",
            "uh-huh",
            "mhm",
            "mm-hmm",
            "mm",
            "hm",
            "hmm",
            "um",
            "ah",
            "aha",
            "oh",
            "okay",
            "ok",
            "yeah",
            "yep",
            "yes",
            "right",
            "sure",
            "wow",
            "i see",
            "all right",
            "got it",
            "of course",
            "really",
        ],
    ),
    (
        "de",
        &[
            "mhm",
            "hm",
            "hmm",
            "äh",
            "ähm",
            "ah",
            "aha",
            "ach so",
            "oh",
            "ja",
            "jaja",
            "genau",
            "okay",
            "ok",
            "stimmt",
            "richtig",
            "klar",
            "gut",
            "verstehe",
            "alles klar",
        ],
    ),
    (
        "fr",
        &[
            "mhm",
            "hm",
            "hmm",
            "euh",
            "ah",
            "oh",
            "oui",
            "ouais",
            "d'accord",
            "ok",
            "okay",
            "voilà",
            "je vois",
            "bien sûr",
            "c'est ça",
            "exact",
        ],
    ),
    (
        "es",
        &[
            "mhm",
            "hm",
            "eh",
            "ah",
            "ajá",
            "oh",
            "sí",
            "ya",
            "claro",
            "vale",
            "ok",
            "okay",
            "bueno",
            "ya veo",
            "de acuerdo",
            "exacto",
        ],
    ),
    (
        "it",
        &[
            "mhm",
            "hm",
            "eh",
            "ah",
            "ahah",
            "oh",
            "sì",
            "già",
            "certo",
            "ok",
            "okay",
            "va bene",
            "capisco",
            "ho capito",
            "esatto",
            "giusto",
        ],
    ),
    (
        "pt",
        &[
            "mhm", "hm", "ah", "ahã", "oh", "sim", "pois", "pois é", "claro", "certo", "ok",
            "okay", "tá", "tá bom", "entendo", "exato",
        ],
    ),
    (
        "nl",
        &[
            "mhm", "hm", "eh", "uh", "ah", "aha", "oh", "ja", "jaja", "precies", "oké", "ok",
            "okay", "juist", "klopt", "goed",
        ],
    ),
    (
        "sv",
        &[
            "mhm", "mm", "hm", "eh", "ah", "aha", "oh", "ja", "jo", "jaha", "just det", "precis",
            "okej", "ok", "visst",
        ],
    ),
    (
        "pl",
        &[
            "mhm",
            "hm",
            "yhm",
            "aha",
            "ach",
            "oh",
            "tak",
            "no",
            "jasne",
            "dobrze",
            "okej",
            "ok",
            "rozumiem",
            "właśnie",
        ],
    ),
    (
        "ru",
        &[
            "мгм",
            "угу",
            "хм",
            "э",
            "ага",
            "ах",
            "о",
            "да",
            "так",
            "понятно",
            "ясно",
            "хорошо",
            "конечно",
            "окей",
        ],
    ),
    (
        "tr",
        &[
            "hı hı", "hmm", "ıı", "ha", "oh", "evet", "tamam", "tabii", "anladım", "doğru", "peki",
        ],
    ),
    (
        "ja",
        &[
            "うん",
            "ううん",
            "ええ",
            "はい",
            "へえ",
            "ああ",
            "そう",
            "そうですね",
            "なるほど",
            "はあ",
            "ふうん",
        ],
    ),
    (
        "zh",
        &[
            "嗯", "嗯嗯", "哦", "啊", "呃", "对", "对对", "是", "是的", "好", "好的", "行", "没错",
            "明白",
        ],
    ),
    (
        "ko",
        &[
            "음",
            "응",
            "어",
            "네",
            "예",
            "아",
            "아하",
            "그래",
            "그래요",
            "맞아요",
            "그렇군요",
        ],
    ),
];

/// The primary tag: `en` of `en-US`, in lower case.
fn primary(language: &str) -> String {
    language
        .split(['-', '_'])
        .next()
        .unwrap_or_default()
        .to_lowercase()
}

/// What is said in this language by default; in a language that is not known, whatever sounds the same in most.
pub fn defaults(language: &str) -> Vec<&'static str> {
    let language = primary(language);
    let known = WORDS.iter().find(|(tag, _)| *tag == language);
    known.map_or_else(
        || vec!["mhm", "mm", "hm", "hmm", "ah", "aha", "oh", "ok", "okay"],
        |(_, words)| words.to_vec(),
    )
}

/// Words without case and punctuation, as they are compared: apostrophes and hyphens within a word stay.
pub fn words(text: &str) -> Vec<String> {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-');
    text.split(|c| !inside(c))
        .map(|word| {
            word.trim_matches(['\'', '’', '-'])
                .to_lowercase()
                .replace('’', "'")
        })
        .filter(|word| !word.is_empty())
        .collect()
}

/// What words come to when they are said while somebody else speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No words at all.
    Nothing,
    /// Backchannels alone, which are complete.
    Backchannel,
    /// What could still become a backchannel: the first word of "i see".
    Beginning,
    /// Something else.
    Words,
}

/// The backchannels in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backchannels {
    phrases: BTreeSet<Vec<String>>,
    /// Without the spaces and all in one, for languages that are written so.
    joined: BTreeSet<String>,
}

impl Backchannels {
    /// Those of a language.
    pub fn of(language: &str) -> Self {
        Self::new(defaults(language))
    }

    /// These words and phrases. Case and punctuation do not matter.
    pub fn new<S: AsRef<str>>(phrases: impl IntoIterator<Item = S>) -> Self {
        let phrases: BTreeSet<_> = phrases
            .into_iter()
            .map(|phrase| words(phrase.as_ref()))
            .filter(|phrase| !phrase.is_empty())
            .collect();
        let joined = phrases.iter().map(|phrase| phrase.concat()).collect();
        Self { phrases, joined }
    }

    /// Each of them, as its words.
    pub fn phrases(&self) -> impl Iterator<Item = &[String]> {
        self.phrases.iter().map(Vec::as_slice)
    }

    /// What `text` comes to.
    pub fn judge(&self, text: &str) -> Kind {
        let said = words(text);
        if said.is_empty() {
            return Kind::Nothing;
        }
        if self.joined.contains(&said.concat()) {
            return Kind::Backchannel;
        }
        // Which beginnings of what was said are backchannels in a row.
        let mut ends = vec![false; said.len() + 1];
        ends[0] = true;
        let mut beginning = false;
        for start in 0..said.len() {
            if !ends[start] {
                continue;
            }
            let rest = &said[start..];
            for phrase in &self.phrases {
                if rest.starts_with(phrase) {
                    ends[start + phrase.len()] = true;
                } else if phrase.starts_with(rest) {
                    beginning = true;
                }
            }
        }
        match (ends[said.len()], beginning) {
            (true, _) => Kind::Backchannel,
            (false, true) => Kind::Beginning,
            (false, false) => Kind::Words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let english = Backchannels::of("en-US");
        for (text, kind) in [
            ("", Kind::Nothing),
            (" …", Kind::Nothing),
            ("uh-huh", Kind::Backchannel),
            ("Uh-huh.", Kind::Backchannel),
            ("yeah yeah, right", Kind::Backchannel),
            ("I see", Kind::Backchannel),
            ("okay I", Kind::Beginning),
            ("i", Kind::Beginning),
            ("i want", Kind::Words),
            ("yeah stop", Kind::Words),
            ("stop", Kind::Words),
        ] {
            assert_eq!(english.judge(text), kind, "{text}");
        }
        for (language, text) in [
            ("de", "Ach so, ja"),
            ("fr_FR", "D’accord !"),
            ("ja", "そうですね。"),
            ("zh-CN", "嗯。"),
            ("tlh", "hmm"),
        ] {
            assert_eq!(
                Backchannels::of(language).judge(text),
                Kind::Backchannel,
                "{language}"
            );
        }
        assert_eq!(
            Backchannels::new(Vec::<&str>::new()).judge("mhm"),
            Kind::Words
        );
    }
}
