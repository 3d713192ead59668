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
    clause::{Reader, Timing},
    excitation::Excitation,
    run::Plan,
    shape::CHANNELS,
};
use crate::{
    backend::{
        abi::{Backend, MOST_HOPS},
        renderer::{Given, Renderer},
    },
    family::{self, Chunk, Frames, LoadedVoice, Manner, Slot, Timed},
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
    timing: Timing,
    reader: Reader,
    /// For each phone what the sound's network says.
    of_phones: Vec<f32>,
    excitation: Excitation,
    /// Hops that the renderer was given.
    given: usize,
    /// Frames that were made.
    made: usize,
}

impl Clause {
    fn is_over(&self) -> bool {
        self.made == self.timing.hops() / FRAME_HOPS
    }

    /// The inputs of the next hops into `out`, where there are zeros for what lies behind the clause.
    fn read(&mut self, voice: &Voice, hops: usize, of_thread: &mut Inputs, out: &mut [f32]) {
        let Inputs {
            which,
            features,
            inputs,
        } = of_thread;
        which.clear();
        features.clear();
        let until = (self.given + hops).min(self.timing.hops());
        self.reader.read(&self.timing, until, which, features);
        if !which.is_empty() {
            voice.sound.inputs(&self.of_phones, which, features, inputs);
            out[..inputs.len()].copy_from_slice(inputs);
        }
    }

    /// Of the next hops, those before whose excitation the clause begins: it is given so `late`.
    fn excited(&self, hops: usize, late: usize) -> usize {
        late.saturating_sub(self.given).min(hops)
    }
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

/// Memory of a thread that reads clauses.
#[derive(Default)]
struct Inputs {
    which: Vec<usize>,
    features: Vec<f32>,
    inputs: Vec<f32>,
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
                    let excited = clause.excited(hops, late) * HOP;
                    let (pulses, noise) = (&mut pulses[excited..], &mut noise[excited..]);
                    clause.excitation.next(&clause.timing, pulses, noise);
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
    ) -> Result<Option<Vec<Timed>>, Error> {
        self.clauses[slot] = None;
        let voice = &self.voice;
        let scratch = &mut self.buffers.scratch;
        let Plan {
            phones,
            timing,
            words,
        } = voice.plan(&chunk.tokens, manner.rate, scratch);
        let hops = timing.hops();
        self.renderer.begin(slot, hops)?;
        self.clauses[slot] = Some(Clause {
            of_phones: voice.sound.of_phones(&phones, scratch),
            reader: Reader::default(),
            // The seed's lower half, as on the CPU.
            excitation: Excitation::new(hops * HOP, manner.seed as u32, manner.pitch),
            timing,
            given: 0,
            made: 0,
        });
        Ok(Some(words))
    }

    fn step(&mut self, slots: &[Slot], frames: &mut Frames) -> Result<(), Error> {
        frames.clear(FRAME_SAMPLES);
        frames.values.resize(slots.len() * FRAME_SAMPLES, 0.0);
        let (mut beginning, mut speaking) = (Vec::new(), Vec::with_capacity(slots.len()));
        for slot in slots {
            let clause = self.clauses[*slot].as_ref().ok_or_else(|| nothing(*slot))?;
            frames.over.push(clause.is_over());
            if clause.is_over() {
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
                clause.made += 1;
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
        let mut clause = Clause {
            timing: Timing::new(&[8], &[0.0; 4]),
            reader: Reader::default(),
            of_phones: Vec::new(),
            excitation: Excitation::new(8 * HOP, 1, 1.0),
            given: 0,
            made: 0,
        };
        for (given, hops, right) in [(0, 28, 26), (28, 4, 0), (0, 4, 4), (20, 4, 4), (24, 4, 2)] {
            clause.given = given;
            assert_eq!(clause.excited(hops, 26), right, "{given} {hops}");
        }
    }
}
