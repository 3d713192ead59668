// SPDX-License-Identifier: MPL-2.0

//! Text and what was said so far to the next latent: the model that all slots share.

use std::sync::Arc;

use super::{config::Config, flow::Head};
use crate::{
    layers::{Linear, Memory, Norm, Precision, Remembered, Transformer},
    weights::{LoadError, Weights},
};

/// The flow language model.
#[derive(Debug)]
pub struct Backbone {
    tokens: Vec<f32>,
    token_width: usize,
    token_projection: Option<Linear>,
    transformer: Transformer,
    width: usize,
    /// What stands for the latent before the first.
    first: Vec<f32>,
    input: Linear,
    norm: Norm,
    narrow: Option<Linear>,
    end: Linear,
    head: Head,
    bos_before_voice: Option<Vec<f32>>,
}

impl Backbone {
    /// Reads what is below `flow_lm`.
    pub fn load(
        weights: &Weights,
        config: &Config,
        precision: Precision,
    ) -> Result<Self, LoadError> {
        let flow = &config.flow_lm;
        let width = flow.transformer.d_model;
        let latent = config.mimi.latent;
        let token_width = flow.token_rank.unwrap_or(width);
        let tokens = weights.get(
            "flow_lm.conditioner.embed.weight",
            &[flow.token_count + 1, token_width],
        )?;
        let token_projection = match flow.token_rank {
            Some(rank) => Some(Linear::load(
                weights,
                "flow_lm.conditioner.proj",
                (rank, width),
                false,
                Precision::F32,
            )?),
            None => None,
        };
        let narrow = match flow.z_dim {
            Some(z) => Some(Linear::load(
                weights,
                "flow_lm.z_proj",
                (width, z),
                false,
                Precision::F32,
            )?),
            None => None,
        };
        let bos_before_voice = match flow.bos_before_voice {
            true => Some(weights.get("flow_lm.bos_before_voice", &[1, 1, width])?),
            false => None,
        };
        Ok(Self {
            tokens,
            token_width,
            token_projection,
            transformer: Transformer::load(
                weights,
                "flow_lm.transformer",
                &flow.transformer,
                precision,
            )?,
            width,
            first: weights.get("flow_lm.bos_emb", &[latent])?,
            input: Linear::load(
                weights,
                "flow_lm.input_linear",
                (latent, width),
                false,
                Precision::F32,
            )?,
            norm: Norm::load(weights, "flow_lm.out_norm", width, 1e-5)?,
            narrow,
            end: Linear::load(
                weights,
                "flow_lm.out_eos",
                (flow.conditioning(), 1),
                true,
                Precision::F32,
            )?,
            head: Head::load(weights, flow, latent, precision)?,
            bos_before_voice,
        })
    }

    /// What stands for the latent before the first.
    pub fn first(&self) -> &[f32] {
        &self.first
    }

    /// Width of the vectors that a voice is made of.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Layers, heads of keys and the width of a head: the shape of a stored voice.
    pub fn memory_shape(&self) -> (usize, usize, usize) {
        self.transformer.memory_shape()
    }

    /// Reads the text. Tokens beyond the table read as padding.
    pub fn read(&self, tokens: &[u32], memory: &mut Memory) {
        let last = self.tokens.len() / self.token_width - 1;
        let mut rows = Vec::with_capacity(tokens.len() * self.token_width);
        for token in tokens {
            let at = (*token as usize).min(last) * self.token_width;
            rows.extend_from_slice(&self.tokens[at..at + self.token_width]);
        }
        if let Some(projection) = &self.token_projection {
            rows = projection.apply(&rows);
        }
        self.transformer.remember(&mut rows, &mut [memory]);
    }

    /// Hears a voice: rows of vectors of the encoder, as wide as the model.
    pub fn hear(&self, rows: &[f32]) -> Arc<Remembered> {
        let mut rows = match &self.bos_before_voice {
            Some(bos) => [bos.as_slice(), rows].concat(),
            None => rows.to_vec(),
        };
        let mut memory = Memory::default();
        self.transformer.remember(&mut rows, &mut [&mut memory]);
        Arc::new(memory.remember())
    }

    /// The latents that follow these, one for each memory, in place of `noise`, and how sure each is of its end.
    pub fn next(
        &self,
        latents: &[f32],
        memories: &mut [&mut Memory],
        noise: &mut [f32],
    ) -> Vec<f32> {
        let mut rows = self.input.apply(latents);
        self.transformer.apply(&mut rows, memories);
        let mut seen = self.norm.apply(&rows);
        if let Some(narrow) = &self.narrow {
            seen = narrow.apply(&seen);
        }
        self.head.apply(&seen, noise);
        self.end.apply(&seen)
    }
}
