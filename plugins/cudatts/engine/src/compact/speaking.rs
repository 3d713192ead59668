// SPDX-License-Identifier: MPL-2.0

//! A clause that is being spoken: what body and filters are given of it, wherever they are computed.

use super::{
    FRAME_HOPS, HOP, Voice,
    blocks::Scratch,
    clause::{Phones, Reader, Timing},
    excitation::Excitation,
    networks::Sound,
};
use crate::family::Manner;

/// The clause, and how far it has come.
#[derive(Debug)]
pub struct Speaking {
    timing: Timing,
    reader: Reader,
    /// For each phone what [`Sound::of_phones`] says.
    of_phones: Vec<f32>,
    excitation: Excitation,
    /// Frames that were made.
    pub made: usize,
}

/// Memory for the inputs of hops, kept.
#[derive(Debug, Default)]
pub struct Inputs {
    which: Vec<usize>,
    features: Vec<f32>,
    inputs: Vec<f32>,
}

impl Speaking {
    /// Before its first hop.
    pub fn new(
        voice: &Voice,
        phones: &Phones,
        timing: Timing,
        manner: Manner,
        scratch: &mut Scratch,
    ) -> Self {
        let samples = timing.hops() * HOP;
        Self {
            of_phones: voice.sound.of_phones(phones, scratch),
            reader: Reader::default(),
            // The seed's lower half: noise repeats after 2^32 samples anyway.
            excitation: Excitation::new(samples, manner.seed as u32, manner.pitch),
            timing,
            made: 0,
        }
    }

    /// All its hops.
    pub fn hops(&self) -> usize {
        self.timing.hops()
    }

    /// Whether all frames were made.
    pub fn is_over(&self) -> bool {
        self.made == self.hops().div_ceil(FRAME_HOPS)
    }

    /// The body's inputs of the next hops, up to this one or the clause's end.
    pub fn inputs<'a>(&mut self, sound: &Sound, until: usize, memory: &'a mut Inputs) -> &'a [f32] {
        let Inputs {
            which,
            features,
            inputs,
        } = memory;
        which.clear();
        features.clear();
        let until = until.min(self.hops());
        self.reader.read(&self.timing, until, which, features);
        sound.inputs(&self.of_phones, which, features, inputs);
        inputs
    }

    /// The next samples of pulses and noise, as many of each; zeros behind the clause's end.
    pub fn excite(&mut self, pulses: &mut [f32], noise: &mut [f32]) {
        self.excitation.next(&self.timing, pulses, noise);
    }
}
