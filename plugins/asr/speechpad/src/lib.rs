// SPDX-License-Identifier: MPL-2.0

//! What every speech-to-text element of gst-duplex does the same way; no GTypes.
//!
//! A GObject type that two plugins register aborts the plugin scanner, so nothing here has a type of its own. Behaviour
//! is plain generic code around [`Core`]; the macro [`speech_to_text_element!`] stamps the GObject class, its ParamSpecs
//! and its pads into a plugin under that plugin's type name. A plugin adds its engine and its own properties through
//! [`Listener`].
//!
//! An element relies on `voice/start-of-speech` and `voice/end-of-speech` of a `vad` upstream, in either of its modes.

mod audio;
mod core;
mod element;
mod events;
mod pads;
mod settings;
mod sink;
mod stats;
mod worker;

pub use self::core::{Core, Host, Listener};
pub use self::element::{change_state, pad_templates};
pub use self::settings::{Settings, properties, property, set_property};

/// For [`speech_to_text_element!`], which must not rely on what its caller has in scope.
#[doc(hidden)]
pub use gst;
