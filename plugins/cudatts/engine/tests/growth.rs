// SPDX-License-Identifier: MPL-2.0

//! A process of its own: a thousand utterances leave no thread, no slot and no memory behind, and nobody takes no time.

mod toy;

use std::{
    fs,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use duplex_neural::{NeuralEngine, Options};
use duplex_synthesis::{Engine, Request};
use toy::Toy;

/// A number of this process's, such as `Threads` or `VmRSS` (kB).
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time of this process, in ticks of 10 ms.
fn ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Waits for what other threads, and the system, bring about.
fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}");
}

#[test]
fn a_thousand_utterances_leave_nothing_behind() {
    let toy = Toy::shared();
    let options = Options {
        warm_up: false,
        ..Options::default()
    };
    let engine = NeuralEngine::new(toy.clone(), options).unwrap();
    let speak = |number: usize| {
        let mut utterance = engine
            .open(&Request {
                rate: if number % 10 == 3 { 1.5 } else { 1.0 },
                ..Request::default()
            })
            .unwrap();
        utterance.text.push("A few words, then it ends.").unwrap();
        if number % 5 == 4 {
            // Some leave in the middle.
            utterance.audio.next().unwrap();
            return;
        }
        utterance.text.finish().unwrap();
        while utterance.audio.next().unwrap().is_some() {}
    };
    let round = || {
        thread::scope(|scope| {
            for worker in 0..4 {
                let speak = &speak;
                scope.spawn(move || (0..25).for_each(|n| speak(worker + n)));
            }
        });
    };
    let threads = status("Threads");
    round();
    let memory = status("VmRSS");
    for _ in 0..10 {
        round();
    }
    until("the threads are as many as before", || {
        status("Threads") == threads
    });
    let grown = status("VmRSS").saturating_sub(memory);
    assert!(grown < 8 * 1024, "{grown} kB");
    until("nothing is open", || {
        engine.stats().open + toy.counts.held.load(Relaxed) == 0
    });
    // Somebody who waits for text, and somebody who has enough, take no time at all.
    let waiting = engine.open(&Request::default()).unwrap();
    let mut stopped = engine.open(&Request::default()).unwrap();
    stopped
        .text
        .push(&"Enough for a while. ".repeat(50))
        .unwrap();
    stopped.audio.next().unwrap();
    thread::sleep(Duration::from_millis(200));
    let before = ticks();
    thread::sleep(Duration::from_secs(1));
    let used = ticks() - before;
    assert!(used <= 2, "{used} ticks");
    drop((waiting, stopped));
    drop(engine);
    until("the engine's threads are gone", || {
        status("Threads") == threads - 2
    });
    assert_eq!(Arc::strong_count(&toy), 1);
}
