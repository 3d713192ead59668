// SPDX-License-Identifier: MPL-2.0

//! What of a model is in a cache, and whether it is what was published.

use std::path::PathBuf;

use crate::{cache::Cache, catalogue::Model, digest::Digest, place::Place};

/// What of a model is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// The weights, those that can clone voices where both are here.
    pub weights: Option<PathBuf>,
    /// Whether these can clone voices.
    pub clones: bool,
    /// The tokenizer.
    pub tokenizer: Option<PathBuf>,
    /// Stored voices by name, the model's own first, then in the order of names.
    pub voices: Vec<(String, PathBuf)>,
}

impl Here {
    /// Nothing is missing that speaking takes.
    pub fn is_complete(&self) -> bool {
        self.missing().is_empty()
    }

    /// Nothing is here.
    pub fn is_empty(&self) -> bool {
        self.weights.is_none() && self.tokenizer.is_none() && self.voices.is_empty()
    }

    /// What speaking takes and is not here, in words.
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if self.weights.is_none() {
            missing.push("weights");
        }
        if self.tokenizer.is_none() {
            missing.push("tokenizer");
        }
        if self.voices.is_empty() {
            missing.push("voices");
        }
        missing
    }

    /// Bytes on the disk.
    pub fn size(&self) -> u64 {
        let voices = self.voices.iter().map(|(_, path)| path);
        let all = self.weights.iter().chain(&self.tokenizer).chain(voices);
        all.filter_map(|path| Some(path.metadata().ok()?.len()))
            .sum()
    }
}

/// What is wrong with a file that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It holds something else than was published under its name.
    Damaged {
        /// The hash of what was published.
        expected: String,
        /// The hash of what is here.
        found: String,
    },
    /// It is no link to a blob that is named by a hash, so nobody can tell.
    Unnamed,
    /// It cannot be read.
    Unreadable(String),
}

impl Model {
    /// What of it is in a cache.
    pub fn here(&self, cache: &Cache) -> Here {
        let cloning = self
            .cloning_weights
            .as_ref()
            .and_then(|place| cache.find(place));
        let clones = cloning.is_some();
        let found = |(name, place): (&String, &Place)| Some((name.clone(), cache.find(place)?));
        let mut voices: Vec<_> = self.voices.iter().filter_map(found).collect();
        voices.sort_by_key(|(name, _)| *name != self.voice);
        Here {
            weights: cloning.or_else(|| cache.find(&self.weights)),
            clones,
            tokenizer: cache.find(&self.tokenizer),
            voices,
        }
    }

    /// All its files that are in a cache, with what each is.
    pub fn files(&self, cache: &Cache) -> Vec<&Place> {
        let weights = self.cloning_weights.iter().chain([&self.weights]);
        let all = weights.chain([&self.tokenizer]).chain(self.voices.values());
        all.filter(|place| cache.find(place).is_some()).collect()
    }
}

impl Cache {
    /// Reads all of a file that is here and tells what is wrong with it, if anything is.
    pub fn check(&self, place: &Place) -> Result<(), Fault> {
        let expected = self.hash(place).ok_or(Fault::Unnamed)?;
        let found = Digest::of(&self.snapshot(place), &expected);
        match found.map_err(|error| Fault::Unreadable(error.to_string()))? {
            Some(found) if found == expected => Ok(()),
            Some(found) => Err(Fault::Damaged { expected, found }),
            None => Err(Fault::Unnamed),
        }
    }
}
