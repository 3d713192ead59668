// SPDX-License-Identifier: MPL-2.0

//! What neighbours are told and asked: caps, flow, latency.

use std::time::{Duration, Instant};

use duplex_synthesis::tone;
use duplex_tests::{
    ending::expect_error,
    speaking::{Out, Rig, samples, utterances, words},
};
use gst::prelude::*;

use crate::{RATE, bus, errors, init, texts};

#[test]
fn downstream_chooses_the_rate_and_may_change_its_mind() {
    init();
    let text = "One two three four five six seven eight nine ten.";
    for rate in [8_000, 16_000, 48_000] {
        let rig = Rig::playing("tonetts");
        rig.take_rates(&[rate]);
        rig.push(text).unwrap();
        let out = rig.drain();
        assert_eq!(out[1], Out::Caps(rate));
        let spoken = utterances(&out);
        let sound = samples(&out);
        let rate = rate as u32;
        for (index, word) in words(&spoken[0].2).iter().enumerate() {
            let middle =
                (word.start + word.duration / 2).nseconds() * u64::from(rate) / 1_000_000_000;
            let middle = usize::try_from(middle).unwrap();
            let half = rate as usize / 200;
            assert_eq!(
                tone::word_at(&sound[middle - half..middle + half], rate),
                Some(index % tone::PITCHES),
                "{word:?} at {rate} Hz"
            );
        }
    }

    // Native where it is among others.
    let rig = Rig::playing("tonetts");
    rig.take_rates(&[48_000, RATE as i32, 8_000]);
    rig.push(text).unwrap();
    assert_eq!(rig.drain()[1], Out::Caps(RATE as i32));

    // In the middle of an utterance.
    let rig = Rig::playing("tonetts");
    rig.take_rates(&[8_000]);
    rig.credit(Some(3));
    rig.push(text).unwrap();
    rig.wait_for("three buffers", |out| {
        out.iter()
            .filter(|out| matches!(out, Out::Sound { .. }))
            .count()
            == 3
    });
    rig.take_rates(&[48_000]);
    rig.credit(None);
    let out = rig.drain();
    let spoken = utterances(&out);
    assert!(out.contains(&Out::Caps(48_000)));
    let length: gst::ClockTime = out
        .iter()
        .filter_map(|out| match out {
            Out::Sound { duration, .. } => Some(*duration),
            _ => None,
        })
        .sum();
    let native: u64 = text
        .split_whitespace()
        .map(|word| tone::samples_of(word, 1.0, RATE))
        .sum::<u64>();
    let native = gst::ClockTime::from_nseconds(native * 1_000_000_000 / u64::from(RATE));
    assert!(length >= native && length < native + gst::ClockTime::from_mseconds(400));
    assert_eq!(words(&spoken[0].2).len(), 10);
}

#[test]
fn caps_in_vain_are_said() {
    init();
    let rig = Rig::new("tonetts");
    let bus = bus(&rig);
    let filter = gst::ElementFactory::make("capsfilter")
        .property(
            "caps",
            gst::Caps::builder("audio/x-raw")
                .field("format", "F32LE")
                .build(),
        )
        .build()
        .unwrap();
    let src = rig.element.static_pad("src").unwrap();
    src.unlink(&src.peer().unwrap()).unwrap();
    // Linking would refuse at once; what is downstream may also change later.
    src.link_full(
        &filter.static_pad("sink").unwrap(),
        gst::PadLinkCheck::empty(),
    )
    .unwrap();
    filter.set_state(gst::State::Playing).unwrap();
    rig.start();
    rig.begin_bytes();
    rig.push("Hello.").unwrap();
    rig.event(gst::event::Eos::new());
    expect_error(&bus, "audioconvert");
    filter.set_state(gst::State::Null).unwrap();
}

pub fn query_latency(rig: &Rig) -> (bool, gst::ClockTime, Option<gst::ClockTime>) {
    let mut query = gst::query::Latency::new();
    assert!(rig.element.static_pad("src").unwrap().query(&mut query));
    query.result()
}

#[test]
fn latency_is_known_before_any_text() {
    init();
    let ms = gst::ClockTime::from_mseconds;
    let rig = Rig::new("tonetts");
    let bus = bus(&rig);
    rig.start();
    assert_eq!(query_latency(&rig), (false, ms(20), None));
    rig.latency(true, ms(30));
    assert_eq!(query_latency(&rig), (true, ms(50), None));
    rig.element.set_property("latency", ms(100));
    assert_eq!(query_latency(&rig), (true, ms(130), None));
    assert!(bus.pop_filtered(&[gst::MessageType::Latency]).is_some());
}

#[test]
fn what_downstream_refuses_reaches_upstream() {
    init();
    for (flow, said) in [
        (gst::FlowError::Eos, 0),
        (gst::FlowError::NotLinked, 1),
        (gst::FlowError::Error, 1),
    ] {
        let rig = Rig::playing("tonetts");
        let bus = bus(&rig);
        rig.answer(Some(flow));
        let until = Instant::now() + Duration::from_secs(10);
        let refused = loop {
            assert!(Instant::now() < until, "{flow:?} did not reach upstream");
            if let Err(refused) = rig.push("One two three. ") {
                break refused;
            }
        };
        assert_eq!(refused, flow);
        assert_eq!(errors(&bus).len(), said, "{flow:?}");
        if flow == gst::FlowError::Eos {
            rig.drain();
        }
        // A flush makes it ready again.
        rig.answer(None);
        rig.event(gst::event::FlushStart::new());
        rig.event(gst::event::FlushStop::new(true));
        rig.clear();
        rig.begin_bytes();
        rig.push("Four.").unwrap();
        assert_eq!(texts(&rig.drain()), ["Four"]);
    }
}
