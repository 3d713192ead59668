// SPDX-License-Identifier: MPL-2.0

//! Elements that answer, between a recogniser's pad and an appsink, or with a mouth behind them.

// Tests speak to the person who runs them.
#![allow(clippy::print_stdout)]

mod conversation;
mod eliza;
mod faults;
mod life;
mod litellm;
mod llm;
mod mouth;
mod rig;
mod server;
