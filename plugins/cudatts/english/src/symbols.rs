// SPDX-License-Identifier: MPL-2.0

//! Signs that are said.

use crate::{
    at::{At, Piece},
    letters, numbers,
    speech::Speech,
    tokens::Token,
};

const NAMES: [(char, &str); 37] = [
    ('&', "and"),
    ('+', "plus"),
    ('=', "equals"),
    ('%', "percent"),
    ('#', "hash"),
    ('@', "at"),
    ('/', "slash"),
    ('\\', "backslash"),
    ('~', "tilde"),
    ('_', "underscore"),
    ('^', "to the power of"),
    ('*', "times"),
    ('×', "times"),
    ('÷', "divided by"),
    ('<', "less than"),
    ('>', "greater than"),
    ('≤', "less than or equal to"),
    ('≥', "greater than or equal to"),
    ('≠', "not equal to"),
    ('≈', "approximately"),
    ('±', "plus or minus"),
    ('°', "degrees"),
    ('→', "to"),
    ('∞', "infinity"),
    ('√', "square root of"),
    ('§', "section"),
    ('$', "dollars"),
    ('€', "euros"),
    ('£', "pounds"),
    ('¥', "yen"),
    ('₹', "rupees"),
    ('₩', "won"),
    ('₽', "rubles"),
    ('¢', "cents"),
    ('?', "question mark"),
    (':', "colon"),
    (',', "comma"),
];

/// The name of a sign.
pub(crate) fn name(sign: char) -> Option<&'static str> {
    let found = NAMES.iter().find(|(listed, _)| *listed == sign);
    found
        .map(|(_, name)| *name)
        .or_else(|| letters::greek(sign))
}

/// Names with signs in them.
const NAMED: [(&str, &str); 9] = [
    ("C++", "C plus plus"),
    ("c++", "C plus plus"),
    ("C#", "C sharp"),
    ("F#", "F sharp"),
    ("A+", "A plus"),
    ("B+", "B plus"),
    ("Q&A", "Q and A"),
    ("R&D", "R and D"),
    ("AT&T", "A T and T"),
];

/// Names with signs in them, #5, @.
pub(crate) fn token(text: &str) -> Option<Speech> {
    if let Some((_, said)) = NAMED.iter().find(|(named, _)| *named == text) {
        return Some(Speech::of(said));
    }
    if let Some(number) = text.strip_prefix(['#', '№']).and_then(numbers::phrase) {
        return Some(Speech::of(format!("number {}", number.words)));
    }
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(sign), None) => name(sign).map(Speech::of),
        _ => None,
    }
}

/// Signs between numbers: 5 - 3, 5 * 3, 6 / 2. A hyphen is a range where the second is greater and nothing is computed.
pub(crate) fn read(at: &At, pieces: &mut Vec<Piece>) -> usize {
    let next = at
        .next(1)
        .map(|next| next.text.as_str())
        .filter(|next| is_operand(next));
    let last = at.at.checked_sub(1).and_then(|place| at.tokens.get(place));
    let before =
        last.filter(|last| last.closed || (at.before().is_some() && is_operand(&last.text)));
    let said = match (at.text(), before, next) {
        ("-", Some(before), Some(next)) => {
            match (before.text.parse::<f64>(), next.parse::<f64>()) {
                (Ok(before), Ok(next)) if before < next && !is_computed(at) => "to",
                _ => "minus",
            }
        }
        ("*", Some(_), Some(_)) => "times",
        ("/", Some(_), Some(_)) => "divided by",
        ("~", _, Some(_)) => "about",
        // Otherwise a dash, or nothing.
        ("-" | "*", ..) => return 1,
        _ => return 0,
    };
    pieces.push(at.piece(0, Speech::of(said)));
    1
}

/// Whether an equals sign or another operator is near.
fn is_computed(at: &At) -> bool {
    let sign = |token: &Token| ["=", "+", "*", "/", "×", "÷", "-"].contains(&token.text.as_str());
    at.next(2).is_some_and(sign)
        || at
            .at
            .checked_sub(2)
            .and_then(|place| at.tokens.get(place))
            .is_some_and(sign)
}

/// A number, or a letter that stands for one.
fn is_operand(text: &str) -> bool {
    numbers::phrase(text).is_some()
        || (text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_alphabetic()))
        || (text.contains('^') && text.len() < 8)
}
