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

/// A pipeline that was just started, in its n-th round of four; it is stopped afterwards.
type Round = fn(&gst::Pipeline, usize);

/// Starts and stops a line a thousand times, each time a new one.
fn a_thousand_starts(line: &str, round: Round) {
    let _alone = alone();
    plugins::init();
    tonetts::register();
    let mut before = None;
    for n in 0..1_100 {
        let pipeline = gst::parse::launch(line)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
            .downcast::<gst::Pipeline>()
            .unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        round(&pipeline, n % 4);
        pipeline.set_state(gst::State::Null).unwrap();
        // The bus holds messages, and they hold the elements.
        pipeline.bus().unwrap().set_flushing(true);
        drop(pipeline);
        if n == 100 {
            // What GStreamer's pool of threads keeps for a moment counts as well.
            std::thread::sleep(Duration::from_millis(50));
            before = Some((process::threads(), process::fds(), process::rss_kib()));
        }
    }
    let (threads, fds, rss) = before.expect("there were a hundred rounds");
    let left = settled_threads(threads);
    assert!(left <= threads, "{left} threads were {threads}");
    assert!(process::fds() <= fds, "{} fds were {fds}", process::fds());
    let grown = process::rss_kib().saturating_sub(rss);
    assert!(grown < 4 * 1024, "{grown} KiB more than after 100 rounds");
}

/// Text at every stage of its way: none, just written, half spoken, spoken to the end.
fn with_text(pipeline: &gst::Pipeline, round: usize) {
    let text = pipeline.by_name("text").unwrap();
    let text = text.downcast::<gst_app::AppSrc>().unwrap();
    if round != 3 {
        text.push_buffer(gst::Buffer::from_slice("One two three. Four, five"))
            .unwrap();
    }
    match round {
        0 => (),
        1 => std::thread::sleep(Duration::from_micros(500)),
        _ => {
            text.end_of_stream().unwrap();
            let eos = pipeline
                .bus()
                .unwrap()
                .timed_pop_filtered(gst::ClockTime::from_seconds(20), &[gst::MessageType::Eos]);
            eos.expect("an end");
        }
    }
}

/// Stopped at once, or after some frames.
fn for_a_moment(_: &gst::Pipeline, round: usize) {
    std::thread::sleep(Duration::from_millis(round as u64 * 8));
}

/// As [`for_a_moment`], while the mouth speaks and is interrupted.
fn with_a_word(pipeline: &gst::Pipeline, round: usize) {
    let mouth = pipeline.by_name("mouth").unwrap();
    mouth.emit_by_name::<Option<String>>("say", &[&"alpha bravo charlie"]);
    for_a_moment(pipeline, round);
    if round == 2 {
        mouth.emit_by_name::<()>("interrupt", &[]);
    }
}

#[test]
fn tonetts_starts_a_thousand_times() {
    a_thousand_starts(
        "appsrc name=text caps=text/x-raw,format=utf8 ! tonetts ! audio/x-raw,rate=16000 ! fakesink sync=false",
        with_text,
    );
}

#[test]
fn espeaktts_starts_a_thousand_times() {
    a_thousand_starts(
        "appsrc name=text caps=text/x-raw,format=utf8 ! espeaktts ! audio/x-raw,rate=16000 ! fakesink sync=false",
        with_text,
    );
}

#[test]
fn vad_starts_a_thousand_times() {
    a_thousand_starts(
        "audiotestsrc is-live=true samplesperbuffer=441 ! vad mode=gate ! fakesink sync=false",
        for_a_moment,
    );
}

#[test]
fn vadsrc_starts_a_thousand_times() {
    a_thousand_starts(
        "vadsrc audio-source=\"audiotestsrc is-live=true samplesperbuffer=441\" ! fakesink sync=false",
        for_a_moment,
    );
}

#[test]
fn ttssink_starts_a_thousand_times_with_an_ear() {
    a_thousand_starts(
        "vadsrc name=ears audio-source=\"audiotestsrc is-live=true samplesperbuffer=441\" ! fakesink async=false \
         ttssink name=mouth synthesizer=tonetts interrupted-by=ears audio-sink=\"fakesink sync=true\"",
        with_a_word,
    );
}
