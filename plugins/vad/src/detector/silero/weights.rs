// SPDX-License-Identifier: MPL-2.0
//! The network's weights, rearranged at first use into the order in which the forward pass reads them.

use std::sync::{Arc, OnceLock};

use realfft::{RealFftPlanner, RealToComplex};

use crate::detector::simd::Isa;

/// Derived by `weights/derive.py` from the PyPI package `silero-vad` (MIT, `weights/LICENSE.silero-vad`).
static FILE: &[u8] = include_bytes!("../../../weights/silero-vad-6.2-16k.f32");

/// Sixteen floats, for their alignment: a cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([f32; 16]);

/// A matrix of which the forward pass computes some registers of outputs at a time: for each such group, row after row
/// (an input, or a tap of one), the group's weights lie side by side.
pub(super) struct Matrix {
    lines: Vec<Line>,
    bias: Vec<f32>,
    rows: usize,
    group: usize,
}

impl Matrix {
    /// `weight(row, output)` describes the matrix; `group` is the number of outputs computed at a time.
    fn new(rows: usize, group: usize, bias: &[f32], weight: impl Fn(usize, usize) -> f32) -> Self {
        let outputs = bias.len();
        assert_eq!(outputs % group, 0);
        let place = |n: usize| {
            let (row, output) = (n / group % rows, n / group / rows * group + n % group);
            weight(row, output)
        };
        Self {
            lines: (0..rows * outputs / 16)
                .map(|line| Line(std::array::from_fn(|n| place(line * 16 + n))))
                .collect(),
            bias: bias.to_vec(),
            rows,
            group,
        }
    }

    /// All weights: `rows * outputs` floats.
    #[inline(always)]
    pub(super) fn weights(&self) -> *const f32 {
        self.lines.as_ptr().cast()
    }

    #[inline(always)]
    pub(super) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// Whether the matrix has this shape: what the kernels rely on.
    #[inline(always)]
    pub(super) fn is(&self, rows: usize, outputs: usize, group: usize) -> bool {
        self.rows == rows && self.bias.len() == outputs && self.group == group
    }
}

/// Registers of outputs that each layer computes at a time, such that the sums of all its times fill some eight.
pub(super) const CONV1_REGISTERS: usize = 2;
pub(super) const CONV2_REGISTERS: usize = 4;
pub(super) const CONV3_REGISTERS: usize = 4;
pub(super) const CONV4_REGISTERS: usize = 8;
pub(super) const LSTM_REGISTERS: usize = 8;

/// The weights of the network and the plan of its Fourier transform.
pub(super) struct Weights {
    pub(super) fft: Arc<dyn RealToComplex<f32>>,
    pub(super) window: [f32; 256],
    /// Rows: for each of 129 frequencies its three taps.
    pub(super) conv1: Matrix,
    /// Rows: for each of 128 inputs its three taps.
    pub(super) conv2: Matrix,
    /// Rows: for each of 64 inputs the taps 1 and 2; tap 0 meets nothing but padding.
    pub(super) conv3: Matrix,
    /// Rows: for each of 64 inputs the tap in the middle; the others meet nothing but padding.
    pub(super) conv4: Matrix,
    /// Rows: 128 inputs, then the 128 values of the previous output. Outputs: the gates i, f, g, o of 128 cells.
    pub(super) lstm: Matrix,
    pub(super) output: [f32; 128],
    pub(super) output_bias: f32,
}

impl Weights {
    /// The one copy of this process, for this instruction set.
    pub(super) fn shared(isa: Isa) -> &'static Self {
        static WEIGHTS: [OnceLock<Weights>; 3] = [const { OnceLock::new() }; 3];
        WEIGHTS[isa as usize].get_or_init(|| Self::load(isa.lanes()))
    }

    /// `lanes`: floats in a register.
    fn load(lanes: usize) -> Self {
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

        let mut out = [0.0; 128];
        out.copy_from_slice(output);
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(256),
            window: std::array::from_fn(|n| {
                (0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / 256.0).cos()) as f32
            }),
            conv1: Matrix::new(129 * 3, CONV1_REGISTERS * lanes, b1, |row, o| {
                w1[o * 129 * 3 + row]
            }),
            conv2: Matrix::new(128 * 3, CONV2_REGISTERS * lanes, b2, |row, o| {
                w2[o * 128 * 3 + row]
            }),
            conv3: Matrix::new(64 * 2, CONV3_REGISTERS * lanes, b3, |row, o| {
                w3[(o * 64 + row / 2) * 3 + row % 2 + 1]
            }),
            conv4: Matrix::new(64, CONV4_REGISTERS * lanes, b4, |row, o| {
                w4[(o * 64 + row) * 3 + 1]
            }),
            lstm: Matrix::new(256, LSTM_REGISTERS * lanes, b, |row, o| {
                let half = if row < 128 { ih } else { hh };
                half[o * 128 + row % 128]
            }),
            output: out,
            output_bias,
        }
    }
}
