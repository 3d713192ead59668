// SPDX-License-Identifier: MPL-2.0

//! Activations, in place.
//!
//! The exponential is a polynomial that vectorizes: a call of libm for each of half a million samples of a frame would
//! cost more than the convolutions between them. Its error stays below 2e-7 of the value.

use multiversion::multiversion;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
// ln 2 in two parts, the first of few bits, so that n · ln 2 is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// e to the x, for x of any size; 0 and infinity are not reached.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // Rounds to the nearest: adding 1.5 · 2^23 pushes the fraction out.
    const ROUND: f32 = 12_582_912.0;
    let n = (x * LOG2_E + ROUND) - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    p = p * r * r + r + 1.0;
    p * f32::from_bits(((n as i32 + 127) as u32) << 23)
}

/// x for x > 0, e^x − 1 elsewhere.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
pub fn elu(values: &mut [f32]) {
    for x in values {
        let e = exp(x.min(0.0)) - 1.0;
        *x = if *x > 0.0 { *x } else { e };
    }
}

/// x · sigmoid(x).
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
pub fn silu(values: &mut [f32]) {
    for x in values {
        *x /= 1.0 + exp(-*x);
    }
}

/// GELU with the tangent in place of the error function.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
pub fn gelu_tanh(values: &mut [f32]) {
    // 0.5 · (1 + tanh u) is sigmoid(2u).
    const TWO_ROOT: f32 = 1.595_769;
    for x in values {
        let u = TWO_ROOT * (*x + 0.044_715 * *x * *x * *x);
        *x /= 1.0 + exp(-u);
    }
}

/// e to the (x − peak) of each; the sum.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
pub fn exp_sum(values: &mut [f32], peak: f32) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    let (whole, rest) = values.as_chunks_mut::<LANES>();
    for chunk in whole {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *x = exp(*x - peak);
            *sum += *x;
        }
    }
    let mut sum = sums.iter().sum::<f32>();
    for x in rest {
        *x = exp(*x - peak);
        sum += *x;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> impl Iterator<Item = f32> {
        (-9_000..9_000).map(|n| n as f32 * 0.007)
    }

    #[test]
    fn the_exponential_is_right_to_the_last_bits() {
        for x in points() {
            let right = f64::from(x).exp();
            let error = (f64::from(exp(x)) - right).abs() / right;
            assert!(error < 2.5e-7, "{x}: {error:e}");
        }
    }

    #[test]
    fn activations_are_what_their_formulas_say() {
        for x in points() {
            let wide = f64::from(x);
            let root = (2.0 / std::f64::consts::PI).sqrt();
            let cases = [
                (
                    elu as fn(&mut [f32]),
                    if wide > 0.0 { wide } else { wide.exp_m1() },
                ),
                (silu, wide / (1.0 + (-wide).exp())),
                (
                    gelu_tanh,
                    0.5 * wide * (1.0 + (root * (wide + 0.044_715 * wide.powi(3))).tanh()),
                ),
            ];
            for (place, (function, right)) in cases.into_iter().enumerate() {
                let mut values = [x; 3];
                function(&mut values);
                let error = (f64::from(values[1]) - right).abs();
                assert!(error < 3e-7 * (1.0 + right.abs()), "{place} {x}: {error:e}");
            }
        }
    }
}
