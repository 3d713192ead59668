// SPDX-License-Identifier: MPL-2.0

//! The element `cudattsynth`: its wrapper and its registration.

use duplex_neural::device::Wish;
use gst::{glib, prelude::*};

mod imp;

/// Where a model is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstDuplexCudaTtSynthDevice")]
pub enum Device {
    /// A card where there is one that can.
    #[default]
    #[enum_value(
        name = "A card where one can be used, otherwise the CPU",
        nick = "auto"
    )]
    Auto,
    /// A card, or an error.
    #[enum_value(name = "An NVIDIA card", nick = "cuda")]
    Cuda,
    /// No card.
    #[enum_value(name = "The CPU", nick = "cpu")]
    Cpu,
}

impl From<Device> for Wish {
    fn from(device: Device) -> Self {
        match device {
            Device::Auto => Self::Auto,
            Device::Cuda => Self::Cuda,
            Device::Cpu => Self::Cpu,
        }
    }
}

/// Numbers of the large matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstDuplexCudaTtSynthQuantization")]
pub enum Quantization {
    /// What the device is best with.
    #[default]
    #[enum_value(name = "What the device is best with: q8_0 or bf16", nick = "auto")]
    Auto,
    /// As they were trained.
    #[enum_value(name = "32 bits, as they were trained", nick = "none")]
    None,
    /// Blocks of 32 numbers of 8 bits with a scale.
    #[enum_value(
        name = "8 bits on the CPU: a quarter of the memory, three times the speed",
        nick = "q8_0"
    )]
    Q8,
    /// bfloat16.
    #[enum_value(name = "16 bits (bfloat16) on a card", nick = "bf16")]
    Bf16,
}

impl From<Quantization> for duplex_neural::Quantization {
    fn from(quantization: Quantization) -> Self {
        match quantization {
            Quantization::Auto => Self::Auto,
            Quantization::None => Self::None,
            Quantization::Q8 => Self::Q8,
            Quantization::Bf16 => Self::Bf16,
        }
    }
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
