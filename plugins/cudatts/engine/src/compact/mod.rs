// SPDX-License-Identifier: MPL-2.0

//! The small voice that comes with gst-duplex: English, 16 kHz, a few megabytes.
//!
//! It is not autoregressive. Letters become phones, phones get their lengths and their melody, and each hop of 10 ms gets two
//! filters of minimum phase: one for pulses at the melody's fundamental, one for noise. All networks see a bounded stretch, so
//! that a clause is computed hop by hop, and what is streamed is the same to the bit as what is computed at once. How the
//! networks are trained, and what they are in PyTorch, is in `plugins/cudatts/compact/training`.
//!
//! | what | unit |
//! |---|---|
//! | hop | 160 samples, 10 ms: one row of the networks |
//! | frame | 4 hops, 640 samples, 40 ms: one step of the engine |
//! | chunk | a clause, between two pauses |
//!
//! # From text to sound
//! [`Compact`] reads English by `duplex_english`; a chunk's tokens are letters and phones (`tokens`). A generator finds the
//! phones of words when a chunk is admitted (`words`), asks a tree how long each lasts (`lengths`, by `syllables`), and answers where
//! each word sounds, and how long the clause is, exactly (`clause`, `pauses`). A clause is told of what its sentence says before
//! and behind it, as far as that is known. Rate divides the lengths of phones; pitch multiplies the fundamental. A decoder filters
//! and adds up (`filters`).
//!
//! # Another device
//! What takes time is the body of `networks::Sound` and the filters ([`shape`]). [`Compact::on_device`] has a backend compute them,
//! from the body's inputs and the excitation (`device`); the rest is for the host on every device, so that the same seed speaks
//! alike.

mod blocks;
mod clause;
mod device;
mod endings;
mod excitation;
mod files;
mod filters;
mod language;
mod lengths;
mod model;
mod networks;
mod pauses;
mod phones;
mod run;
pub mod shape;
mod speaking;
mod syllables;
#[cfg(test)]
mod tests;
mod tokens;
mod trees;
mod words;

pub use self::{model::Compact, phones::PHONES};

/// Samples per second.
pub const RATE: usize = 16_000;
/// Samples of a row of the networks.
pub const HOP: usize = 160;
/// Rows of a frame.
const FRAME_HOPS: usize = 4;
/// Samples of a frame.
pub const FRAME_SAMPLES: usize = FRAME_HOPS * HOP;
/// Points of a phone's melody, at 1/6, 3/6 and 5/6 of its length.
const MELODY: usize = 3;
/// Phones, or none, that a letter may stand for.
const PLACES: usize = 3;

/// The numbers that filters are given by.
struct Spectra;

impl Spectra {
    /// Of the cepstrum of the pulses' filter.
    const VOICED: usize = shape::VOICED;
    /// Of that of the noise's.
    const NOISE: usize = shape::NOISE;
    /// Of both.
    const NUMBERS: usize = Self::VOICED + Self::NOISE;
}

/// All that is read from files.
#[derive(Debug)]
struct Voice {
    words: words::Words,
    /// How `the` is said before a vowel.
    the: Vec<phones::Phone>,
    lengths: lengths::Lengths,
    melody: networks::Melody,
    sound: networks::Sound,
}
