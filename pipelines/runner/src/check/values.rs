// SPDX-License-Identifier: MPL-2.0

//! Every value has the type of its property and lies in its range.

use gst::glib;

use super::Context;
use crate::value;
use duplex_yaml::Report;

pub(super) fn check(cx: &Context, report: &mut Report) {
    for property in &cx.properties {
        let (Some(pspec), Some(text)) = (&property.pspec, &property.text) else {
            continue;
        };
        let settable = pspec.flags().contains(glib::ParamFlags::WRITABLE);
        if !settable || property.name.value == "name" || value::takes_element(pspec) {
            continue;
        }
        if text.starts_with("caller.") && crate::graph::Caller::parse(text).is_some() {
            continue;
        }
        if let Err(message) = value::parse(pspec, text) {
            let from = if property.written.value == *text {
                String::new()
            } else {
                format!(" (from `{}`)", property.written.value)
            };
            report.add(
                property.written.at,
                format!("`{}`: {message}{from}", property.name.value),
            );
        }
    }
}
