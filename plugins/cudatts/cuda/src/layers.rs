// SPDX-License-Identifier: MPL-2.0

//! Where tensors are, and the layers that have no state.

use candle_core::{DType, Device, Result, Tensor};
use duplex_neural::Weights;

use crate::failure::Failure;

/// Where tensors are, and how exact.
#[derive(Clone, Debug)]
pub struct Place {
    /// The device.
    pub device: Device,
    /// Of weights, memories and what flows between layers.
    pub precision: DType,
}

impl Place {
    /// A tensor of this place's precision.
    pub fn tensor(&self, values: Vec<f32>, shape: &[usize]) -> Result<Tensor> {
        self.exact(values, shape)?.to_dtype(self.precision)
    }

    /// A tensor of 32-bit numbers.
    pub fn exact(&self, values: Vec<f32>, shape: &[usize]) -> Result<Tensor> {
        Tensor::from_vec(values, shape, &self.device)
    }

    /// A tensor of indices.
    pub fn indices(&self, values: Vec<u32>) -> Result<Tensor> {
        let count = values.len();
        Tensor::from_vec(values, count, &self.device)
    }
}

/// y = x · Wᵀ + b.
#[derive(Debug)]
pub struct Linear {
    /// `[outputs, inputs]`.
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Of `rows` of `inputs` weights.
    pub fn new(
        place: &Place,
        rows: Vec<f32>,
        inputs: usize,
        bias: Option<Vec<f32>>,
    ) -> Result<Self> {
        let outputs = rows.len() / inputs;
        Ok(Self {
            weight: place.tensor(rows, &[outputs, inputs])?,
            bias: bias
                .map(|bias| place.tensor(bias, &[outputs]))
                .transpose()?,
        })
    }

    /// Reads `name.weight` and, where it has one, `name.bias`.
    pub fn load(
        place: &Place,
        weights: &Weights,
        name: &str,
        (inputs, outputs): (usize, usize),
        bias: bool,
    ) -> std::result::Result<Self, Failure> {
        let rows = weights.get(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = match bias {
            true => Some(weights.get(&format!("{name}.bias"), &[outputs])?),
            false => None,
        };
        Ok(Self::new(place, rows, inputs, bias)?)
    }

    /// Of `[…, inputs]`, as many dimensions out as in.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = self.weight.dims2()?;
        let mut shape = x.dims().to_vec();
        let rows = x.elem_count() / inputs;
        let y = x.reshape((rows, inputs))?.matmul(&self.weight.t()?)?;
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        y.reshape(shape)
    }
}

/// Layer normalization. Sums are of 32-bit numbers.
#[derive(Debug)]
pub struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f32,
}

impl Norm {
    /// Reads `name.weight` and `name.bias`.
    pub fn load(
        place: &Place,
        weights: &Weights,
        name: &str,
        width: usize,
        epsilon: f32,
    ) -> std::result::Result<Self, Failure> {
        let get = |what: &str| weights.get(&format!("{name}.{what}"), &[width]);
        Ok(Self {
            weight: place.tensor(get("weight")?, &[width])?,
            bias: place.tensor(get("bias")?, &[width])?,
            epsilon,
        })
    }

    /// Without weight and bias.
    pub fn plain(place: &Place, width: usize, epsilon: f32) -> Result<Self> {
        Ok(Self {
            weight: place.tensor(vec![1.0; width], &[width])?,
            bias: place.tensor(vec![0.0; width], &[width])?,
            epsilon,
        })
    }

    /// Of `[…, width]`.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        candle_nn::ops::layer_norm(&x.contiguous()?, &self.weight, &self.bias, self.epsilon)
    }
}
