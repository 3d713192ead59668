// SPDX-License-Identifier: MPL-2.0

//! A worker: voices for other processes and machines, over gRPC.
//!
//! `tts.TTSService` as duplex-proto's tts.proto tells it, with grpc.health.v1 and reflection beside
//! it. This library knows no voice: whoever runs it brings them. The commands `duplex-worker` (the
//! tone engine and eSpeak NG) and `duplex-worker-neural` do so through [`command::run`].
//!
//! # Flow
//! A client's Synthesize is one stream of frames ([`speech`]), polled by the server's task for that
//! call. It reads text, pulls sound from the engine, and lets frames go at the client's pace. Control
//! and EndSession reach it through its [`call::Call`]. One timer ([`ticker`]) wakes all calls.
//!
//! # Threads
//! All of it runs in the tokio runtime that it is called in. Models are loaded in its blocking
//! threads. Engines may have threads of their own.

pub mod call;
pub mod command;
pub mod config;
pub mod connections;
mod logs;
pub mod metrics;
pub mod models;
mod resample;
pub mod server;
pub mod service;
pub mod sessions;
pub mod speech;
mod status;
pub mod ticker;
