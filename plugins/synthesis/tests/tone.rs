// SPDX-License-Identifier: MPL-2.0
//! The tone engine: to the sample, since other tests stand on it.

use std::{thread, time::Duration};

use duplex_synthesis::{
    Boundary, Engine, Error, Request, WordMark,
    tone::{self, ToneEngine},
};

fn speak(engine: &ToneEngine, request: &Request, parts: &[&str]) -> (Vec<i16>, Vec<WordMark>) {
    let mut utterance = engine.open(request).unwrap();
    for part in parts {
        utterance.text.push(part).unwrap();
    }
    utterance.text.finish().unwrap();
    let (mut samples, mut marks) = (Vec::new(), Vec::new());
    while let Some(piece) = utterance.audio.next().unwrap() {
        assert!(!piece.samples.is_empty());
        assert!(piece.samples.len() as u32 <= utterance.audio.sample_rate() / 10);
        let range = samples.len() as u64..(samples.len() + piece.samples.len()) as u64;
        assert!(piece.words.iter().all(|word| range.contains(&word.start)));
        samples.extend(piece.samples);
        marks.extend(piece.words);
    }
    (samples, marks)
}

const TEXT: &str = "Hello, world. It is 3.14 or so; Dr. Smith (the elder) knows!";

#[test]
fn words_last_by_their_letters_and_marks_are_exact() {
    let engine = ToneEngine::default();
    let (samples, marks) = speak(&engine, &Request::default(), &[TEXT]);
    let texts: Vec<&str> = marks.iter().map(|mark| mark.text.as_str()).collect();
    let wanted = [
        "Hello", "world", "It", "is", "3.14", "or", "so", "Dr", "Smith", "the", "elder", "knows",
    ];
    assert_eq!(texts, wanted);
    let mut at = 0;
    for mark in &marks {
        assert_eq!(&TEXT[mark.bytes.clone()], mark.text);
        let letters = mark.text.chars().filter(|c| c.is_alphanumeric()).count() as u64;
        assert_eq!(mark.samples, (60 + 20 * letters) * 24);
        assert_eq!(mark.start, at);
        assert!(mark.exact);
        at += mark.samples
            + match mark.text.as_str() {
                "Hello" | "so" => 2400,
                "world" | "knows" => 4800,
                _ => 0,
            };
    }
    assert_eq!(samples.len() as u64, at);
    assert_eq!(tone::pause_of(Boundary::Sentence, 1.0, 24_000), 4800);
}

#[test]
fn any_five_milliseconds_tell_the_word() {
    for rate in [8_000, 16_000, 22_050, 24_000, 48_000] {
        let engine = ToneEngine::new(rate);
        let text: Vec<String> = (0..70).map(|i| format!("w{i}")).collect();
        let (samples, marks) = speak(&engine, &Request::default(), &[&text.join(" ")]);
        assert_eq!(marks.len(), 70);
        let five = rate as usize / 200;
        for (index, mark) in marks.iter().enumerate() {
            let (from, to) = (mark.start as usize, (mark.start + mark.samples) as usize);
            for at in (from..=to - five).step_by(31) {
                let heard = tone::word_at(&samples[at..at + five], rate);
                assert_eq!(
                    heard,
                    Some(index % tone::PITCHES),
                    "word {index} at {at}, {rate} Hz"
                );
            }
        }
    }
    assert_eq!(tone::word_at(&[0; 120], 24_000), None);
}

#[test]
fn noise_leaves_the_words_recognisable() {
    let engine = ToneEngine::default();
    let (mut samples, marks) = speak(
        &engine,
        &Request::default(),
        &["seven words are told apart in noise"],
    );
    let mut seed = 1_u32;
    for sample in &mut samples {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *sample += (seed >> 21) as i16 - 1024;
    }
    for (index, mark) in marks.iter().enumerate() {
        let middle = (mark.start + mark.samples / 2) as usize;
        assert_eq!(
            tone::word_at(&samples[middle..middle + 120], 24_000),
            Some(index)
        );
    }
    // Noise alone is no word.
    let noise: Vec<i16> = (0..120)
        .map(|n: u32| ((n * n * 7919 + n * 104_729) % 8192) as i16 - 4096)
        .collect();
    assert_eq!(tone::word_at(&noise, 24_000), None);
}

#[test]
fn neighbours_are_far_apart_and_where_they_meet_none_is_heard() {
    for index in 0..100 {
        let apart = (tone::pitch_of(index) - tone::pitch_of(index + 1)).abs();
        assert!(apart >= 1300.0);
    }
    let engine = ToneEngine::default();
    let (samples, marks) = speak(&engine, &Request::default(), &["one two"]);
    let edge = marks[1].start as usize;
    assert_eq!(tone::word_at(&samples[edge - 60..edge + 60], 24_000), None);
}

#[test]
fn streamed_and_whole_text_are_the_same_samples() {
    let engine = ToneEngine::default();
    let whole = speak(&engine, &Request::default(), &[TEXT]);
    let parts: Vec<&str> = TEXT.split_inclusive(|_| true).collect();
    assert_eq!(speak(&engine, &Request::default(), &parts), whole);
}

#[test]
fn the_rate_scales_everything() {
    let engine = ToneEngine::default();
    let normal = speak(&engine, &Request::default(), &[TEXT]).0.len() as f64;
    for rate in [0.3, 0.5, 2.0, 4.0] {
        let request = Request {
            rate,
            ..Request::default()
        };
        let scaled = speak(&engine, &request, &[TEXT]).0.len() as f64;
        assert!((scaled * rate / normal - 1.0).abs() < 0.001, "{rate}");
    }
    for rate in [0.0, 0.29, 4.1, f64::NAN, f64::INFINITY, -1.0] {
        let request = Request {
            rate,
            ..Request::default()
        };
        assert!(
            matches!(engine.open(&request), Err(Error::BadRequest(_))),
            "{rate}"
        );
    }
}

#[test]
fn the_voice_tone_text_has_a_pitch_for_each_spelling() {
    let engine = ToneEngine::default();
    let request = Request {
        voice: Some("tone-text".into()),
        ..Request::default()
    };
    let (samples, marks) = speak(&engine, &request, &["same other same"]);
    for mark in &marks {
        let at = mark.start as usize + 100;
        let heard = tone::word_at(&samples[at..at + 120], 24_000);
        assert_eq!(heard, Some(tone::class_of_text(&mark.text)));
    }
    assert_ne!(tone::class_of_text("same"), tone::class_of_text("other"));
}

#[test]
fn unknown_voices_are_refused_by_name() {
    let request = Request {
        voice: Some("toon".into()),
        ..Request::default()
    };
    let Err(error) = ToneEngine::default().open(&request) else {
        panic!("accepted");
    };
    assert_eq!(
        error.to_string(),
        "no voice `toon`: the tone engine has `tone` and `tone-text`"
    );
}

#[test]
fn cancelling_ends_both_halves() {
    let engine = ToneEngine::default();
    let mut utterance = engine.open(&Request::default()).unwrap();
    utterance.text.push("a long story. It goes on").unwrap();
    assert!(utterance.audio.next().unwrap().is_some());
    utterance.cancel.cancel();
    assert_eq!(utterance.audio.next(), Err(Error::Cancelled));
    assert_eq!(utterance.text.push("x"), Err(Error::Cancelled));

    // A consumer that waits for text.
    let mut utterance = engine.open(&Request::default()).unwrap();
    let cancel = utterance.cancel.clone();
    let mut audio = utterance.audio;
    let thread = thread::spawn(move || audio.next());
    thread::sleep(Duration::from_millis(20));
    cancel.cancel();
    assert_eq!(thread.join().unwrap(), Err(Error::Cancelled));

    // Dropping one half.
    let utterance2 = engine.open(&Request::default()).unwrap();
    let mut audio = utterance2.audio;
    drop(utterance2.text);
    assert_eq!(audio.next(), Err(Error::Cancelled));
    let utterance3 = engine.open(&Request::default()).unwrap();
    let mut text = utterance3.text;
    drop(utterance3.audio);
    assert_eq!(text.push("x"), Err(Error::Cancelled));
    utterance.text.finish().unwrap_err();
}

#[test]
fn ssml_tags_are_not_spoken() {
    let engine = ToneEngine::default();
    let request = Request {
        ssml: true,
        ..Request::default()
    };
    let text = "<speak>Say <emphasis>it</emphasis>.</speak>";
    let (_, marks) = speak(&engine, &request, &[text]);
    let texts: Vec<&str> = marks.iter().map(|mark| &text[mark.bytes.clone()]).collect();
    assert_eq!(texts, ["Say", "it"]);
}
