// SPDX-License-Identifier: MPL-2.0

//! Words, and what is put together of letters, digits and signs.

use crate::{acronyms, numbers, speech::Speech, symbols, units};

/// Most letters of a word; more are several.
const MOST: usize = 32;

/// Without a vowel, and said all the same.
const NO_VOWEL: [&str; 22] = [
    "hmm", "hm", "mm", "mmm", "shh", "sh", "psst", "pst", "brr", "brrr", "pfft", "tsk", "grr",
    "zzz", "nth", "mhm", "hmph", "th", "st", "nd", "ll", "cwm",
];

/// Words that are written shorter than they are said.
const SHORT: [(&str, &str); 25] = [
    ("o'clock", "o'clock"),
    ("'em", "them"),
    ("'cause", "because"),
    ("'til", "till"),
    ("y'all", "y.ao.l"),
    ("ma'am", "m.ae.m"),
    ("ol'", "old"),
    ("rock'n'roll", "rock and roll"),
    ("'n", "and"),
    ("email", "E mail"),
    ("emails", "E mails"),
    ("wifi", "w.ay.f.ay"),
    ("Wi-Fi", "w.ay.f.ay"),
    ("iOS", "I O S"),
    ("iPhone", "I phone"),
    ("iPad", "I pad"),
    ("iPhones", "I phones"),
    ("eBay", "E bay"),
    ("PhD", "P H D"),
    ("Ctrl", "control"),
    ("ctrl", "control"),
    ("YoY", "year over year"),
    ("LaTeX", "l.ey.t.eh.k"),
    ("macOS", "m.ae.k O S"),
    ("GStreamer", "G streamer"),
];

/// What is said for a token in one piece by a table, apostrophe in front included.
pub(crate) fn short(text: &str) -> Option<Speech> {
    let found = SHORT.iter().find(|(short, _)| *short == text);
    found.map(|(_, said)| Speech::of(said))
}

/// A word of letters and apostrophes, as it is.
pub(crate) fn letters(word: &str) -> Speech {
    let mut clean = String::with_capacity(word.len());
    let mut run = 0;
    for c in word.trim_matches('\'').chars() {
        let c = c.to_ascii_lowercase();
        if !c.is_ascii_lowercase() && c != '\'' {
            continue;
        }
        run = if clean.ends_with(c) { run + 1 } else { 0 };
        // Sooooo.
        if run < 2 && !(c == '\'' && run > 0) {
            clean.push(c);
        }
    }
    let mut speech = Speech::default();
    let mut rest = clean.as_str();
    while !rest.is_empty() {
        let (part, behind) = rest.split_at(rest.len().min(MOST));
        let part = part.trim_matches('\'');
        match part.len() {
            0 => {}
            1 => {
                speech.letter(part.chars().next().unwrap_or('a'));
            }
            _ => {
                speech.words(part);
            }
        }
        rest = behind;
    }
    speech
}

/// A word of letters and apostrophes: as it is, or spelled.
fn word(text: &str, loud: bool) -> Speech {
    if let Some(said) = short(text).or_else(|| acronyms::capitals(text, loud)) {
        return said;
    }
    let bare = text.trim_matches('\'');
    let small = bare.to_ascii_lowercase();
    if bare.len() == 1 {
        return letters(bare);
    }
    if let Some(stem) = text.strip_suffix("'s").filter(|stem| stem.len() == 1) {
        let mut speech = acronyms::spelled(stem);
        speech.several();
        return speech;
    }
    if let Some(said) = acronyms::small(&small) {
        return said;
    }
    let vowel = small.contains(|c: char| "aeiouy".contains(c));
    if !vowel
        && small.len() <= 5
        && !NO_VOWEL.contains(&small.as_str())
        && !is_one_letter(&small)
        && !small.contains('\'')
    {
        return match units::named(bare) {
            Some((_, many)) => Speech::of(many),
            None => acronyms::spelled(bare),
        };
    }
    letters(bare)
}

/// Aaaah, mmmm.
fn is_one_letter(word: &str) -> bool {
    let first = word.chars().next();
    word.len() > 2 && word.chars().all(|c| Some(c) == first)
}

/// Where a word is two that are written together: YouTube, OpenAI.
fn camel(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut parts = Vec::new();
    let mut from = 0;
    for at in 1..bytes.len() {
        let (before, here) = (bytes[at - 1], bytes[at]);
        let next_small = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        // The s of GPUs is no word.
        let plural = bytes.len() == at + 2 && bytes[at + 1] == b's';
        let up = before.is_ascii_lowercase() && here.is_ascii_uppercase();
        let down =
            before.is_ascii_uppercase() && here.is_ascii_uppercase() && next_small && !plural;
        let name = [
            "Mc", "Mac", "O'", "D'", "De", "Le", "La", "Di", "Fitz", "Van",
        ]
        .contains(&&text[from..at]);
        if (up && !name) || down {
            parts.push(&text[from..at]);
            from = at;
        }
    }
    parts.push(&text[from..]);
    parts
}

/// Letters and digits without signs, each run by itself: H264, B2B, openSource2024.
pub(crate) fn runs(text: &str) -> Speech {
    mixed(text, false)
}

/// Letters, digits and signs, one after the other.
fn mixed(text: &str, loud: bool) -> Speech {
    let mut speech = Speech::default();
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let is_part = |of: char| match c {
            '0'..='9' => of.is_ascii_digit() || of == ',',
            _ if c.is_ascii_alphabetic() => of.is_ascii_alphabetic() || of == '\'',
            _ => false,
        };
        let end = rest
            .find(|of| !is_part(of))
            .unwrap_or(rest.len())
            .max(c.len_utf8());
        let (part, behind) = rest.split_at(end);
        let next = behind.chars().next().unwrap_or(' ');
        let digits: String = part.chars().filter(|c| *c != ',').collect();
        match c {
            '0'..='9' if before == '.' => {
                speech.words(if digits.len() <= 2 && !digits.starts_with('0') {
                    numbers::cardinal(&digits)
                } else {
                    numbers::digits(&digits)
                });
            }
            '0'..='9' if before.is_ascii_alphabetic() || next.is_ascii_alphabetic() => {
                speech.words(numbers::in_name(&digits));
            }
            '0'..='9' => {
                speech.words(numbers::cardinal(&digits));
            }
            'x' if part == "x" && before.is_ascii_digit() && next.is_ascii_digit() => {
                speech.words("by");
            }
            's' if part == "s" && before.is_ascii_digit() && behind.is_empty() => {
                // 747s
                if let Some(crate::Said::Letters(last)) = speech.0.last_mut() {
                    *last = numbers::plural_of(last);
                }
            }
            _ if c.is_ascii_alphabetic() => {
                let parts = camel(part);
                for one in parts {
                    match one.len() {
                        1 => speech.letter(c_of(one)),
                        _ => speech.append(word(one, loud)),
                    };
                }
            }
            '.' if before.is_ascii_digit() && next.is_ascii_digit() => {
                speech.words("point");
            }
            '.' if next != ' ' && before != ' ' => {
                speech.words("dot");
            }
            '^' if next == '2' || next == '3' => {
                let squared = if next == '2' { "squared" } else { "cubed" };
                let alone = !behind[1..].starts_with(|c: char| c.is_ascii_digit());
                if alone {
                    speech.words(squared);
                    (rest, before) = (&behind[1..], next);
                    continue;
                }
                speech.words(symbols::name('^').unwrap_or_default());
            }
            '-' if (before.is_ascii_digit() || before == '^') && next.is_ascii_digit() => {
                speech.words("minus");
            }
            '/' if before.is_ascii_digit() && next.is_ascii_digit() => {
                speech.words("over");
            }
            '_' | '*' if !(before.is_ascii_digit() && next.is_ascii_digit()) => {}
            ':' | ',' => {}
            _ => {
                speech.words(symbols::name(c).unwrap_or_default());
            }
        }
        before = part.chars().next_back().unwrap_or(' ');
        rest = behind;
    }
    speech
}

fn c_of(text: &str) -> char {
    text.chars().next().unwrap_or('a')
}

/// Behind a slash, what is counted for each of them: days/week.
const PER: [&str; 11] = [
    "week", "day", "month", "year", "hour", "minute", "second", "person", "night", "user", "item",
];

/// A token of anything: words with hyphens, words with signs.
pub(crate) fn token(text: &str, loud: bool) -> Speech {
    if let Some(said) = short(text) {
        return said;
    }
    if text
        .bytes()
        .all(|byte| byte.is_ascii_alphabetic() || byte == b'\'')
    {
        return match camel(text).as_slice() {
            [_] => word(text, loud),
            _ => match acronyms::capitals(text, loud) {
                Some(said) => said,
                None => mixed(text, loud),
            },
        };
    }
    // 2+2=4 and x-1 are formulas; a hyphen within letters joins words.
    let formula = text.contains(['=', '+', '*', '^', '<', '>']);
    if text.contains('-') && !formula {
        let mut speech = Speech::default();
        for part in text.split('-').filter(|part| !part.is_empty()) {
            speech.append(crate::read::written(part, loud));
        }
        return speech;
    }
    if text == "and/or" {
        return Speech::of("and or");
    }
    if text.contains('/')
        && let Some(said) = units::quantity(text, false, false)
    {
        return Speech::of(said);
    }
    let parts: Vec<&str> = text.split('/').collect();
    if parts.len() > 1
        && !formula
        && parts
            .iter()
            .all(|part| part.contains(|c: char| c.is_ascii_alphabetic()))
    {
        let mut speech = Speech::default();
        for (place, part) in parts.into_iter().enumerate() {
            if place > 0 {
                speech.words(if PER.contains(&part) { "per" } else { "slash" });
            }
            speech.append(crate::read::written(part, loud));
        }
        return speech;
    }
    // U.S.A, e.g. is in a table
    let letters_only = text
        .split('.')
        .all(|part| part.len() == 1 && part.bytes().all(|byte| byte.is_ascii_alphabetic()));
    if letters_only && text.contains('.') {
        return acronyms::spelled(text);
    }
    if let Some((front, "s")) = text.rsplit_once('\'')
        && front.contains('.')
    {
        let mut speech = token(front, loud);
        speech.several();
        return speech;
    }
    mixed(text, loud && !text.contains(|c: char| c.is_ascii_digit()))
}
