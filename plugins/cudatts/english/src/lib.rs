// SPDX-License-Identifier: MPL-2.0

//! Written English as words to say.
//!
//! [`read`] cuts a text into clauses and tells for each written token what is said for it: `$3.50` is three dollars and fifty
//! cents, `27 Nov 2026` a date, `NASA` a word and `FBI` three letters. A token keeps the bytes where it stands in the text, so that
//! marks of words are those of what was written. Whatever cannot be said (emoji, other scripts) is named in [`Reading::skipped`].
//!
//! ```
//! use duplex_english::{Dictionary, End, Said, read};
//!
//! let text = "It cost $5, really?";
//! let reading = read(text, &Dictionary::default());
//! let [first, second] = reading.clauses.as_slice() else { panic!() };
//! assert_eq!((first.end, second.end), (End::Comma, End::Question));
//! assert_eq!(&text[first.words[2].bytes.clone()], "$5");
//! assert_eq!(first.words[2].said, ["five", "dollars"].map(|word| Said::Letters(word.into())));
//! ```
//!
//! # Phones in a text
//! `[Kyiv](/k iy v/)` is said as these phones, whatever letters stand in the square brackets, and its mark says `Kyiv`. A phone that
//! the model has not makes the word be said as it is written, with a note in [`Reading::skipped`]. The splitter of streamed text
//! (`duplex_synthesis::Splitter`) keeps such a place whole where the word has up to 40 characters and its phones up to 80; markup of
//! subtitles and SSML have no square brackets and leave it alone.
//!
//! # What is not decided here
//! `the` is [`Said::Letters`] always: whoever finds the phones of words sees what the next begins with. A text that ends without a
//! mark ends with [`End::Stop`], though more of the sentence may come in another text.
//!
//! # Threads
//! None, and no files: everything here is a function of its arguments. Reading takes time in proportion to the text.

mod abbreviations;
mod acronyms;
mod addresses;
mod at;
mod clauses;
mod dates;
mod dictionary;
mod inline;
mod letters;
mod money;
mod numbers;
mod read;
mod reading;
mod roman;
mod speech;
mod symbols;
mod telephone;
mod times;
mod tokens;
mod units;
mod versions;
mod words;

pub use dictionary::{Dictionary, DictionaryError};
pub use read::read;
pub use reading::{Clause, End, Reading, Said, Skipped, Word};
pub use speech::ending_s;
