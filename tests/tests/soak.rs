// SPDX-License-Identifier: MPL-2.0

//! What must not grow: threads, file descriptors and memory, over a thousand starts and stops.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use duplex_tests::{plugins, process, tonetts};
use gst::prelude::*;

/// Tests here look at the whole process, so only one runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Threads end a moment after they were told to.
fn settled_threads(wanted: u64) -> u64 {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let threads = process::threads();
        if threads <= wanted || Instant::now() > until {
            return threads;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts and stops a line a thousand times, with text at every stage of its way.
fn a_thousand_starts(line: &str) {
    let mut before = None;
    for round in 0..1_100 {
        let pipeline = gst::parse::launch(line)
            .unwrap()
            .downcast::<gst::Pipeline>()
            .unwrap();
        let text = pipeline
            .by_name("text")
            .unwrap()
            .downcast::<gst_app::AppSrc>()
            .unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        if round % 4 != 3 {
            text.push_buffer(gst::Buffer::from_slice("One two three. Four, five"))
                .unwrap();
        }
        match round % 4 {
            // Nothing has come out yet, or something, or all of it.
            0 => (),
            1 => std::thread::sleep(Duration::from_micros(500)),
            _ => {
                text.end_of_stream().unwrap();
                pipeline
                    .bus()
                    .unwrap()
                    .timed_pop_filtered(gst::ClockTime::from_seconds(20), &[gst::MessageType::Eos])
                    .expect("an end");
            }
        }
        pipeline.set_state(gst::State::Null).unwrap();
        // The bus holds messages, and they hold the elements.
        pipeline.bus().unwrap().set_flushing(true);
        drop((pipeline, text));
        if round == 100 {
            before = Some((process::threads(), process::fds(), process::rss_kib()));
        }
    }
    let (threads, fds, rss) = before.expect("there were a hundred rounds");
    assert!(
        settled_threads(threads) <= threads,
        "{} threads were {threads}",
        process::threads()
    );
    assert!(process::fds() <= fds, "{} fds were {fds}", process::fds());
    let grown = process::rss_kib().saturating_sub(rss);
    assert!(grown < 4 * 1024, "{grown} KiB more than after 100 rounds");
}

#[test]
fn tonetts_starts_a_thousand_times() {
    let _alone = alone();
    plugins::init();
    tonetts::register();
    a_thousand_starts(
        "appsrc name=text caps=text/x-raw,format=utf8 ! tonetts ! audio/x-raw,rate=16000 ! fakesink sync=false",
    );
}

#[test]
fn espeaktts_starts_a_thousand_times() {
    let _alone = alone();
    plugins::init();
    a_thousand_starts(
        "appsrc name=text caps=text/x-raw,format=utf8 ! espeaktts ! audio/x-raw,rate=16000 ! fakesink sync=false",
    );
}
