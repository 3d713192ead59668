// SPDX-License-Identifier: MPL-2.0

//! `grpctts` at a worker of the old protocol, which runs on gRPC's own library (tests/compat/old_worker.py).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use duplex_tests::{
    process,
    speaking::{Out, samples, utterances},
    watchdog::Watchdog,
    worker::{PATIENCE, Worker},
};
use duplex_textpad::events::UtteranceEnd;
use gst::prelude::*;

use crate::{
    compat::{command, python},
    remote::{Mouth, at, bus, errors, texts},
};

fn worker() -> Option<Worker> {
    let python = python()?;
    let mut command = command(&python);
    command.arg("old_worker.py");
    Some(Worker::of(command))
}

/// The worker says this, and so many times.
fn expect_said(worker: &Worker, line: &str, times: usize) {
    let end = Instant::now() + PATIENCE;
    let said = || {
        worker
            .said()
            .lines()
            .filter(|l| l.starts_with(line))
            .count()
    };
    while said() != times {
        assert!(
            Instant::now() < end,
            "not {times} times `{line}`: {}",
            worker.said()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// One process for its own: how often the element warns is read from the log of the whole process.
#[test]
fn a_worker_of_old_serves_us() {
    if process::alone() {
        return;
    }
    let Some(worker) = worker() else { return };
    let _watchdog = Watchdog::new("an old worker", Duration::from_secs(120));
    gst::init().unwrap();
    // The process is this test's own.
    #[allow(clippy::disallowed_methods)]
    gst::log::set_default_threshold(gst::DebugLevel::Warning);
    let warnings = Arc::new(AtomicUsize::new(0));
    let count = warnings.clone();
    gst::log::add_log_function(move |category, level, _, _, _, _, message| {
        let told = message
            .get()
            .is_some_and(|told| told.contains("old protocol"));
        if level == gst::DebugLevel::Warning && category.name() == "grpctts" && told {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });

    let rig = at(&worker);
    let bus = bus(&rig);
    rig.start();
    rig.begin_bytes();
    let stats: gst::Structure = rig.element.property("stats");
    assert_eq!(stats.get::<i32>("worker-protocol"), Ok(0));

    // All of a text, with its words where they may be.
    for round in 1..=3 {
        rig.clear();
        for slice in ["Alpha bra", "vo charlie, ", "delta."] {
            rig.push(slice).unwrap();
        }
        rig.event(UtteranceEnd::of_text("").to_event());
        let out = rig.wait_for("the end", |out| {
            out.iter().any(|o| matches!(o, Out::End(..)))
        });
        expect_said(&worker, "speaks 'Alpha bravo charlie, delta.'", round);
        // Where its words are nobody knows here: a mouth estimates that, as with any foreign voice.
        assert_eq!(texts(&out), [""; 0]);
        assert_eq!(samples(&out).len(), 4 * 9_600);
        assert_eq!(utterances(&out).len(), 1);
        // Anew, as a person would: it is told once for each start of the element, not for each text.
        rig.element
            .set_property("rate", 1.0 + f64::from(round as u8) / 10.0);
    }

    // A flush in the middle of a burst ends the call, and no STOP spoils the worker for everybody.
    for round in 1..=3 {
        rig.clear();
        rig.credit(Some(2));
        rig.push("alpha bravo charlie delta. ".repeat(50)).unwrap();
        rig.event(UtteranceEnd::of_text("").to_event());
        rig.wait_for("sound", |out| {
            out.iter().any(|o| matches!(o, Out::Sound { .. }))
        });
        rig.event(gst::event::FlushStart::new());
        rig.event(gst::event::FlushStop::new(true));
        expect_said(&worker, "call over", 3 + round);
        rig.credit(None);
        rig.begin_bytes();
    }

    // Nobody says anything for longer than we would otherwise ask whether somebody is there.
    let half_a_sentence = |rig: &duplex_tests::speaking::Rig| rig.push("Echo fox").unwrap();
    rig.element.set_property("max-delay", u64::MAX);
    rig.clear();
    half_a_sentence(&rig);
    thread::sleep(Duration::from_secs(5));
    rig.push("trot.").unwrap();
    rig.event(UtteranceEnd::of_text("").to_event());
    let out = rig.wait_for("the end", |out| {
        out.iter().any(|o| matches!(o, Out::End(..)))
    });
    assert_eq!(samples(&out).len(), 2 * 9_600);

    rig.clear();
    rig.push("Golf.").unwrap();
    let out = rig.drain();
    assert_eq!(samples(&out).len(), 9_600);
    rig.stop();
    assert_eq!(errors(&bus), [""; 0]);
    assert_eq!(warnings.load(Ordering::Relaxed), 1);
    expect_said(&worker, "control", 0);
    // Of what it does not know it has seen the utterance's name at most.
    let told = worker.said();
    assert!(!told.contains("Traceback"), "{told}");
    // Each session that was begun was ended.
    let begun = told
        .lines()
        .filter(|line| line.starts_with("start tone"))
        .count();
    expect_said(&worker, "end", begun);
}

#[test]
fn a_mouth_estimates_the_words_of_a_worker_of_old() {
    let Some(worker) = worker() else { return };
    let mut mouth = Mouth::new(&worker);
    let text = "one two three four five six seven eight nine ten";
    mouth.say(text);
    mouth.expect("ttssink/utterance-started");
    thread::sleep(Duration::from_millis(700));
    mouth.interrupt();
    // Two seconds of sound have come at once; what was not played is not heard.
    let told = mouth.expect("ttssink/interrupted");
    let part = |name: &str| told.get::<String>(name).unwrap();
    let (heard, unheard) = (part("heard-text"), part("unheard-text"));
    assert_eq!(format!("{} {}", heard.trim(), unheard.trim()), text);
    assert!(heard.starts_with("one"), "{told}");
    mouth.say("golf");
    mouth.expect("ttssink/utterance-finished");
    drop(mouth);
    expect_said(&worker, "control", 0);
}
