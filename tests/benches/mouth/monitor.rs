// SPDX-License-Identifier: MPL-2.0

//! Decision → silence on the monitor of a PulseAudio null sink, everything at its defaults: what
//! a person at this loudspeaker hears.

use std::{
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use duplex_tests::{
    measure::{Percentiles, ms},
    plugins,
    pulse::Pulse,
    random::Random,
};
use gst::prelude::*;

use crate::{
    line::AUDIBLE,
    report::{Report, p95},
};

const TEXT: &str = "one of the many things that a voice can say without a pause is that it goes on \
    and on and on while nobody wants to hear any of it at all and so it goes on some more";

/// Starts the server and this program once more, with the server in its environment: a process
/// does not change its own.
pub fn measure(report: &mut Report, trials: usize) -> Result<()> {
    report.on_the_clock("the monitor", 1, |report| heard(report, trials))
}

fn heard(report: &mut Report, trials: usize) -> Result<()> {
    let pulse = Pulse::start()?;
    let rows = [
        (
            "decision → silence on a PulseAudio monitor, default properties",
            false,
        ),
        ("the same, on the system's clock", true),
    ];
    for (row, forced) in rows {
        let mut child = Command::new(std::env::current_exe()?);
        child.args(["--monitor-child", "--trials", &trials.to_string()]);
        if forced {
            child.arg("--forced-clock");
        }
        pulse.environment(&mut child);
        let output = child.output()?;
        if !output.status.success() {
            bail!("{row}: {}", plugins::told(&output));
        }
        let figures: Vec<f64> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect();
        report.row(row, "ms", &Percentiles::of(&figures), &[p95(100.0, 60.0)]);
    }
    Ok(())
}

/// Prints one figure a line, in ms. `forced`: the pipeline runs on the system's clock, which the device has to follow.
pub fn child(trials: usize, forced: bool) -> Result<()> {
    let clock = gst::SystemClock::obtain();
    let pipeline = gst::Pipeline::new();
    // Otherwise the device sets the pace, as wherever nobody chooses a clock.
    if forced {
        pipeline.use_clock(Some(&clock));
    }
    let mouth = gst::ElementFactory::make("ttssink")
        .property("synthesizer", plugins::make("espeaktts")?)
        .build()?;
    pipeline.add(&mouth)?;
    pipeline.set_state(gst::State::Playing)?;

    // A recorder of its own, so that it cannot disturb the mouth.
    let recorder = gst::parse::launch(
        "pulsesrc device=loudspeaker.monitor buffer-time=40000 latency-time=5000 \
         ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! appsink name=heard sync=false",
    )?
    .downcast::<gst::Pipeline>()
    .map_err(|_| anyhow::anyhow!("a line with two elements is a pipeline"))?;
    recorder.use_clock(Some(&clock));
    let heard = recorder.by_name("heard").context("it has this name")?;
    let heard = heard
        .downcast::<gst_app::AppSink>()
        .map_err(|_| anyhow::anyhow!("appsink is an appsink"))?;
    // When the last audible sample came out of the monitor, by the clock.
    let last = Arc::new(Mutex::new(gst::ClockTime::ZERO));
    let noted = last.clone();
    let now = clock.clone();
    heard.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let arrived = now.time();
                let map = sample.buffer().and_then(|b| b.map_readable().ok());
                let map = map.ok_or(gst::FlowError::Error)?;
                let all = map.len() / 2;
                let audible =
                    |s: &[u8]| i16::from_le_bytes([s[0], s[1]]).unsigned_abs() > AUDIBLE as u16;
                if let Some(n) = map.chunks_exact(2).rposition(audible) {
                    // The end of the buffer is no older than its arrival.
                    let before =
                        gst::ClockTime::from_nseconds((all - n) as u64 * 1_000_000_000 / 48_000);
                    *noted.lock().unwrap() = arrived.saturating_sub(before);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    recorder.set_state(gst::State::Playing)?;

    // A null sink that idled begins up to two seconds late: the first words go into its start.
    let end = clock.time() + gst::ClockTime::from_seconds(10);
    mouth.emit_by_name::<Option<String>>("say", &[&TEXT]);
    while *last.lock().unwrap() == gst::ClockTime::ZERO {
        if clock.time() > end {
            let error = pipeline
                .bus()
                .and_then(|b| b.pop_filtered(&[gst::MessageType::Error]));
            stop(&[&pipeline, &recorder])?;
            bail!("nothing comes out of the loudspeaker: {error:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    mouth.emit_by_name::<()>("interrupt", &[]);
    std::thread::sleep(Duration::from_millis(500));

    let mut random = Random::new(5);
    for _ in 0..trials {
        mouth.emit_by_name::<Option<String>>("say", &[&TEXT]);
        std::thread::sleep(Duration::from_micros(
            random.between(900_000.0, 1_300_000.0) as u64,
        ));
        let decided = clock.time();
        if *last.lock().unwrap() + gst::ClockTime::from_mseconds(200) < decided {
            let error = pipeline
                .bus()
                .and_then(|b| b.pop_filtered(&[gst::MessageType::Error]));
            stop(&[&pipeline, &recorder])?;
            bail!("the monitor is silent while the mouth speaks: {error:?}");
        }
        mouth.emit_by_name::<()>("interrupt", &[]);
        std::thread::sleep(Duration::from_millis(500));
        let silent = *last.lock().unwrap();
        println!(
            "{}",
            ms(Duration::from_nanos(
                silent.saturating_sub(decided).nseconds()
            ))
        );
    }
    stop(&[&pipeline, &recorder])
}

fn stop(pipelines: &[&gst::Pipeline]) -> Result<()> {
    for pipeline in pipelines {
        pipeline.set_state(gst::State::Null)?;
    }
    Ok(())
}
