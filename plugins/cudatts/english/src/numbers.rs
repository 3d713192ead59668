// SPDX-License-Identifier: MPL-2.0

//! Numbers: cardinals, ordinals, decimals, fractions, ranges, digits one by one.

use crate::at::At;

const SMALL: [&str; 20] = [
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
const SCALES: [&str; 6] = [
    "",
    "thousand",
    "million",
    "billion",
    "trillion",
    "quadrillion",
];

/// Ordinals that are not their cardinal and `th`.
const ORDINALS: [(&str, &str); 7] = [
    ("one", "first"),
    ("two", "second"),
    ("three", "third"),
    ("five", "fifth"),
    ("eight", "eighth"),
    ("nine", "ninth"),
    ("twelve", "twelfth"),
];

/// Digits one by one, with a space between each.
pub(crate) fn digits(digits: &str) -> String {
    let names: Vec<_> = digits
        .bytes()
        .filter(u8::is_ascii_digit)
        .map(|digit| SMALL[usize::from(digit - b'0')])
        .collect();
    names.join(" ")
}

/// A whole number. One by one where it has zeros in front or is longer than any name for it.
pub(crate) fn cardinal(number: &str) -> String {
    match number.parse() {
        Ok(value) if number.len() == 1 || !number.starts_with('0') => of(value),
        _ => digits(number),
    }
}

/// A number in words.
pub(crate) fn of(value: u64) -> String {
    if value >= 10u64.pow(18) {
        return digits(&value.to_string());
    }
    if value == 0 {
        return SMALL[0].into();
    }
    let mut words = Vec::new();
    for place in (0..SCALES.len()).rev() {
        let group = (value / 1000u64.pow(place as u32) % 1000) as usize;
        if group == 0 {
            continue;
        }
        if group >= 100 {
            words.extend([SMALL[group / 100], "hundred"]);
        }
        match group % 100 {
            0 => {}
            low @ 1..20 => words.push(SMALL[low]),
            low => {
                words.push(TENS[low / 10]);
                if low % 10 > 0 {
                    words.push(SMALL[low % 10]);
                }
            }
        }
        if place > 0 {
            words.push(SCALES[place]);
        }
    }
    words.join(" ")
}

/// The ordinal of a number in words: `twenty one` is `twenty first`.
pub(crate) fn ordinal_of(cardinal: &str) -> String {
    let (front, last) = match cardinal.rsplit_once(' ') {
        Some((front, last)) => (format!("{front} "), last),
        None => (String::new(), cardinal),
    };
    let found = ORDINALS.iter().find(|(from, _)| *from == last);
    match (found, last.strip_suffix('y')) {
        (Some((_, to)), _) => format!("{front}{to}"),
        (None, Some(stem)) => format!("{front}{stem}ieth"),
        (None, None) => format!("{front}{last}th"),
    }
}

/// Several of a number in words: `ninety` is `nineties`.
pub(crate) fn plural_of(cardinal: &str) -> String {
    match cardinal.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if cardinal.ends_with('x') => format!("{cardinal}es"),
        None => format!("{cardinal}s"),
    }
}

/// A year of four digits, or two of them.
pub(crate) fn year(value: u64) -> String {
    let (high, low) = (value / 100, value % 100);
    match (high, low) {
        (0, 0..10) => format!("oh {}", of(low)),
        (0, _) => of(low),
        (20, 0..10) | (10, 0..10) => of(value),
        (_, 0) => format!("{} hundred", of(high)),
        (_, 1..10) => format!("{} oh {}", of(high), of(low)),
        _ => format!("{} {}", of(high), of(low)),
    }
}

/// A number within a name, such as 264 in H264: in twos.
pub(crate) fn in_name(number: &str) -> String {
    let value = number.parse().unwrap_or(0);
    match number.len() {
        _ if number.starts_with('0') && number.len() > 1 => digits(number),
        1 | 2 => of(value),
        3 if value % 100 == 0 => of(value),
        3 if value % 100 < 10 => format!("{} oh {}", of(value / 100), of(value % 10)),
        3 => format!("{} {}", of(value / 100), of(value % 100)),
        4 if value % 1000 == 0 => of(value),
        4 => year(value),
        _ => digits(number),
    }
}

/// Whether a text is digits.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text begins with a digit.
pub(crate) fn begins(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

/// A number or something like it, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phrase {
    /// What is said.
    pub words: String,
    /// Whether a single thing follows: one mile, half a mile.
    pub one: bool,
}

/// The whole part of a number, its groups put together.
fn whole(text: &str) -> Option<String> {
    let mut groups = text.split(',');
    let first = groups.next()?;
    let mut number = first.to_owned();
    for group in groups {
        if group.len() != 3 || first.len() > 3 || first.starts_with('0') {
            return None;
        }
        number.push_str(group);
    }
    is_digits(&number).then_some(number)
}

/// 5, 1,234 or 3.14, without a sign.
pub(crate) fn plain(text: &str) -> Option<Phrase> {
    let (before, behind) = match text.split_once('.') {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    };
    let mut words = match before {
        "" if behind.is_some() => String::new(),
        _ => cardinal(&whole(before)?),
    };
    if let Some(behind) = behind {
        if !is_digits(behind) {
            return None;
        }
        words = format!("{words} point {}", digits(behind));
    }
    Some(Phrase {
        one: text == "1",
        words: words.trim_start().to_owned(),
    })
}

/// What is said for a part of something.
pub(crate) fn fraction(text: &str) -> Option<Phrase> {
    let (above, below) = text.split_once('/')?;
    if !is_digits(above) || !is_digits(below) || above.len() > 3 || below.len() > 4 {
        return None;
    }
    let (above, below): (u64, u64) = (above.parse().ok()?, below.parse().ok()?);
    let name = match below {
        2 => "half".to_owned(),
        4 => "quarter".to_owned(),
        3 | 5..=20 | 32 | 64 | 100 | 1000 => ordinal_of(&of(below)),
        _ => return None,
    };
    if above == 0 || above >= below {
        return None;
    }
    let name = match (above, name.as_str()) {
        (1, _) => name,
        (_, "half") => "halves".into(),
        _ => format!("{name}s"),
    };
    Some(Phrase {
        words: format!("{} {name}", of(above)),
        one: true,
    })
}

/// A fraction, where a whole number stands in front: the second token of 1 1/2.
pub(crate) fn behind_whole(at: &At) -> Option<String> {
    let fraction = fraction(at.text())?;
    let whole = at
        .before()
        .filter(|before| is_digits(&before.text) && !before.stop);
    whole.map(|_| format!("and {}", fraction.words))
}

/// A number with a sign, a fraction, a whole and a fraction, or a range of them.
pub(crate) fn phrase(text: &str) -> Option<Phrase> {
    for (sign, name) in [
        ("+/-", "plus or minus"),
        ("±", "plus or minus"),
        ("~", "about"),
        ("≈", "about"),
        ("<", "less than"),
        (">", "more than"),
        ("≤", "at most"),
        ("≥", "at least"),
        ("-", "minus"),
        ("+", "plus"),
    ] {
        if let Some(rest) = text.strip_prefix(sign) {
            let bare = unsigned(rest)?;
            return Some(Phrase {
                words: format!("{name} {}", bare.words),
                ..bare
            });
        }
    }
    if let Some(bare) = text.strip_suffix('+') {
        return Some(Phrase {
            words: format!("{} plus", unsigned(bare)?.words),
            one: false,
        });
    }
    unsigned(text)
}

fn unsigned(text: &str) -> Option<Phrase> {
    if !begins(text) && !text.starts_with('.') {
        return None;
    }
    if let Some(found) = plain(text).or_else(|| fraction(text)) {
        return Some(found);
    }
    if let Some((number, part)) = text.split_once('+') {
        let part = fraction(part)?;
        let part = match part.words.strip_prefix("one ") {
            Some(name) => format!("a {name}"),
            None => part.words,
        };
        return Some(Phrase {
            words: format!("{} and {part}", plain(number)?.words),
            one: false,
        });
    }
    let (from, to) = text.split_once('-')?;
    let years = |text: &str| {
        let value = text.parse().ok().filter(|_| text.len() == 4)?;
        (1100..2100).contains(&value).then(|| year(value))
    };
    let words = match (years(from), years(to)) {
        (Some(from), Some(to)) => format!("{from} to {to}"),
        (Some(from), None) if to.len() == 2 && is_digits(to) => {
            format!("{from} to {}", year(to.parse().ok()?))
        }
        _ => {
            let side = |text| plain(text).or_else(|| fraction(text));
            format!("{} to {}", side(from)?.words, side(to)?.words)
        }
    };
    Some(Phrase { words, one: false })
}

/// 1st, 22nd, 1,000th.
pub(crate) fn ordinal(text: &str) -> Option<String> {
    let digits = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, ending) = text.split_at(digits);
    let ending = ending.to_ascii_lowercase();
    let wanted = ["st", "nd", "rd", "th"].contains(&ending.as_str());
    let number = whole(number).filter(|_| wanted)?;
    Some(ordinal_of(&cardinal(&number)))
}

/// Signs of Roman numerals and what they are worth.
const ROMAN: [(&str, u64); 13] = [
    ("M", 1000),
    ("CM", 900),
    ("D", 500),
    ("CD", 400),
    ("C", 100),
    ("XC", 90),
    ("L", 50),
    ("XL", 40),
    ("X", 10),
    ("IX", 9),
    ("V", 5),
    ("IV", 4),
    ("I", 1),
];

/// A Roman numeral in capitals, below 4,000.
pub(crate) fn roman(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    let (mut rest, mut value) = (text, 0);
    for (sign, worth) in ROMAN {
        while let Some(less) = rest.strip_prefix(sign) {
            (rest, value) = (less, value + worth);
        }
    }
    // Well-formed is what would be written for the value.
    let (mut written, mut left) = (String::new(), value);
    for (sign, worth) in ROMAN {
        while left >= worth {
            written.push_str(sign);
            left -= worth;
        }
    }
    (written == text && value < 4000).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_words() {
        for (number, words) in [
            ("0", "zero"),
            ("21", "twenty one"),
            ("100", "one hundred"),
            ("1001", "one thousand one"),
            (
                "123456789",
                "one hundred twenty three million four hundred fifty six thousand seven hundred eighty nine",
            ),
            ("007", "zero zero seven"),
            (
                "18446744073709551616",
                "one eight four four six seven four four zero seven three seven zero nine five five one six one six",
            ),
        ] {
            assert_eq!(cardinal(number), words);
        }
        for (number, words) in [
            (1, "first"),
            (30, "thirtieth"),
            (58, "fifty eighth"),
            (112, "one hundred twelfth"),
        ] {
            assert_eq!(ordinal_of(&of(number)), words);
        }
        for (number, words) in [
            (1905, "nineteen oh five"),
            (2000, "two thousand"),
            (2026, "twenty twenty six"),
            (5, "oh five"),
        ] {
            assert_eq!(year(number), words);
        }
    }

    #[test]
    fn roman_numerals_are_those_that_are_well_formed() {
        for (text, value) in [
            ("XIV", Some(14)),
            ("MCMXCIX", Some(1999)),
            ("IIII", None),
            ("VX", None),
            ("", None),
            ("CIVIL", None),
        ] {
            assert_eq!(roman(text), value, "{text}");
        }
    }
}
