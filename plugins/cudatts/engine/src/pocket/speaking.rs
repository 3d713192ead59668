// SPDX-License-Identifier: MPL-2.0

//! What an utterance is at, apart from any device: its noise, its frames and its end.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};

use crate::family::{Chunk, Manner};

/// On the first frames the model may say that it is at the end before it has begun.
const FRAMES_BEFORE_END: usize = 6;
/// A decoder that begins does so with a small step, which would be heard.
const FADE_PER_SECOND: u32 = 200;

/// Where noise comes from.
enum Noise {
    Seeded(Box<ChaCha8Rng>),
    /// As it is to be, frame by frame: to compare with the reference.
    Given(std::vec::IntoIter<f32>),
}

/// A chunk on its way.
pub struct Speaking {
    frame: usize,
    end: Option<usize>,
    tail: usize,
    most: usize,
    deviation: f32,
    noise: Noise,
}

impl Speaking {
    /// At the first frame; `temperature` is the model's own, for who asks for no other.
    pub fn new(chunk: &Chunk, manner: Manner, temperature: f32) -> Self {
        let temperature = manner.temperature.unwrap_or(temperature);
        Self {
            frame: 0,
            end: None,
            tail: chunk.tail,
            most: chunk.most,
            deviation: temperature.max(0.0).sqrt(),
            noise: Noise::Seeded(Box::new(ChaCha8Rng::seed_from_u64(manner.seed))),
        }
    }

    /// The next frames are made of this noise instead of that of the seed; zeros follow when it is used up.
    pub fn inject(&mut self, noise: Vec<f32>) {
        self.noise = Noise::Given(noise.into_iter());
    }

    /// The noise of the next frame, of the deviation that its temperature wants.
    pub fn noise(&mut self, noise: &mut [f32]) {
        noise.fill(0.0);
        match &mut self.noise {
            Noise::Seeded(random) if self.deviation > 0.0 => {
                for x in noise {
                    let x01: f32 = StandardNormal.sample(random);
                    *x = x01 * self.deviation;
                }
            }
            Noise::Seeded(_) => (),
            Noise::Given(given) => {
                for (x, given) in noise.iter_mut().zip(given) {
                    *x = given;
                }
            }
        }
    }

    /// Counts a frame, of which the model says how sure it is of the text's end. Whether the chunk is over: this frame is
    /// then not to be heard.
    pub fn is_over(&mut self, end: f32, threshold: f32) -> bool {
        let frame = self.frame;
        self.frame += 1;
        if end > threshold && self.end.is_none() && frame >= FRAMES_BEFORE_END {
            self.end = Some(frame);
        }
        if self.end.is_some_and(|end| frame >= end + self.tail) {
            return true;
        }
        if frame >= self.most {
            tracing::warn!(
                frames = frame,
                "the model found no end of a text and was stopped"
            );
            return true;
        }
        false
    }
}

/// Fades the first frame of a chunk in, in place, over 5 ms.
pub fn fade_in(sound: &mut [f32], sample_rate: u32) {
    let fade = (sample_rate / FADE_PER_SECOND) as usize;
    let last = fade.saturating_sub(1).max(1) as f32;
    for (n, x) in sound.iter_mut().take(fade).enumerate() {
        *x *= n as f32 / last;
    }
}
