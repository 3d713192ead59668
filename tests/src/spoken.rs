// SPDX-License-Identifier: MPL-2.0

//! Callers spoken by eSpeak, where no recordings say what is to be said.

use anyhow::{Context, Result};

use crate::{plugins, signal};

/// Silence after the last phrase, in seconds.
const AFTER: f32 = 30.0;

/// What was spoken.
pub struct Spoken {
    /// Mono.
    pub samples: Vec<f32>,
    /// From when to when, in seconds, each phrase is.
    pub phrases: Vec<(f64, f64, String)>,
}

/// Reads a script: a line has the seconds of silence before a phrase, and the phrase; `#` begins a comment.
pub fn parse(script: &str) -> Result<Vec<(f32, String)>> {
    let lines = script.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (seconds, phrase) = line
                .split_once(' ')
                .with_context(|| format!("`{line}`: seconds and a phrase"))?;
            let seconds = seconds
                .parse()
                .with_context(|| format!("`{line}`: seconds of silence"))?;
            Ok((seconds, phrase.trim().to_owned()))
        })
        .collect()
}

/// Speaks the phrases, by `duplex say`, each after its silence.
pub fn caller(phrases: &[(f32, String)], rate: u32) -> Result<Spoken> {
    let folder = plugins::temporary("spoken")?;
    let mut spoken = Spoken {
        samples: Vec::new(),
        phrases: Vec::new(),
    };
    let second = |samples: usize| samples as f64 / f64::from(rate);
    for (silence, phrase) in phrases {
        let wav = folder.join("phrase.wav");
        let mut say = plugins::command(plugins::built("duplex"));
        plugins::succeeds(say.args(["say", "--output"]).arg(&wav).arg(phrase));
        let (samples, of) = signal::read_wav(&wav)?;
        spoken
            .samples
            .resize(spoken.samples.len() + (silence * rate as f32) as usize, 0.0);
        let start = second(spoken.samples.len());
        spoken.samples.extend(signal::resample(&samples, of, rate));
        spoken
            .phrases
            .push((start, second(spoken.samples.len()), phrase.clone()));
    }
    spoken
        .samples
        .resize(spoken.samples.len() + (AFTER * rate as f32) as usize, 0.0);
    std::fs::remove_dir_all(folder)?;
    Ok(spoken)
}
