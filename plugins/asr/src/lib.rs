// SPDX-License-Identifier: MPL-2.0

//! Speech recognition turn by turn, by PocketSphinx, in process and without a download.

// What plugin_define! expands to cannot be documented.
#![allow(missing_docs)]

mod sphinx;
mod sphinxasr;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    sphinxasr::register(plugin)
}

gst::plugin_define!(
    duplexasr,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);
