// SPDX-License-Identifier: GPL-3.0-or-later
//! libespeak-ng as an engine of duplex-synthesis.
//!
//! eSpeak NG speaks more than a hundred languages without any download, some hundred times faster
//! than real time, with exact marks of its words. This crate runs it in process.
//!
//! ```
//! use duplex_espeak::EspeakEngine;
//! use duplex_synthesis::{Engine, Request};
//!
//! let engine = EspeakEngine::new();
//! let request = Request { language: Some("en-GB".into()), ..Request::default() };
//! let mut utterance = engine.open(&request).unwrap();
//! utterance.text.push("Good mor").unwrap();
//! utterance.text.push("ning.").unwrap();
//! utterance.text.finish().unwrap();
//! let mut words = Vec::new();
//! while let Some(piece) = utterance.audio.next().unwrap() {
//!     words.extend(piece.words.into_iter().map(|word| word.text));
//! }
//! assert_eq!(words, ["Good", "morning"]);
//! ```
//!
//! # Threads
//! The library has one global state, so one thread of the process (`espeak`) owns it, and all utterances
//! take turns at it, a clause of at most 300 characters at a time. Text is split in the thread that
//! pushes it. Whoever waits for sound is woken when there is some; there is no thread per utterance.
//! An utterance asks for a turn while it has less than 500 ms of sound in store; so what is made ahead is
//! that and one clause. A cancel ends a call of the library at its next block (20 ms of sound: microseconds).
//!
//! # Sound
//! Mono at the library's rate (22,050 Hz), loudness untouched. A clause begins with at most 5 ms of silence. It ends with the
//! pause of its mark as eSpeak NG makes it, or with at most 5 ms where it was cut without a mark. So streamed text
//! sounds as the same text in one call does.
//!
//! # Text
//! Characters that the library would take for commands of its own, or for the end of the text, become white
//! space: control characters (NUL too), private use and non-characters. With `ssml`, the library's SSML
//! applies (`speak`, `voice`, `prosody`, `say-as`, `mark`, `s`, `p`, `sub`, `tts:style`, `audio`, `emphasis`, `break`).
//!
//! Rate 1.0 is 175 words a minute; the library speaks no slower than 80, so rates below 0.46 are as 0.46.
//!
//! Version 1.51 of the library is not proof against every text: tests with random characters of all scripts
//! found crashes in it (braille, now taken out; with some Indic voices, mixtures of scripts and digits). Who
//! speaks what strangers write does so in a process of its own, such as a `duplex-worker`.
//!
//! # The process
//! Nothing is set in the environment, no signal is handled, nothing exits. The library's change of `LC_CTYPE`
//! is undone; its thread alone keeps it.

mod assemble;
mod ffi;
mod library;
mod owner;
mod speech;
#[cfg(test)]
mod tests;
mod text;
mod voices;

use duplex_synthesis::{Engine, Error, Request, Utterance, Voice, check_rate};

use owner::Owner;
use speech::Speech;
pub use voices::DEFAULT_VOICE;

/// The engine. All of a process share the one library, however many of these there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct EspeakEngine(());

impl EspeakEngine {
    /// Does nothing yet: the library is initialised by the first call that needs it.
    pub fn new() -> Self {
        Self(())
    }

    /// The library's name of the voice that a request comes to (such as `gmw/en-US`).
    pub fn chosen(&self, request: &Request) -> Result<String, Error> {
        let (_, facts) = Owner::get()?;
        Ok(facts.voices.choose(request)?.identifier)
    }
}

impl Engine for EspeakEngine {
    fn name(&self) -> &'static str {
        "espeak"
    }

    fn voices(&self) -> Result<Vec<Voice>, Error> {
        let (_, facts) = Owner::get()?;
        Ok(facts.voices.list())
    }

    fn prepare(&self, request: &Request) -> Result<(), Error> {
        check_rate(request.rate)?;
        let (owner, facts) = Owner::get()?;
        let chosen = facts.voices.choose(request)?;
        let rate = request.rate;
        owner.call(move |library| library.set(&chosen.identifier, rate))
    }

    fn sample_rate(&self, _request: &Request) -> Result<u32, Error> {
        let (_, facts) = Owner::get()?;
        Ok(facts.sample_rate)
    }

    fn open(&self, request: &Request) -> Result<Utterance, Error> {
        check_rate(request.rate)?;
        let (owner, facts) = Owner::get()?;
        let chosen = facts.voices.choose(request)?;
        Ok(Speech::open(owner, request, chosen, facts.sample_rate))
    }
}
