// SPDX-License-Identifier: MPL-2.0

//! A property that takes an element holds a bin in gst-launch-1.0's language that can be made.

use std::collections::BTreeSet;

use gst::glib;

use super::{Context, factories};
use crate::inspect::{Inspected, Missing};
use duplex_yaml::Report;

pub(super) fn check(cx: &Context, report: &mut Report) {
    for property in &cx.properties {
        let Some(text) = property.bin() else { continue };
        let at = |part: &str| cx.loaded.source.within(property.written.at, part);
        if text.trim().is_empty() {
            report.add(
                property.written.at,
                format!(
                    "`{}` takes an element, such as `fakesink`, not nothing",
                    property.name.value
                ),
            );
            continue;
        }
        let mut context = gst::ParseContext::new();
        let made = make_with(text, Some(&mut context));
        let missing: BTreeSet<(Missing, String)> = context
            .missing_elements()
            .into_iter()
            .map(|name| name.to_string())
            // An element whose properties are wrong counts as missing there, too.
            .filter_map(|name| Some((Inspected::find(&name).err()?, name)))
            .collect();
        for (why, name) in &missing {
            report.add(at(name), factories::sentence(name, *why));
        }
        if let (Err(err), true) = (made, missing.is_empty()) {
            report.add(
                property.written.at,
                format!("`{}`: {}", property.name.value, err.message().trim_end()),
            );
        }
    }
}

/// Makes the element of a property from its text; a single element comes without a bin around it.
pub(crate) fn make(text: &str) -> Result<gst::Element, glib::Error> {
    make_with(text, None)
}

fn make_with(
    text: &str,
    context: Option<&mut gst::ParseContext>,
) -> Result<gst::Element, glib::Error> {
    gst::parse::bin_from_description_with_name_full(
        text,
        true,
        "",
        context,
        gst::ParseFlags::FATAL_ERRORS
            | gst::ParseFlags::NO_SINGLE_ELEMENT_BINS
            | gst::ParseFlags::PLACE_IN_BIN,
    )
}
