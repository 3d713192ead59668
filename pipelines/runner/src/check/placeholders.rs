// SPDX-License-Identifier: MPL-2.0

//! `caller.audio` stands where a source or a sink of sound is expected, and every `caller.…` exists.

use super::Context;
use crate::graph::Caller;
use crate::value;
use duplex_yaml::{Report, nearest};

const NAMES: [&str; 2] = ["caller.audio", "caller.text"];

/// Which way the sound of a placeholder goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the caller.
    Source,
    /// To the caller.
    Sink,
}

/// The way of a property, by its name.
pub(crate) fn way(property: &str) -> Option<Way> {
    if property.ends_with("source") || property.ends_with("src") {
        Some(Way::Source)
    } else if property.ends_with("sink") {
        Some(Way::Sink)
    } else {
        None
    }
}

pub(super) fn check(cx: &Context, report: &mut Report) {
    for property in &cx.properties {
        let (Some(pspec), Some(text)) = (&property.pspec, &property.text) else {
            continue;
        };
        let at = property.written.at;
        if !value::takes_element(pspec) {
            if Caller::parse(text).is_some() {
                report.add(
                    at,
                    format!(
                        "`{text}` is an element, which `{}` does not take",
                        property.name.value
                    ),
                );
            }
            continue;
        }
        if !text.starts_with("caller.") {
            continue;
        }
        match Caller::parse(text) {
            None => report.add(
                at,
                format!(
                    "there is no `{text}`; the runner supplies {}{}",
                    NAMES.join(" and "),
                    nearest(text, NAMES)
                ),
            ),
            Some(Caller::Text) => report.add(
                at,
                format!(
                    "`caller.text` cannot be a property; it stands in a chain: `caller.text -> {}`",
                    property.id.value
                ),
            ),
            Some(Caller::Audio) if way(property.name).is_none() => report.add(
                at,
                format!(
                    "`{}` is neither a source nor a sink, so `caller.audio` cannot stand here",
                    property.name.value
                ),
            ),
            Some(Caller::Audio) => {}
        }
    }
}
