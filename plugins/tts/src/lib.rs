// SPDX-License-Identifier: MPL-2.0

//! The mouth: spoken text that falls silent when it is interrupted; and voices that are elsewhere.

// What plugin_define! expands to cannot be documented.
#![allow(missing_docs)]

mod grpctts;
#[doc(hidden)]
pub mod interruption;
#[doc(hidden)]
pub mod playout;
mod remote;
mod sync;
mod ttssink;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    ttssink::register(plugin)?;
    grpctts::register(plugin)
}

gst::plugin_define!(
    duplextts,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);
