// SPDX-License-Identifier: MPL-2.0

//! SECTION:element-cudattsynth
//!
//! Speaks text with a neural voice, in process: no Python, no server. All elements of a process that name the same model share
//! one engine, which speaks for all of them in one batch: whoever would run dry soonest comes first, and whoever has enough
//! sound waits.
//!
//! `model=compact`, the default, is a small English voice that is part of the plugin: 16 kHz, loaded in a moment. Other
//! models have more voices and languages, and speak better: `model` is then the name of a published one that `duplex model fetch
//! NAME` has fetched (or Python has: both look into the same cache), or a folder with `config.yaml`, `model.safetensors`,
//! `tokenizer.json` (or `tokenizer.model`) and stored voices in `voices/`, as Pocket TTS publishes them. A folder with
//! `model.safetensors`, `words.txt`, `language.txt` and `hashes.txt` holds a voice that was trained as `compact` was. The element downloads
//! nothing.
//!
//! ## How it is said
//! | | `compact` | Pocket TTS |
//! |---|---|---|
//! | `rate` | the voice speaks faster or slower itself | the sound is stretched |
//! | `pitch` | a factor of its fundamental frequency | nothing; a WARNING message says so |
//! | numbers, dates, addresses … | are read out as English | are for the model to read |
//! | what cannot be spoken: emoji, other scripts | is left out, and a line of the category `cudattsynth` in GStreamer's log (`GST_DEBUG=cudattsynth:2`) says why | is for the model to read |
//! | `voice/word` | exact: `marks=exact` | estimated: `marks=estimated` |
//!
//! With `compact`, a word's phones can be given in the text: `the [gif](/jh ih1 f/) of the day`, and for all texts in a file that
//! `dictionary` names, a word and its phones on each line, `#` before comments:
//! ```text
//! gif jh ih1 f
//! ```
//! The phones are `aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh`, with a
//! 1 behind a vowel that is stressed (`jh ih1 f`), and `pau`, a pause. Words that are nowhere are spelled out by a network; none is an error.
//!
//! ## Loading
//! A model is read at NULL to READY, which takes as long as that does. The bus hears of it in PROGRESS messages of the code `load`:
//! START, CONTINUE and COMPLETE or ERROR, each with `percent` (gint, 0 to 100); gst-launch-1.0 prints them. An element
//! that names a model which is loaded is READY at once and posts none; one whose model is just being loaded by another waits for
//! that and posts the same.
//!
//! ## Devices
//! `device=auto` takes the NVIDIA card `device-id` where there is one, CUDA's libraries and our half of it (`make cuda`); where a
//! driver is installed but something is missing or too old, a WARNING message says what was found, what is needed and what to do,
//! and the CPU speaks. `device=cuda` makes an error of that. `compact` is computed in 32 bits on both. `devices` tells in one line
//! what there is; CUDA is loaded at run time, and a machine without it needs none.
//!
//! ## Full
//! Where one more speaker would keep others from being spoken in time, or where `max-batch` speak, an utterance is refused before
//! anything is done for it: an ERROR message, `GST_RESOURCE_ERROR_BUSY`, with the reason. What an element itself
//! still speaks is no reason: its next utterance waits for that.
//!
//! ## Statistics
//! `stats` tells, beside what all synthesizers do, of the engine, all elements that share it together:
//!
//! | field | type | |
//! |---|---|---|
//! | `device` | gchararray | the device that the model is on; empty in NULL |
//! | `step-time`, `step-time-p99` | guint64, ns | time of a step of the model, which makes a frame of sound (40 ms with `compact`, 80 ms with Pocket TTS) for each of its batch: mean, and what 99 of 100 stay below, of the last 512 |
//! | `decoder-step-time` | guint64, ns | the same of the decoder, which works at the same time: mean |
//! | `batch-size` | guint64 | utterances of the last step |
//! | `mean-batch-size` | gdouble | the same, mean of late |
//! | `open-utterances` | guint64 | those that have still something to be made |
//! | `speaking-utterances`, `queued-utterances` | guint64 | of these, in the middle of a stretch of text; waiting to begin one |
//! | `first-audio-engine` | guint64, ns | from an utterance's first text to its first sound, mean of late |
//! | `real-time-factor` | gdouble | seconds of work for a second of sound, of late: under 1.0, or nobody is served in time |
//! | `refused` | guint64 | utterances that were refused, the engine being full |
//! | `underruns` | guint64 | how often a consumer waited in the middle of speech |
//! | `failures` | guint64 | how often the model failed, which ends all utterances that are open |
//!
//! All are 0 in NULL.
//!
//! ## Example pipelines
//! ```bash
//! gst-launch-1.0 filesrc location=story.txt ! text/x-raw,format=utf8 ! cudattsynth ! autoaudiosink
//! ```
//! Reads a file to you, with the voice that comes with it.
//!
//! ```bash
//! gst-launch-1.0 filesrc location=story.txt ! text/x-raw,format=utf8 ! cudattsynth model=english voice=alba ! autoaudiosink
//! ```
//! The same with a voice that was fetched.
//!
//! ```bash
//! gst-launch-1.0 fdsrc ! text/x-raw,format=utf8 ! ttssink synthesizer="cudattsynth pitch=1.1"
//! ```
//! Speaks each line that is typed.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use duplex_neural::{COMPACT, Load, NeuralEngine, PITCHES, Tuned, device};
use duplex_synthesis::{Engine, Error};
use duplex_textpad::{Loading, Settings as Common, Speaker};
use gst::{glib, prelude::*};

use super::{Device, Quantization};

/// What the device is good for.
const DEFAULT_MAX_BATCH: u32 = 0;
const DEFAULT_DEVICE_ID: u32 = 0;
const DEFAULT_SEED: u64 = 0;
/// The model's own.
const DEFAULT_TEMPERATURE: f64 = -1.0;
const DEFAULT_PITCH: f64 = 1.0;

duplex_textpad::text_to_audio_element! {
    /// The implementation of `cudattsynth`; what it has in common with other voices is duplex-textpad's.
    pub struct CudaTtSynth for super::CudaTtSynth, speaker NeuralSpeaker;
    type_name: "GstDuplexCudaTtSynth",
    category: "cudattsynth",
    long_name: "Neural speech synthesizer",
    description: "Speaks text with a neural voice in process, many speakers in one batch; \
        for example: filesrc location=story.txt ! text/x-raw,format=utf8 ! cudattsynth ! autoaudiosink",
    author: "gst-duplex developers",
}

#[derive(Clone)]
struct Settings {
    model: Option<String>,
    device: Device,
    device_id: u32,
    quantization: Quantization,
    max_batch: u32,
    seed: u64,
    temperature: f64,
    pitch: f64,
    dictionary: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: Some(COMPACT.name.into()),
            device: Device::default(),
            device_id: DEFAULT_DEVICE_ID,
            quantization: Quantization::default(),
            max_batch: DEFAULT_MAX_BATCH,
            seed: DEFAULT_SEED,
            temperature: DEFAULT_TEMPERATURE,
            pitch: DEFAULT_PITCH,
            dictionary: None,
        }
    }
}

/// What this element adds: its engine, and which that is.
#[derive(Default)]
pub struct NeuralSpeaker {
    settings: Mutex<Settings>,
    /// For `stats`; the element alone keeps it, until NULL.
    engine: Mutex<Weak<NeuralEngine>>,
    /// The device that it is on.
    device: Mutex<String>,
}

impl NeuralSpeaker {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn device(&self) -> MutexGuard<'_, String> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self) -> MutexGuard<'_, Weak<NeuralEngine>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Speaker for NeuralSpeaker {
    fn properties() -> Vec<glib::ParamSpec> {
        vec![
            glib::ParamSpecString::builder("model")
                .nick("Model")
                .blurb(
                    "compact (English, built in), the name of a published model that was fetched (duplex model list), or a \
                     folder with config.yaml, model.safetensors, tokenizer.json or tokenizer.model, and stored voices in \
                     voices/; read at NULL to READY and shared with all elements that name the same",
                )
                .default_value(COMPACT.name)
                .build(),
            glib::ParamSpecEnum::builder_with_default("device", Device::default())
                .nick("Device")
                .blurb("Where the model is computed; elements that differ in it share no engine")
                .build(),
            glib::ParamSpecUInt::builder("device-id")
                .nick("Device Id")
                .blurb("The id of the card, a number from 0 as CUDA counts those that are visible")
                .maximum(255)
                .default_value(DEFAULT_DEVICE_ID)
                .build(),
            glib::ParamSpecString::builder("devices")
                .nick("Devices")
                .blurb("The devices of this machine: the CPU, then each card, or why none can be used")
                .read_only()
                .build(),
            glib::ParamSpecEnum::builder_with_default("quantization", Quantization::default())
                .nick("Quantization")
                .blurb("Numbers of the large matrices; elements that differ in it share no engine")
                .build(),
            glib::ParamSpecUInt::builder("max-batch")
                .nick("Maximum Batch")
                .blurb("Most utterances that are spoken at once with this model, a number of utterances; that of the element that loads it counts (0: what the device is good for, 16 on the CPU, 256 on a card; with compact 256 and 1024)")
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
            glib::ParamSpecDouble::builder("pitch")
                .nick("Pitch")
                .blurb("Factor of the voice's fundamental frequency: 1.0 is its own, 2.0 an octave up; models that cannot change it speak at their own, and a warning says so")
                .minimum(*PITCHES.start())
                .maximum(*PITCHES.end())
                .default_value(DEFAULT_PITCH)
                .build(),
            glib::ParamSpecString::builder("dictionary")
                .nick("Dictionary")
                .blurb("File of words that are said otherwise, a word and its phones on each line (gif jh ih1 f); for models that read phones, such as compact; read at NULL to READY")
                .build(),
        ]
    }

    fn set_property(&self, name: &str, value: &glib::Value) {
        let text = || value.get::<Option<String>>().ok().flatten();
        let mut settings = self.settings();
        match name {
            "model" => settings.model = text(),
            "dictionary" => settings.dictionary = text(),
            "pitch" => settings.pitch = value.get().unwrap_or(DEFAULT_PITCH),
            "device" => settings.device = value.get().unwrap_or_default(),
            "device-id" => settings.device_id = value.get().unwrap_or(DEFAULT_DEVICE_ID),
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
            "dictionary" => Some(settings.dictionary.to_value()),
            "pitch" => Some(settings.pitch.to_value()),
            "device" => Some(settings.device.to_value()),
            "device-id" => Some(settings.device_id.to_value()),
            "devices" => Some(device::list().to_value()),
            "quantization" => Some(settings.quantization.to_value()),
            "max-batch" => Some(settings.max_batch.to_value()),
            "seed" => Some(settings.seed.to_value()),
            "temperature" => Some(settings.temperature.to_value()),
            _ => None,
        }
    }

    fn stats(&self, stats: &mut gst::StructureRef) {
        let engine = self.shared().upgrade();
        let device = match &engine {
            Some(_) => self.device().clone(),
            None => String::new(),
        };
        stats.set("device", device);
        let of = engine.map(|engine| engine.stats()).unwrap_or_default();
        let nanoseconds = |time: std::time::Duration| time.as_nanos() as u64;
        stats.set("step-time", nanoseconds(of.generator.mean));
        stats.set("step-time-p99", nanoseconds(of.generator.p99));
        stats.set("decoder-step-time", nanoseconds(of.decoder.mean));
        stats.set("batch-size", of.batch as u64);
        stats.set("mean-batch-size", of.mean_batch);
        stats.set("open-utterances", of.open as u64);
        stats.set("speaking-utterances", of.speaking as u64);
        stats.set("queued-utterances", of.queued as u64);
        stats.set("first-audio-engine", nanoseconds(of.first_audio));
        stats.set("real-time-factor", of.real_time_factor);
        stats.set("refused", of.refused);
        stats.set("underruns", of.underruns);
        stats.set("failures", of.failures);
    }

    fn engine(&self, _: &Common, loading: &Loading<'_>) -> Result<Arc<dyn Engine>, Error> {
        let settings = self.settings().clone();
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let model = given(settings.model).unwrap_or_else(|| COMPACT.name.into());
        let load = Load {
            model: model.clone(),
            device: settings.device.into(),
            ordinal: settings.device_id,
            quantization: settings.quantization.into(),
            max_batch: settings.max_batch as usize,
            dictionary: given(settings.dictionary).map(PathBuf::from),
        };
        let loaded = load.shared(&|news| loading.progress(news.done, &news.what))?;
        gst::info!(CAT, "{model} is on {}", loaded.device);
        if let Some(why) = &loaded.fell_back {
            loading.warn(&format!(
                "{why}. The CPU speaks instead (device=cpu says so without this warning)"
            ));
        }
        let engine = loaded.engine;
        if settings.pitch != DEFAULT_PITCH && !engine.family().pitches() {
            loading.warn(&format!(
                "the model {model} cannot change its pitch and speaks at its own: pitch={} does nothing",
                settings.pitch
            ));
        }
        *self.shared() = Arc::downgrade(&engine);
        *self.device() = loaded.device;
        let Settings {
            seed,
            temperature,
            pitch,
            ..
        } = settings;
        Ok(Arc::new(Tuned {
            engine,
            settings: duplex_neural::Settings {
                seed: (seed != DEFAULT_SEED).then_some(seed),
                temperature: (temperature >= 0.0).then_some(temperature as f32),
                pitch: Some(pitch),
                look_ahead: None,
            },
            // The text itself is the caller's, and stays out of the log.
            listener: Some(Arc::new(|bytes, why| {
                gst::warning!(
                    CAT,
                    "bytes {bytes:?} of a text are not spoken as they are written: {why}"
                );
            })),
        }))
    }
}
