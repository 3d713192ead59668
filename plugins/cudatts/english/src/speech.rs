// SPDX-License-Identifier: MPL-2.0

//! What is said, while it is being put together.

use crate::{Said, letters};

/// Words to say, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Speech(pub Vec<Said>);

impl Speech {
    /// Words with spaces between them, as the tables write them: a capital by itself is the name of a letter (`et cetera`, `P M`),
    /// `a` the article.
    pub fn of(words: impl AsRef<str>) -> Self {
        let mut speech = Self::default();
        speech.words(words);
        speech
    }

    /// Adds words, as [`Speech::of`].
    pub fn words(&mut self, words: impl AsRef<str>) -> &mut Self {
        for word in words.as_ref().split_ascii_whitespace() {
            self.0.push(match word.as_bytes() {
                b"a" => phones(letters::ARTICLE),
                [letter] => phones(letters::name(*letter as char)),
                _ => Said::Letters(word.to_owned()),
            });
        }
        self
    }

    /// Adds the name of a letter.
    pub fn letter(&mut self, letter: char) -> &mut Self {
        self.0.push(phones(letters::name(letter)));
        self
    }

    /// Adds a phone or two to the last word, where it has phones.
    pub fn append_phones(&mut self, more: &str) {
        if let Some(Said::Phones(last)) = self.0.last_mut() {
            last.extend(more.split(' ').map(str::to_owned));
        }
    }

    /// Adds what another says.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.0.extend(other.0);
        self
    }
}

fn phones(list: &str) -> Said {
    Said::Phones(list.split(' ').map(str::to_owned).collect())
}
