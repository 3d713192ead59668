// SPDX-License-Identifier: MPL-2.0

//! `duplex serve` as its clients see it: a real process, real sockets.

// Tests speak to the person who runs them.
#![allow(clippy::print_stdout)]

mod abuse;
mod access;
mod conversation;
mod ending;
mod growth;
mod ice;
mod limits;
mod load;
mod logs;
mod old;
mod pages;
