// SPDX-License-Identifier: MPL-2.0

//! The element `grpctts`: its wrapper and its registration.

use gst::{glib, prelude::*};

mod imp;

glib::wrapper! {
    /// Speaks text with the voices of a worker.
    pub struct GrpcTts(ObjectSubclass<imp::GrpcTts>) @extends gst::Element, gst::Object;
}

/// Makes `grpctts` known. Nobody gets it who does not ask for it: it needs a worker.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "grpctts",
        gst::Rank::NONE,
        GrpcTts::static_type(),
    )
}
