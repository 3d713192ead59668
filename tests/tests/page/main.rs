// SPDX-License-Identifier: MPL-2.0

//! The page in a real browser, against a real server.

#![allow(clippy::print_stdout)] // a test tells what it skips

mod growth;
mod ice;
mod jitter;
mod talk;
mod ways;
