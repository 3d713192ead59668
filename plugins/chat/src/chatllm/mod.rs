// SPDX-License-Identifier: MPL-2.0

//! The element `chatllm`: its wrapper and its registration.

use gst::{glib, prelude::*};

mod imp;
mod settings;

glib::wrapper! {
    /// A model behind an endpoint.
    pub struct ChatLlm(ObjectSubclass<imp::ChatLlm>) @extends gst::Element, gst::Object;
}

/// Makes `chatllm` known.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "chatllm",
        gst::Rank::NONE,
        ChatLlm::static_type(),
    )
}
