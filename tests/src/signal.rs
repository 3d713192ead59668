// SPDX-License-Identifier: MPL-2.0

//! Levels, rates and files of mono sound; full scale is 1.0.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// A level in dB as a factor.
pub fn from_db(db: f64) -> f32 {
    10f64.powf(db / 20.0) as f32
}

/// A factor as a level in dB; silence is −200 dB.
pub fn to_db(factor: f64) -> f64 {
    20.0 * factor.max(1e-10).log10()
}

/// Root mean square; 0 where there is nothing.
pub fn rms(samples: &[f32]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f64 = samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    (sum / samples.len() as f64).sqrt()
}

/// The RMS of each `frame` samples; a last part of a frame is left out.
pub fn frames(samples: &[f32], frame: usize) -> Vec<f64> {
    samples.chunks_exact(frame).map(rms).collect()
}

/// Multiplies all samples.
pub fn scale(samples: &mut [f32], factor: f32) {
    for sample in samples {
        *sample *= factor;
    }
}

/// Adds `what` to `to` from sample `at`; whatever reaches beyond the end is cut off.
pub fn add(to: &mut [f32], what: &[f32], at: usize) {
    for (sample, more) in to.iter_mut().skip(at).zip(what) {
        *sample += more;
    }
}

/// Another sampling rate, by a windowed sinc of 32 zero crossings a side: slow and exact.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to {
        return samples.to_vec();
    }
    const SIDE: f64 = 32.0;
    let step = f64::from(from) / f64::from(to);
    // Going down, the filter closes below half of the new rate.
    let cutoff = (1.0 / step).min(1.0) * 0.96;
    let reach = SIDE / cutoff;
    let length = (samples.len() as f64 / step).round() as usize;
    (0..length)
        .map(|n| {
            let centre = n as f64 * step;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach).floor() as usize).min(samples.len().saturating_sub(1));
            (first..=last)
                .map(|i| {
                    let x = i as f64 - centre;
                    let window = (std::f64::consts::FRAC_PI_2 * x / reach).cos().powi(2);
                    f64::from(samples[i]) * sinc(x * cutoff) * cutoff * window
                })
                .sum::<f64>() as f32
        })
        .collect()
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        1.0
    } else {
        let x = x * std::f64::consts::PI;
        x.sin() / x
    }
}

/// Reads a WAV of 16 bit integers or 32 bit floats, all channels averaged. Gives samples and rate.
pub fn read_wav(path: &Path) -> Result<(Vec<f32>, u32)> {
    let mut reader =
        hound::WavReader::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let spec = reader.spec();
    let all: Vec<f32> = match (spec.sample_format, spec.bits_per_sample) {
        (hound::SampleFormat::Int, 16) => reader
            .samples::<i16>()
            .map(|s| s.map(|s| f32::from(s) / 32768.0))
            .collect::<Result<_, _>>()?,
        (hound::SampleFormat::Float, 32) => reader.samples::<f32>().collect::<Result<_, _>>()?,
        (format, bits) => bail!("{}: {bits} bit {format:?} samples", path.display()),
    };
    let channels = usize::from(spec.channels);
    let mono = all
        .chunks_exact(channels)
        .map(|frame| frame.iter().sum::<f32>() / channels as f32)
        .collect();
    Ok((mono, spec.sample_rate))
}

/// Writes 16 bit mono; what is beyond full scale is clipped.
pub fn write_wav(path: &Path, samples: &[f32], rate: u32) -> Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)
        .with_context(|| format!("cannot write {}", path.display()))?;
    for sample in to_s16(samples) {
        writer.write_sample(sample)?;
    }
    writer.finalize()?;
    Ok(())
}

/// 16 bit samples; what is beyond full scale is clipped.
pub fn to_s16(samples: &[f32]) -> Vec<i16> {
    samples
        .iter()
        .map(|s| (s * 32768.0).round().clamp(-32768.0, 32767.0) as i16)
        .collect()
}

/// The first sample of sound in `samples`: the start of the first millisecond above `db` dBFS.
pub fn first_audible(samples: &[f32], rate: u32, db: f64) -> Option<usize> {
    let frame = (rate / 1000).max(1) as usize;
    let threshold = f64::from(from_db(db));
    samples
        .chunks(frame)
        .position(|chunk| rms(chunk) > threshold)
        .map(|n| n * frame)
}

/// The end of the last millisecond of `samples` above `db` dBFS.
pub fn last_audible(samples: &[f32], rate: u32, db: f64) -> Option<usize> {
    let frame = (rate / 1000).max(1) as usize;
    let threshold = f64::from(from_db(db));
    samples
        .chunks(frame)
        .rposition(|chunk| rms(chunk) > threshold)
        .map(|n| ((n + 1) * frame).min(samples.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resampling_keeps_a_tone_and_removes_what_cannot_be_kept() {
        let tone = |hz: f64, rate: u32| -> Vec<f32> {
            (0..rate / 4)
                .map(|n| (std::f64::consts::TAU * hz * f64::from(n) / f64::from(rate)).sin() as f32)
                .collect()
        };
        let up = resample(&tone(1000.0, 8000), 8000, 48000);
        let ideal = tone(1000.0, 48000);
        let middle = 2000..10000;
        let error: Vec<f32> = middle.clone().map(|n| up[n] - ideal[n]).collect();
        assert!(to_db(rms(&error)) < -55.0, "{} dB", to_db(rms(&error)));

        let down = resample(&tone(7000.0, 48000), 48000, 8000);
        let left = to_db(rms(&down[500..1500]));
        assert!(left < -55.0, "{left} dB of an alias");
    }

    #[test]
    fn audible_bounds_are_within_a_millisecond() {
        let mut sound = vec![0.0; 48000];
        for sample in &mut sound[1000..2000] {
            *sample = 0.5;
        }
        let first = first_audible(&sound, 48000, -50.0).unwrap();
        let last = last_audible(&sound, 48000, -50.0).unwrap();
        assert!((953..=1000).contains(&first), "{first}");
        assert!((2000..=2047).contains(&last), "{last}");
        assert_eq!(first_audible(&[0.0; 480], 48000, -50.0), None);
    }
}
