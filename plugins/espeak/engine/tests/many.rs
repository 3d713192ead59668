// SPDX-License-Identifier: GPL-3.0-or-later
//! Many utterances at once, cancelling, bounds: what the one thread of the library owes to each.

use std::{
    thread,
    time::{Duration, Instant},
};

use duplex_espeak::EspeakEngine;
use duplex_synthesis::{Engine, Error, Request, Utterance, WordMark};

/// What the engine trait promises.
const CANCELLED_WITHIN: Duration = Duration::from_millis(20);

const VOICES: &[(&str, &str)] = &[
    ("en-us", "The weather is fine, number {}. Nobody knows why!"),
    ("en-gb", "Here comes speaker {}, and that is all."),
    ("de", "Das ist der Sprecher {}, guten Tag. Nicht wahr?"),
    ("fr-fr", "Bonjour, je suis le numéro {}. Merci !"),
    ("es", "Hola, soy el número {}. ¿Qué tal?"),
    ("ru", "Привет, это номер {}. Хорошо?"),
    ("it", "Ciao, sono il numero {}. Grazie."),
    ("pl", "Dzień dobry, to jest numer {}. Dobrze?"),
];

fn open(voice: &str, rate: f64) -> Utterance {
    let request = Request {
        voice: Some(voice.into()),
        rate,
        ..Request::default()
    };
    EspeakEngine::new().open(&request).unwrap()
}

fn drain(mut utterance: Utterance) -> (Vec<i16>, Vec<WordMark>) {
    let (mut samples, mut marks) = (Vec::new(), Vec::new());
    while let Some(piece) = utterance.audio.next().unwrap() {
        samples.extend(piece.samples);
        marks.extend(piece.words);
    }
    (samples, marks)
}

fn speak(voice: &str, rate: f64, text: &str) -> (Vec<i16>, Vec<WordMark>) {
    let mut utterance = open(voice, rate);
    utterance.text.push(text).unwrap();
    utterance.text.finish().unwrap();
    drain(utterance)
}

/// The same text never sounds the same to the bit: a period of the voice more or less here and
/// there. But its words, their places and its loudness differ by no more than that.
fn check_same(a: &(Vec<i16>, Vec<WordMark>), b: &(Vec<i16>, Vec<WordMark>), what: &str) {
    let rms = |samples: &[i16]| {
        (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
    };
    let texts = |marks: &[WordMark]| marks.iter().map(|m| m.text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&a.1), texts(&b.1), "{what}");
    let ratio = a.0.len() as f64 / b.0.len() as f64;
    assert!((0.98..1.02).contains(&ratio), "{what}: {ratio} in length");
    let ratio = rms(&a.0) / rms(&b.0);
    assert!((0.97..1.03).contains(&ratio), "{what}: {ratio} in loudness");
    for (a, b) in a.1.iter().zip(&b.1) {
        assert!(a.start.abs_diff(b.start) < 1000, "{what}: {a:?} {b:?}");
    }
}

#[test]
fn fifty_speak_at_once_each_with_its_own_voice_speed_and_text() {
    let alone: Vec<_> = (0..50)
        .map(|i| {
            let (voice, text) = VOICES[i % VOICES.len()];
            let rate = [1.0, 0.7, 1.6][i % 3];
            let text = text.replace("{}", &i.to_string());
            (voice, rate, text.clone(), speak(voice, rate, &text))
        })
        .collect();
    let threads: Vec<_> = alone
        .into_iter()
        .map(|(voice, rate, text, alone)| {
            thread::spawn(move || {
                let mut utterance = open(voice, rate);
                let mut half = utterance.text;
                // Text comes word by word, so that the turns of all are mixed.
                for part in text.split_inclusive(' ') {
                    half.push(part).unwrap();
                    thread::yield_now();
                }
                half.finish().unwrap();
                utterance.text = half;
                check_same(&drain(utterance), &alone, &text);
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn four_hundred_are_open_at_once_without_a_thread_for_each() {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    // The library's thread, if no other test has started it yet.
    drop(speak("en-us", 1.0, "warm"));
    let before = threads();
    let mut utterances: Vec<Utterance> = (0..400)
        .map(|i| open(VOICES[i % VOICES.len()].0, 1.0))
        .collect();
    for (i, utterance) in utterances.iter_mut().enumerate() {
        let text = VOICES[i % VOICES.len()].1.replace("{}", &i.to_string());
        utterance.text.push(&text).unwrap();
        utterance.text.finish().unwrap();
    }
    // Other tests of this binary have threads of their own.
    assert!(threads() <= before + 60, "{} threads", threads());
    for (i, utterance) in utterances.into_iter().enumerate() {
        let (samples, marks) = drain(utterance);
        assert!(samples.len() > 22_050, "{i}");
        assert!(
            marks.iter().any(|mark| mark.text == i.to_string()),
            "{i}: {marks:?}"
        );
    }
}

#[test]
fn a_cancel_ends_a_wait_for_text_and_a_wait_for_room() {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let utterance = open("en-us", 1.0);
        let cancel = utterance.cancel.clone();
        let mut audio = utterance.audio;
        let waiting = thread::spawn(move || (audio.next(), Instant::now()));
        let mut text = utterance.text;
        let long = "and so on ".repeat(20_000);
        let writing =
            thread::spawn(move || (text.push(&long[..7]), text.push(&long), Instant::now()));
        thread::sleep(Duration::from_millis(30));
        let begun = Instant::now();
        cancel.cancel();
        let (result, woken) = waiting.join().unwrap();
        // The first words may have been spoken before.
        assert!(
            matches!(result, Err(Error::Cancelled) | Ok(Some(_))),
            "{result:?}"
        );
        let (_, result, released) = writing.join().unwrap();
        assert_eq!(result, Err(Error::Cancelled));
        best = best.min(released.max(woken).saturating_duration_since(begun));
    }
    assert!(best < CANCELLED_WITHIN, "{best:?}");
}

#[test]
fn a_cancel_frees_the_library_for_the_next() {
    // The longest call there is: 300 characters, slow, of a voice that spells.
    let long = "123456789 ".repeat(29);
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let mut first = open("en-us", 0.5);
        first.text.push(&long).unwrap();
        first.text.flush().unwrap();
        let mut next = open("en-us", 1.0);
        next.text.push("Me.").unwrap();
        next.text.finish().unwrap();
        let begun = Instant::now();
        first.cancel.cancel();
        assert!(next.audio.next().unwrap().is_some());
        best = best.min(begun.elapsed());
        assert_eq!(first.audio.next(), Err(Error::Cancelled));
    }
    assert!(best < CANCELLED_WITHIN, "{best:?}");
    // What was aborted leaves nothing behind.
    let text = "After an abort all is as before.";
    check_same(&speak("en-us", 1.0, text), &speak("en-us", 1.0, text), text);
}

#[test]
fn dropping_the_sound_refuses_further_text() {
    let utterance = open("en-us", 1.0);
    let mut text = utterance.text;
    drop(utterance.audio);
    assert_eq!(text.push("x"), Err(Error::Cancelled));
    let utterance = open("en-us", 1.0);
    let mut audio = utterance.audio;
    drop(utterance.text);
    assert_eq!(audio.next(), Err(Error::Cancelled));
}

#[test]
fn nothing_is_made_for_who_has_enough() {
    let mut utterance = open("en-us", 1.0);
    let mut text = utterance.text;
    // 200 KiB: more than the channel holds, so that the writer gets on only as text is spoken.
    let sentence = "One two three four five six seven. ";
    let (sent, written) = std::sync::mpsc::channel();
    let writer = thread::spawn(move || {
        while text.push(sentence).is_ok() {
            if sent.send(sentence.len()).is_err() {
                break;
            }
        }
    });
    // Nobody pulls: one clause, and as many as make 500 ms, are spoken. 64 KiB and those go in;
    // had the engine gone on, it would take all that is written in this time.
    thread::sleep(Duration::from_millis(400));
    let taken: usize = written.try_iter().sum();
    assert!(
        taken < duplex_synthesis::MAX_UNREAD + 8 * sentence.len(),
        "{taken} bytes"
    );
    assert!(taken > duplex_synthesis::MAX_UNREAD / 2, "{taken} bytes");
    let piece = utterance.audio.next().unwrap().unwrap();
    assert!(piece.samples.len() <= 2205);
    utterance.cancel.cancel();
    writer.join().unwrap();
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Text that is spoken in no time, so that a megabyte of it takes seconds: what is kept grows with
/// the text or does not, whatever sounds.
#[test]
fn a_megabyte_of_text_streams_through_in_bounded_memory() {
    let sentence = "Yes. \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} \u{2014} ";
    let times = 1_000_000 / sentence.len();
    let mut utterance = open("en-us", 2.5);
    let mut half = utterance.text;
    let writer = thread::spawn(move || {
        for _ in 0..times {
            half.push(sentence).unwrap();
        }
        half.finish().unwrap();
    });
    let mut at_first = 0;
    let (mut words, mut samples) = (0, 0);
    while let Some(piece) = utterance.audio.next().unwrap() {
        words += piece.words.len();
        samples += piece.samples.len();
        if words == times / 10 {
            at_first = resident_kib();
        }
    }
    writer.join().unwrap();
    assert_eq!(words, times);
    // The sound alone is more than may be kept.
    assert!(samples * 2 > 60 << 20, "{samples}");
    let grown = resident_kib().saturating_sub(at_first);
    assert!(grown < 30 << 10, "{grown} KiB more than at the start");
}
