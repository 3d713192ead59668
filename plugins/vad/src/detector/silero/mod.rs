// SPDX-License-Identifier: MPL-2.0
//! Silero VAD v6.2 for 16 kHz: our own forward pass of its weights.
//!
//! A score covers 512 samples, seen together with the 64 before them and 64 mirrored after them: four spectra of 256
//! samples, 128 apart → magnitudes → four convolutions over (time, frequency), which leave one vector of 128 → an LSTM
//! of 128 cells → one number. See `weights.rs` for the shapes.

mod weights;

use realfft::num_complex::Complex;

use self::weights::{Lane, Matrix, Weights};
use super::Detector;
use super::simd::{self, Isa, fma, sigmoid, tanh};

const HOP: usize = 512;
const CONTEXT: usize = 64;
const CELLS: usize = 128;
const BINS: usize = 129;

/// Silero VAD v6.2: scores of 32 ms. A stream's state is 1.3 KiB; the weights are shared.
#[derive(Clone)]
pub struct Silero {
    weights: &'static Weights,
    isa: Isa,
    state: State,
}

#[derive(Clone)]
struct State {
    context: [f32; CONTEXT],
    hidden: [f32; CELLS],
    cell: [f32; CELLS],
}

const INITIAL: State = State {
    context: [0.0; CONTEXT],
    hidden: [0.0; CELLS],
    cell: [0.0; CELLS],
};

impl Silero {
    /// A detector in its initial state. The first one of a process also arranges the weights, which takes some
    /// milliseconds.
    pub fn new() -> Self {
        Self::with_isa(Isa::detect())
    }

    fn with_isa(isa: Isa) -> Self {
        Self {
            weights: Weights::shared(),
            isa,
            state: INITIAL,
        }
    }
}

impl Default for Silero {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector for Silero {
    fn hop(&self) -> usize {
        HOP
    }

    fn score(&mut self, hop: &[f32]) -> f32 {
        let mut input = [0.0; CONTEXT + HOP + CONTEXT];
        input[..CONTEXT].copy_from_slice(&self.state.context);
        for (to, from) in input[CONTEXT..][..HOP].iter_mut().zip(hop) {
            // A resampler overshoots full scale a little; anything beyond that is no audio. Numbers whose squares would be denormal cost a hundred times the rest; nothing that quiet is audible.
            let audible = from.is_finite() && from.abs() > 1e-10;
            *to = if audible { from.clamp(-2.0, 2.0) } else { 0.0 };
        }
        assert_eq!(hop.len(), HOP, "Silero scores {HOP} samples");
        self.state.context.copy_from_slice(&input[HOP..][..CONTEXT]);
        for i in 0..CONTEXT {
            input[CONTEXT + HOP + i] = input[CONTEXT + HOP - 2 - i];
        }

        let magnitudes = spectra(self.weights, &mut input);
        match self.isa {
            Isa::Baseline => {
                forward::<{ simd::BASELINE_FMA }>(self.weights, &mut self.state, &magnitudes)
            }
            // SAFETY: `Isa::detect` and `Isa::available` give these only where the processor has the features.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { forward_avx2(self.weights, &mut self.state, &magnitudes) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { forward_avx512(self.weights, &mut self.state, &magnitudes) },
        }
    }

    fn reset(&mut self) {
        self.state = INITIAL;
    }

    fn context(&self) -> usize {
        CONTEXT
    }

    fn fork(&self, before: &[f32]) -> Option<Box<dyn Detector>> {
        let mut fork = self.clone();
        let context = &before[before.len() - CONTEXT..];
        fork.state.context.copy_from_slice(context);
        Some(Box::new(fork))
    }
}

/// Spectral magnitudes of the four frames.
fn spectra(weights: &Weights, input: &mut [f32; 640]) -> [[f32; BINS]; 4] {
    let mut magnitudes = [[0.0; BINS]; 4];
    let mut spectrum = [Complex::default(); BINS];
    let mut scratch = [Complex::default(); 256];
    for (t, row) in magnitudes.iter_mut().enumerate() {
        let mut frame = [0.0; 256];
        for ((to, from), window) in frame.iter_mut().zip(&input[t * 128..]).zip(&weights.window) {
            *to = from * window;
        }
        let needed = weights.fft.get_scratch_len();
        // It fails only for slices of a wrong length.
        let done =
            weights
                .fft
                .process_with_scratch(&mut frame, &mut spectrum, &mut scratch[..needed]);
        debug_assert!(done.is_ok());
        for (to, bin) in row.iter_mut().zip(&spectrum) {
            *to = (bin.re * bin.re + bin.im * bin.im).sqrt();
        }
    }
    magnitudes
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn forward_avx2(weights: &Weights, state: &mut State, magnitudes: &[[f32; BINS]; 4]) -> f32 {
    forward::<true>(weights, state, magnitudes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
fn forward_avx512(weights: &Weights, state: &mut State, magnitudes: &[[f32; BINS]; 4]) -> f32 {
    forward::<true>(weights, state, magnitudes)
}

#[inline(always)]
fn forward<const FMA: bool>(
    weights: &Weights,
    state: &mut State,
    magnitudes: &[[f32; BINS]; 4],
) -> f32 {
    let a = conv::<FMA, 1, 129, 128, 4, 4, 3>(&weights.conv1, magnitudes, |t, k| {
        (t + k).checked_sub(1)
    });
    let a = conv::<FMA, 2, 128, 64, 4, 2, 3>(&weights.conv2, &a, |t, k| (2 * t + k).checked_sub(1));
    let a = conv::<FMA, 4, 64, 64, 2, 1, 2>(&weights.conv3, &a, |_, k| Some(k));
    let [a] = conv::<FMA, 4, 64, 128, 1, 1, 1>(&weights.conv4, &a, |_, _| Some(0));
    lstm::<FMA>(weights, state, &a)
}

/// `y += w * x`, lane by lane.
#[inline(always)]
fn accumulate<const FMA: bool, const G: usize>(y: &mut [Lane; G], w: &[Lane; G], x: f32) {
    for (y, w) in y.iter_mut().zip(w) {
        for (y, w) in y.0.iter_mut().zip(&w.0) {
            *y = fma::<FMA>(*w, x, *y);
        }
    }
}

/// A convolution over time, then ReLU: `I` inputs at `S` times to `O` outputs at `T` times by `K` taps. `source` tells
/// which of the `S` times a tap `k` of the output at time `t` meets; beyond them lies padding.
#[inline(always)]
fn conv<
    const FMA: bool,
    const G: usize,
    const I: usize,
    const O: usize,
    const S: usize,
    const T: usize,
    const K: usize,
>(
    matrix: &Matrix<G>,
    x: &[[f32; I]; S],
    source: impl Fn(usize, usize) -> Option<usize>,
) -> [[f32; O]; T] {
    let mut y = [[0.0; O]; T];
    for (group, (bias, rows)) in matrix.groups().enumerate() {
        let mut sums = [*bias; T];
        for (i, taps) in rows.as_chunks::<K>().0.iter().take(I).enumerate() {
            for (k, w) in taps.iter().enumerate() {
                for (t, sum) in sums.iter_mut().enumerate() {
                    if let Some(s) = source(t, k)
                        && s < S
                    {
                        accumulate::<FMA, G>(sum, w, x[s][i]);
                    }
                }
            }
        }
        for (y, sum) in y.iter_mut().zip(&sums) {
            let y = &mut y[group * G * 16..][..G * 16];
            for (to, from) in y.iter_mut().zip(sum.iter().flat_map(|lane| &lane.0)) {
                *to = from.max(0.0);
            }
        }
    }
    y
}

/// One step of the LSTM and the output layer.
#[inline(always)]
fn lstm<const FMA: bool>(weights: &Weights, state: &mut State, x: &[f32; CELLS]) -> f32 {
    let mut input = [0.0; 2 * CELLS];
    input[..CELLS].copy_from_slice(x);
    input[CELLS..].copy_from_slice(&state.hidden);
    let mut output = Lane([0.0; 16]);
    for (group, (bias, rows)) in weights.lstm.groups().enumerate() {
        let mut gates = *bias;
        for (w, x) in rows.iter().zip(&input) {
            accumulate::<FMA, 4>(&mut gates, w, *x);
        }
        let hidden = &mut state.hidden[group * 16..][..16];
        let cell = &mut state.cell[group * 16..][..16];
        let out = &weights.output[group * 16..][..16];
        let [i, f, g, o] = &gates;
        for n in 0..16 {
            let c = sigmoid::<FMA>(f.0[n]) * cell[n] + sigmoid::<FMA>(i.0[n]) * tanh::<FMA>(g.0[n]);
            let h = sigmoid::<FMA>(o.0[n]) * tanh::<FMA>(c);
            cell[n] = c;
            hidden[n] = h;
            output.0[n] = fma::<FMA>(out[n], h.max(0.0), output.0[n]);
        }
    }
    sigmoid::<FMA>(output.0.iter().sum::<f32>() + weights.output_bias)
}

#[cfg(test)]
mod tests;
