// SPDX-License-Identifier: GPL-3.0-or-later

//! Speech from text by eSpeak NG, in process and without a download.
//!
//! As a plugin (`libgstduplexespeak.so`) it is found on GStreamer's plugin path. A program may link
//! it instead: depend on this crate with the feature `static` and, after `gst::init()`, call
//! `gstduplexespeak::plugin_register_static()`. From C, build the crate as a static library
//! (`cargo rustc -p gst-plugin-duplexespeak --features static --crate-type staticlib`) and use
//! `GST_PLUGIN_STATIC_DECLARE(duplexespeak)` and `GST_PLUGIN_STATIC_REGISTER(duplexespeak)`.
//!
//! eSpeak NG is GPL-3.0-or-later, and so is what links this.

// What plugin_define! expands to cannot be documented.
#![allow(missing_docs)]

mod espeaktts;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    espeaktts::register(plugin)
}

gst::plugin_define!(
    duplexespeak,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "GPL",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);
