// SPDX-License-Identifier: MPL-2.0

//! A text between white space.

use crate::{Clause, Dictionary, End, Reading, Said, Word};

/// Reads a text. Whatever it is, this answers.
pub fn read(text: &str, dictionary: &Dictionary) -> Reading {
    let mut reading = Reading::default();
    let mut from = 0;
    let mut words = Vec::new();
    let mut at = 0;
    for token in text.split_inclusive(char::is_whitespace) {
        let start = at;
        at += token.len();
        let token = token.trim_end();
        let word = token.trim_matches(|c: char| !c.is_alphanumeric());
        let Some(place) = token.find(word).filter(|_| !word.is_empty()) else {
            continue;
        };
        let letters: String = word
            .to_lowercase()
            .chars()
            .filter(|c| c.is_ascii_lowercase() || *c == '\'')
            .collect();
        let said = match dictionary.get(word) {
            Some(phones) => vec![Said::Phones(phones.to_vec())],
            None if letters.chars().any(|c| c != '\'') => vec![Said::Letters(letters)],
            _ => continue,
        };
        words.push(Word {
            bytes: start + place..start + place + word.len(),
            said,
        });
        let end = match token.chars().next_back() {
            Some(',' | ';' | ':') => End::Comma,
            Some('.') => End::Stop,
            Some('?') => End::Question,
            Some('!') => End::Exclamation,
            _ => continue,
        };
        reading.clauses.push(Clause {
            bytes: std::mem::replace(&mut from, at)..at,
            words: std::mem::take(&mut words),
            end,
        });
    }
    if !words.is_empty() {
        reading.clauses.push(Clause {
            bytes: from..text.len(),
            words,
            end: End::Stop,
        });
    } else if let Some(last) = reading.clauses.last_mut() {
        last.bytes.end = text.len();
    }
    reading
}
