// SPDX-License-Identifier: MPL-2.0
//! The speech engine trait, splitting of streaming text, and the tone engine.
//!
//! No GStreamer and no network here: elements and workers both stand on this crate.
//!
//! - [`Engine`], [`TextHalf`], [`AudioHalf`]: what a voice looks like to its consumer.
//! - [`Splitter`]: clauses from text that is still being written. [`words`]: the words of a text.
//! - [`text_channel`]: the text half for engines that run in process.
//! - [`tone`]: the engine whose words can be told apart by pitch, for tests.
//!
//! # Threads
//! This crate starts none. Splitting happens in the thread that pushes text, the tone engine's work
//! in the thread that pulls sound; both may block, and [`Cancel`] ends that from any third.

mod channel;
mod engine;
mod park;
mod splitter;
pub mod tone;
mod words;

pub use channel::{ClauseReader, MAX_UNREAD, TextWriter, TryNext, Waker, text_channel};
pub use engine::{
    AudioHalf, Cancel, Engine, Error, Piece, RATES, Request, TextHalf, Utterance, Voice, WordMark,
    check_rate,
};
pub use splitter::{Boundary, Clause, MAX_CHARS, MAX_WORDS, Splitter, is_abbreviation, tags};
pub use words::words;
