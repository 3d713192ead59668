// SPDX-License-Identifier: MPL-2.0

//! What is set wrong, or is missing, gets a sentence, and nothing stays half started.

use std::time::Duration;

use duplex_tests::{plugins, process};
use gst::prelude::*;

use crate::line::{self, Line};

fn refused(shape: &str) -> String {
    let line = Line::new(shape);
    assert!(
        line.pipeline.set_state(gst::State::Playing).is_err(),
        "{shape}"
    );
    let sentence = line.error().expect("a sentence");
    line.pipeline.set_state(gst::State::Null).unwrap();
    let mut left = inside(&line);
    left.sort();
    assert_eq!(
        left,
        ["GstDuplexTtsPlayout", "GstDuplexTtsTextQueue"],
        "{shape}"
    );
    sentence
}

fn inside(line: &Line) -> Vec<String> {
    let mouth = line.mouth.downcast_ref::<gst::Bin>().unwrap();
    let types = mouth.children().into_iter();
    types.map(|child| child.type_().to_string()).collect()
}

/// What is typed wrong ends gst-launch with its sentence and not with success.
#[test]
fn gst_launch_fails_with_the_sentence() {
    for (shape, sentence) in [
        (
            "ttssink synthesizer=espeaktts interrupted-by=ears audio-sink=fakesink",
            "interrupted-by=ears: there is no element of that name in the pipeline",
        ),
        (
            "ttssink synthesizer=espeaktts voice=nobody-at-all audio-sink=fakesink",
            "nobody-at-all",
        ),
        (
            "filesrc location=/nowhere/story.txt ! text/x-raw,format=utf8 ! ttssink audio-sink=fakesink",
            "/nowhere/story.txt",
        ),
        (
            "ttssink synthesizer=nothing-like-it audio-sink=fakesink",
            "nothing-like-it",
        ),
    ] {
        let output = plugins::command("gst-launch-1.0")
            .args(shape.split(' '))
            .output()
            .unwrap();
        let told = plugins::told(&output);
        assert!(!output.status.success(), "{shape}: {told}");
        assert!(told.contains(sentence), "{shape}: {told}");
    }
}

#[test]
fn what_cannot_speak_is_named() {
    let sink = "audio-sink=fakesink";
    for (settings, sentence) in [
        (
            "synthesizer=videoconvert",
            "synthesizer=videoconvert cannot speak: it has no sink pad that takes text/x-raw, format=utf8",
        ),
        (
            "synthesizer=fakesink",
            "synthesizer=fakesink cannot speak: it has no source pad that gives audio/x-raw",
        ),
        (
            "synthesizer=\"identity ! capsfilter caps=text/x-raw\" voice=anna",
            "voice=anna was set, but the synthesizer bin has no property `voice`",
        ),
    ] {
        let told = refused(&format!("ttssink name=mouth {settings} {sink}"));
        assert_eq!(told, sentence);
    }
}

#[test]
fn a_voice_that_does_not_exist_is_an_error() {
    let told =
        refused("ttssink name=mouth synthesizer=espeaktts voice=nobody-at-all audio-sink=fakesink");
    assert!(told.contains("nobody-at-all"), "{told}");
}

#[test]
fn a_sink_that_takes_no_sound_is_named() {
    let told = refused("ttssink name=mouth synthesizer=tonetts audio-sink=videoconvert");
    assert!(
        told.starts_with("audio-sink=videoconvert takes no audio/x-raw"),
        "{told}"
    );
}

#[test]
fn without_a_sound_device_it_says_what_to_do() {
    line::init();
    // With a device there is nothing to see here.
    let auto = gst::ElementFactory::make("autoaudiosink").build().unwrap();
    auto.set_state(gst::State::Ready).ok();
    let children = auto.downcast_ref::<gst::Bin>().unwrap().children();
    let fake = children.iter().all(|child| child.name().contains("fake"));
    auto.set_state(gst::State::Null).unwrap();
    if !fake {
        println!("SKIPPED: this machine has a sound device");
        return;
    }
    let told = refused("ttssink name=mouth synthesizer=tonetts");
    assert_eq!(
        told,
        "no sound device: start PulseAudio or PipeWire, or set audio-sink=\"fakesink sync=true\""
    );
}

#[test]
fn the_default_synthesizer_is_the_one_of_the_highest_rank() {
    let mut line = Line::playing("ttssink name=mouth audio-sink=\"fakesink sync=true\"");
    line.say("hello");
    line.expect_word("hello");
    let bin = line.mouth.downcast_ref::<gst::Bin>().unwrap();
    let speaks = |child: &gst::Element| child.factory().is_some_and(|f| f.name() == "espeaktts");
    assert!(bin.children().iter().any(speaks));
}

#[test]
fn settings_of_the_synthesizer_reach_it() {
    let line = Line::playing(
        "ttssink name=mouth synthesizer=\"tonetts name=inner\" rate=1.5 audio-sink=fakesink",
    );
    let inner = line.pipeline.by_name("inner").unwrap();
    assert_eq!(inner.property::<f64>("rate"), 1.5);
    line.mouth.set_property("rate", 0.5);
    assert_eq!(inner.property::<f64>("rate"), 0.5);
    inner.set_property("voice", "tone-text");
    assert_eq!(line.mouth.property::<String>("voice"), "tone-text");
}

#[test]
fn what_the_synthesizer_does_not_take_is_a_sentence_and_no_crash() {
    // Of the mouth's own range.
    let spec = gst::ElementFactory::make("ttssink").build();
    let spec = spec.unwrap().find_property("rate").unwrap();
    let spec = spec.downcast_ref::<gst::glib::ParamSpecDouble>().unwrap();
    assert_eq!((spec.minimum(), spec.maximum()), (0.3, 4.0));
    // A foreign one takes less.
    let shape = "ttssink name=mouth synthesizer=testslowvoice rate=2.5 audio-sink=fakesink";
    let sentence = "rate=2.500000: the synthesizer testslowvoice takes 0.5 to 2.0";
    line::init();
    assert_eq!(refused(shape), sentence);
    let mut line = Line::new(&shape.replace("2.5", "1.5"));
    for state in [gst::State::Ready, gst::State::Playing] {
        line.pipeline.set_state(state).unwrap();
        line.mouth.set_property("rate", 3.5);
        let warned = line.wait_for(line::PATIENCE, |m| m.type_() == gst::MessageType::Warning);
        let warned = warned.expect("a warning");
        let gst::MessageView::Warning(warning) = warned.view() else {
            unreachable!()
        };
        let told = warning.error().to_string();
        assert_eq!(told, sentence.replace("2.5", "3.5"));
    }
}

#[test]
fn sinks_inside_wait_for_nothing_however_deep() {
    let line = Line::playing(
        "ttssink name=mouth synthesizer=tonetts \
         audio-sink=\"tee name=t ! queue ! fakesink name=a t. ! queue ! wavenc ! fakesink name=b\"",
    );
    for name in ["a", "b"] {
        let sink = line.pipeline.by_name(name).unwrap();
        assert!(!sink.property::<bool>("async"), "{name}");
    }
}

#[test]
fn a_panic_of_the_synthesizer_is_an_error_message() {
    let line = Line::playing(
        "ttssink name=mouth synthesizer=\"tonetts panic=true\" audio-sink=\"fakesink sync=true\"",
    );
    line.say("boom");
    let bus = line.pipeline.bus().unwrap();
    let found =
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Error]);
    assert!(found.is_some());
}

#[test]
fn a_mouth_that_is_dropped_is_gone() {
    line::init();
    let mut weak = Vec::new();
    for _ in 0..20 {
        let mut line = Line::playing(
            "audiotestsrc is-live=true ! testear name=ears ! fakesink \
             ttssink name=mouth synthesizer=tonetts interrupted-by=ears audio-sink=\"fakesink sync=true\"",
        );
        line.say("alpha bravo charlie");
        line.expect_word("alpha");
        line.act("interrupt");
        weak.push(line.mouth.downgrade());
        weak.push(line.ear("ears").upcast::<gst::Element>().downgrade());
    }
    let gone = || weak.iter().all(|weak| weak.upgrade().is_none());
    let end = std::time::Instant::now() + Duration::from_secs(5);
    while !gone() && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(gone());
}

#[test]
fn a_sink_that_has_pads_on_request_only_is_asked_for_one_and_gets_it_back() {
    let line = Line::new("ttssink name=mouth synthesizer=tonetts");
    let mixer = gst::ElementFactory::make("audiomixer").build().unwrap();
    line.mouth.set_property("audio-sink", &mixer);
    for _ in 0..3 {
        line.pipeline.set_state(gst::State::Ready).unwrap();
        assert_eq!(mixer.sink_pads().len(), 1);
        assert!(mixer.sink_pads()[0].is_linked());
        line.pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(mixer.sink_pads().len(), 0);
        assert_eq!(mixer.parent(), None);
    }
}

#[test]
fn an_element_that_belongs_to_another_bin_is_refused() {
    let line = Line::new("ttssink name=mouth synthesizer=tonetts fakesink name=taken");
    let taken = line.pipeline.by_name("taken").unwrap();
    line.mouth.set_property("audio-sink", &taken);
    assert!(line.mouth.set_state(gst::State::Ready).is_err());
    let told = line.error().unwrap();
    assert!(
        told.starts_with("audio-sink=taken is already part of"),
        "{told}"
    );
    line.mouth.set_property("audio-sink", None::<gst::Element>);
}

#[test]
fn a_mouth_has_three_threads_of_its_own() {
    let shape = "ttssink name=mouth synthesizer=tonetts audio-sink=\"fakesink sync=true\"";
    let talking = |mut lines: Vec<Line>| {
        for line in &mut lines {
            line.say(&"alpha bravo charlie ".repeat(20));
        }
        for line in &mut lines {
            line.expect_word("charlie");
        }
        process::thread_names()
    };
    // Other tests of this process may have mouths too: what counts is what there is once for each of many.
    let names = talking((0..40).map(|_| Line::playing(shape)).collect());
    let per_mouth: Vec<_> = names
        .iter()
        .filter(|(name, count)| **count >= 40 && *name != "watchdog")
        .collect();
    assert_eq!(
        per_mouth.len(),
        3,
        "text queue, synthesizer, playout: {names:?}"
    );
}
