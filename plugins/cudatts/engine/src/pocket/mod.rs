// SPDX-License-Identifier: MPL-2.0

//! Pocket TTS, configured by its published files (the 4.x family): one pass of a backbone and of a small head for each 80 ms.

pub mod backbone;
pub mod codec;
pub mod config;
mod flow;
mod run;
mod speaking;
mod voice;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use duplex_synthesis::{Error, Voice};

use self::{
    backbone::Backbone,
    codec::{Decoder, Encoder},
    config::Config,
};
pub use self::{
    flow::flow_times,
    run::{PocketDecoder, PocketGenerator},
    speaking::{Speaking, fade_in},
    voice::PocketVoice,
};
use crate::{
    family::{self, Chunk, Family, LoadedVoice},
    layers::Precision,
    memory::Size,
    recording,
    text::{self, Tokenizer},
    weights::{LoadError, Weights},
};

/// A token lasts a third of a second at most …
const TOKENS_PER_SECOND: f64 = 3.0;
/// … and a text two more than that.
const PADDING_SECONDS: f64 = 2.0;

/// Where the parts of a model lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// How it is built.
    pub config: Description,
    /// What it has learnt (safetensors).
    pub weights: PathBuf,
    /// `tokenizer.json` or `tokenizer.model`.
    pub tokenizer: PathBuf,
    /// Stored voices by name (safetensors), or recordings to clone (WAV), the default first.
    pub voices: Vec<(String, PathBuf)>,
}

/// How a model is built, as it is published (YAML).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Description {
    /// In a file.
    File(PathBuf),
    /// In so many words.
    Text {
        /// What messages call it.
        name: String,
        /// What a file would hold.
        text: String,
    },
}

impl From<PathBuf> for Description {
    fn from(path: PathBuf) -> Self {
        Description::File(path)
    }
}

impl Description {
    fn read(&self) -> Result<Config, LoadError> {
        let config = match self {
            Description::File(path) => Config::read(path),
            Description::Text { name, text } => Config::parse(name, text),
        };
        config.map_err(|report| LoadError::Other(report.to_string()))
    }
}

/// A model that is loaded.
#[derive(Debug)]
pub struct Pocket {
    config: Config,
    tokenizer: Tokenizer,
    backbone: Arc<Backbone>,
    decoder: Arc<Decoder>,
    files: Files,
}

impl Pocket {
    /// Reads a model. Blocks for as long as the files take to read; matrices are quantized one by one as they come.
    pub fn open(files: Files, precision: Precision) -> Result<Pocket, LoadError> {
        Self::open_watched(files, precision, &|_| ())
    }

    /// The same; `watch` hears which share of the weights is read, 0.0 to 1.0.
    pub fn open_watched(
        files: Files,
        precision: Precision,
        watch: &dyn Fn(f64),
    ) -> Result<Pocket, LoadError> {
        let config = files.config.read()?;
        let flow = &config.flow_lm;
        let tokenizer = Tokenizer::open(&files.tokenizer, flow.tokenizer, flow.token_count)?;
        let weights = Weights::watched(&files.weights, watch)?;
        let needed = memory_of(&weights, precision);
        if !needed.is_there() {
            return Err(LoadError::Memory {
                what: format!("the model {}", files.weights.display()),
                needed,
                remedy: match precision {
                    Precision::F32 => "use quantization=q8_0, a smaller model or another machine",
                    Precision::Q8 => "use a smaller model or another machine",
                },
            });
        }
        let backbone = Backbone::load(&weights, &config, precision)?;
        let decoder = Decoder::load(&weights, &config.mimi, precision)?;
        Ok(Pocket {
            tokenizer,
            backbone: Arc::new(backbone),
            decoder: Arc::new(decoder),
            config,
            files,
        })
    }

    /// How it is built.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The tokens of a text.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text)
    }

    /// Makes frames.
    pub fn pocket_generator(&self, slots: usize) -> PocketGenerator {
        PocketGenerator::new(self.backbone.clone(), &self.config, slots)
    }

    /// Makes sound.
    pub fn pocket_decoder(&self, slots: usize) -> PocketDecoder {
        PocketDecoder::new(self.decoder.clone(), &self.config.mimi, slots)
    }

    /// The voice of a recording at the model's rate. Takes about a third of a second for ten; needs the encoder's weights.
    pub fn clone_voice(&self, samples: &[f32]) -> Result<PocketVoice, LoadError> {
        let weights = Weights::open(&self.files.weights)?;
        if !Encoder::is_in(&weights) {
            return Err(LoadError::Other(format!(
                "{} cannot clone voices: it was published without the encoder; use one of its stored voices",
                self.files.weights.display()
            )));
        }
        let encoder = Encoder::load(&weights, &self.config.mimi, self.backbone.width())?;
        Ok(PocketVoice::of(self.backbone.hear(&encoder.apply(samples))))
    }

    fn load_voice(&self, name: &str, path: &Path) -> Result<PocketVoice, LoadError> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => PocketVoice::read(path, self.backbone.memory_shape()),
            Some("wav") => self.clone_voice(&recording::read(path, self.config.mimi.sample_rate)?),
            _ => Err(LoadError::Other(format!(
                "the voice `{name}` is neither a stored state (.safetensors) nor a recording (.wav): {}",
                path.display()
            ))),
        }
    }
}

/// What a model takes while it is read: all that is kept, and the largest tensor as it is read and as numbers.
fn memory_of(weights: &Weights, precision: Precision) -> Size {
    let (mut kept, mut largest) = (0_u64, 0_u64);
    for name in weights.names() {
        let shape = weights.shape(&name).unwrap_or_default();
        let count = shape
            .iter()
            .fold(1_u64, |count, side| count.saturating_mul(*side as u64));
        // Only cloning reads it, and keeps nothing of it.
        if name.starts_with("mimi.encoder") {
            continue;
        }
        let large = shape.len() == 2 && name.contains(".weight") && !name.contains("embed");
        let bytes = match precision {
            // Blocks of 32 bytes and a scale.
            Precision::Q8 if large => count.saturating_add(count / 8),
            _ => count.saturating_mul(4),
        };
        kept = bytes.saturating_add(kept);
        largest = largest.max(count);
    }
    Size(kept.saturating_add(largest.saturating_mul(8)))
}

impl Pocket {
    /// What one who speaks takes at most: what the model remembers of its longest chunk.
    fn memory_of_slot(&self) -> u64 {
        let (layers, heads, width) = self.backbone.memory_shape();
        let tokens = text::MOST_TOKENS;
        let positions = tokens + most_frames(tokens, &self.config);
        // Keys and values.
        (positions * layers * heads * width * 2 * size_of::<f32>()) as u64
    }
}

/// Frames after which a text of so many tokens is stopped.
fn most_frames(tokens: usize, config: &Config) -> usize {
    let seconds = tokens as f64 / TOKENS_PER_SECOND + PADDING_SECONDS;
    (seconds * config.mimi.frame_rate).ceil() as usize
}

impl Family for Pocket {
    fn sample_rate(&self) -> u32 {
        self.config.mimi.sample_rate
    }

    fn frame_samples(&self) -> usize {
        self.config.mimi.frame_samples()
    }

    fn voices(&self) -> Vec<Voice> {
        let voice = |(name, _): &(String, PathBuf)| Voice {
            name: name.clone(),
            languages: Vec::new(),
        };
        self.files.voices.iter().map(voice).collect()
    }

    fn voice(&self, name: &str) -> Result<LoadedVoice, Error> {
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
        let voice = self.load_voice(name, path);
        let voice = voice.map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Arc::new(voice))
    }

    fn chunks(&self, text: &str) -> Result<Vec<Chunk>, Error> {
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
                most: most_frames(tokens.len(), &self.config),
                tail: self.config.frames_after_eos.unwrap_or(prepared.tail),
                tokens,
            });
            from = to;
        }
        Ok(chunks)
    }

    fn generator(&self, slots: usize) -> Result<Box<dyn family::Generator>, Error> {
        let needed = Size(self.memory_of_slot().saturating_mul(slots as u64));
        if !needed.is_there() {
            return Err(Error::Unavailable(format!(
                "{slots} utterances at once would take up to {needed} of memory, and the system does not give it; lower max-batch"
            )));
        }
        Ok(Box::new(self.pocket_generator(slots)))
    }

    fn decoder(&self, slots: usize) -> Result<Box<dyn family::Decoder>, Error> {
        Ok(Box::new(self.pocket_decoder(slots)))
    }
}
