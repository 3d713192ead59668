// SPDX-License-Identifier: MPL-2.0

//! The engine as its consumers meet it: first audio, memory, cancelling.

use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use duplex_neural::{NeuralEngine, Options, Precision};
use duplex_synthesis::{Engine, Request};
use duplex_tests::{
    measure::{Percentiles, ms},
    report::{Report, p50},
};

use crate::{TEXT, open, reference::Figures};

/// Utterances of the row of first audio.
const TRIALS: usize = 100;
/// About 29 tokens of the tokenizer that the parity tests train; the row says how many.
const SHORT: &str = "We were told that the harbour lies behind the hill.";

fn engine(folder: &Path, options: Options) -> Result<NeuralEngine> {
    let pocket = open(folder, Precision::Q8)?;
    Ok(NeuralEngine::new(Arc::new(pocket), options)?)
}

/// From the text's push to the first piece of sound.
pub fn first_audio(report: &mut Report, folder: &Path, reference: Option<&Figures>) -> Result<()> {
    let engine = engine(folder, Options::default())?;
    for text in [SHORT, TEXT] {
        let tokens: usize = engine
            .family()
            .chunks(text)?
            .chunks
            .iter()
            .map(|chunk| chunk.tokens.len())
            .sum();
        let mut found = Vec::new();
        for _ in 0..TRIALS {
            let mut utterance = engine.open(&Request::default())?;
            let begun = Instant::now();
            utterance.text.push(text)?;
            utterance.text.finish()?;
            let piece = utterance.audio.next()?.context("sound")?;
            found.push(ms(begun.elapsed()));
            ensure!(!piece.samples.is_empty());
            utterance.cancel.cancel();
            // The step that was under way belongs to nobody's figure.
            std::thread::sleep(Duration::from_millis(100));
        }
        let what = format!("CPU, Q8_0: first audio, {tokens} tokens, stored voice");
        report.row(&what, "ms", &Percentiles::of(&found), &[p50(125.0, 60.0)]);
    }
    if let Some(reference) = reference {
        for (kind, cost) in [("32 bits", reference.f32), ("int8", reference.int8)] {
            let what = format!("{}, {kind}: first audio, the longer text", reference.what);
            report.note(&what, format!("{:.0} ms", cost.first));
        }
    }
    Ok(())
}

/// The most that this process ever had in memory, in MB.
fn peak() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kilobytes.context("a peak")?.parse::<f64>()? / 1024.0)
}

/// In a process of its own: loads, speaks, prints.
pub fn own_memory(folder: &Path) -> Result<()> {
    let engine = engine(folder, Options::default())?;
    let loaded = peak()?;
    let mut utterance = engine.open(&Request::default())?;
    utterance.text.push(TEXT)?;
    utterance.text.finish()?;
    let mut samples = 0;
    while let Some(piece) = utterance.audio.next()? {
        samples += piece.samples.len();
    }
    ensure!(samples > 0);
    println!("{loaded:.1} {:.1}", peak()?);
    Ok(())
}

/// The row of it.
pub fn memory(report: &mut Report, folder: &Path) -> Result<()> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--only", "own-memory", "--model"])
        .arg(folder)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told = String::from_utf8(output.stdout)?;
    let (loaded, spoken) = told.trim().split_once(' ').context("two figures")?;
    report.note("peak memory after loading, Q8_0", format!("{loaded} MB"));
    report.single(
        "peak memory after a sentence, Q8_0",
        "MB",
        spoken.parse()?,
        350.0,
        200.0,
    );
    Ok(())
}

/// Steps that a cancelled utterance's slot is kept for.
pub fn cancel(report: &mut Report, folder: &Path) -> Result<()> {
    let engine = engine(folder, Options::default())?;
    let mut steps = Vec::new();
    for _ in 0..20 {
        let mut kept = Vec::new();
        for _ in 0..3 {
            let mut utterance = engine.open(&Request::default())?;
            utterance.text.push(TEXT)?;
            utterance.text.finish()?;
            utterance.audio.next()?;
            kept.push(utterance);
        }
        let before = engine.stats();
        kept.remove(0).cancel.cancel();
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let now = engine.stats();
            if now.speaking < before.speaking {
                steps.push((now.generator.count - before.generator.count) as f64);
                break;
            }
            ensure!(Instant::now() < end, "the slot is never free: {now:?}");
            std::thread::sleep(Duration::from_micros(200));
        }
        drop(kept);
        while engine.stats().open > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let most = Percentiles::of(&steps).max;
    report.single(
        "cancel → slot free, the most of 20",
        "steps",
        most,
        1.0,
        1.0,
    );
    Ok(())
}
