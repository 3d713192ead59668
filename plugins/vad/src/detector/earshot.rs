// SPDX-License-Identifier: MPL-2.0
//! The `earshot` crate as a [`Detector`].

use super::Detector;

/// The `earshot` crate's detector: scores of 16 ms.
pub struct Earshot(Box<earshot::Detector>);

impl Earshot {
    /// A detector in its initial state.
    pub fn new() -> Self {
        Self(earshot::Detector::default_boxed())
    }
}

impl Default for Earshot {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector for Earshot {
    fn hop(&self) -> usize {
        256
    }

    fn score(&mut self, hop: &[f32]) -> f32 {
        // The crate takes finite samples within ±1 only; a resampler overshoots that.
        let mut frame = [0.0; 256];
        assert_eq!(hop.len(), frame.len(), "earshot scores 256 samples");
        for (to, from) in frame.iter_mut().zip(hop) {
            *to = if from.is_finite() {
                from.clamp(-1.0, 1.0)
            } else {
                0.0
            };
        }
        let score = self.0.predict_f32(&frame);
        if score.is_finite() {
            score
        } else {
            self.reset();
            0.0
        }
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn context(&self) -> usize {
        0
    }

    fn fork(&self, _before: &[f32]) -> Option<Box<dyn Detector>> {
        None
    }
}
