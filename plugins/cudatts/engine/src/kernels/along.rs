// SPDX-License-Identifier: MPL-2.0

//! Depthwise convolution: each channel along rows by itself.

use multiversion::multiversion;

/// Channels that are summed at once.
const LANES: usize = 16;

/// `out[t][c]` = `bias[c]` + Σ `weights[k][c]` · `rows[t + k · dilation][c]`, for as many rows as `out` has; `weights` are
/// `[kernel, channels]`. A sum is the same whichever rows lie beside it. Channels come in sixteens.
///
/// # Panics
/// Where there are fewer rows than that takes.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
pub fn along(rows: &[f32], weights: &[f32], bias: &[f32], dilation: usize, out: &mut [f32]) {
    let channels = bias.len();
    assert!(channels.is_multiple_of(LANES));
    let count = out.len() / channels;
    let reach = (weights.len() / channels - 1) * dilation;
    assert!(out.is_empty() || rows.len() >= (count + reach) * channels);
    for (t, out) in out.chunks_exact_mut(channels).enumerate() {
        let (out, _) = out.as_chunks_mut::<LANES>();
        for (group, out) in out.iter_mut().enumerate() {
            let at = group * LANES;
            let mut sums = [0.0_f32; LANES];
            sums.copy_from_slice(&bias[at..at + LANES]);
            for (k, weights) in weights.chunks_exact(channels).enumerate() {
                let row = &rows[(t + k * dilation) * channels + at..][..LANES];
                let weights = &weights[at..at + LANES];
                for ((sum, x), weight) in sums.iter_mut().zip(row).zip(weights) {
                    *sum += x * weight;
                }
            }
            *out = sums;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_is_filtered_by_itself() {
        let value = |n: usize| ((n * 7_919) % 1_009) as f32 / 1_009.0 - 0.5;
        for (kernel, dilation, count) in [(7, 1, 5), (7, 2, 1), (3, 4, 2), (1, 1, 3), (7, 1, 0)] {
            let channels = 32;
            let rows: Vec<f32> = (0..(count + (kernel - 1) * dilation) * channels)
                .map(value)
                .collect();
            let weights: Vec<f32> = (0..kernel * channels).map(|n| value(n + 3)).collect();
            let bias: Vec<f32> = (0..channels).map(|n| value(n + 11)).collect();
            let mut out = vec![0.0; count * channels];
            along(&rows, &weights, &bias, dilation, &mut out);
            for t in 0..count {
                for c in 0..channels {
                    let sum: f64 = (0..kernel)
                        .map(|k| {
                            f64::from(rows[(t + k * dilation) * channels + c])
                                * f64::from(weights[k * channels + c])
                        })
                        .sum();
                    let error = f64::from(out[t * channels + c]) - sum - f64::from(bias[c]);
                    assert!(error.abs() < 1e-6, "{kernel} {dilation} {t} {c}");
                }
            }
        }
    }
}
