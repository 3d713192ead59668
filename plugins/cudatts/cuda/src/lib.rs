// SPDX-License-Identifier: MPL-2.0

//! Pocket TTS on an NVIDIA card: the half of [`duplex_neural`] that links CUDA, as a library that is loaded at run time.
//!
//! It exports [`duplex_neural_backend`], a table of C functions; [`duplex_neural::backend::abi`] says what they do. Without the
//! feature `cuda` the same model runs on the CPU, operation for operation, which is how it is compared with the reference where
//! there is no card; as a CPU engine it is slow, and `duplex_neural` has its own.
//!
//! # How a step goes
//! Keys and values of the backbone lie in one tensor for each layer, with a place for each slot, and are written in place; so do the
//! rings of the decoder's transformer. Whatever convolutions carry over from frame to frame is one row of numbers for each slot.
//! Who takes part is computed once a step (batch.rs), and so are masks and rotations. The latent stays on the device and is
//! what the slot hears of itself in its next step; a step ends with one copy to the host, of logits and sound.

mod backbone;
mod batch;
mod carry;
mod codec;
mod conv;
mod device;
mod failure;
mod flow;
mod layers;
mod model;
mod table;
mod transformer;

use duplex_neural::backend::abi::Backend;

pub use failure::Failure;
pub use model::{Model, Options, VoiceState};

/// The table of what this library can do. Never null.
#[unsafe(no_mangle)]
pub extern "C" fn duplex_neural_backend() -> *const Backend {
    &table::BACKEND
}
