// SPDX-License-Identifier: MPL-2.0

//! Neural voices in process.

pub mod arrange;
pub mod backend;
pub mod compact;
mod cost;
pub mod device;
pub mod engine;
pub mod family;
pub mod folder;
mod kernels;
mod layers;
mod load;
pub mod memory;
pub mod pocket;
pub mod published;
mod recording;
pub mod registry;
pub mod schedule;
mod stretch;
mod text;
mod weights;

pub use duplex_models::COMPACT;
pub use engine::{Listener, NeuralEngine, Options, PITCHES, Settings, Stats};
pub use layers::Precision;
pub use load::{Load, Loaded, Quantization, Tuned};
pub use weights::{LoadError, Weights};
