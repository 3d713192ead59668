// SPDX-License-Identifier: MPL-2.0

//! `grpctts` at a worker of ours does what every voice does, and at the worker it costs what it should.

use std::time::{Duration, Instant};

use duplex_synthesis::tone;
use duplex_tests::{
    plugins,
    speaking::{Out, Rig, brief, samples, utterances, words},
    tonetts,
    watchdog::Watchdog,
    worker::{PATIENCE, Worker},
};
use duplex_textpad::events::UtteranceEnd;
use gst::prelude::*;

/// The element at this worker, in NULL.
pub fn at(worker: &Worker) -> Rig {
    at_uri(&worker.uri())
}

pub fn at_uri(uri: &str) -> Rig {
    init();
    let rig = Rig::new("grpctts");
    rig.element.set_property("uri", uri);
    rig.element.set_property("model", "tone");
    rig
}

/// The same in PLAYING, ready for text.
pub fn playing(worker: &Worker) -> Rig {
    let rig = at(worker);
    rig.start();
    rig.begin_bytes();
    rig
}

pub fn init() {
    plugins::init();
    tonetts::register();
}

pub fn texts(out: &[Out]) -> Vec<String> {
    words(out).into_iter().map(|word| word.text).collect()
}

pub fn bus(rig: &Rig) -> gst::Bus {
    let bus = gst::Bus::new();
    rig.element.set_bus(Some(&bus));
    bus
}

/// The sentences of all errors on a bus.
pub fn errors(bus: &gst::Bus) -> Vec<String> {
    bus.iter_filtered(&[gst::MessageType::Error])
        .map(|message| match message.view() {
            gst::MessageView::Error(error) => error.error().to_string(),
            _ => unreachable!(),
        })
        .collect()
}

fn has_sound(out: &[Out]) -> bool {
    out.iter().any(|out| matches!(out, Out::Sound { .. }))
}

const TEXT: &str = "Alpha bravo charlie, delta echo. Foxtrot golf!";

#[test]
fn it_sounds_as_the_voice_does_here() {
    init();
    let worker = Worker::start();
    let (there, here) = (at(&worker), Rig::new("tonetts"));
    here.element.set_property("sample-rate", 48_000u32);
    for text in [
        TEXT,
        "One",
        "Ünïcödé wörds 漢字. Straße",
        "a. b. c.",
        &TEXT.repeat(20),
    ] {
        let spoken = [&there, &here].map(|rig| {
            rig.stop();
            rig.clear();
            rig.start();
            rig.begin_bytes();
            rig.push(text).unwrap();
            rig.drain()
        });
        let [there, here] = spoken;
        assert_eq!(utterances(&there).len(), utterances(&here).len(), "{text}");
        assert!(samples(&there) == samples(&here), "other sound for {text}");
        let marks = |out: &[Out]| -> Vec<_> {
            let all = words(out).into_iter();
            all.map(|w| {
                (
                    w.text,
                    w.start,
                    w.duration,
                    w.text_start,
                    w.text_end,
                    w.exact,
                )
            })
            .collect()
        };
        assert_eq!(marks(&there), marks(&here), "{text}");
    }
}

#[test]
fn text_goes_out_as_it_comes() {
    let worker = Worker::start();
    let rig = playing(&worker);
    rig.push("Alpha bravo charlie, ").unwrap();
    rig.wait_for("sound of half a sentence", has_sound);
    for slice in ["del", "ta ec", "ho, fox", "trot", " golf."] {
        rig.push(slice).unwrap();
    }
    let out = rig.drain();
    assert_eq!(
        texts(&out),
        [
            "Alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf"
        ]
    );
    assert_eq!(utterances(&out).len(), 1);
}

#[test]
fn an_end_without_any_text_asks_for_nothing() {
    let worker = Worker::start();
    let rig = playing(&worker);
    let out = rig.drain();
    assert!(!has_sound(&out), "{:?}", brief(&out));
    assert_eq!(worker.metric("utterances_total"), 0.0);
}

#[test]
fn a_flush_ends_the_work_at_the_worker() {
    let worker = Worker::start();
    let rig = playing(&worker);
    for round in 0..5 {
        rig.clear();
        // It waits for more text, or for somebody to take its sound.
        rig.credit((round % 2 == 0).then_some(2));
        rig.push("alpha bravo charlie, ".repeat(if round % 2 == 0 { 2_000 } else { 1 }))
            .unwrap();
        rig.wait_for("sound", has_sound);
        worker.expect("queue_depth", 1.0);
        rig.event(gst::event::FlushStart::new());
        rig.event(gst::event::FlushStop::new(true));
        worker.expect("queue_depth", 0.0);
        let made = worker.metric("frames_total");
        rig.credit(None);
        rig.begin_bytes();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(worker.metric("frames_total"), made, "it goes on working");
        rig.clear();
        rig.push("Seven.").unwrap();
        rig.event(UtteranceEnd::of_text("").to_event());
        let out = rig.wait_for("the end", |out| {
            out.iter().any(|o| matches!(o, Out::End(..)))
        });
        assert_eq!(texts(&out), ["Seven"]);
    }
    assert_eq!(worker.metric("sessions"), 1.0);
}

/// Minutes are asked for, and a second is played: the worker has not made more than is on the way.
#[test]
fn the_worker_works_for_what_is_played() {
    let worker = Worker::start();
    let rig = playing(&worker);
    rig.credit(Some(3));
    rig.push("alpha bravo charlie delta. ".repeat(500)).unwrap();
    rig.wait_for("three buffers", |out| {
        out.iter()
            .filter(|out| matches!(out, Out::Sound { .. }))
            .count()
            == 3
    });
    let mut made = 0.0;
    let end = Instant::now() + PATIENCE;
    while made != worker.metric("frames_total") || made == 0.0 {
        made = worker.metric("frames_total");
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(200));
    }
    // Frames are of 100 ms: what was taken, 300 ms on credit, what waits between.
    assert!(made < 20.0, "{made} frames");
}

#[test]
fn a_voice_changes_while_it_plays() {
    let worker = Worker::start();
    let rig = playing(&worker);
    let end = || rig.event(UtteranceEnd::of_text("").to_event());
    let pitch = |out: &[Out]| {
        let sound = samples(out);
        tone::word_at(&sound[2_000..2_400], 48_000)
    };
    for (voice, wanted) in [
        (None, 0),
        (Some("tone-text"), tone::class_of_text("echo")),
        (Some("tone"), 0),
    ] {
        rig.clear();
        rig.element.set_property("voice", voice);
        rig.push("echo.").unwrap();
        end();
        let out = rig.wait_for("the end", |out| {
            out.iter().any(|o| matches!(o, Out::End(..)))
        });
        assert_eq!(pitch(&out), Some(wanted), "{voice:?}");
    }
    rig.clear();
    rig.element.set_property("rate", 2.0f64);
    rig.push("echo.").unwrap();
    end();
    let out = rig.wait_for("the end", |out| {
        out.iter().any(|o| matches!(o, Out::End(..)))
    });
    assert_eq!(words(&out)[0].duration, gst::ClockTime::from_mseconds(70));
    // Each way to speak has a session of its own, and only the last of them is open.
    worker.expect("sessions", 1.0);
}

/// A mouth that speaks with the voices of a worker, in PLAYING.
pub struct Mouth {
    pipeline: gst::Element,
    mouth: gst::Element,
    bus: gst::Bus,
    _watchdog: Watchdog,
}

impl Mouth {
    pub fn new(worker: &Worker) -> Self {
        init();
        let line = format!(
            "pipeline.( ttssink name=mouth synthesizer=\"grpctts uri={} model=tone\" audio-sink=\"fakesink sync=true\" )",
            worker.uri()
        );
        let pipeline = gst::parse::launch(&line).unwrap();
        let bin = pipeline
            .downcast_ref::<gst::Pipeline>()
            .expect("a pipeline");
        let (mouth, bus) = (bin.by_name("mouth").unwrap(), bin.bus().unwrap());
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            pipeline,
            mouth,
            bus,
            _watchdog: Watchdog::new("a remote mouth", Duration::from_secs(120)),
        }
    }

    pub fn say(&self, text: &str) {
        self.mouth.emit_by_name::<Option<String>>("say", &[&text]);
    }

    pub fn interrupt(&self) {
        self.mouth.emit_by_name::<()>("interrupt", &[]);
    }

    /// The next message of this name; no error comes before it.
    pub fn expect(&mut self, wanted: &str) -> gst::Structure {
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "no {wanted}");
            let Some(message) = self.bus.timed_pop(gst::ClockTime::from_mseconds(100)) else {
                continue;
            };
            assert_ne!(message.type_(), gst::MessageType::Error, "{message:?}");
            if let Some(structure) = message.structure()
                && structure.name() == wanted
            {
                return structure.to_owned();
            }
        }
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

#[test]
fn a_mouth_with_a_remote_voice_is_interrupted_to_the_word() {
    let worker = Worker::start();
    let mut mouth = Mouth::new(&worker);
    let all = [
        "to", "be", "or", "not", "that", "is", "the", "question", "whether", "it",
    ];
    let text = all.join(" ");
    for stop_at in ["be", "not", "question", "is", "it"] {
        mouth.say(&text);
        loop {
            let word = mouth.expect("ttssink/word");
            assert_eq!(word.get::<bool>("exact"), Ok(true), "{word}");
            if word.get::<&str>("text").unwrap() == stop_at {
                break;
            }
        }
        mouth.interrupt();
        let told = mouth.expect("ttssink/interrupted");
        let heard = told.get::<&str>("heard-text").unwrap().trim().to_owned();
        let unheard = told.get::<&str>("unheard-text").unwrap().trim().to_owned();
        assert_eq!(format!("{heard} {unheard}").trim(), text);
        // The word is announced when it begins: it is heard or cut, and those before it are heard.
        let count = heard.split_whitespace().count();
        let at = all.iter().position(|word| *word == stop_at).unwrap();
        assert!(count >= at, "{told}");
        worker.expect("queue_depth", 0.0);
    }
    // In NULL nothing is held any more, though the elements are still there.
    mouth.pipeline.set_state(gst::State::Null).unwrap();
    worker.expect("sessions", 0.0);
}
