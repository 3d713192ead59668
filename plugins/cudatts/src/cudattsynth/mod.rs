// SPDX-License-Identifier: MPL-2.0

//! The element `cudattsynth`: its wrapper and its registration.

use gst::{glib, prelude::*};

mod imp;

/// Numbers of the large matrices on the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstDuplexCudaTtSynthQuantization")]
pub enum Quantization {
    /// As they were trained.
    #[enum_value(name = "32 bits, as they were trained", nick = "none")]
    None,
    /// Blocks of 32 numbers of 8 bits with a scale.
    #[default]
    #[enum_value(
        name = "8 bits: a quarter of the memory, three times the speed",
        nick = "q8_0"
    )]
    Q8,
}

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
