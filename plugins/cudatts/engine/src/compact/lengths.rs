// SPDX-License-Identifier: MPL-2.0

//! How long phones last: for each phone and each of its three parts a tree, and one that says which syllables are accented.

use super::{
    clause::Phones,
    language::Language,
    phones::PHONES,
    syllables::{self, Sequence},
    trees::Trees,
};
use crate::weights::{LoadError, Weights};

/// Parts of a phone.
const PARTS: usize = 3;
/// What trees count in, in ms.
const UNIT: f32 = 0.01;
/// The tree of accents; those of the first phone's parts are next.
const ACCENTS: usize = 0;

/// Finds lengths. May be asked by any thread.
#[derive(Debug)]
pub struct Lengths {
    language: Language,
    trees: Trees,
}

impl Lengths {
    pub fn load(weights: &Weights, language: Language) -> Result<Self, LoadError> {
        let plain = PHONES.iter().filter(|name| !name.ends_with('1')).count() - 1;
        Ok(Self {
            language,
            trees: Trees::load(weights, "lengths", 1 + plain * PARTS)?,
        })
    }

    pub fn language(&self) -> &Language {
        &self.language
    }

    /// Of each phone of a clause, in ms. Of a pause between two clauses each has half.
    pub fn of(&self, clause: &Phones) -> Vec<f32> {
        let mut sequence = Sequence::new(&self.language, clause);
        let mut row = Vec::with_capacity(syllables::WIDTH);
        for syllable in 0..sequence.syllables() {
            sequence.accent_row(syllable, &mut row);
            let accented = self.trees.decide(ACCENTS, &row, syllables::is_accent_name);
            sequence.accent(syllable, accented != 0);
        }
        let mut lengths: Vec<f32> = (0..clause.phones.len())
            .map(|phone| {
                sequence.row(phone, &mut row);
                let plain = usize::from(sequence.phone(phone));
                let first = ACCENTS + 1 + (plain - 1) * PARTS;
                let parts = (first..first + PARTS)
                    .map(|tree| self.trees.decide(tree, &row, syllables::is_name));
                parts.map(u32::from).sum::<u32>() as f32 * UNIT
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
