// SPDX-License-Identifier: MPL-2.0

//! The head: a latent of noise and of what the backbone says.

use super::config::{FlowLm, FlowType};
use crate::{
    kernels::{activation, norm},
    layers::{Linear, Norm, Precision},
    weights::{LoadError, Weights},
};

#[derive(Debug)]
struct Block {
    norm: Norm,
    modulation: Linear,
    first: Linear,
    second: Linear,
}

/// The head.
#[derive(Debug)]
pub struct Head {
    kind: FlowType,
    width: usize,
    latent: usize,
    condition: Linear,
    input: Linear,
    blocks: Vec<Block>,
    modulation: Linear,
    output: Linear,
    /// What each step adds to the condition for its times.
    times: Vec<Vec<f32>>,
}

impl Head {
    /// Reads what is below `flow_lm.flow_net`.
    pub fn load(
        weights: &Weights,
        config: &FlowLm,
        latent: usize,
        precision: Precision,
    ) -> Result<Self, LoadError> {
        let width = config.flow_dim;
        let at = |what: &str| format!("flow_lm.flow_net.{what}");
        let linear = |what: &str, inputs: usize, outputs: usize, precision| {
            Linear::load(weights, &at(what), (inputs, outputs), true, precision)
        };
        let block = |n: usize| {
            let of = |what: &str| format!("res_blocks.{n}.{what}");
            Ok(Block {
                norm: Norm::load(weights, &at(&of("in_ln")), width, 1e-6)?,
                modulation: linear(&of("adaLN_modulation.1"), width, 3 * width, precision)?,
                first: linear(&of("mlp.0"), width, width, precision)?,
                second: linear(&of("mlp.2"), width, width, precision)?,
            })
        };
        let kind = config.flow_type;
        Ok(Self {
            kind,
            width,
            latent,
            condition: linear("cond_embed", config.conditioning(), width, precision)?,
            input: linear("input_proj", latent, width, Precision::F32)?,
            blocks: (0..config.flow_depth)
                .map(block)
                .collect::<Result<_, LoadError>>()?,
            modulation: linear(
                "final_layer.adaLN_modulation.1",
                width,
                2 * width,
                precision,
            )?,
            output: linear("final_layer.linear", width, latent, Precision::F32)?,
            times: flow_times(weights, kind, width)?,
        })
    }

    /// Latents in place of noise, for rows of what the backbone says.
    pub fn apply(&self, seen: &[f32], noise: &mut [f32]) {
        let condition = self.condition.apply(seen);
        let steps = self.times.len() as f32;
        for times in &self.times {
            let mut condition = condition.clone();
            for row in condition.chunks_exact_mut(self.width) {
                for (x, time) in row.iter_mut().zip(times) {
                    *x += time;
                }
            }
            let answer = self.ask(condition, noise);
            match self.kind {
                FlowType::Drifting => noise.copy_from_slice(&answer),
                _ => {
                    for (x, answer) in noise.iter_mut().zip(answer) {
                        *x += answer / steps;
                    }
                }
            }
        }
    }

    fn ask(&self, mut condition: Vec<f32>, noise: &[f32]) -> Vec<f32> {
        activation::silu(&mut condition);
        let width = self.width;
        let mut x = self.input.apply(noise);
        debug_assert_eq!(noise.len() / self.latent, x.len() / width);
        for block in &self.blocks {
            let modulation = block.modulation.apply(&condition);
            let mut hidden = block.norm.apply(&x);
            modulate(&mut hidden, &modulation, width, 3);
            let mut hidden = block.first.apply(&hidden);
            activation::silu(&mut hidden);
            let update = block.second.apply(&hidden);
            let rows = x.chunks_exact_mut(width).zip(update.chunks_exact(width));
            for ((x, update), modulation) in rows.zip(modulation.chunks_exact(3 * width)) {
                for ((x, update), gate) in x.iter_mut().zip(update).zip(&modulation[2 * width..]) {
                    *x += gate * update;
                }
            }
        }
        let modulation = self.modulation.apply(&condition);
        let mut hidden = vec![0.0; x.len()];
        norm::layer_norm(&x, width, None, 1e-6, &mut hidden);
        modulate(&mut hidden, &modulation, width, 2);
        self.output.apply(&hidden)
    }
}

/// What each step of a head adds to its condition for its times: they are the same for every latent, so their embeddings are
/// computed once.
pub fn flow_times(
    weights: &Weights,
    kind: FlowType,
    width: usize,
) -> Result<Vec<Vec<f32>>, LoadError> {
    const FREQUENCIES: usize = 128;
    let embed = |which: usize, time: f32| {
        let at = |what: &str| format!("flow_lm.flow_net.time_embed.{which}.{what}");
        let frequencies = weights.get(&at("freqs"), &[FREQUENCIES])?;
        let angles = || frequencies.iter().map(|f| f * time);
        let waves: Vec<f32> = angles()
            .map(f32::cos)
            .chain(angles().map(f32::sin))
            .collect();
        let linear = |what: &str, inputs| {
            Linear::load(weights, &at(what), (inputs, width), true, Precision::F32)
        };
        let mut hidden = linear("mlp.0", 2 * FREQUENCIES)?.apply(&waves);
        activation::silu(&mut hidden);
        let mut embedded = linear("mlp.2", width)?.apply(&hidden);
        let alpha = weights.get(&at("mlp.3.alpha"), &[width])?;
        norm::unbiased_rms(&mut embedded, &alpha, 1e-5);
        Ok::<_, LoadError>(embedded)
    };
    let steps = kind.steps();
    (0..steps)
        .map(|step| {
            let from = step as f32 / steps as f32;
            let to = (step + 1) as f32 / steps as f32;
            match kind {
                FlowType::Lsd => {
                    let (mut sum, other) = (embed(0, from)?, embed(1, to)?);
                    for (x, other) in sum.iter_mut().zip(other) {
                        *x = (*x + other) / 2.0;
                    }
                    Ok(sum)
                }
                FlowType::FlowMatching => embed(0, from),
                FlowType::Drifting | FlowType::Pointwise => Ok(vec![0.0; width]),
            }
        })
        .collect()
}

/// x · (1 + scale) + shift, where a row of `modulation` begins with shift and scale.
fn modulate(rows: &mut [f32], modulation: &[f32], width: usize, parts: usize) {
    for (row, modulation) in rows
        .chunks_exact_mut(width)
        .zip(modulation.chunks_exact(parts * width))
    {
        let (shift, scale) = modulation.split_at(width);
        for ((x, shift), scale) in row.iter_mut().zip(shift).zip(scale) {
            *x = *x * (1.0 + scale) + shift;
        }
    }
}
