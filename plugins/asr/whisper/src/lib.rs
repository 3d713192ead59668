// SPDX-License-Identifier: MPL-2.0

//! Speech recognition turn by turn, by whisper.cpp, with a model of yours.

// What plugin_define! expands to cannot be documented.
#![allow(missing_docs)]

mod whisper;
mod whisperasr;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    whisperasr::register(plugin)
}

gst::plugin_define!(
    duplexwhisper,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);
