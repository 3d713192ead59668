// SPDX-License-Identifier: MPL-2.0
//! How much of the far end can be in what the microphone hears, where no echo is heard: a bound.
//!
//! If an echo of some delay and gain is there, the near power is that gain times what was played
//! so long ago, plus whatever else is heard. The least-squares slope of the near power over the
//! far power of each delay is an estimate of that gain; speech fluctuates strongly, and so a
//! second or two of it prove an echo to be far below a steady noise. How uncertain the slopes are
//! is told by their own scatter over all delays, of which at most a few are the echo's: whatever
//! rhythm the noise has is in there.

use super::DELAYS;

/// Cells after which what was heard counts for a third: 4 s.
const MEMORY: f64 = 400.0;
/// Cells of a playing far end that make a bound: 1.2 s.
const ENOUGH: f64 = 120.0;
/// How far above the largest slope the bound is, in standard deviations of the slopes.
const SIGMAS: f64 = 2.5;

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    far: f64,
    far_squared: f64,
    both: f64,
}

/// Weighted sums of one cell after the other, for each delay.
#[derive(Debug, Clone)]
pub(super) struct Gain {
    weight: f64,
    near: f64,
    near_squared: f64,
    delays: [Sums; DELAYS],
}

impl Gain {
    pub fn new() -> Self {
        Self {
            weight: 0.0,
            near: 0.0,
            near_squared: 0.0,
            delays: [Sums::default(); DELAYS],
        }
    }

    /// Takes the near power of a cell, and what was played at each delay before it.
    pub fn take(&mut self, near: f64, far: impl Fn(usize) -> f64) {
        let keep = 1.0 - 1.0 / MEMORY;
        self.weight = self.weight * keep + 1.0;
        self.near = self.near * keep + near;
        self.near_squared = self.near_squared * keep + near * near;
        for (delay, sums) in self.delays.iter_mut().enumerate() {
            let far = far(delay);
            sums.far = sums.far * keep + far;
            sums.far_squared = sums.far_squared * keep + far * far;
            sums.both = sums.both * keep + far * near;
        }
    }

    /// What the echo return loss in dB is at least; `None` before enough was heard.
    pub fn least_loss(&self) -> Option<f32> {
        if self.weight < ENOUGH {
            return None;
        }
        let w = self.weight;
        let near_variance = self.near_squared / w - (self.near / w).powi(2);
        let (mut largest, mut scatter, mut error) = (0.0f64, 0.0, 0.0f64);
        for sums in &self.delays {
            let mean = sums.far / w;
            let variance = sums.far_squared / w - mean * mean;
            // A far end that does not vary says nothing.
            if variance <= 0.1 * mean * mean || variance <= 0.0 {
                return None;
            }
            let slope = (sums.both / w - mean * self.near / w) / variance;
            let rest = (near_variance - slope * slope * variance).max(0.0);
            largest = largest.max(slope);
            scatter += slope * slope;
            error = error.max((rest / (w * variance)).sqrt());
        }
        let deviation = (scatter / DELAYS as f64).sqrt().max(error);
        let gain = largest + SIGMAS * deviation;
        Some((-10.0 * gain.max(1e-9).log10()) as f32)
    }
}
