// SPDX-License-Identifier: MPL-2.0

//! The layers of networks, on the CPU: rows of 32-bit numbers in, rows out, states outside.
//!
//! What a layer remembers of an utterance (keys and values, the tail of a convolution) belongs to the caller, one for each
//! slot; a layer itself is shared and never written to.

mod conv;
mod linear;
mod transformer;

pub use conv::{Conv, ConvShape, ConvState, ConvTranspose, Pad, Upsample};
pub use linear::{Linear, Norm, Precision};
pub use transformer::{Memory, Remembered, Transformer};
