// SPDX-License-Identifier: MPL-2.0

//! Threads that meet at bad moments: flushes, stops, states and text from several threads, with the processor given away
//! at random at every lock and push.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use gst::prelude::*;
use gstduplextts::playout::{Command, EarEvent, Notice, yields};

use super::rig::*;

/// Ends the other threads, also when a check fails.
struct Over<'a>(&'a AtomicBool, &'a Rig);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        yields::set_seed(0);
        self.1.flush();
    }
}

fn storm(seed: u64, sync: bool, rounds: usize) {
    let rig = Rig::new(if sync {
        "fakesink sync=true"
    } else {
        "fakesink sync=false"
    });
    rig.configure(|c| {
        c.commit_duration = Duration::from_millis(30);
        c.hold_limit = Duration::from_millis(60);
        c.prefetch = Duration::from_millis(100);
    });
    rig.play();
    rig.begin_stream();
    yields::set_seed(seed);
    let _watchdog = Watchdog::new(rig.beats.clone());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&over, &rig);
        // The synthesizer: talks without end, and takes refusals as a synthesizer does.
        scope.spawn(|| {
            let mut n = 0;
            while !over.load(Ordering::Relaxed) {
                n += 1;
                if rig.say(&format!("{n}"), "one two three four").is_err() {
                    std::thread::yield_now();
                }
            }
        });
        // The ear.
        scope.spawn(|| {
            let mut n = seed;
            while !over.load(Ordering::Relaxed) {
                n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let event = match (n >> 33) % 5 {
                    0 | 1 => EarEvent::Onset,
                    2 => EarEvent::Started,
                    3 => EarEvent::Cancelled,
                    _ => EarEvent::Ended,
                };
                rig.playout.ear(event);
                std::thread::sleep(Duration::from_micros((n >> 40) % 4_000));
            }
        });
        // Somebody who looks.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = rig.playout.stats();
                let _ = rig.src.peer_query_caps(None);
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        // The application and the mouth's control: here, so that a failed assertion ends the others.
        let mut n = seed ^ 0x5555;
        for _ in 0..rounds {
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(3);
            match (n >> 33) % 12 {
                0 => rig.playout.command(Command::Pause),
                1 | 2 => rig.playout.command(Command::Resume),
                3 => rig.playout.command(Command::Interrupt),
                4 => {
                    rig.pipeline.set_state(gst::State::Paused).unwrap();
                    rig.pipeline.set_state(gst::State::Playing).unwrap();
                }
                _ => rig.flush(),
            }
            std::thread::sleep(Duration::from_micros((n >> 40) % 2_000));
        }
    });
    yields::set_seed(0);
    // After all of that it still works. What was asked for before the flush is about what went before it.
    rig.playout.ear(EarEvent::Ended);
    rig.playout.command(Command::Resume);
    rig.playout.command(Command::Interrupt);
    rig.flush();
    rig.say("last", "one two").unwrap();
    rig.wait_finished("last");
    let source = [tone(0), tone(1)].concat();
    let samples = rig.samples();
    let tail = &samples[samples.len().saturating_sub(RATE as usize)..];
    assert!(find(tail, &source).is_some(), "seed {seed}");
    // Nothing was told twice, and nothing about an utterance after its end.
    let mut over: Vec<String> = Vec::new();
    for notice in rig.notices.lock().unwrap().iter() {
        match notice {
            Notice::Interrupted(report) if !report.id.is_empty() => {
                over.push(report.id.to_string())
            }
            Notice::Finished { id, .. } => over.push(id.to_string()),
            Notice::Started { id, .. } | Notice::Word { id, .. } => {
                assert!(
                    !over.contains(&id.to_string()),
                    "seed {seed}: {id} goes on after its end"
                );
            }
            _ => {}
        }
    }
    let told = over.len();
    over.sort();
    over.dedup();
    assert_eq!(told, over.len(), "seed {seed}: an utterance ended twice");
}

#[test]
fn flush_storms_with_a_sink_that_blocks() {
    for seed in 1..4 {
        storm(seed, true, 500);
    }
}

#[test]
fn flush_storms_with_a_sink_that_does_not() {
    for seed in 11..14 {
        storm(seed, false, 500);
    }
}

#[test]
fn ready_and_back_again_under_fire() {
    let rig = Rig::new("fakesink sync=true");
    let _watchdog = Watchdog::new(rig.beats.clone());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&over, &rig);
        scope.spawn(|| {
            let mut n = 0;
            while !over.load(Ordering::Relaxed) {
                n += 1;
                rig.begin_stream();
                let _ = rig.say(&format!("{n}"), "one two three four five six seven");
                std::thread::yield_now();
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                rig.playout.ear(EarEvent::Onset);
                std::thread::sleep(Duration::from_millis(3));
                rig.playout.ear(EarEvent::Cancelled);
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        for n in 0..100_u64 {
            rig.pipeline.set_state(gst::State::Playing).unwrap();
            std::thread::sleep(Duration::from_micros((n * 7_919) % 15_000));
            rig.pipeline.set_state(gst::State::Ready).unwrap();
        }
    });
    rig.notices.lock().unwrap().clear();
    rig.play();
    rig.begin_stream();
    rig.say("last", "one two").unwrap();
    rig.wait_finished("last");
}
