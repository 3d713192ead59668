// SPDX-License-Identifier: MPL-2.0

//! One rule each.

use std::time::Duration;

use super::{
    super::{Config, Core, Mark, Notice, Reason, Step},
    world::*,
};
use crate::interruption::{Command, EarEvent, Mode};

const RATE: u32 = 8_000;

fn world(change: impl FnOnce(&mut Config)) -> World {
    let mut config = Config::default();
    change(&mut config);
    World::new(config, RATE)
}

fn bytes(samples: usize) -> Vec<u8> {
    [1_000_i16; 1]
        .repeat(samples)
        .iter()
        .flat_map(|s| s.to_le_bytes())
        .collect()
}

/// The times at which frames with speech were pushed, against their timestamps, in ms.
fn ahead(world: &World) -> Vec<i64> {
    let speech = world.frames.iter().filter(|(_, f)| f.speech);
    speech
        .map(|(at, f)| (f.pts as i64 - *at as i64) / 1_000_000)
        .collect()
}

#[test]
fn speech_leaves_at_once_and_then_a_lead_ahead() {
    for (lead, most) in [(0, 0), (10, 0), (20, 10), (50, 40), (200, 190)] {
        let mut world = world(|c| c.lead = Duration::from_millis(lead));
        world.run(53 * MS);
        // The silence that is out ends at 60 ms: from there on, pushed now.
        world.core.begin("a");
        world.core.samples(&bytes(4_000), None);
        world.run(1_000 * MS);
        let ahead = ahead(&world);
        assert_eq!(ahead.len(), 50);
        let first = if lead >= 20 { 7.min(most) } else { 0 };
        assert_eq!(ahead[0], first, "lead {lead}");
        assert_eq!(*ahead.iter().max().unwrap(), most, "lead {lead}");
        assert_eq!(ahead[45], most, "lead {lead}: it builds up");
    }
}

#[test]
fn speech_that_comes_late_begins_inside_a_frame() {
    let mut world = world(|_| ());
    world.run(50 * MS);
    // Nobody woke the task for 4 ms after the frame was due.
    world.now = 64 * MS;
    world.core.begin("a");
    world.core.samples(&bytes(800), None);
    world.run(300 * MS);
    let first = world.out.iter().position(|&s| s != 0).unwrap();
    assert_eq!(world.time(first), 64 * MS);
    assert_eq!(world.core.stats().late, 0);
    // With a sink that renders later there is time enough.
    let mut world = self::world(|_| ());
    world.core.set_latency(20 * MS);
    world.run(50 * MS);
    world.now = 64 * MS;
    world.core.begin("a");
    world.core.samples(&bytes(800), None);
    world.run(300 * MS);
    let first = world.out.iter().position(|&s| s != 0).unwrap();
    assert_eq!(world.time(first), 50 * MS);
}

#[test]
fn an_underrun_is_a_due_frame_of_an_open_utterance_without_sound() {
    let mut world = world(|_| ());
    world.core.begin("a");
    world.run(100 * MS);
    assert_eq!(world.core.stats().underruns, 0, "it has not begun to sound");
    world.core.samples(&bytes(400), None);
    world.run(200 * MS);
    let stats = world.core.stats();
    assert!((4..=6).contains(&stats.underruns), "{stats:?}");
    world.core.end();
    world.run(300 * MS);
    let after = world.core.stats().underruns;
    assert!(after <= stats.underruns + 1, "none once it is complete");
    assert_eq!(world.names(), ["started", "finished"]);
}

#[test]
fn a_stall_is_counted_and_does_not_swallow_speech() {
    for stall in [15, 35, 200, 3_000, 12_000] {
        let mut world = world(|_| ());
        world.core.begin("a");
        let source: Vec<i16> = (0..8_000).map(|p| Script::sample(0, p, 4_000)).collect();
        let bytes: Vec<u8> = source.iter().flat_map(|s| s.to_le_bytes()).collect();
        world.core.samples(&bytes, None);
        world.core.end();
        world.run(100 * MS);
        world.now += stall * MS;
        world.run(20_000 * MS);
        let speech: Vec<i16> = world.out.iter().copied().filter(|&s| s != 0).collect();
        assert!(
            speech == source,
            "{stall} ms: {} samples of {}",
            speech.len(),
            source.len()
        );
        let stats = world.core.stats();
        assert_eq!(stats.late > 0, stall > 12, "{stall} ms: {stats:?}");
        let holes = world
            .frames
            .iter()
            .skip(1)
            .filter(|(_, f)| f.discont)
            .count();
        assert_eq!(holes > 0, stall > 10_000, "{stall} ms");
        // Not far behind the clock any more, once it has recovered.
        let (at, frame) = world.frames.iter().rfind(|(_, f)| f.speech).unwrap();
        assert!(*at <= frame.pts + 45 * MS, "{stall} ms");
    }
}

#[test]
fn another_latency_is_a_discontinuity_without_a_hole() {
    let mut world = world(|_| ());
    world.run(50 * MS);
    world.core.set_latency(30 * MS);
    world.run(100 * MS);
    world.core.set_latency(30 * MS);
    world.run(150 * MS);
    let marked = world.frames.iter().filter(|(_, f)| f.discont).count();
    assert_eq!(
        marked, 2,
        "the first frame, and the first of the new latency"
    );
    for pair in world.frames.windows(2) {
        assert_eq!(pair[0].1.pts + pair[0].1.duration, pair[1].1.pts);
    }
}

#[test]
fn without_sync_nothing_waits_and_nothing_is_filled() {
    let mut world = world(|c| c.sync = false);
    let mut rng = Rng(3);
    let scripts: Vec<_> = (0..3)
        .map(|n| Script::random(&mut rng, n, 3, RATE))
        .collect();
    let mut at = 0;
    for script in &scripts {
        at = world.synthesize(&mut rng, script, at, 10, 40);
    }
    world.feed.push_back((at, Feed::Eos));
    world.run(at + MS);
    let total: u64 = scripts.iter().map(|s| s.samples).sum();
    // Only the last frame is filled up.
    assert_eq!(world.out.len() as u64, total.next_multiple_of(80));
    assert_eq!(
        world.out[..total as usize]
            .iter()
            .filter(|&&s| s == 0)
            .count(),
        0
    );
    assert!(world.ended.is_some());
    assert_eq!(
        world.names().iter().filter(|n| **n == "finished").count(),
        3
    );
}

#[test]
fn the_stream_ends_when_the_last_sample_was_rendered() {
    let mut world = world(|_| ());
    world.core.set_latency(40 * MS);
    world.core.begin("a");
    world.core.samples(&bytes(800), None);
    world.core.eos();
    world.run(1_000 * MS);
    assert_eq!(world.ended, Some(140 * MS));
    assert_eq!(world.names(), ["started", "finished"]);
    let last = world.frames.last().unwrap().1;
    assert_eq!(
        last.pts + last.duration,
        100 * MS,
        "silence ends with the speech"
    );
    assert_eq!(world.core.step(world.now), Step::Wait(None));
    // Nothing queued: at once.
    let mut world = self::world(|_| ());
    world.run(33 * MS);
    world.core.eos();
    world.run(50 * MS);
    assert_eq!(world.ended, Some(33 * MS));
}

#[test]
fn positions_come_from_timestamps() {
    let mut world = world(|_| ());
    world.core.text("a", "one two");
    world.core.begin("a");
    let mark = |text: &str, bytes| Mark {
        text: text.into(),
        start: 0,
        samples: 0,
        bytes: Some(bytes),
        exact: true,
    };
    // Both words ahead of everything, a hole of 50 ms in the sound between them, jitter of a sample.
    world.core.word("a", mark("one", 0..3), 0, 100 * MS);
    world.core.word("a", mark("two", 4..7), 150 * MS, 100 * MS);
    world.core.samples(&bytes(400), Some(0));
    world.core.samples(&bytes(400), Some(50 * MS + 125_000));
    world.core.samples(&bytes(800), Some(150 * MS));
    world.core.end();
    world.run(500 * MS);
    let lengths: Vec<usize> = world
        .out
        .split(|&s| s == 0)
        .map(<[i16]>::len)
        .filter(|l| *l > 0)
        .collect();
    assert_eq!(lengths, [800, 800]);
    let words: Vec<_> = world
        .notices
        .iter()
        .filter_map(|(_, n)| match n {
            Notice::Word {
                start,
                running_time,
                ..
            } => Some((*start, *running_time)),
            _ => None,
        })
        .collect();
    assert_eq!(words, [(0, 0), (150 * MS, 150 * MS)]);
}

#[test]
fn sound_without_events_is_one_utterance_with_estimated_marks() {
    let mut world = world(|_| ());
    world.core.text("u1", "one two");
    world.core.text("u2", "three");
    // A foreign synthesizer whose timestamps begin anywhere.
    world.core.samples(&bytes(1_600), Some(5_000 * MS));
    world.core.samples(&bytes(1_600), Some(5_200 * MS));
    world.run(150 * MS);
    world.ear(EarEvent::Onset);
    world.run(600 * MS);
    let Some(Notice::Interrupted(report)) = world.notices.last().map(|(_, n)| n) else {
        panic!("{:?}", world.names());
    };
    assert_eq!(&*report.id, "u1");
    assert!(!report.marks_exact);
    assert_eq!(
        (&*report.heard_text, &*report.unheard_text),
        ("one", "two three")
    );
    assert_eq!(
        world.core.stats().underruns,
        0,
        "nobody knows whether more will come"
    );
}

#[test]
fn stragglers_belong_to_the_utterance_before() {
    let mut world = world(|_| ());
    world.core.begin("a");
    world.core.samples(&bytes(80), None);
    world.core.end();
    world.core.samples(&bytes(11), None);
    world.run(100 * MS);
    assert_eq!(world.out.iter().filter(|&&s| s != 0).count(), 91);
    // Once it is over there is nothing that they could belong to.
    world.core.samples(&bytes(11), None);
    assert_eq!(world.core.stats().stray_samples, 11);
}

#[test]
fn an_empty_utterance_begins_and_ends() {
    let mut world = world(|_| ());
    world.core.begin("a");
    world.core.end();
    world.core.begin("b");
    world.core.samples(&bytes(80), None);
    world.core.end();
    world.run(100 * MS);
    assert_eq!(
        world.names(),
        ["started", "finished", "started", "finished"]
    );
}

#[test]
fn the_queue_takes_prefetch_and_no_more() {
    let mut world = world(|c| c.prefetch = Duration::from_millis(200));
    world.command(Command::Pause);
    world.core.begin("a");
    for _ in 0..20 {
        assert!(world.core.has_room());
        world.core.samples(&bytes(80), None);
    }
    assert!(!world.core.has_room());
    world.run(100 * MS);
    assert!(!world.core.has_room(), "paused");
    world.command(Command::Resume);
    world.run(120 * MS);
    assert!(world.core.has_room());
}

#[test]
fn a_resume_goes_back_no_further_than_the_history() {
    let mut world = world(|c| c.history = Duration::from_millis(300));
    world.core.begin("a");
    let mark = Mark {
        text: "Aaaah".into(),
        start: 0,
        samples: 0,
        bytes: None,
        exact: true,
    };
    world.core.word("a", mark, 0, 10_000 * MS);
    for _ in 0..20 {
        world.core.samples(&bytes(400), None);
        let later = world.now + 50 * MS;
        world.run(later);
    }
    world.command(Command::Pause);
    world.run(1_100 * MS);
    world.command(Command::Resume);
    world.run(1_200 * MS);
    let position = |world: &World| {
        world.notices.iter().find_map(|(_, n)| match n {
            Notice::Paused(paused) => Some((paused.position, 0)),
            Notice::Resumed(resumed) => Some((0, resumed.position)),
            _ => None,
        })
    };
    let paused = position(&world).unwrap().0;
    world
        .notices
        .retain(|(_, n)| !matches!(n, Notice::Paused(_)));
    let resumed = position(&world).unwrap().1;
    assert!(
        paused - resumed <= 300 * MS && paused - resumed > 280 * MS,
        "{paused} {resumed}"
    );
}

#[test]
fn what_is_behind_is_dropped_with_it() {
    let mut world = world(|c| c.interruption = Mode::Immediate);
    for (id, text) in [
        ("a", "first"),
        ("b", "second"),
        ("c", "not yet synthesized"),
    ] {
        world.core.text(id, text);
    }
    for id in ["a", "b"] {
        world.core.begin(id);
        world.core.samples(&bytes(1_600), None);
        world.core.end();
    }
    world.run(50 * MS);
    world.ear(EarEvent::Onset);
    world.run(100 * MS);
    let Some(Notice::Interrupted(report)) = world.notices.last().map(|(_, n)| n) else {
        panic!("{:?}", world.names());
    };
    assert_eq!(&*report.id, "a");
    let behind: Vec<_> = report
        .also_unheard
        .iter()
        .map(|u| (&*u.id, &*u.text))
        .collect();
    assert_eq!(behind, [("b", "second"), ("c", "not yet synthesized")]);
    assert_eq!(
        (report.reason, report.decided_at),
        (Reason::OnsetCommit, 50 * MS)
    );
    assert_eq!(world.core.queued(), 0);
}

#[test]
fn a_caller_who_speaks_is_not_talked_over_but_nothing_is_lost() {
    let mut world = world(|_| ());
    world.run(20 * MS);
    world.ear(EarEvent::Onset);
    world.run(100 * MS);
    world.core.begin("a");
    world.core.samples(&bytes(800), None);
    world.core.end();
    world.run(900 * MS);
    assert!(world.out.iter().all(|&s| s == 0), "held past the commit");
    world.ear(EarEvent::Ended);
    world.run(1_200 * MS);
    assert_eq!(world.names(), ["started", "finished"]);
    let speech = world.out.iter().filter(|&&s| s != 0).count();
    assert_eq!(speech, 800, "whole, without a fade");
}

#[test]
fn an_interrupt_with_nothing_to_interrupt_still_answers() {
    let mut world = world(|_| ());
    world.run(20 * MS);
    world.command(Command::Interrupt);
    world.run(40 * MS);
    assert_eq!(world.names(), ["interrupted"]);
    assert!(world.core.is_gated());
    world.flush();
    assert!(!world.core.is_gated());
    assert_eq!(
        world.names(),
        ["interrupted"],
        "the flush that follows is no second one"
    );
}

#[test]
fn a_new_base_time_goes_on_at_the_new_running_time() {
    let mut world = world(|_| ());
    world.core.begin("a");
    world.core.samples(&bytes(8_000), None);
    world.run(200 * MS);
    for now in [5_000 * MS, 7 * MS] {
        world.now = now;
        world.core.rebase(now);
        let at = world.frames.len();
        world.run(now + 100 * MS);
        let (_, frame) = world.frames[at];
        assert!(frame.discont && frame.pts == now);
        assert!(!world.frames[at + 1].1.discont);
    }
    // The same running time as before: nothing to see.
    let at = world.frames.len();
    world.core.rebase(world.now);
    let later = world.now + 50 * MS;
    world.run(later);
    assert!(world.frames[at..].iter().all(|(_, f)| !f.discont));
}

#[test]
fn another_format_keeps_what_is_queued() {
    let mut core = Core::new(Config::default(), 8_000, 1);
    core.begin("a");
    core.samples(&bytes(4_000), None);
    core.end();
    let frames = |core: &mut Core, from: u64, count: u64| {
        let mut out = Vec::new();
        for now in from..from + count {
            while let Step::Push(_) = core.step(now * 10 * MS) {
                out.extend_from_slice(core.frame());
            }
        }
        out
    };
    let before = frames(&mut core, 0, 10).len() as u64;
    core.set_format(16_000, 2);
    let after = frames(&mut core, 10, 100);
    let speech = after.chunks(2).filter(|c| c[0] != 0).count() as u64;
    assert!(
        speech.abs_diff((4_000 - before) * 2) <= 2,
        "{before} {speech}"
    );
    assert!(after.chunks(2).all(|c| c[0] == c[1]));
}
