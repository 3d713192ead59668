// SPDX-License-Identifier: MPL-2.0

//! Normalization of rows.

use multiversion::multiversion;

const LANES: usize = 16;

/// The mean of a row and the mean square around it.
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let count = row.len() as f32;
    let mean = sum(row, |x| x) / count;
    (mean, sum(row, |x| (x - mean) * (x - mean)) / count)
}

#[inline(always)]
fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (whole, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for chunk in whole {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += f(*x);
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| f(*x)).sum::<f32>()
}

/// Each row (x − mean) / √(variance + ε), times `weight` plus `bias` where they are given.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
pub fn layer_norm(
    rows: &[f32],
    width: usize,
    affine: Option<(&[f32], &[f32])>,
    epsilon: f32,
    out: &mut [f32],
) {
    for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let (mean, variance) = moments(row);
        let scale = 1.0 / (variance + epsilon).sqrt();
        match affine {
            Some((weight, bias)) => {
                for ((out, x), (weight, bias)) in
                    out.iter_mut().zip(row).zip(weight.iter().zip(bias))
                {
                    *out = (x - mean) * scale * weight + bias;
                }
            }
            None => {
                for (out, x) in out.iter_mut().zip(row) {
                    *out = (x - mean) * scale;
                }
            }
        }
    }
}

/// The row times α / √(ε + variance), where the variance is the unbiased one, around the mean: the reference's "RMS norm".
pub fn unbiased_rms(row: &mut [f32], alpha: &[f32], epsilon: f32) {
    let (_, variance) = moments(row);
    let unbiased = variance * row.len() as f32 / (row.len() as f32 - 1.0);
    let scale = 1.0 / (unbiased + epsilon).sqrt();
    for (x, alpha) in row.iter_mut().zip(alpha) {
        *x *= alpha * scale;
    }
}
