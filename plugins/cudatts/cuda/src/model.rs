// SPDX-License-Identifier: MPL-2.0

//! A model on a device, and its slots.

use std::{collections::HashMap, path::Path};

use candle_core::{DType, Tensor};
use duplex_neural::{
    Weights,
    backend::abi::{self, Facts},
    pocket::config::Config,
};

use crate::{
    backbone::Backbone,
    batch::{Batch, Row},
    carry::{Carry, Layout, Stretch},
    codec::Decoder,
    device,
    failure::{Failure, failed},
    layers::Place,
    slots::Slots,
    transformer::Memory,
};

/// What a slot may remember where nobody says how much: a minute of speech behind a voice of ten seconds.
const POSITIONS: usize = 1_024;
/// Angles are computed for each position.
const MOST_POSITIONS: usize = 16_384;
/// Kernels count with 32 bits.
const MOST_NUMBERS: u128 = 1 << 32;

/// What [`Model::open`] is to open.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The configuration.
    pub config: &'a Path,
    /// The weights.
    pub weights: &'a Path,
    /// As in [`abi::Request`].
    pub device: i32,
    /// How many speak.
    pub slots: usize,
    /// How many of them in a step.
    pub max_batch: usize,
    /// What a slot may remember; 0 is 1,024.
    pub positions: usize,
    /// bf16 in place of 32-bit numbers.
    pub bf16: bool,
}

/// A voice on the device: keys and values of each layer, `[1, heads, positions, width]`.
struct Voice {
    layers: Vec<(Tensor, Tensor)>,
    positions: usize,
}

/// A voice as it is handed over: `[layers, positions, heads, width]`.
#[derive(Clone, Copy, Debug)]
pub struct VoiceState<'a> {
    /// How many it takes.
    pub positions: usize,
    /// All of them.
    pub keys: &'a [f32],
    /// As many.
    pub values: &'a [f32],
}

/// Where an utterance is.
#[derive(Clone, Copy, Debug)]
struct At {
    position: usize,
    frame: usize,
}

/// A model.
pub struct Model {
    place: Place,
    name: String,
    sample_rate: usize,
    frame_samples: usize,
    latent: usize,
    positions: usize,
    max_batch: usize,
    bytes: u128,
    backbone: Backbone,
    decoder: Decoder,
    memory: Memory,
    ring: Memory,
    carry: Carry,
    /// The latent that the next follows.
    last: Stretch,
    slots: Slots<At>,
    voices: HashMap<u64, Voice>,
    next_voice: u64,
}

impl Model {
    /// Loads a model, allocates its slots and lets it speak a frame, so that kernels are loaded before anybody waits for them.
    pub fn open(options: Options<'_>) -> Result<Self, Failure> {
        let Options {
            slots, max_batch, ..
        } = options;
        if slots == 0 || max_batch == 0 || max_batch > slots {
            return Err(failed(format!(
                "a step of {max_batch} of {slots} slots: there is to be at least one, and no more than there are slots"
            )));
        }
        let positions = match options.positions {
            0 => POSITIONS,
            2..=MOST_POSITIONS => options.positions,
            other => {
                return Err(failed(format!(
                    "a slot cannot remember {other} positions: 2 to {MOST_POSITIONS}"
                )));
            }
        };
        let config = Config::read(options.config).map_err(|report| failed(report.to_string()))?;
        let weights = Weights::open(options.weights)?;
        let (device, name) = device::open(options.device)?;
        let precision = match options.bf16 {
            true => DType::BF16,
            false => DType::F32,
        };
        let place = Place { device, precision };
        let mut layout = Layout::default();
        let latent = config.mimi.latent;
        let last = layout.stretch(latent);
        let backbone = Backbone::load(&place, &weights, &config, positions)?;
        let decoder = Decoder::load(&place, &weights, &config.mimi, positions, &mut layout)?;

        let size = precision.size_in_bytes() as u128;
        let of_slot = backbone.memory_count() + decoder.memory_count() + layout.width;
        let of_slots = slots as u128 * of_slot as u128 * size;
        device::has_room(&place.device, of_slots)?;
        let (layers, heads, width) = backbone.memory_shape();
        if (slots * heads * width * positions) as u128 >= MOST_NUMBERS {
            return Err(failed(format!(
                "{slots} slots of {positions} positions are more than the kernels can count: fewer slots, or fewer positions"
            )));
        }
        debug_assert!(layers > 0, "a configuration has layers");
        let mut first = weights.get("flow_lm.bos_emb", &[latent])?;
        first.resize(layout.width, 0.0);
        let of_weights: usize = weights
            .names()
            .iter()
            .filter_map(|name| weights.shape(name))
            .map(|shape| shape.iter().product::<usize>())
            .sum();
        let mut model = Self {
            memory: backbone.memory(&place, slots)?,
            ring: decoder.memory(&place, slots)?,
            carry: Carry::new(&place, slots, first)?,
            name,
            sample_rate: config.mimi.sample_rate as usize,
            frame_samples: config.mimi.frame_samples(),
            latent,
            positions,
            max_batch,
            bytes: of_slots + of_weights as u128 * size,
            backbone,
            decoder,
            last,
            slots: Slots::new("the model", slots),
            voices: HashMap::new(),
            next_voice: 1,
            place,
        };
        model.warm_up()?;
        Ok(model)
    }

    /// The least and the most rows at once: libraries choose their kernels by size.
    fn warm_up(&mut self) -> Result<(), Failure> {
        let mut sizes = vec![1];
        if self.place.device.is_cuda() {
            sizes.push(self.max_batch);
        }
        for size in sizes {
            for slot in 0..size {
                self.begin(slot, &[0], None)?;
            }
            let slots: Vec<u32> = (0..size as u32).collect();
            let noise = vec![0.0; size * self.latent];
            let (mut ends, mut sound) = (vec![0.0; size], vec![0.0; size * self.frame_samples]);
            self.step(&slots, &noise, &mut ends, &mut sound)?;
            self.slots.clear();
        }
        Ok(())
    }

    /// What it is.
    pub fn facts(&self) -> Facts {
        let (layers, heads, width) = self.backbone.memory_shape();
        let mut facts = Facts {
            sample_rate: self.sample_rate as u32,
            frame_samples: self.frame_samples as u32,
            latent: self.latent as u32,
            layers: layers as u32,
            heads: heads as u32,
            width: width as u32,
            positions: self.positions as u32,
            bytes: u64::try_from(self.bytes).unwrap_or(u64::MAX),
            ..Facts::default()
        };
        let end = self.name.floor_char_boundary(facts.device.len() - 1);
        facts.device[..end].copy_from_slice(&self.name.as_bytes()[..end]);
        facts
    }

    /// Samples of a frame.
    pub fn frame_samples(&self) -> usize {
        self.frame_samples
    }

    /// Numbers of a latent.
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// Whether a voice's state of this shape fits.
    pub fn takes(&self, shape: &abi::VoiceState) -> Result<(), Failure> {
        let needed = self.backbone.memory_shape();
        let found = (
            shape.layers as usize,
            shape.heads as usize,
            shape.width as usize,
        );
        if found != needed {
            return Err(failed(format!(
                "the voice has {} layers of {} heads of {} numbers, and the model needs {} of {} of {}: it belongs to another model",
                found.0, found.1, found.2, needed.0, needed.1, needed.2
            )));
        }
        if shape.positions as usize >= self.positions {
            return Err(failed(format!(
                "the voice takes {} positions, and a slot has {} for all that it remembers",
                shape.positions, self.positions
            )));
        }
        Ok(())
    }

    /// Copies a voice to the device.
    pub fn add_voice(&mut self, state: VoiceState<'_>) -> Result<u64, Failure> {
        self.slots.alive()?;
        let (layers, heads, width) = self.backbone.memory_shape();
        let positions = state.positions;
        let each = positions * heads * width;
        let of = |numbers: &[f32], layer: usize| -> candle_core::Result<Tensor> {
            let numbers = &numbers[layer * each..(layer + 1) * each];
            let mut by_head = Vec::with_capacity(each);
            for head in 0..heads {
                for position in 0..positions {
                    let at = (position * heads + head) * width;
                    by_head.extend_from_slice(&numbers[at..at + width]);
                }
            }
            self.place.tensor(by_head, &[1, heads, positions, width])
        };
        let layers = match positions {
            0 => Vec::new(),
            _ => (0..layers)
                .map(|layer| Ok((of(state.keys, layer)?, of(state.values, layer)?)))
                .collect::<candle_core::Result<_>>()
                .map_err(|error| self.slots.note(error))?,
        };
        let id = self.next_voice;
        self.next_voice += 1;
        self.voices.insert(id, Voice { layers, positions });
        Ok(id)
    }

    /// Frees a voice.
    pub fn forget_voice(&mut self, id: u64) -> Result<(), Failure> {
        match self.voices.remove(&id) {
            Some(_) => Ok(()),
            None => Err(no_voice(id)),
        }
    }

    /// Begins in a slot.
    pub fn admit(&mut self, slot: u32, tokens: &[u32], voice: u64) -> Result<(), Failure> {
        self.slots.alive()?;
        let slot = self.slots.number(slot)?;
        if !self.voices.contains_key(&voice) {
            return Err(no_voice(voice));
        }
        self.begin(slot, tokens, Some(voice))
    }

    fn begin(&mut self, slot: usize, tokens: &[u32], voice: Option<u64>) -> Result<(), Failure> {
        let voice = voice.and_then(|voice| self.voices.get(&voice));
        let before = voice.map_or(0, |voice| voice.positions);
        let position = before + tokens.len();
        if position >= self.positions {
            return Err(failed(format!(
                "a voice of {before} positions and {} tokens leave no room for a frame: a slot has {} positions",
                tokens.len(),
                self.positions
            )));
        }
        self.slots[slot] = None;
        let begun = (|| {
            if let Some(voice) = voice {
                self.memory.copy_in(slot, &voice.layers)?;
            }
            self.backbone.read(tokens, &self.memory, slot, before)?;
            self.carry.reset(slot)
        })();
        begun.map_err(|error: candle_core::Error| self.slots.note(error))?;
        self.slots[slot] = Some(At { position, frame: 0 });
        Ok(())
    }

    /// A frame for each of these slots.
    pub fn step(
        &mut self,
        slots: &[u32],
        noise: &[f32],
        ends: &mut [f32],
        sound: &mut [f32],
    ) -> Result<(), Failure> {
        self.slots.alive()?;
        if slots.is_empty() {
            return Ok(());
        }
        if slots.len() > self.max_batch {
            return Err(failed(format!(
                "a step of {} slots: {} were asked for at most",
                slots.len(),
                self.max_batch
            )));
        }
        // In the order of slots: those that lie side by side need no copies.
        let mut rows = Vec::with_capacity(slots.len());
        for (asked, slot) in slots.iter().enumerate() {
            let slot = self.slots.number(*slot)?;
            let Some(At { position, frame }) = self.slots[slot] else {
                return Err(failed(format!(
                    "slot {slot} speaks nothing: it was not admitted"
                )));
            };
            if position >= self.positions {
                return Err(failed(format!(
                    "slot {slot} is full: it remembers {position} positions"
                )));
            }
            let row = Row {
                slot,
                position,
                frame,
            };
            rows.push((row, asked));
        }
        rows.sort_unstable_by_key(|(row, _)| row.slot);
        if let Some(pair) = rows
            .windows(2)
            .find(|pair| pair[0].0.slot == pair[1].0.slot)
        {
            return Err(failed(format!(
                "slot {} is named twice in a step",
                pair[0].0.slot
            )));
        }
        let width = self.latent;
        let noise = rows
            .iter()
            .flat_map(|(_, asked)| &noise[asked * width..(asked + 1) * width])
            .copied()
            .collect();
        let order: Vec<Row> = rows.iter().map(|(row, _)| *row).collect();
        let values = match self.compute(&order, noise) {
            Ok(values) => values,
            Err(error) => {
                for row in order {
                    self.slots[row.slot] = None;
                }
                return Err(self.slots.note(error));
            }
        };
        let samples = self.frame_samples;
        for ((row, asked), values) in rows.iter().zip(values.chunks_exact(1 + samples)) {
            ends[*asked] = values[0];
            sound[asked * samples..(asked + 1) * samples].copy_from_slice(&values[1..]);
            self.slots[row.slot] = Some(At {
                position: row.position + 1,
                frame: row.frame + 1,
            });
        }
        Ok(())
    }

    /// For each row the logit of its end and its samples.
    fn compute(&mut self, rows: &[Row], noise: Vec<f32>) -> candle_core::Result<Vec<f32>> {
        let ring = &self.decoder.ring;
        let batch = Batch::new(
            &self.place,
            rows,
            self.positions,
            (ring.vectors, ring.places),
            |frame| ring.phase(frame),
        )?;
        let noise = self.place.exact(noise, &[rows.len(), self.latent])?;
        let _kept = device::keep_shapes(&self.place.device);
        let mut carried = self.carry.take(&batch)?;
        let last = carried.old(self.last)?;
        let (latents, ends) = self.backbone.next(&last, &batch, &self.memory, &noise)?;
        carried.give(self.last, latents.to_dtype(self.place.precision)?)?;
        let sound = self
            .decoder
            .apply(&latents, &batch, &self.ring, &mut carried)?;
        self.carry.keep(carried)?;
        // The one copy from the device.
        Tensor::cat(&[ends, sound], 1)?.flatten_all()?.to_vec1()
    }

    /// The latent that a slot's next frame follows. Waits for the device, and copies from it: to compare with the reference.
    pub fn last_latent(&self, slot: u32) -> Result<Vec<f32>, Failure> {
        let slot = self.slots.number(slot)?;
        Ok(self.carry.of_slot(slot, self.last)?)
    }

    /// Forgets a slot.
    pub fn release(&mut self, slot: u32) -> Result<(), Failure> {
        self.slots.forget(slot)
    }

    /// Frees it, and what the driver keeps of its memory.
    pub fn close(self) {
        device::close(self.place.device.clone(), self);
    }

    /// That nothing works any more, and why.
    pub fn lose(&mut self, why: &str) {
        self.slots.lose(why);
    }
}

fn no_voice(id: u64) -> Failure {
    failed(format!("there is no voice {id}"))
}
