// SPDX-License-Identifier: MPL-2.0

//! The command `duplex-worker` as its users meet it: its configuration, its certificates, its end.

mod broken;
mod config;
mod ending;
mod logs;
mod rig;
mod secure;
