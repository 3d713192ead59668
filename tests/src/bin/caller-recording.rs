// SPDX-License-Identifier: MPL-2.0

//! Writes the caller of `make run`: somebody coughs while a text is read, murmurs, then speaks up.

#![allow(clippy::print_stdout)]

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use duplex_tests::{caller::Plan, recordings, signal, spoken};

/// Writes a caller's recording made of recorded human speech over noise, and labels that say when
/// there is speech.
#[derive(Parser)]
struct Arguments {
    /// Where the recording goes: WAV, 48 kHz, mono.
    #[arg(long, default_value = "caller.wav")]
    wav: PathBuf,
    /// Where the labels go: JSON, [{start, end, text}] in seconds.
    #[arg(long, default_value = "caller.json")]
    labels: PathBuf,
    /// A caller spoken by eSpeak in place of recorded speech: lines of seconds of silence and what is said then.
    #[arg(long)]
    script: Option<PathBuf>,
    /// Seconds of recording.
    #[arg(long, default_value_t = 14.0)]
    length: f64,
    /// When the caller speaks up, in seconds.
    #[arg(long, default_value_t = 8.0)]
    speech: f64,
    /// When somebody coughs, in seconds; negative: never.
    #[arg(long, default_value_t = 3.0, allow_negative_numbers = true)]
    cough: f64,
    /// When somebody makes a sound too short for a word, in seconds; negative: never.
    #[arg(long, default_value_t = 5.0, allow_negative_numbers = true)]
    murmur: f64,
    /// Level of the speech over the noise, in dB.
    #[arg(long, default_value_t = 20.0)]
    snr: f64,
    /// Equal seeds give equal recordings.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(script) = &arguments.script {
        let script =
            std::fs::read_to_string(script).with_context(|| script.display().to_string())?;
        return spoken(&script, &arguments);
    }
    let seconds = |value: f64, what: &str| {
        Duration::try_from_secs_f64(value).with_context(|| format!("--{what} {value}: no time"))
    };
    let speech = recordings::speaker_tests()?;
    let first = seconds(arguments.speech, "speech")?;
    // Two phrases, as a person who wants to be heard says more than one.
    let second = first
        + Duration::from_secs_f64(
            speech[0].speech().len() as f64 / f64::from(recordings::RATE) + 0.15,
        );
    let mut plan = Plan::new(seconds(arguments.length, "length")?)
        .say(first, &speech[0])
        .say(second, &speech[1]);
    plan.snr_db = arguments.snr;
    plan.seed = arguments.seed;
    if arguments.cough >= 0.0 {
        plan = plan.cough(seconds(arguments.cough, "cough")?);
    }
    if arguments.murmur >= 0.0 {
        plan = plan.murmur(seconds(arguments.murmur, "murmur")?, &speech[2]);
    }
    let caller = plan.record();
    caller.write_wav(&arguments.wav)?;
    caller.write_labels(&arguments.labels)?;
    println!(
        "{}: {} s, {}",
        arguments.wav.display(),
        arguments.length,
        caller
            .labels
            .iter()
            .map(|l| format!("\"{}\" at {:.2} s", l.text, l.start))
            .collect::<Vec<_>>()
            .join(", ")
    );
    Ok(())
}

/// Writes what a script says.
fn spoken(script: &str, arguments: &Arguments) -> Result<()> {
    let phrases = spoken::parse(script)?;
    let caller = spoken::caller(&phrases, recordings::RATE)?;
    signal::write_wav(&arguments.wav, &caller.samples, recordings::RATE)?;
    let labels: Vec<_> = (caller.phrases.iter())
        .map(|(start, end, text)| serde_json::json!({ "start": start, "end": end, "text": text }))
        .collect();
    std::fs::write(&arguments.labels, serde_json::to_string_pretty(&labels)?)?;
    println!("{}: {} phrases", arguments.wav.display(), labels.len());
    Ok(())
}
