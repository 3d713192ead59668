// SPDX-License-Identifier: MPL-2.0

//! Text buffer → first audible sample, pushed and rendered; a long text against a short one.

use std::time::Duration;

use anyhow::{Context, Result};
use duplex_tests::{
    measure::{Percentiles, ms},
    random::Random,
};
use gst::prelude::*;

use crate::{
    line::Mouth,
    report::{Report, p50, p99},
};

const SENTENCE: &str = "The quick brown fox jumps over the lazy dog near the river.";
const SHORT: &str = "Yes.";

/// About half a minute of speech.
fn long() -> String {
    "A long story begins with a short word, and then it goes on for quite a while. ".repeat(8)
}

pub fn measure(report: &mut Report, trials: usize) -> Result<()> {
    report.on_the_clock("first audio", 1, |report| first_audio(report, trials))?;
    report.on_the_clock("first audio of a neural voice", 1, |report| {
        neural(report, trials)
    })
}

/// The same of cudattsynth with the voice that it comes with.
fn neural(report: &mut Report, trials: usize) -> Result<()> {
    let mouth = Mouth::new("cudattsynth")?;
    let found = warm(&mouth, trials)?;
    report.row(
        "cudattsynth, the voice it comes with: text → first audible sample pushed",
        "ms",
        &Percentiles::of(&found.iter().map(|t| t.0).collect::<Vec<_>>()),
        &[p50(15.0, 6.0)],
    );
    Ok(())
}

/// Starts a mouth, lets it speak a few times, and tells the figures of one sentence.
fn warm(mouth: &Mouth, trials: usize) -> Result<Vec<(f64, f64)>> {
    mouth.play()?;
    let mut random = Random::new(7);
    for _ in 0..5 {
        trial(mouth, SENTENCE, &mut random)?;
    }
    Ok(figures(mouth, &[SENTENCE], trials, &mut random)?.remove(0))
}

fn first_audio(report: &mut Report, trials: usize) -> Result<()> {
    let mouth = Mouth::new("espeaktts")?;
    let sentence = warm(&mouth, trials)?;
    let mut random = Random::new(8);
    let pushed: Vec<f64> = sentence.iter().map(|t| t.0).collect();
    let rendered: Vec<f64> = sentence.iter().map(|t| t.1).collect();
    report.row(
        "first audio, one sentence: text → first audible sample pushed",
        "ms",
        &Percentiles::of(&pushed),
        &[p50(5.0, 2.0), p99(15.0, f64::NAN)],
    );
    report.row(
        "the same, rendered",
        "ms",
        &Percentiles::of(&rendered),
        &[p50(15.0, 8.0)],
    );
    let both = figures(&mouth, &[SHORT, &long()], trials.max(200), &mut random)?;
    let p: Vec<Percentiles> = both
        .iter()
        .map(|t| Percentiles::of(&t.iter().map(|t| t.0).collect::<Vec<_>>()))
        .collect();
    report.note("  first audio, text of 0.5 s", format!("{} ms", p[0]));
    report.note("  first audio, text of 30 s", format!("{} ms", p[1]));
    report.single(
        "text of 30 s against 0.5 s: difference of p50",
        "ms",
        (p[1].p50 - p[0].p50).abs(),
        0.5,
        0.0,
    );
    Ok(())
}

/// Trials of each text in turn, so that both see the same machine: (pushed, rendered) in ms.
fn figures(
    mouth: &Mouth,
    texts: &[&str],
    trials: usize,
    random: &mut Random,
) -> Result<Vec<Vec<(f64, f64)>>> {
    let mut all = vec![Vec::new(); texts.len()];
    for _ in 0..trials {
        for (text, figures) in texts.iter().zip(&mut all) {
            figures.push(trial(mouth, text, random)?);
        }
    }
    Ok(all)
}

fn trial(mouth: &Mouth, text: &str, random: &mut Random) -> Result<(f64, f64)> {
    // Anywhere in a frame, and the fade of what was before is over.
    std::thread::sleep(Duration::from_micros(
        random.between(120_000.0, 140_000.0) as u64
    ));
    mouth.frames.clear();
    let asked = mouth.speak("trial", text)?;
    let frame = mouth
        .frames
        .wait(Duration::from_secs(5), |f| f.first_audible.is_some())
        .with_context(|| format!("nothing is heard of {text:?}: {:?}", mouth.error()))?;
    let rendered = frame.first_audible.context("this frame is audible")? + mouth.latency();
    mouth.element.emit_by_name::<()>("interrupt", &[]);
    mouth
        .message("ttssink/interrupted", Duration::from_secs(5))
        .context("the mouth does not stop")?;
    let after = |t: gst::ClockTime| ms(Duration::from_nanos(t.saturating_sub(asked).nseconds()));
    Ok((after(frame.pushed), after(rendered)))
}
