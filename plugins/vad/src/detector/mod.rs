// SPDX-License-Identifier: MPL-2.0
//! Voice activity scores from audio of any rate and channel count, without GStreamer.
//!
//! [`Analyzer`] is what the elements use: interleaved samples go in, and for every scored stretch of audio a [`Score`]
//! comes out, with the position in the input where that audio ends. What a score means for a conversation (speech
//! began, was confirmed, has ended) is decided elsewhere.
//!
//! Everything here is synchronous, takes no lock, and allocates only when it is created or grows to its working size.

mod analyzer;
mod earshot;
mod resampler;
#[cfg(test)]
mod signals;
mod silero;
mod simd;

pub use self::analyzer::{Analyzer, Samples, Score};
pub use self::earshot::Earshot;
pub use self::resampler::Resampler;
pub use self::silero::Silero;

/// The rate in Hz at which the detectors listen.
pub const ANALYSIS_RATE: u32 = 16_000;

/// The input rates in Hz that [`Analyzer`] takes.
pub const INPUT_RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// A Silero score at or above this is taken for speech.
///
/// Chosen on the recordings of alsa-utils with `vad-accuracy` (tests): from 0.4 up, hiss, hum, ventilation and clicks
/// trigger nothing; each 0.1 more costs 1 to 4 ms at the median onset, and halves the share of coughs that make the
/// mouth pause for a moment (0.3: 84 %, 0.5: 52 %, 0.7: 18 %). None of them is ever held for 250 ms.
pub const DEFAULT_ONSET_THRESHOLD: f32 = 0.5;

/// Below this Silero score, speech that had begun is taken to pause.
pub const DEFAULT_OFF_THRESHOLD: f32 = 0.35;

/// An earshot score at or above this is taken for speech.
pub const EARSHOT_ONSET_THRESHOLD: f32 = 0.6;

/// Below this earshot score, speech that had begun is taken to pause. With anything lower than 0.6 it latches: the
/// scores of many a quiet room stay just below.
pub const EARSHOT_OFF_THRESHOLD: f32 = 0.6;

/// Which detector to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Silero VAD v6.2: a small recurrent network, scores of 32 ms. The most accurate.
    #[default]
    Silero,
    /// The `earshot` crate: scores of 16 ms. Less accurate, but the better part of a megabyte smaller in memory.
    Earshot,
}

impl Kind {
    /// A detector of this kind, in its initial state. All detectors of a process share one copy of the weights.
    pub fn detector(self) -> Box<dyn Detector> {
        match self {
            Kind::Silero => Box::new(Silero::new()),
            Kind::Earshot => Box::new(Earshot::new()),
        }
    }

    /// The score from which speech is taken to begin, unless the user says otherwise.
    pub fn onset_threshold(self) -> f32 {
        match self {
            Kind::Silero => DEFAULT_ONSET_THRESHOLD,
            Kind::Earshot => EARSHOT_ONSET_THRESHOLD,
        }
    }

    /// The score below which speech is taken to pause, unless the user says otherwise.
    pub fn off_threshold(self) -> f32 {
        match self {
            Kind::Silero => DEFAULT_OFF_THRESHOLD,
            Kind::Earshot => EARSHOT_OFF_THRESHOLD,
        }
    }
}

/// Scores consecutive stretches of 16 kHz mono audio by how much they resemble speech.
pub trait Detector: Send {
    /// Samples at [`ANALYSIS_RATE`] that one score covers.
    fn hop(&self) -> usize;

    /// Takes the next [`hop`](Self::hop) samples (full scale is ±1) and returns their score, 0 to 1. A hop of
    /// another length is refused by a panic. Whatever the samples are, NaN included, the state stays usable.
    fn score(&mut self, hop: &[f32]) -> f32;

    /// Forgets everything heard so far.
    fn reset(&mut self);

    /// Samples of [`fork`](Self::fork)'s `before` that the detector looks at.
    fn context(&self) -> usize;

    /// A detector that knows what this one has heard, whose next hop follows `before` (the last
    /// [`context`](Self::context) samples suffice). `None` where a second phase would gain nothing, as scores are no
    /// more than 16 ms apart already.
    fn fork(&self, before: &[f32]) -> Option<Box<dyn Detector>>;
}
