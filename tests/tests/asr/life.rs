// SPDX-License-Identifier: MPL-2.0

//! Starts, stops, flushes, settings and too much of everything.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use duplex_tests::{plugins, process};
use gst::prelude::*;

use crate::rig::{Line, Out, PLACES, events, speech, texts};

fn grammar(text: &str) -> String {
    format!("grammar=\"{text}\"")
}

/// The sentence with which an element refuses to start, or none where it starts.
fn refusal(properties: &[(&str, &str)]) -> Option<String> {
    plugins::init();
    let asr = gst::ElementFactory::make("sphinxasr").build().unwrap();
    for (name, value) in properties {
        asr.set_property_from_str(name, value);
    }
    let bus = gst::Bus::new();
    asr.set_bus(Some(&bus));
    let started = asr.set_state(gst::State::Ready);
    let error = bus
        .pop_filtered(&[gst::MessageType::Error])
        .map(|message| match message.view() {
            gst::MessageView::Error(error) => error.error().message().to_owned(),
            _ => unreachable!(),
        });
    assert_eq!(started.is_err(), error.is_some());
    asr.set_state(gst::State::Null).unwrap();
    error
}

#[test]
fn what_cannot_be_met_is_a_sentence() {
    assert_eq!(refusal(&[("grammar", "stop | go")]), None);
    for (properties, parts) in [
        (
            &[("grammar", "stop | (go")][..],
            &["grammar", "1:11", "`)`"][..],
        ),
        (
            &[("grammar", "stop | pleese")],
            &["`pleese`", "dictionary", "it has"],
        ),
        (
            &[("grammar", "/nowhere/what.jsgf")],
            &["/nowhere/what.jsgf", "cannot be read"],
        ),
        (
            &[("grammar", "stop"), ("model", "/nowhere")],
            &["/nowhere/mdef", "pocketsphinx-en-us"],
        ),
        (
            &[("grammar", "stop"), ("dictionary", "/nowhere/dict")],
            &["/nowhere/dict", "pocketsphinx-en-us"],
        ),
        (
            &[("language-model", "/nowhere/lm")],
            &["language model", "/nowhere/lm"],
        ),
        // Files that are there and are not what they should be.
        (&[("grammar", "stop"), ("model", "/proc/self")], &["mdef"]),
    ] {
        let told = refusal(properties).unwrap_or_else(|| panic!("{properties:?} is taken"));
        for part in parts {
            assert!(told.contains(part), "{properties:?}: {told}");
        }
    }
}

#[test]
fn a_grammar_may_be_a_file_and_may_change_between_turns() {
    let file = std::env::temp_dir().join(format!("places-{}.jsgf", std::process::id()));
    std::fs::write(
        &file,
        format!("#JSGF V1.0;\ngrammar places;\npublic <place> = {PLACES};\n"),
    )
    .unwrap();
    let mut line = Line::new(16_000, 1, "", &grammar(file.to_str().unwrap()));
    std::fs::remove_file(&file).unwrap();
    line.say(&speech("Side_Left", Duration::from_secs(1)));
    line.pause(Duration::from_secs(1));
    line.wait("the first turn", |out| !texts(out).is_empty());
    // None is understood that is not in it; a wrong one leaves the one before.
    line.asr.set_property("grammar", "hello | (");
    line.say(&speech("Rear_Left", Duration::from_secs(1)));
    line.pause(Duration::from_secs(1));
    line.wait("the second turn", |out| texts(out).len() == 2);
    line.asr.set_property("grammar", "front left | front right");
    line.say(&speech("Front_Right", Duration::from_secs(1)));
    let out = line.end();
    assert_eq!(texts(&out), ["side left", "rear left", "front right"]);
}

#[test]
fn the_end_of_the_stream_ends_the_turn_first() {
    let mut line = Line::new(16_000, 1, "", &grammar(PLACES));
    let said = speech("Front_Left", Duration::from_secs(1));
    // Up to the end of the speech and not a moment further.
    line.say(&said[..said.len() - 48_000 + 2400]);
    let out = line.end();
    assert_eq!(texts(&out), ["front left"], "{out:#?}");
    assert_eq!(out.last(), Some(&Out::Eos));
    assert_eq!(events(&out, "voice/end-of-turn").len(), 1);
}

#[test]
fn silence_gives_gaps_and_nothing_else() {
    let mut line = Line::new(8_000, 1, "", &grammar(PLACES));
    line.pause(Duration::from_secs(10));
    let out = line.end();
    let gaps = out.iter().filter(|one| **one == Out::Gap).count();
    assert!((8..=12).contains(&gaps), "{out:#?}");
    assert_eq!(out.len(), gaps + 1, "{out:#?}");
}

#[test]
fn a_flush_cancels_the_turn() {
    let mut line = Line::new(16_000, 1, "", &grammar(PLACES));
    let said = speech("Front_Left", Duration::from_secs(1));
    for round in 1..=5 {
        line.say(&said[..said.len() / 2]);
        line.wait("a word", |out| {
            out.iter()
                .filter(|one| matches!(one, Out::Event(name, _) if name == "voice/start-of-speech"))
                .count()
                == round
        });
        line.heard_all();
        let pad = line
            .pipeline
            .by_name("ears")
            .unwrap()
            .static_pad("sink")
            .unwrap();
        pad.send_event(gst::event::FlushStart::new());
        pad.send_event(gst::event::FlushStop::new(false));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        pad.send_event(gst::event::Segment::new(&segment));
    }
    let out = line.out();
    assert_eq!(texts(&out), Vec::<String>::new(), "{out:#?}");
    // What comes afterwards is heard as ever.
    line.say(&speech("Rear_Right", Duration::from_secs(1)));
    let out = line.end();
    assert_eq!(texts(&out), ["rear right"], "{out:#?}");
    assert!(line.stat("cancelled") >= 1);
}

/// The ears go on while nobody takes the text: what cannot wait is dropped, and that is said.
#[test]
fn whoever_takes_no_text_does_not_stop_the_ears() {
    plugins::init();
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=caller is-live=true format=time caps=audio/x-raw,format=S16LE,layout=interleaved,rate=16000,channels=1 \
         ! vad name=ears ! sphinxasr name=asr queue-duration=500000000 {} ! fakesink name=out sync=false async=false",
        grammar(PLACES)
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let door = Arc::new(Mutex::new(()));
    let closed = door.lock().unwrap();
    let (gate, passed) = (door.clone(), Arc::new(AtomicU64::new(0)));
    let sink = pipeline.by_name("out").unwrap().static_pad("sink").unwrap();
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        drop(gate.lock());
        gst::PadProbeReturn::Ok
    });
    let heard = passed.clone();
    let ears = pipeline.by_name("ears").unwrap().static_pad("src").unwrap();
    ears.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        heard.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let source: gst_app::AppSrc = pipeline.by_name("caller").unwrap().downcast().unwrap();
    source.set_max_bytes(0);
    let said = duplex_tests::signal::resample(
        &speech("Front_Left", Duration::from_secs(1)),
        48_000,
        16_000,
    );
    let said = duplex_tests::signal::to_s16(&said.repeat(10));
    let mut pushed = 0;
    for (n, piece) in said.chunks(160).enumerate() {
        let mut buffer = gst::Buffer::from_slice(
            piece
                .iter()
                .flat_map(|s| s.to_le_bytes())
                .collect::<Vec<u8>>(),
        );
        buffer
            .get_mut()
            .unwrap()
            .set_pts(gst::ClockTime::from_mseconds(10) * n as u64);
        source.push_buffer(buffer).unwrap();
        pushed += 1;
    }
    let limit = Instant::now() + Duration::from_secs(60);
    while passed.load(Ordering::Relaxed) < pushed {
        assert!(
            Instant::now() < limit,
            "{} of {pushed} buffers passed",
            passed.load(Ordering::Relaxed)
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let warning = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(20),
        &[gst::MessageType::Warning],
    );
    let told = match warning.expect("a warning").view() {
        gst::MessageView::Warning(warning) => warning.error().message().to_owned(),
        _ => unreachable!(),
    };
    assert!(told.contains("queue-duration"), "{told}");
    let stats: gst::Structure = pipeline.by_name("asr").unwrap().property("stats");
    assert!(
        stats.get::<u64>("dropped-time").unwrap() > 1_000_000_000,
        "{stats}"
    );
    assert!(
        stats.get::<u64>("most-waiting").unwrap() <= 510_000_000,
        "{stats}"
    );
    drop(closed);
    pipeline.set_state(gst::State::Null).unwrap();
}

/// A second caller pays neither time nor memory for what the first has loaded.
#[test]
fn decoders_are_shared() {
    let words = "sphinx of black quartz | judge my vow";
    let first = Line::new(16_000, 1, "", &grammar(words));
    let loaded = first.stat("decoders-loaded");
    let others: Vec<Line> = (0..20)
        .map(|_| Line::new(16_000, 1, "", &grammar(words)))
        .collect();
    // Other tests of this process load theirs at the same time; of these words there is one.
    let load = |line: &Line| line.stat("decoders-loaded");
    let more = load(&others[19]) - loaded;
    assert!(more < 20, "{more} decoders were loaded for twenty lines");
}

#[test]
fn two_elements_hear_two_callers_at_once() {
    let mut lines: Vec<(Line, &str)> = ["Front_Left", "Rear_Right", "Side_Left", "Front_Center"]
        .into_iter()
        .map(|name| (Line::new(16_000, 1, "", &grammar(PLACES)), name))
        .collect();
    for (line, name) in &mut lines {
        line.say(&speech(name, Duration::from_secs(1)));
    }
    for (line, name) in &mut lines {
        assert_eq!(texts(&line.end()), [name.replace('_', " ").to_lowercase()]);
    }
}

#[test]
fn a_thousand_starts_leave_nothing_behind() {
    let line = Line::new(16_000, 1, "", &grammar(PLACES));
    let begin = (process::threads(), process::fds());
    for _ in 0..1000 {
        line.pipeline.set_state(gst::State::Null).unwrap();
        line.pipeline.set_state(gst::State::Playing).unwrap();
    }
    // Other tests run beside this one: some threads and files are theirs.
    assert!(process::threads() < begin.0 + 100 && process::fds() < begin.1 + 100);
}
