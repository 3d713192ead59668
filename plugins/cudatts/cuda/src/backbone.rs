// SPDX-License-Identifier: MPL-2.0

//! Text and what was said so far to the next latent.

use candle_core::{DType, Result, Tensor};
use duplex_neural::{Weights, pocket::config::Config};

use crate::{
    batch::Batch,
    failure::Failure,
    flow::Head,
    layers::{Linear, Norm, Place},
    transformer::{Memory, Pass, Transformer},
};

/// The flow language model.
#[derive(Debug)]
pub struct Backbone {
    /// `[tokens, width]`.
    tokens: Tensor,
    token_projection: Option<Linear>,
    transformer: Transformer,
    input: Linear,
    norm: Norm,
    narrow: Option<Linear>,
    end: Linear,
    head: Head,
    /// Positions from 0.
    places: Tensor,
    nothing: Tensor,
    hidden: Tensor,
}

impl Backbone {
    /// Reads what is below `flow_lm`, for at most so many positions.
    pub fn load(
        place: &Place,
        weights: &Weights,
        config: &Config,
        positions: usize,
    ) -> std::result::Result<Self, Failure> {
        let flow = &config.flow_lm;
        let width = flow.transformer.d_model;
        let latent = config.mimi.latent;
        let table = [flow.token_count + 1, flow.token_rank.unwrap_or(width)];
        let tokens = weights.get("flow_lm.conditioner.embed.weight", &table)?;
        let maybe = |from: Option<usize>, to: Option<usize>, name: &str| match (from, to) {
            (Some(from), Some(to)) => {
                Linear::load(place, weights, name, (from, to), false).map(Some)
            }
            _ => Ok(None),
        };
        let places = (0..positions as u32).collect();
        Ok(Self {
            tokens: place.tensor(tokens, &table)?,
            token_projection: maybe(flow.token_rank, Some(width), "flow_lm.conditioner.proj")?,
            transformer: Transformer::load(
                place,
                weights,
                "flow_lm.transformer",
                &flow.transformer,
                positions,
            )?,
            input: Linear::load(
                place,
                weights,
                "flow_lm.input_linear",
                (latent, width),
                false,
            )?,
            norm: Norm::load(place, weights, "flow_lm.out_norm", width, 1e-5)?,
            narrow: maybe(Some(width), flow.z_dim, "flow_lm.z_proj")?,
            end: Linear::load(
                place,
                weights,
                "flow_lm.out_eos",
                (flow.conditioning(), 1),
                true,
            )?,
            head: Head::load(place, weights, flow, latent)?,
            places: place.indices(places)?,
            nothing: place.exact(vec![0.0], &[1, 1])?,
            hidden: place.exact(vec![f32::NEG_INFINITY], &[1, 1])?,
        })
    }

    /// Layers, heads of keys and the width of a head: the shape of a stored voice.
    pub fn memory_shape(&self) -> (usize, usize, usize) {
        let heads = self.transformer.heads;
        (self.transformer.depth(), heads.shared, heads.width)
    }

    /// Memory for so many slots.
    pub fn memory(&self, place: &Place, slots: usize) -> Result<Memory> {
        let shape = (self.transformer.depth(), slots, self.places.elem_count());
        Memory::new(place, shape, self.transformer.heads)
    }

    /// Numbers that a slot's memory takes.
    pub fn memory_count(&self) -> usize {
        let (layers, heads, width) = self.memory_shape();
        2 * layers * heads * width * self.places.elem_count()
    }

    /// What is seen of `length` places from these positions, `[positions, length]`, zeros and −∞.
    fn mask(&self, positions: &Tensor, length: usize) -> Result<Tensor> {
        let count = positions.elem_count();
        let places = self.places.narrow(0, 0, length)?.reshape((1, length))?;
        let seen = places.broadcast_le(&positions.reshape((count, 1))?)?;
        seen.where_cond(
            &self.nothing.broadcast_as((count, length))?,
            &self.hidden.broadcast_as((count, length))?,
        )
    }

    /// Reads a text into a slot, behind what it remembers up to `position`. Tokens beyond the table read as padding.
    pub fn read(
        &self,
        tokens: &[u32],
        memory: &Memory,
        slot: usize,
        position: usize,
    ) -> Result<()> {
        if tokens.is_empty() {
            return Ok(());
        }
        let last = self.tokens.dim(0)? as u32 - 1;
        let rows = tokens.len();
        let tokens: Vec<u32> = tokens.iter().map(|token| (*token).min(last)).collect();
        let tokens = Tensor::from_vec(tokens, rows, self.tokens.device())?;
        let mut x = self.tokens.index_select(&tokens, 0)?;
        if let Some(projection) = &self.token_projection {
            x = projection.apply(&x)?;
        }
        let length = position + rows;
        let mask = self.mask(&self.places.narrow(0, position, rows)?, length)?;
        let pass = Pass::One {
            slot,
            position,
            angles: self.transformer.angles(position, rows)?,
            mask: mask.reshape((1, 1, rows, length))?,
        };
        self.transformer.remember(&x.unsqueeze(0)?, memory, &pass)
    }

    /// The latents that follow these, `[rows, latent]` of 32-bit numbers, made of `noise`, and how sure each is of its end,
    /// `[rows, 1]`.
    pub fn next(
        &self,
        latents: &Tensor,
        batch: &Batch,
        memory: &Memory,
        noise: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let heads = self.transformer.heads;
        let mask = self.mask(&batch.seen, batch.length)?;
        let write = batch.write.reshape((batch.window, 1, 1, 1))?;
        let pass = Pass::Batch {
            batch,
            angles: self.transformer.angles_at(&batch.positions, 1)?,
            mask: mask.reshape(((), 1, 1, batch.length))?,
            write: write
                .broadcast_as((batch.window, heads.shared, 1, heads.width))?
                .contiguous()?,
        };
        let x = self.input.apply(&latents.unsqueeze(1)?)?;
        let x = self.transformer.apply(&x, memory, &pass)?.squeeze(1)?;
        let mut seen = self.norm.apply(&x)?;
        if let Some(narrow) = &self.narrow {
            seen = narrow.apply(&seen)?;
        }
        let ends = self.end.apply(&seen)?.to_dtype(DType::F32)?;
        Ok((self.head.apply(&seen, noise)?, ends))
    }
}
