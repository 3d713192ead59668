// SPDX-License-Identifier: MPL-2.0

//! Every property exists.

use gst::prelude::*;

use super::Context;
use duplex_yaml::{Report, nearest};

pub(super) fn check(cx: &Context, report: &mut Report) {
    for property in &cx.properties {
        let Some(factory) = cx.factories.get(property.id.as_str()) else {
            continue;
        };
        if property.pspec.is_some() {
            continue;
        }
        if property.name.value == "name" {
            continue;
        }
        let known = factory.properties();
        let dashed = property.name.replace('_', "-");
        let near = if known.iter().any(|pspec| pspec.name() == dashed) {
            format!("; did you mean `{dashed}`?")
        } else {
            nearest(property.name, known.iter().map(|pspec| pspec.name()))
        };
        report.add(
            property.name.at,
            format!(
                "`{}` has no property `{}`{near}",
                factory.factory.name(),
                property.name.value
            ),
        );
    }
}
