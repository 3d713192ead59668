// SPDX-License-Identifier: MPL-2.0

//! Words as they are said and written.

use super::TimeOfDay;

/// The words of a text, in small letters and without punctuation.
pub fn of(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'));
    words
        .map(|word| word.replace('’', "'").trim_matches('\'').to_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

/// A text without the marks at its end.
pub fn plain(text: &str) -> String {
    let end = |c: char| c.is_whitespace() || ".,;:!?".contains(c);
    text.trim().trim_end_matches(end).to_owned()
}

/// The last words of a text, as they are written there.
pub fn last(text: &str, count: usize) -> String {
    let all: Vec<&str> = text
        .split_whitespace()
        .filter(|word| !of(word).is_empty())
        .collect();
    all[all.len().saturating_sub(count)..].join(" ")
}

/// With a capital at its beginning.
pub fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];

/// A number up to 100 in words.
pub fn number(n: u32) -> String {
    let one = |n: u32| ONES.get(n as usize).copied().unwrap_or_default();
    match n {
        0..20 => one(n).to_owned(),
        100 => "one hundred".to_owned(),
        _ => {
            let tens = TENS.get((n / 10) as usize).copied().unwrap_or_default();
            match n % 10 {
                0 => tens.to_owned(),
                rest => format!("{tens} {}", one(rest)),
            }
        }
    }
}

/// Reads a number from the beginning of these words; also gives how many words it takes.
pub fn read_number(words: &[String]) -> Option<(u32, usize)> {
    let first = words.first()?;
    if let Ok(n) = first.parse::<u32>() {
        return Some((n, 1));
    }
    let position = |all: &[&str], word: &str| {
        let found = all.iter().position(|one| !one.is_empty() && *one == word);
        found.and_then(|n| u32::try_from(n).ok())
    };
    if matches!(&**first, "a" | "one") && words.get(1).is_some_and(|word| word == "hundred") {
        return Some((100, 2));
    }
    if first == "hundred" {
        return Some((100, 1));
    }
    if let Some(n) = position(&ONES, first) {
        return Some((n, 1));
    }
    let tens = position(&TENS, first)? * 10;
    match words.get(1).and_then(|word| position(&ONES, word)) {
        Some(n @ 1..10) => Some((tens + n, 2)),
        _ => Some((tens, 1)),
    }
}

/// The time of day in a sentence.
pub fn time(now: TimeOfDay) -> String {
    let hour = |hour: u8| {
        number(u32::from(match hour % 12 {
            0 => 12,
            hour => hour,
        }))
    };
    let part = match now.hour {
        0..5 => "at night",
        5..12 => "in the morning",
        12..18 => "in the afternoon",
        _ => "in the evening",
    };
    match (now.hour, now.minute) {
        (0, 0) => "It is midnight.".to_owned(),
        (12, 0) => "It is noon.".to_owned(),
        (h, 0) => format!("It is {} o'clock {part}.", hour(h)),
        (h, m @ 1..10) => format!("It is {} oh {} {part}.", hour(h), number(m.into())),
        (h, m) => format!("It is {} {} {part}.", hour(h), number(m.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for n in 0..=100 {
            let words = of(&number(n));
            assert_eq!(read_number(&words), Some((n, words.len())), "{words:?}");
        }
        assert_eq!(read_number(&of("12 apples")), Some((12, 1)));
        assert_eq!(read_number(&of("many")), None);
    }

    #[test]
    fn the_time_is_told_as_people_tell_it() {
        let at = |hour, minute| time(TimeOfDay { hour, minute });
        assert_eq!(at(0, 0), "It is midnight.");
        assert_eq!(at(9, 0), "It is nine o'clock in the morning.");
        assert_eq!(at(13, 5), "It is one oh five in the afternoon.");
        assert_eq!(at(23, 42), "It is eleven forty two in the evening.");
    }
}
