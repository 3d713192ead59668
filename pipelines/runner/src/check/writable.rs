// SPDX-License-Identifier: MPL-2.0

//! Every property can be set, and the name of an element is its id.

use gst::glib;

use super::Context;
use duplex_yaml::Report;

pub(super) fn check(cx: &Context, report: &mut Report) {
    for property in &cx.properties {
        if property.name.value == "name" {
            report.add(
                property.name.at,
                format!(
                    "the name of an element is its id, here `{}`; remove `name`",
                    property.id.value
                ),
            );
        } else if let Some(pspec) = &property.pspec
            && !pspec.flags().contains(glib::ParamFlags::WRITABLE)
        {
            report.add(
                property.name.at,
                format!("`{}` can only be read, not set", property.name.value),
            );
        }
    }
}
