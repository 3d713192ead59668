//! The speech engine trait, splitting of streaming text, and the tone engine.
//!
//! No GStreamer and no network here: elements and workers both stand on this crate.

mod engine;

pub use engine::{
    AudioHalf, Cancel, Engine, Error, Piece, Request, TextHalf, Utterance, Voice, WordMark,
};
