// SPDX-License-Identifier: MPL-2.0

//! The head: a latent of noise and of what the backbone says.

use candle_core::{D, DType, Result, Tensor};
use duplex_neural::{
    Weights,
    pocket::config::{FlowLm, FlowType},
};

use crate::{
    failure::Failure,
    layers::{Linear, Norm, Place},
};

#[derive(Debug)]
struct Block {
    norm: Norm,
    first: Linear,
    second: Linear,
}

/// The head.
#[derive(Debug)]
pub struct Head {
    kind: FlowType,
    width: usize,
    precision: DType,
    condition: Linear,
    input: Linear,
    blocks: Vec<Block>,
    /// Shift, scale and gate of each block, then shift and scale of the last layer: all follow from the condition alone. Scales are
    /// larger by one than those of the weights.
    modulation: Linear,
    norm: Norm,
    output: Linear,
    /// What each step adds to the condition for its times.
    times: Vec<Tensor>,
}

impl Head {
    /// Reads what is below `flow_lm.flow_net`.
    pub fn load(
        place: &Place,
        weights: &Weights,
        config: &FlowLm,
        latent: usize,
    ) -> std::result::Result<Self, Failure> {
        let width = config.flow_dim;
        let at = |what: &str| format!("flow_lm.flow_net.{what}");
        let linear = |what: &str, inputs: usize, outputs: usize| {
            Linear::load(place, weights, &at(what), (inputs, outputs), true)
        };
        let block = |n: usize| {
            let of = |what: &str| format!("res_blocks.{n}.{what}");
            Ok::<_, Failure>(Block {
                norm: Norm::load(place, weights, &at(&of("in_ln")), width, 1e-6)?,
                first: linear(&of("mlp.0"), width, width)?,
                second: linear(&of("mlp.2"), width, width)?,
            })
        };
        let (mut rows, mut biases) = (Vec::new(), Vec::new());
        let mut modulate = |what: String, parts: usize| {
            let name = at(&what);
            rows.extend(weights.get(&format!("{name}.weight"), &[parts * width, width])?);
            let mut bias = weights.get(&format!("{name}.bias"), &[parts * width])?;
            for scale in &mut bias[width..2 * width] {
                *scale += 1.0;
            }
            biases.extend(bias);
            Ok::<_, Failure>(())
        };
        for n in 0..config.flow_depth {
            modulate(format!("res_blocks.{n}.adaLN_modulation.1"), 3)?;
        }
        modulate("final_layer.adaLN_modulation.1".into(), 2)?;
        let kind = config.flow_type;
        let times = duplex_neural::pocket::flow_times(weights, kind, width)?
            .into_iter()
            .map(|time| place.tensor(time, &[width]));
        Ok(Self {
            kind,
            width,
            precision: place.precision,
            condition: linear("cond_embed", config.conditioning(), width)?,
            input: linear("input_proj", latent, width)?,
            blocks: (0..config.flow_depth)
                .map(block)
                .collect::<std::result::Result<_, _>>()?,
            modulation: Linear::new(place, rows, width, Some(biases))?,
            norm: Norm::plain(place, width, 1e-6)?,
            output: linear("final_layer.linear", width, latent)?,
            times: times.collect::<Result<_>>()?,
        })
    }

    /// The latents that `noise` becomes, `[rows, latent]` of 32-bit numbers, for what the backbone says.
    pub fn apply(&self, seen: &Tensor, noise: &Tensor) -> Result<Tensor> {
        let condition = self.condition.apply(seen)?;
        let steps = self.times.len() as f64;
        let mut latent = noise.clone();
        for times in &self.times {
            let answer = self.ask(&condition.broadcast_add(times)?, &latent)?;
            latent = match self.kind {
                FlowType::Drifting => answer,
                _ if self.times.len() == 1 => (latent + answer)?,
                _ => (latent + (answer / steps)?)?,
            };
        }
        Ok(latent)
    }

    fn ask(&self, condition: &Tensor, latent: &Tensor) -> Result<Tensor> {
        let width = self.width;
        let modulation = self.modulation.apply(&condition.silu()?)?;
        let part = |n: usize| modulation.narrow(D::Minus1, n * width, width);
        let mut x = self.input.apply(&latent.to_dtype(self.precision)?)?;
        for (n, block) in self.blocks.iter().enumerate() {
            let hidden = ((block.norm.apply(&x)? * part(3 * n + 1)?)? + part(3 * n)?)?;
            let hidden = block.first.apply(&hidden)?.silu()?;
            x = (x + (block.second.apply(&hidden)? * part(3 * n + 2)?)?)?;
        }
        let last = 3 * self.blocks.len();
        let hidden = ((self.norm.apply(&x)? * part(last + 1)?)? + part(last)?)?;
        self.output.apply(&hidden)?.to_dtype(DType::F32)
    }
}
