// SPDX-License-Identifier: MPL-2.0

//! The element `sphinxasr`: its wrapper and its registration.

use gst::{glib, prelude::*};

mod imp;

glib::wrapper! {
    /// Recognises speech with PocketSphinx.
    pub struct SphinxAsr(ObjectSubclass<imp::SphinxAsr>) @extends gst::Element, gst::Object;
}

/// Makes `sphinxasr` known.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "sphinxasr",
        gst::Rank::SECONDARY,
        SphinxAsr::static_type(),
    )
}
