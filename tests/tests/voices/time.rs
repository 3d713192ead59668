// SPDX-License-Identifier: MPL-2.0

//! Running time: cues, pauses, live text.

use std::time::Duration;

use duplex_synthesis::tone;
use duplex_tests::{
    ending::expect_eos,
    plugins,
    pulse::Pulse,
    signal,
    speaking::{Out, Rig, brief, samples, utterances},
};
use duplex_textpad::events::{UtteranceBegin, UtteranceEnd};
use gst::prelude::*;

use crate::{RATE, bus, ends, errors, init, texts};

#[test]
fn cues_are_spoken_at_their_time() {
    init();
    let rig = Rig::new("tonetts");
    rig.start();
    rig.begin_time("pango-markup");
    let s = gst::ClockTime::from_seconds;
    rig.cue("<i>One</i> &amp; two", s(1), s(1)).unwrap();
    // While the one before still speaks: right after it.
    rig.cue("Three", gst::ClockTime::from_mseconds(1_100), s(1))
        .unwrap();
    rig.cue("Four", s(10), s(1)).unwrap();
    let out = rig.drain();
    let spoken = utterances(&out);
    assert_eq!(spoken.len(), 3, "{:?}", brief(&out));
    assert_eq!(texts(&spoken[0].2).last().unwrap(), "two");
    assert_eq!(spoken[0].1, s(1));
    let length = |index: usize| {
        let count = samples(&spoken[index].2).len() as u64;
        gst::ClockTime::from_nseconds(count * 1_000_000_000 / u64::from(RATE))
    };
    assert_eq!(spoken[1].1, s(1) + length(0));
    assert_eq!(spoken[2].1, s(10));
    // Time passes between them: sinks are told.
    let gaps: Vec<_> = out
        .iter()
        .filter(|out| matches!(out, Out::Gap(..)))
        .collect();
    assert_eq!(
        gaps,
        [
            &Out::Gap(gst::ClockTime::ZERO, Some(s(1))),
            &Out::Gap(gst::ClockTime::ZERO, Some(s(9) - length(0) - length(1))),
        ]
    );
}

#[test]
fn gaps_in_the_text_are_gaps_in_the_sound() {
    init();
    let rig = Rig::new("tonetts");
    rig.start();
    rig.begin_time("utf8");
    let s = gst::ClockTime::from_seconds;
    rig.event(gst::event::Gap::builder(s(0)).duration(s(3)).build());
    let out = rig.wait_for("a GAP", |out| {
        out.iter().any(|out| matches!(out, Out::Gap(..)))
    });
    assert_eq!(out[1], Out::Caps(RATE as i32));
    assert!(out.contains(&Out::Gap(s(0), Some(s(3)))));
    rig.cue("One", s(3), s(1)).unwrap();
    assert_eq!(utterances(&rig.drain())[0].1, s(3));
}

#[test]
fn faster_segments_are_refused_with_a_sentence() {
    init();
    let rig = Rig::new("tonetts");
    let bus = bus(&rig);
    rig.start();
    rig.begin_time("utf8");
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_rate(2.0);
    rig.event(gst::event::Segment::new(&segment));
    // A sticky event: GStreamer keeps it, and offers it again with the next buffer.
    assert!(
        rig.cue("One", gst::ClockTime::ZERO, gst::ClockTime::SECOND)
            .is_err()
    );
    let errors = errors(&bus);
    assert!(!errors.is_empty());
    assert!(
        errors[0].contains("2 times") && errors[0].contains("property rate"),
        "{errors:?}"
    );
}

/// Text that comes while a pipeline plays is spoken now, not where the last utterance ended.
#[test]
fn late_text_is_spoken_now() {
    init();
    let rig = Rig::new("tonetts");
    let clock = gst::SystemClock::obtain();
    rig.element.set_clock(Some(&clock)).unwrap();
    rig.element.set_base_time(clock.time());
    rig.start();
    rig.begin_bytes();
    let say = |text: &str| {
        rig.push(text).unwrap();
        rig.event(UtteranceEnd::of_text("").to_event());
    };
    say("One.");
    let out = rig.wait_for("one", |out| ends(out) == 1);
    let first = utterances(&out)[0].1;
    assert!(first < gst::ClockTime::from_seconds(5), "{first}");
    std::thread::sleep(Duration::from_millis(900));
    let before = rig.element.current_running_time().unwrap();
    say("Two.");
    let out = rig.wait_for("two", |out| ends(out) == 2);
    let second = out
        .iter()
        .rposition(|out| matches!(out, Out::Begin(_)))
        .map(|at| match out[at - 1] {
            Out::Segment { base, .. } => base,
            _ => unreachable!(),
        })
        .unwrap();
    let after = rig.element.current_running_time().unwrap();
    assert!(
        second >= before && second <= after,
        "{before} {second} {after}"
    );
    // A sentence whose text pauses goes on when the text does.
    rig.push("Three four, ").unwrap();
    rig.wait_for("four", |out| texts(out).contains(&"four".to_owned()));
    std::thread::sleep(Duration::from_millis(1_500));
    rig.push("five six.").unwrap();
    let out = rig.drain();
    let third = &utterances(&out)[2];
    let (at, segment) = third
        .2
        .iter()
        .find_map(|out| match out {
            Out::Segment { start, base } => Some((*start, *base)),
            _ => None,
        })
        .expect("a SEGMENT where the text paused");
    assert!(segment > third.1 + at, "{segment} {} {at}", third.1);
}

/// With a sink that plays in real time: two utterances, one after another, and nothing lost.
#[test]
fn speech_is_heard_as_long_as_it_was_made() {
    init();
    let pulse = match Pulse::start() {
        Ok(pulse) => pulse,
        Err(error) => {
            eprintln!("SKIPPED: {error:#}");
            return;
        }
    };
    let wav = pulse.folder().join("heard.wav");
    let mut recorder = plugins::command("gst-launch-1.0")
        .arg("-q")
        .args(
            format!(
                "{} num-buffers=500 ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! wavenc ! filesink location={}",
                pulse.monitor(),
                wav.display()
            )
            .split(' '),
        )
        .spawn()
        .unwrap();
    // As `espeaktts ! autoaudiosink`; a mono sink of 22,050 Hz is what pulsesink is.
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=text caps=text/x-raw,format=utf8 ! tonetts name=voice ! {}",
        pulse.loudspeaker()
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let text = pipeline
        .by_name("text")
        .unwrap()
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let say = |words: &'static str| {
        text.push_buffer(gst::Buffer::from_slice(words)).unwrap();
        text.send_event(UtteranceEnd::of_text("").to_event());
    };
    say("One two three.");
    say("Four five.");
    // Long after the sound of these has ended.
    std::thread::sleep(Duration::from_millis(2_000));
    say("Six.");
    text.end_of_stream().unwrap();
    expect_eos(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(recorder.wait().unwrap().success());
    let (heard, rate) = signal::read_wav(&wav).unwrap();
    let heard: Vec<i16> = heard.iter().map(|s| (s * 32_767.0) as i16).collect();
    // How long each word's pitch sounds, in steps of 5 ms.
    let step = rate as usize / 200;
    let mut sounded = std::collections::BTreeMap::new();
    for piece in heard.chunks_exact(step) {
        if let Some(word) = tone::word_at(piece, rate) {
            *sounded.entry(word).or_insert(0u32) += 5;
        }
    }
    // Indices start over with each utterance.
    let ms = |word: &str| tone::samples_of(word, 1.0, 1_000) as u32;
    for (index, wanted) in [
        (0, ms("One") + ms("Four") + ms("Six")),
        (1, ms("two") + ms("five")),
        (2, ms("three")),
    ] {
        let sounded = sounded.get(&index).copied().unwrap_or(0);
        assert!(
            sounded + 60 >= wanted && sounded <= wanted + 30,
            "pitch {index} sounded {sounded} ms of {wanted}"
        );
    }
}

/// A live pipeline plays before there is any text, and its sound is on time when text comes.
#[test]
fn live_text_is_spoken_on_time() {
    init();
    let pipeline = gst::parse::launch(
        "appsrc name=text caps=text/x-raw,format=utf8 is-live=true do-timestamp=true format=time ! \
         tonetts name=voice ! fakesink name=sink sync=true max-lateness=200000000",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let text = pipeline
        .by_name("text")
        .unwrap()
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    let bases = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = bases.clone();
    let src = pipeline
        .by_name("voice")
        .unwrap()
        .static_pad("src")
        .unwrap();
    src.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        let event = info.event().unwrap();
        if UtteranceBegin::from_event(event).is_some() {
            let segment = pad.sticky_event::<gst::event::Segment>(0).unwrap();
            let segment = segment.segment().downcast_ref::<gst::ClockTime>().unwrap();
            seen.lock().unwrap().push(segment.base().unwrap());
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let (result, state, _) = pipeline.state(gst::ClockTime::from_seconds(5));
    assert_eq!((result.is_ok(), state), (true, gst::State::Playing));
    let mut said = Vec::new();
    for words in ["One two.", "Three.", "Four."] {
        std::thread::sleep(Duration::from_millis(700));
        said.push(pipeline.current_running_time().unwrap());
        text.push_buffer(gst::Buffer::from_slice(words)).unwrap();
        text.send_event(UtteranceEnd::of_text("").to_event());
    }
    text.end_of_stream().unwrap();
    expect_eos(&pipeline);
    let stats: gst::Structure = pipeline.by_name("sink").unwrap().property("stats");
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(stats.get::<u64>("dropped"), Ok(0), "{stats}");
    let bases = bases.lock().unwrap().clone();
    assert_eq!(bases.len(), 3);
    for (base, said) in bases.iter().zip(&said) {
        let late = base.nseconds() as i64 - said.nseconds() as i64;
        // It may begin as much early as `latency` makes up for; a busy machine makes it late.
        assert!(
            (-25_000_000..500_000_000).contains(&late),
            "{bases:?} for {said:?}"
        );
    }
}
