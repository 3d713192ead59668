// SPDX-License-Identifier: MPL-2.0

//! Roman numerals, where they cannot be taken for a word or letters.

use crate::{
    at::{At, Piece},
    numbers,
    speech::Speech,
};

/// What is numbered: Chapter IV.
const NUMBERED: [&str; 30] = [
    "chapter", "part", "section", "volume", "vol", "book", "act", "scene", "appendix", "phase",
    "type", "class", "article", "title", "level", "stage", "round", "war", "bowl", "unit",
    "figure", "table", "step", "mark", "grade", "category", "tier", "lesson", "exhibit",
    "schedule",
];

/// Names of those who are counted: Henry VIII.
const NAMES: [&str; 42] = [
    "Henry",
    "Louis",
    "George",
    "Elizabeth",
    "Charles",
    "Edward",
    "Richard",
    "James",
    "William",
    "John",
    "Paul",
    "Pius",
    "Benedict",
    "Francis",
    "Philip",
    "Napoleon",
    "Alexander",
    "Catherine",
    "Frederick",
    "Gregory",
    "Clement",
    "Innocent",
    "Leo",
    "Nicholas",
    "Peter",
    "Ivan",
    "Mary",
    "Victoria",
    "Ramesses",
    "Ptolemy",
    "Otto",
    "Wilhelm",
    "Leopold",
    "Albert",
    "Felipe",
    "Gustav",
    "Harald",
    "Christian",
    "Robert",
    "Stephen",
    "Urban",
    "Margrethe",
];

/// Numerals that are hardly anything else, even behind a small letter.
const SURE: [&str; 10] = [
    "II", "III", "VII", "VIII", "IX", "XII", "XIII", "XIV", "XVI", "XVIII",
];

/// Chapter IV, Louis XIV, World War II, the XIX century.
pub(crate) fn read(at: &At, pieces: &mut Vec<Piece>) -> usize {
    let text = at.text();
    // p. iv
    let paged = at.follows(&["p", "pp", "page", "pages"])
        && text.bytes().all(|byte| b"ivx".contains(&byte));
    if paged && let Some(value) = numbers::roman(&text.to_ascii_uppercase()) {
        pieces.push(at.piece(0, Speech::of(numbers::of(value))));
        return 1;
    }
    let Some(value) = numbers::roman(text) else {
        return 0;
    };
    let cardinal = numbers::of(value);
    let said = if at.follows(&NUMBERED) && value < 200 {
        cardinal
    } else if at
        .next(1)
        .is_some_and(|next| matches!(next.text.as_str(), "century" | "centuries"))
    {
        numbers::ordinal_of(&cardinal)
    } else if at
        .before()
        .is_some_and(|before| NAMES.contains(&before.text.as_str()))
        && text != "I"
        && value < 40
    {
        format!("the {}", numbers::ordinal_of(&cardinal))
    } else if text.len() > 1 && text.bytes().all(|byte| b"IVX".contains(&byte)) {
        let named = at.before().is_some_and(|before| {
            before.capital()
                && !before.line
                && before.text.bytes().any(|byte| byte.is_ascii_lowercase())
        });
        if !named && !SURE.contains(&text) {
            return 0;
        }
        cardinal
    } else {
        return 0;
    };
    pieces.push(at.piece(0, Speech::of(said)));
    1
}
