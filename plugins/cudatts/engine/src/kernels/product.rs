// SPDX-License-Identifier: MPL-2.0

//! Products of rows with a matrix of 32-bit numbers.
//!
//! Sixteen rows of the matrix lie side by side: a number of the input is multiplied with all sixteen at once, and no sum
//! across lanes is ever needed. A tile of a few rows of the input and 32 of the matrix stays in registers.

use multiversion::multiversion;
use rayon::prelude::*;

/// Rows of the matrix that lie side by side.
const SIDE: usize = 16;
/// Of those, so many at once.
const GROUPS: usize = 2;
/// Rows of the input at once.
const ROWS: usize = 6;
/// From so many multiplications on a second core is worth its call.
const WORTH_SHARING: usize = 1 << 25;

/// Rows of an input that lie at a stride in a slice: windows of a convolution overlap.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Where they lie.
    pub values: &'a [f32],
    /// How many.
    pub count: usize,
    /// From one to the next.
    pub stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows of this width, one behind the other.
    pub fn new(values: &'a [f32], width: usize) -> Rows<'a> {
        Rows {
            values,
            count: values.len() / width,
            stride: width,
        }
    }

    fn row(&self, at: usize, width: usize) -> &'a [f32] {
        &self.values[at * self.stride..at * self.stride + width]
    }
}

/// Numbers of as many rows of a matrix, or sums with them: a register's, or two's.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Lanes([f32; SIDE]);

const ZEROS: Lanes = Lanes([0.0; SIDE]);

/// A matrix.
pub struct Matrix {
    outputs: usize,
    width: usize,
    /// For each sixteen rows, for each place in a row: sixteen numbers.
    lanes: Vec<Lanes>,
}

impl std::fmt::Debug for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "F32 {}×{}", self.outputs, self.width)
    }
}

impl Matrix {
    /// Of `rows` of `width` numbers.
    pub fn new(rows: &[f32], width: usize) -> Matrix {
        let outputs = rows.len() / width;
        let mut lanes = vec![ZEROS; outputs.div_ceil(SIDE) * width];
        for (n, row) in rows.chunks_exact(width).enumerate() {
            let (group, side) = (n / SIDE, n % SIDE);
            for (lane, x) in lanes[group * width..].iter_mut().zip(row) {
                lane.0[side] = *x;
            }
        }
        Matrix {
            outputs,
            width,
            lanes,
        }
    }

    /// `out[m][n]` = Σ `rows[m][k]` · `self[n][k]`.
    pub fn product(&self, rows: Rows<'_>, out: &mut [f32]) {
        assert_eq!(out.len(), rows.count * self.outputs);
        if rows.count == 0 {
            return;
        }
        let out = Shared(out.as_mut_ptr());
        let blocks = self.lanes.len().div_ceil(GROUPS * self.width);
        // SAFETY: each block writes columns of the output of its own, which is as large as asserted above.
        let block = |block: usize| unsafe {
            match fused() {
                true => fused_block(self, block, rows, &out),
                false => self.block::<false>(block, rows, &out),
            }
        };
        if rows.count * self.outputs * self.width >= WORTH_SHARING {
            (0..blocks).into_par_iter().for_each(block);
        } else {
            (0..blocks).for_each(block);
        }
    }

    /// Up to 32 columns of the output.
    ///
    /// # Safety
    /// `out` has `rows.count` rows of `self.outputs` numbers; nobody else writes columns of this block.
    #[inline(always)]
    unsafe fn block<const FUSED: bool>(&self, block: usize, rows: Rows<'_>, out: &Shared) {
        let width = self.width;
        let lanes = &self.lanes[block * GROUPS * width..];
        let first = block * GROUPS * SIDE;
        let mut at = 0;
        macro_rules! tiles {
            ($rows:literal, $groups:literal) => {
                while rows.count - at >= $rows {
                    let inputs: [&[f32]; $rows] = std::array::from_fn(|m| rows.row(at + m, width));
                    let of: [&[Lanes]; $groups] =
                        std::array::from_fn(|g| &lanes[g * width..(g + 1) * width]);
                    let sums = tile::<FUSED, $rows, $groups>(of, inputs, width);
                    for (m, sums) in sums.iter().enumerate() {
                        for (g, sums) in sums.iter().enumerate() {
                            let column = first + g * SIDE;
                            let count = SIDE.min(self.outputs - column);
                            // SAFETY: inside of the row, of which nobody else writes these columns.
                            unsafe {
                                let to = out.0.add((at + m) * self.outputs + column);
                                std::ptr::copy_nonoverlapping(sums.0.as_ptr(), to, count);
                            }
                        }
                    }
                    at += $rows;
                }
            };
        }
        if lanes.len() >= GROUPS * width {
            tiles!(6, 2);
            tiles!(4, 2);
            tiles!(2, 2);
            tiles!(1, 2);
        } else {
            tiles!(6, 1);
            tiles!(4, 1);
            tiles!(2, 1);
            tiles!(1, 1);
        }
        const { assert!(ROWS == 6 && GROUPS == 2) };
    }
}

/// # Safety
/// As [`Matrix::block`].
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
unsafe fn fused_block(matrix: &Matrix, block: usize, rows: Rows<'_>, out: &Shared) {
    // SAFETY: the caller's.
    unsafe { matrix.block::<true>(block, rows, out) }
}

struct Shared(*mut f32);
// SAFETY: threads write disjoint parts of what it points to.
unsafe impl Sync for Shared {}

/// Whether this machine multiplies and adds in one instruction; where it does not, `mul_add` is a slow function.
fn fused() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("fma") && is_x86_feature_detected!("avx2")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        cfg!(target_arch = "aarch64")
    }
}

/// `sums` + x · `lanes`. By value: sums that are changed in place are written to memory each time.
#[inline(always)]
fn multiply_add<const FUSED: bool>(x: f32, lanes: Lanes, sums: Lanes) -> Lanes {
    let mut out = ZEROS;
    for ((out, lane), sum) in out.0.iter_mut().zip(lanes.0).zip(sums.0) {
        *out = if FUSED {
            x.mul_add(lane, sum)
        } else {
            x * lane + sum
        };
    }
    out
}

#[inline(always)]
fn tile<const FUSED: bool, const M: usize, const G: usize>(
    lanes: [&[Lanes]; G],
    inputs: [&[f32]; M],
    width: usize,
) -> [[Lanes; G]; M] {
    let mut sums = [[ZEROS; G]; M];
    let lanes: [&[Lanes]; G] = std::array::from_fn(|g| &lanes[g][..width]);
    let inputs: [&[f32]; M] = std::array::from_fn(|m| &inputs[m][..width]);
    for k in 0..width {
        let lanes: [Lanes; G] = std::array::from_fn(|g| lanes[g][k]);
        for m in 0..M {
            let x = inputs[m][k];
            for g in 0..G {
                sums[m][g] = multiply_add::<FUSED>(x, lanes[g], sums[m][g]);
            }
        }
    }
    sums
}

/// Σ a·b.
#[inline(always)]
pub fn dot_here(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 64;
    let mut sums = [0.0_f32; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let mut rest = 0.0_f32;
    for (a, b) in a_rest.iter().zip(b_rest) {
        rest += a * b;
    }
    // Folded in halves, which vectorizes.
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0] + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_and_many_give_the_same() {
        let value = |n: usize| ((n * 7_919) % 1_009) as f32 / 1_009.0 - 0.5;
        for (width, outputs) in [(100, 7), (3, 1), (64, 40), (5, 64)] {
            let rows: Vec<f32> = (0..width * outputs).map(value).collect();
            let matrix = Matrix::new(&rows, width);
            // Windows that overlap, as those of a convolution do.
            let values: Vec<f32> = (0..30 * 11 + width).map(|n| value(n + 5)).collect();
            for count in [1, 2, 4, 5, 6, 12, 13, 30] {
                let windows = Rows {
                    values: &values,
                    count,
                    stride: 11,
                };
                let mut out = vec![0.0; count * outputs];
                matrix.product(windows, &mut out);
                for m in 0..count {
                    for n in 0..outputs {
                        let pairs = values[m * 11..]
                            .iter()
                            .zip(&rows[n * width..(n + 1) * width]);
                        let right: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                        let error = (f64::from(out[m * outputs + n]) - right).abs();
                        assert!(error < 1e-5, "{width} {count} {m} {n}: {error:e}");
                    }
                }
            }
        }
    }
}
