// SPDX-License-Identifier: MPL-2.0

//! The networks of the voice; each is [`Blocks`] between an embedding and a linear map.

use super::{
    MELODY, PLACES, Spectra,
    blocks::{Blocks, Scratch},
    clause::{self, HOP_FEATURES, PHONE_FEATURES},
    phones::{PHONES, Phone},
    shape,
};
use crate::{
    kernels::product::Rows,
    layers::{Linear, Precision},
    weights::{LoadError, Weights},
};

/// Letters of words: a to z and the apostrophe.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz'";
/// Ways a clause may end.
const ENDS: usize = 4;

fn linear(weights: &Weights, name: &str, shape: (usize, usize)) -> Result<Linear, LoadError> {
    Linear::load(weights, name, shape, true, Precision::F32)
}

/// The phones of words by their letters: each letter has three places, and a place says one phone or none.
#[derive(Debug)]
pub struct Letters {
    letter: Vec<f32>,
    body: Blocks,
    out: Linear,
}

impl Letters {
    const CHANNELS: usize = 192;

    pub fn load(weights: &Weights) -> Result<Self, LoadError> {
        let channels = Self::CHANNELS;
        Ok(Self {
            letter: weights.get("letters.letter.weight", &[LETTERS.len() + 1, channels])?,
            body: Blocks::load(weights, "letters.body", channels, &[1; 8])?,
            out: linear(weights, "letters.out", (channels, PLACES * PHONES.len()))?,
        })
    }

    /// For each place of each word, one behind the other, a number for each phone; the largest is the most likely.
    /// Other signs than letters and apostrophes are passed over.
    pub fn scores(&self, words: &[&str], scratch: &mut Scratch) -> Vec<f32> {
        let mut rows = Vec::new();
        let mut counts = Vec::new();
        for word in words {
            let before = rows.len();
            for letter in word.bytes() {
                let Some(at) = LETTERS.iter().position(|known| *known == letter) else {
                    continue;
                };
                let at = (at + 1) * Self::CHANNELS;
                rows.extend_from_slice(&self.letter[at..at + Self::CHANNELS]);
            }
            counts.push((rows.len() - before) / Self::CHANNELS);
        }
        self.body.apply(&mut rows, &counts, scratch);
        self.out.apply(&rows)
    }

    /// The phones of words.
    pub fn phones(&self, words: &[&str], scratch: &mut Scratch) -> Vec<Vec<Phone>> {
        let scores = self.scores(words, scratch);
        let mut left = scores.as_slice();
        let found = words.iter().map(|word| {
            let letters = word.bytes().filter(|letter| LETTERS.contains(letter));
            let own;
            (own, left) = left.split_at(letters.count() * PLACES * PHONES.len());
            greedy(own)
        });
        found.collect()
    }
}

/// The most likely phone of each place; what stays the same is said once, and 0 says nothing.
fn greedy(scores: &[f32]) -> Vec<Phone> {
    let mut phones = Vec::new();
    let mut last = 0;
    for scores in scores.chunks_exact(PHONES.len()) {
        let mut best = 0;
        for (phone, score) in scores.iter().enumerate() {
            if *score > scores[best] {
                best = phone;
            }
        }
        if best != last && best != 0 {
            phones.push(best as Phone);
        }
        last = best;
    }
    phones
}

/// What phones, their places in word and clause, and the clause's end say together.
#[derive(Debug)]
struct OfPhones {
    phone: Vec<f32>,
    end: Vec<f32>,
    place: Linear,
    body: Blocks,
}

impl OfPhones {
    fn load(
        weights: &Weights,
        name: &str,
        channels: usize,
        dilations: &[usize],
    ) -> Result<Self, LoadError> {
        Ok(Self {
            phone: weights.get(&format!("{name}.phone.weight"), &[PHONES.len(), channels])?,
            end: weights.get(&format!("{name}.end.weight"), &[ENDS, channels])?,
            place: linear(
                weights,
                &format!("{name}.place"),
                (PHONE_FEATURES, channels),
            )?,
            body: Blocks::load(weights, &format!("{name}.body"), channels, dilations)?,
        })
    }

    fn apply(&self, clause: &clause::Phones, scratch: &mut Scratch) -> Vec<f32> {
        let channels = self.body.channels();
        let mut rows = self.place.apply(&clause.places());
        let end = &self.end[clause.end as usize * channels..][..channels];
        for (row, phone) in rows.chunks_exact_mut(channels).zip(&clause.phones) {
            let phone = &self.phone[usize::from(*phone) * channels..][..channels];
            for ((x, phone), end) in row.iter_mut().zip(phone).zip(end) {
                *x += phone + end;
            }
        }
        self.body.apply(&mut rows, &[clause.phones.len()], scratch);
        rows
    }
}

/// At which pitch the phones of a clause are said.
#[derive(Debug)]
pub struct Melody {
    phones: OfPhones,
    out: Linear,
}

impl Melody {
    const CHANNELS: usize = 128;

    pub fn load(weights: &Weights) -> Result<Self, LoadError> {
        let dilations = [1, 1, 2, 2, 1, 1];
        Ok(Self {
            phones: OfPhones::load(weights, "melody.phones", Self::CHANNELS, &dilations)?,
            out: linear(weights, "melody.out", (Self::CHANNELS, MELODY))?,
        })
    }

    /// For each phone the natural logarithms of its fundamental at the points of its melody, less that of 200 Hz.
    pub fn apply(&self, clause: &clause::Phones, scratch: &mut Scratch) -> Vec<f32> {
        self.out.apply(&self.phones.apply(clause, scratch))
    }
}

/// The filters of hops.
#[derive(Debug)]
pub struct Sound {
    phones: OfPhones,
    place: Linear,
    body: Blocks,
    out: Linear,
}

impl Sound {
    /// Numbers of an input of the body.
    pub const CHANNELS: usize = shape::CHANNELS;

    pub fn load(weights: &Weights) -> Result<Self, LoadError> {
        let channels = Self::CHANNELS;
        Ok(Self {
            phones: OfPhones::load(weights, "sound.phones", channels, &[1, 1, 1])?,
            place: linear(weights, "sound.place", (HOP_FEATURES, channels))?,
            body: Blocks::load(weights, "sound.body", channels, &shape::DILATIONS)?,
            out: linear(weights, "sound.out", (channels, Spectra::NUMBERS))?,
        })
    }

    /// What is said of each phone, wherever in it a hop lies: `CHANNELS` numbers each.
    pub fn of_phones(&self, clause: &clause::Phones, scratch: &mut Scratch) -> Vec<f32> {
        self.phones.apply(clause, scratch)
    }

    /// The inputs of hops, whose phones and features are given, into `out`.
    pub fn inputs(&self, of_phones: &[f32], which: &[usize], features: &[f32], out: &mut Vec<f32>) {
        self.place
            .apply_rows(Rows::new(features, HOP_FEATURES), out);
        for (row, phone) in out.chunks_exact_mut(Self::CHANNELS).zip(which) {
            let phone = &of_phones[phone * Self::CHANNELS..][..Self::CHANNELS];
            for (x, phone) in row.iter_mut().zip(phone) {
                *x += phone;
            }
        }
    }

    /// What computes hops of inputs.
    pub fn body(&self) -> &Blocks {
        &self.body
    }

    /// The cepstra of rows that the body made.
    pub fn cepstra(&self, rows: &[f32], out: &mut Vec<f32>) {
        self.out.apply_rows(Rows::new(rows, Self::CHANNELS), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_the_same_is_said_once() {
        let mut scores = vec![0.0; 6 * PHONES.len()];
        for (place, phone) in [3, 3, 0, 3, 5, 0].into_iter().enumerate() {
            scores[place * PHONES.len() + phone] = 1.0;
        }
        assert_eq!(greedy(&scores), [3, 3, 5]);
    }
}
