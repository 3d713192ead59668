// SPDX-License-Identifier: MPL-2.0
//! Cuts text that is still being written into clauses, so that a voice can begin before the
//! sentence is complete.
//!
//! A clause ends behind a mark (`.` `,` `?` `。` `،` …) that ends something in this place, at a
//! blank line, before an item of a list, or, where no mark comes, after twelve words or three
//! hundred characters. Marks inside of numbers, times, addresses, abbreviations and initials end
//! nothing. White space in front of a clause belongs to it, so that the clauses together are the
//! text, byte by byte.
//!
//! A cut is made only once the text behind it can no longer change the decision; hence the same
//! text gives the same clauses however it arrives. [`Splitter::flush`] gives that up: it makes a
//! clause of whatever is there.
//!
//! `icu_segmenter` knows where words and characters of every script end and is asked where a cut has to
//! fall inside of text without white space. Its sentences are not used: they know neither
//! abbreviations nor clauses, and need the whole text.
//!
//! # Phones
//! A word with its phones, `[word](/p h o n e s/)`, stays whole. (Engines without phones read it as any other text.)
//!
//! # SSML
//! Tags stay whole and count as no characters. `</s>` and `</p>` end a clause. No cut falls
//! inside elements other than `speak`, `p`, `s`, `voice`, `lang` and `prosody`, unless one is
//! longer than 1,500 characters; [`Clause::open`] repeats the tags that are open where the
//! clause begins, and an engine puts them in front of it.
//!
//! ```
//! use duplex_synthesis::{Boundary, Splitter};
//!
//! let mut splitter = Splitter::new(Some("en"), false);
//! splitter.push("It costs 1,234.50, Dr. Smi");
//! let clause = splitter.next_clause().unwrap();
//! assert_eq!(clause.text, "It costs 1,234.50,");
//! assert_eq!((clause.bytes, clause.boundary), (0..18, Boundary::Clause));
//! assert!(splitter.next_clause().is_none());
//! splitter.push("th. Really?");
//! assert_eq!(splitter.next_clause().unwrap().text, " Dr. Smith.");
//! assert_eq!(splitter.flush()[0].text, " Really?");
//! ```

mod abbreviations;
mod marks;
pub(crate) mod phones;
mod scan;
mod window;

use std::ops::Range;

pub(crate) use marks::unspaced;
pub use window::tags;

pub use abbreviations::is_abbreviation;

use abbreviations::Language;
use scan::Scan;
use window::Window;

/// Most characters (Unicode scalar values, tags not counted) of a clause.
pub const MAX_CHARS: usize = 300;
/// Most words of a clause that has no mark.
pub const MAX_WORDS: usize = 12;

/// What ends a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Boundary {
    /// The end of a sentence or paragraph.
    Sentence,
    /// A comma, colon, dash or the like, or the end of a list's item.
    Clause,
    /// No mark: the clause was getting long. It is to be spoken on without a pause.
    Words,
    /// No mark: the text, or what was flushed of it, ends here.
    End,
}

/// A stretch of text to be spoken in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The text, with the white space in front of it. May be nothing but white space or marks.
    pub text: String,
    /// Its bytes in the utterance's text.
    pub bytes: Range<usize>,
    /// What ends it.
    pub boundary: Boundary,
    /// SSML: the tags that are open where it begins, the outermost first. Not part of `bytes`.
    pub open: String,
}

/// The splitter: text in, clauses out. No threads, no clock.
#[derive(Clone, Debug)]
pub struct Splitter {
    language: Language,
    ssml: bool,
    /// Text that is in no clause yet; the first `taken` bytes are in one already.
    text: String,
    taken: usize,
    /// Where `text[taken..]` begins in the utterance's text.
    start: usize,
    open: Vec<window::OpenTag>,
}

impl Splitter {
    /// A splitter for text in the language of a BCP 47 tag (for its abbreviations and ordinals).
    pub fn new(language: Option<&str>, ssml: bool) -> Self {
        Self {
            language: Language::from_tag(language),
            ssml,
            text: String::new(),
            taken: 0,
            start: 0,
            open: Vec::new(),
        }
    }

    /// Adds text: any part of a word, or several pages.
    pub fn push(&mut self, text: &str) {
        if self.taken == self.text.len() {
            self.text.clear();
            self.taken = 0;
        } else if self.taken > 4096 && self.taken > self.text.len() / 2 {
            self.text.drain(..self.taken);
            self.taken = 0;
        }
        self.text.push_str(text);
    }

    /// The next clause that no further text can change.
    pub fn next_clause(&mut self) -> Option<Clause> {
        self.scan(false)
    }

    /// All that is left, as if the text ended here. More text may follow.
    pub fn flush(&mut self) -> Vec<Clause> {
        let mut clauses = Vec::new();
        while let Some(clause) = self.scan(true) {
            clauses.push(clause);
        }
        clauses
    }

    /// Bytes that were pushed and are in no clause yet.
    pub fn pending(&self) -> usize {
        self.text.len() - self.taken
    }

    /// Throws away what is pending.
    pub fn clear(&mut self) {
        self.start += self.pending();
        self.text.clear();
        self.taken = 0;
    }

    fn scan(&mut self, end: bool) -> Option<Clause> {
        let text = &self.text[self.taken..];
        if text.is_empty() {
            return None;
        }
        let window = Window::new(text, self.ssml, end, &self.open);
        let Scan::Cut { at, boundary } = scan::scan(&window, text, &self.language) else {
            return None;
        };
        let open = self.open.iter().map(|tag| tag.raw.as_str()).collect();
        let text = text[..at].to_owned();
        if self.ssml {
            window::follow_tags(&mut self.open, &text);
        }
        let bytes = self.start..self.start + at;
        self.taken += at;
        self.start += at;
        Some(Clause {
            text,
            bytes,
            boundary,
            open,
        })
    }
}
