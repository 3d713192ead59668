// SPDX-License-Identifier: MPL-2.0

//! Neural voices in process.

pub mod family;
pub mod folder;
mod kernels;
mod layers;
pub mod pocket;
mod text;
mod weights;

pub use layers::Precision;
pub use weights::{LoadError, Weights};
