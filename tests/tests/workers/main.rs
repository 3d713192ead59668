// SPDX-License-Identifier: MPL-2.0

//! Workers in processes of their own, and who talks to them: old clients, broken ones, `grpctts`.

// Tests speak to the person who runs them.
#![allow(clippy::print_stdout)]

mod abuse;
mod addresses;
mod compat;
mod death;
mod fields;
mod http2;
mod many;
mod old;
mod remote;
