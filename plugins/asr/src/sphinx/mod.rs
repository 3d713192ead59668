// SPDX-License-Identifier: MPL-2.0

//! libpocketsphinx as an engine of duplex-recognition.
//!
//! A decoder hears one caller at a time and holds some megabytes, so decoders are shared: [`pool`] hands them out by
//! configuration when somebody begins to speak and takes them back after the turn.

mod confidence;
mod decoder;
mod dictionary;
mod ffi;
mod pool;

pub use pool::{Configuration, SphinxEngine, usage};
