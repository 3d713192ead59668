// SPDX-License-Identifier: MPL-2.0

//! Ids of elements and names of parameters are well formed, and `caller` is nobody's.

use super::Context;
use duplex_yaml::Report;
use duplex_yaml::interpolate::well_formed;

pub(super) fn check(cx: &Context, report: &mut Report) {
    let description = &cx.loaded.description;
    for (id, _) in &description.elements {
        if id.value == "caller" {
            report.add(
                id.at,
                "no element can be called `caller`: `caller.audio` and `caller.text` are what the runner supplies",
            );
        } else if !well_formed(id) {
            report.add(
                id.at,
                format!(
                    "`{}` cannot be an id: a small letter first, then small letters, digits, `-` and `_`",
                    id.value
                ),
            );
        }
    }
    for (name, _) in &description.parameters {
        if !well_formed(name) {
            report.add(
                name.at,
                format!(
                    "`{}` cannot be the name of a parameter: a small letter first, then small letters, digits, `-` and `_`",
                    name.value
                ),
            );
        }
    }
}
