// SPDX-License-Identifier: MPL-2.0

//! SECTION:element-sphinxasr
//!
//! Recognises speech with PocketSphinx, in process and without a download, turn by turn: each time that the caller has
//! spoken, one text buffer and a `voice/end-of-turn` event. A `vad` or `vadsrc` upstream tells when somebody speaks.
//!
//! With `grammar` it listens for the phrases of a small language, which it understands well and within little memory. It
//! takes whatever is said for one of them, or for a part of one, and `confidence` of `voice/end-of-turn` tells from 0 to 1 how
//! sure that is: below 0.35 something else was probably said. Without a grammar it writes down whatever it hears, with many errors, and
//! tells no confidence. Words are spoken English; other languages need a model of their own.
//!
//! Each turn leaves as one text buffer, with the stream time of the speech, and then the event `voice/end-of-turn` with `text`, `language`,
//! `speech-end` (running time in nanoseconds) and, where it is known, `confidence`. `voice/likely-end-of-turn` with `text` may come before: the turn
//! is probably over, and what thinks of answers may begin.
//!
//! While an agent speaks (`over-speech` of the ears' event) an event `voice/interruption` tells the mouth as soon as the
//! words are clear: `commit` for words that take the turn, `dismiss` for backchannels ("uh-huh") and noises.
//!
//! Messages `transcript` hold `text`, `final`, `language`, `words` (an array of structures `text`, `start`, `duration`,
//! `confidence`; nanoseconds of stream time), `stream-time`, and `speech-end` (running time) where they are final.
//!
//! ## Example pipelines
//! ```bash
//! gst-launch-1.0 -m filesrc location=/usr/share/sounds/alsa/Front_Left.wav ! wavparse ! vad ! sphinxasr grammar="(front | rear | side) (left | right | center)" ! fakesink
//! ```
//! Prints what was said, as messages.
//!
//! ```bash
//! gst-launch-1.0 filesrc location=/usr/share/sounds/alsa/Front_Left.wav ! wavparse ! vad mode=gate ! sphinxasr ! filesink location=said.txt
//! ```
//! Writes down what it takes for the words, in free speech.
//!
//! ```bash
//! gst-launch-1.0 vadsrc name=ears ! sphinxasr grammar="hello | stop | good morning" ! ttssink interrupted-by=ears
//! ```
//! Repeats what it understood.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use duplex_recognition::{Engine, Error};
use duplex_speechpad::{Listener, Settings};
use gst::{glib, prelude::*};

use crate::sphinx::{Configuration, SphinxEngine, usage};

const MODEL: &str = "/usr/share/pocketsphinx/model/en-us/en-us";
const DICTIONARY: &str = "/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict";
const LANGUAGE_MODEL: &str = "/usr/share/pocketsphinx/model/en-us/en-us.lm.bin";
const LANGUAGE: &str = "en-US";
/// Bytes of a grammar's file at most.
const MAX_GRAMMAR: u64 = 1 << 20;

duplex_speechpad::speech_to_text_element! {
    /// The implementation of `sphinxasr`; all behaviour is duplex-speechpad's.
    pub struct SphinxAsr for super::SphinxAsr, listener Sphinx;
    type_name: "GstDuplexSphinxAsr",
    category: "sphinxasr",
    long_name: "PocketSphinx speech recogniser",
    description: "Recognises speech turn by turn with PocketSphinx, in process and without a download: the phrases of a \
        grammar, or free speech; for example: vadsrc ! sphinxasr grammar=\"yes | no | stop\" ! fakesink",
    author: "gst-duplex developers",
}

#[derive(Debug, Clone, Default)]
struct Own {
    grammar: Option<String>,
    model: Option<String>,
    dictionary: Option<String>,
    language_model: Option<String>,
}

/// What this plugin adds: its engine, and where it finds its model.
#[derive(Default)]
pub struct Sphinx {
    own: Mutex<Own>,
}

impl Sphinx {
    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of a grammar, which may be a file's name instead.
fn grammar(value: &str) -> Result<String, Error> {
    let path = Path::new(value.trim());
    let named = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("jsgf") || e.eq_ignore_ascii_case("gram"));
    if value.contains(['\n', '\0']) || !(named || path.is_absolute() || path.is_file()) {
        return Ok(value.to_owned());
    }
    let unreadable = |why: String| {
        Error::Resource(format!(
            "the grammar {} cannot be read: {why}",
            path.display()
        ))
    };
    let size = std::fs::metadata(path)
        .map_err(|error| unreadable(error.to_string()))?
        .len();
    if size > MAX_GRAMMAR {
        return Err(unreadable(format!(
            "it has {size} bytes, {MAX_GRAMMAR} is the most"
        )));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
}

impl Listener for Sphinx {
    const LANGUAGE_BLURB: &'static str = "Language of the model, a BCP 47 tag such as en-US (default: en-US); it chooses the \
        backchannels and is told with the text, what is understood depends on model and dictionary";
    const STATS_BLURB: &'static str = "Since READY to PAUSED: turns, discarded (without words), backchannels, cancelled, failed, \
        commits, dismissals, partials, words, dropped-time (ns of audio for which there was no room), heard-time (ns of audio \
        that the engine heard), load (time it took, as a part of that), finish-time (ns that the last turn took to finish), \
        waiting and most-waiting (ns of audio in the queue); of the whole process: decoders-idle, decoders-busy, \
        decoders-loaded, load-time (ns, of the last)";

    fn properties() -> Vec<glib::ParamSpec> {
        let path = |name: &str, nick: &str, blurb: &str, default: &str| {
            glib::ParamSpecString::builder(name)
                .nick(nick)
                .blurb(&format!("{blurb} (default: {default})"))
                .mutable_ready()
                .build()
        };
        vec![
            glib::ParamSpecString::builder("grammar")
                .nick("Grammar")
                .blurb(
                    "What may be said, as JSGF (#JSGF V1.0; …), as the right side of one rule (stop | tell me a story), or as \
                     the path of a file that holds it (default: free speech); from the next turn on",
                )
                .mutable_playing()
                .build(),
            path("model", "Model", "Folder of the acoustic model", MODEL),
            path("dictionary", "Dictionary", "File of the pronunciations", DICTIONARY),
            path(
                "language-model",
                "Language Model",
                "File of the language model, for free speech",
                LANGUAGE_MODEL,
            ),
        ]
    }

    fn set_property(&self, name: &str, value: &glib::Value) {
        let text = value.get::<Option<String>>().ok().flatten();
        let mut own = self.own();
        match name {
            "grammar" => own.grammar = text,
            "model" => own.model = text,
            "dictionary" => own.dictionary = text,
            "language-model" => own.language_model = text,
            _ => {}
        }
    }

    fn property(&self, name: &str) -> Option<glib::Value> {
        let own = self.own();
        Some(match name {
            "grammar" => own.grammar.to_value(),
            "model" => own.model.to_value(),
            "dictionary" => own.dictionary.to_value(),
            "language-model" => own.language_model.to_value(),
            _ => return None,
        })
    }

    fn stats(&self, stats: &mut gst::StructureRef) {
        let usage = usage();
        stats.set("decoders-idle", usage.idle as u64);
        stats.set("decoders-busy", usage.busy as u64);
        stats.set("decoders-loaded", usage.loaded);
        stats.set(
            "load-time",
            u64::try_from(usage.load_time.as_nanos()).unwrap_or(u64::MAX),
        );
    }

    fn language(&self, settings: &Settings) -> Option<String> {
        Some(
            settings
                .language
                .clone()
                .unwrap_or_else(|| LANGUAGE.to_owned()),
        )
    }

    fn engine(&self, settings: &Settings) -> Result<Arc<dyn Engine>, Error> {
        let own = self.own().clone();
        let language = self.language(settings).unwrap_or_default();
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let path = |text: &Option<String>, default: &str| {
            PathBuf::from(given(text).unwrap_or_else(|| default.to_owned()))
        };
        let grammar = given(&own.grammar).as_deref().map(grammar).transpose()?;
        let backchannels = settings.backchannels(&language);
        let engine = SphinxEngine::new(Configuration {
            model: path(&own.model, MODEL),
            dictionary: path(&own.dictionary, DICTIONARY),
            language_model: path(&own.language_model, LANGUAGE_MODEL),
            // Without a grammar they are among all other words.
            backchannels: if grammar.is_some() {
                backchannels.phrases().map(<[String]>::to_vec).collect()
            } else {
                Vec::new()
            },
            grammar,
            language,
        })?;
        Ok(Arc::new(engine))
    }
}
