// SPDX-License-Identifier: MPL-2.0

//! How soon the detectors hear somebody speak up, and how often they hear somebody who is not there.
//!
//!     cargo run -p duplex-tests --bin vad-accuracy
//!
//! Recorded phrases at random times over made noise, in buffers of 10 ms as a microphone delivers them. Each threshold is
//! shown for both speakers: choose on the first (alsa-utils), believe the second (asterisk-core-sounds-en-wav).
//! *Onset* is from the label (where the clean recording begins to rise out of its own silence) to the end of the buffer
//! with which the decision falls; a phrase not heard within a second is missed and counts as the slowest of all.
//! *Tentative* and *commits* count per minute of noise in which nobody speaks; a commit is a decision that still
//! holds after 250 ms, a tentative one is any. *Already* are phrases that began while the detector was still on, by a late
//! end or a false trigger. Of coughs, the share that triggers is given.

//!
//! With `--ears PROPERTIES` it is the element that hears, with these properties, while it is told that an agent speaks:
//!
//!     cargo run -p duplex-tests --bin vad-accuracy -- --ears "" --ears energy-onset=false --ears echo-gate=false

#![allow(clippy::print_stdout)]

mod ears;

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use duplex_tests::{
    caller::{Caller, Plan},
    noise::Noise,
    random::Random,
    recordings::{self, RATE, Recording},
};
use gstduplexvad::detector::{Analyzer, Kind, Samples};

const BUFFER: usize = RATE as usize / 100;

/// As the elements have them, in seconds: what calls an onset off, what confirms it, what ends speech.
const DIP: f64 = 0.064;
const COMMIT: f64 = 0.25;
const HANGOVER: f64 = 0.3;

const COUGHS: u32 = 50;
const SNRS_DB: [f64; 3] = [40.0, 20.0, 10.0];
const NOISES: [Noise; 4] = [Noise::White, Noise::Pink, Noise::Hum, Noise::Babble];
const THRESHOLDS: [(f32, f32); 9] = [
    (0.1, 0.08),
    (0.2, 0.15),
    (0.3, 0.2),
    (0.4, 0.3),
    (0.5, 0.35),
    (0.6, 0.45),
    (0.7, 0.5),
    (0.8, 0.6),
    (0.9, 0.7),
];

/// Earshot latches where it ends below 0.6.
const EARSHOT_THRESHOLDS: [(f32, f32); 4] = [(0.6, 0.6), (0.7, 0.6), (0.8, 0.6), (0.9, 0.7)];

#[derive(Parser)]
#[command(about = "Accuracy of the voice activity detectors on recorded speech in noise")]
struct Arguments {
    /// Phrases of each speaker per noise and level.
    #[arg(long, default_value_t = 96)]
    phrases: usize,
    /// Minutes of each noise without speech.
    #[arg(long, default_value_t = 4)]
    minutes: u64,
    /// Measure the element `vad` with these properties instead, as in gst-launch; may be repeated.
    #[arg(long)]
    ears: Vec<String>,
}

struct Engine {
    name: &'static str,
    kind: Kind,
    phases: usize,
    thresholds: &'static [(f32, f32)],
}

const ENGINES: [Engine; 4] = [
    Engine {
        name: "silero, four phases",
        kind: Kind::Silero,
        phases: 4,
        thresholds: &THRESHOLDS,
    },
    Engine {
        name: "silero, two phases",
        kind: Kind::Silero,
        phases: 2,
        thresholds: &THRESHOLDS,
    },
    Engine {
        name: "silero, one phase",
        kind: Kind::Silero,
        phases: 1,
        thresholds: &THRESHOLDS,
    },
    Engine {
        name: "earshot",
        kind: Kind::Earshot,
        phases: 1,
        thresholds: &EARSHOT_THRESHOLDS,
    },
];

/// A score, the time in seconds where its audio ends, and the end of the buffer with which it came.
struct Scored {
    value: f32,
    end: f64,
    known: f64,
}

impl Engine {
    fn listen(&self, samples: &[f32]) -> Vec<Scored> {
        let rate = f64::from(RATE);
        let mut analyzer = Analyzer::new(self.kind, RATE, 1);
        analyzer.set_phases(self.phases);
        let mut all = Vec::new();
        for (n, buffer) in samples.chunks(BUFFER).enumerate() {
            let known = (n + 1) as f64 * BUFFER as f64 / rate;
            analyzer.process(Samples::F32(buffer), |score| {
                all.push(Scored {
                    value: score.value,
                    end: score.end as f64 / rate,
                    known,
                });
            });
        }
        all
    }
}

/// From the decision that somebody speaks to the one that nobody does.
struct Spell {
    known: f64,
    over: f64,
    committed: bool,
}

fn spells(scores: &[Scored], on: f32, off: f32) -> Vec<Spell> {
    let mut all: Vec<Spell> = Vec::new();
    // The open spell: when it was decided, the last voice in it.
    let mut open: Option<(f64, f64)> = None;
    for score in scores {
        match &mut open {
            None if score.value >= on => {
                open = Some((score.end, score.end));
                all.push(Spell {
                    known: score.known,
                    over: f64::INFINITY,
                    committed: false,
                });
            }
            None => {}
            Some((decided, last)) => {
                let Some(spell) = all.last_mut() else {
                    continue;
                };
                if score.value >= off {
                    *last = score.end;
                    spell.committed |= score.end - *decided >= COMMIT;
                } else if score.end - *last >= if spell.committed { HANGOVER } else { DIP } {
                    spell.over = score.known;
                    open = None;
                }
            }
        }
    }
    all
}

/// A caller who says `count` phrases in random order at random times.
fn caller(speaker: &[Recording], count: usize, noise: Noise, snr_db: f64, seed: u64) -> Caller {
    let mut random = Random::new(seed);
    let mut at = 2.0;
    let mut plan = Plan {
        noise,
        snr_db,
        seed,
        ..Plan::new(Duration::ZERO)
    };
    for _ in 0..count {
        let phrase = &speaker[random.below(speaker.len())];
        plan = plan.say(Duration::from_secs_f64(at), phrase);
        at += phrase.speech().len() as f64 / f64::from(RATE) + random.between(1.2, 2.2);
    }
    plan.length = Duration::from_secs_f64(at);
    plan.record()
}

fn noise_alone(speaker: &[Recording], minutes: u64, noise: Noise, snr_db: f64) -> Vec<f32> {
    let level = f64::from(duplex_tests::signal::from_db(-26.0 - snr_db));
    let length = minutes as usize * 60 * RATE as usize;
    noise.samples(length, level, &mut Random::new(77), speaker)
}

/// A cough every two seconds over faint noise.
fn coughs(count: u32) -> Caller {
    let mut plan = Plan {
        noise: Noise::Pink,
        snr_db: 30.0,
        ..Plan::new(Duration::from_secs(2) * (count + 1))
    };
    for n in 1..=count {
        plan = plan.cough(Duration::from_secs(2) * n);
    }
    plan.record()
}

/// Latencies of the onsets in milliseconds, sorted; missed ones are infinite. Labels at which the detector was on
/// already, by a false trigger or a late end, are left out and counted.
fn onsets(spells: &[Spell], caller: &Caller) -> (Vec<f64>, usize) {
    let mut latencies = Vec::new();
    let mut already = 0;
    for label in &caller.labels {
        let on = |spell: &&Spell| spell.known <= label.start && spell.over > label.start;
        if spells.iter().any(|spell| on(&spell)) {
            already += 1;
            continue;
        }
        let latency = spells
            .iter()
            .find(|spell| spell.known > label.start)
            .map_or(f64::INFINITY, |spell| (spell.known - label.start) * 1e3);
        latencies.push(if latency < 1e3 {
            latency
        } else {
            f64::INFINITY
        });
    }
    latencies.sort_by(f64::total_cmp);
    (latencies, already)
}

fn at(sorted: &[f64], share: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// The area under the curve of hits over false alarms: the chance that a hop of speech scores above one of noise.
fn area(scores: &[(f32, bool)]) -> f64 {
    let mut sorted: Vec<_> = scores.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut quiet, mut below) = (0_u64, 0_u64);
    for (_, speech) in &sorted {
        if *speech {
            below += quiet;
        } else {
            quiet += 1;
        }
    }
    below as f64 / (quiet * (sorted.len() as u64 - quiet)).max(1) as f64
}

fn hops(scores: &[Scored], caller: &Caller) -> Vec<(f32, bool)> {
    scores
        .iter()
        .filter_map(|score| {
            let speech = caller
                .labels
                .iter()
                .any(|l| score.end > l.start + 0.032 && score.end < l.end);
            let near = caller
                .labels
                .iter()
                .any(|l| score.end > l.start - 0.01 && score.end < l.end + 0.25);
            (speech || !near).then_some((score.value, speech))
        })
        .collect()
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut speakers = vec![("alsa-utils", recordings::speaker_tests()?)];
    if let Some(prompts) = recordings::prompts(arguments.phrases) {
        speakers.push(("asterisk", prompts));
    }
    if !arguments.ears.is_empty() {
        let properties: Vec<&str> = arguments.ears.iter().map(String::as_str).collect();
        return ears::measure(&speakers, &properties, arguments.minutes);
    }
    let coughs = coughs(COUGHS);
    for (speaker, recordings) in &speakers {
        let mut callers = Vec::new();
        for snr_db in SNRS_DB {
            let seeds = 1..;
            let of_level: Vec<Caller> = NOISES
                .into_iter()
                .zip(seeds)
                .map(|(noise, seed)| caller(recordings, arguments.phrases, noise, snr_db, seed))
                .collect();
            callers.push((snr_db, of_level));
        }
        let rooms: Vec<(Noise, Vec<f32>)> = SNRS_DB[1..]
            .iter()
            .flat_map(|snr| {
                [
                    Noise::White,
                    Noise::Pink,
                    Noise::Hum,
                    Noise::Clicks,
                    Noise::Babble,
                ]
                .map(|noise| {
                    (
                        noise,
                        noise_alone(recordings, arguments.minutes, noise, *snr),
                    )
                })
            })
            .collect();
        for engine in ENGINES {
            println!("\n{speaker}, {}", engine.name);
            let mut heard = Vec::new();
            for (snr_db, callers) in &callers {
                let scores: Vec<Vec<Scored>> =
                    callers.iter().map(|c| engine.listen(&c.samples)).collect();
                let areas: Vec<String> = scores
                    .iter()
                    .zip(callers)
                    .zip(NOISES)
                    .map(|((s, c), noise)| format!("{noise:?} {:.3}", area(&hops(s, c))))
                    .collect();
                println!("AUC at {snr_db:2} dB: {}", areas.join(", "));
                heard.push(scores);
            }
            let alone: Vec<(Noise, Vec<Scored>)> = rooms
                .iter()
                .map(|(noise, samples)| (*noise, engine.listen(samples)))
                .collect();
            let coughing = engine.listen(&coughs.samples);
            println!(
                "{:9} {}  missed  already |  noise: tentative commits | \
                 babble: tentative commits  /min | coughs: tentative commits",
                "on/off",
                SNRS_DB
                    .map(|snr| format!("{:>14}", format!("{snr} dB p50/p95")))
                    .join(" ")
            );
            for (on, off) in engine.thresholds.iter().copied() {
                let (mut missed, mut already, mut labels) = (0, 0, 0);
                let mut columns = Vec::new();
                for (scores, (_, callers)) in heard.iter().zip(&callers) {
                    let mut all = Vec::new();
                    for (scores, caller) in scores.iter().zip(callers) {
                        let (latencies, on_already) = onsets(&spells(scores, on, off), caller);
                        all.extend(latencies);
                        already += on_already;
                        labels += caller.labels.len();
                    }
                    all.sort_by(f64::total_cmp);
                    missed += all.iter().filter(|l| l.is_infinite()).count();
                    columns.push(format!("{:8.0} /{:4.0}", at(&all, 0.5), at(&all, 0.95)));
                }
                let per_minute = |babble: bool, commits: bool| {
                    let of: Vec<usize> = alone
                        .iter()
                        .filter(|(noise, _)| (*noise == Noise::Babble) == babble)
                        .map(|(_, scores)| {
                            let all = spells(scores, on, off);
                            all.iter().filter(|s| s.committed || !commits).count()
                        })
                        .collect();
                    of.iter().sum::<usize>() as f64 / (of.len() as u64 * arguments.minutes) as f64
                };
                let coughed = spells(&coughing, on, off);
                println!(
                    "{on:.2}/{off:.2} {}  {:5.1}%   {:5.1}% | {:16.2} {:7.2} | {:17.2} {:7.2}       | {:16.0}% {:6.0}%",
                    columns.join(" "),
                    100.0 * missed as f64 / labels as f64,
                    100.0 * already as f64 / labels as f64,
                    per_minute(false, false),
                    per_minute(false, true),
                    per_minute(true, false),
                    per_minute(true, true),
                    100.0 * coughed.len() as f64 / COUGHS as f64,
                    100.0 * coughed.iter().filter(|s| s.committed).count() as f64 / COUGHS as f64,
                );
            }
        }
    }
    Ok(())
}
