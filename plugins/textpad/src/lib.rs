// SPDX-License-Identifier: MPL-2.0

//! What every text-to-audio element of gst-duplex does the same way; no GTypes.
//!
//! A GObject type that two plugins register aborts the plugin scanner, so nothing here has a type
//! of its own. Behaviour is plain generic code around [`Core`]; the macro
//! [`text_to_audio_element!`] stamps the GObject class, its ParamSpecs and its pads into a plugin
//! under that plugin's type name. A plugin adds its engine and its own properties through
//! [`Speaker`].
//!
//! [`events`] names, builds and reads the `voice/*` events. [`Utf8Decoder`] and [`SentenceEnd`] read text that streams in.

pub mod events;

mod core;
mod element;
mod feed;
mod loading;
mod markup;
mod pads;
mod resample;
mod sentence;
mod settings;
mod sink;
mod src;
mod stats;
mod stream;
mod utf8;

pub use self::core::{Core, Host, Speaker};
pub use self::element::{change_state, pad_templates};
pub use self::loading::Loading;
pub use self::sentence::SentenceEnd;
pub use self::settings::{Settings, properties, property, set_property};
pub use self::utf8::Utf8Decoder;

/// For [`text_to_audio_element!`], which must not rely on what its caller has in scope.
#[doc(hidden)]
pub use gst;
