// SPDX-License-Identifier: MPL-2.0

//! Neural voices in process.

pub mod family;
