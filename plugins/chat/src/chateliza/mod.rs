// SPDX-License-Identifier: MPL-2.0

//! The element `chateliza`: its wrapper and its registration.

use gst::{glib, prelude::*};

mod imp;

glib::wrapper! {
    /// A small partner of its own.
    pub struct ChatEliza(ObjectSubclass<imp::ChatEliza>) @extends gst::Element, gst::Object;
}

/// Makes `chateliza` known.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "chateliza",
        gst::Rank::NONE,
        ChatEliza::static_type(),
    )
}
