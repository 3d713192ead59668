// SPDX-License-Identifier: MPL-2.0

//! Where the output stands: running time counted in samples, on a grid of frames.

use super::Nanos;

const SECOND: u64 = 1_000_000_000;

/// Samples in so many nanoseconds, rounded to the nearest.
pub(super) fn samples_in(time: Nanos, rate: u32) -> u64 {
    let samples =
        (u128::from(time) * u128::from(rate) + u128::from(SECOND / 2)) / u128::from(SECOND);
    u64::try_from(samples).unwrap_or(u64::MAX)
}

/// Nanoseconds in so many samples, rounded down.
pub(super) fn nanos_in(samples: u64, rate: u32) -> Nanos {
    let time = u128::from(samples) * u128::from(SECOND) / u128::from(rate.max(1));
    u64::try_from(time).unwrap_or(u64::MAX)
}

#[derive(Debug)]
pub(super) struct Timeline {
    rate: u32,
    /// Running time of the first sample since the last restart.
    origin: Nanos,
    /// Samples and frames since then.
    samples: u64,
    frames: u64,
    /// False until the first start.
    started: bool,
    /// The next frame does not follow on the one before.
    discont: bool,
}

impl Timeline {
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            origin: 0,
            samples: 0,
            frames: 0,
            started: false,
            discont: true,
        }
    }

    pub fn started(&self) -> bool {
        self.started
    }

    /// Goes on at `origin`; the next frame is marked as a discontinuity.
    pub fn restart(&mut self, origin: Nanos) {
        self.origin = origin;
        self.samples = 0;
        self.frames = 0;
        self.started = true;
        self.discont = true;
    }

    /// The next frame is marked as a discontinuity.
    pub fn interrupt(&mut self) {
        self.discont = true;
    }

    /// Goes on at the same time with another rate.
    pub fn set_rate(&mut self, rate: u32) {
        let cursor = self.cursor();
        self.rate = rate;
        if self.started {
            self.restart(cursor);
        }
    }

    /// Running time of the next sample.
    pub fn cursor(&self) -> Nanos {
        self.at(0)
    }

    /// Running time of the sample `offset` after the next.
    pub fn at(&self, offset: u64) -> Nanos {
        self.origin
            .saturating_add(nanos_in(self.samples + offset, self.rate))
    }

    /// Samples of the next frame: frames end on multiples of 10 ms also where the rate does not divide.
    pub fn frame_len(&self) -> usize {
        let end = (self.frames + 1) * u64::from(self.rate) / 100;
        usize::try_from(end.saturating_sub(self.samples))
            .unwrap_or(1)
            .max(1)
    }

    /// A frame of so many samples left. Returns its timestamp, its duration and whether it is a discontinuity.
    pub fn advance(&mut self, samples: u64) -> (Nanos, Nanos, bool) {
        let pts = self.cursor();
        self.samples += samples;
        self.frames += 1;
        (
            pts,
            self.cursor() - pts,
            std::mem::replace(&mut self.discont, false),
        )
    }
}
