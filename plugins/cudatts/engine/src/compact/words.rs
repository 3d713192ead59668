// SPDX-License-Identifier: MPL-2.0

//! The phones of words: those that the voice comes with, or else what the letters say.

use std::{
    collections::HashMap,
    mem,
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{
    blocks::Scratch,
    endings,
    networks::Letters,
    phones::{self, Phone},
};
use crate::weights::LoadError;

/// Words whose phones were found and are kept, twice.
const KEPT: usize = 4096;

/// Finds phones. May be asked by any thread.
#[derive(Debug)]
pub struct Words {
    /// Words that the letters say wrongly.
    listed: HashMap<String, Vec<Phone>>,
    letters: Letters,
    found: Mutex<Found>,
}

/// What was found lately: when `recent` is full, it becomes `older`, and what was `older` is forgotten.
#[derive(Debug, Default)]
struct Found {
    recent: HashMap<String, Vec<Phone>>,
    older: HashMap<String, Vec<Phone>>,
}

impl Found {
    fn get(&mut self, word: &str) -> Option<Vec<Phone>> {
        if let Some(phones) = self.recent.get(word) {
            return Some(phones.clone());
        }
        let phones = self.older.get(word)?.clone();
        self.put(word, phones.clone());
        Some(phones)
    }

    fn put(&mut self, word: &str, phones: Vec<Phone>) {
        if self.recent.len() >= KEPT {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.insert(word.to_owned(), phones);
    }
}

impl Words {
    /// Of a list with a word and its phones on each line; messages call it `path`.
    pub fn new(list: &str, path: &Path, letters: Letters) -> Result<Self, LoadError> {
        let mut listed = HashMap::with_capacity(list.len() / 20);
        for (number, line) in list.lines().enumerate() {
            let mut parts = line.split(' ');
            let word = parts.next().unwrap_or_default();
            let phones: Option<Vec<Phone>> = parts.map(phones::number).collect();
            match phones {
                Some(phones) if !phones.is_empty() => listed.insert(word.to_owned(), phones),
                _ => {
                    return Err(LoadError::Other(format!(
                        "{}:{}: `{line}` is not a word and its phones; the file is damaged, get it again",
                        path.display(),
                        number + 1
                    )));
                }
            };
        }
        Ok(Self {
            listed,
            letters,
            found: Mutex::default(),
        })
    }

    /// The phones of each word.
    pub fn phones(&self, words: &[&str], scratch: &mut Scratch) -> Vec<Vec<Phone>> {
        if !words.iter().any(|word| word.contains('\'')) {
            return self.plain(words, scratch);
        }
        let apart: Vec<(String, &str)> = words
            .iter()
            .map(|word| match self.listed.contains_key(*word) {
                true => ((*word).to_owned(), ""),
                false => endings::apart(word),
            })
            .collect();
        let stems: Vec<&str> = apart.iter().map(|(stem, _)| stem.as_str()).collect();
        let mut said = self.plain(&stems, scratch);
        for (phones, (_, ending)) in said.iter_mut().zip(&apart) {
            endings::add(phones, ending);
        }
        said
    }

    /// The same of words without apostrophes, or of listed ones. Those that nobody has asked for lately are computed, all together.
    fn plain(&self, words: &[&str], scratch: &mut Scratch) -> Vec<Vec<Phone>> {
        let lock = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unknown = Vec::new();
        let mut said: Vec<Vec<Phone>> = {
            let mut found = lock();
            let known = words.iter().enumerate().map(|(place, word)| {
                let phones = self.listed.get(*word).cloned().or_else(|| found.get(word));
                phones.unwrap_or_else(|| {
                    unknown.push(place);
                    Vec::new()
                })
            });
            known.collect()
        };
        if unknown.is_empty() {
            return said;
        }
        let letters: Vec<&str> = unknown.iter().map(|place| words[*place]).collect();
        let phones = self.letters.phones(&letters, scratch);
        let mut found = lock();
        for (place, phones) in unknown.into_iter().zip(phones) {
            found.put(words[place], phones.clone());
            said[place] = phones;
        }
        said
    }

    #[cfg(test)]
    pub fn letters(&self) -> &Letters {
        &self.letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_kept_for_a_while() {
        let mut found = Found::default();
        for n in 0..3 * KEPT {
            // Asked for again and again.
            if let Some(phones) = found.get("often") {
                assert_eq!(phones, [7]);
            } else {
                assert_eq!(n, 0);
                found.put("often", vec![7]);
            }
            found.put(&n.to_string(), vec![1]);
            assert!(found.recent.len() + found.older.len() <= 2 * KEPT);
        }
        assert_eq!(found.get("0"), None);
    }
}
