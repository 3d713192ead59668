// SPDX-License-Identifier: MPL-2.0

//! SECTION:element-cudattsynth
//!
//! Speaks text with a neural voice, in process: no Python, no server. All elements of a process that name the same model share
//! one engine, which speaks for all of them in one batch: whoever would run dry soonest comes first, and whoever has enough
//! sound waits.
//!
//! `model` is the name of a published model that `duplex model fetch NAME` has fetched (or Python has: both look into the same
//! cache), or a folder with `config.yaml`, `model.safetensors`, `tokenizer.json` (or `tokenizer.model`) and stored voices in
//! `voices/`, as Pocket TTS publishes them. The element downloads nothing.
//!
//! ## Example pipelines
//! ```bash
//! gst-launch-1.0 filesrc location=story.txt ! text/x-raw,format=utf8 ! cudattsynth model=english voice=alba ! autoaudiosink
//! ```
//! Reads a file to you.
//!
//! ```bash
//! gst-launch-1.0 fdsrc ! text/x-raw,format=utf8 ! ttssink synthesizer="cudattsynth model=english"
//! ```
//! Speaks each line that is typed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use duplex_neural::{NeuralEngine, Options, Precision, pocket::Pocket, published::Named, registry};
use duplex_synthesis::{Engine, Error, Request, Utterance, Voice};
use duplex_textpad::{Settings as Common, Speaker};
use gst::{glib, prelude::*};

use super::Quantization;

const DEFAULT_MAX_BATCH: u32 = 16;
const DEFAULT_SEED: u64 = 0;
/// The model's own.
const DEFAULT_TEMPERATURE: f64 = -1.0;

duplex_textpad::text_to_audio_element! {
    /// The implementation of `cudattsynth`; what it has in common with other voices is duplex-textpad's.
    pub struct CudaTtSynth for super::CudaTtSynth, speaker NeuralSpeaker;
    type_name: "GstDuplexCudaTtSynth",
    category: "cudattsynth",
    long_name: "Neural speech synthesizer",
    description: "Speaks text with a neural voice in process, many speakers in one batch; \
        for example: filesrc location=story.txt ! text/x-raw,format=utf8 ! cudattsynth model=english ! autoaudiosink",
    author: "gst-duplex developers",
}

#[derive(Clone)]
struct Settings {
    model: Option<String>,
    quantization: Quantization,
    max_batch: u32,
    seed: u64,
    temperature: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: None,
            quantization: Quantization::default(),
            max_batch: DEFAULT_MAX_BATCH,
            seed: DEFAULT_SEED,
            temperature: DEFAULT_TEMPERATURE,
        }
    }
}

/// What this element adds: its engine, and which that is.
#[derive(Default)]
pub struct NeuralSpeaker {
    settings: Mutex<Settings>,
    /// For `stats`; the element alone keeps it, until NULL.
    engine: Mutex<Weak<NeuralEngine>>,
}

impl NeuralSpeaker {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self) -> MutexGuard<'_, Weak<NeuralEngine>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Quantization> for Precision {
    fn from(quantization: Quantization) -> Self {
        match quantization {
            Quantization::None => Self::F32,
            Quantization::Q8 => Self::Q8,
        }
    }
}

impl Speaker for NeuralSpeaker {
    fn properties() -> Vec<glib::ParamSpec> {
        vec![
            glib::ParamSpecString::builder("model")
                .nick("Model")
                .blurb(
                    "Name of a published model that was fetched (duplex model list), or a folder with config.yaml, \
                     model.safetensors, tokenizer.json or tokenizer.model, and stored voices in voices/; \
                     read at NULL to READY and shared with all elements that name the same",
                )
                .build(),
            glib::ParamSpecEnum::builder_with_default("quantization", Quantization::default())
                .nick("Quantization")
                .blurb("Numbers of the large matrices on the CPU; elements that differ in it share no engine")
                .build(),
            glib::ParamSpecUInt::builder("max-batch")
                .nick("Maximum Batch")
                .blurb("Most utterances that are spoken at once with this model, a number of utterances; that of the element that loads it counts")
                .minimum(1)
                .maximum(4_096)
                .default_value(DEFAULT_MAX_BATCH)
                .build(),
            glib::ParamSpecUInt64::builder("seed")
                .nick("Seed")
                .blurb("A number: the same seed gives the same sound for the same text, whatever else is in the batch (0: a seed of its own for each utterance, a number of the engine's)")
                .default_value(DEFAULT_SEED)
                .build(),
            glib::ParamSpecDouble::builder("temperature")
                .nick("Temperature")
                .blurb("How much chance is in the voice: 0.0 is none, 1.0 is lively and less reliable (-1: the model's own)")
                .minimum(-1.0)
                .maximum(2.0)
                .default_value(DEFAULT_TEMPERATURE)
                .build(),
        ]
    }

    fn set_property(&self, name: &str, value: &glib::Value) {
        let text = || value.get::<Option<String>>().ok().flatten();
        let mut settings = self.settings();
        match name {
            "model" => settings.model = text(),
            "quantization" => settings.quantization = value.get().unwrap_or_default(),
            "max-batch" => settings.max_batch = value.get().unwrap_or(DEFAULT_MAX_BATCH),
            "seed" => settings.seed = value.get().unwrap_or(DEFAULT_SEED),
            "temperature" => settings.temperature = value.get().unwrap_or(DEFAULT_TEMPERATURE),
            _ => (),
        }
    }

    fn property(&self, name: &str) -> Option<glib::Value> {
        let settings = self.settings();
        match name {
            "model" => Some(settings.model.to_value()),
            "quantization" => Some(settings.quantization.to_value()),
            "max-batch" => Some(settings.max_batch.to_value()),
            "seed" => Some(settings.seed.to_value()),
            "temperature" => Some(settings.temperature.to_value()),
            _ => None,
        }
    }

    fn stats(&self, stats: &mut gst::StructureRef) {
        let engine = self.shared().upgrade();
        let of = engine.map(|engine| engine.stats()).unwrap_or_default();
        let nanoseconds = |time: std::time::Duration| time.as_nanos() as u64;
        stats.set("step-time", nanoseconds(of.generator.mean));
        stats.set("decoder-step-time", nanoseconds(of.decoder.mean));
        stats.set("batch-size", of.batch as u64);
        stats.set("first-audio-engine", nanoseconds(of.first_audio));
        stats.set("open-utterances", of.open as u64);
        stats.set("real-time-factor", of.real_time_factor);
        stats.set("refused", of.refused);
        stats.set("underruns", of.underruns);
    }

    fn engine(&self, _: &Common) -> Result<Arc<dyn Engine>, Error> {
        let settings = self.settings().clone();
        let Some(model) = settings.model.as_deref().filter(|model| !model.is_empty()) else {
            return Err(Error::Unavailable(
                "no model: set model to the name of one that was fetched (duplex model list), or to a folder of one \
                 (config.yaml, model.safetensors, tokenizer.json, voices/)"
                    .into(),
            ));
        };
        let precision = Precision::from(settings.quantization);
        // Two spellings of a folder are one model.
        let place = Named::of(model);
        let key = format!("{place} {precision:?} cpu");
        let engine = registry::engines().get(
            key,
            &|progress| gst::info!(CAT, "{:.0} %: {}", progress.done * 100.0, progress.what),
            |progress| {
                progress(registry::Progress {
                    done: 0.0,
                    what: format!("reading {place}"),
                });
                let unavailable =
                    |error: duplex_neural::LoadError| Error::Unavailable(error.to_string());
                let files = place.files().map_err(unavailable)?;
                let pocket = Pocket::open(files, precision).map_err(unavailable)?;
                let options = Options {
                    slots: settings.max_batch as usize,
                    max_batch: settings.max_batch as usize,
                    ..Options::default()
                };
                Ok(Arc::new(NeuralEngine::new(Arc::new(pocket), options)?))
            },
        )?;
        *self.shared() = Arc::downgrade(&engine);
        Ok(Arc::new(Own { engine, settings }))
    }
}

/// The shared engine as this element uses it.
struct Own {
    engine: Arc<NeuralEngine>,
    settings: Settings,
}

impl Engine for Own {
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
        let Settings {
            seed, temperature, ..
        } = self.settings;
        self.engine.open_with(
            request,
            duplex_neural::Settings {
                seed: (seed != DEFAULT_SEED).then_some(seed),
                temperature: (temperature >= 0.0).then_some(temperature as f32),
                look_ahead: None,
            },
        )
    }
}
