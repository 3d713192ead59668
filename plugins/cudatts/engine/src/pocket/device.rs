// SPDX-License-Identifier: MPL-2.0

//! The same model on a device: a backend computes, what decides stays here.
//!
//! The backend's step gives sound, so that one copy from the device is all that a step waits for: frames *are* sound here, and the
//! decoder only fades the first one in.

use std::{
    any::Any,
    sync::{Arc, Weak},
};

use duplex_synthesis::{Error, Voice};

use super::{Files, Host, PocketVoice, backbone::Backbone, speaking::Speaking, speaking::fade_in};
use crate::{
    backend::{
        abi::Backend,
        model::{Model, Wanted},
    },
    family::{self, Chunks, Family, Frames, LoadedVoice, Manner, Slot, Times},
    layers::Precision,
    weights::{LoadError, Weights},
};

/// A model that a backend has on a device.
#[derive(Debug)]
pub struct DevicePocket {
    host: Host,
    backend: &'static Backend,
    device: i32,
    precision: u32,
}

impl DevicePocket {
    /// Reads what the host needs of it. The backend reads the weights when a generator is made.
    pub fn open(
        files: Files,
        backend: &'static Backend,
        device: i32,
        precision: u32,
    ) -> Result<DevicePocket, LoadError> {
        Ok(DevicePocket {
            host: Host::open(files)?,
            backend,
            device,
            precision,
        })
    }
}

impl Family for DevicePocket {
    fn sample_rate(&self) -> u32 {
        self.host.config().mimi.sample_rate
    }

    fn frame_samples(&self) -> usize {
        self.host.config().mimi.frame_samples()
    }

    fn voices(&self) -> Vec<Voice> {
        self.host.voices()
    }

    fn voice(&self, name: &str) -> Result<LoadedVoice, Error> {
        // The CPU hears recordings: a second or two, once for each voice.
        self.host.voice(name, |samples| {
            let weights = Weights::open(&self.host.files().weights)?;
            let backbone = Backbone::load(&weights, self.host.config(), Precision::F32)?;
            let encoder = self.host.encoder()?;
            Ok(PocketVoice::of(backbone.hear(&encoder.apply(samples))))
        })
    }

    fn chunks(&self, text: &str) -> Result<Chunks, Error> {
        Ok(self.host.chunks(text).into())
    }

    fn generator(&self, slots: usize) -> Result<Box<dyn family::Generator>, Error> {
        let config = self.host.config();
        // A configuration that is no file becomes one for as long as the backend reads it.
        let written = self.host.files().config.written()?;
        let model = Model::open(
            self.backend,
            Wanted {
                config: written.path(),
                weights: &self.host.files().weights,
                device: self.device,
                slots,
                positions: 0,
                precision: self.precision,
            },
        )?;
        let facts = model.facts();
        if facts.frame_samples as usize != config.mimi.frame_samples() {
            return Err(Error::Failed(format!(
                "the backend's frames have {} samples and the configuration's {}",
                facts.frame_samples,
                config.mimi.frame_samples()
            )));
        }
        Ok(Box::new(DeviceGenerator {
            latent: facts.latent as usize,
            frame: facts.frame_samples as usize,
            temperature: config.temperature,
            eos_threshold: config.eos_threshold,
            speaking: std::iter::repeat_with(|| None).take(slots).collect(),
            voices: Vec::new(),
            model,
            numbers: Vec::new(),
            noise: Vec::new(),
            ends: Vec::new(),
        }))
    }

    fn decoder(&self, slots: usize) -> Result<Box<dyn family::Decoder>, Error> {
        let mimi = &self.host.config().mimi;
        Ok(Box::new(DeviceDecoder {
            frame: mimi.frame_samples(),
            sample_rate: mimi.sample_rate,
            begun: vec![false; slots],
        }))
    }
}

/// A voice that the device has.
struct Copied {
    voice: Weak<dyn Any + Send + Sync>,
    id: u64,
}

/// Makes frames, which are sound.
struct DeviceGenerator {
    model: Model,
    latent: usize,
    frame: usize,
    temperature: f32,
    eos_threshold: f32,
    speaking: Vec<Option<Speaking>>,
    voices: Vec<Copied>,
    /// The slots of a step, their noise and their ends.
    numbers: Vec<u32>,
    noise: Vec<f32>,
    ends: Vec<f32>,
}

impl DeviceGenerator {
    /// The device's number for a voice, which is copied there when it first speaks. Voices that nobody has any more are freed.
    fn copied(&mut self, voice: &LoadedVoice) -> Result<u64, Error> {
        let held = voice.downcast_ref::<PocketVoice>();
        let held = held.ok_or_else(|| Error::Failed("a voice of another family".into()))?;
        let mut gone = Vec::new();
        self.voices.retain(|copied| {
            let kept = copied.voice.strong_count() > 0;
            if !kept {
                gone.push(copied.id);
            }
            kept
        });
        for id in gone {
            self.model.forget_voice(id)?;
        }
        let known = self
            .voices
            .iter()
            .find(|copied| std::ptr::addr_eq(copied.voice.as_ptr(), Arc::as_ptr(voice)));
        if let Some(known) = known {
            return Ok(known.id);
        }
        let (keys, values) = held.numbers();
        let id = self.model.voice(&keys, &values)?;
        self.voices.push(Copied {
            voice: Arc::downgrade(voice),
            id,
        });
        Ok(id)
    }
}

impl family::Generator for DeviceGenerator {
    fn admit(
        &mut self,
        slot: Slot,
        chunk: &family::Chunk,
        voice: &LoadedVoice,
        manner: Manner,
    ) -> Result<Times, Error> {
        let voice = self.copied(voice)?;
        self.model.admit(slot, &chunk.tokens, voice)?;
        self.speaking[slot] = Some(Speaking::new(chunk, manner, self.temperature));
        Ok(Times::default())
    }

    fn step(&mut self, slots: &[Slot], frames: &mut Frames) -> Result<(), Error> {
        frames.clear(self.frame);
        self.numbers.clear();
        self.noise.clear();
        self.noise.resize(slots.len() * self.latent, 0.0);
        for (slot, noise) in slots.iter().zip(self.noise.chunks_exact_mut(self.latent)) {
            let Some(speaking) = &mut self.speaking[*slot] else {
                return Err(Error::Failed(format!("slot {slot} speaks nothing")));
            };
            speaking.noise(noise);
            self.numbers.push(*slot as u32);
        }
        self.ends.clear();
        self.ends.resize(slots.len(), 0.0);
        frames.values.resize(slots.len() * self.frame, 0.0);
        self.model.step(
            &self.numbers,
            &self.noise,
            &mut self.ends,
            &mut frames.values,
        )?;
        for (slot, end) in slots.iter().zip(&self.ends) {
            let over = match &mut self.speaking[*slot] {
                Some(speaking) => speaking.is_over(*end, self.eos_threshold),
                None => true,
            };
            frames.over.push(over);
        }
        Ok(())
    }

    fn release(&mut self, slot: Slot) {
        self.speaking[slot] = None;
        if let Err(error) = self.model.release(slot) {
            // The next call says the same to somebody who can act on it.
            tracing::debug!(slot, "{error}");
        }
    }
}

/// Hands sound through.
struct DeviceDecoder {
    frame: usize,
    sample_rate: u32,
    begun: Vec<bool>,
}

impl family::Decoder for DeviceDecoder {
    fn reset(&mut self, slot: Slot) {
        self.begun[slot] = false;
    }

    fn decode(
        &mut self,
        slots: &[Slot],
        frames: &[f32],
        sound: &mut Vec<f32>,
    ) -> Result<(), Error> {
        sound.clear();
        sound.extend_from_slice(frames);
        for (slot, sound) in slots.iter().zip(sound.chunks_exact_mut(self.frame)) {
            if !std::mem::replace(&mut self.begun[*slot], true) {
                fade_in(sound, self.sample_rate);
            }
        }
        Ok(())
    }
}
