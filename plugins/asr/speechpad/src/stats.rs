// SPDX-License-Identifier: MPL-2.0

//! What an element counts.

use std::time::Duration;

/// Since READY to PAUSED.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stats {
    pub turns: u64,
    pub discarded: u64,
    pub backchannels: u64,
    pub cancelled: u64,
    pub failed: u64,
    pub commits: u64,
    pub dismissals: u64,
    pub partials: u64,
    pub words: u64,
    /// Nanoseconds of audio that were dropped because too much waited.
    pub dropped: u64,
    /// Nanoseconds of audio that engines heard, and how long that took them.
    pub heard: u64,
    pub busy: Duration,
    /// How long the last final result took, from its decision.
    pub finishing: Duration,
    /// The longest that audio has waited, in nanoseconds of audio.
    pub most_waiting: u64,
}

impl Stats {
    pub fn to_structure(self) -> gst::Structure {
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let load = match self.heard {
            0 => 0.0,
            heard => self.busy.as_secs_f64() * 1e9 / heard as f64,
        };
        gst::Structure::builder("asr-stats")
            .field("turns", self.turns)
            .field("discarded", self.discarded)
            .field("backchannels", self.backchannels)
            .field("cancelled", self.cancelled)
            .field("failed", self.failed)
            .field("commits", self.commits)
            .field("dismissals", self.dismissals)
            .field("partials", self.partials)
            .field("words", self.words)
            .field("dropped-time", self.dropped)
            .field("heard-time", self.heard)
            .field("load", load)
            .field("finish-time", nanos(self.finishing))
            .field("most-waiting", self.most_waiting)
            .build()
    }
}
