// SPDX-License-Identifier: MPL-2.0
//! Any rate to 16 kHz, mono: a polyphase filter with linear phase.

use super::ANALYSIS_RATE;
use super::simd::{self, Isa, fma};

/// How far the filter reaches to either side of an output sample; it has to wait for this much input.
const REACH_SECONDS: f64 = 1.25e-3;

/// Shape of the Kaiser window: about 70 dB of rejection.
const KAISER_BETA: f64 = 6.76;

/// Width in Hz of the filter's slope, from what that reach and rejection allow.
const SLOPE_HZ: f64 = 1_750.0;

/// Where the slope of a decimating filter ends, in Hz. What lies between 8 kHz and this folds to just below 8 kHz, where
/// speech has next to nothing.
const STOP_HZ: f64 = 8_200.0;

/// Rates with more distinct phases than this share a table, with interpolation between its rows.
const MAX_PHASES: u64 = 640;

/// Taps are padded to a multiple of this.
const BLOCK: usize = 16;

/// Converts mono samples of one rate to 16 kHz. 16 kHz itself passes untouched.
///
/// Output sample `n` is the filtered input at exactly `n / 16000` seconds: the filter's delay is compensated, and shows
/// only as [`delay`](Self::delay), the input that has to be there before a sample of the same time can leave.
#[derive(Clone)]
pub struct Resampler {
    rate: u32,
    isa: Isa,
    /// Input samples per output sample, as a reduced fraction.
    step: u64,
    phases: u64,
    /// Rows of `taps` coefficients, one per phase, or `MAX_PHASES + 1` to interpolate between.
    table: Vec<f32>,
    taps: usize,
    /// Input samples after the centre that the filter sees.
    reach: usize,
    history: Vec<f32>,
    /// The next output's first input sample in `history`, and its phase.
    next: usize,
    phase: u64,
}

impl Resampler {
    /// A converter from `rate` Hz, which must be one of [`INPUT_RATES`](super::INPUT_RATES).
    pub fn new(rate: u32) -> Self {
        assert!(super::INPUT_RATES.contains(&rate), "a rate of {rate} Hz");
        let divisor = gcd(rate, ANALYSIS_RATE);
        let (step, phases) = (rate / divisor, ANALYSIS_RATE / divisor);
        let mut resampler = Self {
            rate,
            isa: Isa::detect(),
            step: u64::from(step),
            phases: u64::from(phases),
            table: Vec::new(),
            taps: 0,
            reach: 0,
            history: Vec::new(),
            next: 0,
            phase: 0,
        };
        if rate != ANALYSIS_RATE {
            resampler.design();
        }
        resampler.reset();
        resampler
    }

    fn design(&mut self) {
        let rate = f64::from(self.rate);
        let reach = (REACH_SECONDS * rate).floor();
        self.reach = reach as usize;
        self.taps = (2 * self.reach).next_multiple_of(BLOCK);
        // An input below 16 kHz is limited by its own Nyquist frequency; its images must vanish, and the slope may lie
        // half above it, as telephone audio has little there.
        let stop = STOP_HZ.min(rate / 2.0 + SLOPE_HZ / 2.0);
        let cutoff = stop - SLOPE_HZ / 2.0;
        let exact = self.phases <= MAX_PHASES;
        let (rows, per) = if exact {
            (self.phases, self.phases)
        } else {
            (MAX_PHASES + 1, MAX_PHASES)
        };
        for row in 0..rows {
            let fraction = row as f64 / per as f64;
            let taps: Vec<f64> = (0..self.taps)
                .map(|tap| {
                    // The last tap is `reach` after the centre's whole sample.
                    let x = tap as f64 - (self.taps - 1) as f64 + reach - fraction;
                    let place = x / reach;
                    if place.abs() >= 1.0 {
                        return 0.0;
                    }
                    let window = bessel_i0(KAISER_BETA * (1.0 - place * place).sqrt());
                    window * sinc(2.0 * cutoff / rate * x)
                })
                .collect();
            let sum: f64 = taps.iter().sum();
            self.table.extend(taps.iter().map(|tap| (tap / sum) as f32));
        }
    }

    /// Forgets the input so far: the next sample is at time 0, with silence before it.
    pub fn reset(&mut self) {
        self.history.clear();
        self.history
            .resize(self.taps.saturating_sub(1 + self.reach), 0.0);
        self.next = 0;
        self.phase = 0;
    }

    /// Input samples that must follow an output sample's own time before it can leave: 1.25 ms, 0 at 16 kHz.
    pub fn delay(&self) -> usize {
        self.reach
    }

    /// Takes the next input and appends to `output` all that can be computed.
    pub fn push(&mut self, input: &[f32], output: &mut Vec<f32>) {
        if self.table.is_empty() {
            output.extend_from_slice(input);
            return;
        }
        self.history.extend_from_slice(input);
        match self.isa {
            Isa::Baseline => self.run::<{ simd::BASELINE_FMA }>(output),
            // SAFETY: `Isa::detect` gives these only where the processor has the features.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 => unsafe { self.run_avx2(output) },
        }
        if self.next >= 4096 {
            self.history.drain(..self.next);
            self.next = 0;
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn run_avx2(&mut self, output: &mut Vec<f32>) {
        self.run::<true>(output);
    }

    #[inline(always)]
    fn run<const FMA: bool>(&mut self, output: &mut Vec<f32>) {
        let taps = self.taps;
        let row = |n: u64| &self.table[n as usize * taps..][..taps];
        while let Some(input) = self.history.get(self.next..self.next + taps) {
            output.push(if self.phases <= MAX_PHASES {
                dot::<FMA>(input, row(self.phase))
            } else {
                let place = self.phase * MAX_PHASES;
                let fraction = (place % self.phases) as f32 / self.phases as f32;
                let here = dot::<FMA>(input, row(place / self.phases));
                let there = dot::<FMA>(input, row(place / self.phases + 1));
                here + fraction * (there - here)
            });
            self.phase += self.step;
            self.next += (self.phase / self.phases) as usize;
            self.phase %= self.phases;
        }
    }
}

#[inline(always)]
fn dot<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; BLOCK];
    for (a, b) in a
        .as_chunks::<BLOCK>()
        .0
        .iter()
        .zip(b.as_chunks::<BLOCK>().0)
    {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum = fma::<FMA>(*a, *b, *sum);
        }
    }
    sums.iter().sum()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x)
    }
}

/// The modified Bessel function of the first kind and order 0.
fn bessel_i0(x: f64) -> f64 {
    let mut sum = 1.0;
    let mut term = 1.0;
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u32; 12] = [
        8_000, 11_025, 12_000, 16_001, 22_050, 24_000, 32_000, 44_100, 47_999, 48_000, 96_000,
        192_000,
    ];

    /// One second of a sine of amplitude 1 at `rate`, resampled.
    fn tone(rate: u32, hz: f64) -> Vec<f32> {
        let input: Vec<f32> = (0..rate)
            .map(|n| (std::f64::consts::TAU * hz * f64::from(n) / f64::from(rate)).sin() as f32)
            .collect();
        let mut output = Vec::new();
        Resampler::new(rate).push(&input, &mut output);
        output
    }

    /// RMS over the middle, against that of the sine that went in.
    fn gain_db(output: &[f32]) -> f64 {
        let middle = &output[1_000..15_000];
        let power: f64 = middle.iter().map(|x| f64::from(*x).powi(2)).sum();
        10.0 * (2.0 * power / middle.len() as f64).max(1e-30).log10()
    }

    #[test]
    fn sixteen_kilohertz_pass_untouched() {
        let input: Vec<f32> = (0..1_000).map(|n| n as f32).collect();
        let mut output = Vec::new();
        let mut resampler = Resampler::new(16_000);
        for part in input.chunks(7) {
            resampler.push(part, &mut output);
        }
        assert_eq!(input, output);
        assert_eq!(resampler.delay(), 0);
    }

    #[test]
    fn what_would_alias_vanishes() {
        for rate in RATES.into_iter().filter(|rate| *rate >= 22_050) {
            for hz in [8_400.0, 9_000.0, 10_000.0, 10_900.0, 15_000.0, 40_000.0] {
                if hz < f64::from(rate) / 2.0 {
                    let gain = gain_db(&tone(rate, hz));
                    assert!(gain < -60.0, "{hz} Hz at {rate} Hz: {gain} dB");
                }
            }
        }
    }

    #[test]
    fn speech_passes_at_its_own_time() {
        for rate in RATES {
            for hz in [0.01, 100.0, 1_000.0, 3_000.0, 6_000.0] {
                if hz > f64::from(rate) / 2.0 - 900.0 {
                    continue;
                }
                for (n, y) in tone(rate, hz).iter().enumerate().skip(100) {
                    let x = (std::f64::consts::TAU * hz * n as f64 / 16_000.0).sin();
                    assert!(
                        (f64::from(*y) - x).abs() < 2e-3,
                        "{hz} Hz at {rate} Hz, sample {n}: {y} for {x}"
                    );
                }
            }
        }
    }

    #[test]
    fn images_of_telephone_speech_vanish() {
        for hz in [300.0, 1_000.0, 3_000.0] {
            let output = tone(8_000, hz);
            let rest: Vec<f32> = output
                .iter()
                .enumerate()
                .map(|(n, y)| y - (std::f64::consts::TAU * hz * n as f64 / 16_000.0).sin() as f32)
                .collect();
            assert!(gain_db(&rest) < -60.0, "{hz} Hz: {} dB", gain_db(&rest));
        }
    }

    #[test]
    fn the_delay_is_as_reported() {
        for rate in RATES {
            let mut resampler = Resampler::new(rate);
            let mut output = Vec::new();
            let mut taken = 0_u64;
            for _ in 0..rate / 10 {
                resampler.push(&[0.0], &mut output);
                taken += 1;
                // Output n, at input n · rate / 16000, is there as soon as `delay` more samples are.
                let ready = (taken - 1)
                    .checked_sub(resampler.delay() as u64)
                    .map_or(0, |last| ((last + 1) * 16_000).div_ceil(u64::from(rate)));
                assert_eq!(output.len() as u64, ready, "{taken} samples at {rate} Hz");
            }
            assert!(resampler.delay() as f64 / f64::from(rate) <= 1.25e-3);
        }
    }

    #[test]
    fn chunks_of_any_size_give_the_same() {
        for rate in RATES {
            let input: Vec<f32> = (0..rate / 4).map(|n| (n as f32 * 0.37).sin()).collect();
            let (mut whole, mut parts) = (Vec::new(), Vec::new());
            Resampler::new(rate).push(&input, &mut whole);
            let mut resampler = Resampler::new(rate);
            for part in input.chunks(61) {
                resampler.push(part, &mut parts);
            }
            assert_eq!(whole, parts, "{rate} Hz");
        }
    }
}
