// SPDX-License-Identifier: MPL-2.0

//! The small voice's sound, on a device: [`duplex_neural::compact`] has the rest.
//!
//! A block of the network sees three hops, times its dilation, to both sides. Here each remembers the hops before the next, and its
//! answer comes later by as many as it sees ahead; so do the windows of the excitation and what filters ring. The other way, to
//! compute all that a frame depends on with each frame, would need no memories, and 58 hops of each layer in place of 4: fourteen
//! times the work, and as many numbers from the host, for the same sound. A slot's memories are 48 kB.

mod body;
mod filters;

use std::path::Path;

use candle_core::DType;
use duplex_neural::{
    Weights,
    backend::abi::{MOST_HOPS, RendererFacts},
    compact::{
        HOP, RATE,
        shape::{CHANNELS, DILATIONS},
    },
};

use self::{body::Body, filters::Filters};
use crate::{
    batch::Batch,
    carry::{Carry, Layout},
    device,
    failure::{Failure, failed},
    layers::Place,
    slots::Slots,
};

/// Hops by which pulses and noise are given later than inputs.
const EXCITATION_LATE: usize = Body::LATE - Filters::SOONER;
/// Hops by which sound comes later than inputs are given.
const SOUND_LATE: usize = Body::LATE + Filters::LATE;
/// Kernels count with 32 bits.
const MOST_NUMBERS: u128 = 1 << 32;

/// What [`Renderer::open`] is to open.
#[derive(Clone, Copy, Debug)]
pub struct RendererOptions<'a> {
    /// What a file of weights (safetensors) holds.
    pub weights: &'a [u8],
    /// As in [`duplex_neural::backend::abi::RendererRequest`].
    pub device: i32,
    /// Who may be rendered.
    pub slots: usize,
    /// How many of them in a call.
    pub max_batch: usize,
}

/// What slots are given in a call, slot by slot, and hop by hop in each.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// [`CHANNELS`] for each hop.
    pub inputs: &'a [f32],
    /// [`HOP`] for each.
    pub pulses: &'a [f32],
    /// As many.
    pub noise: &'a [f32],
}

/// Where a clause is.
#[derive(Clone, Copy, Debug)]
struct At {
    /// Hops of the clause.
    hops: usize,
    /// Hops that were given.
    given: usize,
}

impl At {
    /// Whether a hop that comes so late when this one is given is one of the clause.
    fn is_inside(&self, hop: usize, late: usize) -> bool {
        (late..late + self.hops).contains(&(self.given + hop))
    }
}

/// The network and the filters, and their slots.
pub struct Renderer {
    place: Place,
    name: String,
    max_batch: usize,
    bytes: u128,
    body: Body,
    filters: Filters,
    carry: Carry,
    slots: Slots<At>,
}

impl Renderer {
    /// Loads the weights, allocates slots and renders a frame of nothing, so that kernels are loaded before anybody waits for them.
    pub fn open(options: RendererOptions<'_>) -> Result<Self, Failure> {
        let RendererOptions {
            slots, max_batch, ..
        } = options;
        if slots == 0 || max_batch == 0 || max_batch > slots {
            return Err(failed(format!(
                "a call for {max_batch} of {slots} slots: there is to be at least one, and no more than there are slots"
            )));
        }
        let weights = Weights::of_bytes(Path::new("the voice's weights"), options.weights)?;
        let (device, name) = device::open(options.device)?;
        let place = Place {
            device,
            precision: DType::F32,
        };
        let mut layout = Layout::default();
        let body = Body::load(&place, &weights, &mut layout)?;
        let filters = Filters::new(&place, &mut layout)?;
        let size = size_of::<f32>() as u128;
        let of_slots = slots as u128 * layout.width as u128 * size;
        device::has_room(&place.device, of_slots)?;
        if of_slots / size >= MOST_NUMBERS {
            return Err(failed(format!(
                "{slots} slots are more than the kernels can count: fewer slots"
            )));
        }
        let of_weights: usize = weights
            .names()
            .iter()
            .filter(|name| name.starts_with("sound.body.") || name.starts_with("sound.out."))
            .filter_map(|name| weights.shape(name))
            .map(|shape| shape.iter().product::<usize>())
            .sum();
        let mut renderer = Self {
            carry: Carry::new(&place, slots, vec![0.0; layout.width])?,
            bytes: of_slots + (of_weights + filters.count()) as u128 * size,
            name,
            max_batch,
            body,
            filters,
            slots: Slots::new("the renderer", slots),
            place,
        };
        renderer.warm_up()?;
        Ok(renderer)
    }

    /// The least and the most rows at once: libraries choose their kernels by size.
    fn warm_up(&mut self) -> Result<(), Failure> {
        let mut sizes = vec![1];
        if self.place.device.is_cuda() {
            sizes.push(self.max_batch);
        }
        for size in sizes {
            let slots: Vec<u32> = (0..size as u32).collect();
            for slot in &slots {
                self.begin(*slot, 1)?;
            }
            let nothing = vec![0.0; size * CHANNELS];
            let given = Given {
                inputs: &nothing,
                pulses: &nothing[..size * HOP],
                noise: &nothing[..size * HOP],
            };
            self.render(&slots, 1, given, &mut vec![0.0; size * HOP])?;
            self.slots.clear();
        }
        Ok(())
    }

    /// What it is.
    pub fn facts(&self) -> RendererFacts {
        let mut facts = RendererFacts {
            sample_rate: RATE as u32,
            hop_samples: HOP as u32,
            inputs: CHANNELS as u32,
            excitation_late: EXCITATION_LATE as u32,
            sound_late: SOUND_LATE as u32,
            bytes: u64::try_from(self.bytes).unwrap_or(u64::MAX),
            ..RendererFacts::default()
        };
        let end = self.name.floor_char_boundary(facts.device.len() - 1);
        facts.device[..end].copy_from_slice(&self.name.as_bytes()[..end]);
        facts
    }

    /// Begins a clause of so many hops in a slot.
    pub fn begin(&mut self, slot: u32, hops: u32) -> Result<(), Failure> {
        self.slots.alive()?;
        let slot = self.slots.number(slot)?;
        self.slots[slot] = None;
        let begun = self.carry.reset(slot);
        begun.map_err(|error| self.slots.note(error))?;
        self.slots[slot] = Some(At {
            hops: hops as usize,
            given: 0,
        });
        Ok(())
    }

    /// The next hops of each of these slots.
    ///
    /// # Panics
    /// Where what is given, or room for what comes, is of other lengths.
    pub fn render(
        &mut self,
        slots: &[u32],
        hops: usize,
        given: Given<'_>,
        sound: &mut [f32],
    ) -> Result<(), Failure> {
        self.slots.alive()?;
        if slots.is_empty() {
            return Ok(());
        }
        if hops == 0 || hops > MOST_HOPS as usize {
            return Err(failed(format!(
                "a call cannot be for {hops} hops: 1 to {MOST_HOPS}"
            )));
        }
        if slots.len() > self.max_batch {
            return Err(failed(format!(
                "a call for {} slots: {} were asked for at most",
                slots.len(),
                self.max_batch
            )));
        }
        // In the order of slots: those that lie side by side need no copies.
        let mut rows = Vec::with_capacity(slots.len());
        for (asked, slot) in slots.iter().enumerate() {
            let slot = self.slots.number(*slot)?;
            let at = self.slots[slot]
                .ok_or_else(|| failed(format!("slot {slot} renders nothing: it has not begun")))?;
            rows.push((slot, asked, at));
        }
        rows.sort_unstable_by_key(|(slot, ..)| *slot);
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(failed(format!(
                "slot {} is named twice in a call",
                pair[0].0
            )));
        }
        let samples = match self.compute(&rows, hops, given) {
            Ok(samples) => samples,
            Err(error) => {
                for (slot, ..) in rows {
                    self.slots[slot] = None;
                }
                return Err(self.slots.note(error));
            }
        };
        let width = hops * HOP;
        for ((slot, asked, at), samples) in rows.iter().zip(samples.chunks_exact(width)) {
            sound[asked * width..(asked + 1) * width].copy_from_slice(samples);
            self.slots[*slot] = Some(At {
                given: at.given + hops,
                ..*at
            });
        }
        Ok(())
    }

    /// The samples of rows, each a slot, its place in `given`, and where it is.
    fn compute(
        &mut self,
        rows: &[(usize, usize, At)],
        hops: usize,
        given: Given<'_>,
    ) -> candle_core::Result<Vec<f32>> {
        let count = rows.len();
        let slots: Vec<usize> = rows.iter().map(|(slot, ..)| *slot).collect();
        let batch = Batch::of(&self.place, &slots)?;

        // One copy to the device. What lies outside of a clause is zeros, whatever was given.
        let numbers = [
            CHANNELS * hops * count,
            2 * HOP * hops * count,
            DILATIONS.len() * hops * count,
        ];
        let mut all = Vec::with_capacity(numbers.iter().sum());
        let mut add = |from: &[f32], width: usize, late: usize, (_, asked, at): &(_, usize, At)| {
            for hop in 0..hops {
                let place = (asked * hops + hop) * width;
                match at.is_inside(hop, late) {
                    true => all.extend_from_slice(&from[place..place + width]),
                    false => all.resize(all.len() + width, 0.0),
                }
            }
        };
        for row in rows {
            add(given.inputs, CHANNELS, 0, row);
        }
        for row in rows {
            add(given.pulses, HOP, EXCITATION_LATE, row);
            add(given.noise, HOP, EXCITATION_LATE, row);
        }
        for late in self.body.late() {
            for (.., at) in rows {
                all.extend((0..hops).map(|hop| f32::from(at.is_inside(hop, late))));
            }
        }
        let all = self.place.exact(all, &[numbers.iter().sum()])?;
        let part = |which: usize| {
            let from = numbers[..which].iter().sum();
            all.narrow(0, from, numbers[which])
        };
        let inputs = part(0)?.reshape((count, hops, CHANNELS))?;
        let excitation = part(1)?.reshape((count, 2, hops * HOP))?;
        let inside = part(2)?.reshape((DILATIONS.len(), count, hops, 1))?;

        let _kept = device::keep_shapes(&self.place.device);
        let mut carried = self.carry.take(&batch)?;
        let cepstra = self.body.apply(&inputs, &inside, &mut carried)?;
        let inside = inside.get(DILATIONS.len() - 1)?;
        let sound = self
            .filters
            .apply(&cepstra, &excitation, &inside, &mut carried)?;
        self.carry.keep(carried)?;
        // The one copy from the device.
        sound.flatten_all()?.to_vec1()
    }

    /// Forgets what a slot is at.
    pub fn reset(&mut self, slot: u32) -> Result<(), Failure> {
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

#[cfg(test)]
mod tests;
