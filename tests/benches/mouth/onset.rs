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
    caller::{Caller, Plan},
    measure::Percentiles,
    noise::Noise,
    onsets::{Reaction, Told},
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

/// A row of which more callers than this share cannot be judged says so.
const ALREADY: f64 = 0.05;

/// Seconds before the first caller: the ears have to hear first how much of the mouth comes back.
const WARM_UP: u64 = 5;

pub fn measure(report: &mut Report, seconds: u64) -> Result<()> {
    let tuned = recordings::speaker_tests()?;
    let other = recordings::prompts(60);
    // Made of eight phrases by one speaker it would be his voice, not that of many.
    let babble = other.as_ref().unwrap_or(&tuned);
    for (snr, limits) in [
        (20.0, [p50(55.0, 45.0), p95(115.0, 90.0)]),
        (10.0, [p50(70.0, 50.0), p95(180.0, 130.0)]),
    ] {
        report.on_the_clock(&format!("onsets at {snr} dB"), LINES, |report| {
            onsets(
                report,
                snr,
                "alsa-utils",
                (&tuned, babble),
                seconds,
                &limits,
            )?;
            match &other {
                Some(other) => {
                    let speech = (&other[..], &babble[..]);
                    onsets(report, snr, "asterisk prompts", speech, seconds, &limits)
                }
                None => Ok(()),
            }
        })?;
    }
    // As loud as under the callers of −26 dBFS.
    for level_db in [-46.0, -36.0] {
        noise(report, seconds, level_db, babble)?;
    }
    no_speech(report, seconds, &tuned)
}

fn onsets(
    report: &mut Report,
    snr: f64,
    set: &str,
    (speech, babble): (&[recordings::Recording], &[recordings::Recording]),
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
            plan.babble = babble.to_vec();
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
            // Who was not heard waited longest.
            let stop = match line.reaction(label) {
                Reaction::Stopped(after) => after,
                Reaction::Already => {
                    already += 1;
                    continue;
                }
                Reaction::Unheard => {
                    unheard += 1;
                    f64::INFINITY
                }
            };
            let hidden = label.audible.map(|at| (at - label.start) * 1000.0);
            stops.push(stop);
            audible.extend(hidden.map(|hidden| stop - hidden));
            commits.push(line.commit(label).unwrap_or(f64::INFINITY));
            let phrase = phrases.entry(&label.text).or_default();
            phrase.push([stop, hidden.unwrap_or(f64::NAN)]);
        }
    }
    let what = format!("labelled onset → last sample leaves, {snr} dB, {set}");
    report.row(&what, "ms", &Percentiles::of(&stops), limits);
    let all = stops.len() + already;
    if already as f64 > ALREADY * all as f64 {
        report.mark(&format!("{already} OF {all} HIDDEN BY FALSE ALARMS: "));
    }
    report.note(
        "  the same from where the speech rises above the noise",
        format!("{} ms", Percentiles::of(&audible)),
    );
    report.note(
        "  the same, decision to drop the rest (commit)",
        format!("{} ms", Percentiles::of(&commits)),
    );
    report.note(
        "  callers who did not stop the mouth",
        format!(
            "{unheard} of {all} (in the figures, as the slowest), and {already} who spoke up when \
             the ears already took the noise for speech (not in them)"
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

fn noise(
    report: &mut Report,
    seconds: u64,
    level_db: f64,
    babble: &[recordings::Recording],
) -> Result<()> {
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
        .zip(40..)
        .map(|(noise, seed)| alone(*noise, seconds, level_db, seed, babble))
        .collect();
    let lines = run(&callers, seconds)?;
    let minutes = (seconds * noises.len() as u64) as f64 / 60.0;
    let count = |f: &dyn Fn(&Told) -> usize| lines.iter().map(f).sum::<usize>() as f64 / minutes;
    report.single(
        &format!("noise alone, {level_db} dBFS: commits a minute"),
        "",
        count(&|l| l.commits.len()),
        0.2,
        0.0,
    );
    report.single(
        &format!("noise alone, {level_db} dBFS: pauses that resume, a minute"),
        "",
        count(&|l| l.stops.len()),
        2.0,
        0.5,
    );
    for (noise, line) in noises.iter().zip(&lines) {
        report.note(&format!("  {noise:?} alone"), pauses(line));
    }
    Ok(())
}

/// Sounds that people and things make without a word, one every two seconds or as they come: what
/// they cost a mouth. Faint pink noise lies under coughs and murmurs.
fn no_speech(report: &mut Report, seconds: u64, speech: &[recordings::Recording]) -> Result<()> {
    let each = |say: &dyn Fn(Plan, Duration, usize) -> Plan| {
        let mut plan = Plan::new(Duration::from_secs(seconds));
        plan.snr_db = 30.0;
        for n in 3..seconds / 2 {
            plan = say(plan, Duration::from_secs(2 * n), n as usize);
        }
        (plan.record(), seconds / 2 - 3)
    };
    let sounds = [
        ("coughs", each(&|plan, at, _| plan.cough(at))),
        (
            "murmurs of 130 ms",
            each(&|plan, at, n| plan.murmur(at, &speech[n % speech.len()])),
        ),
        ("typing", (alone(Noise::Keys, seconds, -46.0, 50, &[]), 0)),
        ("knocks", (alone(Noise::Knocks, seconds, -46.0, 51, &[]), 0)),
    ];
    let callers: Vec<Caller> = sounds.iter().map(|(_, (c, _))| c.clone()).collect();
    let lines = run(&callers, seconds)?;
    for ((what, (_, count)), line) in sounds.iter().zip(&lines) {
        let of = match count {
            0 => format!("{seconds} s of"),
            count => count.to_string(),
        };
        report.note(&format!("  {of} {what}"), pauses(line));
    }
    Ok(())
}

fn pauses(line: &Told) -> String {
    let (pauses, commits) = (line.stops.len(), line.commits.len());
    format!("{pauses} pauses, {commits} commits")
}

fn alone(
    noise: Noise,
    seconds: u64,
    level_db: f64,
    seed: u64,
    babble: &[recordings::Recording],
) -> Caller {
    let length = duplex_tests::caller::samples(Duration::from_secs(seconds));
    let level = f64::from(duplex_tests::signal::from_db(level_db));
    Caller {
        samples: noise.samples(length, level, &mut Random::new(seed), babble),
        labels: Vec::new(),
    }
}

/// Each caller in a line of its own, all at once.
fn run(callers: &[Caller], seconds: u64) -> Result<Vec<Told>> {
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

fn listen(pipeline: &gst::Pipeline, seconds: u64) -> Result<Told> {
    let text = "one of the many things that a voice can say without a pause is that it goes on and \
        on while nobody wants to hear any of it ";
    let mouth = pipeline.by_name("mouth").context("the line has a mouth")?;
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    pipeline.set_state(gst::State::Playing)?;
    let text = text.repeat(12);
    mouth.emit_by_name::<Option<String>>("say", &[&text]);
    let mut line = Told::default();
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
