// SPDX-License-Identifier: MPL-2.0

//! Nothing grows, however often it starts and speaks. Each test runs in a process of its own.

use std::{thread, time::Duration};

use duplex_neural_small::SmallModel;
use duplex_tests::{process, speaking::words};

use crate::{SENTENCE, ended, playing, say, stat, voice};

/// Threads end a moment after whoever joined them goes on.
fn settled(threads: u64) -> u64 {
    for _ in 0..500 {
        if process::threads() <= threads {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    process::threads()
}

#[test]
fn fifty_starts_and_stops_leave_nothing_behind() {
    if process::alone() {
        return;
    }
    let model = SmallModel::new("lsd");
    let rig = voice(&model);
    let round = |number: usize| {
        rig.clear();
        rig.start();
        rig.begin_bytes();
        // Some are stopped in the middle of a word, some before the first.
        let whole = number.is_multiple_of(3);
        rig.credit((!whole).then_some(number % 4));
        rig.push(SENTENCE).unwrap();
        if whole {
            rig.drain();
        }
        rig.stop();
        rig.credit(None);
    };
    for number in 0..5 {
        round(number);
    }
    let (threads, fds, memory) = (process::threads(), process::fds(), process::rss_kib());
    for number in 0..50 {
        round(number);
    }
    assert!(settled(threads) <= threads, "{:?}", process::thread_names());
    assert_eq!(process::fds(), fds);
    let now = process::rss_kib();
    assert!(now < memory + 20 * 1024, "{memory} KiB, then {now} KiB");
}

#[test]
fn a_thousand_utterances_leave_nothing_behind() {
    if process::alone() {
        return;
    }
    let model = SmallModel::new("pointwise");
    let rig = playing(&model);
    let speak = |count: usize| {
        rig.clear();
        for number in 0..count {
            say(&rig, &format!("u{number}"), "Yes, of course.");
        }
        assert_eq!(words(&ended(&rig, count)).len(), 3 * count);
        rig.clear();
    };
    // So many voices, batches and buffers as there will be at once.
    for _ in 0..2 {
        speak(100);
    }
    let (threads, fds, memory) = (process::threads(), process::fds(), process::rss_kib());
    for _ in 0..10 {
        speak(100);
    }
    assert_eq!(settled(threads), threads);
    assert_eq!(process::fds(), fds);
    let now = process::rss_kib();
    assert!(now < memory + 10 * 1024, "{memory} KiB, then {now} KiB");
    assert_eq!(stat(&rig, "open-utterances"), 0);
    assert_eq!(stat(&rig, "utterances"), 1_200);
}
