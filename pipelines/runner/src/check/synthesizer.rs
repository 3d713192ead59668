// SPDX-License-Identifier: MPL-2.0

//! A property that ttssink hands on to its synthesizer exists there.

use super::Context;
use crate::inspect::Inspected;
use duplex_yaml::{Report, nearest};

/// What ttssink hands on.
const HANDED_ON: [&str; 3] = ["voice", "language", "rate"];

pub(super) fn check(cx: &Context, report: &mut Report) {
    for (id, element) in &cx.loaded.description.elements {
        if element.factory.value != "ttssink" {
            continue;
        }
        let Some(bin) = cx
            .property(id, "synthesizer")
            .and_then(|property| property.bin())
        else {
            continue;
        };
        // A bin of several elements has no such properties of its own; only a single one can be asked.
        let Some(name) = bin.split_whitespace().next() else {
            continue;
        };
        if bin.contains(" ! ") {
            continue;
        }
        let Ok(synthesizer) = Inspected::find(name) else {
            continue;
        };
        for property in cx.properties.iter().filter(|p| p.id.value == id.value) {
            if !HANDED_ON.contains(&property.name.as_str())
                || synthesizer.property(property.name).is_some()
            {
                continue;
            }
            let known = synthesizer.properties();
            report.add(
                property.name.at,
                format!(
                    "the synthesizer of `{}`, `{name}`, has no property `{}`{}",
                    id.value,
                    property.name.value,
                    nearest(property.name, known.iter().map(|pspec| pspec.name()))
                ),
            );
        }
    }
}
