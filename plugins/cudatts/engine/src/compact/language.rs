// SPDX-License-Identifier: MPL-2.0

//! What the voice knows of its language: facts about phones, how syllables begin, and function words.
//!
//! Lines of `language.txt`: `phone NAME SIGNS` with a sign for each attribute, `onset PHONES`, `class WORDS`.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use super::phones::{self, PHONES, Phone};
use crate::weights::LoadError;

/// Attributes of a phone.
pub const ATTRIBUTES: usize = 8;
/// Of them, the kind of a consonant: `s` stop, `f` fricative, `n` nasal, `r` or `l` approximant.
pub const KIND: usize = 5;

/// What the voice knows of its language.
#[derive(Debug)]
pub struct Language {
    attributes: [[u8; ATTRIBUTES]; PHONES.len()],
    onsets: HashSet<Vec<Phone>>,
    classes: HashMap<String, u8>,
}

impl Language {
    /// Of the text of a file; messages call it `path`.
    pub fn new(text: &str, path: &Path) -> Result<Self, LoadError> {
        let mut language = Self {
            attributes: [[b'0'; ATTRIBUTES]; PHONES.len()],
            onsets: HashSet::new(),
            classes: HashMap::new(),
        };
        let mut classes = 0_u8;
        for (number, line) in text.lines().enumerate() {
            let mut parts = line.split(' ');
            let known = match parts.next() {
                Some("phone") => language.phone(parts),
                Some("onset") => {
                    let onset: Option<Vec<Phone>> = parts.map(phones::number).collect();
                    onset.map(|onset| language.onsets.insert(onset)).is_some()
                }
                Some("class") if classes < i8::MAX as u8 => {
                    classes += 1;
                    let words = parts.map(|word| (word.to_owned(), classes));
                    language.classes.extend(words);
                    true
                }
                _ => false,
            };
            if !known {
                return Err(LoadError::Other(format!(
                    "{}:{}: `{line}` says nothing of a language; the file is damaged, get it again",
                    path.display(),
                    number + 1
                )));
            }
        }
        Ok(language)
    }

    fn phone<'a>(&mut self, mut parts: impl Iterator<Item = &'a str>) -> bool {
        let name = parts.next().and_then(phones::number);
        let signs = parts
            .next()
            .and_then(|signs| signs.as_bytes().try_into().ok());
        if let (Some(phone), Some(signs)) = (name, signs) {
            self.attributes[usize::from(phone)] = signs;
        }
        name.is_some() && signs.is_some()
    }

    /// Of a phone without stress.
    pub fn attributes(&self, phone: Phone) -> &[u8; ATTRIBUTES] {
        &self.attributes[usize::from(phone)]
    }

    /// Of a word: 0 where it is no function word.
    pub fn class(&self, word: &str) -> u8 {
        self.classes.get(word).copied().unwrap_or(0)
    }

    /// Where the syllables of a word begin, whose phones have no stress: each but the first with as many consonants as one may.
    pub fn syllables(&self, phones: &[Phone]) -> Vec<usize> {
        if phones.is_empty() {
            return Vec::new();
        }
        let mut begins = vec![0];
        let mut last = None;
        for vowel in (0..phones.len()).filter(|at| phones::is_vowel(phones[*at])) {
            if let Some(last) = last {
                let onset = (last + 1..vowel).find(|at| self.onsets.contains(&phones[*at..vowel]));
                begins.push(onset.unwrap_or(vowel));
            }
            last = Some(vowel);
        }
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language() -> Language {
        let text = include_str!("../../../compact/voice/language.txt");
        Language::new(text, Path::new("language.txt")).unwrap()
    }

    #[test]
    fn syllables_begin_with_as_many_consonants_as_they_may() {
        let language = language();
        let of = |names: &str| {
            let names = names.split_whitespace();
            let phones: Vec<Phone> = names.map(|name| phones::number(name).unwrap()).collect();
            language.syllables(&phones)
        };
        // extra, singing, atlas, reality
        assert_eq!(of("eh k s t r ax"), [0, 2]);
        assert_eq!(of("s ih ng ih ng"), [0, 3]);
        assert_eq!(of("ae t l ax s"), [0, 2]);
        assert_eq!(of("r iy ae l ax t iy"), [0, 2, 3, 5]);
        assert_eq!(of("s t"), [0]);
        assert_eq!(of(""), [0; 0]);
    }

    #[test]
    fn function_words_have_classes() {
        let language = language();
        assert_eq!(language.class("the"), language.class("every"));
        assert_ne!(language.class("the"), language.class("could"));
        assert_eq!([0; 2], ["harbour", ""].map(|word| language.class(word)));
    }

    #[test]
    fn what_is_damaged_is_told_with_its_line() {
        for line in [
            "phone aa +",
            "phone qq +0000000",
            "onset s qq",
            "",
            "word x",
        ] {
            let text = format!("onset s t\n{line}\n");
            let error = Language::new(&text, Path::new("a.txt")).unwrap_err();
            assert!(error.to_string().starts_with("a.txt:2: "), "{error}");
        }
    }
}
