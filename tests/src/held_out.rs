// SPDX-License-Identifier: MPL-2.0

//! Sentences and words that the small voice has not learned from, and what the voice that taught it makes of them.

use std::{fs, path::PathBuf};

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

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../plugins/cudatts/compact/voice")
        .join(name)
}

impl Sentences {
    /// Those that came with the weights.
    pub fn read() -> Result<Self> {
        let path = file("held-out.json");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(Self(serde_json::from_str(&text)?))
    }

    /// In their order.
    pub fn all(&self) -> &[Sentence] {
        &self.0
    }
}

/// Words with the phones that the source says.
pub fn words() -> Result<Vec<(String, Vec<String>)>> {
    let path = file("held-out-words.txt");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let pairs = text.lines().filter_map(|line| {
        let (word, phones) = line.split_once(' ')?;
        Some((
            word.to_owned(),
            phones.split(' ').map(str::to_owned).collect(),
        ))
    });
    Ok(pairs.collect())
}
