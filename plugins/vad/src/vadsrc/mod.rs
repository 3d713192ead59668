// SPDX-License-Identifier: MPL-2.0
//! The element `vadsrc`.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

mod chain;
mod imp;
mod intake;

/// When `vadsrc` releases its source's audio on the pipeline clock.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstDuplexVadPace")]
pub enum Pace {
    /// A source that is not live (a file) is paced, a live one is not.
    #[default]
    #[enum_value(name = "Pace what is not live, such as files", nick = "auto")]
    Auto,
    /// Any source is paced.
    #[enum_value(name = "Always: release 10 ms when they have passed", nick = "always")]
    Always,
    /// No source is paced.
    #[enum_value(name = "Never: as fast as the source delivers", nick = "never")]
    Never,
}

glib::wrapper! {
    /// An audio source that finds speech in what it hears.
    pub struct VadSrc(ObjectSubclass<imp::VadSrc>) @extends gst::Bin, gst::Element, gst::Object;
}

impl crate::voice::Ear for VadSrc {
    fn far_end(&self, report: &gst::StructureRef) {
        self.imp()
            .catch_panic(|| (), |vadsrc| vadsrc.far_end(report));
    }
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "vadsrc",
        gst::Rank::NONE,
        VadSrc::static_type(),
    )
}
