// SPDX-License-Identifier: MPL-2.0

//! One engine for many elements, and what one of them may do to another: nothing.

use duplex_neural_small::SmallModel;
use duplex_tests::speaking::{Out, samples, words};
use gst::prelude::*;

use crate::{SENTENCE, bus, ended, errors, playing, say, stat, until, voice};

#[test]
fn elements_of_one_model_share_its_engine_and_those_of_another_do_not() {
    let (lsd, pointwise) = (SmallModel::new("lsd"), SmallModel::new("pointwise"));
    let (one, two, other) = (playing(&lsd), playing(&lsd), playing(&pointwise));
    one.credit(Some(0));
    one.push(SENTENCE.repeat(20)).unwrap();
    until("the first step", || stat(&one, "speaking-utterances") == 1);
    // One of them speaks, and both tell of it.
    assert_eq!(stat(&two, "open-utterances"), 1);
    assert_eq!(stat(&other, "open-utterances"), 0);
    for rig in [&two, &other] {
        say(rig, "u", SENTENCE);
        let out = ended(rig, 1);
        assert_eq!(words(&out).len(), 10);
    }
    assert_eq!(stat(&other, "open-utterances"), 0);
    assert_eq!(stat(&one, "open-utterances"), 1);
}

#[test]
fn a_consumer_that_stops_pulling_delays_nobody() {
    let model = SmallModel::new("lsd");
    let stalled = playing(&model);
    stalled.credit(Some(1));
    stalled.push(SENTENCE.repeat(40)).unwrap();
    let rig = playing(&model);
    for number in 0..20 {
        say(&rig, &format!("u{number}"), SENTENCE);
    }
    let out = ended(&rig, 20);
    assert_eq!(words(&out).len(), 20 * 10);
    assert_eq!(
        samples(&stalled.out()).len().min(4_800),
        samples(&stalled.out()).len()
    );
    // It goes on where it stood.
    stalled.credit(None);
    let out = stalled.drain();
    assert_eq!(words(&out).last().unwrap().text, "hill");
}

#[test]
fn who_finds_it_full_is_told_why_and_those_who_speak_go_on() {
    let model = SmallModel::new("flow_matching");
    let first = voice(&model);
    first.element.set_property("max-batch", 1_u32);
    first.start();
    first.begin_bytes();
    first.credit(Some(1));
    first.push(SENTENCE.repeat(4)).unwrap();
    until("the first step", || {
        stat(&first, "speaking-utterances") == 1
    });
    let second = playing(&model);
    let bus = bus(&second);
    assert!(second.push(SENTENCE).is_err());
    let errors = errors(&bus);
    let (error, sentence) = &errors[0];
    assert!(error.matches(gst::ResourceError::Busy), "{error}");
    assert!(
        sentence.contains("all of its 1 slots are taken") && sentence.contains("max-batch"),
        "{sentence}"
    );
    assert_eq!(stat(&second, "refused"), 1);
    first.credit(None);
    assert_eq!(first.drain().last(), Some(&Out::Eos));
    // There is room again.
    second.stop();
    second.clear();
    second.start();
    second.begin_bytes();
    second.push(SENTENCE).unwrap();
    assert_eq!(words(&second.drain()).len(), 10);
}

/// The utterance after the one that is spoken is opened ahead of its time, and must not be refused for it.
#[test]
fn one_slot_is_enough_for_one_speaker() {
    let model = SmallModel::new("lsd");
    let rig = voice(&model);
    rig.element.set_property("max-batch", 1_u32);
    let bus = bus(&rig);
    rig.start();
    rig.begin_bytes();
    for number in 0..8 {
        say(&rig, &format!("u{number}"), SENTENCE);
    }
    let out = ended(&rig, 8);
    assert_eq!(words(&out).len(), 8 * 10);
    assert!(errors(&bus).is_empty());
}
