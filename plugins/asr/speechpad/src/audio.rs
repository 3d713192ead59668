// SPDX-License-Identifier: MPL-2.0

//! Audio of any format as mono samples at the rate of recognisers.

use duplex_recognition::RATE;
use gst_audio::AudioFormat;
use rubato::{
    Async, FixedAsync, Resampler as _, SincInterpolationParameters, WindowFunction,
    audioadapter_buffers::direct::SequentialSlice,
};

/// The raw formats that are read, in order of preference.
const FORMATS: [AudioFormat; 7] = [
    AudioFormat::S16le,
    AudioFormat::F32le,
    AudioFormat::S32le,
    AudioFormat::S2432le,
    AudioFormat::S24le,
    AudioFormat::F64le,
    AudioFormat::U8,
];

/// Caps of everything that is read.
pub(crate) fn template_caps() -> gst::Caps {
    gst_audio::AudioCapsBuilder::new_interleaved()
        .format_list(FORMATS)
        .rate_range(8_000..=192_000)
        .build()
}

/// Nanoseconds that `frames` last.
pub(crate) fn duration(frames: u64, rate: u32) -> u64 {
    (u128::from(frames) * 1_000_000_000 / u128::from(rate.max(1))) as u64
}

/// Frames in so many nanoseconds.
pub(crate) fn frames(duration: u64, rate: u32) -> u64 {
    (u128::from(duration) * u128::from(rate) / 1_000_000_000) as u64
}

/// The mean of the channels, between −1 and 1, appended to `out`.
pub(crate) fn mono(info: &gst_audio::AudioInfo, data: &[u8], out: &mut Vec<f32>) {
    fn each<const N: usize>(
        data: &[u8],
        channels: usize,
        out: &mut Vec<f32>,
        read: impl Fn([u8; N]) -> f32,
    ) {
        let scale = 1.0 / channels as f32;
        let frames = data.as_chunks::<N>().0.chunks_exact(channels);
        out.extend(frames.map(|frame| {
            let sum = frame.iter().map(|bytes| read(*bytes)).sum::<f32>() * scale;
            if sum.is_finite() {
                sum.clamp(-1.0, 1.0)
            } else {
                0.0
            }
        }));
    }
    const I24: f32 = 1.0 / (1 << 23) as f32;
    const I32: f32 = 1.0 / (1u32 << 31) as f32;
    let channels = (info.channels() as usize).max(1);
    match info.format() {
        AudioFormat::S16le => each(data, channels, out, |b| {
            f32::from(i16::from_le_bytes(b)) * (1.0 / 32_768.0)
        }),
        AudioFormat::F32le => each(data, channels, out, f32::from_le_bytes),
        AudioFormat::S32le => each(data, channels, out, |b| i32::from_le_bytes(b) as f32 * I32),
        // 24 bits in the lower part of 32; the top byte says nothing.
        AudioFormat::S2432le => each(data, channels, out, |b: [u8; 4]| {
            (i32::from_le_bytes(b) << 8 >> 8) as f32 * I24
        }),
        AudioFormat::S24le => each(data, channels, out, |[a, b, c]: [u8; 3]| {
            (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 * I24
        }),
        AudioFormat::F64le => each(data, channels, out, |b| f64::from_le_bytes(b) as f32),
        AudioFormat::U8 => each(data, channels, out, |[b]: [u8; 1]| {
            (f32::from(b) - 128.0) / 128.0
        }),
        _ => {}
    }
}

/// From the stream's rate to [`RATE`], with a low pass that keeps out what would fold back. What comes out is aligned with
/// what goes in, to a sample.
pub(crate) struct Resampler {
    /// None where the rates are the same.
    filter: Option<Async<f32>>,
    from: u32,
    /// Less than a chunk that waits for the rest of it.
    waiting: Vec<f32>,
    out: Vec<f32>,
    /// Output that is still to be thrown away: the filter's delay.
    delay: usize,
}

/// Taps of the filter at 48 kHz; a higher rate takes as many more to cut as sharply.
const TAPS: usize = 128;

fn taps(rate: u32) -> usize {
    TAPS * (rate as usize).div_ceil(48_000)
}

impl Resampler {
    pub fn new(from: u32) -> Self {
        let filter = (from != RATE).then(|| {
            let parameters =
                SincInterpolationParameters::new(taps(from), WindowFunction::BlackmanHarris2);
            let ratio = f64::from(RATE) / f64::from(from);
            let chunk = (from as usize / 100).max(1);
            Async::new_sinc(ratio, 1.0, &parameters, chunk, 1, FixedAsync::Input).ok()
        });
        let filter = filter.flatten();
        Self {
            from,
            waiting: Vec::new(),
            out: vec![
                0.0;
                filter
                    .as_ref()
                    .map_or(0, |filter| filter.output_frames_max())
            ],
            delay: filter.as_ref().map_or(0, |filter| filter.output_delay()),
            filter,
        }
    }

    pub fn rate(&self) -> u32 {
        self.from
    }

    /// Takes all of `samples` and appends what is complete by now to `out`.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let Some(filter) = &mut self.filter else {
            out.extend_from_slice(samples);
            return;
        };
        self.waiting.extend_from_slice(samples);
        let mut used = 0;
        loop {
            let chunk = filter.input_frames_next();
            if self.waiting.len() - used < chunk {
                break;
            }
            let frames = self.out.len();
            let made = match (
                SequentialSlice::new(&self.waiting[used..used + chunk], 1, chunk),
                SequentialSlice::new_mut(&mut self.out, 1, frames),
            ) {
                (Ok(input), Ok(mut output)) => filter
                    .process_into_buffer(&input, &mut output, None)
                    .map_or(0, |(_, made)| made),
                _ => 0,
            };
            used += chunk;
            let skip = self.delay.min(made);
            self.delay -= skip;
            out.extend_from_slice(&self.out[skip..made]);
        }
        self.waiting.drain(..used);
    }

    /// What the filter still holds, appended to `out`: for the end of the stream.
    pub fn drain(&mut self, out: &mut Vec<f32>) {
        if self.filter.is_some() {
            self.push(&vec![0.0; self.from as usize / 50 + taps(self.from)], out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_reads_a_half() {
        gst::init().unwrap();
        let half: [(AudioFormat, &[u8]); 7] = [
            (AudioFormat::S16le, &0x4000i16.to_le_bytes()),
            (AudioFormat::F32le, &0.5f32.to_le_bytes()),
            (AudioFormat::S32le, &0x4000_0000i32.to_le_bytes()),
            (AudioFormat::S2432le, &[0, 0, 0x40, 0xee]),
            (AudioFormat::S24le, &[0, 0, 0x40]),
            (AudioFormat::F64le, &0.5f64.to_le_bytes()),
            (AudioFormat::U8, &[192]),
        ];
        for (format, bytes) in half {
            let info = gst_audio::AudioInfo::builder(format, 16_000, 2)
                .build()
                .unwrap();
            let mut out = Vec::new();
            mono(&info, &bytes.repeat(2), &mut out);
            assert_eq!(out, [0.5], "{format}");
        }
    }

    /// A tone that fits stays what and where it was, one that does not is gone.
    #[test]
    fn tones_keep_their_place_or_vanish() {
        for rate in [
            8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 191_999,
        ] {
            let sine = |rate: u32, hertz: f64, n: usize| {
                (n as f64 * hertz * std::f64::consts::TAU / f64::from(rate)).sin() as f32
            };
            let resampled = |hertz: f64| {
                let input: Vec<f32> = (0..rate as usize).map(|n| sine(rate, hertz, n)).collect();
                let mut resampler = Resampler::new(rate);
                let mut out = Vec::new();
                for piece in input.chunks(777) {
                    resampler.push(piece, &mut out);
                }
                resampler.drain(&mut out);
                assert!(out.len() >= 15_990, "{rate}: {}", out.len());
                out
            };
            let low = resampled(440.0);
            for (n, x) in low.iter().enumerate().take(15_500).skip(500) {
                // The filter's delay is known to a sample, in which the tone moves by 0.17.
                assert!((x - sine(RATE, 440.0, n)).abs() < 0.2, "{rate} {n}: {x}");
            }
            if rate > 24_000 {
                let high = resampled(10_000.0);
                let loudest = high[500..15_500].iter().fold(0.0f32, |a, x| a.max(x.abs()));
                assert!(loudest < 0.01, "{rate}: {loudest}");
            }
        }
    }
}
