// SPDX-License-Identifier: MPL-2.0

//! `interrupted-by` names an element of the description that hears speech.

use gst::prelude::*;

use super::Context;
use duplex_yaml::{Report, nearest};

pub(super) fn check(cx: &Context, report: &mut Report) {
    let ids = || {
        cx.loaded
            .description
            .elements
            .iter()
            .map(|(id, _)| id.as_str())
    };
    for property in &cx.properties {
        if property.name.value != "interrupted-by" || property.pspec.is_none() {
            continue;
        }
        let Some(text) = property.text.as_deref() else {
            continue;
        };
        // `bin/ears` goes inside an element; only its first part can be checked here.
        let (first, inside) = match text.split_once('/') {
            Some((first, _)) => (first, true),
            None => (text, false),
        };
        if first.is_empty() {
            continue;
        }
        // An ear that comes later, when somebody adds it to the running pipeline.
        let optional = cx
            .property(property.id, "interrupted-by-optional")
            .and_then(|property| property.text.as_deref())
            .is_some_and(|text| text == "true");
        if cx.element(first).is_none() && optional {
            continue;
        }
        if cx.element(first).is_none() {
            report.add(
                property.written.at,
                format!(
                    "`interrupted-by`: there is no element `{first}`{}",
                    nearest(first, ids())
                ),
            );
        } else if first == property.id.value {
            report.add(
                property.written.at,
                format!("`interrupted-by`: `{first}` cannot be interrupted by itself"),
            );
        } else if let Some(factory) = cx.factories.get(first)
            && !inside
            && !factory.has_signal("speech-started")
        {
            report.add(
                property.written.at,
                format!(
                    "`interrupted-by`: `{first}` ({}) does not hear speech; name a vadsrc or a vad",
                    factory.factory.name()
                ),
            );
        }
    }
}
