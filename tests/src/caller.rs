// SPDX-License-Identifier: MPL-2.0

//! Callers: recorded speech at known times over noise, and the labels that say when.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{
    noise::{self, Noise},
    random::Random,
    recordings::{FRAME, RATE, Recording, held},
    signal,
};

/// Where somebody speaks, in seconds from the start of the recording.
///
/// Taken from the energy of the clean recording (see [`crate::recordings::speech`]) before any
/// noise was added: true to 5 ms, whatever the noise hides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// The first sample of speech.
    pub start: f64,
    /// Where the speech rises above the noise: the first frame of 5 ms in which it has more
    /// energy than the noise of this very mix has in the same frame, and from which it has in at
    /// least 6 of 10. Before that the soft beginning of a phrase is there, but less of it than of
    /// the noise. All frequencies together: a hiss above a low rumble can be told apart sooner.
    /// `None` where the noise is the louder one throughout.
    #[serde(default)]
    pub audible: Option<f64>,
    /// The end of speech.
    pub end: f64,
    /// What is said.
    pub text: String,
}

/// A caller: what the microphone hears, and the truth about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    /// Mono at [`RATE`].
    pub samples: Vec<f32>,
    /// In order, not overlapping.
    pub labels: Vec<Label>,
}

/// How to make a [`Caller`].
#[derive(Clone, Debug)]
pub struct Plan {
    /// Length of the recording.
    pub length: Duration,
    /// What lies under everything.
    pub noise: Noise,
    /// Level of the speech over that of the noise, in dB (both RMS, pauses left out).
    pub snr_db: f64,
    /// Whose voices [`Noise::Babble`] is made of; where there are none, those of `speech`.
    pub babble: Vec<Recording>,
    /// RMS of speech, in dBFS.
    pub speech_db: f64,
    /// When each recording's *speech* begins.
    pub speech: Vec<(Duration, Recording)>,
    /// When somebody coughs.
    pub coughs: Vec<Duration>,
    /// When somebody makes a sound too short for a word: 130 ms of a recording.
    pub murmurs: Vec<(Duration, Recording)>,
    /// Equal seeds give equal recordings.
    pub seed: u64,
}

impl Plan {
    /// Pink noise 20 dB below speech of −26 dBFS; nobody speaks yet.
    pub fn new(length: Duration) -> Self {
        Self {
            length,
            noise: Noise::Pink,
            snr_db: 20.0,
            babble: Vec::new(),
            speech_db: -26.0,
            speech: Vec::new(),
            coughs: Vec::new(),
            murmurs: Vec::new(),
            seed: 1,
        }
    }

    /// Somebody says `recording`, beginning at `at`.
    pub fn say(mut self, at: Duration, recording: &Recording) -> Self {
        self.speech.push((at, recording.clone()));
        self
    }

    /// Somebody coughs at `at`, as loud as the speech.
    pub fn cough(mut self, at: Duration) -> Self {
        self.coughs.push(at);
        self
    }

    /// Somebody murmurs with the voice of `recording` at `at`: speech, but not held.
    pub fn murmur(mut self, at: Duration, recording: &Recording) -> Self {
        self.murmurs.push((at, recording.clone()));
        self
    }

    /// Makes the recording.
    pub fn record(&self) -> Caller {
        let mut random = Random::new(self.seed);
        let length = samples(self.length);
        let level = f64::from(signal::from_db(self.speech_db));
        let mut speakers = self.babble.clone();
        if speakers.is_empty() {
            speakers = self.speech.iter().map(|(_, r)| r.clone()).collect();
        }
        let noise_level = level * f64::from(signal::from_db(-self.snr_db));
        let mut all = self
            .noise
            .samples(length, noise_level, &mut random, &speakers);
        let noise = all.clone();
        let mut labels = Vec::new();
        for (at, recording) in &self.speech {
            // The speech alone: the noise of its own studio would make a step in ours.
            let mut speech = recording.speech().to_vec();
            signal::scale(&mut speech, (level / recording.level) as f32);
            signal::add(&mut all, &speech, samples(*at));
            labels.push(Label {
                start: at.as_secs_f64(),
                audible: above(&speech, noise.get(samples(*at)..).unwrap_or_default())
                    .map(|n| at.as_secs_f64() + n as f64 / f64::from(RATE)),
                end: at.as_secs_f64() + speech.len() as f64 / f64::from(RATE),
                text: recording.text.clone(),
            });
        }
        for at in &self.coughs {
            let cough = noise::cough(level as f32 * 4.0, &mut random);
            signal::add(&mut all, &cough, samples(*at));
        }
        for (at, recording) in &self.murmurs {
            let mut murmur = syllable(recording, samples(Duration::from_millis(130)));
            let now = signal::rms(&murmur);
            signal::scale(&mut murmur, (1.3 * level / now) as f32);
            signal::add(&mut all, &murmur, samples(*at));
        }
        labels.sort_by(|a, b| a.start.total_cmp(&b.start));
        Caller {
            samples: all,
            labels,
        }
    }
}

/// The first sample from which `speech` is louder than the `noise` under it.
fn above(speech: &[f32], noise: &[f32]) -> Option<usize> {
    let speech = signal::frames(speech, FRAME);
    let noise = signal::frames(noise, FRAME);
    let louder: Vec<bool> = speech.iter().zip(&noise).map(|(s, n)| s > n).collect();
    held(&louder).map(|n| n * FRAME)
}

/// The loudest stretch of `length` samples, faded in over 10 ms and out over 20.
fn syllable(recording: &Recording, length: usize) -> Vec<f32> {
    let speech = recording.speech();
    let length = length.min(speech.len());
    let places = (0..=speech.len() - length).step_by(RATE as usize / 100);
    let loudness = |at: &usize| signal::rms(&speech[*at..at + length]);
    let at = places
        .max_by(|a, b| loudness(a).total_cmp(&loudness(b)))
        .unwrap_or(0);
    let fade = |n: usize, ms: usize| (n as f32 / (RATE as usize * ms / 1000) as f32).min(1.0);
    speech[at..at + length]
        .iter()
        .enumerate()
        .map(|(n, sample)| sample * fade(n, 10) * fade(length - n, 20))
        .collect()
}

/// A duration in samples at [`RATE`].
pub fn samples(duration: Duration) -> usize {
    (duration.as_secs_f64() * f64::from(RATE)).round() as usize
}

impl Caller {
    /// Writes 48 kHz mono of 16 bits.
    pub fn write_wav(&self, path: &Path) -> Result<()> {
        signal::write_wav(path, &self.samples, RATE)
    }

    /// Writes the labels as JSON: `[{"start": 8.0, "end": 9.4, "text": "front center"}]`.
    pub fn write_labels(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(&self.labels)?;
        std::fs::write(path, json + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Reads what [`Caller::write_labels`] wrote.
pub fn read_labels(path: &Path) -> Result<Vec<Label>> {
    let json = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&json).with_context(|| format!("{} holds no labels", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_where_the_speech_is_at_the_snr_that_was_asked_for() {
        let speech = crate::recordings::speaker_tests().unwrap();
        let at = Duration::from_millis(1500);
        let plan = Plan {
            snr_db: 10.0,
            ..Plan::new(Duration::from_secs(4)).say(at, &speech[0])
        };
        let caller = plan.record();
        assert_eq!(caller, plan.record());
        assert_eq!(caller.labels.len(), 1);
        let label = &caller.labels[0];
        assert_eq!(label.start, 1.5);
        // A phrase begins softly: the louder the noise, the later it stands out of it.
        let audible = label.audible.unwrap();
        let mut quieter = plan.clone();
        quieter.snr_db = 40.0;
        let sooner = quieter.record().labels[0].audible.unwrap();
        assert!(label.start <= sooner && sooner < audible && audible < label.start + 0.2);
        let mut drowned = plan.clone();
        drowned.snr_db = -40.0;
        assert_eq!(drowned.record().labels[0].audible, None);
        let from = |s: f64| (s * f64::from(RATE)) as usize;
        let noise = signal::rms(&caller.samples[..from(1.4)]);
        let both = signal::rms(&caller.samples[from(label.start)..from(label.end)]);
        let snr = signal::to_db(both / noise);
        assert!((7.0..13.0).contains(&snr), "{snr} dB");
    }
}
