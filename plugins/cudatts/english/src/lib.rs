// SPDX-License-Identifier: MPL-2.0

//! Written English as words to say.
//!
//! [`read`] cuts a text into clauses and tells for each written token what is said for it. A token keeps the bytes where it stands in the text, so that
//! marks of words are those of what was written. Whatever cannot be said (emoji, other scripts) is named in [`Reading::skipped`].
//!
//! ```
//! use duplex_english::{Dictionary, End, Said, read};
//!
//! let text = "It cost nothing, really?";
//! let reading = read(text, &Dictionary::default());
//! let [first, second] = reading.clauses.as_slice() else { panic!() };
//! assert_eq!((first.end, second.end), (End::Comma, End::Question));
//! assert_eq!(&text[first.words[2].bytes.clone()], "nothing");
//! assert_eq!(first.words[2].said, [Said::Letters("nothing".into())]);
//! ```
//!
//! # Threads
//! None, and no files: everything here is a function of its arguments. Reading takes time in proportion to the text.

mod dictionary;
mod reading;
mod simple;

pub use dictionary::{Dictionary, DictionaryError};
pub use reading::{Clause, End, Reading, Said, Skipped, Word};
pub use simple::read;
