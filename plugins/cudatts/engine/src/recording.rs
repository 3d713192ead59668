// SPDX-License-Identifier: MPL-2.0

//! Recordings of voices that are to be cloned: read, mixed, resampled, ended on a pause.

use std::path::Path;

use hound::{SampleFormat, WavReader};
use rubato::{Fft, FixedSync, Resampler as _, audioadapter_buffers::direct::SequentialSlice};

use crate::weights::LoadError;

/// A model was trained with voices no longer than this, and more says nothing new about one.
const MOST_SECONDS: usize = 30;
/// Less is no voice.
const LEAST_SECONDS: f32 = 1.0;
/// What is so far below the loudest stretch is silence.
const FLOOR_DB: f32 = 35.0;
/// Stretches that are looked at, and how the last one ends, in parts of a second.
const STRETCH: usize = 50;
/// A voice that stops in the middle of a word would be continued by the model: what it hears ends on this much silence.
const PAUSE_SECONDS: f32 = 0.08;

/// The mono samples of a WAV file at this rate, −1.0 to 1.0: at most 30 seconds of it, without the silence at its end, and
/// with a pause of 80 ms instead.
pub fn read(path: &Path, rate: u32) -> Result<Vec<f32>, LoadError> {
    let failed =
        |what: String| LoadError::Other(format!("the recording {}: {what}", path.display()));
    let mut reader = WavReader::open(path)
        .map_err(|error| failed(format!("{error}; a WAV file of 8 to 32 bits is read")))?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels.max(1));
    let most = MOST_SECONDS * spec.sample_rate as usize * channels;
    if reader.len() as usize > most {
        tracing::warn!(recording = %path.display(), "only the first {MOST_SECONDS} s are heard");
    }
    let samples: Result<Vec<f32>, hound::Error> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().take(most).collect(),
        SampleFormat::Int => {
            let full = (1_u64 << (spec.bits_per_sample - 1)) as f32;
            let samples = reader.samples::<i32>().take(most);
            samples.map(|sample| Ok(sample? as f32 / full)).collect()
        }
    };
    let samples = samples.map_err(|error| failed(error.to_string()))?;
    let mono: Vec<f32> = samples
        .chunks_exact(channels)
        .map(|frame| frame.iter().sum::<f32>() / channels as f32)
        .collect();
    if (mono.len() as f32) < LEAST_SECONDS * spec.sample_rate as f32 {
        return Err(failed(format!(
            "{:.1} s are too short for a voice; five to fifteen seconds of clear speech are best",
            mono.len() as f32 / spec.sample_rate as f32
        )));
    }
    if mono.iter().any(|sample| !sample.is_finite()) {
        return Err(failed("it has samples that are no numbers".into()));
    }
    let resampled = resample(mono, spec.sample_rate, rate)
        .ok_or_else(|| failed(format!("{} Hz cannot become {rate} Hz", spec.sample_rate)))?;
    end_on_a_pause(resampled, rate).ok_or_else(|| failed("it is silent".into()))
}

fn resample(samples: Vec<f32>, from: u32, to: u32) -> Option<Vec<f32>> {
    if from == to {
        return Some(samples);
    }
    let mut fft = Fft::<f32>::new(from as usize, to as usize, 1_024, 1, FixedSync::Both).ok()?;
    let input = SequentialSlice::new(&samples, 1, samples.len()).ok()?;
    let output = fft.process_all(&input, samples.len(), None).ok()?;
    Some(output.take_data())
}

/// Takes the silence at the end away, fades out and appends a pause. `None` where all is silence.
fn end_on_a_pause(mut samples: Vec<f32>, rate: u32) -> Option<Vec<f32>> {
    let stretch = (rate as usize / STRETCH).max(1);
    let power = |samples: &[f32]| samples.iter().map(|x| x * x).sum::<f32>() / stretch as f32;
    let powers: Vec<f32> = samples.chunks_exact(stretch).map(power).collect();
    let loudest = powers.iter().copied().fold(0.0, f32::max);
    if loudest <= 0.0 {
        return None;
    }
    let floor = loudest * 10_f32.powf(-FLOOR_DB / 10.0);
    let last = powers.iter().rposition(|power| *power > floor)?;
    let end = (last + 1) * stretch;
    samples.truncate(end);
    let from = end - stretch;
    for (n, sample) in samples[from..].iter_mut().enumerate() {
        *sample *= 1.0 - n as f32 / (stretch - 1).max(1) as f32;
    }
    samples.resize(end + (PAUSE_SECONDS * rate as f32) as usize, 0.0);
    Some(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(spec: hound::WavSpec, samples: impl Iterator<Item = f32>) -> tempfile::TempPath {
        let path = tempfile::Builder::new()
            .suffix(".wav")
            .tempfile()
            .unwrap()
            .into_temp_path();
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for sample in samples {
            match spec.sample_format {
                SampleFormat::Float => writer.write_sample(sample).unwrap(),
                SampleFormat::Int => {
                    let full = (1_i64 << (spec.bits_per_sample - 1)) as f32;
                    writer.write_sample((sample * (full - 1.0)) as i32).unwrap();
                }
            }
        }
        writer.finalize().unwrap();
        path
    }

    fn spec(sample_rate: u32, channels: u16, bits_per_sample: u16) -> hound::WavSpec {
        hound::WavSpec {
            channels,
            sample_rate,
            bits_per_sample,
            sample_format: if bits_per_sample == 32 {
                SampleFormat::Float
            } else {
                SampleFormat::Int
            },
        }
    }

    /// Two seconds of a tone in the left channel, then one of silence.
    fn tone(spec: hound::WavSpec) -> impl Iterator<Item = f32> {
        let rate = spec.sample_rate as usize;
        (0..3 * rate).flat_map(move |n| {
            let angle = n as f32 * 300.0 * std::f32::consts::TAU / rate as f32;
            let sample = if n < 2 * rate { 0.5 * angle.sin() } else { 0.0 };
            (0..spec.channels).map(move |channel| if channel == 0 { sample } else { 0.0 })
        })
    }

    #[test]
    fn any_format_becomes_the_same_recording() {
        for spec in [
            spec(24_000, 1, 16),
            spec(44_100, 2, 16),
            spec(8_000, 1, 24),
            spec(48_000, 2, 32),
        ] {
            let path = written(spec, tone(spec));
            let samples = read(&path, 24_000).unwrap();
            let seconds = samples.len() as f32 / 24_000.0;
            assert!((2.08..2.13).contains(&seconds), "{spec:?}: {seconds}");
            let pause = &samples[samples.len() - 1_920..];
            assert!(pause.iter().all(|x| *x == 0.0), "{spec:?}");
            // The tone itself, at its place to half a sample, and half as loud where it was in one of two channels.
            let loud = 0.5 / f32::from(spec.channels);
            let turn = 300.0 * std::f32::consts::TAU / 24_000.0;
            for (n, sample) in samples[12_000..36_000].iter().enumerate() {
                let right = loud * ((n + 12_000) as f32 * turn).sin();
                let near = (sample - right).abs() < loud * turn / 2.0;
                assert!(near, "{spec:?}, {n}: {sample} {right}");
            }
        }
    }

    #[test]
    fn long_ones_are_cut_and_useless_ones_refused() {
        let mono = spec(8_000, 1, 16);
        let long = written(
            mono,
            (0..40 * 8_000).map(|n| if n % 20 < 10 { 0.3 } else { -0.3 }),
        );
        assert_eq!(read(&long, 24_000).unwrap().len(), 30 * 24_000 + 1_920);
        let sentence = |path: &Path| read(path, 24_000).unwrap_err().to_string();
        assert!(
            sentence(&written(mono, std::iter::repeat_n(0.0, 16_000))).contains("it is silent")
        );
        assert!(
            sentence(&written(mono, std::iter::repeat_n(0.5, 800))).contains("0.1 s are too short")
        );
        let none = written(spec(8_000, 1, 32), std::iter::repeat_n(f32::NAN, 16_000));
        assert!(sentence(&none).contains("no numbers"));
        assert!(sentence(Path::new("/none.wav")).contains("/none.wav"));
        let other = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(other.path(), b"ID3 no RIFF").unwrap();
        assert!(sentence(other.path()).contains("a WAV file"));
    }
}
