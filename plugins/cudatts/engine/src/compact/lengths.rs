// SPDX-License-Identifier: MPL-2.0

//! How long phones last. One tree says which syllables are accented, one how much longer than its mean each part of a phone is, in
//! spreads of that part.

use super::{
    clause::Phones,
    language::Language,
    phones::PHONES,
    syllables::{self, PARTS, Sequence},
    trees::Tree,
};
use crate::weights::{LoadError, Weights};

/// What leaves count in, in spreads.
const UNIT: f32 = 1.0 / 8_192.0;
/// No part is shorter, in ms.
const SHORTEST: f32 = 5.0;

/// Finds lengths. May be asked by any thread.
#[derive(Debug)]
pub struct Lengths {
    language: Language,
    accents: Tree,
    lengths: Tree,
    /// Mean and spread in ms of each part of each phone.
    parts: Vec<[f32; 2]>,
}

impl Lengths {
    pub fn load(weights: &Weights, language: Language) -> Result<Self, LoadError> {
        let plain = PHONES.iter().filter(|name| !name.ends_with('1')).count() - 1;
        let parts = weights.get("lengths.parts", &[plain * PARTS, 2])?;
        Ok(Self {
            language,
            accents: Tree::load(weights, "lengths.accents")?,
            lengths: Tree::load(weights, "lengths.nodes")?,
            parts: parts.as_chunks().0.to_vec(),
        })
    }

    pub fn language(&self) -> &Language {
        &self.language
    }

    /// Of each phone of a clause, in ms. Of a pause between two clauses each has half.
    pub fn of(&self, clause: &Phones) -> Vec<f32> {
        let mut sequence = Sequence::new(&self.language, clause);
        let mut row = Vec::with_capacity(syllables::PART_WIDTH);
        for syllable in 0..sequence.syllables() {
            sequence.accent_row(syllable, &mut row);
            // The second and the third syllable may be asked for alone: none of the numbers has an order.
            let accented = self.accents.decide(&row, |_| true);
            sequence.accent(syllable, accented != 0);
        }
        let mut lengths: Vec<f32> = (0..clause.phones.len())
            .map(|phone| {
                sequence.row(phone, &mut row);
                let lengths = (0..PARTS).map(|part| {
                    let [mean, spread] = self.parts[sequence.part(phone, part, &mut row)];
                    let decided = self.lengths.decide(&row, syllables::is_name);
                    (mean + f32::from(decided) * UNIT * spread).max(SHORTEST)
                });
                lengths.sum()
            })
            .collect();
        if let ([first, ..], false) = (&mut lengths[..], clause.before.is_empty()) {
            *first /= 2.0;
        }
        if let ([.., last], false) = (&mut lengths[..], clause.behind.is_empty()) {
            *last /= 2.0;
        }
        lengths
    }
}
