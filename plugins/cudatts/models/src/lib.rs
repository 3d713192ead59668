// SPDX-License-Identifier: MPL-2.0

//! Models that are published: their names, how each is built, and where its files lie.
//!
//! [`COMPACT`] is built in. A [`Catalogue`] knows the others. Files lie in the cache that huggingface_hub keeps, so that what Python has fetched is found
//! here, and what is fetched here Python finds: [`Cache`]. Nothing of this opens the network; `duplex model fetch` does, and
//! puts what it got where a `Cache` says.
//!
//! ```
//! use duplex_models::{Cache, Catalogue};
//!
//! let catalogue = Catalogue::published();
//! let model = catalogue.model("english").unwrap();
//! assert_eq!((model.language.as_str(), model.voice.as_str()), ("en", "alba"));
//! let cache = Cache::new("/nowhere");
//! assert!(model.here(&cache).missing().contains(&"weights"));
//! ```

mod built_in;
mod cache;
mod catalogue;
mod configuration;
mod digest;
mod here;
mod place;

pub use built_in::{BuiltIn, COMPACT};
pub use cache::{Cache, Hub};
pub use catalogue::{Catalogue, Model, VARIABLE};
pub use digest::Digest;
pub use here::{Fault, Here};
pub use place::Place;
