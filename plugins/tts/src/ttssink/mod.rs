// SPDX-License-Identifier: MPL-2.0

//! `ttssink`: text in, speech out, silent when somebody speaks.

mod chain;
mod control;
mod device;
mod ears;
mod imp;
mod settings;
mod textqueue;

use gst::{glib, prelude::*};

/// What an ear may do to speech.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstDuplexTtsInterruption")]
#[non_exhaustive]
pub enum Interruption {
    /// Ears are ignored.
    #[enum_value(name = "None: ears are ignored", nick = "none")]
    None,
    /// Pause at the onset of speech, drop the text once it has held for commit-duration.
    #[default]
    #[enum_value(
        name = "Pause at the onset, interrupt after commit-duration, resume if it was no speech",
        nick = "pause-then-commit"
    )]
    PauseThenCommit,
    /// Drop the text at the onset.
    #[enum_value(name = "Interrupt at the onset", nick = "immediate")]
    Immediate,
}

/// What becomes of the rest of an interrupted text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstDuplexTtsAfterInterruption")]
#[non_exhaustive]
pub enum AfterInterruption {
    /// The rest is never spoken, also what arrives later.
    #[default]
    #[enum_value(
        name = "Discard the rest of the interrupted utterance, up to its end",
        nick = "discard"
    )]
    Discard,
    /// The rest is spoken as a new utterance.
    #[enum_value(
        name = "Speak what the synthesizer was not given yet as a new utterance",
        nick = "continue"
    )]
    Continue,
}

glib::wrapper! {
    /// The element `ttssink`.
    pub struct TtsSink(ObjectSubclass<imp::TtsSink>) @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

/// Registers the element with the plugin.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Interruption::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    AfterInterruption::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(
        Some(plugin),
        "ttssink",
        gst::Rank::NONE,
        TtsSink::static_type(),
    )
}
