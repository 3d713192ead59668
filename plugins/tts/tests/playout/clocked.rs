// SPDX-License-Identifier: MPL-2.0

//! On a test clock: every time is exact, and a sink that syncs blocks in push for just as long as it would.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gst::prelude::*;
use gst_check::TestClock;
use gstduplextts::playout::{EarEvent, Notice, element::Playout};

use super::rig::*;

const MS: gst::ClockTime = gst::ClockTime::MSECOND;

/// Whoever waits is woken at the time it waits for, the earliest first, until something has happened. Returns how often.
#[track_caller]
fn run(clock: &TestClock, what: &str, mut happened: impl FnMut() -> bool) -> u64 {
    let mut wakes = 0;
    let end = Instant::now() + Duration::from_secs(20);
    while !happened() {
        assert!(
            Instant::now() < end,
            "{what} did not happen until {:?}",
            clock.time()
        );
        if clock.peek_id_count() > 0 && clock.crank() {
            wakes += 1;
        } else {
            std::thread::yield_now();
        }
    }
    wakes
}

/// Makes time pass up to that time exactly and does something then, in the midst of whatever waits.
#[track_caller]
fn at(clock: &TestClock, time: gst::ClockTime, what: impl FnOnce() + Send + 'static) {
    let done = Arc::new(AtomicBool::new(false));
    let flag = done.clone();
    let id = clock.new_single_shot_id(time);
    id.wait_async(move |_, _, _| {
        what();
        flag.store(true, Ordering::SeqCst);
    })
    .unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while !done.load(Ordering::SeqCst) {
        assert!(Instant::now() < end, "nobody waits until {time}");
        // Our own wait, and that of the task or of the sink: whoever still works comes first.
        if clock.peek_id_count() < 2 || !clock.crank() {
            std::thread::yield_now();
        }
    }
}

/// A pipeline that has all it will say, and begins to play.
fn rig(sink: &str, texts: &[(&str, &str)]) -> (Rig, TestClock) {
    gst::init().unwrap();
    let clock = TestClock::new();
    let rig = Rig::new(sink);
    rig.configure(|c| c.prefetch = Duration::from_secs(60));
    rig.pipeline.use_clock(Some(&clock));
    rig.pipeline.set_state(gst::State::Paused).unwrap();
    rig.begin_stream();
    for (id, text) in texts {
        rig.say(id, text).unwrap();
    }
    rig.pipeline.set_state(gst::State::Playing).unwrap();
    (rig, clock)
}

fn told(rig: &Rig, notice: impl Fn(&Notice) -> bool) -> bool {
    rig.notices.lock().unwrap().iter().any(notice)
}

fn finished(rig: &Rig) -> bool {
    told(rig, |n| matches!(n, Notice::Finished { .. }))
}

fn word(rig: &Rig, word: &str) -> bool {
    told(
        rig,
        |n| matches!(n, Notice::Word { text, .. } if **text == *word),
    )
}

fn interrupted(rig: &Rig) -> bool {
    told(rig, |n| matches!(n, Notice::Interrupted(_)))
}

#[test]
fn silence_leaves_at_its_own_time_and_speech_a_lead_ahead() {
    let (rig, clock) = rig("fakesink sync=false", &[("a", "one two three four")]);
    run(&clock, "the end", || finished(&rig));
    run(&clock, "silence", || {
        rig.playout.stats().get::<u64>("silent-frames").unwrap() > 20
    });
    let mut speech = 0;
    for out in rig.out() {
        let ahead = out.pts.nseconds() as i64 - out.at.nseconds() as i64;
        if out.samples.iter().all(|&s| s == 0) {
            assert_eq!(ahead, 0, "{out:?}");
        } else {
            speech += 1;
            assert!((0..=10_000_000).contains(&ahead), "{ahead} at {:?}", out.at);
        }
    }
    assert_eq!(speech, 40);
}

/// The sink blocks in push up to a frame's render time. The decision falls anywhere into that, and the last sample that
/// is not silent is pushed a frame later at most.
#[test]
fn a_stop_leaves_within_a_frame_of_the_decision() {
    let mut longest = 0;
    for n in 0..100_u64 {
        let (rig, clock) = rig("fakesink sync=true", &[("a", "one two three four five")]);
        let playout = rig.playout.clone();
        run(&clock, "one", || word(&rig, "one"));
        let decision = gst::ClockTime::from_useconds(60_000 + 2_713 * n);
        at(&clock, decision, move || playout.ear(EarEvent::Onset));
        run(&clock, "an interruption", || interrupted(&rig));
        let report = rig.wait_interrupted();
        assert_eq!(report.decided_at, decision.nseconds());
        let leaves = report.left_at.checked_sub(report.decided_at).unwrap();
        longest = longest.max(leaves);
        assert!(leaves <= 10_000_000, "{report:?}");
        let sounds = report.sounds_until - report.decided_at;
        assert!(sounds <= 28_000_000, "lead and fade: {report:?}");
        let late = report.committed_at - report.decided_at;
        assert_eq!(late, 350_000_000, "the commit comes at its time");
        let last = rig
            .out()
            .iter()
            .rfind(|o| o.samples.iter().any(|&s| s != 0))
            .unwrap()
            .at;
        assert_eq!(
            last.nseconds(),
            report.left_at,
            "what is told is what was seen"
        );
        assert_eq!(rig.playout.stats().get::<u64>("underruns"), Ok(0));
    }
    assert!(longest > 8_000_000, "the sink did not block");
}

/// A sound that lasts almost as long as the commit takes is called off by the ear 64 ms after its end, when that time is up.
#[test]
fn a_sound_that_ends_just_before_the_commit_drops_nothing() {
    for lasts in [186, 200, 220, 240, 250] {
        let (rig, clock) = rig("fakesink sync=true", &[("a", "one two three four five")]);
        run(&clock, "one", || word(&rig, "one"));
        let decided = gst::ClockTime::from_mseconds(80);
        let playout = rig.playout.clone();
        at(&clock, decided, move || playout.ear(EarEvent::Onset));
        let playout = rig.playout.clone();
        let called_off = decided + gst::ClockTime::from_mseconds(lasts + 64);
        at(&clock, called_off, move || playout.ear(EarEvent::Cancelled));
        run(&clock, "the end", || finished(&rig));
        assert!(!interrupted(&rig), "{lasts} ms");
        assert!(
            told(&rig, |n| matches!(n, Notice::Resumed(_))),
            "{lasts} ms"
        );
    }
}

#[test]
fn paused_freezes_the_position_and_a_new_base_time_is_a_discontinuity() {
    let (rig, clock) = rig(
        "fakesink sync=true processing-deadline=0",
        &[("a", "one two three four")],
    );
    run(&clock, "two", || word(&rig, "two"));
    // Running time stands still in PAUSED: what follows follows on.
    rig.pipeline.set_state(gst::State::Paused).unwrap();
    let position = rig.playout.stats().get::<u64>("position").unwrap();
    clock.advance_time(500_000_000);
    std::thread::sleep(Duration::from_millis(30));
    let later = rig.playout.stats().get::<u64>("position").unwrap();
    assert!(
        later <= position + 10_000_000,
        "at most the frame that was under way"
    );
    rig.pipeline.set_state(gst::State::Playing).unwrap();
    run(&clock, "three", || word(&rig, "three"));
    assert_eq!(
        rig.out().iter().filter(|o| o.discont).count(),
        1,
        "the first frame only"
    );
    // An application that sets base times itself may begin anew.
    rig.pipeline.set_state(gst::State::Paused).unwrap();
    clock.advance_time(7_000_000_000);
    rig.pipeline.set_start_time(gst::ClockTime::NONE);
    rig.pipeline.set_base_time(gst::ClockTime::ZERO);
    rig.pipeline.set_state(gst::State::Playing).unwrap();
    run(&clock, "the end", || finished(&rig));
    let source: Vec<i16> = (0..4).flat_map(tone).collect();
    assert!(
        find(&rig.samples(), &source).is_some(),
        "not a sample is missing"
    );
    let out = rig.out();
    let jump = out
        .iter()
        .skip(1)
        .position(|o| o.discont)
        .expect("a discontinuity")
        + 1;
    assert!(out[jump].pts >= 7 * gst::ClockTime::SECOND);
    for pair in out[..jump].windows(2).chain(out[jump..].windows(2)) {
        assert_eq!(pair[0].pts + pair[0].duration, pair[1].pts);
    }
}

#[test]
fn words_are_told_at_their_render_time() {
    let (rig, clock) = rig("fakesink sync=true", &[]);
    let told: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let (seen, element) = (told.clone(), rig.playout.downgrade());
    rig.playout.set_listener(Some(Arc::new(move |notice| {
        if let Notice::Word { running_time, .. } = notice {
            let now = element
                .upgrade()
                .and_then(|e: Playout| e.current_running_time());
            seen.lock()
                .unwrap()
                .push((running_time, now.unwrap().nseconds()));
        }
    })));
    // The sink's own, which the pipeline sends round on the way to PLAYING.
    rig.wait("the latency", |r| {
        (r.playout.stats().get::<u64>("latency") == Ok(20_000_000)).then_some(())
    });
    rig.say("a", "one two three").unwrap();
    run(&clock, "three words", || told.lock().unwrap().len() == 3);
    let told = told.lock().unwrap().clone();
    for (due, at) in &told {
        assert!(at >= due && *at <= due + 10_000_000, "{told:?}");
    }
    assert_eq!(told[1].0 - told[0].0, 100 * MS.nseconds());
    assert_eq!(told[2].0 - told[1].0, 100 * MS.nseconds());
}
