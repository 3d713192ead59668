// SPDX-License-Identifier: MPL-2.0

//! The voice that cudattsynth comes with.

use std::{sync::Arc, time::Instant};

use anyhow::{Context, Result, ensure};
use duplex_neural::{
    NeuralEngine, Options,
    compact::{Compact, FRAME_SAMPLES, RATE},
    family::{Family, Frames, Manner},
};
use duplex_synthesis::{Engine, Request};
use duplex_tests::{
    held_out::Sentences,
    measure::{Percentiles, ms},
    report::{Report, p50, p95},
};

use crate::{
    TEXT,
    streams::{self, Goal},
};

/// How often a text is spoken for a figure.
const TRIALS: usize = 50;
/// Streams that an engine may be asked for.
const MOST: usize = 400;

pub fn measure(report: &mut Report, seconds: u64) -> Result<()> {
    let mut loads = Vec::new();
    for _ in 0..TRIALS {
        let begun = Instant::now();
        Compact::built_in()?;
        loads.push(ms(begun.elapsed()));
    }
    let voice = Compact::built_in()?;
    report.row(
        "small voice: loading",
        "ms",
        &Percentiles::of(&loads),
        &[p95(50.0, f64::NAN)],
    );
    report.on_the_clock("the cost of the small voice", 1, |report| {
        cost(report, &voice)
    })?;
    let options = Options {
        slots: MOST,
        max_batch: MOST,
        ..Options::default()
    };
    let engine = Arc::new(NeuralEngine::new(Arc::new(voice), options)?);
    first_audio(report, &engine)?;
    marks(report, &engine)?;
    report.on_the_clock("streams of the small voice", 1, |report| {
        let goal = Goal {
            what: "small voice, CPU",
            counts: &[60, 150, 250],
            must: 60.0,
            aim: 150.0,
        };
        streams::most(report, &engine, &goal, seconds).map(drop)
    })?;
    report.note(
        "H200: streams of the small voice",
        "not measured here: make gpu-check",
    );
    Ok(())
}

/// One stream on one thread, generator and decoder one after the other, admission included.
fn cost(report: &mut Report, voice: &Compact) -> Result<()> {
    let loaded = voice.voice(&voice.voices()[0].name)?;
    let chunks = voice.chunks(TEXT)?.chunks;
    let (mut generator, mut decoder) = (voice.generator(1)?, voice.decoder(1)?);
    let (mut frames, mut sound) = (Frames::default(), Vec::new());
    let mut shares = Vec::new();
    for _ in 0..TRIALS {
        let begun = Instant::now();
        let mut samples = 0;
        for chunk in &chunks {
            generator.admit(0, chunk, &loaded, Manner::default())?;
            decoder.reset(0);
            loop {
                generator.step(&[0], &mut frames)?;
                if frames.over[0] {
                    break;
                }
                decoder.decode(&[0], &frames.values, &mut sound)?;
                samples += FRAME_SAMPLES;
            }
            generator.release(0);
        }
        shares.push(100.0 * begun.elapsed().as_secs_f64() / (samples as f64 / RATE as f64));
    }
    report.row(
        "small voice, CPU, 1 stream, 1 thread: share of real time",
        "%",
        &Percentiles::of(&shares),
        &[p50(2.0, 0.8)],
    );
    Ok(())
}

/// From the text's push to the piece with the first sample that can be heard, in the engine alone.
fn first_audio(report: &mut Report, engine: &NeuralEngine) -> Result<()> {
    let mut found = Vec::new();
    for _ in 0..TRIALS {
        let mut utterance = engine.open(&Request::default())?;
        let begun = Instant::now();
        utterance.text.push(TEXT)?;
        utterance.text.finish()?;
        loop {
            let piece = utterance.audio.next()?.context("sound")?;
            if piece
                .samples
                .iter()
                .any(|sample| sample.unsigned_abs() > 300)
            {
                break;
            }
        }
        found.push(ms(begun.elapsed()));
        utterance.cancel.cancel();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    report.row(
        "small voice, engine alone: text → first audible piece",
        "ms",
        &Percentiles::of(&found),
        &[p50(15.0, 6.0)],
    );
    Ok(())
}

/// Where words begin, against where the voice that it was learned from begins them.
fn marks(report: &mut Report, engine: &NeuralEngine) -> Result<()> {
    let (mut in_clauses, mut in_sentences) = (Vec::new(), Vec::new());
    for sentence in Sentences::read()?.all() {
        let mut utterance = engine.open(&Request::default())?;
        utterance.text.push(&sentence.text)?;
        utterance.text.finish()?;
        let mut begins = Vec::new();
        while let Some(piece) = utterance.audio.next()? {
            begins.extend(
                piece
                    .words
                    .iter()
                    .map(|word| word.start as f64 * 1_000.0 / RATE as f64),
            );
        }
        // Some of the source's cannot be told.
        if sentence.begins.len() < 2 {
            continue;
        }
        ensure!(begins.len() == sentence.begins.len(), "{}", sentence.text);
        let late = begins.iter().zip(&sentence.begins);
        let late: Vec<f64> = late
            .map(|(ours, theirs)| ours - f64::from(*theirs))
            .collect();
        let from = |late: &[f64]| -> Vec<f64> {
            let others = late.iter().skip(1);
            others.map(|other| (other - late[0]).abs()).collect()
        };
        // From the second word on: the source begins with a pause, and we with the first sound, which may be later than the
        // first word.
        in_sentences.extend(from(&late[1..]));
        let mut left = late.as_slice();
        for clause in sentence.text.split([',', ';', '.', '!', '?']) {
            let count = clause.split_whitespace().count().min(left.len());
            let (own, behind) = left.split_at(count);
            let sure = usize::from(left.len() == late.len()).min(count);
            if let own @ [_, ..] = &own[sure..] {
                in_clauses.extend(from(own));
            }
            left = behind;
        }
    }
    for (what, off) in [("clauses", in_clauses), ("whole sentences", in_sentences)] {
        report.row(
            &format!("small voice: words begin off from its source's, in {what}"),
            "ms",
            &Percentiles::of(&off),
            &[p95(25.0, 15.0)],
        );
    }
    Ok(())
}
