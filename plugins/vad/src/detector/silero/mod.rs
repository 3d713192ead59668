// SPDX-License-Identifier: MPL-2.0
//! Silero VAD v6.2 for 16 kHz: our own forward pass of its weights.
//!
//! A score covers 512 samples, seen together with the 64 before them and 64 mirrored after them: four spectra of 256
//! samples, 128 apart → magnitudes → four convolutions over (time, frequency), which leave one vector of 128 → an LSTM
//! of 128 cells → one number. See `weights.rs` for the shapes.

mod weights;

use realfft::num_complex::Complex;

use self::weights::*;
use super::Detector;
#[cfg(target_arch = "x86_64")]
use super::simd::{__m256, __m512};
use super::simd::{Isa, Quad, Vector, sigmoid, tanh};

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
            weights: Weights::shared(isa),
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
            // SAFETY: the baseline is what the processor always has.
            Isa::Baseline => unsafe { forward::<Quad>(self.weights, &mut self.state, &magnitudes) },
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
    // SAFETY: this function has the features.
    unsafe { forward::<__m256>(weights, state, magnitudes) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
fn forward_avx512(weights: &Weights, state: &mut State, magnitudes: &[[f32; BINS]; 4]) -> f32 {
    // SAFETY: this function has the features.
    unsafe { forward::<__m512>(weights, state, magnitudes) }
}

/// The convolutions and the LSTM.
///
/// # Safety
/// The processor must have the instruction set of `V`.
#[inline(always)]
unsafe fn forward<V: Vector>(
    weights: &Weights,
    state: &mut State,
    magnitudes: &[[f32; BINS]; 4],
) -> f32 {
    // SAFETY: the caller's.
    let [a] = unsafe {
        let a = conv::<V, CONV1_REGISTERS, 129, 128, 4, 4, 3, 1, 0>(&weights.conv1, magnitudes);
        let a = conv::<V, CONV2_REGISTERS, 128, 64, 4, 2, 3, 2, 0>(&weights.conv2, &a);
        let a = conv::<V, CONV3_REGISTERS, 64, 64, 2, 1, 2, 2, 1>(&weights.conv3, &a);
        conv::<V, CONV4_REGISTERS, 64, 128, 1, 1, 1, 1, 1>(&weights.conv4, &a)
    };
    let mut input = [[0.0; 2 * CELLS]];
    input[0][..CELLS].copy_from_slice(&a);
    input[0][CELLS..].copy_from_slice(&state.hidden);
    // SAFETY: as above.
    let [gates] = unsafe {
        layer::<V, LSTM_REGISTERS, { 2 * CELLS }, { 4 * CELLS }, 1, 1, 1, 1, 1>(
            &weights.lstm,
            &input,
        )
    };
    let (input, rest) = gates.split_at(CELLS);
    let (forget, rest) = rest.split_at(CELLS);
    let (candidate, output) = rest.split_at(CELLS);
    for n in 0..CELLS {
        let kept = sigmoid_of::<V>(forget[n]) * state.cell[n];
        let c = kept + sigmoid_of::<V>(input[n]) * tanh_of::<V>(candidate[n]);
        state.cell[n] = c;
        state.hidden[n] = sigmoid_of::<V>(output[n]) * tanh_of::<V>(c);
    }
    let mut sums = [0.0; 16];
    for (hidden, weights) in state
        .hidden
        .chunks_exact(16)
        .zip(weights.output.chunks_exact(16))
    {
        for n in 0..16 {
            sums[n] += weights[n] * hidden[n].max(0.0);
        }
    }
    sigmoid::<false>(sums.iter().sum::<f32>() + weights.output_bias)
}

#[inline(always)]
fn sigmoid_of<V: Vector>(x: f32) -> f32 {
    if V::FMA {
        sigmoid::<true>(x)
    } else {
        sigmoid::<false>(x)
    }
}

#[inline(always)]
fn tanh_of<V: Vector>(x: f32) -> f32 {
    if V::FMA {
        tanh::<true>(x)
    } else {
        tanh::<false>(x)
    }
}

/// A convolution with ReLU.
///
/// # Safety
/// As for [`layer`].
#[inline(always)]
unsafe fn conv<
    V: Vector,
    const R: usize,
    const I: usize,
    const O: usize,
    const S: usize,
    const T: usize,
    const K: usize,
    const STRIDE: usize,
    const OFFSET: usize,
>(
    matrix: &Matrix,
    x: &[[f32; I]; S],
) -> [[f32; O]; T] {
    // SAFETY: the caller's.
    let mut y = unsafe { layer::<V, R, I, O, S, T, K, STRIDE, OFFSET>(matrix, x) };
    for y in y.as_flattened_mut() {
        *y = y.max(0.0);
    }
    y
}

/// `I` inputs at `S` times to `O` outputs at `T` times: tap `k` of `K` of the output at time `t` meets the input at time
/// `t * STRIDE + k + OFFSET - 1`, or padding. `R` registers of outputs are computed at a time.
///
/// # Safety
/// The processor must have the instruction set of `V`.
#[inline(always)]
unsafe fn layer<
    V: Vector,
    const R: usize,
    const I: usize,
    const O: usize,
    const S: usize,
    const T: usize,
    const K: usize,
    const STRIDE: usize,
    const OFFSET: usize,
>(
    matrix: &Matrix,
    x: &[[f32; I]; S],
) -> [[f32; O]; T] {
    let group = R * V::LANES;
    assert!(matrix.is(I * K, O, group), "a matrix of another layer");
    let mut y = [[0.0; O]; T];
    let mut weights = matrix.weights();
    for first in (0..O).step_by(group) {
        // SAFETY: the assertion above, and that `group` divides `O` (Matrix::new), keep all places within the
        // matrix, its bias and `y`: I * K rows of `group` weights are read for each of the O / group groups.
        unsafe {
            let bias = matrix.bias().as_ptr().add(first);
            let mut sums = [[V::splat(0.0); R]; T];
            for sums in &mut sums {
                for (r, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(bias.add(r * V::LANES));
                }
            }
            for i in 0..I {
                for k in 0..K {
                    let mut row = [V::splat(0.0); R];
                    for (r, w) in row.iter_mut().enumerate() {
                        *w = V::load(weights.add(r * V::LANES));
                    }
                    weights = weights.add(group);
                    for (t, sums) in sums.iter_mut().enumerate() {
                        let place = t * STRIDE + k + OFFSET;
                        if (1..=S).contains(&place) {
                            let x = V::splat(x[place - 1][i]);
                            for (sum, w) in sums.iter_mut().zip(&row) {
                                *sum = w.multiply_add(x, *sum);
                            }
                        }
                    }
                }
            }
            for (y, sums) in y.iter_mut().zip(&sums) {
                for (r, sum) in sums.iter().enumerate() {
                    sum.store(y.as_mut_ptr().add(first + r * V::LANES));
                }
            }
        }
    }
    y
}

#[cfg(test)]
mod tests;
