// SPDX-License-Identifier: MPL-2.0

//! Published models on this machine: fetched when a user asks for it, and never otherwise.
//!
//! Files come from a hub ([`Server`]) and go into the cache that huggingface_hub keeps, where `cudattsynth` and Python find
//! them. A file is written beside its place, hashed as it comes, and moved there once its hash is the published one; what a
//! broken connection leaves is gone on with.

mod download;
mod error;
mod fetch;
mod server;
mod watcher;

pub use error::Error;
pub use fetch::{Fetch, Plan, Wanted};
pub use server::{Published, Server};
pub use watcher::Watcher;
