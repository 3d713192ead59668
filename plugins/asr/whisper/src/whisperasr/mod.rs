// SPDX-License-Identifier: MPL-2.0

//! The element `whisperasr`: its wrapper and its registration.

use gst::{glib, prelude::*};

mod imp;

glib::wrapper! {
    /// Recognises speech with whisper.cpp.
    pub struct WhisperAsr(ObjectSubclass<imp::WhisperAsr>) @extends gst::Element, gst::Object;
}

/// Makes `whisperasr` known.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "whisperasr",
        // It needs a model: nobody is to get it without asking.
        gst::Rank::NONE,
        WhisperAsr::static_type(),
    )
}
