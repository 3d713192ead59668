// SPDX-License-Identifier: MPL-2.0

//! The ears: voice activity detection with barge-in signals.

// What plugin_define! expands to cannot be documented.
#![allow(missing_docs)]

pub mod detector;
mod ear;
mod echo;
mod rise;
mod samples;
mod segmenter;
mod settings;
mod sync;
mod vad;
mod vadsrc;
mod voice;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    vad::register(plugin)?;
    vadsrc::register(plugin)
}

gst::plugin_define!(
    duplexvad,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);
