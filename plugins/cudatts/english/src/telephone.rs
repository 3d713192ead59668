// SPDX-License-Identifier: MPL-2.0

//! Telephone numbers: digit by digit, with a pause behind each group.

use crate::{
    at::{At, Piece},
    numbers::{self, is_digits},
    speech::Speech,
};

/// Lengths of groups that are a telephone number without any + in front.
const GROUPS: [&[usize]; 6] = [
    &[3, 3, 4],
    &[1, 3, 3, 4],
    &[3, 4],
    &[5, 6],
    &[4, 3, 4],
    &[4, 3, 3],
];
/// What makes a number of a few short groups one to be called.
const CALLS: [&str; 10] = [
    "call",
    "phone",
    "tel",
    "telephone",
    "fax",
    "dial",
    "mobile",
    "number",
    "at",
    "on",
];
/// Most tokens of a number.
const MOST: usize = 7;

/// (555) 123-4567, +44 20 7946 0958, 555-1234.
pub(crate) fn read(at: &At, pieces: &mut Vec<Piece>) -> usize {
    let first = at.text();
    let plus = first.starts_with('+');
    if !plus && !numbers::begins(first) {
        return 0;
    }
    let mut groups: Vec<(usize, &str)> = Vec::new();
    let mut found = 0;
    // Of one token, or as many as there are.
    for places in 0..MOST {
        let Some(token) = at.tokens.get(at.at + places) else {
            break;
        };
        if places > 0 {
            let last = &at.tokens[at.at + places - 1];
            let bracket = (last.closed || token.opened) && places <= 2;
            let parted = last.stop || last.mark != crate::tokens::Mark::None || token.item;
            if parted || ((last.closed || token.opened) && !bracket) {
                break;
            }
        }
        let text = match places {
            0 => token.text.strip_prefix('+').unwrap_or(&token.text),
            _ => &token.text,
        };
        let sign = if text.contains('-') { '-' } else { '.' };
        let parts: Vec<&str> = text.split(sign).collect();
        if !parts.iter().all(|part| is_digits(part) && part.len() <= 6) {
            break;
        }
        groups.extend(parts.into_iter().map(|part| (places, part)));
        let lengths: Vec<usize> = groups.iter().map(|(_, part)| part.len()).collect();
        let digits: usize = lengths.iter().sum();
        let whole = match plus {
            true => groups.len() > 1 && (8..=15).contains(&digits),
            // Numbers of seven digits are common: only with a hyphen and where one is called.
            false if lengths == [3, 4] => sign == '-',
            false => {
                GROUPS.contains(&lengths.as_slice()) && (lengths.len() > 2 || at.follows(&CALLS))
            }
        };
        if whole {
            found = places + 1;
        }
    }
    if found == 0 {
        return 0;
    }
    groups.retain(|(places, _)| *places < found);
    let last = groups.len() - 1;
    let ascii = |places: usize| {
        let token = &at.tokens[at.at + places];
        token.bytes.len() == token.text.len()
    };
    let mut from = usize::from(plus);
    let mut place = 0;
    for (number, (places, group)) in groups.into_iter().enumerate() {
        if places != place {
            (place, from) = (places, 0);
        }
        let token = &at.tokens[at.at + places];
        let said = match (number, group) {
            (_, "800") | (_, "900") => numbers::cardinal(group),
            _ => numbers::digits(group),
        };
        let mut piece = at.piece(
            places,
            Speech::of(if number == 0 && plus {
                format!("plus {said}")
            } else {
                said
            }),
        );
        if ascii(places) {
            let start = if number == 0 { 0 } else { from };
            piece.bytes = token.bytes.start + start..token.bytes.start + from + group.len();
        } else if pieces.last().is_some_and(|last| last.bytes == piece.bytes) {
            if let Some(last) = pieces.last_mut() {
                last.said.append(piece.said);
            }
            continue;
        }
        from += group.len() + 1;
        piece.pause = number != last;
        pieces.push(piece);
    }
    found
}
