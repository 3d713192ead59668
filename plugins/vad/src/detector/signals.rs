// SPDX-License-Identifier: MPL-2.0
//! For the tests: the signals of `weights/golden.py`, by the same integer arithmetic.

const SAMPLES: usize = 3 * 16_000;

/// The signal or recording that golden.txt calls `name`; `None` if a recording is not installed.
pub(super) fn named(name: &str) -> Option<Vec<i16>> {
    Some(match name {
        "voice" => mixed(&voice(130, 60_000), &noise(3, 30)),
        "voice-in-noise" => mixed(&voice(160, 200_000), &noise(1, 300)),
        "voice-quiet" => mixed(&voice(130, 3_000), &noise(4, 8)),
        "noise" => noise(2, 8_000),
        "full-scale" => (0..SAMPLES)
            .map(|n| if n / 40 % 2 == 1 { i16::MAX } else { i16::MIN })
            .collect(),
        "silence" => vec![0; SAMPLES],
        recording => recorded(recording)?.into_iter().step_by(3).collect(),
    })
}

/// The 48 kHz mono recording of this name that Debian's alsa-utils installs.
pub(super) fn recorded(name: &str) -> Option<Vec<i16>> {
    let bytes = std::fs::read(format!("/usr/share/sounds/alsa/{name}")).ok()?;
    // RIFF header, then chunks: four letters, a length, as many bytes.
    let mut rest = bytes.get(12..)?;
    loop {
        let length = u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?) as usize;
        let body = rest.get(8..8 + length)?;
        if rest.starts_with(b"data") {
            let samples = body.as_chunks().0.iter();
            return Some(samples.map(|sample| i16::from_le_bytes(*sample)).collect());
        }
        rest = rest.get(8 + length + length % 2..)?;
    }
}

pub(super) fn checksum(samples: &[i16]) -> u32 {
    samples.iter().fold(0, |sum: u32, sample| {
        sum.wrapping_mul(31).wrapping_add_signed(i32::from(*sample))
    })
}

pub(super) fn noise(seed: u32, amplitude: i64) -> Vec<i16> {
    let mut state = seed;
    (0..SAMPLES)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (((i64::from(state >> 16) - 32_768) * amplitude) >> 15) as i16
        })
        .collect()
}

const FORMANTS: [[(i64, i64); 3]; 3] = [
    [(30_200, -15_900), (26_900, -15_700), (14_200, -15_200)],
    [(32_000, -16_050), (18_600, -15_600), (8_800, -15_200)],
    [(31_800, -16_000), (29_600, -15_800), (17_000, -15_300)],
];

pub(super) fn voice(period: i64, gain: i64) -> Vec<i16> {
    let mut memory = [[0; 2]; 3];
    let mut countdown = 0;
    let mut slope = 0;
    (0..SAMPLES as i64)
        .map(|n| {
            let place = n % 4_800;
            let mut x = 0;
            if countdown == 0 {
                countdown = period + place / 200 - n / 1_600 * 7 % 5;
                if place < 4_000 {
                    x = gain * place.min(800) / 800;
                }
            }
            countdown -= 1;
            slope = x + ((slope * 14_500) >> 14);
            x = slope >> 2;
            for ((a1, a2), m) in FORMANTS[n as usize / 4_800 % 3].iter().zip(&mut memory) {
                let y = x + ((a1 * m[0] + a2 * m[1]) >> 14);
                *m = [y, m[0]];
                x = y >> 3;
            }
            x.clamp(-32_768, 32_767) as i16
        })
        .collect()
}

pub(super) fn mixed(a: &[i16], b: &[i16]) -> Vec<i16> {
    a.iter().zip(b).map(|(a, b)| a.saturating_add(*b)).collect()
}

/// Samples as floats, full scale ±1.
pub(super) fn floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|x| f32::from(*x) / 32_768.0).collect()
}

/// `samples` of one rate at another, low-passed below both Nyquist frequencies: a sinc of ±64 zero crossings.
pub(super) fn converted(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let (from, to) = (f64::from(from), f64::from(to));
    let cutoff = 0.95 * (to / from).min(1.0);
    let reach = 64.0 / cutoff;
    (0..(samples.len() as f64 * to / from) as usize)
        .map(|n| {
            let centre = n as f64 * from / to;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach) as usize).min(samples.len() - 1);
            (first..=last)
                .map(|i| {
                    let x = i as f64 - centre;
                    let angle = std::f64::consts::PI * x * cutoff;
                    let sinc = if x == 0.0 { 1.0 } else { angle.sin() / angle };
                    let window = (std::f64::consts::FRAC_PI_2 * x / reach).cos().powi(2);
                    f64::from(samples[i]) * sinc * window * cutoff
                })
                .sum::<f64>() as f32
        })
        .collect()
}
