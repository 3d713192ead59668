// SPDX-License-Identifier: MPL-2.0

//! The whole ear, as a mouth has it: the element `vad`, told what an agent plays, none of which
//! comes back. As the bench of the mouth, but on the media clock: minutes within seconds.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use anyhow::{Context, Result};
use duplex_tests::{
    caller::{Caller, Plan},
    measure::Percentiles,
    noise::Noise,
    onsets::{Reaction, Told},
    plugins,
    random::Random,
    recordings::{RATE, Recording},
    signal, speaking,
};
use gst::prelude::*;

use crate::{BUFFER, coughs};

/// From the decision to the last sample that leaves, in seconds: the median of the bench.
const LEAVES: f64 = 0.006;
/// As the mouth has it, in nanoseconds.
const COMMIT: u64 = 250_000_000;
const CALLER_EACH: f64 = 4.0;
const NOISES: [Noise; 5] = [
    Noise::White,
    Noise::Pink,
    Noise::Hum,
    Noise::Clicks,
    Noise::Babble,
];

/// Prints one table for each set of properties.
pub fn measure(
    speakers: &[(&str, Vec<Recording>)],
    properties: &[&str],
    minutes: u64,
) -> Result<()> {
    plugins::init();
    let agent = agent()?;
    let babble = &speakers[speakers.len() - 1].1;
    for properties in properties {
        println!("\nvad {properties}");
        for (speaker, recordings) in speakers {
            for snr_db in [20.0, 10.0] {
                let noises = [Noise::Pink, Noise::White, Noise::Babble];
                let (mut all, mut already, mut of) = (Vec::new(), 0, Vec::new());
                let (mut commits, mut again) = (Vec::new(), 0);
                for (seed, noise) in (3..).zip(noises) {
                    let caller = speaks_up(recordings, babble, noise, snr_db, seed, minutes);
                    let told = listen(properties, &caller, &agent)?;
                    let mut stops = Vec::new();
                    for label in &caller.labels {
                        commits.push(told.commit(label).unwrap_or(f64::INFINITY));
                        let during = |at: &&f64| (label.start..label.end).contains(*at);
                        again += told.stops.iter().filter(during).count().saturating_sub(1);
                        match told.reaction(label) {
                            Reaction::Stopped(ms) => stops.push(ms),
                            Reaction::Already => already += 1,
                            Reaction::Unheard => stops.push(f64::INFINITY),
                        }
                    }
                    let found = Percentiles::of(&stops);
                    of.push(format!("{noise:?} {:.0}/{:.0}", found.p50, found.p95));
                    all.extend(stops);
                }
                println!(
                    "{speaker:10} {snr_db} dB: {} ms, already {already} ({}); stopped again {again} times; commit {} ms",
                    Percentiles::of(&all),
                    of.join(", "),
                    Percentiles::of(&commits)
                );
            }
        }
        for level_db in [-46.0, -36.0] {
            let (mut pauses, mut commits, mut of) = (0, 0, Vec::new());
            for (seed, noise) in (40..).zip(NOISES) {
                let level = f64::from(signal::from_db(level_db));
                let length = minutes as usize * 60 * RATE as usize;
                let caller = Caller {
                    samples: noise.samples(length, level, &mut Random::new(seed), babble),
                    labels: Vec::new(),
                };
                let told = listen(properties, &caller, &agent)?;
                pauses += told.stops.len();
                commits += told.commits.len();
                of.push(format!(
                    "{noise:?} {}/{}",
                    told.stops.len(),
                    told.commits.len()
                ));
            }
            let all = (minutes * NOISES.len() as u64) as f64;
            println!(
                "noise alone, {level_db} dBFS, a minute: {:.2} pauses, {:.2} commits ({})",
                pauses as f64 / all,
                commits as f64 / all,
                of.join(", ")
            );
        }
        let murmurs = (1..=100).fold(Plan::new(Duration::from_secs(202)), |plan, n| {
            plan.murmur(Duration::from_secs(2 * n), &speakers[0].1[n as usize % 8])
        });
        let level = f64::from(signal::from_db(-46.0));
        let made = |noise: Noise| Caller {
            samples: noise.samples(60 * RATE as usize, level, &mut Random::new(50), &[]),
            labels: Vec::new(),
        };
        for (what, caller) in [
            ("100 coughs", coughs(100)),
            ("100 murmurs", murmurs.record()),
            ("a minute of typing", made(Noise::Keys)),
            ("a minute of knocks", made(Noise::Knocks)),
        ] {
            let told = listen(properties, &caller, &agent)?;
            let (pauses, commits) = (told.stops.len(), told.commits.len());
            println!("{what}: {pauses} pauses, {commits} commits");
        }
    }
    Ok(())
}

fn speaks_up(
    speech: &[Recording],
    babble: &[Recording],
    noise: Noise,
    snr_db: f64,
    seed: u64,
    minutes: u64,
) -> Caller {
    let mut random = Random::new(seed);
    let length = 60.0 * minutes as f64;
    let mut plan = Plan {
        noise,
        snr_db,
        seed,
        babble: babble.to_vec(),
        ..Plan::new(Duration::from_secs_f64(length))
    };
    let mut at = 5.5;
    while at + CALLER_EACH < length {
        plan = plan.say(
            Duration::from_secs_f64(at),
            &speech[random.below(speech.len())],
        );
        at += CALLER_EACH + random.between(0.0, 0.5);
    }
    plan.record()
}

/// Levels in dBFS of an agent who speaks without many pauses, one for each 10 ms.
fn agent() -> Result<Vec<f64>> {
    let text = "one of the many things that a voice can say without a pause is that it goes on and \
        on while nobody wants to hear any of it ";
    let rig = speaking::Rig::playing("espeaktts");
    rig.push(text.repeat(6))
        .ok()
        .context("espeaktts takes text")?;
    let out = rig.drain();
    let samples: Vec<f32> = speaking::samples(&out)
        .iter()
        .map(|s| f32::from(*s) / 32768.0)
        .collect();
    rig.stop();
    Ok(signal::frames(&samples, 220)
        .into_iter()
        .map(signal::to_db)
        .collect())
}

/// Plays a caller to an ear, and what the agent says until the ear stops him.
fn listen(properties: &str, caller: &Caller, agent: &[f64]) -> Result<Told> {
    let bin = gst::parse::launch(&format!("vad {properties}"))?;
    let downstream = gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(|_, _, _| Ok(gst::FlowSuccess::Ok))
        .event_function(|_, _, _| true)
        .build();
    let src = bin.static_pad("src").context("an ear has a source pad")?;
    src.link(&downstream)?;
    downstream.set_active(true)?;
    let paused = Arc::new(AtomicBool::new(false));
    // (at, paused by it, voice)
    let (tell, told) = std::sync::mpsc::channel::<(&'static str, u64)>();
    for signal in [
        "speech-suspected",
        "speech-onset",
        "speech-cancelled",
        "speech-ended",
    ] {
        if gst::glib::subclass::SignalId::lookup(signal, bin.type_()).is_none() {
            continue;
        }
        let (paused, tell) = (paused.clone(), tell.clone());
        bin.connect(signal, false, move |args| {
            paused.store(
                matches!(signal, "speech-suspected" | "speech-onset"),
                Ordering::Relaxed,
            );
            let at = args[1].get().unwrap_or_default();
            let _ = tell.send((signal, at));
            None
        });
    }
    bin.set_state(gst::State::Playing)?;
    let sink = bin.static_pad("sink").context("an ear has a sink pad")?;
    let info = gst_audio::AudioInfo::builder(gst_audio::AudioFormat::F32le, RATE, 1).build()?;
    sink.send_event(gst::event::StreamStart::new("caller"));
    sink.send_event(gst::event::Caps::new(&info.to_caps()?));
    sink.send_event(gst::event::Segment::new(&gst::FormattedSegment::<
        gst::ClockTime,
    >::new()));
    let mut result = Told::default();
    let mut silenced: Option<u64> = None;
    let mut onset: Option<u64> = None;
    let mut said = 0;
    for (n, samples) in (0u64..).zip(caller.samples.chunks_exact(BUFFER)) {
        let time = n * 10_000_000;
        let level = if paused.load(Ordering::Relaxed) {
            -200.0
        } else {
            said += 1;
            agent[said % agent.len()]
        };
        let report = gst::Structure::builder("far-end")
            .field("running-time", time)
            .field("duration", 10_000_000u64)
            .field("rms-db", level)
            .build();
        bin.emit_by_name::<()>("far-end", &[&report]);
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        buffer
            .get_mut()
            .context("a new buffer is writable")?
            .set_pts(gst::ClockTime::from_nseconds(time));
        sink.chain(buffer)?;
        let known = (time + 10_000_000) as f64 / 1e9;
        for (signal, at) in told.try_iter() {
            let voice = matches!(signal, "speech-suspected" | "speech-onset");
            result.voice.push((known, voice));
            if voice && silenced.is_none() {
                silenced = Some(at);
                result.stops.push(known + LEAVES);
            }
            if signal == "speech-onset" {
                onset = Some(time);
            }
            if !voice {
                (silenced, onset) = (None, None);
            }
        }
        if onset.is_some_and(|onset| time >= onset + COMMIT) {
            result.commits.push(known);
            onset = None;
        }
    }
    bin.set_state(gst::State::Null)?;
    Ok(result)
}
