// SPDX-License-Identifier: MPL-2.0

//! From excitation to sound: each hop's two filters of minimum phase, given by their cepstra.

use std::{fmt, sync::Arc};

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex32};

use super::{
    HOP, Spectra,
    shape::{LOUDEST, POINTS, WINDOW},
};
use crate::kernels::spectrum::{exp_complex, sum_of_products};

/// Samples on each side.
pub const SIDE: usize = (WINDOW - HOP) / 2;

/// The transforms, shared by all who filter.
#[derive(Clone)]
pub struct Transforms {
    forward: Arc<dyn RealToComplex<f32>>,
    back: Arc<dyn ComplexToReal<f32>>,
    /// Hann, with the scale of the transforms in it.
    window: Arc<[f32]>,
}

impl fmt::Debug for Transforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transforms").finish_non_exhaustive()
    }
}

impl Default for Transforms {
    fn default() -> Self {
        let mut planner = RealFftPlanner::new();
        let hann = |n: usize| 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / WINDOW as f64).cos();
        Self {
            forward: planner.plan_fft_forward(POINTS),
            back: planner.plan_fft_inverse(POINTS),
            window: (0..WINDOW)
                .map(|n| (hann(n) / POINTS as f64) as f32)
                .collect(),
        }
    }
}

/// Filters hops one by one.
#[derive(Debug)]
pub struct Filters {
    transforms: Transforms,
    points: Vec<f32>,
    scratch: Vec<Complex32>,
    /// Of the pulses and their filter, of the noise and its filter.
    spectra: [Vec<Complex32>; 4],
}

impl Filters {
    pub fn new(transforms: Transforms) -> Self {
        let scratch = transforms
            .forward
            .get_scratch_len()
            .max(transforms.back.get_scratch_len());
        Self {
            points: vec![0.0; POINTS],
            scratch: vec![Complex32::default(); scratch],
            spectra: std::array::from_fn(|_| transforms.forward.make_output_vec()),
            transforms,
        }
    }

    fn forward(&mut self, to: usize) {
        let (points, scratch) = (&mut self.points, &mut self.scratch);
        let done =
            self.transforms
                .forward
                .process_with_scratch(points, &mut self.spectra[to], scratch);
        debug_assert!(done.is_ok());
    }

    fn spectrum_of(&mut self, excitation: &[f32], to: usize) {
        for ((point, x), window) in self
            .points
            .iter_mut()
            .zip(excitation)
            .zip(&*self.transforms.window)
        {
            *point = x * window;
        }
        self.points[WINDOW..].fill(0.0);
        self.forward(to);
    }

    fn response_of(&mut self, cepstrum: &[f32], to: usize) {
        self.points[..cepstrum.len()].copy_from_slice(cepstrum);
        self.points[cepstrum.len()..].fill(0.0);
        self.forward(to);
        exp_complex(&mut self.spectra[to], LOUDEST);
    }

    /// The samples of a hop, from half a hop before its own: [`POINTS`], to be added to those of other hops.
    ///
    /// `cepstra` are both, the pulses' first; pulses and noise are [`WINDOW`] samples.
    pub fn hop(&mut self, cepstra: &[f32], pulses: &[f32], noise: &[f32]) -> &[f32] {
        let (voiced, unvoiced) = cepstra.split_at(Spectra::VOICED);
        self.spectrum_of(pulses, 0);
        self.response_of(voiced, 1);
        self.spectrum_of(noise, 2);
        self.response_of(unvoiced, 3);
        let [sum, voiced, noise, unvoiced] = &mut self.spectra;
        sum_of_products(sum, voiced, noise, unvoiced);
        // Both ends of the spectrum of something real are real.
        for end in [0, POINTS / 2] {
            sum[end].im = 0.0;
        }
        let done =
            self.transforms
                .back
                .process_with_scratch(sum, &mut self.points, &mut self.scratch);
        debug_assert!(done.is_ok());
        &self.points
    }
}
