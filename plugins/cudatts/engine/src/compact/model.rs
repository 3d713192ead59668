// SPDX-License-Identifier: MPL-2.0

//! The voice as the engine takes it.

use std::{path::Path, sync::Arc};

use duplex_english::Dictionary;
use duplex_synthesis::Error;

use super::{
    FRAME_SAMPLES, RATE, Voice,
    device::{Device, DeviceDecoder, DeviceGenerator, Model},
    files::Files,
    filters::Transforms,
    run::{CompactDecoder, CompactGenerator},
    tokens,
};
use crate::{
    backend::abi::Backend,
    family::{Chunk, Chunks, Decoder, Family, Generator, LoadedVoice, Skipped},
    weights::LoadError,
};

/// What its only voice is called.
const NAME: &str = "compact";

/// The voice, loaded. See the [module](super).
///
/// All methods may be called from any thread.
#[derive(Clone, Debug)]
pub struct Compact {
    voice: Arc<Voice>,
    model: Model,
    transforms: Transforms,
    dictionary: Arc<Dictionary>,
    /// Instead of the CPU.
    device: Option<Device>,
}

impl Compact {
    /// The voice that is part of this library. Takes some tens of milliseconds.
    ///
    /// # Errors
    /// Only where the build was given damaged files.
    pub fn built_in() -> Result<Self, LoadError> {
        Self::of(Files::built_in())
    }

    /// A voice in a folder: `model.safetensors`, `words.txt`, `language.txt`, and `hashes.txt` with the SHA-256 of each. Reads them.
    ///
    /// # Errors
    /// The file that is missing, cut off, damaged or of another shape.
    pub fn open(folder: &Path) -> Result<Self, LoadError> {
        Self::of(Files::read(folder)?)
    }

    /// Whether a folder is meant to hold such a voice.
    pub fn is_in(folder: &Path) -> bool {
        Files::are_in(folder)
    }

    fn of(files: Files) -> Result<Self, LoadError> {
        Ok(Self {
            voice: Arc::new(files.voice()?),
            model: Model(Arc::new(files.model)),
            transforms: Transforms::default(),
            dictionary: Arc::default(),
            device: None,
        })
    }

    /// The same voice, whose sound a backend makes on a device: the ordinal of a card, or
    /// [`DEVICE_CPU`](crate::backend::abi::DEVICE_CPU). It reads the weights when a generator is made. What was loaded is shared.
    pub fn on_device(&self, backend: &'static Backend, ordinal: i32) -> Self {
        Self {
            device: Some(Device { backend, ordinal }),
            ..self.clone()
        }
    }

    /// The same voice, which says words as a dictionary says; its phones are [`super::PHONES`] without the first. What was
    /// loaded is shared.
    pub fn with_dictionary(&self, dictionary: Dictionary) -> Self {
        Self {
            dictionary: Arc::new(dictionary),
            ..self.clone()
        }
    }

    pub(super) fn compact_generator(&self, slots: usize) -> CompactGenerator {
        CompactGenerator::new(self.voice.clone(), slots)
    }

    pub(super) fn compact_decoder(&self, slots: usize) -> CompactDecoder {
        CompactDecoder::new(self.transforms.clone(), slots)
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (&Voice, Transforms) {
        (&self.voice, self.transforms.clone())
    }
}

impl Family for Compact {
    fn sample_rate(&self) -> u32 {
        RATE as u32
    }

    fn frame_samples(&self) -> usize {
        FRAME_SAMPLES
    }

    fn voices(&self) -> Vec<duplex_synthesis::Voice> {
        vec![duplex_synthesis::Voice {
            name: NAME.into(),
            languages: vec!["en-US".into()],
        }]
    }

    fn voice(&self, name: &str) -> Result<LoadedVoice, Error> {
        if name != NAME {
            return Err(Error::NoSuchVoice {
                name: name.into(),
                remedy: format!("the model has {NAME}"),
            });
        }
        Ok(Arc::new(()))
    }

    fn chunks(&self, text: &str) -> Result<Chunks, Error> {
        let reading = duplex_english::read(text, &self.dictionary);
        let mut chunks = Chunks::default();
        let mut from = 0;
        for (tokens, to) in tokens::encode(&reading.clauses) {
            chunks.chunks.push(Chunk {
                bytes: from..to,
                tokens,
                tail: 0,
                // Its lengths say where it ends.
                most: usize::MAX,
            });
            from = to;
        }
        let skipped = reading.skipped.into_iter().map(|skipped| Skipped {
            bytes: skipped.bytes,
            why: skipped.why.into(),
        });
        chunks.skipped = skipped.collect();
        Ok(chunks)
    }

    fn paces(&self) -> bool {
        true
    }

    fn pitches(&self) -> bool {
        true
    }

    fn generator(&self, slots: usize) -> Result<Box<dyn Generator>, Error> {
        match self.device {
            None => Ok(Box::new(self.compact_generator(slots))),
            Some(device) => {
                let voice = self.voice.clone();
                let generator = DeviceGenerator::new(voice, &self.model, device, slots)?;
                Ok(Box::new(generator))
            }
        }
    }

    fn decoder(&self, slots: usize) -> Result<Box<dyn Decoder>, Error> {
        match self.device {
            None => Ok(Box::new(self.compact_decoder(slots))),
            Some(_) => Ok(Box::new(DeviceDecoder)),
        }
    }
}
