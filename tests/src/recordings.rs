// SPDX-License-Identifier: MPL-2.0

//! Recorded human speech from Debian packages. None of it is in this repository: `.ci/setup`
//! installs the packages.
//!
//! Two speakers, so that thresholds are fixed on one and reported on the other:
//! [`speaker_tests`] of alsa-utils (48 kHz, 8 short phrases) and [`prompts`] of
//! asterisk-core-sounds-en-wav (8 kHz, some hundred telephone prompts; optional).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::signal;

/// The rate of everything that this module gives, in Hz.
pub const RATE: u32 = 48_000;

/// How far below its loudest parts a recording is still taken as speech, in dB.
///
/// The reference is the 95th percentile of the RMS of 10 ms frames. 30 dB below it is where the
/// weakest consonants that begin a phrase (the f of "front") stand out of the recordings' own
/// noise; breaths are further down.
pub const SPEECH_BELOW_DB: f64 = 30.0;

/// A recording, and where in it there is speech.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The file's name without its ending.
    pub name: String,
    /// What is said, as far as the name tells.
    pub text: String,
    /// Mono samples at [`RATE`].
    pub samples: Vec<f32>,
    /// The first sample of speech, to 5 ms.
    pub onset: usize,
    /// The end of speech, to 5 ms.
    pub end: usize,
    /// RMS of the speech, frames below [`SPEECH_BELOW_DB`] left out.
    pub level: f64,
}

impl Recording {
    /// Reads a file and finds the speech in it.
    pub fn open(path: &Path) -> Result<Self> {
        let (samples, rate) = signal::read_wav(path)?;
        let samples = signal::resample(&samples, rate, RATE);
        let name = path
            .file_stem()
            .context("a recording has a name")?
            .to_string_lossy()
            .into_owned();
        let Some((onset, end, level)) = speech(&samples) else {
            bail!("no speech in {}", path.display());
        };
        Ok(Self {
            text: name.replace(['_', '-'], " ").to_lowercase(),
            name,
            samples,
            onset,
            end,
            level,
        })
    }

    /// From the first to the last sample of speech.
    pub fn speech(&self) -> &[f32] {
        &self.samples[self.onset..self.end]
    }
}

/// Samples of a frame by which onsets are found: 5 ms.
pub const FRAME: usize = RATE as usize / 200;

/// The first frame that is true and after which at least 6 of 10, itself included, are: a click
/// is no onset.
pub(crate) fn held(frames: &[bool]) -> Option<usize> {
    let holds = |n: &usize| {
        let next = &frames[*n..(n + 10).min(frames.len())];
        next[0] && next.iter().filter(|frame| **frame).count() >= 6
    };
    (0..frames.len()).find(holds)
}

/// Where a clean recording has speech, and its level: first sample, end, RMS.
///
/// The onset is the start of the first frame of 5 ms above the threshold of [`SPEECH_BELOW_DB`]
/// after which at least 6 of 10 frames are above it too (a click is no onset); the end likewise,
/// backwards.
pub fn speech(samples: &[f32]) -> Option<(usize, usize, f64)> {
    let levels = signal::frames(samples, FRAME);
    let mut sorted = signal::frames(samples, 2 * FRAME);
    sorted.sort_by(f64::total_cmp);
    let loud = *sorted.get(sorted.len() * 95 / 100)?;
    let threshold = loud * f64::from(signal::from_db(-SPEECH_BELOW_DB));
    if loud <= 0.0 {
        return None;
    }
    let mut speaks: Vec<bool> = levels.iter().map(|level| *level >= threshold).collect();
    let onset = held(&speaks)?;
    speaks.reverse();
    let end = levels.len() - held(&speaks)?;
    speaks.reverse();
    let active: Vec<f64> = (onset..end)
        .filter(|n| speaks[*n])
        .map(|n| levels[n])
        .collect();
    let level = (active.iter().map(|l| l * l).sum::<f64>() / active.len() as f64).sqrt();
    Some((onset * FRAME, end * FRAME, level))
}

fn folder(path: &str, package: &str) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .with_context(|| format!("no recordings in {path}: apt-get install {package}"))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|e| e == "wav"));
    // The order of a directory differs between machines.
    files.sort();
    Ok(files)
}

/// The eight phrases of alsa-utils, "front center" to "side right". An error names the package.
pub fn speaker_tests() -> Result<Vec<Recording>> {
    folder("/usr/share/sounds/alsa", "alsa-utils")?
        .iter()
        .filter(|file| !file.ends_with("Noise.wav"))
        .map(|file| Recording::open(file))
        .collect()
}

/// Up to `limit` telephone prompts of 0.6 to 4 s, spread over all there are; `None`, said aloud,
/// where the package is not installed.
pub fn prompts(limit: usize) -> Option<Vec<Recording>> {
    let files = match folder(
        "/usr/share/asterisk/sounds/en_US_f_Allison",
        "asterisk-core-sounds-en-wav",
    ) {
        Ok(files) => files,
        Err(error) => {
            println!("SKIPPED: the second speaker: {error:#}");
            return None;
        }
    };
    // Signals, music and animals are among the prompts.
    let no_speech = [
        "tone",
        "beep",
        "tt-",
        "silence",
        "monkeys",
        "ha",
        "screaming",
    ];
    let fitting: Vec<PathBuf> = files
        .into_iter()
        .filter(|file| {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            let bytes = file.metadata().map_or(0, |m| m.len());
            (9_600..64_000).contains(&bytes) && !no_speech.iter().any(|n| name.contains(n))
        })
        .collect();
    let step = (fitting.len() / limit.max(1)).max(1);
    let found = fitting
        .iter()
        .step_by(step)
        .take(limit)
        .filter_map(|file| Recording::open(file).ok())
        .collect();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_is_found_in_real_recordings() {
        let all = speaker_tests().unwrap();
        assert_eq!(all.len(), 8);
        for recording in all {
            let ms = |samples: usize| samples * 1000 / RATE as usize;
            let length = ms(recording.end - recording.onset);
            assert!(
                (700..2500).contains(&length),
                "{}: {length} ms",
                recording.name
            );
            // Nothing but noise before the onset.
            let before = signal::rms(&recording.samples[..recording.onset]);
            assert!(
                before < recording.level / 10.0,
                "{}: {before}",
                recording.name
            );
        }
    }

    #[test]
    fn a_click_is_no_onset() {
        let mut sound = vec![0.0f32; RATE as usize];
        for sample in &mut sound[4800..4820] {
            *sample = 0.9;
        }
        for (n, sample) in sound[24_000..36_000].iter_mut().enumerate() {
            *sample = 0.3 * (n as f32 * 0.05).sin();
        }
        let (onset, end, level) = speech(&sound).unwrap();
        assert!((23_760..=24_240).contains(&onset), "{onset}");
        assert!((35_760..=36_240).contains(&end), "{end}");
        assert!((level - 0.212).abs() < 0.01, "{level}");
    }
}
