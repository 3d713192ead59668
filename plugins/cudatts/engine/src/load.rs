// SPDX-License-Identifier: MPL-2.0

//! From the name of a model to an engine that speaks with it, which all who name the same share.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    sync::Arc,
};

use duplex_english::Dictionary;
use duplex_models::COMPACT;
use duplex_synthesis::{Engine, Error, Request, Utterance, Voice};

use crate::{
    Listener, LoadError, NeuralEngine, Options, Precision, Settings,
    backend::{abi, driver},
    compact::{Compact, PHONES},
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
/// … the same with the small voice, of which a core speaks dozens …
const COMPACT_BATCH: usize = 256;
/// … and on a card, …
const CARD_BATCH: usize = 256;
/// … for which the small voice is small, too.
const COMPACT_CARD_BATCH: usize = 1_024;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// `compact`, which is built in, the name of a published model that was fetched, or the folder of one.
    pub model: String,
    /// Where it is computed.
    pub device: Wish,
    /// Which card, from 0.
    pub ordinal: u32,
    /// Of the large matrices.
    pub quantization: Quantization,
    /// Most utterances that are spoken at once; of whoever loads it. 0 is what the device is good for.
    pub max_batch: usize,
    /// How words are said that the model says otherwise: a file of lines such as `gif jh ih1 f`. Only with a model that reads
    /// phones, such as `compact`.
    pub dictionary: Option<PathBuf>,
}

impl Default for Load {
    /// The model that is built in, where it is computed best.
    fn default() -> Self {
        Self {
            model: COMPACT.name.into(),
            device: Wish::default(),
            ordinal: 0,
            quantization: Quantization::default(),
            max_batch: 0,
            dictionary: None,
        }
    }
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
    /// [`Error::BadRequest`] for numbers that the device does not compute with, and for a dictionary that the model has no
    /// use for.
    pub fn shared(&self, progress: &dyn Fn(&Progress)) -> Result<Loaded, Error> {
        let wrong = |what: &str| Err(Error::BadRequest(what.into()));
        let place = Named::of(&self.model);
        if place.is_compact() {
            return self.compact(&place, progress);
        }
        if self.dictionary.is_some() {
            return wrong(&format!(
                "a dictionary is for models that read phones, such as {}, and {place} reads letters: unset it",
                COMPACT.name
            ));
        }
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
        self.somewhere(|on| self.on_card(on, progress), || self.on_cpu(progress))
    }

    /// An engine on a card where that is wished for and one can, or else on the CPU.
    fn somewhere(
        &self,
        on_card: impl FnOnce(OnCard) -> Result<Arc<NeuralEngine>, Error>,
        on_cpu: impl FnOnce() -> Result<Arc<NeuralEngine>, Error>,
    ) -> Result<Loaded, Error> {
        let on_card = || {
            let on = device::card(self.ordinal)?;
            Ok(Loaded {
                engine: on_card(on)?,
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
        Ok(Loaded {
            engine: on_cpu()?,
            device: "cpu".into(),
            fell_back,
        })
    }

    /// The small voice.
    fn compact(&self, place: &Named, progress: &dyn Fn(&Progress)) -> Result<Loaded, Error> {
        let wrong = |what: String| Err(Error::BadRequest(what));
        match self.quantization {
            Quantization::Auto | Quantization::None => {}
            Quantization::Q8 | Quantization::Bf16 => {
                return wrong(format!(
                    "the model {place} is computed in 32 bits: use quantization=auto or quantization=none"
                ));
            }
        }
        let (mut words, mut dictionary) = (String::new(), None);
        if let Some(path) = &self.dictionary {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Error::Unavailable(format!(
                    "the dictionary {} cannot be read: {error}",
                    path.display()
                ))
            })?;
            let name = path.display().to_string();
            let parsed = Dictionary::parse(&text, &name, &PHONES[1..])
                .map_err(|error| Error::BadRequest(error.to_string()))?;
            // Who has the same words shares an engine, whatever the file is called, and a file that was changed is another.
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            words = format!(" dictionary {:x}", hasher.finish());
            dictionary = Some(parsed);
        }
        let open = |place: &Named| {
            let compact = match place {
                Named::Folder(path) => Compact::open(path)?,
                Named::BuiltIn | Named::Published(_) => Compact::built_in()?,
            };
            Ok::<_, LoadError>(match &dictionary {
                Some(dictionary) => compact.with_dictionary(dictionary.clone()),
                None => compact,
            })
        };
        self.somewhere(
            |on| {
                let ordinal = i32::try_from(on.card.ordinal).unwrap_or(i32::MAX);
                let key = format!("cuda {ordinal}{words}");
                self.on(&key, COMPACT_CARD_BATCH, progress, |place, _| {
                    Ok(Arc::new(open(place)?.on_device(on.backend, ordinal)))
                })
            },
            || {
                let key = format!("cpu{words}");
                self.on(&key, COMPACT_BATCH, progress, |place, _| {
                    Ok(Arc::new(open(place)?))
                })
            },
        )
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
pub struct Tuned {
    /// The engine.
    pub engine: Arc<NeuralEngine>,
    /// Of its utterances.
    pub settings: Settings,
    /// Hears what they do not speak; where there is none, the log does.
    pub listener: Option<Listener>,
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
        self.engine
            .open_heard(request, self.settings, self.listener.clone())
    }
}
