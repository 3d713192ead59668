// SPDX-License-Identifier: MPL-2.0

//! Products of rows with a matrix of 32-bit numbers.

use gemm::Parallelism;
use multiversion::multiversion;

/// Up to here each row of the matrix is read once for all rows of the input, without packing anything.
const FEW_ROWS: usize = 4;
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

/// `out[m][n]` = Σ `rows[m][k]` · `matrix[n][k]`.
pub fn product(rows: Rows<'_>, matrix: &[f32], width: usize, out: &mut [f32]) {
    let outputs = matrix.len() / width;
    assert_eq!(out.len(), rows.count * outputs);
    if rows.count == 0 || outputs == 0 {
        return;
    }
    assert!(rows.values.len() >= (rows.count - 1) * rows.stride + width);
    if rows.count <= FEW_ROWS {
        few(rows, matrix, width, out);
        return;
    }
    let parallelism = if rows.count * matrix.len() >= WORTH_SHARING {
        Parallelism::Rayon(0)
    } else {
        Parallelism::None
    };
    // SAFETY: the strides keep each access inside of the three slices, as asserted above, and `out` is no part of the others.
    unsafe {
        gemm::gemm(
            rows.count,
            outputs,
            width,
            out.as_mut_ptr(),
            1,
            outputs as isize,
            false,
            rows.values.as_ptr(),
            1,
            rows.stride as isize,
            matrix.as_ptr(),
            width as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
fn few(rows: Rows<'_>, matrix: &[f32], width: usize, out: &mut [f32]) {
    let outputs = matrix.len() / width;
    for (n, weights) in matrix.chunks_exact(width).enumerate() {
        for m in 0..rows.count {
            out[m * outputs + n] = dot_here(rows.row(m, width), weights);
        }
    }
}

/// Σ a·b.
#[inline(always)]
pub fn dot_here(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 64;
    let mut sums = [0.0_f32; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum = a.mul_add(*b, *sum);
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
        let (width, outputs) = (100, 7);
        let value = |n: usize| ((n * 7_919) % 1_009) as f32 / 1_009.0 - 0.5;
        let matrix: Vec<f32> = (0..width * outputs).map(value).collect();
        // Windows that overlap, as those of a convolution do.
        let values: Vec<f32> = (0..30 * 11 + width).map(|n| value(n + 5)).collect();
        for count in [1, 2, 4, 5, 12, 30] {
            let rows = Rows {
                values: &values,
                count,
                stride: 11,
            };
            let mut out = vec![0.0; count * outputs];
            product(rows, &matrix, width, &mut out);
            for m in 0..count {
                for n in 0..outputs {
                    let right: f64 = (0..width)
                        .map(|k| f64::from(values[m * 11 + k]) * f64::from(matrix[n * width + k]))
                        .sum();
                    let error = (f64::from(out[m * outputs + n]) - right).abs();
                    assert!(error < 1e-5, "{count} {m} {n}: {error:e}");
                }
            }
        }
    }
}
