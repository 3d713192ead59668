// SPDX-License-Identifier: MPL-2.0

//! A causal transformer whose memory has a place for each slot.

use candle_core::{D, DType, Result, Tensor};
use duplex_neural::{Weights, pocket::config};

use crate::{
    batch::{Batch, Reading},
    failure::Failure,
    layers::{Linear, Norm, Place},
};

#[derive(Debug)]
struct Layer {
    norm1: Norm,
    in_proj: Linear,
    out_proj: Linear,
    norm2: Norm,
    linear1: Linear,
    linear2: Linear,
    scales: Option<(Tensor, Tensor)>,
}

/// Heads of attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Of queries.
    pub queries: usize,
    /// Of keys and values; each is shared by `queries / shared` queries.
    pub shared: usize,
    /// Numbers of a head.
    pub width: usize,
}

impl Heads {
    /// Of a configuration.
    pub fn of(shape: &config::Transformer) -> Self {
        Self {
            queries: shape.num_heads,
            shared: shape.num_kv_heads,
            width: shape.attn_dim / shape.num_heads,
        }
    }
}

/// What slots remember: for each layer keys and values, `[slots, heads, room, width]`.
#[derive(Debug)]
pub struct Memory {
    layers: Vec<(Tensor, Tensor)>,
}

impl Memory {
    /// Zeros.
    pub fn new(
        place: &Place,
        (layers, slots, room): (usize, usize, usize),
        heads: Heads,
    ) -> Result<Self> {
        let shape = (slots, heads.shared, room, heads.width);
        let zeros = || Tensor::zeros(shape, place.precision, &place.device);
        Ok(Self {
            layers: (0..layers)
                .map(|_| Ok((zeros()?, zeros()?)))
                .collect::<Result<_>>()?,
        })
    }

    /// Puts keys and values of each layer, `[1, heads, positions, width]`, at the start of a slot.
    pub fn copy_in(&self, slot: usize, voice: &[(Tensor, Tensor)]) -> Result<()> {
        for ((keys, values), (voice_keys, voice_values)) in self.layers.iter().zip(voice) {
            keys.narrow(0, slot, 1)?.slice_set(voice_keys, 2, 0)?;
            values.narrow(0, slot, 1)?.slice_set(voice_values, 2, 0)?;
        }
        Ok(())
    }
}

/// The memories that a pass touches and what of them each row sees: the same for all layers.
pub enum Pass<'a> {
    /// Rows of one slot, at consecutive positions.
    One {
        /// Which slot.
        slot: usize,
        /// The first position.
        position: usize,
        /// See [`Angles`].
        angles: Angles,
        /// `[1, 1, rows, length]`.
        mask: Tensor,
    },
    /// Some slots, equally many rows of each.
    Batch {
        /// Who.
        batch: &'a Batch,
        /// See [`Angles`].
        angles: Angles,
        /// `[read, 1, rows, length]`, zeros and −∞.
        mask: Tensor,
        /// `[window, heads, rows, width]`.
        write: Tensor,
    },
}

/// Cosines and sines of each row's position, `[batch, rows, width / 2]`, or without a batch.
pub struct Angles {
    /// Cosines.
    pub cos: Tensor,
    /// Sines.
    pub sin: Tensor,
}

/// A causal transformer.
#[derive(Debug)]
pub struct Transformer {
    layers: Vec<Layer>,
    /// As configured.
    pub heads: Heads,
    precision: DType,
    /// `[positions, width / 2]`.
    cos: Tensor,
    sin: Tensor,
}

impl Transformer {
    /// Reads the layers below `name`, for at most so many positions.
    pub fn load(
        place: &Place,
        weights: &Weights,
        name: &str,
        shape: &config::Transformer,
        positions: usize,
    ) -> std::result::Result<Self, Failure> {
        let width = shape.d_model;
        let heads = Heads::of(shape);
        let projected = shape.attn_dim + 2 * heads.shared * heads.width;
        let layer = |n: usize| {
            let at = |what: &str| format!("{name}.layers.{n}.{what}");
            let linear = |what: &str, inputs: usize, outputs: usize| {
                Linear::load(place, weights, &at(what), (inputs, outputs), false)
            };
            // Queries are scaled once and for all.
            let mut in_proj = weights.get(&at("self_attn.in_proj.weight"), &[projected, width])?;
            let scale = 1.0 / (heads.width as f32).sqrt();
            for x in &mut in_proj[..shape.attn_dim * width] {
                *x *= scale;
            }
            let scale = |which: usize| {
                let scale = weights.get(&at(&format!("layer_scale_{which}.scale")), &[width])?;
                Ok::<_, Failure>(place.tensor(scale, &[width])?)
            };
            Ok::<_, Failure>(Layer {
                norm1: Norm::load(place, weights, &at("norm1"), width, 1e-5)?,
                in_proj: Linear::new(place, in_proj, width, None)?,
                out_proj: linear("self_attn.out_proj", shape.attn_dim, width)?,
                norm2: Norm::load(place, weights, &at("norm2"), width, 1e-5)?,
                linear1: linear("linear1", width, shape.dim_feedforward)?,
                linear2: linear("linear2", shape.dim_feedforward, width)?,
                scales: match shape.layer_scale {
                    true => Some((scale(1)?, scale(2)?)),
                    false => None,
                },
            })
        };
        let half = heads.width / 2;
        let mut angles = (Vec::with_capacity(positions * half), Vec::new());
        for position in 0..positions {
            for n in 0..half {
                let frequency =
                    (n as f32 * (-shape.max_period.ln() * 2.0 / heads.width as f32)).exp();
                let (sin, cos) = (frequency * position as f32).sin_cos();
                angles.0.push(cos);
                angles.1.push(sin);
            }
        }
        Ok(Self {
            layers: (0..shape.num_layers)
                .map(layer)
                .collect::<std::result::Result<_, _>>()?,
            heads,
            precision: place.precision,
            cos: place.exact(angles.0, &[positions, half])?,
            sin: place.exact(angles.1, &[positions, half])?,
        })
    }

    /// Layers that there are.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// The angles of consecutive positions.
    pub fn angles(&self, position: usize, rows: usize) -> Result<Angles> {
        Ok(Angles {
            cos: self.cos.narrow(0, position, rows)?,
            sin: self.sin.narrow(0, position, rows)?,
        })
    }

    /// The angles of each member of a batch, whose positions begin at `rows` times these indices.
    pub fn angles_at(&self, indices: &Tensor, rows: usize) -> Result<Angles> {
        let (positions, half) = self.cos.dims2()?;
        let count = indices.elem_count();
        let of = |table: &Tensor| {
            let table = table.reshape((positions / rows, rows * half))?;
            table.index_select(indices, 0)?.reshape((count, rows, half))
        };
        Ok(Angles {
            cos: of(&self.cos)?,
            sin: of(&self.sin)?,
        })
    }

    /// What the last layer says of `[batch, rows, width]`; what it read is remembered.
    pub fn apply(&self, x: &Tensor, memory: &Memory, pass: &Pass<'_>) -> Result<Tensor> {
        self.run(x, memory, pass, true)
    }

    /// Reads only to remember.
    pub fn remember(&self, x: &Tensor, memory: &Memory, pass: &Pass<'_>) -> Result<()> {
        self.run(x, memory, pass, false).map(drop)
    }

    fn run(&self, x: &Tensor, memory: &Memory, pass: &Pass<'_>, answered: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for (at, layer) in self.layers.iter().enumerate() {
            let silent = !answered && at + 1 == self.layers.len();
            let projected = layer.in_proj.apply(&layer.norm1.apply(&x)?)?;
            let Some(found) = self.attend(&projected, &memory.layers[at], pass, silent)? else {
                break;
            };
            let update = layer.out_proj.apply(&found)?;
            x = add(&x, &update, layer.scales.as_ref().map(|scales| &scales.0))?;
            let hidden = layer.linear1.apply(&layer.norm2.apply(&x)?)?.gelu()?;
            let update = layer.linear2.apply(&hidden)?;
            x = add(&x, &update, layer.scales.as_ref().map(|scales| &scales.1))?;
        }
        Ok(x)
    }

    /// Remembers keys and values of `[batch, rows, queries, keys and values]`, and answers the queries unless `silent`.
    fn attend(
        &self,
        projected: &Tensor,
        (keys, values): &(Tensor, Tensor),
        pass: &Pass<'_>,
        silent: bool,
    ) -> Result<Option<Tensor>> {
        let Heads {
            queries,
            shared,
            width,
        } = self.heads;
        let (count, rows, _) = projected.dims3()?;
        let (angles, mask) = match pass {
            Pass::One { angles, mask, .. } | Pass::Batch { angles, mask, .. } => (angles, mask),
        };
        let turning = (queries + shared) * width;
        // [batch, heads, rows, width]
        let by_head = |x: Tensor, heads: usize| {
            x.reshape((count, rows, heads, width))?
                .transpose(1, 2)?
                .contiguous()
        };
        let turning = projected
            .narrow(D::Minus1, 0, turning)?
            .to_dtype(DType::F32)?;
        let turning = by_head(turning.contiguous()?, queries + shared)?;
        let turned = candle_nn::rotary_emb::rope_i(&turning, &angles.cos, &angles.sin)?
            .to_dtype(self.precision)?;
        let key = turned.narrow(1, queries, shared)?.contiguous()?;
        let value = projected.narrow(D::Minus1, (queries + shared) * width, shared * width)?;
        let value = by_head(value.contiguous()?, shared)?;
        match pass {
            Pass::One { slot, position, .. } => {
                keys.narrow(0, *slot, 1)?.slice_set(&key, 2, *position)?;
                values
                    .narrow(0, *slot, 1)?
                    .slice_set(&value, 2, *position)?;
            }
            Pass::Batch { batch, write, .. } => {
                let (first, window) = (batch.first, batch.window);
                let key = batch.spread(&key)?;
                let value = batch.spread(&value)?;
                keys.narrow(0, first, window)?.scatter_set(write, &key, 2)?;
                values
                    .narrow(0, first, window)?
                    .scatter_set(write, &value, 2)?;
            }
        }
        if silent {
            return Ok(None);
        }
        let query = turned.narrow(1, 0, queries)?.contiguous()?;
        let length = mask.dim(D::Minus1)?;
        let read = |kept: &Tensor| match pass {
            Pass::One { slot, .. } => kept.narrow(0, *slot, 1),
            Pass::Batch { batch, .. } => match batch.reading {
                Reading::Gathered => kept.index_select(&batch.slots, 0),
                _ => kept.narrow(0, batch.first, batch.window),
            },
        };
        let through_window =
            matches!(pass, Pass::Batch { batch, .. } if matches!(batch.reading, Reading::Window));
        let query = match pass {
            Pass::Batch { batch, .. } if through_window => batch.spread(&query)?,
            _ => query,
        };
        let places = query.dim(0)?;
        let query = query.reshape((places, shared, queries / shared * rows, width))?;
        let kept = read(keys)?.narrow(2, 0, length)?;
        let scores = query.matmul(&kept.t()?)?.to_dtype(DType::F32)?;
        let scores = scores
            .reshape((places, queries, rows, length))?
            .broadcast_add(mask)?;
        let shares = candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(self.precision)?;
        let shares = shares.reshape((places, shared, queries / shared * rows, length))?;
        let found = shares.matmul(&read(values)?.narrow(2, 0, length)?)?;
        let found = found.reshape((places, queries, rows, width))?;
        let found = match pass {
            Pass::Batch { batch, .. } if through_window => found.index_select(&batch.collect, 0)?,
            _ => found,
        };
        let found = found.transpose(1, 2)?.contiguous()?;
        Ok(Some(found.reshape((count, rows, queries * width))?))
    }
}

/// Adds, scaled by channel.
fn add(x: &Tensor, update: &Tensor, scale: Option<&Tensor>) -> Result<Tensor> {
    match scale {
        None => x + update,
        Some(scale) => x + update.broadcast_mul(scale)?,
    }
}
