// SPDX-License-Identifier: MPL-2.0

//! Causal convolutions over channels-last rows, as products of matrices.
//!
//! Where rows are `channels` wide and lie one behind the other, the window of a convolution is a stretch of that memory:
//! nothing is copied apart, and windows that overlap share it.

use super::{Linear, Precision};
use crate::{
    arrange,
    kernels::{activation, product::Rows},
    weights::{LoadError, Weights},
};

/// What stands before the first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pad {
    /// Zeros.
    Zeros,
    /// Copies of the first row.
    First,
}

/// How a convolution is built.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// Rows of a window.
    pub kernel: usize,
    /// Rows from one window to the next.
    pub stride: usize,
    /// Rows from one row of a window to the next.
    pub dilation: usize,
    /// Before the first row.
    pub pad: Pad,
    /// Whether a number is added to each channel.
    pub bias: bool,
}

/// A causal convolution.
#[derive(Debug)]
pub struct Conv {
    shape: ConvShape,
    product: Linear,
}

/// What a convolution remembers: the rows before the next window's end.
#[derive(Clone, Debug, Default)]
pub struct ConvState {
    rows: Vec<f32>,
    begun: bool,
}

impl ConvState {
    /// Forgets.
    pub fn reset(&mut self) {
        self.rows.clear();
        self.begun = false;
    }
}

impl Conv {
    /// Reads `name.weight` `[outputs, inputs, kernel]` and `name.bias`.
    pub fn load(
        weights: &Weights,
        name: &str,
        shape: ConvShape,
        precision: Precision,
    ) -> Result<Self, LoadError> {
        let ConvShape {
            inputs,
            outputs,
            kernel,
            ..
        } = shape;
        let given = weights.get(&format!("{name}.weight"), &[outputs, inputs, kernel])?;
        let rows = arrange::windows(&given, (outputs, inputs, kernel));
        let bias = match shape.bias {
            true => Some(weights.get(&format!("{name}.bias"), &[outputs])?),
            false => None,
        };
        Ok(Self {
            shape,
            product: Linear::new(rows, kernel * inputs, bias, precision),
        })
    }

    /// The rows that it makes of these, as many as `rows / stride`; `elu` is applied to them first.
    pub fn apply(&self, rows: &[f32], elu: bool, state: &mut ConvState) -> Vec<f32> {
        let ConvShape {
            inputs,
            kernel,
            stride,
            dilation,
            ..
        } = self.shape;
        let reach = (kernel - 1) * dilation + 1;
        let kept = (reach - stride) * inputs;
        if !state.begun {
            state.begun = true;
            state.rows.clear();
            match self.shape.pad {
                Pad::Zeros => state.rows.resize(kept, 0.0),
                Pad::First => {
                    for _ in 0..reach - stride {
                        state.rows.extend_from_slice(&rows[..inputs]);
                    }
                    if elu {
                        activation::elu(&mut state.rows);
                    }
                }
            }
        }
        state.rows.extend_from_slice(rows);
        if elu {
            activation::elu(&mut state.rows[kept..]);
        }
        let count = rows.len() / inputs / stride;
        let mut out = Vec::new();
        if dilation == 1 {
            let windows = Rows {
                values: &state.rows,
                count,
                stride: stride * inputs,
            };
            self.product.apply_rows(windows, &mut out);
        } else {
            let mut apart = Vec::with_capacity(count * kernel * inputs);
            for window in 0..count {
                for k in 0..kernel {
                    let at = (window * stride + k * dilation) * inputs;
                    apart.extend_from_slice(&state.rows[at..at + inputs]);
                }
            }
            let windows = Rows::new(&apart, kernel * inputs);
            self.product.apply_rows(windows, &mut out);
        }
        let used = state.rows.len() - kept;
        state.rows.copy_within(used.., 0);
        state.rows.truncate(kept);
        out
    }
}

/// A transposed convolution: each row becomes `kernel` rows, which overlap.
#[derive(Debug)]
pub struct ConvTranspose {
    outputs: usize,
    kernel: usize,
    stride: usize,
    product: Linear,
    bias: Vec<f32>,
}

impl ConvTranspose {
    /// Reads `name.weight` `[inputs, outputs, kernel]` and `name.bias`.
    pub fn load(
        weights: &Weights,
        name: &str,
        (inputs, outputs): (usize, usize),
        (kernel, stride): (usize, usize),
        precision: Precision,
    ) -> Result<Self, LoadError> {
        let given = weights.get(&format!("{name}.weight"), &[inputs, outputs, kernel])?;
        let rows = arrange::spread(&given, (inputs, outputs, kernel));
        Ok(Self {
            outputs,
            kernel,
            stride,
            product: Linear::new(rows, inputs, None, precision),
            bias: weights.get(&format!("{name}.bias"), &[outputs])?,
        })
    }

    /// The rows that it makes of these, `stride` for each; ELU is applied to them first, in place.
    pub fn apply(&self, rows: &mut [f32], state: &mut ConvState) -> Vec<f32> {
        activation::elu(rows);
        let made = self.product.apply(rows);
        let row = self.kernel * self.outputs;
        let count = made.len() / row;
        overlap(
            count,
            self.stride * self.outputs,
            row,
            state,
            |n, out| {
                for (out, made) in out.iter_mut().zip(&made[n * row..]) {
                    *out += made;
                }
            },
            &self.bias,
        )
    }
}

/// A transposed convolution of each channel by itself, without bias.
#[derive(Debug)]
pub struct Upsample {
    channels: usize,
    stride: usize,
    /// `[kernel, channels]`.
    weight: Vec<f32>,
}

impl Upsample {
    /// Reads `name.weight` `[channels, 1, 2 · stride]`.
    pub fn load(
        weights: &Weights,
        name: &str,
        channels: usize,
        stride: usize,
    ) -> Result<Self, LoadError> {
        let kernel = 2 * stride;
        let given = weights.get(&format!("{name}.weight"), &[channels, 1, kernel])?;
        let mut weight = vec![0.0; given.len()];
        for c in 0..channels {
            for k in 0..kernel {
                weight[k * channels + c] = given[c * kernel + k];
            }
        }
        Ok(Self {
            channels,
            stride,
            weight,
        })
    }

    /// `stride` rows for each row.
    pub fn apply(&self, rows: &[f32], state: &mut ConvState) -> Vec<f32> {
        let width = self.channels;
        overlap(
            rows.len() / width,
            self.stride * width,
            2 * self.stride * width,
            state,
            |n, out| {
                let row = &rows[n * width..(n + 1) * width];
                for (out, weight) in out
                    .chunks_exact_mut(width)
                    .zip(self.weight.chunks_exact(width))
                {
                    for ((out, x), weight) in out.iter_mut().zip(row).zip(weight) {
                        *out += x * weight;
                    }
                }
            },
            &[],
        )
    }
}

/// Adds stretches of `length` numbers that begin `step` numbers apart. What reaches beyond the last step is kept for the
/// next call; `bias` is added to what is given out.
fn overlap(
    count: usize,
    step: usize,
    length: usize,
    state: &mut ConvState,
    mut add: impl FnMut(usize, &mut [f32]),
    bias: &[f32],
) -> Vec<f32> {
    let mut sum = std::mem::take(&mut state.rows);
    sum.resize(count * step + length - step, 0.0);
    for n in 0..count {
        add(n, &mut sum[n * step..n * step + length]);
    }
    state.rows = sum.split_off(count * step);
    if !bias.is_empty() {
        for row in sum.chunks_exact_mut(bias.len()) {
            for (x, bias) in row.iter_mut().zip(bias) {
                *x += bias;
            }
        }
    }
    sum
}
