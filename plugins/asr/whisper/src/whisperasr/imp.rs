// SPDX-License-Identifier: MPL-2.0

//! SECTION:element-whisperasr
//!
//! Recognises speech with whisper.cpp, in process, turn by turn: each time that the caller has spoken, one text buffer and
//! a `voice/end-of-turn` event. A `vad` or `vadsrc` upstream tells when somebody speaks.
//!
//! `model` is a file in whisper.cpp's own format, such as ggml-base.bin. It is loaded once in a process, whoever uses it;
//! each element adds the working memory of one caller. The language is `language`, or found out in each turn, which takes
//! as long again as hearing it. `translate` writes English whatever is spoken.
//!
//! While the caller speaks, the whole turn is heard again and again, as often as `partial-interval` says and the machine
//! allows: never for more than half of the time. At the end of speech it is heard for good, while the endpointing delay
//! runs. All of this in a thread of its own, so that neither ears nor flushes ever wait for it.
//!
//! Events and messages are those of `sphinxasr`.
//!
//! ## Example pipelines
//! ```bash
//! gst-launch-1.0 -m filesrc location=/usr/share/sounds/alsa/Front_Left.wav ! wavparse ! vad ! whisperasr model=ggml-base.bin ! fakesink
//! ```
//! Prints what was said, as messages.
//!
//! ```bash
//! gst-launch-1.0 vadsrc name=ears ! whisperasr model=ggml-base.bin language=en ! chateliza ! ttssink interrupted-by=ears
//! ```
//! A conversation.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use duplex_recognition::{Engine, Error};
use duplex_speechpad::{Listener, Settings};
use gst::{glib, prelude::*};

use crate::whisper::{Configuration, Counters, Device, WhisperEngine, usage};

/// Threads at most; whisper.cpp gains nothing beyond.
const MAX_THREADS: u32 = 64;

duplex_speechpad::speech_to_text_element! {
    /// The implementation of `whisperasr`; all behaviour is duplex-speechpad's.
    pub struct WhisperAsr for super::WhisperAsr, listener Whisper;
    type_name: "GstDuplexWhisperAsr",
    category: "whisperasr",
    long_name: "Whisper speech recogniser",
    description: "Recognises speech turn by turn with whisper.cpp, in process, in some hundred languages, with a model that \
        you name; for example: vadsrc ! whisperasr model=ggml-base.bin ! fakesink",
    author: "gst-duplex developers",
}

#[derive(Debug, Clone, Default)]
struct Own {
    model: Option<String>,
    device: Option<String>,
    threads: u32,
    translate: bool,
}

/// What this plugin adds: its engine, and which model it takes.
#[derive(Default)]
pub struct Whisper {
    own: Mutex<Own>,
    counters: Arc<Counters>,
}

impl Whisper {
    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Whisper {
    const LANGUAGE_BLURB: &'static str = "Language that is spoken, a code such as de or en-GB, or auto to find it out in each \
        turn, which takes as long again as hearing it (default: auto, or English where the model knows no other)";
    const STATS_BLURB: &'static str = "Since READY to PAUSED: turns, discarded (without words), backchannels, cancelled, failed, \
        commits, dismissals, partials (times that somebody looked), words, dropped-time (ns of audio for which there was no \
        room), heard-time (ns of audio that the engine heard), load (time that was waited for it, as a part of that), \
        finish-time (ns that the last turn took to finish), waiting and most-waiting (ns of audio in the queue); since the \
        element was made: passes (times that a turn was heard), passes-cancelled, pass-time (ns, of all of them), hearing (whether one \
        runs); of the \
        whole process: models, models-loaded, load-time (ns, of the last)";

    fn properties() -> Vec<glib::ParamSpec> {
        vec![
            glib::ParamSpecString::builder("model")
                .nick("Model")
                .blurb(
                    "File of a model in whisper.cpp's format, such as ggml-base.bin; shared by all elements of the process \
                     (required)",
                )
                .mutable_ready()
                .build(),
            glib::ParamSpecString::builder("device")
                .nick("Device")
                .blurb(
                    "What computes: cpu, cuda, or cuda:1 for the second card; auto: a card where this was built for one \
                     and there is one (default: auto)",
                )
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("threads")
                .nick("Threads")
                .blurb("Threads that compute, which spin while they wait for each other; 0: half of the processors, 4 at most")
                .maximum(MAX_THREADS)
                .mutable_playing()
                .build(),
            glib::ParamSpecBoolean::builder("translate")
                .nick("Translate")
                .blurb("Write English, whatever language is spoken; from the next turn on")
                .mutable_playing()
                .build(),
        ]
    }

    fn set_property(&self, name: &str, value: &glib::Value) {
        let mut own = self.own();
        // The type was checked against the ParamSpec before.
        match name {
            "model" => own.model = value.get().ok().flatten(),
            "device" => own.device = value.get().ok().flatten(),
            "threads" => own.threads = value.get().unwrap_or_default(),
            "translate" => own.translate = value.get().unwrap_or_default(),
            _ => {}
        }
    }

    fn property(&self, name: &str) -> Option<glib::Value> {
        let own = self.own();
        Some(match name {
            "model" => own.model.to_value(),
            "device" => own.device.to_value(),
            "threads" => own.threads.to_value(),
            "translate" => own.translate.to_value(),
            _ => return None,
        })
    }

    fn stats(&self, stats: &mut gst::StructureRef) {
        let (passes, cancelled, time) = self.counters.read();
        stats.set("passes", passes);
        stats.set("passes-cancelled", cancelled);
        stats.set("pass-time", time);
        stats.set("hearing", self.counters.hearing());
        let usage = usage();
        stats.set("models", usage.models as u64);
        stats.set("models-loaded", usage.loaded);
        stats.set(
            "load-time",
            u64::try_from(usage.load_time.as_nanos()).unwrap_or(u64::MAX),
        );
    }

    fn language(&self, settings: &Settings) -> Option<String> {
        if self.own().translate {
            return Some("en".to_owned());
        }
        let language = settings.language.as_deref().map(str::trim)?;
        (!language.eq_ignore_ascii_case("auto")).then(|| language.to_owned())
    }

    fn engine(&self, settings: &Settings) -> Result<Arc<dyn Engine>, Error> {
        let own = self.own().clone();
        let Some(model) = own.model.filter(|model| !model.trim().is_empty()) else {
            return Err(Error::Settings(
                "whisperasr has no model: set model= to a file in whisper.cpp's format, such as ggml-base.bin of \
                 https://huggingface.co/ggerganov/whisper.cpp"
                    .to_owned(),
            ));
        };
        let engine = WhisperEngine::new(
            Configuration {
                model: PathBuf::from(model),
                device: Device::parse(own.device.as_deref().unwrap_or_default())?,
                language: settings.language.clone(),
                translate: own.translate,
                threads: own.threads,
                partials: settings.partial_interval > 0,
            },
            self.counters.clone(),
        )?;
        Ok(Arc::new(engine))
    }
}
