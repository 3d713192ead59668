// SPDX-License-Identifier: MPL-2.0

//! Ear and mouth together, where each is not in its usual place or hears what is no speech.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use duplex_tests::caller::Plan;
use duplex_tests::{plugins, recordings, watchdog::Watchdog};
use gst::prelude::*;

/// A pipeline of this line that plays on `clock`.
fn play(line: &str, clock: &gst::Clock) -> gst::Pipeline {
    plugins::init();
    let pipeline = gst::parse::launch(line)
        .unwrap_or_else(|error| panic!("{line}: {error}"))
        .downcast::<gst::Pipeline>()
        .unwrap();
    pipeline.use_clock(Some(clock));
    pipeline.set_state(gst::State::Playing).unwrap();
    pipeline
}

const EAR: &str =
    "audiotestsrc is-live=true wave=silence samplesperbuffer=441 ! vad name=ears ! fakesink";

/// A mouth in a pipeline of its own, interrupted by that ear; it plays on `clock`.
fn mouth(ear: &gst::Element, clock: &gst::Clock) -> gst::Pipeline {
    let pipeline = gst::Pipeline::new();
    let sink = gst::ElementFactory::make("fakesink")
        .name("sink")
        .property("sync", true)
        .build()
        .unwrap();
    let mouth = gst::ElementFactory::make("ttssink")
        .name("mouth")
        .property("synthesizer", plugins::make("espeaktts").unwrap())
        .property("interrupter", ear)
        .property("audio-sink", &sink)
        .build()
        .unwrap();
    pipeline.add(&mouth).unwrap();
    pipeline.use_clock(Some(clock));
    pipeline.set_state(gst::State::Playing).unwrap();
    pipeline
}

/// Running times of the reports that the ear gets.
fn reports(ear: &gst::Element) -> Arc<Mutex<Vec<u64>>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let seen = all.clone();
    ear.connect("far-end", false, move |args| {
        let report: gst::Structure = args[1].get().unwrap();
        seen.lock()
            .unwrap()
            .push(report.get("running-time").unwrap());
        None
    });
    all
}

#[test]
fn an_ear_with_another_base_time_is_told_its_own_times() {
    let _watchdog = Watchdog::new("two base times", Duration::from_secs(60));
    let clock = gst::SystemClock::obtain();
    let ears = play(EAR, &clock);
    std::thread::sleep(Duration::from_millis(700));
    let ear = ears.by_name("ears").unwrap();
    let reported = reports(&ear);
    let mouth = mouth(&ear, &clock);
    // Each frame that leaves is reported, by the time that it has in the ear's pipeline.
    let frames = Arc::new(Mutex::new(Vec::new()));
    let seen = frames.clone();
    let sink = mouth.by_name("sink").unwrap().static_pad("sink").unwrap();
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let pts = info.buffer().unwrap().pts().unwrap().nseconds();
        seen.lock().unwrap().push(pts);
        gst::PadProbeReturn::Ok
    });
    let end = Instant::now() + Duration::from_secs(30);
    while frames.lock().unwrap().len() < 50 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let later = mouth.base_time().unwrap() - ears.base_time().unwrap();
    assert!(later.mseconds() >= 700);
    mouth.set_state(gst::State::Null).unwrap();
    ears.set_state(gst::State::Null).unwrap();
    let (frames, reported) = (frames.lock().unwrap(), reported.lock().unwrap());
    assert!(frames.len() >= 50 && reported.len() >= 50);
    let mut told = frames.iter().map(|pts| pts + later.nseconds());
    assert!(
        told.any(|time| time == reported[20]),
        "{reported:?} for {frames:?}"
    );
    for time in frames[10..40].iter().map(|pts| pts + later.nseconds()) {
        assert!(
            reported.contains(&time),
            "{time}: {reported:?} for {frames:?}"
        );
    }
}

#[test]
fn an_ear_on_another_clock_is_told_nothing_and_that_is_said_once() {
    let _watchdog = Watchdog::new("two clocks", Duration::from_secs(60));
    let other: gst::Clock = gst::glib::Object::builder::<gst::SystemClock>()
        .property("name", "other")
        .build()
        .upcast();
    let ears = play(EAR, &other);
    let ear = ears.by_name("ears").unwrap();
    let reported = reports(&ear);
    let mouth = mouth(&ear, &gst::SystemClock::obtain());
    let bus = mouth.bus().unwrap();
    let warning = bus
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(20),
            &[gst::MessageType::Warning],
        )
        .expect("it says so");
    let gst::MessageView::Warning(warning) = warning.view() else {
        unreachable!()
    };
    assert!(
        warning
            .error()
            .to_string()
            .contains("ears runs on another clock")
    );
    let more = bus.timed_pop_filtered(
        gst::ClockTime::from_mseconds(300),
        &[gst::MessageType::Warning, gst::MessageType::Error],
    );
    assert!(more.is_none(), "{more:?}");
    mouth.set_state(gst::State::Null).unwrap();
    ears.set_state(gst::State::Null).unwrap();
    assert!(reported.lock().unwrap().is_empty());
}

/// Coughs and murmurs make the mouth pause at times, and never drop a word.
#[test]
fn coughs_and_murmurs_pause_and_lose_no_word() {
    let _watchdog = Watchdog::new("coughs and murmurs", Duration::from_secs(120));
    plugins::init();
    let folder = plugins::temporary("coughs").unwrap();
    let voices = recordings::speaker_tests().unwrap();
    let mut plan = Plan::new(Duration::from_secs(22));
    for n in 0..5u64 {
        plan = plan.cough(Duration::from_millis(4_000 + 3_400 * n)).murmur(
            Duration::from_millis(5_700 + 3_400 * n),
            &voices[n as usize],
        );
    }
    let wav = folder.join("caller.wav");
    plan.record().write_wav(&wav).unwrap();
    let line = format!(
        "vadsrc name=ears audio-source=\"filesrc location={} ! wavparse\" ! fakesink \
         ttssink name=mouth synthesizer=espeaktts interrupted-by=ears \
         audio-sink=\"fakesink sync=true\"",
        wav.display()
    );
    let pipeline = play(&line, &gst::SystemClock::obtain());
    let words: Vec<String> = (0..60).map(|n| word(n).to_owned()).collect();
    let mouth = pipeline.by_name("mouth").unwrap();
    mouth.emit_by_name::<Option<String>>("say", &[&words.join(" ")]);
    let bus = pipeline.bus().unwrap();
    let (mut pauses, mut said) = (0, Vec::<String>::new());
    loop {
        let message = bus
            .timed_pop(gst::ClockTime::from_seconds(60))
            .unwrap_or_else(|| panic!("{pauses} pauses, {said:?}, and then nothing"));
        if let gst::MessageView::Error(error) = message.view() {
            panic!("{}", error.error());
        }
        let Some(structure) = message.structure() else {
            continue;
        };
        match structure.name().as_str() {
            "ttssink/paused" => pauses += 1,
            "ttssink/interrupted" => panic!("{structure}"),
            "ttssink/word" => {
                let word: String = structure.get("text").unwrap();
                // A word that was cut is said again.
                if said.last() != Some(&word) {
                    said.push(word);
                }
            }
            "ttssink/utterance-finished" => break,
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    assert_eq!(said, words);
    assert!(pauses >= 1);
}

/// A word that differs from its neighbours.
fn word(n: usize) -> &'static str {
    const WORDS: [&str; 12] = [
        "river", "window", "candle", "morning", "garden", "silver", "number", "winter", "harbour",
        "letter", "teacher", "yellow",
    ];
    WORDS[n % WORDS.len()]
}
