// SPDX-License-Identifier: MPL-2.0

//! What comes out, and in which order.

use std::time::Duration;

use duplex_synthesis::tone;
use duplex_tests::speaking::{Out, Rig, brief, samples, utterances, words};
use duplex_textpad::events::{UtteranceBegin, UtteranceEnd};
use gst::prelude::*;

use crate::{RATE, ends, init, texts, utterances_begun};

#[test]
fn a_text_comes_out_in_the_promised_order() {
    init();
    let rig = Rig::playing("tonetts");
    rig.push("Hello wide world. ").unwrap();
    rig.push("Good").unwrap();
    rig.push("bye.").unwrap();
    let out = rig.drain();
    assert_eq!(out[0], Out::StreamStart);
    assert_eq!(out[1], Out::Caps(RATE as i32));
    let spoken = utterances(&out);
    assert_eq!(spoken.len(), 1, "{:?}", brief(&out));
    let (id, base, inside) = &spoken[0];
    assert!(id.starts_with("u-"));
    assert_eq!(*base, gst::ClockTime::ZERO);
    assert_eq!(texts(inside), ["Hello", "wide", "world", "Goodbye"]);
    // Each word sounds where its mark says.
    let sound = samples(inside);
    for (index, word) in words(inside).iter().enumerate() {
        let middle = (word.start + word.duration / 2).nseconds() * u64::from(RATE) / 1_000_000_000;
        let middle = usize::try_from(middle).unwrap();
        assert_eq!(
            tone::word_at(&sound[middle - 60..middle + 60], RATE),
            Some(index % tone::PITCHES),
            "{word:?}"
        );
        assert!(word.exact);
    }
    let goodbye = &words(inside)[3];
    assert_eq!((goodbye.text_start, goodbye.text_end), (18, 25));
}

#[test]
fn utterances_follow_one_another_in_running_time() {
    init();
    let rig = Rig::playing("tonetts");
    for (id, text) in [("a", "One two three."), ("b", "Four five.")] {
        rig.event(UtteranceBegin::new(id).to_event());
        rig.push(text).unwrap();
        rig.event(UtteranceEnd::of_text(id).to_event());
    }
    let out = rig.drain();
    let spoken = utterances(&out);
    assert_eq!(spoken.len(), 2);
    assert_eq!((spoken[0].0.as_str(), spoken[1].0.as_str()), ("a", "b"));
    let first = samples(&spoken[0].2).len() as u64;
    let length = gst::ClockTime::from_nseconds(first * 1_000_000_000 / u64::from(RATE));
    assert_eq!(spoken[1].1, length);
}

#[test]
fn a_discont_buffer_begins_a_new_utterance() {
    init();
    let rig = Rig::playing("tonetts");
    let discont = |text: &str| {
        let mut buffer = gst::Buffer::from_slice(text.as_bytes().to_vec());
        buffer
            .get_mut()
            .unwrap()
            .set_flags(gst::BufferFlags::DISCONT);
        rig.text.push(buffer).unwrap();
    };
    // Marked as the first buffer of a stream always is: of an utterance that was named already.
    rig.event(UtteranceBegin::new("named").to_event());
    discont("One ");
    rig.push("two").unwrap();
    discont("three");
    let spoken = utterances(&rig.drain());
    assert_eq!(spoken.len(), 2);
    assert_eq!(spoken[0].0, "named");
    assert_eq!(texts(&spoken[0].2), ["One", "two"]);
    assert_eq!(texts(&spoken[1].2), ["three"]);
}

#[test]
fn a_sentence_is_spoken_to_its_end_after_a_pause() {
    init();
    let rig = Rig::playing("tonetts");
    rig.element.set_property("max-delay", 50_000_000u64);
    rig.push("One two. ").unwrap();
    let out = rig.wait_for("the end", |out| matches!(out.last(), Some(Out::End(..))));
    assert_eq!(texts(&out), ["One", "two"]);
    // In the middle of a sentence it waits on.
    rig.push("Three").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    rig.push(" four.").unwrap();
    let out = rig.wait_for("two ends", |out| {
        utterances_begun(out) == 2 && ends(out) == 2
    });
    assert_eq!(texts(&utterances(&out)[1].2), ["Three", "four"]);
    // A named utterance is spoken so far, but does not end.
    rig.event(UtteranceBegin::new("named").to_event());
    rig.push("Five six. ").unwrap();
    let out = rig.wait_for("six", |out| texts(out).contains(&"six".to_owned()));
    assert_eq!(ends(&out), 2);
    rig.push("Seven.").unwrap();
    let out = rig.drain();
    assert_eq!(texts(&utterances(&out)[2].2), ["Five", "six", "Seven"]);
}

#[test]
fn no_text_is_no_sound_but_a_whole_stream() {
    init();
    for text in ["", "\n", "  \n\t "] {
        let rig = Rig::playing("tonetts");
        rig.push(text).unwrap();
        let out = rig.drain();
        assert_eq!(
            out,
            [
                Out::StreamStart,
                Out::Caps(RATE as i32),
                Out::Segment {
                    start: gst::ClockTime::ZERO,
                    base: gst::ClockTime::ZERO
                },
                Out::Eos
            ]
        );
    }
    // A named utterance ends all the same: somebody waits for it.
    let rig = Rig::playing("tonetts");
    rig.event(UtteranceBegin::new("empty").to_event());
    rig.event(UtteranceEnd::of_text("empty").to_event());
    let spoken = utterances(&rig.drain());
    assert_eq!(spoken.len(), 1);
    assert!(samples(&spoken[0].2).is_empty());
}

#[test]
fn foreign_events_pass_in_their_place() {
    init();
    let rig = Rig::playing("tonetts");
    let name = "rstranscribe/speaker-change";
    rig.event(gst::event::CustomDownstream::new(
        gst::Structure::new_empty(name),
    ));
    let mut tags = gst::TagList::new();
    tags.get_mut()
        .unwrap()
        .add::<gst::tags::Title>(&"Story", gst::TagMergeMode::Append);
    rig.event(gst::event::Tag::new(tags));
    rig.push("Hello.").unwrap();
    rig.event(UtteranceEnd::of_text("").to_event());
    rig.event(gst::event::CustomDownstream::new(
        gst::Structure::new_empty("my/own"),
    ));
    let out = rig.drain();
    let place = |wanted: &Out| out.iter().position(|out| out == wanted).unwrap();
    let begin = out
        .iter()
        .position(|out| matches!(out, Out::Begin(_)))
        .unwrap();
    let end = out
        .iter()
        .position(|out| matches!(out, Out::End(..)))
        .unwrap();
    assert!(place(&Out::Other(name.into())) < begin);
    assert!(
        out.iter()
            .any(|out| matches!(out, Out::Other(name) if name.contains("Tag"))),
        "{:?}",
        brief(&out)
    );
    assert!(place(&Out::Other("my/own".into())) > end);
    // Upstream events go upstream.
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = heard.clone();
    rig.text
        .add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            if let Some(structure) = info.event().and_then(|event| event.structure()) {
                seen.lock().unwrap().push(structure.name().to_string());
            }
            gst::PadProbeReturn::Ok
        });
    let src = rig.element.static_pad("src").unwrap();
    src.send_event(gst::event::CustomUpstream::new(gst::Structure::new_empty(
        "voice/interrupted",
    )));
    assert_eq!(*heard.lock().unwrap(), ["voice/interrupted"]);
}

#[test]
fn eos_twice_and_a_restart_leave_nothing_behind() {
    init();
    let rig = Rig::playing("tonetts");
    let mut first = None;
    for round in 0..3 {
        rig.push("Hello again.").unwrap();
        let out = rig.drain();
        let heard = brief(&utterances(&out)[0].2)
            .into_iter()
            .filter(|out| matches!(out, Out::Sound { .. }))
            .collect::<Vec<_>>();
        assert_eq!(
            &heard,
            first.get_or_insert_with(|| heard.clone()),
            "round {round}"
        );
        assert_eq!(utterances(&out)[0].1, gst::ClockTime::ZERO, "round {round}");
        let stats: gst::Structure = rig.element.property("stats");
        assert_eq!(stats.get::<u64>("utterances"), Ok(1));
        assert_eq!(stats.get::<u64>("words"), Ok(2));
        assert!(stats.get::<gst::ClockTime>("first-audio-last").is_ok());
        rig.element.set_state(gst::State::Ready).unwrap();
        rig.text.set_active(false).unwrap();
        if round == 1 {
            rig.element.set_state(gst::State::Null).unwrap();
        }
        rig.clear();
        rig.start();
        rig.begin_bytes();
    }
}

#[test]
fn the_rate_is_heard() {
    init();
    let mut lengths = Vec::new();
    for rate in [0.5f64, 1.0, 2.0] {
        let rig = Rig::new("tonetts");
        rig.element.set_property("rate", rate);
        rig.start();
        rig.begin_bytes();
        rig.push("How long is this?").unwrap();
        lengths.push(samples(&rig.drain()).len() as f64);
    }
    assert!((lengths[0] / lengths[1] - 2.0).abs() < 0.01, "{lengths:?}");
    assert!((lengths[1] / lengths[2] - 2.0).abs() < 0.01, "{lengths:?}");
}
