// SPDX-License-Identifier: MPL-2.0

//! Words put together to clauses.

use crate::{Clause, End, Word, at::Piece, read::is_number_of_item, tokens::Token};

/// Most words to say of a clause, and of a token; more are cut.
const MOST: usize = 25;
/// Fewest words in front of a cut where there is no mark.
const LEAST: usize = 10;

/// In front of these a clause that is too long is cut.
const JOINING: [&str; 24] = [
    "and", "or", "but", "because", "which", "that", "who", "when", "while", "where", "although",
    "if", "so", "then", "as", "with", "for", "from", "to", "in", "on", "at", "by", "of",
];

/// The clauses of a text, as far as they are known.
#[derive(Default)]
pub(crate) struct Clauses {
    clauses: Vec<Clause>,
    words: Vec<Word>,
    /// Where the clause that is being made begins.
    from: usize,
    /// Where the last token ends, with the marks behind it.
    end: usize,
    /// A bracket parted this clause from the one before.
    bracket: bool,
}

impl Clauses {
    /// Before the words of a token.
    pub fn before(&mut self, token: &Token) {
        let numbered = token.line && (token.stop || token.closed) && is_number_of_item(token);
        if token.item || numbered {
            self.bracket = false;
            return self.finish(End::Stop, self.end);
        }
        // A word or two in brackets are part of what is around them.
        if token.opened && !token.closed && self.words.len() > 1 {
            self.finish(End::Comma, self.end);
            self.bracket = true;
        }
    }

    /// Adds words. A token with very much to say is several, each with a share of its bytes.
    pub fn push(&mut self, piece: Piece, text: &str) {
        let said = piece.said.0;
        let shares = said.len().div_ceil(MOST - 1);
        let mut said = said.into_iter().peekable();
        let mut start = piece.bytes.start;
        for share in 0..shares {
            let mut end = piece.bytes.start + piece.bytes.len() * (share + 1) / shares;
            while !text.is_char_boundary(end) {
                end += 1;
            }
            self.words.push(Word {
                bytes: start..end,
                said: said.by_ref().take(MOST - 1).collect(),
            });
            start = end;
            if let Some(count) = cut(&self.words) {
                let rest = self.words.split_off(count);
                let to = self.words.last().map_or(self.from, |word| word.bytes.end);
                let words = std::mem::replace(&mut self.words, rest);
                self.add(words, End::Comma, to);
            }
        }
    }

    /// Behind the words of a token, maybe the last.
    pub fn behind(&mut self, token: &Token, end: Option<End>, last: bool) {
        self.end = token.end;
        let end = match end {
            None if token.closed && !last && std::mem::take(&mut self.bracket) => Some(End::Comma),
            end => end,
        };
        if let Some(end) = end {
            self.finish(end, token.end);
        }
    }

    /// Ends the clause, which has the text up to this place.
    pub fn finish(&mut self, end: End, to: usize) {
        let words = std::mem::take(&mut self.words);
        if !words.is_empty() {
            self.add(words, end, to);
        }
    }

    fn add(&mut self, words: Vec<Word>, end: End, to: usize) {
        let bytes = self.from..to;
        self.from = to;
        self.clauses.push(Clause { bytes, words, end });
    }

    /// All clauses of the text, which ends here.
    pub fn all(mut self, text: &str) -> Vec<Clause> {
        self.finish(End::Stop, text.len());
        if let Some(last) = self.clauses.last_mut() {
            last.bytes.end = text.len();
        }
        self.clauses
    }
}

/// After how many words a clause that is too long is cut.
fn cut(words: &[Word]) -> Option<usize> {
    let mut said = 0;
    let mut joining = None;
    for (place, word) in words.iter().enumerate() {
        let joins = place > 0
            && said >= LEAST
            && matches!(word.said.as_slice(), [crate::Said::Letters(word)] if JOINING.contains(&word.as_str()));
        if joins {
            joining = Some(place);
        }
        said += word.said.len();
        if said > MOST {
            return Some(joining.unwrap_or(place).max(1));
        }
    }
    None
}
