// SPDX-License-Identifier: MPL-2.0

//! The element `cudattsynth`: its wrapper and its registration.

use gst::{glib, prelude::*};

mod imp;

glib::wrapper! {
    /// Speaks text with a neural voice.
    pub struct CudaTtSynth(ObjectSubclass<imp::CudaTtSynth>) @extends gst::Element, gst::Object;
}

/// Makes `cudattsynth` known. It has no rank: it speaks with a model that has to be there.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "cudattsynth",
        gst::Rank::NONE,
        CudaTtSynth::static_type(),
    )
}
