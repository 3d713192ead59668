// SPDX-License-Identifier: MPL-2.0

//! The wire between text-to-speech workers and those who use them: `tts.TTSService`.
//!
//! The types and the service are generated from `tts.proto`, which tells what each field means.
//! [`frames`] has the rules that both ends count by.

pub mod frames;

/// Generated from tts.proto.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
mod generated {
    tonic::include_proto!("tts");
}

pub use generated::*;

/// tts.proto as a FileDescriptorSet, for a reflection service.
pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tts.bin"));

/// What [`StartSessionResponse::protocol`] says of a worker that knows all fields of tts.proto.
pub const PROTOCOL: i32 = 1;

/// Where a worker listens, and where its clients look, unless told otherwise.
pub const DEFAULT_PORT: u16 = 7001;
