// SPDX-License-Identifier: MPL-2.0

//! Who may interrupt the mouth, and what that changes elsewhere: nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use duplex_textpad::events::Decision;
use gst::prelude::*;

use crate::{
    clock::FastClock,
    line::{self, Line, Story},
};

const LIVE: &str = "audiotestsrc is-live=true samplesperbuffer=441 ! testear name=ears";
const MOUTH: &str = "ttssink name=mouth synthesizer=tonetts interrupted-by=ears \
                     audio-sink=\"fakesink sync=true\"";
const LONG: &str = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike \
                    november oscar papa quebec romeo sierra tango uniform victor whiskey xray.";

#[test]
fn an_onset_pauses_and_the_commit_drops() {
    let mut line = Line::playing(&format!("{LIVE} ! fakesink {MOUTH}"));
    let ear = line.ear("ears");
    line.say(LONG);
    line.expect_word("charlie");
    ear.hear("speech-onset");
    let paused = line.expect("ttssink/paused");
    assert!(paused.get::<u64>("left-at").unwrap() >= paused.get::<u64>("decided-at").unwrap());
    let told = line.expect("ttssink/interrupted");
    assert_eq!(told.get::<&str>("reason").unwrap(), "onset-commit");
    assert!(
        told.get::<&str>("heard-text")
            .unwrap()
            .starts_with("alpha bravo"),
        "{told}"
    );
    let heard = told.get::<&str>("heard-text").unwrap().trim();
    let unheard = told.get::<&str>("unheard-text").unwrap().trim();
    assert_eq!(format!("{heard} {unheard}"), LONG);
    ear.hear("speech-ended");
    line.words();
    line.say("and now");
    line.expect_word("now");
}

#[test]
fn a_noise_pauses_and_no_word_is_lost() {
    let mut line = Line::playing(&format!("{LIVE} ! fakesink {MOUTH}"));
    let ear = line.ear("ears");
    line.say("alpha bravo charlie delta echo foxtrot");
    for word in ["bravo", "delta"] {
        line.expect_word(word);
        ear.hear("speech-onset");
        line.expect("ttssink/paused");
        ear.hear("speech-cancelled");
        line.expect("ttssink/resumed");
    }
    line.expect("ttssink/utterance-finished");
    line.expect_no("ttssink/interrupted", Duration::ZERO);
    assert_eq!(line.words().last().unwrap(), "foxtrot");
}

#[test]
fn an_ear_without_onsets_and_a_mouth_that_does_not_listen() {
    let mut line = Line::playing(&format!("{LIVE} ! fakesink {MOUTH} interruption=immediate"));
    let ear = line.ear("ears");
    line.say(LONG);
    line.expect_word("bravo");
    ear.hear("speech-started");
    line.expect("ttssink/interrupted");
    ear.hear("speech-ended");
    line.mouth.set_property_from_str("interruption", "none");
    line.words();
    line.say("alpha bravo charlie");
    line.expect_word("alpha");
    ear.hear("speech-onset");
    ear.hear("speech-started");
    line.expect("ttssink/utterance-finished");
    line.expect_no("ttssink/paused", Duration::ZERO);
}

/// With a live ear and a file's, with text and without, in one chain and in two.
#[test]
fn every_shape_of_line_reaches_playing_within_a_second() {
    line::init();
    let story = Story::new("alpha bravo.");
    let file = "audiotestsrc num-buffers=100000 samplesperbuffer=441 ! testear name=ears";
    let mut slow = Vec::new();
    for (ear, sink) in [(LIVE, "fakesink"), (file, "fakesink sync=true")] {
        for shape in [
            format!("{ear} ! {sink} {MOUTH}"),
            format!("{ear} ! {sink} {} ! {MOUTH}", story.line()),
            format!("{ear} ! {sink} appsrc caps=text/x-raw,format=utf8 ! {MOUTH}"),
            format!("{ear} ! testscribe ! {MOUTH}"),
            format!("{ear} ! testscribe text=alpha ! {MOUTH}"),
            format!("{ear} ! queue ! testscribe ! queue ! {MOUTH}"),
        ] {
            // A machine that is busy with other tests gets a second chance to be quick, not a longer second.
            let took = (0..3)
                .map(|_| {
                    let mut line = Line::new(&shape);
                    let begin = Instant::now();
                    line.play();
                    begin.elapsed()
                })
                .find(|took| *took < Duration::from_secs(1));
            if took.is_none() {
                slow.push(shape);
            }
        }
    }
    assert!(slow.is_empty(), "not PLAYING within 1 s: {slow:#?}");
}

/// From `say` to the mouth's first word and from the onset to silence, each by running time.
fn quickness(latency: u64) -> (u64, u64, u64) {
    let mut line = Line::playing(&format!(
        "{LIVE} latency={latency} ! fakesink sync=true {MOUTH}"
    ));
    let ear = line.ear("ears");
    // The ear's chain is as late as it says.
    std::thread::sleep(Duration::from_millis(200));
    let now = |line: &Line| line.mouth.current_running_time().unwrap().nseconds();
    let said = now(&line);
    line.say(LONG);
    let first = line
        .expect_word("alpha")
        .get::<u64>("running-time")
        .unwrap();
    line.expect_word("bravo");
    let passed = ear.passed();
    ear.hear("speech-onset");
    let paused = line.expect("ttssink/paused");
    let stop = |field| paused.get::<u64>(field).unwrap() - paused.get::<u64>("decided-at").unwrap();
    assert!(ear.passed() >= passed);
    (first - said, stop("left-at"), stop("sounds-until"))
}

#[test]
fn an_ear_that_is_two_seconds_late_delays_neither_the_first_word_nor_the_stop() {
    let prompt = quickness(0);
    let late = quickness(2_000_000_000);
    const SLACK: u64 = 150_000_000;
    assert!(late.0 < prompt.0 + SLACK, "{late:?} {prompt:?}");
    assert!(late.1 < prompt.1 + SLACK, "{late:?} {prompt:?}");
    assert!(late.2 < prompt.2 + SLACK, "{late:?} {prompt:?}");
}

#[test]
fn fifty_pipelines_of_the_same_names_do_not_hear_each_other() {
    let mut lines: Vec<Line> = (0..50)
        .map(|_| Line::playing(&format!("{LIVE} ! fakesink {MOUTH}")))
        .collect();
    for line in &lines {
        assert!(line.say(&LONG.repeat(4)).is_some());
    }
    for line in &mut lines {
        line.expect_word("bravo");
    }
    for line in lines.iter().skip(1).step_by(2) {
        line.ear("ears").hear("speech-onset");
    }
    for line in lines.iter_mut().skip(1).step_by(2) {
        line.expect("ttssink/interrupted");
    }
    for line in lines.iter_mut().step_by(2) {
        line.expect_no("ttssink/paused", Duration::ZERO);
        line.expect_word("delta");
    }
}

#[test]
fn the_ear_hears_what_the_mouth_plays() {
    let mut line = Line::playing(&format!("{LIVE} ! fakesink {MOUTH}"));
    line.say("alpha");
    line.expect("ttssink/utterance-finished");
    let (frames, loud) = line.ear("ears").far_end();
    assert!(loud >= 10 && frames > loud, "{loud} of {frames}");
}

fn refused(shape: &str) -> String {
    let line = Line::new(shape);
    assert!(
        line.pipeline.set_state(gst::State::Playing).is_err(),
        "{shape}"
    );
    line.error().expect("a sentence")
}

#[test]
fn a_name_that_fits_two_ears_or_none_is_an_error_that_names_them() {
    line::init();
    let two = refused(&format!(
        "{LIVE} ! fakesink bin.( name=room audiotestsrc is-live=true ! testear name=ears ! fakesink ) {MOUTH}"
    ));
    assert_eq!(
        two,
        "interrupted-by=ears could be any of /ears, /room/ears: give the path of the one"
    );
    for path in ["/ears", "room/ears", "/room/ears"] {
        let mouth = MOUTH.replace("interrupted-by=ears", &format!("interrupted-by={path}"));
        let line = Line::playing(&format!(
            "{LIVE} ! fakesink bin.( name=room audiotestsrc is-live=true ! testear name=ears ! fakesink ) {mouth}"
        ));
        let ear = line.mouth.property::<gst::Structure>("stats");
        let ear = ear.get::<String>("ear").unwrap();
        assert!(
            ear.contains("ears") && ear.contains("room") == path.contains("room"),
            "{ear}"
        );
    }
    let none = refused(MOUTH);
    assert!(
        none.starts_with("interrupted-by=ears: there is no element of that name"),
        "{none}"
    );
    let deaf = refused(&format!(
        "audiotestsrc is-live=true name=ears ! fakesink {MOUTH}"
    ));
    assert_eq!(
        deaf,
        "interrupted-by=ears: /ears cannot interrupt, audiotestsrc has no signal speech-started (vad and vadsrc have)"
    );
}

#[test]
fn an_ear_may_come_later_and_go() {
    let mut line = Line::playing(&format!("{MOUTH} interrupted-by-optional=true"));
    line.say(&LONG.repeat(3));
    line.expect_word("alpha");
    let bin = gst::parse::bin_from_description(
        "audiotestsrc is-live=true ! testear name=ears ! fakesink async=false",
        false,
    )
    .unwrap();
    line.pipeline.add(&bin).unwrap();
    bin.sync_state_with_parent().unwrap();
    let ear = line.ear("ears");
    ear.hear("speech-onset");
    line.expect("ttssink/paused");
    ear.hear("speech-cancelled");
    line.expect("ttssink/resumed");
    line.pipeline.remove(&bin).unwrap();
    ear.hear("speech-onset");
    line.expect_no("ttssink/paused", Duration::from_millis(200));
    bin.set_state(gst::State::Null).unwrap();
}

#[test]
fn an_ear_of_another_pipeline_is_set_as_an_element() {
    let other = Line::playing(&format!(
        "{LIVE} ! fakesink ttssink name=mouth synthesizer=tonetts audio-sink=fakesink"
    ));
    let ear = other.ear("ears");
    let mut line = Line::new(&MOUTH.replace("interrupted-by=ears", ""));
    line.mouth.set_property("interrupter", &ear);
    line.play();
    line.say(LONG);
    line.expect_word("bravo");
    ear.hear("speech-onset");
    line.expect("ttssink/interrupted");
}

#[test]
fn handlers_are_gone_after_the_mouth_has_stopped() {
    let mut line = Line::playing(&format!("{LIVE} ! fakesink {MOUTH}"));
    let ear = line.ear("ears");
    let connected = |ear: &duplex_tests::standins::TestEar| {
        let id = gst::glib::subclass::SignalId::lookup("speech-onset", ear.type_()).unwrap();
        gst::glib::signal::signal_has_handler_pending(ear, id, None, true)
    };
    assert!(connected(&ear));
    line.pipeline.set_state(gst::State::Ready).unwrap();
    assert!(!connected(&ear));
    line.play();
    assert!(connected(&ear));
    line.say(LONG);
    line.expect_word("alpha");
    ear.hear("speech-onset");
    line.expect("ttssink/interrupted");
}

/// How many buffers pass a pad.
fn count(line: &Line, element: &str, pad: &str) -> Arc<AtomicU64> {
    let pad = line.pipeline.by_name(element).unwrap().static_pad(pad);
    let passed = Arc::new(AtomicU64::new(0));
    let counter = passed.clone();
    pad.unwrap()
        .add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    passed
}

/// The recogniser writes faster than anybody speaks, and is held up for that; the ear before it is not.
#[test]
fn an_ear_chain_that_blocks_for_ten_seconds_loses_no_buffer_and_delays_nothing() {
    const MS: u64 = 1_000_000;
    let text = "alpha, ".repeat(100);
    for (each, text) in [("false", ""), ("true", text.as_str())] {
        let mut line = Line::new(&format!(
            "audiotestsrc name=nature is-live=true samplesperbuffer=441 ! testear name=ears \
             ! queue name=between max-size-buffers=0 max-size-bytes=0 max-size-time=0 \
             ! testscribe name=scribe each={each} text=\"{text}\" ! {MOUTH} text-queue-size=200"
        ));
        let blocks = each == "true";
        let (made, read) = (
            count(&line, "nature", "src"),
            count(&line, "scribe", "sink"),
        );
        let clock = FastClock::of(&line.pipeline);
        // The source and playout: time goes on only when both have done their work.
        clock.wait_for(2);
        clock.run();
        line.play();
        if !blocks {
            line.say(&LONG.repeat(10));
        }
        line.expect("ttssink/word");
        let begin = made.load(Ordering::Relaxed);
        clock.pass(10 * gst::ClockTime::SECOND);
        let ear = line.ear("ears");
        let passed = ear.passed();
        let heard = passed - begin;
        assert!(
            (999..=1_010).contains(&heard),
            "{heard} buffers of 10 ms in 10 s"
        );
        let waiting = line.pipeline.by_name("between").unwrap();
        let waiting = waiting.property::<u32>("current-level-buffers");
        assert_eq!(waiting > 500, blocks, "{waiting}");

        ear.hear("speech-onset");
        let paused = line.expect("ttssink/paused");
        let after =
            |field| paused.get::<u64>(field).unwrap() - paused.get::<u64>("decided-at").unwrap();
        assert!(after("left-at") <= 10 * MS, "{paused}");
        assert!(after("sounds-until") <= 28 * MS, "lead and fade: {paused}");
        ear.hear("speech-started");
        line.expect("ttssink/interrupted");
        ear.hear("speech-ended");
        // What had to wait is discarded, and all that the ear has heard arrives.
        let end = Instant::now() + line::PATIENCE;
        while read.load(Ordering::Relaxed) < passed {
            assert!(Instant::now() < end, "{read:?} of {passed}");
            std::thread::sleep(Duration::from_millis(1));
        }
        // As soon as there is sound it is heard.
        clock.stop();
        std::thread::sleep(Duration::from_millis(20));
        line.words();
        let said = line.mouth.current_running_time().unwrap().nseconds();
        line.say("first.");
        while line.stat("queued") == 0 && line.stat("position") == 0 {
            assert!(Instant::now() < end, "no sound");
            std::thread::sleep(Duration::from_millis(1));
        }
        clock.run();
        let first = line.expect_word("first");
        let first = first.get::<u64>("running-time").unwrap();
        assert!(first <= said + 20 * MS, "{first} {said}");
        assert_eq!(made.load(Ordering::Relaxed).abs_diff(ear.passed()) / 2, 0);
    }
}

#[test]
fn a_story_that_an_ear_interrupts_ten_times_reaches_its_end() {
    // Each interruption costs what the synthesizer holds, some 64 KiB.
    let words: Vec<String> = (0..200_000).map(|n| format!("word{n}")).collect();
    let story = Story::new(words.join(" ") + ".");
    let mut line = Line::new(&format!(
        "{LIVE} ! fakesink {} ! {MOUTH} after-interruption=continue text-queue-size=4096",
        story.line()
    ));
    let clock = FastClock::of(&line.pipeline);
    clock.run();
    line.play();
    // The ear never ends, so the pipeline does not either.
    let inside = line.mouth.downcast_ref::<gst::Bin>().unwrap().children();
    let sink = inside
        .iter()
        .find(|child| child.name().starts_with("fakesink"));
    let (tell, ended) = std::sync::mpsc::channel();
    let pad = sink.unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if info
            .event()
            .is_some_and(|event| event.type_() == gst::EventType::Eos)
        {
            let _ = tell.send(());
        }
        gst::PadProbeReturn::Ok
    });
    let ear = line.ear("ears");
    for n in 0..=10 {
        line.words();
        line.expect("ttssink/word");
        if n == 10 {
            line.mouth
                .set_property_from_str("after-interruption", "discard");
        }
        ear.hear("speech-onset");
        ear.hear("speech-started");
        let told = line.expect("ttssink/interrupted");
        assert_eq!(told.get::<&str>("reason").unwrap(), "onset-commit");
        assert!(told.get::<u64>("position").unwrap() > 0, "{told}");
        assert!(told.get::<u64>("unheard-characters").unwrap() > 0, "{told}");
        ear.hear("speech-ended");
    }
    ended
        .recv_timeout(line::PATIENCE)
        .expect("the end of the story");
}

#[test]
fn an_ear_that_cancels_echo_gets_its_probe_last_before_the_sink() {
    let mut line = Line::playing(
        "vadsrc name=ears echo-cancel=true audio-source=\"audiotestsrc is-live=true wave=silence\" ! fakesink \
         ttssink name=mouth synthesizer=tonetts interrupted-by=ears audio-sink=\"fakesink name=out sync=true\"",
    );
    line.say("alpha bravo charlie");
    line.expect("ttssink/utterance-finished");
    let ears = line.pipeline.by_name("ears").unwrap();
    let name = ears.property::<String>("echo-probe");
    let probe = line
        .pipeline
        .by_name(&name)
        .expect("the probe bears the name that the ear knows");
    assert_eq!(probe.factory().unwrap().name(), "webrtcechoprobe");
    // Behind it there are converters and the sink only. The mouth starts again from READY, and from NULL.
    let bin = line.mouth.downcast_ref::<gst::Bin>().unwrap().clone();
    for state in [gst::State::Ready, gst::State::Null] {
        let before = bin.children().len();
        for word in ["delta", "echo", "foxtrot"] {
            line.pipeline.set_state(state).unwrap();
            line.play();
            line.say(word);
            line.expect_word(word);
            assert_eq!(bin.children().len(), before);
            assert!(line.pipeline.by_name(&name).is_some());
        }
    }
    line.pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(bin.children().len(), 2);
}

#[test]
fn an_ear_that_comes_later_gets_its_probe_too() {
    let mut line = Line::playing(
        "ttssink name=mouth synthesizer=tonetts interrupted-by=ears interrupted-by-optional=true \
         audio-sink=\"fakesink name=out sync=true\"",
    );
    line.say(&LONG.repeat(2));
    line.expect_word("bravo");
    let mut name = String::new();
    for _ in 0..2 {
        let bin = gst::parse::bin_from_description(
            "vadsrc name=ears echo-cancel=true audio-source=\"audiotestsrc is-live=true wave=silence\" \
             ! fakesink async=false",
            false,
        )
        .unwrap();
        line.pipeline.add(&bin).unwrap();
        bin.sync_state_with_parent().unwrap();
        name = bin.by_name("ears").unwrap().property("echo-probe");
        let probe = line.pipeline.by_name(&name).expect("there is its probe");
        // Sound goes through it.
        let pad = probe.static_pad("src").unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let id = pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let _ = tell.send(());
            gst::PadProbeReturn::Ok
        });
        told.recv_timeout(line::PATIENCE).expect("sound");
        pad.remove_probe(id.unwrap());
        line.words();
        line.expect("ttssink/word");
        bin.set_state(gst::State::Null).unwrap();
        line.pipeline.remove(&bin).unwrap();
    }
    assert!(line.error().is_none());
    assert!(line.pipeline.by_name(&name).is_some());
}

#[test]
fn the_mouth_knows_the_latency_of_its_sink_without_the_application() {
    const MS: u64 = 1_000_000;
    // Nobody reads the bus.
    let line = Line::playing(
        "appsrc caps=text/x-raw,format=utf8 ! ttssink name=mouth synthesizer=tonetts \
         audio-sink=\"fakesink name=out sync=true\"",
    );
    let latency = |line: &Line, wanted: u64| {
        let end = Instant::now() + line::PATIENCE;
        while line.stat("latency") != wanted {
            assert!(
                Instant::now() < end,
                "{} ns, not {wanted}",
                line.stat("latency")
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    latency(&line, 0);
    let sink = line.pipeline.by_name("out").unwrap();
    for wanted in [70, 30] {
        sink.set_property("render-delay", wanted * MS);
        latency(&line, wanted * MS);
    }
    // And when it comes to a pipeline that plays already.
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", true)
        .property("render-delay", 50 * MS)
        .build()
        .unwrap();
    let synthesizer = gst::ElementFactory::make("tonetts").build().unwrap();
    let mouth = gst::ElementFactory::make("ttssink")
        .property("synthesizer", &synthesizer)
        .property("audio-sink", &sink)
        .build()
        .unwrap();
    line.pipeline.add(&mouth).unwrap();
    mouth.sync_state_with_parent().unwrap();
    let stats = mouth.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u64>("latency"), Ok(50 * MS));
}

#[test]
fn a_recogniser_commits_and_dismisses() {
    let mut line = Line::playing(&format!(
        "{LIVE} ! fakesink {MOUTH} commit-duration=60000000000"
    ));
    let ear = line.ear("ears");
    line.say(LONG);
    line.expect_word("bravo");
    // `mhm`: the rest of that stretch of speech does not matter any more.
    ear.hear("speech-onset");
    line.expect("ttssink/paused");
    line.act("dismiss");
    line.expect("ttssink/resumed");
    ear.hear("speech-started");
    line.expect_word("charlie");
    ear.hear("speech-ended");
    // `Stop!`: no need to wait.
    ear.hear("speech-onset");
    line.expect("ttssink/paused");
    line.act("commit");
    let told = line.expect("ttssink/interrupted");
    assert_eq!(told.get::<&str>("reason").unwrap(), "onset-commit");
    assert_eq!(told.get::<&str>("marks").unwrap(), "exact");
    ear.hear("speech-ended");
    // Without anybody who speaks both are about nothing.
    line.say("and so on");
    line.expect_word("and");
    line.act("commit");
    line.act("dismiss");
    line.expect("ttssink/utterance-finished");
    line.expect_no("ttssink/paused", Duration::ZERO);
}

/// The same by the event of a recogniser upstream, which overtakes the text; and "mhm … but wait".
#[test]
fn a_recogniser_upstream_commits_and_dismisses() {
    let mut line = Line::playing(&format!(
        "{LIVE} ! fakesink {MOUTH} commit-duration=60000000000"
    ));
    let ear = line.ear("ears");
    let sink = line.mouth.static_pad("sink").unwrap();
    let decides = |decision: Decision| assert!(sink.send_event(decision.to_event()));
    line.say(LONG);
    line.expect_word("bravo");
    ear.hear("speech-onset");
    line.expect("ttssink/paused");
    decides(Decision::Dismiss);
    line.expect("ttssink/resumed");
    ear.hear("speech-started");
    line.expect_word("charlie");
    decides(Decision::Commit);
    let told = line.expect("ttssink/interrupted");
    assert_eq!(told.get::<&str>("reason").unwrap(), "onset-commit");
    ear.hear("speech-ended");
    line.say("and so on");
    line.expect("ttssink/utterance-finished");
    line.expect_no("ttssink/paused", Duration::ZERO);
}

#[test]
fn words_of_a_synthesizer_that_tells_no_places_are_estimated() {
    // Nothing of the events of gst-duplex comes through.
    let mut line = Line::playing(
        "ttssink name=mouth synthesizer=\"tonetts ! identity name=inner\" \
         audio-sink=\"fakesink sync=true\"",
    );
    let inner = line.pipeline.by_name("inner").unwrap();
    inner
        .static_pad("sink")
        .unwrap()
        .add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
            let custom = gst::EventType::CustomDownstream;
            if info.event().is_none_or(|event| event.type_() != custom) {
                return gst::PadProbeReturn::Ok;
            }
            info.data = None;
            gst::PadProbeReturn::Handled
        });
    line.say("alpha bravo charlie delta echo foxtrot golf hotel india juliett");
    line.expect("ttssink/utterance-started");
    std::thread::sleep(Duration::from_millis(600));
    line.act("interrupt");
    let told = line.expect("ttssink/interrupted");
    assert_eq!(told.get::<&str>("marks").unwrap(), "estimated", "{told}");
}

#[test]
fn an_ear_whose_signals_want_an_answer_is_refused() {
    line::init();
    let told = refused(&format!(
        "audiotestsrc is-live=true ! testasker name=ears ! fakesink {MOUTH}"
    ));
    assert_eq!(
        told,
        "interrupted-by=ears: /ears cannot interrupt, testasker has no signal speech-started without a return value \
         (vad and vadsrc have)"
    );
}
