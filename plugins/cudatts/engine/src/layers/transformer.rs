// SPDX-License-Identifier: MPL-2.0

//! A causal transformer with a memory for each slot.

use std::sync::Arc;

use super::{Linear, Norm, Precision};
use crate::{
    kernels::{
        activation,
        attention::{self, Heads, attend, frequencies, rotate, turns},
    },
    pocket::config,
    weights::{LoadError, Weights},
};

#[derive(Debug)]
struct Layer {
    norm1: Norm,
    in_proj: Linear,
    out_proj: Linear,
    norm2: Norm,
    linear1: Linear,
    linear2: Linear,
    scales: Option<(Vec<f32>, Vec<f32>)>,
}

/// A causal transformer.
#[derive(Debug)]
pub struct Transformer {
    layers: Vec<Layer>,
    heads: Heads,
    frequencies: Vec<f32>,
    context: Option<usize>,
    width: usize,
}

/// Keys and values of one layer.
#[derive(Clone, Debug, Default)]
struct Kept {
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// What many slots remember alike: a voice.
#[derive(Debug)]
pub struct Remembered {
    layers: Vec<Kept>,
    positions: usize,
}

impl Remembered {
    /// Of the keys and values of each layer, position by position.
    pub fn new(layers: Vec<(Vec<f32>, Vec<f32>)>, positions: usize) -> Self {
        Self {
            layers: layers
                .into_iter()
                .map(|(keys, values)| Kept { keys, values })
                .collect(),
            positions,
        }
    }

    /// Keys of all layers, one layer behind the other, and values likewise.
    pub fn numbers(&self) -> (Vec<f32>, Vec<f32>) {
        let all = |of: &dyn Fn(&Kept) -> &Vec<f32>| {
            self.layers
                .iter()
                .flat_map(|layer| of(layer).iter().copied())
                .collect()
        };
        (all(&|kept| &kept.keys), all(&|kept| &kept.values))
    }

    /// How many positions.
    pub fn positions(&self) -> usize {
        self.positions
    }
}

/// What a slot remembers.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Read only, and shared: what stands before this slot's own.
    before: Option<Arc<Remembered>>,
    layers: Vec<Kept>,
    position: usize,
}

impl Memory {
    /// Forgets, and begins behind what is remembered. The room stays.
    pub fn reset(&mut self, before: Option<Arc<Remembered>>) {
        self.position = before.as_ref().map_or(0, |before| before.positions);
        self.before = before;
        for kept in &mut self.layers {
            kept.keys.clear();
            kept.values.clear();
        }
    }

    /// Gives back the room, too.
    pub fn release(&mut self) {
        *self = Self::default();
    }

    /// What was remembered from the start, for others.
    pub fn remember(self) -> Remembered {
        Remembered {
            layers: self.layers,
            positions: self.position,
        }
    }
}

impl Transformer {
    /// Reads the layers below `name`.
    pub fn load(
        weights: &Weights,
        name: &str,
        shape: &config::Transformer,
        precision: Precision,
    ) -> Result<Self, LoadError> {
        let width = shape.d_model;
        let heads = Heads {
            queries: shape.num_heads,
            shared: shape.num_kv_heads,
            width: shape.attn_dim / shape.num_heads,
        };
        let projected = shape.attn_dim + 2 * heads.shared * heads.width;
        let layer = |n: usize| {
            let at = |what: &str| format!("{name}.layers.{n}.{what}");
            let linear = |what: &str, inputs: usize, outputs: usize| {
                Linear::load(weights, &at(what), (inputs, outputs), false, precision)
            };
            Ok(Layer {
                norm1: Norm::load(weights, &at("norm1"), width, 1e-5)?,
                in_proj: linear("self_attn.in_proj", width, projected)?,
                out_proj: linear("self_attn.out_proj", shape.attn_dim, width)?,
                norm2: Norm::load(weights, &at("norm2"), width, 1e-5)?,
                linear1: linear("linear1", width, shape.dim_feedforward)?,
                linear2: linear("linear2", shape.dim_feedforward, width)?,
                scales: match shape.layer_scale {
                    true => Some((
                        weights.get(&at("layer_scale_1.scale"), &[width])?,
                        weights.get(&at("layer_scale_2.scale"), &[width])?,
                    )),
                    false => None,
                },
            })
        };
        Ok(Self {
            layers: (0..shape.num_layers)
                .map(layer)
                .collect::<Result<_, LoadError>>()?,
            heads,
            frequencies: frequencies(heads.width, shape.max_period),
            context: shape.context,
            width,
        })
    }

    /// The numbers of a position in one layer's keys, and how many layers there are.
    pub fn memory_shape(&self) -> (usize, usize, usize) {
        (self.layers.len(), self.heads.shared, self.heads.width)
    }

    /// Reads rows, equally many for each memory, one memory's behind the other's; they become what the last layer says.
    pub fn apply(&self, rows: &mut [f32], memories: &mut [&mut Memory]) {
        self.run(rows, memories, true);
    }

    /// Reads rows only to remember them; what `rows` holds then is of no use.
    pub fn remember(&self, rows: &mut [f32], memories: &mut [&mut Memory]) {
        self.run(rows, memories, false);
    }

    fn run(&self, rows: &mut [f32], memories: &mut [&mut Memory], answered: bool) {
        if memories.is_empty() || rows.is_empty() {
            return;
        }
        let each = rows.len() / self.width / memories.len();
        let queries = self.heads.queries * self.heads.width;
        let keys = self.heads.shared * self.heads.width;
        // The angles of each row: the same for all layers.
        let mut angles = Vec::with_capacity(each * memories.len());
        for memory in memories.iter_mut() {
            memory.layers.resize_with(self.layers.len(), Kept::default);
            for n in 0..each {
                let mut of = Vec::new();
                turns(&self.frequencies, memory.position + n, &mut of);
                angles.push(of);
            }
        }
        let mut scores = Vec::new();
        for (at, layer) in self.layers.iter().enumerate() {
            let mut projected = layer.in_proj.apply(&layer.norm1.apply(rows));
            let mut found = vec![0.0; each * memories.len() * queries];
            let silent = !answered && at + 1 == self.layers.len();
            let each_row = projected
                .chunks_exact_mut(queries + 2 * keys)
                .zip(found.chunks_exact_mut(queries))
                .zip(&angles);
            for (n, ((row, found), angles)) in each_row.enumerate() {
                let memory = &mut *memories[n / each];
                let (query, row) = row.split_at_mut(queries);
                let (key, value) = row.split_at_mut(keys);
                rotate(query, angles);
                rotate(key, angles);
                let kept = &mut memory.layers[at];
                // The oldest place of a memory that is full; the order of positions does not matter to attention.
                match self.context {
                    Some(context) if kept.keys.len() == context * keys => {
                        let place = (memory.position + n % each) % context * keys;
                        kept.keys[place..place + keys].copy_from_slice(key);
                        kept.values[place..place + keys].copy_from_slice(value);
                    }
                    _ => {
                        kept.keys.extend_from_slice(key);
                        kept.values.extend_from_slice(value);
                    }
                }
                if silent {
                    continue;
                }
                let own = attention::Memory {
                    keys: &kept.keys,
                    values: &kept.values,
                };
                match &memory.before {
                    Some(before) => {
                        let before = &before.layers[at];
                        let before = attention::Memory {
                            keys: &before.keys,
                            values: &before.values,
                        };
                        attend(query, &[before, own], self.heads, &mut scores, found);
                    }
                    None => attend(query, &[own], self.heads, &mut scores, found),
                }
            }
            if silent {
                break;
            }
            let update = layer.out_proj.apply(&found);
            add(rows, &update, layer.scales.as_ref().map(|scales| &scales.0));
            let mut hidden = layer.linear1.apply(&layer.norm2.apply(rows));
            activation::gelu_tanh(&mut hidden);
            let update = layer.linear2.apply(&hidden);
            add(rows, &update, layer.scales.as_ref().map(|scales| &scales.1));
        }
        for memory in memories {
            memory.position += each;
        }
    }
}

/// Adds, scaled by channel.
fn add(rows: &mut [f32], update: &[f32], scale: Option<&Vec<f32>>) {
    match scale {
        None => {
            for (x, update) in rows.iter_mut().zip(update) {
                *x += update;
            }
        }
        Some(scale) => {
            for (row, update) in rows
                .chunks_exact_mut(scale.len())
                .zip(update.chunks_exact(scale.len()))
            {
                for ((x, update), scale) in row.iter_mut().zip(update).zip(scale) {
                    *x += update * scale;
                }
            }
        }
    }
}
