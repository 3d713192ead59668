// SPDX-License-Identifier: MPL-2.0

//! Arithmetic on samples: levels and fades.

/// What silence measures.
pub const FLOOR_DB: f64 = -120.0;

/// Level of a frame in dB of full scale, [`FLOOR_DB`] at least.
pub(super) fn rms_db(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return FLOOR_DB;
    }
    // At most 10 ms of 192 kHz in many channels: the sum of squares fits by far.
    let sum: u64 = samples
        .iter()
        .map(|&s| u64::from(s.unsigned_abs()).pow(2))
        .sum();
    if sum == 0 {
        return FLOOR_DB;
    }
    let mean = sum as f64 / samples.len() as f64;
    (10.0 * (mean / (32768.0 * 32768.0)).log10()).max(FLOOR_DB)
}

/// Gain of sample `index` of a fade to silence that takes `length` samples: half a cosine.
pub(super) fn fade_out(index: usize, length: usize) -> f32 {
    let phase = (index + 1) as f32 / (length + 1) as f32;
    0.5 * (1.0 + (std::f32::consts::PI * phase).cos())
}

/// Gain of sample `index` of a fade from silence.
pub(super) fn fade_in(index: usize, length: usize) -> f32 {
    if index >= length {
        1.0
    } else {
        1.0 - fade_out(index, length)
    }
}

/// A sample times a gain of 0 to 1.
pub(super) fn scale(sample: i16, gain: f32) -> i16 {
    (f32::from(sample) * gain) as i16
}

/// Samples in another rate and number of channels, by linear interpolation; channels that were not there are copies of
/// the first.
pub(super) fn convert(samples: &[i16], from: (u32, usize), to: (u32, usize)) -> Vec<i16> {
    let frames = samples.len() / from.1;
    let length = frames as u64 * u64::from(to.0) / u64::from(from.0);
    let at = |frame: usize, channel: usize| {
        let channel = if channel < from.1 { channel } else { 0 };
        i64::from(samples[frame.min(frames - 1) * from.1 + channel])
    };
    (0..length)
        .flat_map(|i| {
            let place = i * u64::from(from.0);
            let frame = usize::try_from(place / u64::from(to.0)).unwrap_or(0);
            let part = (place % u64::from(to.0)) as i64;
            let whole = i64::from(to.0);
            (0..to.1).map(move |channel| {
                let (a, b) = (at(frame, channel), at(frame + 1, channel));
                (a + (b - a) * part / whole) as i16
            })
        })
        .collect()
}
