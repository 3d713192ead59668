// SPDX-License-Identifier: GPL-3.0-or-later
//! A clause as the library gets it, and the way back from its positions to the utterance's text.

use std::ops::Range;

use duplex_synthesis::{Boundary, Clause, words};

/// A clause made ready for one call of the library.
pub struct Prepared {
    /// UTF-8 with a zero byte at the end.
    pub text: Vec<u8>,
    /// The clause's words thrice, without marks: see `Library::settle`.
    pub settling: Vec<u8>,
    /// The clause's words: bytes in the clause.
    pub words: Vec<Range<usize>>,
    /// Byte in the clause of each character that the library counts, from the first on.
    bytes: Vec<usize>,
    /// Characters in front that are not the clause's.
    prefix: usize,
    /// Runs between white space, as bytes in the clause, and the first word at or behind each one's start.
    tokens: Vec<Range<usize>>,
}

impl Prepared {
    /// Characters that the library takes for commands of its own are replaced by white space, one
    /// by one, so that positions hold: control characters (NUL too), the private use areas and non-characters; so
    /// are those that crash it.
    pub fn new(clause: &Clause, ssml: bool) -> Self {
        let spoken = clause.text.trim_start();
        let skipped = clause.text.len() - spoken.len();
        let mut text = Vec::with_capacity(spoken.len() + clause.open.len() + 2);
        let mut bytes = Vec::with_capacity(spoken.len() + 1);
        let mut encoded = [0; 4];
        let mut prefix = 0;
        for c in clause.open.chars() {
            text.extend_from_slice(harmless(c).encode_utf8(&mut encoded).as_bytes());
            prefix += 1;
        }
        for (at, c) in spoken.char_indices() {
            text.extend_from_slice(harmless(c).encode_utf8(&mut encoded).as_bytes());
            bytes.push(skipped + at);
        }
        bytes.push(clause.text.len());
        if clause.boundary == Boundary::Words && !ssml {
            // Without a mark the voice would fall as at the end of a sentence.
            text.push(b',');
        }
        text.push(0);
        let base = clause.text.as_ptr() as usize;
        let tokens = clause
            .text
            .split(|c: char| harmless(c).is_whitespace())
            .filter(|token| !token.is_empty())
            .map(|token| {
                let start = token.as_ptr() as usize - base;
                start..start + token.len()
            })
            .collect();
        let words = words(&clause.text, ssml);
        let mut settling = String::with_capacity(3 * clause.text.len() + 4);
        for word in words.iter().cycle().take(3 * words.len()) {
            let plain = |c: char| {
                if c.is_alphanumeric() || c == '\'' {
                    c
                } else {
                    ' '
                }
            };
            settling.extend(clause.text[word.clone()].chars().map(plain));
            settling.push(' ');
        }
        let mut settling = settling.into_bytes();
        settling.push(0);
        Self {
            text,
            settling,
            words,
            bytes,
            prefix,
            tokens,
        }
    }

    /// Whether there is anything to say.
    pub fn is_silent(&self) -> bool {
        self.tokens.is_empty()
    }

    /// What a word event means: the word it belongs to, or bytes of the clause that are none of
    /// `words` (a symbol that is spoken).
    pub fn place(&self, position: i32, length: i32) -> Option<Place> {
        let first = usize::try_from(position)
            .ok()?
            .checked_sub(1 + self.prefix)?;
        let start = *self.bytes.get(first)?;
        let end = first + usize::try_from(length).ok()?.max(1);
        let end = self.bytes[end.min(self.bytes.len() - 1)];
        if let Some(word) = self.words.iter().position(|word| word.contains(&start)) {
            return Some(Place::Word(word));
        }
        let token = self.tokens.iter().find(|token| token.contains(&start))?;
        // A mark or sign that stands at a word (`$5`) is spoken as part of it.
        let inside = |word: &Range<usize>| token.start <= word.start && word.end <= token.end;
        let behind = self
            .words
            .iter()
            .position(|word| inside(word) && word.start >= start);
        let before = self
            .words
            .iter()
            .rposition(|word| inside(word) && word.end <= start);
        match behind.or(before) {
            Some(word) => Some(Place::Word(word)),
            None => Some(Place::Sign(start..end.clamp(start, token.end))),
        }
    }
}

/// What a word event of the library points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The index of one of the clause's words.
    Word(usize),
    /// Bytes of the clause that hold no letter or digit.
    Sign(Range<usize>),
}

fn harmless(c: char) -> char {
    let private = matches!(c as u32, 0xe000..=0xf8ff | 0xf0000..=0x10ffff);
    let none = (c as u32) & 0xfffe == 0xfffe || matches!(c as u32, 0xfdd0..=0xfdef);
    // Version 1.51 overruns a buffer of its own when it spells these out.
    let braille = matches!(c as u32, 0x2800..=0x28ff);
    if private || none || braille || (c.is_control() && !matches!(c, '\n' | '\t' | '\r')) {
        ' '
    } else {
        c
    }
}
