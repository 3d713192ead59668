// SPDX-License-Identifier: MPL-2.0
//! The network's weights, rearranged at first use into the order in which the forward pass reads them.

use std::sync::{Arc, OnceLock};

use realfft::{RealFftPlanner, RealToComplex};

/// Derived by `weights/derive.py` from the PyPI package `silero-vad` (MIT, `weights/LICENSE.silero-vad`).
static FILE: &[u8] = include_bytes!("../../../weights/silero-vad-6.2-16k.f32");

/// Sixteen neighbouring outputs: one AVX-512 register, two of AVX2, a cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(super) struct Lane(pub(super) [f32; 16]);

/// A matrix of which the forward pass computes `G` lanes of outputs at a time: for each such group, row after row (an
/// input, or a tap of one), the group's `G` lanes of weights lie side by side.
pub(super) struct Matrix<const G: usize> {
    rows: Vec<[Lane; G]>,
    bias: Vec<[Lane; G]>,
}

impl<const G: usize> Matrix<G> {
    /// `weight(row, output)` and `bias(output)` describe the matrix.
    fn new(
        rows: usize,
        outputs: usize,
        weight: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        assert_eq!(outputs % (16 * G), 0);
        let lanes = |f: &dyn Fn(usize) -> f32, group: usize| -> [Lane; G] {
            std::array::from_fn(|g| {
                Lane(std::array::from_fn(|lane| f((group * G + g) * 16 + lane)))
            })
        };
        let groups = outputs / (16 * G);
        Self {
            rows: (0..groups)
                .flat_map(|group| (0..rows).map(move |row| (group, row)))
                .map(|(group, row)| lanes(&|output| weight(row, output), group))
                .collect(),
            bias: (0..groups).map(|group| lanes(&bias, group)).collect(),
        }
    }

    /// Each group's bias and rows.
    #[inline(always)]
    pub(super) fn groups(&self) -> impl Iterator<Item = (&[Lane; G], &[[Lane; G]])> {
        let rows = self.rows.len() / self.bias.len();
        self.bias.iter().zip(self.rows.chunks_exact(rows))
    }
}

/// The weights of the network and the plan of its Fourier transform.
pub(super) struct Weights {
    pub(super) fft: Arc<dyn RealToComplex<f32>>,
    pub(super) window: [f32; 256],
    /// Rows: for each of 129 frequencies its three taps.
    pub(super) conv1: Matrix<1>,
    /// Rows: for each of 128 inputs its three taps.
    pub(super) conv2: Matrix<2>,
    /// Rows: for each of 64 inputs the taps 1 and 2; tap 0 meets nothing but padding.
    pub(super) conv3: Matrix<4>,
    /// Rows: for each of 64 inputs the tap in the middle; the others meet nothing but padding.
    pub(super) conv4: Matrix<4>,
    /// Rows: 128 inputs, then the 128 values of the previous output. The four lanes of a group are the gates i, f, g, o
    /// of the same sixteen cells.
    pub(super) lstm: Matrix<4>,
    pub(super) output: [f32; 128],
    pub(super) output_bias: f32,
}

impl Weights {
    /// The one copy of this process.
    pub(super) fn shared() -> &'static Self {
        static WEIGHTS: OnceLock<Weights> = OnceLock::new();
        WEIGHTS.get_or_init(Self::load)
    }

    fn load() -> Self {
        let values: Vec<f32> = FILE
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        let mut rest = values.as_slice();
        let mut take = |count: usize| {
            let (taken, left) = rest.split_at(count);
            rest = left;
            taken
        };
        // PyTorch's order: weight[output][input][tap].
        let (w1, b1) = (take(128 * 129 * 3), take(128));
        let (w2, b2) = (take(64 * 128 * 3), take(64));
        let (w3, b3) = (take(64 * 64 * 3), take(64));
        let (w4, b4) = (take(128 * 64 * 3), take(128));
        let (ih, hh, b) = (take(512 * 128), take(512 * 128), take(512));
        let (output, output_bias) = (take(128), take(1)[0]);
        assert!(rest.is_empty());

        // Output `n` of the rearranged LSTM: gate `n / 16 % 4` of cell `n / 64 * 16 + n % 16`.
        let gate = |n: usize| (n / 16 % 4) * 128 + n / 64 * 16 + n % 16;
        let mut out = [0.0; 128];
        out.copy_from_slice(output);
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(256),
            window: std::array::from_fn(|n| {
                (0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / 256.0).cos()) as f32
            }),
            conv1: Matrix::new(129 * 3, 128, |row, o| w1[o * 129 * 3 + row], |o| b1[o]),
            conv2: Matrix::new(128 * 3, 64, |row, o| w2[o * 128 * 3 + row], |o| b2[o]),
            conv3: Matrix::new(
                64 * 2,
                64,
                |row, o| w3[(o * 64 + row / 2) * 3 + row % 2 + 1],
                |o| b3[o],
            ),
            conv4: Matrix::new(64, 128, |row, o| w4[(o * 64 + row) * 3 + 1], |o| b4[o]),
            lstm: Matrix::new(
                256,
                512,
                |row, n| {
                    let half = if row < 128 { ih } else { hh };
                    half[gate(n) * 128 + row % 128]
                },
                |n| b[gate(n)],
            ),
            output: out,
            output_bias,
        }
    }
}
