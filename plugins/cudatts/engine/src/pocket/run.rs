// SPDX-License-Identifier: MPL-2.0

//! The model at work: slots, and what each is at.

use std::sync::Arc;

use duplex_synthesis::Error;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};

use super::{
    PocketVoice,
    backbone::Backbone,
    codec::{Decoder, DecoderState},
    config::{Config, Mimi},
};
use crate::{
    family::{self, Chunk, Frames, LoadedVoice, Sampling, Slot},
    layers::Memory,
};

/// On the first frames the model may say that it is at the end before it has begun.
const FRAMES_BEFORE_END: usize = 6;
/// A decoder that begins does so with a small step, which would be heard.
const FADE_PER_SECOND: u32 = 200;

/// Where the noise of a slot comes from.
enum Noise {
    Seeded(Box<ChaCha8Rng>),
    /// As it is to be, frame by frame: to compare with the reference.
    Given(std::vec::IntoIter<f32>),
}

struct Speaking {
    latent: Vec<f32>,
    frame: usize,
    end: Option<usize>,
    tail: usize,
    most: usize,
    deviation: f32,
    noise: Noise,
}

#[derive(Default)]
struct Place {
    memory: Memory,
    speaking: Option<Speaking>,
}

/// For each of so many places its row in a step, where it takes part.
fn rows_of(slots: &[Slot], places: usize) -> Vec<Option<usize>> {
    let mut rows = vec![None; places];
    for (row, slot) in slots.iter().enumerate() {
        rows[*slot] = Some(row);
    }
    rows
}

/// Makes latents.
pub struct PocketGenerator {
    backbone: Arc<Backbone>,
    latent: usize,
    temperature: f32,
    eos_threshold: f32,
    places: Vec<Place>,
}

impl PocketGenerator {
    pub(super) fn new(backbone: Arc<Backbone>, config: &Config, slots: usize) -> Self {
        Self {
            backbone,
            latent: config.mimi.latent,
            temperature: config.temperature,
            eos_threshold: config.eos_threshold,
            places: std::iter::repeat_with(Place::default).take(slots).collect(),
        }
    }

    /// The next frames of a slot are made of this noise instead of that of its seed; zeros follow when it is used up.
    pub fn inject(&mut self, slot: Slot, noise: Vec<f32>) {
        if let Some(speaking) = &mut self.places[slot].speaking {
            speaking.noise = Noise::Given(noise.into_iter());
        }
    }
}

impl family::Generator for PocketGenerator {
    fn admit(
        &mut self,
        slot: Slot,
        chunk: &Chunk,
        voice: &LoadedVoice,
        sampling: Sampling,
    ) -> Result<(), Error> {
        let Some(voice) = voice.downcast_ref::<PocketVoice>() else {
            return Err(Error::Failed("a voice of another family".into()));
        };
        let place = &mut self.places[slot];
        place.memory.reset(Some(voice.memory()));
        self.backbone.read(&chunk.tokens, &mut place.memory);
        let temperature = sampling.temperature.unwrap_or(self.temperature);
        place.speaking = Some(Speaking {
            latent: self.backbone.first().to_vec(),
            frame: 0,
            end: None,
            tail: chunk.tail,
            most: chunk.most,
            deviation: temperature.max(0.0).sqrt(),
            noise: Noise::Seeded(Box::new(ChaCha8Rng::seed_from_u64(sampling.seed))),
        });
        Ok(())
    }

    fn step(&mut self, slots: &[Slot], frames: &mut Frames) -> Result<(), Error> {
        frames.clear(self.latent);
        let mut at_work: Vec<(usize, &mut Memory, &mut Speaking)> = Vec::with_capacity(slots.len());
        // In the order of the places, since each is borrowed from the one list.
        let rows = rows_of(slots, self.places.len());
        for (slot, (place, row)) in self.places.iter_mut().zip(rows).enumerate() {
            let Some(row) = row else { continue };
            let Some(speaking) = &mut place.speaking else {
                return Err(Error::Failed(format!("slot {slot} speaks nothing")));
            };
            at_work.push((row, &mut place.memory, speaking));
        }
        let width = self.latent;
        let mut latents = Vec::with_capacity(at_work.len() * width);
        let mut noise = vec![0.0; at_work.len() * width];
        for ((_, _, speaking), noise) in at_work.iter_mut().zip(noise.chunks_exact_mut(width)) {
            latents.extend_from_slice(&speaking.latent);
            match &mut speaking.noise {
                Noise::Seeded(random) if speaking.deviation > 0.0 => {
                    for x in noise {
                        let x01: f32 = StandardNormal.sample(random);
                        *x = x01 * speaking.deviation;
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
        let mut memories: Vec<&mut Memory> = at_work
            .iter_mut()
            .map(|(_, memory, _)| &mut **memory)
            .collect();
        let ends = self.backbone.next(&latents, &mut memories, &mut noise);

        frames.values.resize(slots.len() * width, 0.0);
        frames.over.resize(slots.len(), false);
        let made = noise.chunks_exact(width).zip(ends);
        for ((row, _, speaking), (latent, end)) in at_work.into_iter().zip(made) {
            let frame = speaking.frame;
            speaking.frame += 1;
            if end > self.eos_threshold && speaking.end.is_none() && frame >= FRAMES_BEFORE_END {
                speaking.end = Some(frame);
            }
            let ended = speaking.end.is_some_and(|end| frame >= end + speaking.tail);
            if ended || frame >= speaking.most {
                if !ended {
                    tracing::warn!(
                        frames = frame,
                        "the model found no end of a text and was stopped"
                    );
                }
                frames.over[row] = true;
                continue;
            }
            speaking.latent.copy_from_slice(latent);
            frames.values[row * width..(row + 1) * width].copy_from_slice(latent);
        }
        Ok(())
    }

    fn release(&mut self, slot: Slot) {
        self.places[slot].speaking = None;
        self.places[slot].memory.release();
    }
}

/// Makes sound.
pub struct PocketDecoder {
    decoder: Arc<Decoder>,
    frame: usize,
    fade: usize,
    places: Vec<(DecoderState, bool)>,
}

impl PocketDecoder {
    pub(super) fn new(decoder: Arc<Decoder>, shape: &Mimi, slots: usize) -> Self {
        Self {
            decoder,
            frame: shape.frame_samples(),
            fade: (shape.sample_rate / FADE_PER_SECOND) as usize,
            places: std::iter::repeat_with(|| (DecoderState::default(), false))
                .take(slots)
                .collect(),
        }
    }
}

impl family::Decoder for PocketDecoder {
    fn reset(&mut self, slot: Slot) {
        let (state, begun) = &mut self.places[slot];
        state.reset();
        *begun = false;
    }

    fn decode(
        &mut self,
        slots: &[Slot],
        frames: &[f32],
        sound: &mut Vec<f32>,
    ) -> Result<(), Error> {
        sound.clear();
        let width = frames.len() / slots.len().max(1);
        // In the order of the places, since each is borrowed from the one list.
        let mut order = Vec::with_capacity(slots.len());
        let mut latents = Vec::with_capacity(frames.len());
        let mut states = Vec::with_capacity(slots.len());
        let mut fading = Vec::with_capacity(slots.len());
        let rows = rows_of(slots, self.places.len());
        for ((state, begun), row) in self.places.iter_mut().zip(rows) {
            let Some(row) = row else { continue };
            order.push(row);
            latents.extend_from_slice(&frames[row * width..(row + 1) * width]);
            fading.push(!std::mem::replace(begun, true));
            states.push(state);
        }
        let mut made = Vec::with_capacity(slots.len() * self.frame);
        self.decoder.apply(&latents, &mut states, &mut made);
        sound.resize(slots.len() * self.frame, 0.0);
        for ((row, fading), made) in order
            .into_iter()
            .zip(fading)
            .zip(made.chunks_exact(self.frame))
        {
            let sound = &mut sound[row * self.frame..(row + 1) * self.frame];
            sound.copy_from_slice(made);
            if fading {
                let last = (self.fade - 1).max(1) as f32;
                for (n, x) in sound.iter_mut().take(self.fade).enumerate() {
                    *x *= n as f32 / last;
                }
            }
        }
        Ok(())
    }
}
