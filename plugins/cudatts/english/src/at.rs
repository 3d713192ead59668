// SPDX-License-Identifier: MPL-2.0

//! A place among tokens, and what a rule makes of it.

use std::ops::Range;

use crate::{
    speech::Speech,
    tokens::{Mark, Token},
};

/// A word that is read, before it is part of a clause.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub bytes: Range<usize>,
    pub said: Speech,
    /// A pause behind it that no mark asks for.
    pub pause: bool,
}

/// Reads the token of a place, and perhaps those behind it: answers with how many, and 0 where the rule is not for it. Marks between
/// the tokens of a rule, but those behind the last, are no marks.
pub(crate) type Rule = fn(&At, &mut Vec<Piece>) -> usize;

/// A place among tokens.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub tokens: &'a [Token],
    pub at: usize,
}

impl<'a> At<'a> {
    /// The token here.
    pub fn this(&self) -> &'a Token {
        &self.tokens[self.at]
    }

    /// Its text.
    pub fn text(&self) -> &'a str {
        &self.this().text
    }

    /// The token so many places on, where no mark parts them but full stops.
    pub fn next(&self, places: usize) -> Option<&'a Token> {
        let token = self.tokens.get(self.at + places)?;
        let between = &self.tokens[self.at..self.at + places];
        let together = between.iter().all(Token::goes_on)
            && self.tokens[self.at + 1..=self.at + places]
                .iter()
                .all(|token| !token.item && !token.opened);
        together.then_some(token)
    }

    /// The token so many places on, where at most a comma parts it from the one before.
    pub fn past_comma(&self, places: usize) -> Option<&'a Token> {
        let token = self.tokens.get(self.at + places)?;
        let last = &self.tokens[self.at + places - 1];
        let parted = last.mark > Mark::Comma
            || last.closed
            || (last.stop && last.mark == Mark::None)
            || token.item
            || token.opened;
        (!parted).then_some(token)
    }

    /// The token in front, where no mark parts it from this one but a full stop.
    pub fn before(&self) -> Option<&'a Token> {
        let before = self.tokens.get(self.at.checked_sub(1)?)?;
        (before.goes_on() && !self.this().item && !self.this().opened).then_some(before)
    }

    /// Whether the token in front is one of these words.
    pub fn follows(&self, words: &[&str]) -> bool {
        self.before().is_some_and(|before| {
            words
                .iter()
                .any(|word| before.text.eq_ignore_ascii_case(word))
        })
    }

    /// A piece for the token so many places on.
    pub fn piece(&self, places: usize, said: Speech) -> Piece {
        Piece {
            bytes: self.tokens[self.at + places].bytes.clone(),
            said,
            pause: false,
        }
    }
}
