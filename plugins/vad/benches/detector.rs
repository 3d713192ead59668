// SPDX-License-Identifier: MPL-2.0
//! What the detectors cost: microseconds of one core per 10 ms of audio and stream.
//!
//!     cargo bench -p gst-plugin-duplexvad --bench detector --profile dev
//!
//! Beside our forward pass, ONNX Runtime runs on the same audio right after it, through `onnxruntime_silero.py`, by
//! `$PYTHON` (python3; `make bench` makes one that has it); without the package onnxruntime that row is missing, and
//! said to be. Each figure is the distribution over a minute of audio, each hop's time spread over the audio that it
//! covers. Limits are of the mean: what a stream costs is what all its hops cost.

#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::io::Write;
use std::process::Command;
use std::time::Instant;

use gst::prelude::*;
use gstduplexvad::detector::{Analyzer, Kind, Resampler, Samples};

const SECONDS: usize = 60;

/// Syllables of noise: the detectors take as long over these as over speech.
fn audio(rate: usize, channels: usize) -> Vec<f32> {
    let mut state = 1_u32;
    (0..rate * SECONDS)
        .flat_map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let loud = if (n / (rate / 4)).is_multiple_of(2) {
                0.3
            } else {
                0.003
            };
            let sample = loud * ((state >> 16) as f32 / 32_768.0 - 1.0);
            std::iter::repeat_n(sample, channels)
        })
        .collect()
}

/// The times of `rounds` calls of `run`, each of which handles `audio_ms` of audio: microseconds per 10 ms.
fn measure(rounds: usize, audio_ms: f64, mut run: impl FnMut(usize)) -> Vec<f64> {
    (0..rounds)
        .map(|round| {
            let start = Instant::now();
            run(round);
            start.elapsed().as_secs_f64() * 1e6 * 10.0 / audio_ms
        })
        .collect()
}

/// What a mean must and should not exceed.
type Limits = Option<(f64, f64)>;

const NAME: usize = 46;

fn line(name: &str, limits: Limits, figures: &str, missed: bool) {
    let (must, aim) = limits.map_or((String::new(), String::new()), |(must, aim)| {
        (format!("≤ {must}"), aim.to_string())
    });
    let verdict = match limits {
        None => "",
        Some(_) if missed => "MISSED",
        Some(_) => "met",
    };
    println!("| {name:NAME$} | {must:>5} | {aim:>4} | {figures:35} | {verdict:6} |");
}

fn row(name: &str, limits: Limits, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let figures = format!(
        "{mean:8.2} {:8.2} {:8.2} {:8.2}",
        at(0.5),
        at(0.95),
        at(0.99)
    );
    line(
        name,
        limits,
        &figures,
        limits.is_some_and(|(must, _)| mean > must),
    );
}

/// `streams` analyzers that take turns by 32 ms, as the streams of a server do.
fn scoring(kind: Kind, phases: usize, streams: usize) -> Vec<f64> {
    let audio = audio(16_000, 1);
    let mut all: Vec<Analyzer> = (0..streams)
        .map(|_| {
            let mut analyzer = Analyzer::new(kind, 16_000, 1);
            analyzer.set_phases(phases);
            analyzer
        })
        .collect();
    let hops: Vec<&[f32]> = audio.chunks_exact(512).collect();
    let mut one = |round: usize| {
        let hop = hops[round / streams % hops.len()];
        all[round % streams].process(Samples::F32(hop), |score| {
            black_box(score);
        });
    };
    (0..50 * streams).for_each(&mut one);
    measure(hops.len(), 32.0, one)
}

fn resampling(rate: u32, channels: usize) -> Vec<f64> {
    let audio = audio(rate as usize, channels);
    let pieces: Vec<Vec<f32>> = audio
        .chunks_exact(rate as usize / 100 * channels)
        .map(|piece| {
            piece
                .chunks_exact(channels)
                .map(|frame| frame.iter().sum::<f32>() / channels as f32)
                .collect()
        })
        .collect();
    let mut resampler = Resampler::new(rate);
    let mut output = Vec::new();
    measure(pieces.len(), 10.0, |round| {
        output.clear();
        resampler.push(&pieces[round], &mut output);
        black_box(&output);
    })
}

/// The whole way from interleaved 16-bit samples to scores.
fn analyzing(rate: u32, channels: usize) -> Vec<f64> {
    let audio: Vec<i16> = audio(rate as usize, channels)
        .iter()
        .map(|x| (x * 32_767.0) as i16)
        .collect();
    let pieces: Vec<&[i16]> = audio
        .chunks_exact(rate as usize * 32 / 1000 * channels)
        .collect();
    let mut analyzer = Analyzer::new(Kind::Silero, rate, channels);
    measure(pieces.len(), 32.0, |round| {
        analyzer.process(Samples::S16(pieces[round]), |score| {
            black_box(score);
        });
    })
}

/// What the element itself says in its stats, over the same minute from 48 kHz stereo in buffers of 10 ms: converting,
/// measuring levels, the echo gate and scoring. `two_phase` as the property has it.
fn element(two_phase: &str) -> Result<Vec<f64>, gst::glib::BoolError> {
    gst::init().map_err(|error| gst::glib::bool_error!("{error}"))?;
    gstduplexvad::plugin_register_static()?;
    let vad = gst::ElementFactory::make("vad")
        .property_from_str("two-phase", two_phase)
        .build()?;
    let (Some(sink), Some(src)) = (vad.static_pad("sink"), vad.static_pad("src")) else {
        return Err(gst::glib::bool_error!("vad has two pads"));
    };
    let downstream = gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(|_, _, _| Ok(gst::FlowSuccess::Ok))
        .event_function(|_, _, _| true)
        .build();
    let link = |result: Result<_, gst::PadLinkError>| match result {
        Ok(_) => Ok(()),
        Err(error) => Err(gst::glib::bool_error!("{error}")),
    };
    link(src.link(&downstream))?;
    downstream.set_active(true)?;
    vad.set_state(gst::State::Playing)
        .map_err(|error| gst::glib::bool_error!("{error}"))?;
    let info = gst_audio::AudioInfo::builder(gst_audio::AudioFormat::S16le, 48_000, 2).build()?;
    sink.send_event(gst::event::StreamStart::new("bench"));
    sink.send_event(gst::event::Caps::new(&info.to_caps()?));
    sink.send_event(gst::event::Segment::new(&gst::FormattedSegment::<
        gst::ClockTime,
    >::new()));
    let bytes: Vec<u8> = audio(48_000, 2)
        .iter()
        .flat_map(|x| ((x * 32_767.0) as i16).to_le_bytes())
        .collect();
    for (n, piece) in (0..).zip(bytes.chunks_exact(480 * 4)) {
        let mut buffer = gst::Buffer::from_slice(piece.to_vec());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_mseconds(n * 10));
        }
        let far_end = gst::Structure::builder("far-end")
            .field("running-time", n * 10_000_000)
            .field("duration", 10_000_000u64)
            .field("rms-db", -20.0)
            .build();
        vad.emit_by_name::<()>("far-end", &[&far_end]);
        sink.chain(buffer)
            .map_err(|error| gst::glib::bool_error!("{error}"))?;
    }
    let stats: gst::Structure = vad.property("stats");
    let time = stats.get("analysis-time");
    vad.set_state(gst::State::Null)
        .map_err(|error| gst::glib::bool_error!("{error}"))?;
    Ok(time.map(|time| vec![time]).unwrap_or_default())
}

fn element_row(name: &str, limits: Limits, two_phase: &str) {
    match element(two_phase) {
        Ok(times) if !times.is_empty() => {
            line(
                name,
                limits,
                &format!("{:8.2}", times[0]),
                limits.is_some_and(|(must, _)| times[0] > must),
            );
        }
        Ok(_) => println!("| {name:NAME$} | FAILED: its stats have no analysis-time"),
        Err(error) => println!("| {name:NAME$} | FAILED: {error}"),
    }
}

fn onnx_runtime() {
    let name = "silero, ONNX Runtime, 1 thread";
    let path = std::env::temp_dir().join(format!("detector-bench-{}.f32", std::process::id()));
    let bytes: Vec<u8> = audio(16_000, 1)
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let written = std::fs::File::create(&path).and_then(|mut file| file.write_all(&bytes));
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/onnxruntime_silero.py");
    let output = written.and_then(|()| Command::new(&python).arg(script).arg(&path).output());
    let _ = std::fs::remove_file(&path);
    match output {
        Ok(output) if output.status.success() => row(
            name,
            None,
            String::from_utf8_lossy(&output.stdout)
                .split_whitespace()
                .filter_map(|time| time.parse().ok())
                .collect(),
        ),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            let why = told.lines().last().unwrap_or("it failed without a word");
            println!("| {name:NAME$} | SKIPPED: {why}");
        }
        Err(error) => println!("| {name:NAME$} | SKIPPED: {python}: {error}"),
    }
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_matches([' ', '\t', ':'])
        });
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let pressure = std::fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    format!(
        "{model}, {} processors, load {}, cpu pressure {}",
        std::thread::available_parallelism().map_or(0, |n| n.get()),
        load.split(' ').next().unwrap_or_default(),
        pressure.lines().next().unwrap_or_default()
    )
}

fn main() {
    println!("{}\n", machine());
    println!(
        "| {:NAME$} | {:>5} | {:>4} | {:>8} {:>8} {:>8} {:>8} | {:6} |",
        "µs per 10 ms of audio and stream", "must", "aim", "mean", "p50", "p95", "p99", ""
    );
    println!(
        "|{}|-------|------|{}|--------|",
        "-".repeat(NAME + 2),
        "-".repeat(37)
    );
    let (one, two) = (Some((15.0, 8.0)), Some((30.0, 16.0)));
    row("silero, one phase", one, scoring(Kind::Silero, 1, 1));
    onnx_runtime();
    row("silero, two phases", two, scoring(Kind::Silero, 2, 1));
    row(
        "silero, one phase, 100 streams in turn",
        one,
        scoring(Kind::Silero, 1, 100),
    );
    element_row(
        "vad, 48 kHz stereo, one phase (analysis-time)",
        None,
        "never",
    );
    element_row(
        "vad, 48 kHz stereo, two phases (analysis-time)",
        None,
        "always",
    );
    row("silero, four phases", None, scoring(Kind::Silero, 4, 1));
    row("earshot", None, scoring(Kind::Earshot, 1, 1));
    row("48 kHz to 16 kHz, mono", None, resampling(48_000, 1));
    row("8 kHz to 16 kHz, mono", None, resampling(8_000, 1));
    row("44.1 kHz to 16 kHz, mono", None, resampling(44_100, 1));
    row("silero from 48 kHz stereo, S16", None, analyzing(48_000, 2));
    println!("\n{}", machine());
}
