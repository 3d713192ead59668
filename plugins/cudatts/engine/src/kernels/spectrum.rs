// SPDX-License-Identifier: MPL-2.0

//! Complex numbers of spectra.

use multiversion::multiversion;
use realfft::num_complex::Complex32;

use super::activation::exp;

/// Numbers that are computed at once.
const LANES: usize = 16;
// π / 2 in three parts, the first two of few bits, so that their multiples are exact.
const HALF_PI_HIGH: f32 = 1.570_312_5;
const HALF_PI_MIDDLE: f32 = 4.837_513e-4;
const HALF_PI_LOW: f32 = 7.549_79e-8;

/// Sine and cosine, for |x| up to some thousands, within 2e-7.
#[inline(always)]
pub fn sin_cos(x: f32) -> (f32, f32) {
    // Rounds to the nearest: adding 1.5 · 2^23 pushes the fraction out.
    const ROUND: f32 = 12_582_912.0;
    let turns = (x * std::f32::consts::FRAC_2_PI + ROUND) - ROUND;
    let r = x - turns * HALF_PI_HIGH - turns * HALF_PI_MIDDLE - turns * HALF_PI_LOW;
    let square = r * r;
    let mut sin = -1.951_529_6e-4;
    sin = sin * square + 8.332_161e-3;
    sin = sin * square - 0.166_666_55;
    sin = sin * square * r + r;
    let mut cos = 2.443_315_7e-5;
    cos = cos * square - 1.388_731_6e-3;
    cos = cos * square + 4.166_664_6e-2;
    cos = cos * square * square - 0.5 * square + 1.0;
    let quarter = turns as i32;
    let odd = quarter & 1 != 0;
    let (one, other) = if odd { (cos, sin) } else { (sin, cos) };
    let sign = |bit: i32| ((bit as u32) & 2) << 30;
    (
        f32::from_bits(one.to_bits() ^ sign(quarter)),
        f32::from_bits(other.to_bits() ^ sign(quarter.wrapping_add(1))),
    )
}

/// e to the z of each, whose real part counts for `most` at most.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
pub fn exp_complex(values: &mut [Complex32], most: f32) {
    let one = |z: Complex32| {
        let size = exp(z.re.min(most));
        let (sin, cos) = sin_cos(z.im);
        Complex32::new(size * cos, size * sin)
    };
    let (whole, rest) = values.as_chunks_mut::<LANES>();
    for chunk in whole {
        let real: [f32; LANES] = std::array::from_fn(|n| chunk[n].re);
        let imaginary: [f32; LANES] = std::array::from_fn(|n| chunk[n].im);
        for (z, (re, im)) in chunk.iter_mut().zip(real.into_iter().zip(imaginary)) {
            *z = one(Complex32::new(re, im));
        }
    }
    for z in rest {
        *z = one(*z);
    }
}

/// `a` becomes a·b + c·d.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
pub fn sum_of_products(a: &mut [Complex32], b: &[Complex32], c: &[Complex32], d: &[Complex32]) {
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        *a = Complex32::new(
            a.re * b.re - a.im * b.im + c.re * d.re - c.im * d.im,
            a.re * b.im + a.im * b.re + c.re * d.im + c.im * d.re,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_and_cosines_are_right_to_the_last_bits() {
        for n in -60_000..60_000 {
            let x = n as f32 * 0.01;
            let (sin, cos) = sin_cos(x);
            let wide = f64::from(x);
            let error = (f64::from(sin) - wide.sin())
                .abs()
                .max((f64::from(cos) - wide.cos()).abs());
            assert!(error < 2e-7, "{x}: {error:e}");
        }
    }

    #[test]
    fn exponentials_of_complex_numbers_are_what_the_formula_says() {
        let values: Vec<Complex32> = (0..100)
            .map(|n| Complex32::new(n as f32 * 0.17 - 8.0, n as f32 * 0.31 - 14.0))
            .collect();
        let mut found = values.clone();
        exp_complex(&mut found, 8.0);
        for (found, z) in found.iter().zip(values) {
            let right = Complex32::new(z.re.min(8.0), z.im).exp();
            assert!((found - right).norm() < 1e-6 * right.norm());
        }
    }

    #[test]
    fn products_are_summed() {
        let z = Complex32::new;
        let mut a = [z(1.0, 2.0)];
        sum_of_products(&mut a, &[z(3.0, -1.0)], &[z(0.5, 1.0)], &[z(2.0, 2.0)]);
        assert_eq!(a[0], z(1.0, 2.0) * z(3.0, -1.0) + z(0.5, 1.0) * z(2.0, 2.0));
    }
}
