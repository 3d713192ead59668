// SPDX-License-Identifier: MPL-2.0

//! The embedding contract of the README: programs in C and in Python, many mouths in one process,
//! clean removal, static registration.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use duplex_tests::{caller::Plan, plugins, process, recordings, signal, watchdog::Watchdog};
use gst::prelude::*;

/// A caller as telephony delivers it: 8 kHz, 16 bit little-endian, silence and then speech.
fn caller(folder: &Path) -> PathBuf {
    let speech = recordings::speaker_tests().unwrap();
    let plan = Plan::new(Duration::from_secs(4))
        .say(Duration::from_millis(500), &speech[0])
        .say(Duration::from_millis(2000), &speech[1]);
    let samples = signal::resample(&plan.record().samples, recordings::RATE, 8000);
    let bytes: Vec<u8> = signal::to_s16(&samples)
        .into_iter()
        .flat_map(i16::to_le_bytes)
        .collect();
    let path = folder.join("caller.s16");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn check(told: &str) {
    let line = |begin: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(begin));
        line.unwrap_or_else(|| panic!("no line `{begin}` in:\n{told}"))
            .to_owned()
    };
    line("speech-onset at ");
    let heard = line("heard: ");
    let unheard = line("unheard: ");
    assert!(heard.starts_with("Welcome to"), "{told}");
    assert!(unheard.ends_with("on and on and on."), "{told}");
    let audible: usize = line("audible frames: ").parse().unwrap();
    assert!(audible > 300, "{told}");
}

#[test]
fn a_program_in_c_speaks_and_is_interrupted() {
    let _watchdog = Watchdog::new("the program in C", Duration::from_secs(120));
    let folder = plugins::temporary("embed-c").unwrap();
    let program = folder.join("embed");
    let flags = plugins::succeeds(Command::new("pkg-config").args([
        "--cflags",
        "--libs",
        "gstreamer-app-1.0",
    ]));
    plugins::succeeds(
        Command::new("gcc")
            .args(["-Wall", "-Werror", "-O1"])
            .arg(plugins::source().join("tests/embedding/embed.c"))
            .arg("-o")
            .arg(&program)
            .args(flags.split_whitespace()),
    );
    let told = plugins::succeeds(plugins::command(&program).arg(caller(&folder)));
    check(&told);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_program_in_python_speaks_and_is_interrupted() {
    let _watchdog = Watchdog::new("the program in Python", Duration::from_secs(120));
    let folder = plugins::temporary("embed-py").unwrap();
    // Debian's Python has Debian's bindings, whichever Python comes first in PATH.
    let told = plugins::succeeds(
        plugins::command("/usr/bin/python3")
            .arg("-u")
            .arg(plugins::source().join("tests/embedding/embed.py"))
            .arg(caller(&folder)),
    );
    check(&told);
    std::fs::remove_dir_all(folder).unwrap();
}

fn wait(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A mouth in a running pipeline, and how many frames it has given.
fn mouth(pipeline: &gst::Pipeline) -> (gst::Element, Arc<AtomicUsize>) {
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", true)
        .build()
        .unwrap();
    let frames = Arc::new(AtomicUsize::new(0));
    let count = frames.clone();
    let pad = sink.static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    let synthesizer = gst::ElementFactory::make("espeaktts").build().unwrap();
    let mouth = gst::ElementFactory::make("ttssink")
        .property("synthesizer", &synthesizer)
        .property("audio-sink", &sink)
        .build()
        .unwrap();
    pipeline.add(&mouth).unwrap();
    mouth.sync_state_with_parent().unwrap();
    (mouth, frames)
}

#[test]
fn a_hundred_mouths_come_and_go_in_one_running_pipeline() {
    if process::alone() {
        return;
    }
    let _watchdog = Watchdog::new("a hundred mouths", Duration::from_secs(180));
    plugins::init();
    let pipeline = gst::Pipeline::new();
    let (stays, spoken) = mouth(&pipeline);
    pipeline.set_state(gst::State::Playing).unwrap();
    wait("the first mouth is mute", || {
        spoken.load(Ordering::Relaxed) > 5
    });
    // The first of anything loads libraries and starts what all share.
    let (first, frames) = mouth(&pipeline);
    first.emit_by_name::<Option<String>>("say", &[&"One."]);
    wait("the second mouth is mute", || {
        frames.load(Ordering::Relaxed) > 20
    });
    remove(&pipeline, first);
    thread::sleep(Duration::from_millis(300));
    let (threads, fds) = (process::threads(), process::fds());

    let mouths: Vec<_> = (0..100).map(|_| mouth(&pipeline)).collect();
    for (n, (mouth, _)) in mouths.iter().enumerate() {
        let text = format!("This is mouth number {n}, and it says more than anybody hears.");
        mouth.emit_by_name::<Option<String>>("say", &[&text]);
    }
    for (n, (_, frames)) in mouths.iter().enumerate() {
        wait(&format!("mouth {n} is mute"), || {
            frames.load(Ordering::Relaxed) > 20
        });
    }
    for (mouth, _) in mouths {
        remove(&pipeline, mouth);
    }
    wait("threads are left", || process::threads() <= threads);
    wait("files are left open", || process::fds() <= fds);
    let now = spoken.load(Ordering::Relaxed);
    wait("the first mouth has fallen silent", || {
        spoken.load(Ordering::Relaxed) > now + 20
    });
    let bus = pipeline.bus().unwrap();
    let error = bus.pop_filtered(&[gst::MessageType::Error]);
    assert!(error.is_none(), "{error:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    drop(stays);
}

/// Takes a speaking mouth out of a running pipeline; nothing of it may stay.
fn remove(pipeline: &gst::Pipeline, mouth: gst::Element) {
    mouth.set_state(gst::State::Null).unwrap();
    pipeline.remove(&mouth).unwrap();
    // Messages on the bus hold on to those who sent them.
    pipeline.bus().unwrap().set_flushing(true);
    pipeline.bus().unwrap().set_flushing(false);
    let weak = mouth.downgrade();
    drop(mouth);
    wait("somebody still holds a removed mouth", || {
        weak.upgrade().is_none()
    });
}

/// A C program that links the plugins into itself calls this function of each.
#[test]
fn plugins_can_be_registered_statically() {
    plugins::init();
    for name in [
        "vad",
        "vadsrc",
        "ttssink",
        "espeaktts",
        "chateliza",
        "chatllm",
        "sphinxasr",
    ] {
        let made = gst::ElementFactory::make(name).build();
        assert!(made.is_ok(), "{name}: {made:?}");
    }
    for file in plugins::FILES {
        let symbols = plugins::succeeds(Command::new("nm").arg("-D").arg(plugins::built(file)));
        let name = file.trim_start_matches("libgst").trim_end_matches(".so");
        let function = format!("gst_plugin_{name}_register");
        assert!(symbols.contains(&function), "{file} has no {function}");
    }
}
