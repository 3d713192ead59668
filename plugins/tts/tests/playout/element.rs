// SPDX-License-Identifier: MPL-2.0

//! On the system's clock. Times are asserted only as orders of magnitude: other work shares the machine.

use std::time::Duration;

use gst::prelude::*;
use gstduplextts::playout::{Command, EarEvent, Notice, Reason};

use super::rig::*;

#[test]
fn silence_flows_before_any_text() {
    let rig = Rig::new("fakesink sync=true processing-deadline=0");
    rig.play();
    let out = rig.wait("ten frames", |r| Some(r.out()).filter(|o| o.len() >= 10));
    assert!(out[0].discont);
    for pair in out.windows(2) {
        assert_eq!(pair[0].pts + pair[0].duration, pair[1].pts);
        assert!(!pair[1].discont);
    }
    assert!(out.iter().all(|o| o.samples == [0; RATE as usize / 100]));

    let mut query = gst::query::Latency::new();
    assert!(rig.playout.static_pad("src").unwrap().query(&mut query));
    assert_eq!(query.result(), (true, gst::ClockTime::ZERO, None));
}

#[test]
fn speech_comes_out_as_it_went_in() {
    let rig = Rig::new("fakesink sync=true");
    rig.play();
    rig.begin_stream();
    rig.say("a", "one two three").unwrap();
    rig.say("b", "four").unwrap();
    rig.wait_finished("b");
    let source: Vec<i16> = [tone(0), tone(1), tone(2), tone(0)].concat();
    let samples = rig.samples();
    let start = find(&samples, &source).expect("the words are whole and follow one another");
    assert!(samples[..start].iter().all(|&s| s == 0));
    let names: Vec<String> = rig
        .notices
        .lock()
        .unwrap()
        .iter()
        .map(|n| match n {
            Notice::Started { id, .. } => format!("started {id}"),
            Notice::Word { id, text, .. } => format!("{id} {text}"),
            Notice::Finished {
                id, samples, words, ..
            } => format!("finished {id} {samples} {words}"),
            other => format!("{other:?}"),
        })
        .collect();
    let expected = [
        "started a",
        "a one",
        "a two",
        "a three",
        "finished a 2400 3",
        "started b",
        "b four",
        "finished b 800 1",
    ];
    assert_eq!(names, expected);
    assert_eq!(rig.playout.stats().get::<u64>("utterances-finished"), Ok(2));
}

#[test]
fn a_stop_closes_the_gate_until_the_flush() {
    let rig = Rig::new("fakesink sync=true");
    rig.play();
    rig.begin_stream();
    std::thread::scope(|scope| {
        let synth =
            scope.spawn(|| rig.say("a", "one two three four five six seven eight nine ten"));
        rig.wait_word("three");
        rig.playout.command(Command::Interrupt);
        let report = rig.wait_interrupted();
        assert_eq!(&*report.id, "a");
        assert_eq!(report.reason, Reason::Action);
        assert!(report.heard_text.starts_with("one two"), "{report:?}");
        let whole = format!("{} {}", report.heard_text, report.unheard_text);
        assert_eq!(whole, "one two three four five six seven eight nine ten");
        assert!(report.left_at >= report.decided_at && report.sounds_until >= report.left_at);
        // The gate: what is still being made is taken and dropped, and the synthesizer never waits for it.
        assert_eq!(synth.join().unwrap(), Ok(()));
        assert!(rig.playout.is_gated());
    });
    assert_eq!(
        rig.say("dropped", "one two three four five six seven"),
        Ok(())
    );
    rig.flush();
    assert!(!rig.playout.is_gated());
    let silence_from = rig.out().len();
    rig.say("b", "one").unwrap();
    rig.wait_finished("b");
    let after: Vec<i16> = rig.out()[silence_from..]
        .iter()
        .flat_map(|o| o.samples.clone())
        .collect();
    let start = find(&after, &tone(0)).expect("the new text is heard");
    assert!(after[..start].iter().all(|&s| s == 0), "nothing before it");
}

#[test]
fn an_onset_pauses_and_its_cancellation_resumes_at_the_cut_word() {
    let rig = Rig::new("fakesink sync=true");
    rig.configure(|c| c.commit_duration = Duration::from_secs(30));
    rig.play();
    rig.begin_stream();
    rig.say("a", "one two three four").unwrap();
    rig.wait_word("two");
    rig.playout.ear(EarEvent::Onset);
    let paused = rig.wait_notice("a pause", |n| match n {
        Notice::Paused(paused) => Some(paused.clone()),
        _ => None,
    });
    assert!(paused.by_ear && paused.position > 0);
    std::thread::sleep(Duration::from_millis(50));
    rig.playout.ear(EarEvent::Cancelled);
    rig.wait_finished("a");
    let resumed = rig.wait_notice("a resume", |n| match n {
        Notice::Resumed(resumed) => Some(resumed.clone()),
        _ => None,
    });
    assert_eq!(resumed.from_word, paused.cut_word);
    assert!(resumed.position <= paused.position);
    // The word where it resumed, from 5 ms on, and everything after it came out whole.
    let word = (resumed.position / 100_000_000) as usize;
    let rest: Vec<i16> = (word..4).flat_map(tone).collect();
    let rise = RATE as usize / 200;
    assert!(find(&rig.samples(), &rest[rise..]).is_some());
    let words = rig
        .notices
        .lock()
        .unwrap()
        .iter()
        .filter(|n| matches!(n, Notice::Word { .. }))
        .count();
    assert_eq!(words, 4, "each word is told once");
}

#[test]
fn an_onset_that_lasts_is_an_interruption() {
    let rig = Rig::new("fakesink sync=true");
    rig.play();
    rig.begin_stream();
    rig.say("a", "one two three four five").unwrap();
    rig.say("b", "behind").unwrap();
    rig.wait_word("two");
    rig.playout.ear(EarEvent::Onset);
    let report = rig.wait_interrupted();
    assert_eq!(report.reason, Reason::OnsetCommit);
    assert!(report.committed_at - report.decided_at >= 250_000_000);
    assert!(
        report.left_at < report.committed_at,
        "it fell silent at the onset"
    );
    assert_eq!(report.also_unheard.len(), 1);
    assert_eq!(report.also_unheard[0].text, "behind");
}

#[test]
fn eos_is_passed_on_when_everything_was_played() {
    let rig = Rig::new("fakesink sync=true");
    rig.play();
    rig.begin_stream();
    rig.say("a", "one two").unwrap();
    rig.src.push_event(gst::event::Eos::new());
    rig.wait_eos();
    rig.wait_finished("a");
    let source = [tone(0), tone(1)].concat();
    assert!(find(&rig.samples(), &source).is_some());
}

#[test]
fn a_full_queue_holds_the_synthesizer_and_a_flush_frees_it() {
    let rig = Rig::new("fakesink sync=true");
    rig.configure(|c| c.prefetch = Duration::from_millis(200));
    rig.playout.command(Command::Pause);
    rig.play();
    rig.begin_stream();
    std::thread::scope(|scope| {
        let text = "one two three four five six seven eight nine ten";
        let synth = scope.spawn(|| rig.say("a", text));
        rig.wait("a full queue", |r| {
            (r.playout.stats().get::<u64>("queued").unwrap() >= 200_000_000).then_some(())
        });
        std::thread::sleep(Duration::from_millis(50));
        assert!(!synth.is_finished());
        assert!(rig.playout.stats().get::<u64>("queued").unwrap() < 221_000_000);
        rig.flush();
        assert_eq!(synth.join().unwrap(), Err(gst::FlowError::Flushing));
    });
    let report = rig.wait_interrupted();
    assert_eq!((report.reason, &*report.heard_text), (Reason::Flush, ""));
    assert!(report.unheard_text.starts_with("one two"));
}

#[test]
fn without_sync_there_is_no_silence_and_no_waiting() {
    let rig = Rig::new("fakesink sync=false");
    rig.configure(|c| c.sync = false);
    rig.play();
    rig.begin_stream();
    rig.say("a", "one two three").unwrap();
    rig.say("b", "four").unwrap();
    rig.wait_finished("b");
    let source: Vec<i16> = [tone(0), tone(1), tone(2), tone(0)].concat();
    assert_eq!(rig.samples(), source);
    assert_eq!(rig.out()[0].pts, gst::ClockTime::ZERO);
}

#[test]
fn the_format_is_what_downstream_takes() {
    let rig = Rig::new("audioconvert ! audio/x-raw,rate=16000,channels=2 ! fakesink sync=true");
    let caps = rig.src.peer_query_caps(None);
    let structure = caps.structure(0).unwrap();
    assert_eq!(structure.get::<i32>("rate"), Ok(16_000));
    assert_eq!(
        structure.get::<i32>("channels"),
        Ok(1),
        "audioconvert does the rest"
    );
    let rig = Rig::new("fakesink sync=true");
    let caps = rig.src.peer_query_caps(None);
    assert_eq!(
        caps.structure(0).unwrap().get::<i32>("rate"),
        Ok(RATE as i32)
    );
    let rig = Rig::new(
        "capsfilter caps=audio/x-raw,format=S16LE,rate=44100,channels=2,channel-mask=(bitmask)3 ! fakesink",
    );
    let caps = rig.src.peer_query_caps(None);
    assert_eq!(caps.structure(0).unwrap().get::<i32>("channels"), Ok(2));
}

#[test]
fn a_sink_that_takes_no_audio_is_an_error_with_a_sentence() {
    let rig = Rig::new("capsfilter name=filter ! fakesink");
    let filter = rig.pipeline.by_name("filter").unwrap();
    filter.set_property_from_str("caps", "video/x-raw");
    rig.pipeline.set_state(gst::State::Playing).unwrap();
    let bus = rig.pipeline.bus().unwrap();
    let message = bus
        .timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Error])
        .expect("an error");
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    assert!(
        error.error().message().contains("audioconvert"),
        "{error:?}"
    );
}

#[test]
fn a_panic_in_the_task_is_an_error_and_frees_the_synthesizer() {
    let rig = Rig::new("fakesink sync=true");
    rig.configure(|c| c.prefetch = Duration::from_millis(100));
    let panics = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = panics.clone();
    rig.playout
        .set_frame_listener(Some(std::sync::Arc::new(move |_, _, _| {
            assert!(
                !now.load(std::sync::atomic::Ordering::Relaxed),
                "on purpose"
            );
        })));
    rig.play();
    rig.begin_stream();
    std::thread::scope(|scope| {
        let synth = scope.spawn(|| rig.say("a", "one two three four five six seven eight"));
        rig.wait_word("one");
        panics.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(synth.join().unwrap(), Err(gst::FlowError::Error));
    });
    let bus = rig.pipeline.bus().unwrap();
    let message = bus
        .timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Error])
        .expect("an error");
    assert_eq!(message.src(), Some(rig.playout.upcast_ref()));
    // It stops as it should, and starts again.
    panics.store(false, std::sync::atomic::Ordering::Relaxed);
    rig.pipeline.set_state(gst::State::Ready).unwrap();
    rig.play();
    rig.begin_stream();
    rig.say("b", "one").unwrap();
    rig.wait_finished("b");
}

#[test]
fn events_of_others_travel_with_the_sound_and_flushes_do_not() {
    let rig = Rig::new("fakesink sync=true");
    let seen: std::sync::Arc<std::sync::Mutex<Vec<gst::Event>>> = Default::default();
    let events = seen.clone();
    rig.playout.static_pad("src").unwrap().add_probe(
        gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH,
        move |_, info| {
            events
                .lock()
                .unwrap()
                .push(info.event().unwrap().to_owned());
            gst::PadProbeReturn::Ok
        },
    );
    rig.play();
    rig.begin_stream();
    rig.flush();
    let foreign = gst::Structure::new_empty("rstranscribe/speaker-change");
    rig.src
        .push_event(gst::event::CustomDownstream::new(foreign));
    rig.wait("the foreign event", |_| {
        let seen = seen.lock().unwrap();
        seen.iter()
            .any(|e| {
                e.structure()
                    .is_some_and(|s| s.name() == "rstranscribe/speaker-change")
            })
            .then_some(())
    });
    let types: Vec<_> = seen.lock().unwrap().iter().map(|e| e.type_()).collect();
    use gst::EventType::*;
    assert_eq!(types, [StreamStart, Caps, Segment, CustomDownstream]);
}

#[test]
fn the_latency_event_of_the_sink_sets_the_render_times() {
    let rig = Rig::new("fakesink sync=true");
    rig.play();
    let latency = 50 * gst::ClockTime::MSECOND;
    let sink = rig.pipeline.iterate_sinks().next().unwrap().unwrap();
    sink.send_event(gst::event::Latency::new(latency));
    rig.wait("the latency", |r| {
        (r.playout.stats().get::<u64>("latency") == Ok(latency.nseconds())).then_some(())
    });
    rig.begin_stream();
    rig.say("a", "one").unwrap();
    rig.wait_finished("a");
    let started = rig.wait_notice("the start", |n| match n {
        Notice::Started { running_time, .. } => Some(*running_time),
        _ => None,
    });
    let samples = rig.samples();
    let first = samples.iter().position(|&s| s != 0).unwrap();
    let pts = rig.out()[0].pts.nseconds() + first as u64 * 1_000_000_000 / u64::from(RATE);
    assert_eq!(started, pts + latency.nseconds());
}

/// A sink is exchanged while speech plays: what is queued and what is under way goes on in the new format.
#[test]
fn another_format_downstream_does_not_end_the_sound() {
    let rig = Rig::new("capsfilter name=filter caps=audio/x-raw,rate=8000 ! fakesink sync=true");
    rig.play();
    rig.begin_stream();
    rig.say("a", "one two three four").unwrap();
    rig.wait_word("two");
    let filter = rig.pipeline.by_name("filter").unwrap();
    filter.set_property_from_str("caps", "audio/x-raw,rate=16000,channels=2");
    rig.wait("the new format", |_| {
        let caps = filter.static_pad("src")?.current_caps()?;
        (caps.structure(0)?.get::<i32>("rate") == Ok(16_000)).then_some(())
    });
    rig.say("b", "one").unwrap();
    rig.wait_finished("b");
    let wide: Vec<usize> = rig.out().iter().map(|o| o.samples.len()).collect();
    assert!(wide.contains(&80) && wide.contains(&320), "{wide:?}");
    let finished = rig.wait_notice("the end of b", |n| match n {
        Notice::Finished { id, samples, .. } if &**id == "b" => Some(*samples),
        _ => None,
    });
    assert_eq!(finished, 1_600, "at the rate of playout");
    let told = rig.notices.lock().unwrap();
    let words = told
        .iter()
        .filter(|n| matches!(n, Notice::Word { .. }))
        .count();
    assert_eq!(words, 5);
}

#[test]
fn frames_are_reported_with_their_level() {
    let rig = Rig::new("fakesink sync=true");
    let levels: std::sync::Arc<std::sync::Mutex<Vec<(gst::ClockTime, f64)>>> = Default::default();
    let seen = levels.clone();
    rig.playout
        .set_frame_listener(Some(std::sync::Arc::new(move |time, duration, level| {
            assert_eq!(duration, 10 * gst::ClockTime::MSECOND);
            seen.lock().unwrap().push((time, level));
        })));
    rig.play();
    rig.begin_stream();
    rig.say("a", "one").unwrap();
    rig.wait_finished("a");
    let levels = levels.lock().unwrap();
    // A square wave of 8,000: 20 log10(8000 / 32768).
    let loud = levels
        .iter()
        .filter(|(_, db)| (db + 12.25).abs() < 0.1)
        .count();
    assert!((9..=10).contains(&loud), "{levels:?}");
    assert!(levels.iter().any(|(_, db)| *db == -120.0));
    assert!(levels.windows(2).all(|w| w[0].0 < w[1].0));
}

#[test]
fn after_eos_a_flush_begins_anew_and_an_interruption_is_answered() {
    let rig = Rig::new("fakesink sync=true");
    rig.play();
    rig.begin_stream();
    rig.say("a", "one").unwrap();
    rig.src.push_event(gst::event::Eos::new());
    rig.wait_eos();
    rig.playout.command(Command::Interrupt);
    let report = rig.wait_interrupted();
    assert_eq!(&*report.id, "");
    rig.flush();
    rig.say("b", "one two").unwrap();
    rig.wait_finished("b");
    let source = [tone(0), tone(1)].concat();
    assert!(find(&rig.samples(), &source).is_some());
    rig.src.push_event(gst::event::Eos::new());
    rig.wait_eos();
}

/// Through the converters of the mouth: positions begin anew with every utterance, and no hole is made of that.
#[test]
fn utterances_come_whole_through_a_resampler() {
    let rig = Rig::new("fakesink sync=true");
    let resample = gst::ElementFactory::make("audioresample").build().unwrap();
    rig.pipeline.add(&resample).unwrap();
    rig.src
        .unlink(&rig.playout.static_pad("sink").unwrap())
        .unwrap();
    rig.src.link(&resample.static_pad("sink").unwrap()).unwrap();
    resample.link(&rig.playout).unwrap();
    rig.playout.set_preferred_rate(Some(44_100));
    rig.play();
    rig.begin_stream();
    for id in ["a", "b", "c"] {
        rig.say(id, "one two three").unwrap();
    }
    rig.wait_finished("c");
    let finished: Vec<u64> = rig
        .notices
        .lock()
        .unwrap()
        .iter()
        .filter_map(|n| match n {
            Notice::Finished { samples, .. } => Some(*samples),
            _ => None,
        })
        .collect();
    assert_eq!(finished.len(), 3);
    for samples in finished {
        // 300 ms, less what the resampler still holds back.
        assert!((12_900..=13_240).contains(&samples), "{samples}");
    }
    assert!(rig.out().iter().all(|o| o.samples.len() == 441));
    assert_eq!(rig.playout.stats().get::<u64>("stray-samples"), Ok(0));
}
