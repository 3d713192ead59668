// SPDX-License-Identifier: MPL-2.0

//! The shape of what makes sound: the body of the voice's last network, and its filters. Whoever computes it elsewhere than on the
//! CPU needs the same numbers.

use super::HOP;

/// Rows that a block's convolution sees.
pub const KERNEL: usize = 7;
/// Of normalizations, as the reference has it.
pub const EPSILON: f32 = 1e-5;
/// Numbers of a row of the body, its inputs among them.
pub const CHANNELS: usize = 192;
/// Of the body's blocks.
pub const DILATIONS: [usize; 7] = [1, 1, 2, 1, 2, 1, 1];
/// Numbers of the cepstrum of the pulses' filter.
pub const VOICED: usize = 64;
/// Of that of the noise's.
pub const NOISE: usize = 40;
/// Samples of the excitation that a hop filters: its own and half a hop on both sides.
pub const WINDOW: usize = 2 * HOP;
/// Samples of the sound that a hop takes part in, from half a hop before its own on: what a filter rings has room.
pub const POINTS: usize = 1024;
/// Most that a filter amplifies, as a natural logarithm.
pub const LOUDEST: f32 = 8.0;
