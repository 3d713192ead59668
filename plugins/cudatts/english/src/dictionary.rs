// SPDX-License-Identifier: MPL-2.0

//! The user's dictionary: how words are said that the model says otherwise.

use std::collections::{BTreeSet, HashMap};

use crate::tokens::folded;

/// Phones of words, by the user.
///
/// A line is a word, white space, and its phones, with white space between them: `gif jh ih f`. `#` behind white space begins
/// a comment. A word is what is written between white space, without the punctuation around it, and neither capitals nor accents
/// matter: `C++` and `4x4` can be entries, too. The last entry of a word counts.
///
/// The default has no words and knows the phones of the model `compact`.
#[derive(Clone, Debug)]
pub struct Dictionary {
    known: BTreeSet<String>,
    words: HashMap<String, Vec<String>>,
}

/// A line of a dictionary that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {fault}")]
pub struct DictionaryError {
    /// As it was given to [`Dictionary::parse`].
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what to write instead.
    pub fault: String,
}

/// The phones of the model `compact`; vowels with a 1 are stressed.
const PHONES: &str = "pau aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh \
    aa1 ae1 ah1 ao1 aw1 ay1 eh1 er1 ey1 ih1 iy1 ow1 oy1 uh1 uw1";

impl Default for Dictionary {
    fn default() -> Self {
        Self::new(&PHONES.split_whitespace().collect::<Vec<_>>())
    }
}

impl Dictionary {
    /// Without words. `phones` are those that the model has; others are refused, here and in texts.
    pub fn new(phones: &[&str]) -> Self {
        Self {
            known: phones.iter().map(|&phone| phone.to_owned()).collect(),
            words: HashMap::new(),
        }
    }

    /// Reads a dictionary. `file` is what errors call it.
    pub fn parse(text: &str, file: &str, phones: &[&str]) -> Result<Self, DictionaryError> {
        let mut dictionary = Self::new(phones);
        for (number, line) in text.lines().enumerate() {
            let fault = |fault| DictionaryError {
                file: file.to_owned(),
                line: number + 1,
                fault,
            };
            let line = line.trim_start_matches('\u{feff}');
            // C# is a word.
            let mut parts = line
                .split_whitespace()
                .take_while(|part| !part.starts_with('#'));
            let Some(word) = parts.next() else {
                continue;
            };
            let said = dictionary
                .phones(parts)
                .map_err(|unknown| fault(dictionary.unknown(&unknown)))?;
            if said.is_empty() {
                return Err(fault(format!(
                    "`{word}` has no phones; write them behind it, as in `gif jh ih f`"
                )));
            }
            let key = key(word);
            if key.is_empty() {
                return Err(fault(format!(
                    "`{word}` is never said, since it has no Latin letter or digit; remove it"
                )));
            }
            dictionary.words.insert(key, said);
        }
        Ok(dictionary)
    }

    /// The phones of a word, whatever its capitals.
    pub fn get(&self, word: &str) -> Option<&[String]> {
        if self.words.is_empty() {
            return None;
        }
        self.words.get(&key(word)).map(Vec::as_slice)
    }

    /// Phones, or the first that there is not.
    pub(crate) fn phones<'a>(
        &self,
        given: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<String>, String> {
        given
            .map(|phone| match self.known.contains(phone) {
                true => Ok(phone.to_owned()),
                false => Err(phone.to_owned()),
            })
            .collect()
    }

    fn unknown(&self, phone: &str) -> String {
        let known = self.known.iter().map(String::as_str).collect::<Vec<_>>();
        format!("there is no phone `{phone}`; use {}", known.join(" "))
    }
}

/// As words are kept, and tokens written.
fn key(word: &str) -> String {
    folded(word).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: [&str; 4] = ["jh", "ih", "f", "g"];

    #[test]
    fn words_have_the_phones_of_their_last_line() {
        let text = "\u{feff}# how we say it\nGIF g ih f\n\ngif jh  ih f # as its author does\n";
        let dictionary = Dictionary::parse(text, "words", &FEW).unwrap();
        assert_eq!(dictionary.get("Gif").unwrap(), ["jh", "ih", "f"]);
        assert_eq!(dictionary.get("gifs"), None);
        let error = Dictionary::parse("C# jh ih#f\n", "words", &FEW).unwrap_err();
        assert!(error.fault.contains("`ih#f`"));
        let dictionary = Dictionary::parse("C# g # sharp\nCafé f", "words", &FEW).unwrap();
        assert_eq!(dictionary.get("c#").unwrap(), ["g"]);
        assert_eq!(dictionary.get("CAFE"), dictionary.get("café"));
    }

    #[test]
    fn a_fault_names_file_line_and_remedy() {
        let told = |text| {
            let error = Dictionary::parse(text, "words", &FEW).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            told("gif jh ih f\nfig f ii g"),
            "words:2: there is no phone `ii`; use f g ih jh"
        );
        assert_eq!(
            told("你好 g"),
            "words:1: `你好` is never said, since it has no Latin letter or digit; remove it"
        );
        assert_eq!(
            told("# nothing\n\nfig # f ih g"),
            "words:3: `fig` has no phones; write them behind it, as in `gif jh ih f`"
        );
    }
}
