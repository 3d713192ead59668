// SPDX-License-Identifier: MPL-2.0

//! Recognition of speech turn by turn, without GStreamer.
//!
//! [`Engine`] and [`Turn`] are what a recogniser implements; [`turn`] decides when a caller's turn is over, and whether
//! what is said while an agent speaks means to stop it; [`grammar`] reads what may be said, [`backchannel`] knows what
//! is said without wanting the floor.

pub mod backchannel;
pub mod grammar;
pub mod turn;

mod engine;

pub use engine::{Cancel, Engine, Error, Hypothesis, Phrase, RATE, Turn, Word};
