// SPDX-License-Identifier: GPL-3.0-or-later

//! The element `espeaktts`: its wrapper and its registration.

use gst::{glib, prelude::*};

mod imp;

glib::wrapper! {
    /// Speaks text with eSpeak NG.
    pub struct EspeakTts(ObjectSubclass<imp::EspeakTts>) @extends gst::Element, gst::Object;
}

/// Makes `espeaktts` known. Its rank makes it the default among our synthesizers: it works
/// everywhere without a download or a server.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "espeaktts",
        gst::Rank::SECONDARY,
        EspeakTts::static_type(),
    )
}
