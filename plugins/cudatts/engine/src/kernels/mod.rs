// SPDX-License-Identifier: MPL-2.0

//! What the CPU computes with: loops over slices, compiled once for each generation of processors and chosen at run time.
//!
//! A plain build runs the widest instructions that the machine has; nothing depends on `target-cpu`.

pub mod activation;
pub mod along;
pub mod attention;
pub mod norm;
pub mod product;
pub mod q8;
pub mod spectrum;
