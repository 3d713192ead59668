// SPDX-License-Identifier: MPL-2.0

//! The model at work: slots, and what each is at.

use std::sync::Arc;

use super::{
    PocketVoice,
    backbone::Backbone,
    codec::{Decoder, DecoderState},
    config::{Config, Mimi},
    speaking::{Speaking, fade_in},
};
use crate::{
    family::{self, Chunk, Frames, LoadedVoice, Manner, Slot, Times},
    layers::Memory,
};
use duplex_synthesis::Error;

#[derive(Default)]
struct Place {
    memory: Memory,
    /// The last one, which the next follows.
    latent: Vec<f32>,
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
            speaking.inject(noise);
        }
    }
}

impl family::Generator for PocketGenerator {
    fn admit(
        &mut self,
        slot: Slot,
        chunk: &Chunk,
        voice: &LoadedVoice,
        manner: Manner,
    ) -> Result<Times, Error> {
        let Some(voice) = voice.downcast_ref::<PocketVoice>() else {
            return Err(Error::Failed("a voice of another family".into()));
        };
        let place = &mut self.places[slot];
        place.memory.reset(Some(voice.memory()));
        self.backbone.read(&chunk.tokens, &mut place.memory);
        place.latent.clear();
        place.latent.extend_from_slice(self.backbone.first());
        place.speaking = Some(Speaking::new(chunk, manner, self.temperature));
        Ok(Times::default())
    }

    fn step(&mut self, slots: &[Slot], frames: &mut Frames) -> Result<(), Error> {
        frames.clear(self.latent);
        let mut at_work = Vec::with_capacity(slots.len());
        // In the order of the places, since each is borrowed from the one list.
        let rows = rows_of(slots, self.places.len());
        for (slot, (place, row)) in self.places.iter_mut().zip(rows).enumerate() {
            let Some(row) = row else { continue };
            let Some(speaking) = &mut place.speaking else {
                return Err(Error::Failed(format!("slot {slot} speaks nothing")));
            };
            at_work.push((row, &mut place.memory, &mut place.latent, speaking));
        }
        let width = self.latent;
        let mut latents = Vec::with_capacity(at_work.len() * width);
        let mut noise = vec![0.0; at_work.len() * width];
        for ((_, _, latent, speaking), noise) in
            at_work.iter_mut().zip(noise.chunks_exact_mut(width))
        {
            latents.extend_from_slice(latent);
            speaking.noise(noise);
        }
        let mut memories: Vec<&mut Memory> = at_work
            .iter_mut()
            .map(|(_, memory, _, _)| &mut **memory)
            .collect();
        let ends = self.backbone.next(&latents, &mut memories, &mut noise);

        frames.values.resize(slots.len() * width, 0.0);
        frames.over.resize(slots.len(), false);
        let made = noise.chunks_exact(width).zip(ends);
        for ((row, _, last, speaking), (latent, end)) in at_work.into_iter().zip(made) {
            if speaking.is_over(end, self.eos_threshold) {
                frames.over[row] = true;
                continue;
            }
            last.copy_from_slice(latent);
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
    sample_rate: u32,
    places: Vec<(DecoderState, bool)>,
}

impl PocketDecoder {
    pub(super) fn new(decoder: Arc<Decoder>, shape: &Mimi, slots: usize) -> Self {
        Self {
            decoder,
            frame: shape.frame_samples(),
            sample_rate: shape.sample_rate,
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
                fade_in(sound, self.sample_rate);
            }
        }
        Ok(())
    }
}
