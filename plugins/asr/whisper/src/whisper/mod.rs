// SPDX-License-Identifier: MPL-2.0

//! whisper.cpp as an engine: [`file`] looks through a model before the library may, [`model`] loads it once for all,
//! [`pass`] hears a piece of audio, [`engine`] does that in a thread of its own while the turn goes on.

mod engine;
mod file;
mod log;
mod model;
mod pass;

pub use engine::{Configuration, Counters, WhisperEngine};
pub use model::{Device, usage};
