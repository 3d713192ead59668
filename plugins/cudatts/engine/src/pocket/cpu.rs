// SPDX-License-Identifier: MPL-2.0

//! The model on the CPU.

use std::sync::Arc;

use duplex_synthesis::{Error, Voice};

use super::{
    Files, Host, PocketDecoder, PocketGenerator, PocketVoice, backbone::Backbone, codec::Decoder,
    config::Config,
};
use crate::{
    family::{self, Chunks, Family, LoadedVoice},
    layers::Precision,
    memory::Size,
    weights::{LoadError, Weights},
};

/// A model that is loaded.
#[derive(Debug)]
pub struct Pocket {
    host: Host,
    backbone: Arc<Backbone>,
    decoder: Arc<Decoder>,
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
        let host = Host::open(files)?;
        let path = &host.files().weights;
        let weights = Weights::watched(path, watch)?;
        let needed = memory_of(&weights, precision);
        if !needed.is_there() {
            return Err(LoadError::Memory {
                what: format!("the model {}", path.display()),
                needed,
                remedy: match precision {
                    Precision::F32 => "use quantization=q8_0, a smaller model or another machine",
                    Precision::Q8 => "use a smaller model or another machine",
                },
            });
        }
        let backbone = Backbone::load(&weights, host.config(), precision)?;
        let decoder = Decoder::load(&weights, &host.config().mimi, precision)?;
        Ok(Pocket {
            backbone: Arc::new(backbone),
            decoder: Arc::new(decoder),
            host,
        })
    }

    /// How it is built.
    pub fn config(&self) -> &Config {
        self.host.config()
    }

    /// The tokens of a text.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        self.host.tokens(text)
    }

    /// Makes frames.
    pub fn pocket_generator(&self, slots: usize) -> PocketGenerator {
        PocketGenerator::new(self.backbone.clone(), self.config(), slots)
    }

    /// Makes sound.
    pub fn pocket_decoder(&self, slots: usize) -> PocketDecoder {
        PocketDecoder::new(self.decoder.clone(), &self.config().mimi, slots)
    }

    /// The voice of a recording at the model's rate. Takes about a third of a second for ten; needs the encoder's weights.
    pub fn clone_voice(&self, samples: &[f32]) -> Result<PocketVoice, LoadError> {
        let encoder = self.host.encoder()?;
        Ok(PocketVoice::of(self.backbone.hear(&encoder.apply(samples))))
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

impl Family for Pocket {
    fn sample_rate(&self) -> u32 {
        self.config().mimi.sample_rate
    }

    fn frame_samples(&self) -> usize {
        self.config().mimi.frame_samples()
    }

    fn voices(&self) -> Vec<Voice> {
        self.host.voices()
    }

    fn voice(&self, name: &str) -> Result<LoadedVoice, Error> {
        self.host.voice(name, |samples| self.clone_voice(samples))
    }

    fn chunks(&self, text: &str) -> Result<Chunks, Error> {
        Ok(self.host.chunks(text).into())
    }

    fn generator(&self, slots: usize) -> Result<Box<dyn family::Generator>, Error> {
        let needed = Size(self.host.memory_of_slot().saturating_mul(slots as u64));
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
