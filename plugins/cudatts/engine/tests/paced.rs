// SPDX-License-Identifier: MPL-2.0

//! The engine with a family that is not autoregressive: speed, pitch and the places of words are the family's.

mod toy;

use std::sync::{Arc, Mutex, PoisonError};

use duplex_neural::{Listener, NeuralEngine, Options, Settings};
use duplex_synthesis::{Error, Request, WordMark, words};
use toy::paced::{FRAME, Paced, RATE, level, until};

const TEXT: &str = "here we are, said the old man. everybody knows.";

fn engine() -> NeuralEngine {
    let options = Options {
        // Where text is cut is not to depend on when it comes.
        join: false,
        ..Options::default()
    };
    NeuralEngine::new(Arc::new(Paced), options).unwrap()
}

fn speak(
    engine: &NeuralEngine,
    text: &str,
    rate: f64,
    pitch: f64,
    ssml: bool,
) -> (Vec<i16>, Vec<WordMark>) {
    let request = Request {
        rate,
        ssml,
        ..Request::default()
    };
    let settings = Settings {
        pitch: Some(pitch),
        ..Settings::default()
    };
    let mut utterance = engine.open_with(&request, settings).unwrap();
    utterance.text.push(text).unwrap();
    utterance.text.finish().unwrap();
    let (mut samples, mut marks) = (Vec::new(), Vec::new());
    while let Some(piece) = utterance.audio.next().unwrap() {
        let begin = samples.len() as u64;
        samples.extend(piece.samples);
        let here = begin..samples.len() as u64;
        assert!(!here.is_empty() && here.end - here.start <= u64::from(RATE) / 10);
        assert!(piece.words.iter().all(|mark| here.contains(&mark.start)));
        marks.extend(piece.words);
    }
    (samples, marks)
}

#[test]
fn words_are_marked_where_they_are_to_the_sample_at_any_speed_and_pitch() {
    let engine = engine();
    for (rate, pitch) in [(1.0, 1.0), (0.5, 1.2), (1.7, 0.5), (4.0, 2.0)] {
        let (samples, marks) = speak(&engine, TEXT, rate, pitch, false);
        let words = words(TEXT, false);
        assert_eq!(marks.len(), words.len());
        for (mark, word) in marks.iter().zip(words) {
            assert!(mark.exact && mark.bytes == word && mark.text == TEXT[word]);
            let letters = mark.text.as_bytes();
            let (start, end) = (mark.start as usize, (mark.start + mark.samples) as usize);
            let first = level(letters[0], pitch);
            let last = level(letters[letters.len() - 1], pitch);
            assert_eq!(
                (samples[start], samples[end - 1]),
                (first, last),
                "{mark:?}"
            );
            assert!(start == 0 || samples[start - 1] != first, "{mark:?}");
            assert!(end == samples.len() || samples[end] != last, "{mark:?}");
        }
        // Each clause has the length that its letters and spaces have at that speed; what fills its last frame is not played.
        let letters = ["here we are", "said the old man", "everybody knows"].map(str::len);
        let lengths = letters.map(|letters| until(letters, rate));
        assert_eq!(samples.len(), lengths.iter().sum::<usize>());
        assert!(lengths.iter().any(|length| !length.is_multiple_of(FRAME)));
    }
}

#[test]
fn the_engine_counts_the_sound_of_a_family_that_paces_as_it_is() {
    let engine = engine();
    let mut sound = 0;
    for rate in [0.5, 3.0] {
        sound += speak(&engine, TEXT, rate, 1.0, false).0.len();
    }
    let expected = std::time::Duration::from_secs_f64(sound as f64 / f64::from(RATE));
    assert_eq!(engine.stats().sound, expected);
}

#[test]
fn words_that_are_not_spoken_have_a_place_all_the_same() {
    let engine = engine();
    let (samples, marks) = speak(&engine, "one два three 四.", 1.0, 1.0, false);
    let texts: Vec<&str> = marks.iter().map(|mark| mark.text.as_str()).collect();
    assert_eq!(texts, ["one", "два", "three", "四"]);
    assert!(marks.iter().all(|mark| mark.exact));
    let (one, three) = (until(3, 1.0) as u64, until(4, 1.0) as u64);
    assert_eq!((marks[0].start, marks[0].samples), (0, one));
    assert_eq!((marks[1].start, marks[1].samples), (three, 1));
    assert_eq!(marks[2].start, three);
    // Nothing sounds behind it, so it has the last sample.
    assert_eq!(samples.len(), until(9, 1.0));
    assert_eq!(marks[3].start, samples.len() as u64 - 1);
}

#[test]
fn markup_moves_no_word() {
    let engine = engine();
    let source = "<speak>salt &amp; <emphasis>pepper</emphasis>.</speak>";
    let (_, marks) = speak(&engine, source, 1.0, 1.0, true);
    let spoken: Vec<(&str, u64)> = marks
        .iter()
        .map(|mark| (&source[mark.bytes.clone()], mark.start))
        .filter(|(text, _)| ["salt", "pepper"].contains(text))
        .collect();
    assert_eq!(spoken, [("salt", 0), ("pepper", until(5, 1.0) as u64)]);
}

#[test]
fn a_pitch_that_no_voice_has_is_refused() {
    let engine = engine();
    for pitch in [0.1, 9.0, f64::NAN] {
        let settings = Settings {
            pitch: Some(pitch),
            ..Settings::default()
        };
        let error = engine.open_with(&Request::default(), settings).map(drop);
        assert!(
            matches!(&error, Err(Error::BadRequest(sentence)) if sentence.contains("0.5 to 2.0")),
            "{error:?}"
        );
    }
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(line);
        Ok(line.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn who_listens_hears_all_that_is_not_spoken() {
    let engine = engine();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener: Listener = Arc::new({
        let heard = heard.clone();
        move |bytes, why: &str| heard.lock().unwrap().push((bytes, why.to_owned()))
    });
    let opened = engine.open_heard(&Request::default(), Settings::default(), Some(listener));
    let mut utterance = opened.unwrap();
    utterance.text.push("one, two é ü.").unwrap();
    utterance.text.finish().unwrap();
    while utterance.audio.next().unwrap().is_some() {}
    let heard = heard.lock().unwrap();
    let places: Vec<_> = heard.iter().map(|(bytes, _)| bytes.clone()).collect();
    assert_eq!(places, [9..11, 12..14]);
    assert_eq!(heard[0].1, "this voice says a to z");
}

#[test]
fn what_is_not_spoken_is_told_with_its_place() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // The only test of this process that looks at the log.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    speak(&engine(), "one, two три.", 1.0, 1.0, false);
    let log = log.0.lock().unwrap_or_else(PoisonError::into_inner);
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("WARN"), "{log}");
    assert!(
        log.contains("bytes=9..11") && log.contains("this voice says a to z"),
        "{log}"
    );
    assert!(!log.contains("три"), "{log}");
    // One warning is enough.
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
}
