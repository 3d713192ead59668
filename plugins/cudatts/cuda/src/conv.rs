// SPDX-License-Identifier: MPL-2.0

//! Causal convolutions over `[batch, rows, channels]`, as products of matrices.

use candle_core::{Result, Tensor};
use duplex_neural::{Weights, arrange};

use crate::{
    carry::{Carried, Layout, Stretch},
    failure::Failure,
    layers::{Linear, Place},
};

/// How a convolution is built.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// Rows of a window.
    pub kernel: usize,
    /// Rows from one row of a window to the next.
    pub dilation: usize,
    /// Copies of the first row stand before it; zeros otherwise.
    pub replicate: bool,
}

/// A causal convolution.
#[derive(Debug)]
pub struct Conv {
    shape: Shape,
    product: Linear,
    kept: Option<Stretch>,
    /// The rows of all windows of a frame; `None` where each window is a row.
    windows: Option<Tensor>,
}

impl Conv {
    /// Reads `name.weight` `[outputs, inputs, kernel]` and `name.bias`, for frames of so many rows.
    pub fn load(
        place: &Place,
        weights: &Weights,
        name: &str,
        shape: Shape,
        rows: usize,
        layout: &mut Layout,
    ) -> std::result::Result<Self, Failure> {
        let Shape {
            inputs,
            outputs,
            kernel,
            dilation,
            ..
        } = shape;
        let given = weights.get(&format!("{name}.weight"), &[outputs, inputs, kernel])?;
        let matrix = arrange::windows(&given, (outputs, inputs, kernel));
        let bias = weights.get(&format!("{name}.bias"), &[outputs])?;
        let kept = (kernel - 1) * dilation;
        let windows = |row: usize| (0..kernel).map(move |k| (row + k * dilation) as u32);
        Ok(Self {
            shape,
            product: Linear::new(place, matrix, kernel * inputs, Some(bias))?,
            kept: (kept > 0).then(|| layout.stretch(kept * inputs)),
            windows: match kernel {
                1 => None,
                _ => Some(place.indices((0..rows).flat_map(windows).collect())?),
            },
        })
    }

    /// As many rows as these; an ELU is applied to them first where `elu`.
    pub fn apply(&self, x: &Tensor, elu: bool, carried: &mut Carried<'_>) -> Result<Tensor> {
        let (count, rows, inputs) = x.dims3()?;
        let x = if elu { x.elu(1.0)? } else { x.clone() };
        let Some(kept) = self.kept else {
            return self.product.apply(&x);
        };
        let mut before = carried.old(kept)?;
        if self.shape.replicate
            && let Some(fresh) = carried.fresh()
        {
            // A slot that begins carries zeros: copies of its first row are added to them.
            let first = x.narrow(1, 0, 1)?.broadcast_mul(fresh)?;
            let copies = first.broadcast_as((count, kept.width / inputs, inputs))?;
            before = (before + copies.contiguous()?.reshape((count, kept.width))?)?;
        }
        let all = Tensor::cat(
            &[&before, &x.contiguous()?.reshape((count, rows * inputs))?],
            1,
        )?;
        carried.give(kept, all.narrow(1, rows * inputs, kept.width)?)?;
        let all = all.reshape((count, rows + kept.width / inputs, inputs))?;
        let windows = match &self.windows {
            Some(windows) => all.index_select(windows, 1)?,
            None => all,
        };
        self.product
            .apply(&windows.reshape((count, rows, self.shape.kernel * inputs))?)
    }
}

/// What makes two times `stride` rows of each, of which the second half overlaps the next row's.
#[derive(Debug)]
enum Spreading {
    /// All channels of a row together: `[2 · stride · outputs, inputs]`.
    Product(Linear),
    /// Each channel by itself: `[2 · stride, channels]`.
    Depthwise(Tensor),
}

/// A transposed convolution with a kernel of two strides.
#[derive(Debug)]
pub struct Transposed {
    outputs: usize,
    stride: usize,
    spreading: Spreading,
    kept: Stretch,
}

impl Transposed {
    /// Reads `name.weight` `[inputs, outputs, 2 · stride]` and `name.bias`.
    pub fn load(
        place: &Place,
        weights: &Weights,
        name: &str,
        (inputs, outputs): (usize, usize),
        stride: usize,
        layout: &mut Layout,
    ) -> std::result::Result<Self, Failure> {
        let kernel = 2 * stride;
        let given = weights.get(&format!("{name}.weight"), &[inputs, outputs, kernel])?;
        let rows = arrange::spread(&given, (inputs, outputs, kernel));
        // Once for each row that is given out: with the half that comes first.
        let mut bias = weights
            .get(&format!("{name}.bias"), &[outputs])?
            .repeat(stride);
        bias.resize(kernel * outputs, 0.0);
        Ok(Self {
            outputs,
            stride,
            spreading: Spreading::Product(Linear::new(place, rows, inputs, Some(bias))?),
            kept: layout.stretch(stride * outputs),
        })
    }

    /// Reads `name.weight` `[channels, 1, 2 · stride]`; there is no bias.
    pub fn depthwise(
        place: &Place,
        weights: &Weights,
        name: &str,
        channels: usize,
        stride: usize,
        layout: &mut Layout,
    ) -> std::result::Result<Self, Failure> {
        let kernel = 2 * stride;
        let given = weights.get(&format!("{name}.weight"), &[channels, 1, kernel])?;
        // A window of all channels, once.
        let rows = arrange::windows(&given, (1, channels, kernel));
        Ok(Self {
            outputs: channels,
            stride,
            spreading: Spreading::Depthwise(place.tensor(rows, &[kernel, channels])?),
            kept: layout.stretch(stride * channels),
        })
    }

    /// `stride` rows for each.
    pub fn apply(&self, x: &Tensor, carried: &mut Carried<'_>) -> Result<Tensor> {
        let (count, rows, _) = x.dims3()?;
        let half = self.stride * self.outputs;
        let made = match &self.spreading {
            Spreading::Product(product) => product.apply(x)?,
            Spreading::Depthwise(weight) => {
                let made = x.unsqueeze(2)?.broadcast_mul(weight)?;
                made.reshape((count, rows, 2 * half))?
            }
        };
        let early = made.narrow(2, 0, half)?;
        let late = made.narrow(2, half, half)?;
        let before = carried.old(self.kept)?.reshape((count, 1, half))?;
        let before = match rows {
            1 => before,
            _ => Tensor::cat(&[before, late.narrow(1, 0, rows - 1)?.contiguous()?], 1)?,
        };
        carried.give(self.kept, late.narrow(1, rows - 1, 1)?.squeeze(1)?)?;
        (early + before)?.reshape((count, rows * self.stride, self.outputs))
    }
}
