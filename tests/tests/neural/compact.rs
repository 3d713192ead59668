// SPDX-License-Identifier: MPL-2.0

//! The small voice that is built in: who names no model hears it, its words are where it says, and what changes how it speaks.

use std::fs;

use duplex_tests::{
    plugins,
    speaking::{Rig, samples, utterances, words},
};
use duplex_textpad::events::Word;
use gst::prelude::*;

use crate::{SENTENCE, bus, errors};

/// Its samples per second.
pub const RATE: usize = 16_000;

/// The element as it is made, in NULL, but that it speaks the same each time.
pub fn small() -> Rig {
    plugins::init();
    let rig = Rig::new("cudattsynth");
    rig.element.set_property("seed", 3_u64);
    rig
}

/// What it says of a text, and where the words are.
pub fn speak(rig: &Rig, text: &str) -> (Vec<i16>, Vec<Word>) {
    rig.start();
    rig.begin_bytes();
    rig.push(text).unwrap();
    let out = rig.drain();
    (samples(&out), words(&out))
}

/// Where words are, in samples before the end of the sound: their beginnings, but for the first's, and their ends. Where an
/// utterance begins depends on how loud its first sound is.
pub fn places(sound: &[i16], words: &[Word]) -> Vec<usize> {
    let sample = |time: gst::ClockTime| (time.nseconds() * RATE as u64).div_ceil(1_000_000_000);
    let begins = words.iter().skip(1).map(|word| word.start);
    let ends = words.iter().map(|word| word.start + word.duration);
    let all = begins.chain(ends);
    all.map(|time| sound.len() - sample(time) as usize)
        .collect()
}

pub fn power(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    sum / samples.len().max(1) as f64
}

#[test]
fn who_names_no_model_hears_the_one_that_is_built_in() {
    let rig = small();
    assert_eq!(rig.element.property::<String>("model"), "compact");
    let told = bus(&rig);
    rig.start();
    rig.begin_bytes();
    rig.push(SENTENCE.repeat(2)).unwrap();
    let out = rig.drain();
    assert!(out.contains(&duplex_tests::speaking::Out::Caps(RATE as i32)));
    assert_eq!(utterances(&out).len(), 1);
    let words = words(&out);
    assert_eq!(words.len(), 20);
    assert!(words.iter().all(|word| word.exact), "{words:?}");
    let sound = samples(&out);
    // Twenty words take a second at least.
    assert!((1..20).contains(&(sound.len() / RATE)), "{}", sound.len());
    assert!(power(&sound) > 1e4, "{}", power(&sound));
    // Nobody is warned of anything.
    let warnings = told.iter_filtered(&[gst::MessageType::Warning]).count();
    assert_eq!((warnings, errors(&told).len()), (0, 0));
    let stats: gst::Structure = rig.element.property("stats");
    assert_eq!(stats.get::<String>("device").unwrap(), "cpu");
    // An empty name is none.
    let rig = small();
    rig.element.set_property("model", "");
    assert!(speak(&rig, SENTENCE).0.len() > RATE / 2);
}

#[test]
fn rate_and_pitch_are_its_own() {
    let of = |name: &str, value: f64| {
        let rig = small();
        rig.element.set_property(name, value);
        speak(&rig, SENTENCE)
    };
    let (own, own_words) = speak(&small(), SENTENCE);
    let (slow, words) = of("rate", 0.5);
    assert!(words.iter().all(|word| word.exact) && words.len() == own_words.len());
    assert!(
        slow.len() > own.len() * 3 / 2,
        "{} of {}",
        slow.len(),
        own.len()
    );
    // Pitch leaves the words where they are.
    for pitch in [0.7, 1.4] {
        let (sound, words) = of("pitch", pitch);
        assert!(words.iter().all(|word| word.exact));
        assert_eq!(places(&sound, &words), places(&own, &own_words));
        assert!(sound.len().abs_diff(own.len()) < RATE / 50 && sound != own);
    }
}

#[test]
fn a_model_without_pitch_says_so_and_speaks() {
    let model = duplex_neural_small::SmallModel::new("lsd");
    let rig = crate::voice(&model);
    rig.element.set_property("pitch", 1.2);
    let told = bus(&rig);
    rig.start();
    let warnings: Vec<String> = told
        .iter_filtered(&[gst::MessageType::Warning])
        .map(|message| match message.view() {
            gst::MessageView::Warning(warning) => warning.error().to_string(),
            _ => unreachable!(),
        })
        .collect();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("cannot change its pitch"),
        "{warnings:?}"
    );
    rig.begin_bytes();
    rig.push(SENTENCE).unwrap();
    assert_eq!(words(&rig.drain()).len(), 10);
}

#[test]
fn a_dictionary_and_phones_in_the_text_change_what_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.dict");
    fs::write(&path, "# how we say it\nHello g uh1 d b ay1\n").unwrap();
    let own = |text: &str| {
        let rig = small();
        rig.element
            .set_property("dictionary", path.to_str().unwrap());
        speak(&rig, text)
    };
    let (plain, _) = speak(&small(), "Hello there.");
    let (other, words) = own("Hello there.");
    assert!(plain != other, "the dictionary was not read");
    assert_eq!(words.len(), 2);
    // Words that are not in it are as they were.
    assert!(own("Right there.").0 == speak(&small(), "Right there.").0);
    // The same phones in the text sound the same.
    let (given, _) = speak(&small(), "[Hello](/g uh1 d b ay1/) there.");
    assert!(
        given == other,
        "{} and {} samples",
        given.len(),
        other.len()
    );
    // A phone that there is not leaves the word as it is.
    assert!(speak(&small(), "[Hello](/xx/) there.").0 == plain);
}

#[test]
fn a_dictionary_that_is_wrong_is_told_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.dict");
    fs::write(&path, "gif jh ih f\ngift g ii f t\n").unwrap();
    let rig = small();
    rig.element
        .set_property("dictionary", path.to_str().unwrap());
    let told = bus(&rig);
    assert!(rig.element.set_state(gst::State::Ready).is_err());
    let said = errors(&told);
    let place = format!("{}:2: there is no phone `ii`", path.display());
    assert!(said.len() == 1 && said[0].1.starts_with(&place), "{said:?}");
}

#[test]
fn numbers_that_it_is_not_computed_with_are_an_error() {
    for quantization in ["q8_0", "bf16"] {
        let rig = small();
        rig.element
            .set_property_from_str("quantization", quantization);
        let told = bus(&rig);
        assert!(rig.element.set_state(gst::State::Ready).is_err());
        let said = errors(&told);
        let sentence = "in 32 bits: use quantization=auto";
        assert!(said.len() == 1 && said[0].1.contains(sentence), "{said:?}");
    }
}
