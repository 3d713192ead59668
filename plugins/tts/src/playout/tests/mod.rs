// SPDX-License-Identifier: MPL-2.0

//! Playout in virtual time.

mod cases;
mod random;
mod tones;
mod words;
mod world;
