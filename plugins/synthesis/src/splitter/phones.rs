// SPDX-License-Identifier: MPL-2.0
//! Phones within a text, `[word](/p h o n e s/)`, which some engines say as they are given: no clause ends inside.

/// Longest word, in characters; may be several with white space between.
const MAX_WORD: usize = 40;
/// Most characters of phones.
const MAX_PHONES: usize = 80;

pub(crate) enum Phones {
    None,
    /// It depends on text to come.
    Incomplete,
    /// So many bytes, brackets included.
    Found(usize),
}

/// Whether a word with its phones begins a text. `end`: no more text is to come.
pub(crate) fn at(text: &str, end: bool) -> Phones {
    if !text.starts_with('[') {
        return Phones::None;
    }
    let more = if end {
        Phones::None
    } else {
        Phones::Incomplete
    };
    let mut chars = text.char_indices().skip(1);
    let mut length = 0;
    loop {
        match chars.next() {
            None => return more,
            Some((_, ']')) if length > 0 => break,
            Some((_, '[' | ']' | '\n')) => return Phones::None,
            Some(_) if length == MAX_WORD => return Phones::None,
            Some(_) => length += 1,
        }
    }
    for expected in ['(', '/'] {
        match chars.next() {
            None => return more,
            Some((_, c)) if c == expected => {}
            Some(_) => return Phones::None,
        }
    }
    for _ in 0..=MAX_PHONES {
        match chars.next() {
            None => return more,
            Some((_, '/')) => {
                return match chars.next() {
                    None => more,
                    Some((at, ')')) => Phones::Found(at + 1),
                    Some(_) => Phones::None,
                };
            }
            Some((_, c)) if c.is_ascii_alphanumeric() || c == ' ' => {}
            Some(_) => return Phones::None,
        }
    }
    Phones::None
}
