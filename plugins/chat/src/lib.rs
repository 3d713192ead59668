// SPDX-License-Identifier: MPL-2.0

//! Elements that answer: text in, text out, turn by turn.

// What plugin_define! expands to cannot be documented.
#![allow(missing_docs)]

mod chateliza;
mod chatllm;
mod core;
mod element;
mod events;
mod intake;
mod llm;
mod settings;
mod task;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    chateliza::register(plugin)?;
    chatllm::register(plugin)
}

gst::plugin_define!(
    duplexchat,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);
