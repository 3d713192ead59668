// SPDX-License-Identifier: MPL-2.0

//! The voice with a device in the place of body and filters: a backend renders, all else is as in [`super::run`].
//!
//! A renderer looks ahead, and its sound comes so much later. The hops that it must see before a clause's first frame comes are
//! given with the clause's first step, to all whose first it is together; from then on a frame is four hops for everybody.
//! Frames *are* sound here, so that one copy from the device is all that a step waits for.

use std::{borrow::Cow, fmt, sync::Arc};

use duplex_synthesis::Error;
use rayon::prelude::*;

use super::{
    FRAME_HOPS, FRAME_SAMPLES, HOP, RATE, Voice,
    blocks::Scratch,
    run::Plan,
    shape::CHANNELS,
    speaking::{Inputs, Speaking},
};
use crate::{
    backend::{
        abi::{Backend, MOST_HOPS},
        renderer::{Given, Renderer},
    },
    family::{self, Chunk, Frames, LoadedVoice, Manner, Slot, Times},
};

/// Clauses that begin in one call: each takes as much of the device's memory meanwhile as seven that speak.
const MOST_BEGINNING: usize = 256;

/// What is handed to a backend, and shared: the voice's weights.
#[derive(Clone)]
pub struct Model(pub Arc<Cow<'static, [u8]>>);

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Where the voice is rendered.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    pub backend: &'static Backend,
    /// The ordinal of a card, or that of the CPU.
    pub ordinal: i32,
}

/// A clause that is being spoken.
#[derive(Debug)]
struct Clause {
    speaking: Speaking,
    /// Hops that the renderer was given.
    given: usize,
}

impl Clause {
    /// The inputs of the next hops into `out`, where there are zeros for what lies behind the clause.
    fn read(&mut self, voice: &Voice, hops: usize, of_thread: &mut Inputs, out: &mut [f32]) {
        let until = self.given + hops;
        let inputs = self.speaking.inputs(&voice.sound, until, of_thread);
        out[..inputs.len()].copy_from_slice(inputs);
    }
}

/// Of the next hops behind those that were `given`, those before whose excitation the clause begins: it is given so `late`.
fn unexcited(given: usize, hops: usize, late: usize) -> usize {
    late.saturating_sub(given).min(hops)
}

/// Makes frames, which are sound.
pub struct DeviceGenerator {
    voice: Arc<Voice>,
    renderer: Renderer,
    clauses: Vec<Option<Clause>>,
    buffers: Buffers,
}

/// Memory of a step, kept.
#[derive(Default)]
struct Buffers {
    scratch: Scratch,
    numbers: Vec<u32>,
    inputs: Vec<f32>,
    pulses: Vec<f32>,
    noise: Vec<f32>,
    sound: Vec<f32>,
}

impl DeviceGenerator {
    /// Has the backend load the weights and allocate so many slots.
    pub(super) fn new(
        voice: Arc<Voice>,
        model: &Model,
        device: Device,
        slots: usize,
    ) -> Result<Self, Error> {
        let renderer = Renderer::open(device.backend, &model.0, device.ordinal, slots)?;
        let facts = renderer.facts();
        let found = [facts.sample_rate, facts.hop_samples, facts.inputs];
        let needed = [RATE, HOP, CHANNELS].map(|number| number as u32);
        if found != needed || facts.sound_late > MOST_HOPS {
            return Err(Error::Failed(format!(
                "the backend renders {found:?} (samples per second, samples of a hop, inputs), and the voice needs {needed:?}"
            )));
        }
        Ok(Self {
            voice,
            renderer,
            clauses: std::iter::repeat_with(|| None).take(slots).collect(),
            buffers: Buffers::default(),
        })
    }

    /// Gives the next hops of clauses to the renderer; their sound is in `buffers.sound`.
    fn give(&mut self, slots: &[Slot], hops: usize) -> Result<(), Error> {
        if let Some(slot) = slots.iter().find(|slot| self.clauses[**slot].is_none()) {
            return Err(nothing(*slot));
        }
        let Buffers {
            numbers,
            inputs,
            pulses,
            noise,
            sound,
            ..
        } = &mut self.buffers;
        let late = self.renderer.facts().excitation_late as usize;
        let all = slots.len() * hops;
        numbers.clear();
        numbers.extend(slots.iter().map(|slot| *slot as u32));
        inputs.clear();
        inputs.resize(all * CHANNELS, 0.0);
        for samples in [&mut *pulses, noise, sound] {
            samples.clear();
            samples.resize(all * HOP, 0.0);
        }
        // Each is taken out, so that threads share them: a card renders thousands, of each of which every sample of the
        // excitation is computed here.
        let mut clauses: Vec<Option<Clause>> = slots
            .iter()
            .map(|slot| self.clauses[*slot].take())
            .collect();
        clauses
            .par_iter_mut()
            .zip(inputs.par_chunks_exact_mut(hops * CHANNELS))
            .zip(pulses.par_chunks_exact_mut(hops * HOP))
            .zip(noise.par_chunks_exact_mut(hops * HOP))
            .for_each_init(
                Inputs::default,
                |of_thread, (((clause, inputs), pulses), noise)| {
                    let Some(clause) = clause else { return };
                    clause.read(&self.voice, hops, of_thread, inputs);
                    let from = unexcited(clause.given, hops, late) * HOP;
                    let (pulses, noise) = (&mut pulses[from..], &mut noise[from..]);
                    clause.speaking.excite(pulses, noise);
                    clause.given += hops;
                },
            );
        for (slot, clause) in slots.iter().zip(clauses) {
            self.clauses[*slot] = clause;
        }
        let given = Given {
            inputs,
            pulses,
            noise,
        };
        self.renderer.render(numbers, hops, given, sound)
    }
}

fn nothing(slot: Slot) -> Error {
    Error::Failed(format!("slot {slot} speaks nothing"))
}

impl family::Generator for DeviceGenerator {
    fn admit(
        &mut self,
        slot: Slot,
        chunk: &Chunk,
        _: &LoadedVoice,
        manner: Manner,
    ) -> Result<Times, Error> {
        self.clauses[slot] = None;
        let voice = &self.voice;
        let scratch = &mut self.buffers.scratch;
        let Plan {
            phones,
            timing,
            times,
        } = voice.plan(&chunk.tokens, manner.rate, scratch);
        self.renderer.begin(slot, timing.hops())?;
        self.clauses[slot] = Some(Clause {
            speaking: Speaking::new(voice, &phones, timing, manner, scratch),
            given: 0,
        });
        Ok(times)
    }

    fn step(&mut self, slots: &[Slot], frames: &mut Frames) -> Result<(), Error> {
        frames.clear(FRAME_SAMPLES);
        frames.values.resize(slots.len() * FRAME_SAMPLES, 0.0);
        let (mut beginning, mut speaking) = (Vec::new(), Vec::with_capacity(slots.len()));
        for slot in slots {
            let clause = self.clauses[*slot].as_ref().ok_or_else(|| nothing(*slot))?;
            let over = clause.speaking.is_over();
            frames.over.push(over);
            if over {
                continue;
            }
            speaking.push(*slot);
            if clause.given == 0 {
                beginning.push(*slot);
            }
        }
        let ahead = self.renderer.facts().sound_late as usize;
        for slots in beginning.chunks(MOST_BEGINNING) {
            self.give(slots, ahead)?;
        }
        self.give(&speaking, FRAME_HOPS)?;
        let mut sounds = self.buffers.sound.chunks_exact(FRAME_SAMPLES);
        let outs = frames.values.chunks_exact_mut(FRAME_SAMPLES);
        for ((slot, out), over) in slots.iter().zip(outs).zip(&frames.over) {
            if let (Some(clause), false) = (&mut self.clauses[*slot], over)
                && let Some(sound) = sounds.next()
            {
                out.copy_from_slice(sound);
                clause.speaking.made += 1;
            }
        }
        Ok(())
    }

    fn release(&mut self, slot: Slot) {
        self.clauses[slot] = None;
        if let Err(error) = self.renderer.reset(slot) {
            // The next call says the same to somebody who can act on it.
            tracing::debug!(slot, "{error}");
        }
    }
}

/// Hands sound through.
pub struct DeviceDecoder;

impl family::Decoder for DeviceDecoder {
    fn reset(&mut self, _: Slot) {}

    fn decode(&mut self, _: &[Slot], frames: &[f32], sound: &mut Vec<f32>) -> Result<(), Error> {
        sound.clear();
        sound.extend(frames.iter().map(|x| x.clamp(-1.0, 1.0)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excitation_is_given_later_than_inputs() {
        for (given, hops, right) in [(0, 28, 26), (28, 4, 0), (0, 4, 4), (20, 4, 4), (24, 4, 2)] {
            assert_eq!(unexcited(given, hops, 26), right, "{given} {hops}");
        }
    }
}
