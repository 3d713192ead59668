// SPDX-License-Identifier: MPL-2.0

//! Playout: what stands between synthesized speech and the audio sink.
//!
//! It keeps a steady sound on the sink (silence where there is no speech), runs only a little ahead of
//! what is heard, falls silent within milliseconds when it is told to, and knows to the sample what has
//! left. [`Core`] holds all of that without threads, clocks or GStreamer: time goes in as nanoseconds of
//! running time, and what to do next comes out. [`element`] puts a pad, a task and a clock around it.

mod core;
pub mod element;
mod format;
mod heard;
mod notice;
#[cfg(test)]
mod tests;
mod timeline;
mod utterance;
pub mod yields;

use std::time::Duration;

pub use self::{
    core::{Content, Core, Frame, Passage, Stats, Step},
    notice::{Interrupted, Notice, Paused, Reason, Resumed, Unheard},
    utterance::Mark,
};
pub use crate::interruption::{Command, EarEvent, Mode};

/// Nanoseconds of running time, the unit of every time in the core.
pub type Nanos = u64;

/// Frames are this long; a little more or less where the rate is not a multiple of 100.
pub const FRAME: Duration = Duration::from_millis(10);

/// What the mouth may set. All of it may change while speech plays and counts from the next frame on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How far ahead of its own time speech is pushed, 0 to 200 ms. Below one frame it is one frame.
    pub lead: Duration,
    /// How long speech takes to fall silent when it is stopped or paused.
    pub fade_duration: Duration,
    /// How much audio may be queued before the synthesizer has to wait.
    pub prefetch: Duration,
    /// How long the caller must speak before a pause becomes an interruption.
    pub commit_duration: Duration,
    /// What an ear may do to the speech.
    pub interruption: Mode,
    /// Pace on the clock. Without it frames leave as fast as they are taken, and no silence is inserted.
    pub sync: bool,
    /// How long a caller who goes on speaking holds back speech that has not begun. After that it begins
    /// all the same: an ear that never reports the end of speech must not silence the mouth for good.
    pub hold_limit: Duration,
    /// How much sound is kept to resume at the start of a word.
    pub history: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lead: Duration::from_millis(20),
            fade_duration: Duration::from_millis(8),
            prefetch: Duration::from_millis(500),
            commit_duration: Duration::from_millis(250),
            interruption: Mode::default(),
            sync: true,
            hold_limit: Duration::from_secs(8),
            history: Duration::from_secs(3),
        }
    }
}

/// A duration in the core's unit; what does not fit is as good as for ever.
pub(crate) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
