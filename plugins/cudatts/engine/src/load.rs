// SPDX-License-Identifier: MPL-2.0

//! From the name of a model to an engine that speaks with it, which all who name the same share.

use std::sync::Arc;

use duplex_synthesis::{Engine, Error, Request, Utterance, Voice};

use crate::{
    LoadError, NeuralEngine, Options, Precision, Settings,
    backend::{abi, driver},
    device::{self, OnCard, Wish},
    family::Family,
    pocket::{DevicePocket, Pocket},
    published::Named,
    registry::{self, Progress},
};

/// Share of a load that reading is; the rest is the first words.
const READING: f64 = 0.8;
/// Most utterances at once where nobody says how many, on the CPU …
const CPU_BATCH: usize = 16;
/// … and on a card.
const CARD_BATCH: usize = 256;

/// Numbers of the large matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantization {
    /// What the device is best with: 8 bits on the CPU, bfloat16 on a card.
    #[default]
    Auto,
    /// 32 bits, as they were trained.
    None,
    /// 8 bits, on the CPU.
    Q8,
    /// bfloat16, on a card.
    Bf16,
}

/// What is to be loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The name of a published model that was fetched, or the folder of one.
    pub model: String,
    /// Where it is computed.
    pub device: Wish,
    /// Which card, from 0.
    pub ordinal: u32,
    /// Of the large matrices.
    pub quantization: Quantization,
    /// Most utterances that are spoken at once; of whoever loads it. 0 is what the device is good for.
    pub max_batch: usize,
}

/// An engine that is loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Shared with all who named the same.
    pub engine: Arc<NeuralEngine>,
    /// The device that it is on: `cpu`, or `cuda 0 NAME …`.
    pub device: String,
    /// Why it is the CPU, where a card was tried first and there is one.
    pub fell_back: Option<Error>,
}

impl Load {
    /// The engine: that of whoever has loaded the same, or else loaded now, which blocks for as long as that takes.
    /// `progress` hears how far it has come, in this thread; nothing where it is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the file that is missing or wrong, with the memory that is, or with what a card lacks;
    /// [`Error::BadRequest`] for numbers that the device does not compute with.
    pub fn shared(&self, progress: &dyn Fn(&Progress)) -> Result<Loaded, Error> {
        let wrong = |what: &str| Err(Error::BadRequest(what.into()));
        match (self.device, self.quantization) {
            (Wish::Cuda, Quantization::Q8) => {
                return wrong(
                    "quantization q8_0 is for the CPU: use auto, bf16 or none with device=cuda",
                );
            }
            (Wish::Cpu, Quantization::Bf16) => {
                return wrong(
                    "quantization bf16 is for cards: use auto, q8_0 or none with device=cpu",
                );
            }
            _ => {}
        }
        let on_card = || {
            let on = device::card(self.ordinal)?;
            let engine = self.on_card(on, progress)?;
            Ok(Loaded {
                engine,
                device: format!("cuda {}", on.card),
                fell_back: None,
            })
        };
        let fell_back = match (self.device, self.quantization) {
            (Wish::Cpu, _) | (Wish::Auto, Quantization::Q8) => None,
            (Wish::Cuda, _) => return on_card(),
            (Wish::Auto, wanted) => match on_card() {
                Ok(loaded) => return Ok(loaded),
                Err(error) if wanted == Quantization::Bf16 => return Err(error),
                // Nobody misses a card where there is not even a driver.
                Err(error) => driver::is_installed().then_some(error),
            },
        };
        let engine = self.on_cpu(progress)?;
        Ok(Loaded {
            engine,
            device: "cpu".into(),
            fell_back,
        })
    }

    fn on_cpu(&self, progress: &dyn Fn(&Progress)) -> Result<Arc<NeuralEngine>, Error> {
        let precision = match self.quantization {
            Quantization::None => Precision::F32,
            _ => Precision::Q8,
        };
        self.on(
            &format!("{precision:?} cpu"),
            CPU_BATCH,
            progress,
            |place, read| {
                let pocket = Pocket::open_watched(place.files()?, precision, read)?;
                Ok(Arc::new(pocket))
            },
        )
    }

    fn on_card(
        &self,
        on: OnCard,
        progress: &dyn Fn(&Progress),
    ) -> Result<Arc<NeuralEngine>, Error> {
        let ordinal = i32::try_from(on.card.ordinal).unwrap_or(i32::MAX);
        let precision = match self.quantization {
            Quantization::None => abi::PRECISION_F32,
            _ => abi::PRECISION_BF16,
        };
        let key = format!("{precision} cuda {ordinal}");
        self.on(&key, CARD_BATCH, progress, |place, _| {
            let pocket = DevicePocket::open(place.files()?, on.backend, ordinal, precision)?;
            Ok(Arc::new(pocket))
        })
    }

    /// The engine on the device that `key` names; `open` reads the model.
    fn on(
        &self,
        key: &str,
        batch: usize,
        progress: &dyn Fn(&Progress),
        open: impl FnOnce(&Named, &dyn Fn(f64)) -> Result<Arc<dyn Family>, LoadError>,
    ) -> Result<Arc<NeuralEngine>, Error> {
        // Two spellings of a folder are one model.
        let place = Named::of(&self.model);
        registry::engines().get(format!("{place} {key}"), progress, |tell| {
            let reading = format!("reading {place}");
            let read = |share: f64| {
                tell(Progress {
                    done: share * READING,
                    what: reading.clone(),
                });
            };
            read(0.0);
            let family =
                open(&place, &read).map_err(|error| Error::Unavailable(error.to_string()))?;
            tell(Progress {
                done: READING,
                what: "speaking a few words to nobody, to be warm".into(),
            });
            let batch = match self.max_batch {
                0 => batch,
                asked => asked,
            };
            let options = Options {
                slots: batch,
                max_batch: batch,
                ..Options::default()
            };
            Ok(Arc::new(NeuralEngine::new(family, options)?))
        })
    }
}

/// A shared engine as one of those who share it uses it.
#[derive(Debug)]
pub struct Tuned {
    /// The engine.
    pub engine: Arc<NeuralEngine>,
    /// Of its utterances.
    pub settings: Settings,
}

impl Engine for Tuned {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn voices(&self) -> Result<Vec<Voice>, Error> {
        self.engine.voices()
    }

    fn prepare(&self, request: &Request) -> Result<(), Error> {
        self.engine.prepare(request)
    }

    fn sample_rate(&self, request: &Request) -> Result<u32, Error> {
        self.engine.sample_rate(request)
    }

    fn open(&self, request: &Request) -> Result<Utterance, Error> {
        self.engine.open_with(request, self.settings)
    }
}
