// SPDX-License-Identifier: MPL-2.0

//! Products of rows with a matrix of 8-bit numbers: Q8_0, blocks of 32 weights with a scale of 16 bits.
//!
//! Sixteen rows of the matrix lie side by side, four weights of each at a time, so that one instruction multiplies four
//! numbers of the input with all sixteen and no sum across lanes is ever needed. Each weight is read once for all rows of
//! the input: the product of one row is bound by memory, that of eight costs hardly more.
//!
//! The input is quantized in blocks of 32 in the same way. Three ways to multiply: AVX-512 VNNI, AVX2, and plain loops.

use half::f16;
use rayon::prelude::*;

use super::product::Rows;

/// Weights of a block.
pub const BLOCK: usize = 32;
/// Rows of the matrix that lie side by side.
const SIDE: usize = 16;
/// Weights of a row in one lane.
const QUAD: usize = 4;
/// Rows of the input that are multiplied at once.
const COLUMNS: usize = 6;
/// From so many multiplications on a second core is worth its call.
const WORTH_SHARING: usize = 1 << 25;

/// A quantized matrix.
pub struct Matrix {
    outputs: usize,
    width: usize,
    /// For each sixteen rows, for each block, for each quad: 16 · 4 weights.
    weights: Vec<[i8; SIDE * QUAD]>,
    /// For each sixteen rows, for each block: their scales.
    scales: Vec<[f16; SIDE]>,
}

impl std::fmt::Debug for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Q8_0 {}×{}", self.outputs, self.width)
    }
}

impl Matrix {
    /// Whether a matrix whose rows are so wide can be quantized.
    pub fn fits(width: usize) -> bool {
        width > 0 && width.is_multiple_of(BLOCK)
    }

    /// Quantizes `outputs` rows of `width` numbers.
    pub fn new(rows: &[f32], width: usize) -> Matrix {
        assert!(Matrix::fits(width), "{width} is no multiple of {BLOCK}");
        let outputs = rows.len() / width;
        let groups = outputs.div_ceil(SIDE);
        let blocks = width / BLOCK;
        let mut weights = vec![[0_i8; SIDE * QUAD]; groups * blocks * BLOCK / QUAD];
        let mut scales = vec![[f16::ZERO; SIDE]; groups * blocks];
        for (n, row) in rows.chunks_exact(width).enumerate() {
            let (group, side) = (n / SIDE, n % SIDE);
            for (b, block) in row.as_chunks::<BLOCK>().0.iter().enumerate() {
                let peak = block.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
                let scale = f16::from_f32(peak / 127.0);
                let inverse = match scale.to_f32() {
                    0.0 => 0.0,
                    scale => 1.0 / scale,
                };
                scales[group * blocks + b][side] = scale;
                for (k, x) in block.iter().enumerate() {
                    let quad = (group * blocks + b) * (BLOCK / QUAD) + k / QUAD;
                    let q = (x * inverse).round().clamp(-127.0, 127.0) as i8;
                    weights[quad][side * QUAD + k % QUAD] = q;
                }
            }
        }
        Matrix {
            outputs,
            width,
            weights,
            scales,
        }
    }

    /// `out[m][n]` = Σ `rows[m][k]` · `self[n][k]`.
    ///
    /// Rows that overlap are quantized once where their stride is a multiple of [`BLOCK`], as that of a convolution over
    /// many channels is.
    pub fn product(&self, rows: Rows<'_>, out: &mut [f32]) {
        assert_eq!(out.len(), rows.count * self.outputs);
        if rows.count == 0 {
            return;
        }
        let input = Input::new(rows, self.width);
        let groups = self.outputs.div_ceil(SIDE);
        let out = Shared(out.as_mut_ptr());
        let way = Way::of_this_machine();
        let group = |group: usize| {
            // SAFETY: each group writes columns of the output of its own, which is as large as asserted above.
            unsafe { self.group(way, group, &input, rows.count, &out) }
        };
        if rows.count * self.outputs * self.width >= WORTH_SHARING {
            (0..groups).into_par_iter().with_min_len(4).for_each(group);
        } else {
            (0..groups).for_each(group);
        }
    }

    /// Sixteen columns of the output.
    ///
    /// # Safety
    /// `out` has `rows` rows of `self.outputs` numbers; nobody else writes columns of this group.
    unsafe fn group(&self, way: Way, group: usize, input: &Input, rows: usize, out: &Shared) {
        let blocks = self.width / BLOCK;
        let quads = BLOCK / QUAD;
        let weights = &self.weights[group * blocks * quads..(group + 1) * blocks * quads];
        let scales = &self.scales[group * blocks..(group + 1) * blocks];
        let columns = SIDE.min(self.outputs - group * SIDE);
        let mut sums = [[0.0_f32; SIDE]; COLUMNS];
        for first in (0..rows).step_by(COLUMNS) {
            let count = COLUMNS.min(rows - first);
            way.multiply(weights, scales, input, first, &mut sums[..count]);
            for (m, sums) in sums[..count].iter().enumerate() {
                let at = (first + m) * self.outputs + group * SIDE;
                // SAFETY: see above.
                unsafe { std::ptr::copy_nonoverlapping(sums.as_ptr(), out.0.add(at), columns) };
            }
        }
    }
}

struct Shared(*mut f32);
// SAFETY: threads write disjoint parts of what it points to.
unsafe impl Sync for Shared {}

/// Quantized rows.
struct Input {
    values: Vec<[i8; BLOCK]>,
    scales: Vec<f32>,
    /// Blocks from one row to the next.
    stride: usize,
}

impl Input {
    fn new(rows: Rows<'_>, width: usize) -> Input {
        let blocks = width / BLOCK;
        let mut values = Vec::new();
        let mut scales = Vec::new();
        if rows.stride.is_multiple_of(BLOCK) && rows.stride <= width {
            let all = &rows.values[..(rows.count - 1) * rows.stride + width];
            quantize(all, &mut values, &mut scales);
            let stride = rows.stride / BLOCK;
            return Input {
                values,
                scales,
                stride,
            };
        }
        for m in 0..rows.count {
            let row = &rows.values[m * rows.stride..m * rows.stride + width];
            quantize(row, &mut values, &mut scales);
        }
        Input {
            values,
            scales,
            stride: blocks,
        }
    }
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
fn quantize(values: &[f32], out: &mut Vec<[i8; BLOCK]>, scales: &mut Vec<f32>) {
    for block in values.as_chunks::<BLOCK>().0 {
        let mut peaks = [0.0_f32; 16];
        for half in block.as_chunks::<16>().0 {
            for (peak, x) in peaks.iter_mut().zip(half) {
                *peak = peak.max(x.abs());
            }
        }
        let peak = peaks.iter().fold(0.0_f32, |peak, x| peak.max(*x));
        let scale = peak / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        let mut quantized = [0_i8; BLOCK];
        // Rounds to the nearest by pushing the fraction out; the sum fits.
        const ROUND: f32 = 12_582_912.0;
        for (q, x) in quantized.iter_mut().zip(block) {
            *q = ((x * inverse + ROUND) - ROUND) as i32 as i8;
        }
        out.push(quantized);
        scales.push(scale);
    }
}

/// The instructions that this machine multiplies with, for people.
pub fn instructions() -> &'static str {
    Way::of_this_machine().name()
}

/// How this machine multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    #[cfg(target_arch = "x86_64")]
    Vnni,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Plain,
}

impl Way {
    fn of_this_machine() -> Way {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512vnni")
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("f16c")
            {
                return Way::Vnni;
            }
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
            {
                return Way::Avx2;
            }
        }
        Way::Plain
    }

    /// For people.
    fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Way::Vnni => "AVX-512 VNNI",
            #[cfg(target_arch = "x86_64")]
            Way::Avx2 => "AVX2",
            Way::Plain => "no instructions beyond the usual ones",
        }
    }

    /// The sums of rows `first..first + sums.len()` with sixteen rows of weights.
    fn multiply(
        self,
        weights: &[[i8; SIDE * QUAD]],
        scales: &[[f16; SIDE]],
        input: &Input,
        first: usize,
        sums: &mut [[f32; SIDE]],
    ) {
        match self {
            // SAFETY: `of_this_machine` has seen the features.
            #[cfg(target_arch = "x86_64")]
            Way::Vnni => unsafe {
                match sums.len() {
                    1 => x86::vnni::<1>(weights, scales, input, first, sums),
                    2 => x86::vnni::<2>(weights, scales, input, first, sums),
                    3 => x86::vnni::<3>(weights, scales, input, first, sums),
                    4 => x86::vnni::<4>(weights, scales, input, first, sums),
                    5 => x86::vnni::<5>(weights, scales, input, first, sums),
                    _ => x86::vnni::<6>(weights, scales, input, first, sums),
                }
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Way::Avx2 => unsafe {
                let (pairs, last) = sums.as_chunks_mut::<2>();
                for (n, pair) in pairs.iter_mut().enumerate() {
                    x86::avx2::<2>(weights, scales, input, first + 2 * n, pair);
                }
                if !last.is_empty() {
                    x86::avx2::<1>(weights, scales, input, first + 2 * pairs.len(), last);
                }
            },
            Way::Plain => plain(weights, scales, input, first, sums),
        }
    }
}

fn plain(
    weights: &[[i8; SIDE * QUAD]],
    scales: &[[f16; SIDE]],
    input: &Input,
    first: usize,
    sums: &mut [[f32; SIDE]],
) {
    for (m, sums) in sums.iter_mut().enumerate() {
        sums.fill(0.0);
        for (b, (weights, scales)) in weights.chunks_exact(BLOCK / QUAD).zip(scales).enumerate() {
            let at = (first + m) * input.stride + b;
            let values = &input.values[at];
            let mut whole = [0_i32; SIDE];
            for (quad, values) in weights.iter().zip(values.as_chunks::<QUAD>().0) {
                for (whole, weights) in whole.iter_mut().zip(quad.as_chunks::<QUAD>().0) {
                    for (w, x) in weights.iter().zip(values) {
                        *whole += i32::from(*w) * i32::from(*x);
                    }
                }
            }
            for ((sum, whole), scale) in sums.iter_mut().zip(whole).zip(scales) {
                *sum += whole as f32 * scale.to_f32() * input.scales[at];
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BLOCK, Input, QUAD, SIDE, f16};

    /// Four numbers of the input as a lane.
    #[inline(always)]
    fn lane(values: &[i8; BLOCK], quad: usize) -> i32 {
        let at = quad * QUAD;
        i32::from_ne_bytes([
            values[at] as u8,
            values[at + 1] as u8,
            values[at + 2] as u8,
            values[at + 3] as u8,
        ])
    }

    /// `C` rows of the input at once. The instruction takes one side without a sign: the input is moved up by 128, and 128
    /// times the sum of the weights, which is the same for all rows, is taken off again.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni,f16c")]
    pub fn vnni<const C: usize>(
        weights: &[[i8; SIDE * QUAD]],
        scales: &[[f16; SIDE]],
        input: &Input,
        first: usize,
        sums: &mut [[f32; SIDE]],
    ) {
        const QUADS: usize = BLOCK / QUAD;
        let up = _mm512_set1_epi8(-128);
        let flip = 0x8080_8080_u32 as i32;
        let mut totals = [_mm512_setzero_ps(); C];
        for (b, (weights, scales)) in weights
            .as_chunks::<QUADS>()
            .0
            .iter()
            .zip(scales)
            .enumerate()
        {
            let rows: [&[i8; BLOCK]; C] =
                std::array::from_fn(|m| &input.values[(first + m) * input.stride + b]);
            let mut lifted = _mm512_setzero_si512();
            let mut whole = [_mm512_setzero_si512(); C];
            for (q, weights) in weights.iter().enumerate() {
                // SAFETY: 64 bytes are read from 64 bytes.
                let weights = unsafe { _mm512_loadu_si512(weights.as_ptr().cast()) };
                lifted = _mm512_dpbusd_epi32(lifted, up, weights);
                for m in 0..C {
                    let values = _mm512_set1_epi32(lane(rows[m], q) ^ flip);
                    whole[m] = _mm512_dpbusd_epi32(whole[m], values, weights);
                }
            }
            // SAFETY: 32 bytes are read from 32 bytes.
            let scale = unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(scales.as_ptr().cast())) };
            for m in 0..C {
                let scale = _mm512_mul_ps(
                    scale,
                    _mm512_set1_ps(input.scales[(first + m) * input.stride + b]),
                );
                let part = _mm512_cvtepi32_ps(_mm512_sub_epi32(whole[m], lifted));
                totals[m] = _mm512_fmadd_ps(part, scale, totals[m]);
            }
        }
        for (sums, total) in sums.iter_mut().zip(totals) {
            // SAFETY: 64 bytes are written to 64 bytes.
            unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), total) };
        }
    }

    /// `C` rows of the input at once. The sign of each weight is moved to the input, since one side has to have none.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub fn avx2<const C: usize>(
        weights: &[[i8; SIDE * QUAD]],
        scales: &[[f16; SIDE]],
        input: &Input,
        first: usize,
        sums: &mut [[f32; SIDE]],
    ) {
        const QUADS: usize = BLOCK / QUAD;
        let ones = _mm256_set1_epi16(1);
        let mut totals = [[_mm256_setzero_ps(); 2]; C];
        for (b, (weights, scales)) in weights
            .as_chunks::<QUADS>()
            .0
            .iter()
            .zip(scales)
            .enumerate()
        {
            let mut whole = [[_mm256_setzero_si256(); 2]; C];
            for (q, weights) in weights.iter().enumerate() {
                for half in 0..2 {
                    // SAFETY: 32 bytes at 0 and at 32 are read from 64 bytes.
                    let weights =
                        unsafe { _mm256_loadu_si256(weights.as_ptr().add(half * 32).cast()) };
                    let sizes = _mm256_abs_epi8(weights);
                    for (m, whole) in whole.iter_mut().enumerate() {
                        let row = &input.values[(first + m) * input.stride + b];
                        let values = _mm256_sign_epi8(_mm256_set1_epi32(lane(row, q)), weights);
                        let pairs = _mm256_maddubs_epi16(sizes, values);
                        let quads = _mm256_madd_epi16(pairs, ones);
                        whole[half] = _mm256_add_epi32(whole[half], quads);
                    }
                }
            }
            for half in 0..2 {
                // SAFETY: 16 bytes at 0 and at 16 are read from 32 bytes.
                let scale = unsafe {
                    _mm256_cvtph_ps(_mm_loadu_si128(scales.as_ptr().add(half * 8).cast()))
                };
                for m in 0..C {
                    let scale = _mm256_mul_ps(
                        scale,
                        _mm256_set1_ps(input.scales[(first + m) * input.stride + b]),
                    );
                    let part = _mm256_cvtepi32_ps(whole[m][half]);
                    totals[m][half] = _mm256_fmadd_ps(part, scale, totals[m][half]);
                }
            }
        }
        for (sums, total) in sums.iter_mut().zip(totals) {
            for (half, total) in total.into_iter().enumerate() {
                // SAFETY: 32 bytes at 0 and at 32 are written to 64 bytes.
                unsafe { _mm256_storeu_ps(sums.as_mut_ptr().add(half * 8), total) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, seed: usize) -> Vec<f32> {
        (0..count)
            .map(|n| (((n + seed) * 7_919) % 2_003) as f32 / 1_001.0 - 1.0)
            .collect()
    }

    #[test]
    fn a_product_is_near_that_of_the_numbers_that_were_quantized() {
        for (width, outputs) in [(32, 1), (64, 16), (96, 40), (1_024, 33)] {
            let matrix = values(width * outputs, 1);
            let quantized = Matrix::new(&matrix, width);
            for count in [1, 2, 5, 6, 7, 13] {
                let rows = values(width * count, 77);
                let mut out = vec![0.0; count * outputs];
                quantized.product(Rows::new(&rows, width), &mut out);
                for m in 0..count {
                    for n in 0..outputs {
                        let pairs = || {
                            rows[m * width..(m + 1) * width]
                                .iter()
                                .zip(&matrix[n * width..(n + 1) * width])
                        };
                        let right: f32 = pairs().map(|(a, b)| a * b).sum();
                        // Each product is off by half a step of either side at most; such errors add up like noise.
                        let bound = 0.02 * (width as f32).sqrt();
                        let error = (out[m * outputs + n] - right).abs();
                        assert!(error < bound, "{width} {outputs} {count} {m} {n}: {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_way_gives_the_same() {
        let (width, outputs, count) = (256, 16, 6);
        let mut matrix = values(width * outputs, 3);
        // The largest numbers of both signs, where a product of sixteen bits could run over.
        matrix[..64].fill(1.0);
        matrix[64..96].fill(-1.0);
        let matrix = Matrix::new(&matrix, width);
        let mut rows = values(width * count, 5);
        rows[..64].fill(-1.0);
        rows[64..96].fill(-1.0);
        let input = Input::new(Rows::new(&rows, width), width);
        let of = |way: Way| {
            let mut sums = [[0.0; SIDE]; COLUMNS];
            way.multiply(&matrix.weights, &matrix.scales, &input, 0, &mut sums);
            sums
        };
        let right = of(Way::Plain);
        let mut ways = vec![Way::of_this_machine()];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
            ways.push(Way::Avx2);
        }
        for way in ways {
            for (sums, right) in of(way).iter().flatten().zip(right.iter().flatten()) {
                assert!((sums - right).abs() < 1e-4, "{way:?}: {sums} {right}");
            }
        }
    }

    #[test]
    fn windows_that_overlap_are_quantized_once() {
        let (width, outputs) = (96, 16);
        let matrix = Matrix::new(&values(width * outputs, 1), width);
        let long = values(32 * 10 + width, 9);
        let apart: Vec<f32> = (0..10)
            .flat_map(|m| long[m * 32..m * 32 + width].to_vec())
            .collect();
        let rows = Rows {
            values: &long,
            count: 10,
            stride: 32,
        };
        let (mut one, mut other) = (vec![0.0; 160], vec![0.0; 160]);
        matrix.product(rows, &mut one);
        matrix.product(Rows::new(&apart, width), &mut other);
        assert_eq!(one, other);
    }
}
