// SPDX-License-Identifier: MPL-2.0

//! What is said, while it is being put together.

use crate::{Said, letters};

/// Words to say, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Speech(pub Vec<Said>);

impl Speech {
    /// Words with spaces between them, as the tables write them: a capital by itself is the name of a letter (`et cetera`, `P M`),
    /// `a` the article, a word like others, and phones have dots between them (`n.ae.s.ax`).
    pub fn of(words: impl AsRef<str>) -> Self {
        let mut speech = Self::default();
        speech.words(words);
        speech
    }

    /// Adds words, as [`Speech::of`].
    pub fn words(&mut self, words: impl AsRef<str>) -> &mut Self {
        for word in words.as_ref().split_ascii_whitespace() {
            self.0.push(match word.as_bytes() {
                [letter] if *letter != b'a' => phones(letters::name(*letter as char)),
                _ if word.contains('.') => phones(&word.replace('.', " ")),
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

    /// Makes several of the last word, or what belongs to it: `GPUs`, `NATO's`.
    pub fn several(&mut self) {
        match self.0.last_mut() {
            Some(Said::Phones(phones)) => {
                let more = ending_s(phones.last().map_or("", String::as_str));
                phones.extend(more.iter().map(|&phone| phone.to_owned()));
            }
            Some(Said::Letters(word)) => word.push('s'),
            None => {}
        }
    }

    /// Adds what another says.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.0.extend(other.0);
        self
    }
}

/// The phones of the s of a plural or a possessive behind a phone: cats, dogs, horses.
pub fn ending_s(last: &str) -> &'static [&'static str] {
    match last {
        "f" | "k" | "p" | "t" | "th" => &["s"],
        "s" | "z" | "sh" | "zh" | "ch" | "jh" => &["ax", "z"],
        _ => &["z"],
    }
}

fn phones(list: &str) -> Said {
    Said::Phones(list.split(' ').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_letters_and_phones_are_told_apart_and_become_several() {
        let letters = |word: &str| Said::Letters(word.to_owned());
        let mut speech = Speech::of("a P M n.ae.s.ax plan");
        assert_eq!(
            speech.0,
            [
                letters("a"),
                phones("p iy1"),
                phones("eh1 m"),
                phones("n ae s ax"),
                letters("plan")
            ]
        );
        speech.several();
        assert_eq!(speech.0[4], letters("plans"));
        for (one, many) in [("G", "jh iy1 z"), ("F", "eh1 f s"), ("X", "eh1 k s ax z")] {
            let mut speech = Speech::of(one);
            speech.several();
            assert_eq!(speech.0, [phones(many)]);
        }
    }
}
