// SPDX-License-Identifier: MPL-2.0

//! What a text is read as.

use std::ops::Range;

/// A text as it is to be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its clauses, in order. Their bytes follow each other without gaps and cover the text; a text without anything to say has
    /// none.
    pub clauses: Vec<Clause>,
    /// What is not said, in order.
    pub skipped: Vec<Skipped>,
}

/// What is said in one breath.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The bytes of the text that it stands for, with the white space and the marks around its words.
    pub bytes: Range<usize>,
    /// At least one; in order, apart from each other.
    pub words: Vec<Word>,
    /// How it ends.
    pub end: End,
}

/// How a clause ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The sentence goes on: a comma, a dash, a bracket, or no mark where a clause would become too long.
    Comma,
    /// The end of a sentence, of a paragraph or of the text.
    Stop,
    /// A question mark.
    Question,
    /// An exclamation mark.
    Exclamation,
}

/// A written token, and what is said for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it stands in the text, without quotation marks, brackets and punctuation around it.
    pub bytes: Range<usize>,
    /// At least one.
    pub said: Vec<Said>,
}

/// A word to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A word whose phones are to be found: letters a to z, in it perhaps apostrophes (`don't`). The dictionary has been asked
    /// already.
    Letters(String),
    /// Phones: of the dictionary, of the text itself, or the name of a letter.
    Phones(Vec<String>),
}

/// A stretch of the text that is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where it stands in the text.
    pub bytes: Range<usize>,
    /// What stands there; of a long stretch its beginning.
    pub text: String,
    /// Why, in a sentence.
    pub why: &'static str,
}
