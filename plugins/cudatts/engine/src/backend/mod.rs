// SPDX-License-Identifier: MPL-2.0

//! Engines that are loaded at run time, because what they link is not on every machine.

pub mod abi;
pub mod driver;
pub mod library;
pub mod model;
pub mod renderer;
