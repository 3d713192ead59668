// SPDX-License-Identifier: MPL-2.0

//! End-to-end tests, benches and the recordings they stand on.
//!
//! What several tests share: callers made of recorded speech ([`caller`]), the room between a
//! loudspeaker and a microphone ([`room`]), sound devices without hardware ([`pulse`]), the built
//! plugins ([`plugins`]), a worker of them in a process of its own ([`worker`]), how a pipeline ends
//! ([`ending`]), what a process uses ([`process`]), load for workers ([`load`]), figures ([`measure`]),
//! the workspace ([`workspace`]), a TURN server ([`turn`]) and the stacks
//! of a test that hangs ([`watchdog`]).

// Tests and benches speak to the person who runs them.
#![allow(clippy::print_stdout, clippy::print_stderr)]

pub mod browser;
pub mod caller;
pub mod ending;
pub mod hearing;
pub mod held_out;
pub mod inspect;
pub mod jitter;
pub mod listeners;
pub mod listening;
pub mod load;
pub mod measure;
pub mod noise;
pub mod onsets;
pub mod plugins;
pub mod process;
pub mod pulse;
pub mod random;
pub mod recordings;
pub mod report;
pub mod room;
pub mod said;
pub mod serving;
pub mod signal;
pub mod speaking;
pub mod spoken;
pub mod standins;
pub mod tonetts;
pub mod turn;
pub mod watchdog;
pub mod worker;
pub mod workspace;
