// SPDX-License-Identifier: MPL-2.0

//! Flushes and stops at any moment.

use std::time::{Duration, Instant};

use duplex_synthesis::tone;
use duplex_tests::{
    speaking::{Rig, brief, samples, utterances},
    watchdog::Watchdog,
};
use duplex_textpad::events::{UtteranceBegin, UtteranceEnd};
use gst::prelude::*;

use crate::{RATE, caps::query_latency, ends, init, texts};

#[test]
fn a_flush_ends_what_is_spoken_within_20_ms() {
    init();
    let rig = Rig::playing("tonetts");
    // A request that takes ten seconds, one that waits for text, one whose sound is not taken.
    for case in 0..3 {
        rig.clear();
        rig.element
            .set_property("first-delay", if case == 0 { 10_000_000_000u64 } else { 0 });
        rig.credit((case == 2).then_some(0));
        rig.push(if case == 1 { "One" } else { "One two three." })
            .unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let asked = Instant::now();
        rig.event(gst::event::FlushStart::new());
        rig.event(gst::event::FlushStop::new(true));
        let took = asked.elapsed();
        // 20 ms, and what a busy machine adds.
        assert!(took < Duration::from_millis(500), "case {case}: {took:?}");
        rig.element.set_property("first-delay", 0u64);
        rig.credit(None);
        let out = rig.out();
        assert_eq!(samples(&out).len(), 0, "case {case}: {:?}", brief(&out));
        rig.clear();
        rig.begin_bytes();
        rig.event(UtteranceBegin::new("after").to_event());
        rig.push("Seven.").unwrap();
        rig.event(UtteranceEnd::of_text("after").to_event());
        let out = rig.wait_for("the end", |out| ends(out) == 1);
        let spoken = utterances(&out);
        assert_eq!(
            (spoken[0].0.as_str(), spoken[0].1),
            ("after", gst::ClockTime::ZERO)
        );
        assert_eq!(texts(&out), ["Seven"]);
    }
    let stats: gst::Structure = rig.element.property("stats");
    assert_eq!(stats.get::<u64>("cancelled"), Ok(3));
    assert_eq!(stats.get::<u64>("utterances"), Ok(3));
}

/// After each flush another word, told by its pitch: nothing of an earlier text is heard.
#[test]
fn two_hundred_random_flushes_leave_nothing_stale() {
    init();
    let rig = Rig::playing("tonetts");
    rig.element.set_property("voice", "tone-text");
    rig.element.set_property("delay", 1_000_000u64);
    let vocabulary = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"];
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut heard_any = 0;
    for round in 0..200 {
        let word = vocabulary[round % vocabulary.len()];
        let pitch = tone::class_of_text(word);
        rig.clear();
        for _ in 0..1 + next(4) {
            let _ = rig.push(format!("{word} {word}, {word} {word} {word}. "));
        }
        if next(3) == 0 {
            rig.event(UtteranceEnd::of_text("").to_event());
            let _ = rig.push(format!("{word} {word}"));
        }
        std::thread::sleep(Duration::from_micros(next(12_000)));
        rig.event(gst::event::FlushStart::new());
        std::thread::sleep(Duration::from_micros(next(500)));
        rig.event(gst::event::FlushStop::new(next(2) == 0));
        rig.begin_bytes();
        let sound = samples(&rig.out());
        for piece in sound.chunks_exact(200) {
            if let Some(at) = tone::word_at(piece, RATE) {
                assert_eq!(at, pitch, "round {round}: a sample of another text");
                heard_any += 1;
            }
        }
    }
    assert!(heard_any > 100, "the flushes came before any sound");
}

/// Text, flushes, states and queries from three threads at once: nobody waits for ever.
#[test]
fn flushes_and_states_at_any_moment_hang_nobody() {
    init();
    let watchdog = Watchdog::new("text, flushes and states at once", Duration::from_secs(60));
    let rig = Rig::playing("tonetts");
    // A stream's text follows its segment: nobody pushes between a flush and that.
    let turn = std::sync::Mutex::new(());
    let over = std::sync::atomic::AtomicBool::new(false);
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    std::thread::scope(|scope| {
        let (rig, over, turn) = (&rig, &over, &turn);
        let is_over = || over.load(std::sync::atomic::Ordering::Relaxed);
        scope.spawn(move || {
            let mut round = 0;
            while !is_over() {
                round += 1;
                let turn = turn.lock().unwrap();
                if round % 3 == 0 {
                    rig.event(UtteranceBegin::new(format!("n-{round}")).to_event());
                }
                let _ = rig.push("One two three, four. Five");
                if round % 7 == 0 {
                    rig.event(gst::event::Eos::new());
                }
                drop(turn);
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        scope.spawn(move || {
            while !is_over() {
                query_latency(rig);
                let _: gst::Structure = rig.element.property("stats");
                rig.element.set_property("max-delay", 100_000u64);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        for round in 0..300 {
            std::thread::sleep(Duration::from_micros(next(2_000)));
            match next(4) {
                0 => {
                    rig.element.set_state(gst::State::Ready).unwrap();
                    let _turn = turn.lock().unwrap();
                    rig.element.set_state(gst::State::Playing).unwrap();
                    rig.begin_bytes_of_a_running_stream();
                }
                1 => {
                    rig.element.set_state(gst::State::Paused).unwrap();
                    rig.element.set_state(gst::State::Playing).unwrap();
                }
                _ => {
                    rig.event(gst::event::FlushStart::new());
                    std::thread::sleep(Duration::from_micros(next(300)));
                    let _turn = turn.lock().unwrap();
                    rig.event(gst::event::FlushStop::new(round % 2 == 0));
                    rig.begin_bytes_of_a_running_stream();
                }
            }
            if round % 50 == 49 {
                rig.clear();
            }
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    // It still speaks.
    rig.event(gst::event::FlushStart::new());
    rig.event(gst::event::FlushStop::new(true));
    rig.clear();
    rig.begin_bytes();
    rig.push("Six seven.").unwrap();
    assert_eq!(texts(&rig.drain()), ["Six", "seven"]);
    drop(watchdog);
}

#[test]
fn a_stop_in_the_middle_waits_for_nobody() {
    init();
    for case in 0..3 {
        let rig = Rig::playing("tonetts");
        match case {
            0 => rig.element.set_property("first-delay", 10_000_000_000u64),
            1 => rig.credit(Some(1)),
            _ => (),
        }
        std::thread::scope(|scope| {
            let pushing = scope.spawn(|| {
                let mut flow = Ok(gst::FlowSuccess::Ok);
                // Until the element refuses it.
                while flow.is_ok() {
                    flow = rig.push("One two three. ".repeat(1_000));
                }
                flow
            });
            std::thread::sleep(Duration::from_millis(100));
            let asked = Instant::now();
            // The task may wait in the neighbour's chain function, which its pad must end.
            rig.credit(None);
            rig.element.set_state(gst::State::Ready).unwrap();
            assert!(asked.elapsed() < Duration::from_secs(2), "case {case}");
            assert_eq!(pushing.join().unwrap(), Err(gst::FlowError::Flushing));
        });
    }
}
