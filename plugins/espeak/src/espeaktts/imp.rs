// SPDX-License-Identifier: GPL-3.0-or-later

//! SECTION:element-espeaktts
//!
//! Speaks text with eSpeak NG, in process: more than a hundred languages, no download, first sound
//! about a millisecond after the text.
//!
//! Text streams in as it is written; each clause is spoken as soon as it is complete. Sound
//! comes in pieces of at most 100 ms, with a `voice/word` event ahead of the buffer in which a
//! word begins. An utterance ends at EOS, at a `voice/end-of-utterance` event, at a DISCONT buffer, or
//! after a complete sentence and `max-delay` without text. Timed text (subparse) is spoken at its
//! time.
//!
//! ## Example pipelines
//! ```bash
//! gst-launch-1.0 filesrc location=story.txt ! text/x-raw,format=utf8 ! espeaktts ! autoaudiosink
//! ```
//! Reads a file to you.
//!
//! ```bash
//! gst-launch-1.0 filesrc location=story.txt ! text/x-raw,format=utf8 ! espeaktts voice=fr rate=1.2 ! wavenc ! filesink location=out.wav
//! ```
//! Writes what a French voice makes of it into a file, as fast as the machine can.
//!
//! ```bash
//! gst-launch-1.0 fdsrc ! text/x-raw,format=utf8 ! espeaktts ! autoaudiosink
//! ```
//! Speaks each line that is typed.
//!
//! ```bash
//! gst-launch-1.0 filesrc location=film.srt ! subparse ! espeaktts ! autoaudiosink
//! ```
//! Speaks subtitles at their times.

use std::sync::Arc;

use duplex_espeak::EspeakEngine;
use duplex_synthesis::{Engine, Error};
use duplex_textpad::{Loading, Settings, Speaker};

duplex_textpad::text_to_audio_element! {
    /// The implementation of `espeaktts`; all behaviour is duplex-textpad's.
    pub struct EspeakTts for super::EspeakTts, speaker EspeakSpeaker;
    type_name: "GstDuplexEspeakTts",
    category: "espeaktts",
    long_name: "eSpeak NG speech synthesizer",
    description: "Speaks text with eSpeak NG in more than a hundred languages, in process and without a download; for example: \
        filesrc location=story.txt ! text/x-raw,format=utf8 ! espeaktts ! autoaudiosink",
    author: "gst-duplex developers",
}

/// What this plugin adds: its engine.
#[derive(Default)]
pub struct EspeakSpeaker;

impl Speaker for EspeakSpeaker {
    fn engine(&self, _: &Settings, _: &Loading<'_>) -> Result<Arc<dyn Engine>, Error> {
        Ok(Arc::new(EspeakEngine::new()))
    }
}
