// SPDX-License-Identifier: MPL-2.0

//! What is written behind an apostrophe, in words that no list has: John's, a dogs' bowl, who're.

use super::phones::{self, Phone};

/// What a word ends with, by its letters.
const ENDINGS: [&str; 7] = ["'s", "n't", "'re", "'ll", "'ve", "'d", "'m"];

/// The word without its ending and without other apostrophes, and the ending.
pub fn apart(word: &str) -> (String, &'static str) {
    let found = ENDINGS.into_iter().find(|ending| word.ends_with(ending));
    let ending = found.unwrap_or_default();
    let stem: String = word[..word.len() - ending.len()]
        .chars()
        .filter(|c| *c != '\'')
        .collect();
    match stem.is_empty() {
        // Nothing but an ending: its letters.
        true => (word.chars().filter(|c| *c != '\'').collect(), ""),
        false => (stem, ending),
    }
}

/// Adds the phones of an ending to those of the word before it.
pub fn add(phones: &mut Vec<Phone>, ending: &str) {
    let last = phones
        .last()
        .map_or("", |last| phones::PHONES[usize::from(*last)]);
    let said: &[&str] = match ending {
        "'s" => duplex_english::ending_s(last),
        "n't" => &["n", "t"],
        "'re" => &["er"],
        "'ll" => &["ax", "l"],
        "'ve" => &["ax", "v"],
        "'d" if matches!(last, "t" | "d") => &["ax", "d"],
        "'d" => &["d"],
        "'m" => &["m"],
        _ => &[],
    };
    phones.extend(said.iter().filter_map(|name| phones::number(name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_said_by_the_sound_before_them() {
        for (word, stem, last, added) in [
            ("john's", "john", "n", "z"),
            ("church's", "church", "ch", "ax z"),
            ("cat's", "cat", "t", "s"),
            ("dogs'", "dogs", "z", ""),
            ("who're", "who", "uw1", "er"),
            ("mightn't", "might", "t", "n t"),
            ("it'd", "it", "t", "ax d"),
            ("she'd", "she", "iy1", "d"),
            ("o'brien", "obrien", "n", ""),
            ("'s", "s", "s", ""),
            ("'", "", "", ""),
        ] {
            let (found, ending) = apart(word);
            assert_eq!(found, stem, "{word}");
            let mut said: Vec<Phone> = phones::number(last).into_iter().collect();
            let count = said.len();
            add(&mut said, ending);
            let said: Vec<&str> = said[count..]
                .iter()
                .map(|phone| phones::PHONES[usize::from(*phone)])
                .collect();
            assert_eq!(said.join(" "), added, "{word}");
        }
    }
}
