// SPDX-License-Identifier: MPL-2.0

//! What a model is apart from what computes it: its configuration, its tokenizer, where its files are.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use duplex_synthesis::{Error, Voice};

use super::{Files, PocketVoice, codec::Encoder, config::Config};
use crate::{
    family::{Chunk, LoadedVoice},
    recording,
    text::{self, Tokenizer},
    weights::{LoadError, Weights},
};

/// A token lasts a third of a second at most …
const TOKENS_PER_SECOND: f64 = 3.0;
/// … and a text two more than that.
const PADDING_SECONDS: f64 = 2.0;

/// A model's side that is on the host whatever device computes it.
#[derive(Debug)]
pub struct Host {
    config: Config,
    tokenizer: Tokenizer,
    files: Files,
}

impl Host {
    /// Reads the configuration and the tokenizer.
    pub fn open(files: Files) -> Result<Host, LoadError> {
        let config = files.config.read()?;
        let flow = &config.flow_lm;
        let tokenizer = Tokenizer::open(&files.tokenizer, flow.tokenizer, flow.token_count)?;
        Ok(Host {
            config,
            tokenizer,
            files,
        })
    }

    /// How it is built.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where its parts lie.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The tokens of a text.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text)
    }

    /// The voices that it has, the default first.
    pub fn voices(&self) -> Vec<Voice> {
        let voice = |(name, _): &(String, PathBuf)| Voice {
            name: name.clone(),
            languages: Vec::new(),
        };
        self.files.voices.iter().map(voice).collect()
    }

    /// Loads a voice: a stored state, or a recording, of which `clone` makes one out of samples at the model's rate.
    pub fn voice(
        &self,
        name: &str,
        clone: impl FnOnce(&[f32]) -> Result<PocketVoice, LoadError>,
    ) -> Result<LoadedVoice, Error> {
        let voices = &self.files.voices;
        let Some((name, path)) = voices.iter().find(|(known, _)| known == name) else {
            let names: Vec<&str> = voices.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Error::NoSuchVoice {
                name: name.to_owned(),
                remedy: format!(
                    "the model has {}{}",
                    names.join(", "),
                    duplex_yaml::nearest(name, names.iter().copied())
                ),
            });
        };
        let voice = match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => PocketVoice::read(path, self.memory_shape()),
            Some("wav") => recording::read(path, self.config.mimi.sample_rate)
                .and_then(|samples| clone(&samples)),
            _ => Err(LoadError::Other(format!(
                "the voice `{name}` is neither a stored state (.safetensors) nor a recording (.wav): {}",
                path.display()
            ))),
        };
        let voice = voice.map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Arc::new(voice))
    }

    /// What hears recordings. Read for each one: few voices are cloned, and many spoken with.
    pub fn encoder(&self) -> Result<Encoder, LoadError> {
        let path: &Path = &self.files.weights;
        let weights = Weights::open(path)?;
        if !Encoder::is_in(&weights) {
            return Err(LoadError::Other(format!(
                "{} cannot clone voices: it was published without the encoder; use one of its stored voices",
                path.display()
            )));
        }
        Encoder::load(
            &weights,
            &self.config.mimi,
            self.config.flow_lm.transformer.d_model,
        )
    }

    /// Layers, heads and numbers of a head that the backbone remembers.
    pub fn memory_shape(&self) -> (usize, usize, usize) {
        let shape = &self.config.flow_lm.transformer;
        (
            shape.num_layers,
            shape.num_kv_heads,
            shape.attn_dim / shape.num_heads,
        )
    }

    /// What one who speaks takes at most, in bytes: what the model remembers of its longest chunk.
    pub fn memory_of_slot(&self) -> u64 {
        let (layers, heads, width) = self.memory_shape();
        let tokens = text::MOST_TOKENS;
        let positions = tokens + self.most_frames(tokens);
        // Keys and values.
        (positions * layers * heads * width * 2 * size_of::<f32>()) as u64
    }

    /// Frames after which a text of so many tokens is stopped.
    pub fn most_frames(&self, tokens: usize) -> usize {
        let seconds = tokens as f64 / TOKENS_PER_SECOND + PADDING_SECONDS;
        (seconds * self.config.mimi.frame_rate).ceil() as usize
    }

    /// Cuts a text into chunks.
    pub fn chunks(&self, text: &str) -> Vec<Chunk> {
        let writing = &self.config.writing;
        let parts = text::split(text, writing, &self.tokenizer);
        let mut words = text.split_whitespace();
        let mut from = 0;
        let mut chunks = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            let Some(prepared) = text::prepare(part, writing) else {
                continue;
            };
            let tokens = self.tokenizer.encode(&prepared.text);
            // A part was rewritten; as many words as it has are what it speaks of the text.
            let last = part.split_whitespace().filter_map(|_| words.next()).last();
            let to = match last {
                Some(word) if at + 1 < parts.len() => {
                    word.as_ptr() as usize - text.as_ptr() as usize + word.len()
                }
                _ => text.len(),
            };
            chunks.push(Chunk {
                bytes: from..to,
                most: self.most_frames(tokens.len()),
                tail: self.config.frames_after_eos.unwrap_or(prepared.tail),
                tokens,
            });
            from = to;
        }
        chunks
    }
}
