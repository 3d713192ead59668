// SPDX-License-Identifier: MPL-2.0

//! `ttssink` from outside: what goes in as text comes out as sound and messages, whatever happens between.

// Tests speak to the person who runs them.
#![allow(clippy::print_stdout)]

#[path = "mouth/clock.rs"]
mod clock;
#[path = "mouth/line.rs"]
mod line;

#[path = "mouth/compact.rs"]
mod compact;
#[path = "mouth/ears.rs"]
mod ears;
#[path = "mouth/faults.rs"]
mod faults;
#[path = "mouth/heard.rs"]
mod heard;
#[path = "mouth/neural.rs"]
mod neural;
#[path = "mouth/storm.rs"]
mod storm;
#[path = "mouth/text.rs"]
mod text;
