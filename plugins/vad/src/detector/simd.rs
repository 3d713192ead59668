// SPDX-License-Identifier: MPL-2.0
//! What the processor can do, asked once, and the pieces of arithmetic that the detectors share.
//!
//! A kernel is an `#[inline(always)]` function, generic over a [`Vector`], that a `#[target_feature]` function wraps for
//! each instruction set. What is done to every element alike is a plain loop, which the compiler vectorizes there,
//! generic over whether fused multiply-add exists (without it `f32::mul_add` is a slow library call).

use std::sync::OnceLock;

/// The instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isa {
    /// What the target always has: SSE2 on x86-64, NEON on aarch64.
    Baseline,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Whether the baseline of the target has fused multiply-add.
pub(super) const BASELINE_FMA: bool = cfg!(target_arch = "aarch64") || cfg!(target_feature = "fma");

impl Isa {
    /// The best one that this processor has.
    pub(super) fn detect() -> Self {
        static ISA: OnceLock<Isa> = OnceLock::new();
        *ISA.get_or_init(|| Self::available().pop().unwrap_or(Isa::Baseline))
    }

    /// All that this processor has, the best last.
    pub(super) fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![Isa::Baseline];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Isa::Avx2);
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
                    all.push(Isa::Avx512);
                }
            }
        }
        all
    }
}

impl Isa {
    /// Floats in the register that kernels of this instruction set use.
    pub(super) fn lanes(self) -> usize {
        match self {
            Isa::Baseline => Quad::LANES,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => <x86::__m256 as Vector>::LANES,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => <x86::__m512 as Vector>::LANES,
        }
    }
}

/// A register of floats.
pub(super) trait Vector: Copy {
    /// How many floats it holds.
    const LANES: usize;
    /// Whether multiply-add is fused.
    const FMA: bool;

    /// All lanes the same.
    ///
    /// # Safety
    /// The processor must have the instruction set; the same holds for all functions here.
    unsafe fn splat(value: f32) -> Self;

    /// Reads `LANES` floats.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load(from: *const f32) -> Self;

    /// Writes `LANES` floats.
    ///
    /// # Safety
    /// They must be writable.
    unsafe fn store(self, to: *mut f32);

    /// `self * b + c`.
    ///
    /// # Safety
    /// As above.
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self;
}

/// Four floats, for the baseline: what the compiler makes of them is one register on x86-64 and aarch64.
#[derive(Clone, Copy)]
pub(super) struct Quad([f32; 4]);

impl Vector for Quad {
    const LANES: usize = 4;
    const FMA: bool = BASELINE_FMA;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's.
        Self(unsafe { from.cast::<[f32; 4]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's.
        unsafe { to.cast::<[f32; 4]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|n| {
            fma::<BASELINE_FMA>(self.0[n], b.0[n], c.0[n])
        }))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;
    pub(in crate::detector) use std::arch::x86_64::{__m256, __m512};

    macro_rules! vector {
        ($type:ty, $lanes:literal, $splat:ident, $load:ident, $store:ident, $fma:ident) => {
            impl Vector for $type {
                const LANES: usize = $lanes;
                const FMA: bool = true;

                #[inline(always)]
                unsafe fn splat(value: f32) -> Self {
                    // SAFETY: the caller's, as in the others.
                    unsafe { $splat(value) }
                }

                #[inline(always)]
                unsafe fn load(from: *const f32) -> Self {
                    // SAFETY: as above.
                    unsafe { $load(from) }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut f32) {
                    // SAFETY: as above.
                    unsafe { $store(to, self) }
                }

                #[inline(always)]
                unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $fma(self, b, c) }
                }
            }
        };
    }

    vector!(
        __m256,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps
    );
    vector!(
        __m512,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps
    );
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{__m256, __m512};

/// `a * b + c`, fused where the instruction exists.
#[inline(always)]
pub(super) fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `e^x` to about 1e-7 relative, for x clamped to ±87, without branches so that loops over it vectorize.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    // Adding 1.5 · 2^23 rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 87.0);
    let shifted = fma::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<FMA>(n, -0.693_359_4, x);
    let r = fma::<FMA>(n, 2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4;
    for c in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        p = fma::<FMA>(p, r, c);
    }
    let p = fma::<FMA>(p * r, r, r) + 1.0;
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// The logistic function.
#[inline(always)]
pub(super) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FMA>(-x))
}

/// The hyperbolic tangent, to about 1e-7 absolute.
#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp::<FMA>(2.0 * x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_match_the_library() {
        for i in -20_000..=20_000 {
            let x = i as f32 * 0.004;
            let wide = f64::from(x);
            for (exp, sigmoid, tanh) in [
                (exp::<false>(x), sigmoid::<false>(x), tanh::<false>(x)),
                (exp::<true>(x), sigmoid::<true>(x), tanh::<true>(x)),
            ] {
                assert!((f64::from(exp) / wide.exp() - 1.0).abs() < 3e-7, "exp {x}");
                assert!((f64::from(sigmoid) - 1.0 / (1.0 + (-wide).exp())).abs() < 2e-7);
                assert!((f64::from(tanh) - wide.tanh()).abs() < 3e-7, "tanh {x}");
            }
        }
        for x in [f32::MAX, f32::INFINITY, -f32::INFINITY] {
            assert!(exp::<true>(x).is_finite());
            assert_eq!(tanh::<true>(x), x.signum());
        }
    }
}
