// SPDX-License-Identifier: MPL-2.0

//! Workers that die or stand still, at any moment: one clear sentence, soon, and nobody hangs.

use std::{
    thread,
    time::{Duration, Instant},
};

use duplex_tests::{
    speaking::{Out, Rig, brief, utterances},
    watchdog::Watchdog,
    worker::{PATIENCE, Signal, Worker},
};
use duplex_textpad::events::UtteranceEnd;
use gst::prelude::*;

use crate::remote::{at, at_uri, bus, errors, playing, texts};

/// Within a second, and what a busy machine adds.
const NOTICED: Duration = Duration::from_secs(3);

fn sound(out: &[Out]) -> usize {
    out.iter()
        .filter(|out| matches!(out, Out::Sound { .. }))
        .count()
}

/// What the element is doing when something happens to its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// It waits for the end of a clause.
    Waiting,
    /// It takes sound as it comes.
    Speaking,
    /// Nobody takes its sound.
    Blocked,
}

const MOMENTS: [Moment; 3] = [Moment::Waiting, Moment::Speaking, Moment::Blocked];

/// An element in that moment.
fn at_moment(worker: &Worker, moment: Moment) -> Rig {
    let rig = playing(worker);
    // No timer of its own ends what waits for text.
    rig.element.set_property("max-delay", u64::MAX);
    match moment {
        Moment::Waiting => {
            rig.push("alpha bravo charlie, delta").unwrap();
            rig.wait_for("sound", |out| sound(out) >= 3);
        }
        // Some minutes of sound, which come sooner than that.
        Moment::Speaking => {
            rig.push("alpha bravo charlie delta. ".repeat(2_000))
                .unwrap();
            rig.wait_for("sound", |out| sound(out) >= 3);
        }
        Moment::Blocked => {
            rig.credit(Some(3));
            rig.push("alpha bravo charlie delta. ".repeat(200)).unwrap();
            rig.wait_for("sound", |out| sound(out) >= 3);
        }
    }
    rig
}

/// Waits for the one error; its sentence.
fn the_error(bus: &gst::Bus) -> String {
    let message = bus
        .timed_pop_filtered(gst::ClockTime::from_seconds(20), &[gst::MessageType::Error])
        .expect("an ERROR");
    match message.view() {
        gst::MessageView::Error(error) => error.error().to_string(),
        _ => unreachable!(),
    }
}

fn a_worker_is_lost(signal: Signal, words: &[&str]) {
    for moment in MOMENTS {
        let _watchdog = Watchdog::new("a lost worker", Duration::from_secs(60));
        let worker = Worker::start();
        let rig = at_moment(&worker, moment);
        let bus = bus(&rig);
        worker.signal(signal);
        let since = Instant::now();
        // What is taken from here on ends sooner than the worker would have ended it.
        rig.credit(None);
        let sentence = the_error(&bus);
        let took = since.elapsed();
        assert!(took < NOTICED, "{moment:?}: {took:?}");
        assert!(sentence.contains(&worker.address.to_string()), "{sentence}");
        assert!(
            words.iter().any(|word| sentence.contains(word)),
            "{sentence}"
        );
        // One is enough, whatever is tried afterwards.
        let _ = rig.push("echo. ");
        rig.event(UtteranceEnd::of_text("").to_event());
        rig.event(gst::event::Eos::new());
        thread::sleep(Duration::from_millis(100));
        assert_eq!(errors(&bus), [""; 0], "{moment:?}: after {sentence}");
        rig.stop();
        assert_eq!(errors(&bus), [""; 0], "{moment:?}: after {sentence}");
    }
}

#[test]
fn a_worker_that_is_killed_is_one_error() {
    a_worker_is_lost(Signal::Kill, &["is gone"]);
}

#[test]
fn a_worker_that_is_frozen_is_one_error() {
    a_worker_is_lost(Signal::Freeze, &["no longer answers"]);
}

#[test]
fn a_worker_frozen_for_less_than_a_moment_loses_nothing() {
    let worker = Worker::start();
    let rig = playing(&worker);
    let bus = bus(&rig);
    rig.credit(Some(2));
    rig.push("alpha bravo charlie delta. ".repeat(20)).unwrap();
    rig.wait_for("sound", |out| sound(out) >= 2);
    worker.signal(Signal::Freeze);
    rig.credit(Some(4));
    thread::sleep(Duration::from_millis(100));
    worker.signal(Signal::Thaw);
    rig.credit(None);
    assert_eq!(texts(&rig.drain()).len(), 80);
    assert_eq!(errors(&bus), [""; 0]);
}

/// EOS, flushes and the way to NULL, before there was text, during and after, at workers dead and frozen.
#[test]
fn ends_and_flushes_hang_in_no_state() {
    for signal in [Signal::Kill, Signal::Freeze] {
        for moment in [
            None,
            Some(Moment::Waiting),
            Some(Moment::Speaking),
            Some(Moment::Blocked),
        ] {
            for act in ["eos", "flush", "null", "flush, then eos"] {
                let what = format!("{act} at {moment:?} after {signal:?}");
                let _watchdog = Watchdog::new(&what, Duration::from_secs(30));
                let worker = Worker::start();
                let rig = match moment {
                    None => playing(&worker),
                    Some(moment) => at_moment(&worker, moment),
                };
                let bus = bus(&rig);
                worker.signal(signal);
                let since = Instant::now();
                if act.contains("flush") {
                    rig.event(gst::event::FlushStart::new());
                    rig.event(gst::event::FlushStop::new(true));
                    rig.begin_bytes_of_a_running_stream();
                    rig.credit(None);
                }
                if act.contains("eos") {
                    rig.credit(None);
                    rig.event(gst::event::Eos::new());
                    // It is passed on, or an error says why not.
                    let mut failed = Vec::new();
                    let end = Instant::now() + PATIENCE;
                    while failed.is_empty() && !rig.out().contains(&Out::Eos) {
                        assert!(Instant::now() < end, "{what}: neither an end nor an error");
                        thread::sleep(Duration::from_millis(5));
                        failed.extend(errors(&bus));
                    }
                    // Where nothing was being spoken any more there is nothing to complain about. (Who is
                    // killed may be missed before the flush.)
                    let flushed = act.contains("flush") && signal == Signal::Freeze;
                    if moment.is_none() || flushed {
                        assert_eq!(failed, [""; 0], "{what}");
                    }
                    assert!(failed.len() <= 1, "{what}: {failed:?}");
                }
                // As a sink does, which goes first.
                rig.credit(None);
                rig.stop();
                assert!(
                    since.elapsed() < NOTICED * 2,
                    "{what}: {:?}",
                    since.elapsed()
                );
                assert!(errors(&bus).len() <= 1, "{what}");
            }
        }
    }
}

/// After a flush nothing is under way: a frozen worker is noticed by the next text.
#[test]
fn a_frozen_worker_is_noticed_at_the_next_text() {
    let worker = Worker::start();
    let rig = at_moment(&worker, Moment::Waiting);
    let bus = bus(&rig);
    worker.signal(Signal::Freeze);
    rig.event(gst::event::FlushStart::new());
    rig.event(gst::event::FlushStop::new(true));
    rig.begin_bytes();
    thread::sleep(Duration::from_millis(50));
    let since = Instant::now();
    let _ = rig.push("Anybody there? ");
    let sentence = the_error(&bus);
    assert!(since.elapsed() < NOTICED, "{:?}", since.elapsed());
    assert!(sentence.contains("no longer answers"), "{sentence}");
}

#[test]
fn a_frozen_worker_is_told_before_anything_starts() {
    let worker = Worker::start();
    worker.signal(Signal::Freeze);
    let rig = at(&worker);
    rig.element.set_property("connect-timeout", 500_000_000u64);
    let bus = bus(&rig);
    assert!(rig.element.set_state(gst::State::Ready).is_err());
    let told = errors(&bus);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("did not answer within 500 ms"), "{told:?}");
}

#[test]
fn a_worker_that_is_back_speaks_again() {
    let mut worker = Worker::start();
    let uri = worker.uri();
    // One that is told by an error, and one that stays in PLAYING and has nothing to say meanwhile.
    let (spoke, idle) = (playing(&worker), at_uri(&uri));
    idle.start();
    idle.begin_bytes();
    let idle_bus = bus(&idle);
    for _ in 0..3 {
        let bus = bus(&spoke);
        spoke.credit(Some(2));
        spoke.push("alpha bravo charlie. ".repeat(50)).unwrap();
        spoke.wait_for("sound", |out| sound(out) >= 2);
        let address = worker.kill();
        spoke.credit(None);
        the_error(&bus);
        // Nobody is there: that is told too.
        spoke.stop();
        assert!(spoke.element.set_state(gst::State::Ready).is_err());
        let told = errors(&bus);
        assert!(told[0].contains("no worker listens"), "{told:?}");
        worker = Worker::start_at(address);
        spoke.clear();
        spoke.start();
        spoke.begin_bytes();
        spoke.push("Here again.").unwrap();
        spoke.event(UtteranceEnd::of_text("").to_event());
        let out = spoke.wait_for("the end", |out| utterances_ended(out) == 1);
        assert_eq!(texts(&out), ["Here", "again"]);

        idle.clear();
        idle.push("Good morning.").unwrap();
        idle.event(UtteranceEnd::of_text("").to_event());
        let out = idle.wait_for("the end", |out| {
            utterances_ended(out) == 1 || !errors_seen(&idle_bus).is_empty()
        });
        assert_eq!(texts(&out), ["Good", "morning"], "{:?}", brief(&out));
    }
}

fn errors_seen(bus: &gst::Bus) -> Vec<String> {
    let seen = errors(bus);
    assert_eq!(seen, [""; 0]);
    seen
}

fn utterances_ended(out: &[Out]) -> usize {
    out.iter().filter(|out| matches!(out, Out::End(..))).count()
}

/// Its session was idle for too long, or the worker was started anew behind a name that stays.
#[test]
fn a_session_that_the_worker_forgot_is_opened_again() {
    let worker = Worker::start();
    let rig = playing(&worker);
    let bus = bus(&rig);
    for round in 0..5 {
        rig.clear();
        let stats: gst::Structure = rig.element.property("stats");
        let session = stats.get::<String>("session-id").unwrap();
        worker.forget(&session);
        worker.expect("sessions", 0.0);
        // All at once, or word by word while the worker is being asked.
        if round % 2 == 0 {
            rig.push("alpha bravo charlie delta.").unwrap();
        } else {
            for word in ["alpha ", "bravo ", "char", "lie ", "delta."] {
                rig.push(word).unwrap();
            }
        }
        rig.event(UtteranceEnd::of_text("").to_event());
        let out = rig.wait_for("the end", |out| utterances_ended(out) == 1);
        assert_eq!(texts(&out), ["alpha", "bravo", "charlie", "delta"]);
        assert_eq!(utterances(&out).len(), 1);
        assert_eq!(worker.metric("sessions"), 1.0);
    }
    assert_eq!(errors(&bus), [""; 0]);
}

/// A worker that is asked to end lets everybody finish, and takes nobody new.
#[test]
fn a_worker_that_shuts_down_lets_speech_end() {
    let worker = Worker::start();
    let rig = playing(&worker);
    let bus = bus(&rig);
    rig.credit(Some(2));
    rig.push("alpha bravo charlie delta. ".repeat(20)).unwrap();
    rig.wait_for("sound", |out| sound(out) >= 2);
    worker.signal(Signal::Interrupt);
    thread::sleep(Duration::from_millis(100));
    rig.credit(None);
    assert_eq!(texts(&rig.drain()).len(), 80);
    assert_eq!(errors(&bus), [""; 0]);
}
