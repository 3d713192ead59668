// SPDX-License-Identifier: MPL-2.0

//! Neural voices on an NVIDIA card: the half of [`duplex_neural`] that links CUDA, as a library that is loaded at run time. It has
//! Pocket TTS ([`Model`]) and the small voice's sound ([`Renderer`]).
//!
//! It exports [`duplex_neural_backend`], a table of C functions; [`duplex_neural::backend::abi`] says what they do. Without the
//! feature `cuda` the same model runs on the CPU, operation for operation, which is how it is compared with the reference where
//! there is no card; as a CPU engine it is slow, and `duplex_neural` has its own.
//!
//! # What it needs
//! - A card of compute capability 8.0 or newer (Ampere: bfloat16), and its driver of release 580 or newer, which is CUDA 13's.
//! - cuBLAS 13, cuRAND 10 and the CUDA run time 13, where the loader finds them: PyTorch's or NVIDIA's wheels have them
//!   (`nvidia-cublas`, `nvidia-curand`, `nvidia-cuda-runtime`).
//!
//! candle keeps its kernels as portable code (PTX) that the driver compiles for the card when a process first uses them, and keeps
//! in its cache (`~/.nv`). Machine code for several cards in one file is not to be had of it; [`duplex_neural_backend`]'s `open`
//! lets the model speak a frame, so that no listener waits for that. `CUDA_COMPUTE_CAP=90 make cuda` builds for Hopper
//! alone. Two thirds of the file's 47 MB are kernels of candle's that nothing here calls; they are linked all the same.
//!
//! # How a step of Pocket TTS goes
//! Keys and values of the backbone lie in one tensor for each layer, with a place for each slot, and are written in place; so do the
//! rings of the decoder's transformer. Whatever convolutions carry over from frame to frame is one row of numbers for each slot.
//! Who takes part is computed once a step (batch.rs), and so are masks and rotations. The latent stays on the device and is
//! what the slot hears of itself in its next step; a step ends with one copy to the host, of logits and sound.

mod backbone;
mod batch;
mod carry;
mod codec;
mod compact;
mod conv;
mod device;
mod failure;
mod flow;
mod layers;
mod model;
mod slots;
mod table;
mod transformer;

use duplex_neural::backend::abi::Backend;

pub use compact::{Given, Renderer, RendererOptions};
pub use failure::Failure;
pub use model::{Model, Options, VoiceState};

/// The table of what this library can do. Never null.
#[unsafe(no_mangle)]
pub extern "C" fn duplex_neural_backend() -> *const Backend {
    &table::BACKEND
}
