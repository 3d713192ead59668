// SPDX-License-Identifier: MPL-2.0

//! What comes out: sound, words, their ends; and what a flush leaves of it.

use std::collections::BTreeSet;

use duplex_neural_small::{MODELS, SmallModel};
use duplex_tests::speaking::{Out, Rig, samples, utterances, words};
use gst::prelude::*;

use crate::{RATE, SENTENCE, ended, playing, say, stat, until, voice};

#[test]
fn every_model_speaks_with_words_that_are_marked_as_estimated() {
    for name in MODELS {
        let model = SmallModel::new(name);
        let rig = playing(&model);
        rig.push(SENTENCE).unwrap();
        let out = rig.drain();
        assert!(out.contains(&Out::Caps(RATE)), "{name}");
        assert_eq!(out.last(), Some(&Out::Eos), "{name}");
        let spoken = utterances(&out);
        assert_eq!(spoken.len(), 1, "{name}");
        let words = words(&out);
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let said: Vec<&str> = SENTENCE.trim_end_matches(['.', ' ']).split(' ').collect();
        assert_eq!(texts, said, "{name}");
        assert!(words.iter().all(|word| !word.exact), "{name}: {words:?}");
        assert!(
            words.is_sorted_by_key(|word| word.start),
            "{name}: {words:?}"
        );
        // At least half a second of noise, and no silence.
        let sound = samples(&out);
        assert!(
            sound.len() > RATE as usize / 2,
            "{name}: {} samples",
            sound.len()
        );
        assert!(
            sound.iter().any(|sample| sample.unsigned_abs() > 50),
            "{name}"
        );
        assert_eq!(stat(&rig, "words"), said.len() as u64);
        assert_eq!(stat(&rig, "open-utterances"), 0);
    }
}

#[test]
fn text_with_nothing_to_speak_is_an_end_without_sound() {
    let model = SmallModel::new("lsd");
    for text in ["", "\n", "  \n\n ", "…", "—, !"] {
        let rig = playing(&model);
        if !text.is_empty() {
            rig.push(text).unwrap();
        }
        let out = rig.drain();
        assert_eq!(out.last(), Some(&Out::Eos), "{text:?}");
        assert!(words(&out).is_empty(), "{text:?}");
        if text.trim().is_empty() {
            assert!(samples(&out).is_empty(), "{text:?}");
        }
    }
}

#[test]
fn ten_thousand_characters_are_spoken_to_the_last_word() {
    let model = SmallModel::new("pointwise");
    let rig = playing(&model);
    let mut text = String::new();
    let mut number = 0;
    while text.len() < 10_000 {
        number += 1;
        text += &format!("This is sentence {number}, and behind it there comes another one. ");
    }
    rig.push(&text).unwrap();
    let out = rig.drain();
    assert_eq!(utterances(&out).len(), 1);
    let words = words(&out);
    let said: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(words.len(), said.len());
    for (word, said) in words.iter().zip(said) {
        assert_eq!(word.text, said.trim_end_matches([',', '.']));
        assert_eq!(
            word.text,
            text[word.text_start as usize..word.text_end as usize]
        );
    }
    assert!(words.is_sorted_by_key(|word| word.start));
    let length = gst::ClockTime::from_nseconds(
        samples(&out).len() as u64 * gst::ClockTime::SECOND.nseconds() / RATE as u64,
    );
    assert!(words.last().unwrap().start < length);
}

#[test]
fn a_flush_frees_the_slot_and_the_next_text_is_spoken() {
    let model = SmallModel::new("flow_matching");
    let rig = playing(&model);
    for round in 0..10 {
        rig.clear();
        // Nobody takes the sound: it would be spoken for ever.
        rig.credit(Some(round));
        rig.push(SENTENCE.repeat(50)).unwrap();
        if round % 2 == 0 {
            // In the middle of a chunk, or between two where it has enough sound just there.
            until("the first chunk", || {
                stat(&rig, "speaking-utterances") + stat(&rig, "queued-utterances") == 1
            });
        }
        assert_eq!(stat(&rig, "open-utterances"), 1);
        rig.event(gst::event::FlushStart::new());
        until("a free slot", || stat(&rig, "open-utterances") == 0);
        rig.event(gst::event::FlushStop::new(true));
        rig.credit(None);
        rig.clear();
        rig.begin_bytes();
        say(&rig, "after", "It goes on.");
        let out = ended(&rig, 1);
        let texts: Vec<String> = words(&out).into_iter().map(|word| word.text).collect();
        assert_eq!(texts, ["It", "goes", "on"]);
    }
    assert_eq!(stat(&rig, "cancelled"), 10);
}

#[test]
fn rate_makes_speech_shorter_or_longer() {
    let model = SmallModel::new("lsd");
    let length = |rate: f64| {
        let rig = voice(&model);
        rig.element.set_property("rate", rate);
        rig.element.set_property("seed", 5_u64);
        rig.start();
        rig.begin_bytes();
        rig.push(SENTENCE.repeat(4)).unwrap();
        let out = rig.drain();
        assert_eq!(words(&out).len(), 4 * 10, "{:?}", words(&out));
        samples(&out).len() as f64
    };
    let own = length(1.0);
    for rate in [0.5, 1.25, 2.0] {
        let found = own / length(rate);
        assert!((found / rate - 1.0).abs() < 0.08, "{found} at rate {rate}");
    }
}

#[test]
fn the_same_seed_gives_the_same_sound_whatever_else_is_spoken() {
    let model = SmallModel::new("drifting");
    let with_seed = |seed: u64| {
        let rig = voice(&model);
        rig.element.set_property("seed", seed);
        rig.start();
        rig.begin_bytes();
        rig
    };
    let speak = |rig: &Rig| {
        rig.push("It sounds the same. Whoever else speaks.")
            .unwrap();
        samples(&rig.drain())
    };
    let alone = speak(&with_seed(7));
    let others: Vec<Rig> = (0..3).map(|_| playing(&model)).collect();
    for other in &others {
        other.push(SENTENCE.repeat(20)).unwrap();
    }
    let rig = with_seed(7);
    let among = speak(&rig);
    assert!(
        stat(&rig, "open-utterances") > 0,
        "the others have ended too soon"
    );
    assert_eq!(alone.len(), among.len());
    assert!(alone == among, "the sound depends on who else speaks");
    assert!(speak(&with_seed(8)) != alone, "another seed sounds alike");
    let unseeded: BTreeSet<Vec<i16>> = (0..2).map(|_| speak(&playing(&model))).collect();
    assert_eq!(
        unseeded.len(),
        2,
        "without a seed each utterance has its own"
    );
}
