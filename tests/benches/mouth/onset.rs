// SPDX-License-Identifier: MPL-2.0

//! Labelled onset → the last sample leaves, in the line as anybody types it; and what noise alone
//! does to a mouth. Real recordings, several lines at once.
//!
//! Each set gives two rows: from the onset in the clean recording, and from where the speech rises
//! above the noise of the mix ([`Label::audible`]). The first is what a caller feels, and the one
//! with limits. Of a small set each phrase is told: a detector of voices hears an s only by the
//! vowel after it, however loud the s.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result};
use duplex_tests::{
    caller::{Caller, Label, Plan},
    measure::Percentiles,
    noise::Noise,
    plugins,
    random::Random,
    recordings,
};
use gst::prelude::*;

use crate::report::{Limit, Report, p50, p95};

/// Lines that run at the same time.
const LINES: usize = 6;

/// A caller speaks up once in so many seconds; the mouth has a new text by then.
const EACH: f64 = 4.0;

/// Seconds before the first caller: the ears have to hear first how much of the mouth comes back.
const WARM_UP: u64 = 5;

pub fn measure(report: &mut Report, seconds: u64) -> Result<()> {
    let tuned = recordings::speaker_tests()?;
    let other = recordings::prompts(60);
    for (snr, limits) in [
        (20.0, [p50(55.0, 45.0), p95(115.0, 90.0)]),
        (10.0, [p50(70.0, 50.0), p95(180.0, 130.0)]),
    ] {
        report.floor(&format!("before {snr} dB"), LINES);
        onsets(report, snr, "alsa-utils", &tuned, seconds, &limits)?;
        if let Some(other) = &other {
            onsets(report, snr, "asterisk prompts", other, seconds, &limits)?;
        }
        report.floor(&format!("after {snr} dB"), LINES);
    }
    noise(report, seconds, other.as_ref().unwrap_or(&tuned))
}

fn onsets(
    report: &mut Report,
    snr: f64,
    set: &str,
    speech: &[recordings::Recording],
    seconds: u64,
    limits: &[Limit],
) -> Result<()> {
    let noises = [Noise::Pink, Noise::White, Noise::Babble];
    let mut random = Random::new(3);
    let callers: Vec<Caller> = (0..LINES)
        .map(|n| {
            let mut plan = Plan::new(Duration::from_secs(WARM_UP + seconds));
            plan.snr_db = snr;
            plan.noise = noises[n % noises.len()];
            plan.seed = n as u64;
            let mut at = WARM_UP as f64 + random.between(0.5, 1.0);
            while at + EACH < (WARM_UP + seconds) as f64 {
                let fitting = &speech[random.below(speech.len())];
                plan = plan.say(Duration::from_secs_f64(at), fitting);
                at += EACH + random.between(0.0, 0.5);
            }
            plan.record()
        })
        .collect();
    let lines = run(&callers, WARM_UP + seconds)?;
    let (mut stops, mut audible, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    let (mut already, mut unheard) = (0, 0);
    let mut phrases: BTreeMap<&str, Vec<[f64; 2]>> = BTreeMap::new();
    for (caller, line) in callers.iter().zip(&lines) {
        for label in &caller.labels {
            let after = |t: f64| (t - label.start) * 1000.0;
            // A stop a little before the label is of its weakest beginning, not of the noise.
            let near = |t: &&f64| (-100.0..label_window(label)).contains(&after(**t));
            if let Some(stop) = line.stops.iter().find(near) {
                let hidden = label.audible.map(after);
                stops.push(after(*stop));
                audible.extend(hidden.map(|hidden| after(*stop) - hidden));
                let phrase = phrases.entry(&label.text).or_default();
                phrase.push([after(*stop), hidden.unwrap_or(f64::NAN)]);
            } else if line.heard_voice_at(label.start - 0.1) {
                already += 1;
            } else {
                unheard += 1;
            }
            commits.extend(line.commits.iter().find(near).map(|t| after(*t)));
        }
    }
    let what = format!("labelled onset → last sample leaves, {snr} dB, {set}");
    report.row(&what, "ms", &Percentiles::of(&stops), limits);
    report.note(
        "  the same from where the speech rises above the noise",
        format!("{} ms", Percentiles::of(&audible)),
    );
    report.note(
        "  the same, decision to drop the rest (commit)",
        format!("{} ms", Percentiles::of(&commits)),
    );
    let all = stops.len() + already + unheard;
    report.note(
        "  callers who did not stop the mouth",
        format!(
            "{unheard} of {all}, and {already} who spoke up when the ears already took the noise \
             for speech"
        ),
    );
    if phrases.len() <= 10 {
        for (phrase, found) in &phrases {
            let p50 =
                |n: usize| Percentiles::of(&found.iter().map(|f| f[n]).collect::<Vec<_>>()).p50;
            report.note(
                &format!("    “{phrase}”"),
                format!(
                    "p50 {:.0} ms, of which the noise hides {:.0} (n {})",
                    p50(0),
                    p50(1),
                    found.len()
                ),
            );
        }
    }
    Ok(())
}

fn label_window(label: &Label) -> f64 {
    ((label.end - label.start) * 1000.0 + 300.0).min(1500.0)
}

fn noise(report: &mut Report, seconds: u64, babble: &[recordings::Recording]) -> Result<()> {
    let noises = [
        Noise::White,
        Noise::Pink,
        Noise::Hum,
        Noise::Clicks,
        Noise::Babble,
        Noise::Pink,
    ];
    let callers: Vec<Caller> = noises
        .iter()
        .enumerate()
        .map(|(n, noise)| {
            let mut random = Random::new(40 + n as u64);
            let length = duplex_tests::caller::samples(Duration::from_secs(seconds));
            let level = f64::from(duplex_tests::signal::from_db(-46.0));
            Caller {
                samples: noise.samples(length, level, &mut random, babble),
                labels: Vec::new(),
            }
        })
        .collect();
    let lines = run(&callers, seconds)?;
    let minutes = (seconds * noises.len() as u64) as f64 / 60.0;
    let count = |f: &dyn Fn(&Line) -> usize| lines.iter().map(f).sum::<usize>() as f64 / minutes;
    report.single(
        "noise alone: commits a minute",
        "",
        count(&|l| l.commits.len()),
        0.2,
        0.0,
    );
    report.single(
        "noise alone: pauses that resume, a minute",
        "",
        count(&|l| l.stops.len()),
        2.0,
        0.5,
    );
    for (noise, line) in noises.iter().zip(&lines) {
        report.note(
            &format!("  {noise:?} alone"),
            format!(
                "{} pauses, {} commits",
                line.stops.len(),
                line.commits.len()
            ),
        );
    }
    Ok(())
}

/// What a mouth told, in seconds of running time.
#[derive(Default)]
struct Line {
    /// When the last audible sample before a stop was pushed.
    stops: Vec<f64>,
    /// When the rest of an utterance was dropped.
    commits: Vec<f64>,
    /// When the ears began to hear a voice (true), and when they no longer did.
    voice: Vec<(f64, bool)>,
}

impl Line {
    fn heard_voice_at(&self, time: f64) -> bool {
        let before = self.voice.iter().rfind(|(at, _)| *at <= time);
        before.is_some_and(|(_, voice)| *voice)
    }
}

/// Each caller in a line of its own, all at once.
fn run(callers: &[Caller], seconds: u64) -> Result<Vec<Line>> {
    let folder = plugins::temporary("onset")?;
    let clock = gst::SystemClock::obtain();
    let mut pipelines = Vec::new();
    for (n, caller) in callers.iter().enumerate() {
        let wav = folder.join(format!("{n}.wav"));
        caller.write_wav(&wav)?;
        let pipeline = line(&wav)?;
        pipeline.use_clock(Some(&clock));
        pipelines.push(pipeline);
    }
    let threads: Vec<_> = pipelines
        .into_iter()
        .map(|pipeline| std::thread::spawn(move || listen(&pipeline, seconds)))
        .collect();
    let lines = threads
        .into_iter()
        .map(|t| t.join().map_err(|_| anyhow::anyhow!("a line panicked"))?)
        .collect();
    std::fs::remove_dir_all(folder)?;
    lines
}

/// The line of the README, with a file as its microphone: each buffer comes when a microphone
/// would deliver it.
fn line(wav: &Path) -> Result<gst::Pipeline> {
    let source = format!(
        "filesrc location={} ! wavparse ! audiobuffersplit output-buffer-duration=1/100 \
         ! clocksync ts-offset=10000000",
        wav.display()
    );
    let description = format!(
        "vadsrc name=ears audio-source=\"{source}\" ! fakesink sync=false async=false \
         ttssink name=mouth synthesizer=espeaktts interrupted-by=ears audio-sink=\"fakesink sync=true\""
    );
    gst::parse::launch(&description)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| anyhow::anyhow!("a line is a pipeline"))
}

fn listen(pipeline: &gst::Pipeline, seconds: u64) -> Result<Line> {
    let text = "one of the many things that a voice can say without a pause is that it goes on and \
        on while nobody wants to hear any of it ";
    let mouth = pipeline.by_name("mouth").context("the line has a mouth")?;
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    pipeline.set_state(gst::State::Playing)?;
    let text = text.repeat(12);
    mouth.emit_by_name::<Option<String>>("say", &[&text]);
    let mut line = Line::default();
    let end = gst::ClockTime::from_seconds(seconds);
    let seconds = |s: &gst::StructureRef, field: &str| -> Option<f64> {
        s.get::<u64>(field).ok().map(|ns| ns as f64 / 1e9)
    };
    while pipeline.current_running_time().unwrap_or_default() < end {
        let Some(message) = bus.timed_pop(gst::ClockTime::from_mseconds(100)) else {
            continue;
        };
        if let gst::MessageView::Error(e) = message.view() {
            anyhow::bail!("{}: {:?}", e.error(), e.debug());
        }
        let Some(structure) = message.structure() else {
            continue;
        };
        match structure.name().as_str() {
            "voice-activity" => {
                let voice = structure.get("stream-has-voice").unwrap_or(false);
                let at = seconds(structure, "running-time");
                line.voice.extend(at.map(|at| (at, voice)));
            }
            "ttssink/paused" => line.stops.extend(seconds(structure, "left-at")),
            "ttssink/interrupted" => {
                line.commits.extend(seconds(structure, "running-time"));
                mouth.emit_by_name::<Option<String>>("say", &[&text]);
            }
            "ttssink/utterance-finished" => {
                mouth.emit_by_name::<Option<String>>("say", &[&text]);
            }
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null)?;
    Ok(line)
}
