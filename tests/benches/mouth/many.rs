// SPDX-License-Identifier: MPL-2.0

//! Many pipelines that speak at once: lateness of every frame, underruns, threads, processor time
//! and memory of each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use duplex_tests::{measure::Percentiles, plugins, process};
use gst::prelude::*;
use gst_base::prelude::*;

use crate::report::{Report, p99};

const WARM_UP: Duration = Duration::from_secs(5);

pub fn measure(report: &mut Report, counts: &[usize], seconds: u64) -> Result<()> {
    one_more(report)?;
    for count in counts {
        report.on_the_clock(&format!("{count} pipelines"), *count, |report| {
            speaking(report, *count, seconds)
        })?;
    }
    Ok(())
}

/// Lateness of one pipeline's frames, in a histogram of 10 µs: 60 s of 400 pipelines are too many
/// figures to keep.
struct Lateness {
    on: AtomicBool,
    /// Latency that the sinks were given, in ns: a frame is due so long after its time stamp.
    latency: AtomicU64,
    counts: Vec<AtomicU64>,
}

impl Lateness {
    const STEP_US: u64 = 10;

    fn new() -> Self {
        // Up to a second; whatever is later counts as a second.
        let counts = (0..=100_000).map(|_| AtomicU64::new(0)).collect();
        Self {
            on: AtomicBool::new(false),
            latency: AtomicU64::new(0),
            counts,
        }
    }

    fn note(&self, late: gst::ClockTime) {
        if self.on.load(Ordering::Relaxed) {
            let bin = (late.useconds() / Self::STEP_US).min(self.counts.len() as u64 - 1);
            self.counts[bin as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn percentiles(&self) -> Percentiles {
        let counts: Vec<u64> = self
            .counts
            .iter()
            .map(|c| c.load(Ordering::Relaxed))
            .collect();
        let n: u64 = counts.iter().sum();
        let at = |p: f64| {
            let rank = ((p * n as f64).ceil() as u64).max(1);
            let mut seen = 0;
            for (bin, count) in counts.iter().enumerate() {
                seen += count;
                if seen >= rank {
                    return bin as f64 * Self::STEP_US as f64 / 1000.0;
                }
            }
            0.0
        };
        Percentiles {
            n: n as usize,
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

struct Speaker {
    pipeline: gst::Pipeline,
    mouth: gst::Element,
    sink: gst::Element,
}

/// A pipeline that never falls silent: distinct words, no marks.
fn speaker(n: usize) -> Result<Speaker> {
    let pipeline = gst::Pipeline::new();
    pipeline.use_clock(Some(&gst::SystemClock::obtain()));
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", true)
        .build()?;
    let mouth = gst::ElementFactory::make("ttssink")
        .property("synthesizer", plugins::make("espeaktts")?)
        .property("audio-sink", &sink)
        .build()?;
    pipeline.add(&mouth)?;
    pipeline.set_state(gst::State::Playing)?;
    let words = [
        "river", "window", "candle", "morning", "garden", "silver", "number", "winter",
    ];
    let mut text = String::new();
    for k in 0..400 {
        text += words[(n * 7 + k * (n % 5 + 1)) % words.len()];
        text += if k % 12 == 11 { ", " } else { " " };
    }
    mouth.emit_by_name::<Option<String>>("say", &[&text]);
    Ok(Speaker {
        pipeline,
        mouth,
        sink,
    })
}

fn watch(pipeline: &gst::Pipeline, sink: &gst::Element, lateness: &Arc<Lateness>) -> Result<()> {
    let pad = sink.static_pad("sink").context("a sink has a pad")?;
    let weak = pipeline.downgrade();
    let lateness = lateness.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let (Some(buffer), Some(pipeline)) = (info.buffer(), weak.upgrade()) {
            let now = pipeline.current_running_time().unwrap_or_default();
            let latency = lateness.latency.load(Ordering::Relaxed);
            let due = buffer.pts().unwrap_or_default() + gst::ClockTime::from_nseconds(latency);
            lateness.note(now.saturating_sub(due));
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

fn stop(pipelines: Vec<Speaker>) -> Result<()> {
    for speaker in &pipelines {
        speaker.pipeline.set_state(gst::State::Null)?;
    }
    Ok(())
}

fn speaking(report: &mut Report, count: usize, seconds: u64) -> Result<()> {
    let lateness = Arc::new(Lateness::new());
    let mut pipelines = Vec::new();
    for n in 0..count {
        let speaker = speaker(n)?;
        watch(&speaker.pipeline, &speaker.sink, &lateness)?;
        pipelines.push(speaker);
    }
    std::thread::sleep(WARM_UP);
    if let Some(sink) = pipelines[0].sink.downcast_ref::<gst_base::BaseSink>() {
        let latency = sink.latency().nseconds();
        lateness.latency.store(latency, Ordering::Relaxed);
    }
    let underruns = || -> u64 {
        let stats = pipelines.iter();
        stats
            .map(|s| s.mouth.property::<gst::Structure>("stats"))
            .filter_map(|stats| stats.get::<u64>("underruns").ok())
            .sum()
    };
    let (before, cpu) = (underruns(), process::cpu_seconds());
    lateness.on.store(true, Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(seconds));
    lateness.on.store(false, Ordering::Relaxed);
    let cpu = (process::cpu_seconds() - cpu) / seconds as f64;
    let more = underruns() - before;
    let found = lateness.percentiles();
    report.row(
        &format!("{count} pipelines speaking at once: lateness of a frame"),
        "ms",
        &found,
        &[p99(10.0, 10.0)],
    );
    report.single(&format!("  {count}: underruns"), "", more as f64, 0.0, 0.0);
    report.note(&format!("  {count}: processor"), format!("{cpu:.2} cores"));
    stop(pipelines)?;
    Ok(())
}

/// What one more costs: slopes of PSS and of threads between 10 and 110 pipelines, while they speak.
fn one_more(report: &mut Report) -> Result<()> {
    let mut pipelines = Vec::new();
    let mut sizes = Vec::new();
    let mut threads = Vec::new();
    for count in [10, 110] {
        while pipelines.len() < count {
            pipelines.push(speaker(pipelines.len())?);
        }
        std::thread::sleep(WARM_UP);
        sizes.push(process::pss_kib() as f64 / 1024.0);
        threads.push(process::threads() as f64);
    }
    stop(pipelines)?;
    report.single(
        "memory of one more speaking pipeline (PSS, 10 to 110)",
        "MiB",
        (sizes[1] - sizes[0]) / 100.0,
        1.0,
        0.5,
    );
    report.single(
        "threads of one more speaking pipeline (10 to 110)",
        "",
        (threads[1] - threads[0]) / 100.0,
        3.0,
        3.0,
    );
    Ok(())
}
