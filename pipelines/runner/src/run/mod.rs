// SPDX-License-Identifier: MPL-2.0

//! Running one session on this machine: `duplex run`.

pub mod bindings;
pub mod capture;
pub mod devices;
pub mod feeder;
pub mod follower;
pub mod lanes;
pub mod session;

pub use bindings::LocalBindings;
pub use session::{Ending, Observer, Options, Started, run};
