// SPDX-License-Identifier: MPL-2.0

//! Linear maps and normalization.

use crate::{
    kernels::{norm, product, product::Rows, q8},
    weights::{LoadError, Weights},
};

/// How exact the large matrices are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit numbers, as the reference computes.
    F32,
    /// Blocks of 32 weights of 8 bits with a scale: a quarter of the memory and of the time.
    #[default]
    Q8,
}

#[derive(Debug)]
enum Matrix {
    F32(product::Matrix),
    Q8(q8::Matrix),
}

/// y = x · Wᵀ + b.
#[derive(Debug)]
pub struct Linear {
    matrix: Matrix,
    bias: Option<Vec<f32>>,
    width: usize,
    outputs: usize,
}

impl Linear {
    /// Of `outputs` rows of `width` weights.
    pub fn new(rows: Vec<f32>, width: usize, bias: Option<Vec<f32>>, precision: Precision) -> Self {
        let outputs = rows.len() / width;
        let matrix = match precision {
            Precision::Q8 if q8::Matrix::fits(width) => Matrix::Q8(q8::Matrix::new(&rows, width)),
            _ => Matrix::F32(product::Matrix::new(&rows, width)),
        };
        Self {
            matrix,
            bias,
            width,
            outputs,
        }
    }

    /// Reads `name.weight` and, where it has one, `name.bias`.
    pub fn load(
        weights: &Weights,
        name: &str,
        (width, outputs): (usize, usize),
        bias: bool,
        precision: Precision,
    ) -> Result<Self, LoadError> {
        let rows = weights.get(&format!("{name}.weight"), &[outputs, width])?;
        let bias = match bias {
            true => Some(weights.get(&format!("{name}.bias"), &[outputs])?),
            false => None,
        };
        Ok(Self::new(rows, width, bias, precision))
    }

    /// For rows one behind the other.
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        self.apply_rows(Rows::new(rows, self.width), &mut out);
        out
    }

    /// For rows at any stride.
    pub fn apply_rows(&self, rows: Rows<'_>, out: &mut Vec<f32>) {
        out.clear();
        out.resize(rows.count * self.outputs, 0.0);
        match &self.matrix {
            Matrix::F32(matrix) => matrix.product(rows, out),
            Matrix::Q8(matrix) => matrix.product(rows, out),
        }
        if let Some(bias) = &self.bias {
            for row in out.chunks_exact_mut(self.outputs) {
                for (x, bias) in row.iter_mut().zip(bias) {
                    *x += bias;
                }
            }
        }
    }
}

/// Layer normalization with weight and bias.
#[derive(Debug)]
pub struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    /// Reads `name.weight` and `name.bias`.
    pub fn load(
        weights: &Weights,
        name: &str,
        width: usize,
        epsilon: f32,
    ) -> Result<Self, LoadError> {
        Ok(Self {
            weight: weights.get(&format!("{name}.weight"), &[width])?,
            bias: weights.get(&format!("{name}.bias"), &[width])?,
            epsilon,
        })
    }

    /// For rows one behind the other.
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        self.apply_rows(rows, &mut out);
        out
    }

    /// The same into memory that is kept.
    pub fn apply_rows(&self, rows: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.resize(rows.len(), 0.0);
        norm::layer_norm(
            rows,
            self.weight.len(),
            Some((&self.weight, &self.bias)),
            self.epsilon,
            out,
        );
    }
}
