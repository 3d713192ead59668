// SPDX-License-Identifier: MPL-2.0

//! Voices: what the backbone remembers of hearing them.

use std::{path::Path, sync::Arc};

use crate::{
    layers::Remembered,
    weights::{LoadError, Weights},
};

/// A voice: keys and values of every layer, shared by all who speak with it.
#[derive(Clone, Debug)]
pub struct PocketVoice {
    memory: Arc<Remembered>,
}

impl PocketVoice {
    pub(super) fn of(memory: Arc<Remembered>) -> Self {
        Self { memory }
    }

    pub(super) fn memory(&self) -> Arc<Remembered> {
        self.memory.clone()
    }

    /// Reads a stored state, as the reference's `export-voice` writes it: `transformer.layers.N.self_attn/cache` is
    /// `[2, 1, positions, heads, width]`, of which the first `offset` count.
    pub(super) fn read(
        path: &Path,
        (layers, heads, width): (usize, usize, usize),
    ) -> Result<Self, LoadError> {
        let weights = Weights::open(path)?;
        let row = heads * width;
        let mut positions = None;
        let mut kept = Vec::with_capacity(layers);
        for layer in 0..layers {
            let at = |what: &str| format!("transformer.layers.{layer}.self_attn/{what}");
            let room = match weights.shape(&at("cache")) {
                Some([2, 1, room, _, _]) => *room,
                // Named, and with the shape that is needed, by `get`.
                _ => 0,
            };
            let cache = weights.get(&at("cache"), &[2, 1, room, heads, width])?;
            // Older files tell the position by the length of a tensor.
            let count = match weights.shape(&at("current_end")) {
                Some(shape) => shape.first().copied().unwrap_or(0),
                None => weights.get(&at("offset"), &[1])?[0] as usize,
            };
            if count > room || positions.is_some_and(|positions| positions != count) {
                return Err(LoadError::Other(format!(
                    "{} is no stored voice: layer {layer} remembers {count} positions of {room}",
                    path.display()
                )));
            }
            positions = Some(count);
            let (keys, values) = cache.split_at(room * row);
            kept.push((keys[..count * row].to_vec(), values[..count * row].to_vec()));
        }
        let memory = Remembered::new(kept, positions.unwrap_or(0));
        Ok(Self {
            memory: Arc::new(memory),
        })
    }

    /// All keys and all values, `[layers, positions, heads, width]` each.
    pub(super) fn numbers(&self) -> (Vec<f32>, Vec<f32>) {
        self.memory.numbers()
    }

    /// Positions that it takes.
    pub fn positions(&self) -> usize {
        self.memory.positions()
    }
}
