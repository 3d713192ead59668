// SPDX-License-Identifier: MPL-2.0

//! Sentences that the small voice has not learned from, and what the voice that taught it makes of them.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;

/// A sentence.
#[derive(Clone, Debug, Deserialize)]
pub struct Sentence {
    /// What is said.
    pub text: String,
    /// Words that a recogniser hears wrong when the source says it.
    pub wrong: usize,
    /// Where the source begins each word, in ms; empty where that cannot be told.
    pub begins: Vec<u32>,
}

/// All of them.
#[derive(Debug)]
pub struct Sentences(Vec<Sentence>);

impl Sentences {
    /// Those that came with the weights.
    pub fn read() -> Result<Self> {
        let voice = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/cudatts/compact/voice");
        let path = voice.join("held-out.json");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(Self(serde_json::from_str(&text)?))
    }

    /// In their order.
    pub fn all(&self) -> &[Sentence] {
        &self.0
    }
}
