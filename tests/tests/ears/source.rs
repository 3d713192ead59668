// SPDX-License-Identifier: MPL-2.0

//! `vadsrc`: an ear with a source of its own, always live.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use duplex_tests::ending::expect_eos;
use duplex_tests::plugins;
use gst::prelude::*;

use crate::exchange::Exchange;
use crate::rig::{Out, listen_to, signals};

const CALLER: &str = "filesrc location=/usr/share/sounds/alsa/Front_Center.wav ! wavparse";

fn bin(line: &str) -> gst::Element {
    plugins::init();
    gst::parse::bin_from_description(line, true)
        .unwrap()
        .upcast()
}

/// A pipeline `vadsrc ! fakesink` and what its ear says. The sink is quick: when a buffer
/// arrives is up to the ear.
struct Ears {
    pipeline: gst::Pipeline,
    ears: gst::Element,
    out: Arc<Mutex<Vec<Out>>>,
}

impl Ears {
    fn new(source: Option<gst::Element>) -> Self {
        plugins::init();
        let ears = gst::ElementFactory::make("vadsrc")
            .name("ears")
            .build()
            .unwrap();
        ears.set_property("audio-source", source);
        let sink = gst::ElementFactory::make("fakesink")
            .property("sync", false)
            .build()
            .unwrap();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&ears, &sink]).unwrap();
        ears.link(&sink).unwrap();
        let out = Arc::new(Mutex::new(Vec::new()));
        listen_to(&ears, &out);
        Self {
            pipeline,
            ears,
            out,
        }
    }

    fn play(&self) {
        self.pipeline.set_state(gst::State::Playing).unwrap();
    }

    fn wait_for_eos(&self) {
        expect_eos(&self.pipeline);
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn a_file_is_heard_as_a_microphone_would_hear_it() {
    let test = Ears::new(Some(bin(CALLER)));
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let pipeline = test.pipeline.downgrade();
    let noted = arrivals.clone();
    test.ears
        .static_pad("src")
        .unwrap()
        .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let pipeline = pipeline.upgrade().unwrap();
            let now = pipeline.current_running_time().unwrap();
            let buffer = info.buffer().unwrap();
            let end = buffer.pts().unwrap() + buffer.duration().unwrap();
            noted
                .lock()
                .unwrap()
                .push((now, end, buffer.duration().unwrap()));
            gst::PadProbeReturn::Ok
        })
        .unwrap();
    // Live sources have no data in PAUSED.
    assert_eq!(
        test.pipeline.set_state(gst::State::Paused),
        Ok(gst::StateChangeSuccess::NoPreroll)
    );
    std::thread::sleep(Duration::from_millis(200));
    assert!(arrivals.lock().unwrap().is_empty());
    test.play();
    let mut query = gst::query::Latency::new();
    assert!(test.ears.static_pad("src").unwrap().query(&mut query));
    assert_eq!(
        query.result(),
        (true, gst::ClockTime::from_mseconds(10), None)
    );
    test.wait_for_eos();
    let arrivals = arrivals.lock().unwrap();
    assert!(arrivals.len() > 140, "{}", arrivals.len());
    for (now, end, duration) in arrivals.iter() {
        assert!(now >= end, "audio up to {end} was there at {now}");
        assert!(*duration <= gst::ClockTime::from_mseconds(10));
    }
    let out = signals(&test.out.lock().unwrap());
    assert!(out.len() >= 3, "{out:?}");
    assert_eq!(out[0].0, "speech-onset");
    assert_eq!(out.last().unwrap().0, "speech-ended");
}

#[test]
fn a_pause_does_not_lose_or_hurry_the_file() {
    let test = Ears::new(Some(bin(CALLER)));
    test.play();
    let began = Instant::now();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(
        test.pipeline.set_state(gst::State::Paused),
        Ok(gst::StateChangeSuccess::NoPreroll)
    );
    std::thread::sleep(Duration::from_millis(500));
    test.play();
    test.wait_for_eos();
    assert!(began.elapsed() > Duration::from_millis(1428 + 450));
    assert!(signals(&test.out.lock().unwrap()).len() >= 3);
}

#[test]
fn unpaced_files_run_free() {
    let test = Ears::new(Some(bin(CALLER)));
    test.ears.set_property_from_str("pace", "never");
    test.play();
    test.wait_for_eos();
    assert!(signals(&test.out.lock().unwrap()).len() >= 3);
}

#[test]
fn an_ear_that_joins_late_hears_its_file_from_the_start() {
    let test = Ears::new(Some(bin("audiotestsrc is-live=true wave=silence")));
    test.play();
    std::thread::sleep(Duration::from_millis(1500));
    let late = gst::ElementFactory::make("vadsrc")
        .name("late")
        .build()
        .unwrap();
    late.set_property("audio-source", bin(CALLER));
    let sink = gst::ElementFactory::make("fakesink")
        // A sink that waits for data in PAUSED would wait for ever for a live one.
        .property("async", false)
        .property("sync", false)
        .build()
        .unwrap();
    let out = Arc::new(Mutex::new(Vec::new()));
    listen_to(&late, &out);
    test.pipeline.add_many([&late, &sink]).unwrap();
    late.link(&sink).unwrap();
    let joined = test.pipeline.current_running_time().unwrap().mseconds();
    sink.sync_state_with_parent().unwrap();
    late.sync_state_with_parent().unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while signals(&out.lock().unwrap())
        .iter()
        .all(|s| s.0 != "speech-onset")
    {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(10));
    }
    let (_, at, onset) = signals(&out.lock().unwrap())[0];
    assert!(
        at >= joined + 100 && onset >= joined,
        "{at}, {onset}, joined at {joined}"
    );
}

#[test]
fn two_pipelines_each_with_ears_do_not_hear_each_other() {
    let speaks = Ears::new(Some(bin(CALLER)));
    let silent = Ears::new(Some(bin("audiotestsrc is-live=true wave=silence")));
    silent.play();
    speaks.play();
    speaks.wait_for_eos();
    assert!(signals(&speaks.out.lock().unwrap()).len() >= 3);
    assert!(silent.out.lock().unwrap().is_empty());
    // What one's agent plays is not the other's business.
    speaks.ears.emit_by_name::<()>(
        "far-end",
        &[&crate::rig::far_end(
            Duration::ZERO,
            Duration::from_millis(10),
            -10.0,
        )],
    );
    let name = |ears: &gst::Element| ears.property::<String>("echo-probe");
    assert_ne!(name(&speaks.ears), name(&silent.ears));
}

#[test]
fn messages_carry_the_name_of_the_ear() {
    let test = Ears::new(Some(bin(CALLER)));
    test.play();
    let bus = test.pipeline.bus().unwrap();
    let message = bus
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(10),
            &[gst::MessageType::Element],
        )
        .unwrap();
    assert_eq!(message.src().unwrap().name(), "ears");
    let s = message.structure().unwrap();
    assert_eq!(
        (s.name().as_str(), s.get("state")),
        ("voice-activity", Ok("tentative"))
    );
}

/// A buffer that left the ear: GAP, DISCONT, when.
type Arrival = (bool, bool, gst::ClockTime);

#[test]
fn callers_come_and_go_and_silence_flows_between() {
    let exchange = Exchange::new();
    let test = Ears::new(Some(exchange.clone().upcast()));
    let heard: Arc<Mutex<Vec<Arrival>>> = Arc::default();
    let (noted, pipeline) = (heard.clone(), test.pipeline.downgrade());
    test.ears
        .static_pad("src")
        .unwrap()
        .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let buffer = info.buffer().unwrap();
            let gap = buffer.flags().contains(gst::BufferFlags::GAP);
            let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);
            let now = pipeline.upgrade().and_then(|p| p.current_running_time());
            noted
                .lock()
                .unwrap()
                .push((gap, discont, now.unwrap_or_default()));
            gst::PadProbeReturn::Ok
        })
        .unwrap();
    let wait = |what: &str, done: &dyn Fn(&[Arrival]) -> bool| {
        let until = Instant::now() + Duration::from_secs(10);
        while !done(&heard.lock().unwrap()) {
            assert!(
                Instant::now() < until,
                "{what}: {:?}",
                heard.lock().unwrap().len()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        std::mem::take(&mut *heard.lock().unwrap())
    };
    test.play();
    let silence = wait("silence before", &|h| h.len() > 10);
    assert!(silence.iter().all(|(gap, ..)| *gap));
    for round in 0..3 {
        let caller = exchange.call(&format!("audio_{round}"));
        let both = wait("the caller", &|h| h.iter().filter(|h| !h.0).count() > 10);
        let first = both.iter().position(|h| !h.0).unwrap();
        assert!(both[first].1, "DISCONT at caller {round}");
        assert!(both[first..].iter().all(|h| !h.0), "one of them at a time");
        exchange.hang_up(&caller, round % 2 == 0);
        wait("silence after", &|h| h.iter().filter(|h| h.0).count() > 10);
    }
    let bus = test.pipeline.bus().unwrap();
    assert!(
        bus.pop_filtered(&[gst::MessageType::Eos]).is_none(),
        "no caller ends the stream"
    );
    let error = bus.pop_filtered(&[gst::MessageType::Error]);
    assert!(error.is_none(), "{error:?}");
}

fn told(line: &str) -> (bool, String) {
    let mut command = plugins::command("gst-launch-1.0");
    command.args(["-m"]).args(shell_words(line));
    let output = command.output().unwrap();
    (output.status.success(), plugins::told(&output))
}

/// The words of a line, as a shell would split it.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[test]
fn lines_as_typed() {
    let (ok, told) = self::told(&format!(
        "vadsrc name=ears audio-source=\"{CALLER} ! audioconvert\" ! fakesink"
    ));
    assert!(ok, "{told}");
    assert!(
        told.contains("element \"ears\" (element): voice-activity"),
        "{told}"
    );
    for state in ["tentative", "started", "ended"] {
        assert!(told.contains(&format!("state=(string){state}")), "{told}");
    }
    let (ok, told) = self::told(&format!(
        "{CALLER} ! vad mode=gate engine=earshot ! fakesink"
    ));
    assert!(ok && told.contains("voice-activity"), "{told}");
}

#[test]
fn bad_sources_are_named() {
    let cases = [
        (
            "vadsrc ! fakesink",
            "no sound device: start PulseAudio or PipeWire",
        ),
        (
            "vadsrc audio-source=fakesink ! fakesink",
            "has no source pad; is it a sink?",
        ),
        (
            "vadsrc audio-source=videotestsrc ! fakesink",
            "gives no raw audio",
        ),
        (
            "vadsrc audio-source=\"filesrc location=/nowhere.wav ! wavparse\" ! fakesink",
            "/nowhere.wav",
        ),
    ];
    for (line, sentence) in cases {
        let (ok, told) = self::told(line);
        assert!(!ok, "{line} succeeds: {told}");
        assert!(told.contains(sentence), "{line}: {told}");
    }
}
