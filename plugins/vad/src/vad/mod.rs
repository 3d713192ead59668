// SPDX-License-Identifier: MPL-2.0
//! The element `vad`.

use gst::glib;
use gst::prelude::*;

mod gate;
mod imp;
mod reference;
mod stream;

glib::wrapper! {
    /// Finds speech in the audio that passes.
    pub struct Vad(ObjectSubclass<imp::Vad>) @extends gst::Element, gst::Object;
}

impl crate::voice::Ear for Vad {
    fn far_end(&self, report: &gst::StructureRef) {
        use gst::subclass::prelude::*;
        self.imp().catch_panic(|| (), |vad| vad.far_end(report));
    }
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "vad", gst::Rank::NONE, Vad::static_type())
}
