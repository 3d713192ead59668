// SPDX-License-Identifier: MPL-2.0

//! Neural speech from text in process, many speakers in one batch.
//!
//! As a plugin (`libgstduplexcuda.so`) it is found on GStreamer's plugin path. A program may link it instead: depend on this
//! crate with the feature `static` and, after `gst::init()`, call `gstduplexcuda::plugin_register_static()`. From C, build the
//! crate as a static library (`cargo rustc -p gst-plugin-duplexcuda --features static --crate-type staticlib`) and use
//! `GST_PLUGIN_STATIC_DECLARE(duplexcuda)` and `GST_PLUGIN_STATIC_REGISTER(duplexcuda)`.

// What plugin_define! expands to cannot be documented.
#![allow(missing_docs)]

mod cudattsynth;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    cudattsynth::register(plugin)
}

gst::plugin_define!(
    duplexcuda,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);
