// SPDX-License-Identifier: MPL-2.0

//! The playout element on real clocks, on test clocks and under threads that meet at bad moments.

mod clocked;
mod element;
mod rig;
mod storm;
