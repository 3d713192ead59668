// SPDX-License-Identifier: GPL-3.0-or-later
//! Streamed text against the same text in one call of the library.

use duplex_synthesis::{Engine, Request};

use crate::{EspeakEngine, assemble::QUIET, library::Receiver, owner::Owner};

#[derive(Default)]
struct Recording(Vec<i16>);

impl Receiver for Recording {
    fn word(&mut self, _: usize, _: i32, _: i32) {}
    fn end(&mut self, _: usize) {}
    fn block(&mut self, samples: &[i16]) {
        self.0.extend_from_slice(samples);
    }
    fn aborted(&self) -> bool {
        false
    }
}

fn request(voice: &str) -> Request {
    Request {
        voice: Some(voice.to_owned()),
        ..Request::default()
    }
}

/// The library's own sound of a whole text.
fn whole(voice: &str, text: &str) -> Vec<i16> {
    let (owner, facts) = Owner::get().unwrap();
    let chosen = facts.voices.choose(&request(voice)).unwrap();
    let text = format!("{text}\0").into_bytes();
    owner
        .call(move |library| {
            let mut recording = Recording::default();
            library.set(&chosen.identifier, 1.0)?;
            library.speak(&text, false, true, &mut recording)?;
            Ok(recording.0)
        })
        .unwrap()
}

fn streamed(voice: &str, text: &str) -> Vec<i16> {
    let mut utterance = EspeakEngine::new().open(&request(voice)).unwrap();
    let mut half = utterance.text;
    let text = text.to_owned();
    let writer = std::thread::spawn(move || {
        for c in text.chars() {
            half.push(c.encode_utf8(&mut [0; 4])).unwrap();
        }
        half.finish().unwrap();
    });
    let mut samples = Vec::new();
    while let Some(piece) = utterance.audio.next().unwrap() {
        samples.extend(piece.samples);
    }
    writer.join().unwrap();
    samples
}

/// Silences of at least 60 ms between sounds: where, and how long, in ms.
fn pauses(samples: &[i16]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut quiet_since = None;
    for (at, sample) in samples.iter().enumerate() {
        if sample.unsigned_abs() < QUIET {
            quiet_since.get_or_insert(at);
        } else if let Some(since) = quiet_since.take()
            && since > 0
            && at - since > 22 * 60
        {
            found.push((since / 22, (at - since) / 22));
        }
    }
    found
}

const TEXTS: &[(&str, &str)] = &[
    (
        "en-us",
        "Hello, world. This is a test of the voice; it has pauses: short ones, long ones! Does it sound right?",
    ),
    (
        "en-gb",
        "Dr. Smith paid $3.14 at 10:30, e.g. for tea. Mr. Jones did not. The end.",
    ),
    (
        "de",
        "Guten Tag, wie geht es Ihnen? Am 3. Oktober kostet das z. B. 1.234,50 Euro. Danke schön!",
    ),
    (
        "fr-fr",
        "Bonjour ! Comment allez-vous ? Très bien, merci ; et vous ?",
    ),
    ("es", "¿Cómo está usted? Muy bien, gracias. ¡Hasta luego!"),
    ("ru", "Привет, как дела? Всё хорошо, спасибо. До свидания!"),
    ("cmn", "你好，世界。今天天气很好！你呢？"),
    ("hi", "नमस्ते, आप कैसे हैं? मैं ठीक हूँ। धन्यवाद।"),
    ("ar", "مرحبا، كيف حالك؟ أنا بخير، شكرا."),
];

#[test]
fn streamed_text_lasts_as_long_as_the_whole_and_pauses_where_it_does() {
    for (voice, text) in TEXTS {
        let (whole, streamed) = (whole(voice, text), streamed(voice, text));
        let ratio = streamed.len() as f64 / whole.len() as f64;
        assert!((0.95..=1.05).contains(&ratio), "{voice}: {ratio}");
        let (want, got) = (pauses(&whole), pauses(&streamed));
        assert_eq!(want.len(), got.len(), "{voice}: {want:?} {got:?}");
        for ((_, want), (_, got)) in want.iter().zip(&got) {
            assert!(
                want.abs_diff(*got) <= 75,
                "{voice}: a pause of {want} ms became one of {got}"
            );
        }
    }
}

#[test]
fn a_cut_without_a_mark_makes_no_pause() {
    let text = "I would like to tell you a rather long story about my dear old friend who lives by the sea with seven lovely dogs and never goes out in winter";
    let (whole, streamed) = (whole("en-us", text), streamed("en-us", text));
    let ratio = streamed.len() as f64 / whole.len() as f64;
    let (want, got) = (pauses(&whole), pauses(&streamed));
    assert!(got.len() <= want.len(), "{want:?} {got:?}");
    assert!((0.95..=1.05).contains(&ratio), "{ratio}");
}

#[test]
fn a_clause_begins_and_a_cut_ends_with_five_milliseconds_of_silence_at_most() {
    for voice in ["en-us", "de", "fr-fr", "ru", "ja"] {
        let samples = streamed(voice, "Papa kommt");
        let loud = |s: &i16| s.unsigned_abs() >= QUIET;
        let front = samples.iter().position(loud).unwrap();
        let back = samples.len() - 1 - samples.iter().rposition(loud).unwrap();
        assert!(front <= 111, "{voice}: {front} samples of silence in front");
        assert!(back <= 111, "{voice}: {back} samples of silence at the end");
    }
}

#[test]
fn the_process_keeps_its_locale() {
    Owner::get().unwrap();
    // SAFETY: only asks; the answer is read at once.
    let locale =
        unsafe { std::ffi::CStr::from_ptr(libc::setlocale(libc::LC_CTYPE, std::ptr::null())) };
    assert_eq!(locale, c"C");
}
