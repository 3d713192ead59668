// SPDX-License-Identifier: MPL-2.0

//! A property that ttssink hands on to its synthesizer exists there.

use gst::prelude::*;

use super::{Context, bins};
use duplex_yaml::{Report, nearest};

/// What ttssink hands on.
const HANDED_ON: [&str; 3] = ["voice", "language", "rate"];

pub(super) fn check(cx: &Context, report: &mut Report) {
    for (id, element) in &cx.loaded.description.elements {
        if element.factory.value != "ttssink" {
            continue;
        }
        let (name, synthesizer) = match cx.property(id, "synthesizer") {
            // What is wrong with the bin itself was reported.
            Some(property) => match property.bin().map(|bin| (bin, bins::make(bin))) {
                Some((bin, Ok(synthesizer))) => (name(bin, &synthesizer), synthesizer),
                _ => continue,
            },
            None => match default() {
                Some(synthesizer) => (name("", &synthesizer), synthesizer),
                None => continue,
            },
        };
        for property in cx.properties.iter().filter(|p| p.id.value == id.value) {
            if !HANDED_ON.contains(&property.name.as_str())
                || has_property(&synthesizer, property.name)
            {
                continue;
            }
            let known = synthesizer.list_properties();
            let near = if synthesizer.type_() == gst::Bin::static_type() {
                String::new()
            } else {
                nearest(property.name, known.iter().map(|pspec| pspec.name()))
            };
            report.add(
                property.name.at,
                format!(
                    "the synthesizer of `{}`, `{name}`, has no property `{}`{near}",
                    id.value, property.name.value,
                ),
            );
        }
    }
}

/// The factory of a single element, the text of a bin of several.
fn name(bin: &str, element: &gst::Element) -> String {
    match element.factory() {
        Some(factory) if element.type_() != gst::Bin::static_type() => factory.name().to_string(),
        _ => bin.trim().to_string(),
    }
}

/// What ttssink takes where nothing was chosen: the installed synthesizer of the highest rank, by name among equals.
fn default() -> Option<gst::Element> {
    let mut factories: Vec<gst::ElementFactory> = gst::Registry::get()
        .features(gst::ElementFactory::static_type())
        .into_iter()
        .filter_map(|feature| feature.downcast::<gst::ElementFactory>().ok())
        .filter(|factory| {
            let klass = factory.metadata("klass").unwrap_or_default();
            let has = |part: &str| klass.split('/').any(|one| one == part);
            factory.rank() > gst::Rank::NONE && has("Synthesizer") && has("Audio") && has("Text")
        })
        .collect();
    factories.sort_by_key(|factory| (std::cmp::Reverse(factory.rank()), factory.name()));
    factories
        .iter()
        .find_map(|factory| factory.create().build().ok())
}

/// Whether the synthesizer has it, or one within it where it is a bin: ttssink looks no further either.
fn has_property(element: &gst::Element, name: &str) -> bool {
    if element.find_property(name).is_some() {
        return true;
    }
    let children = element.downcast_ref::<gst::Bin>().map(|bin| bin.children());
    children.into_iter().flatten().any(|child| {
        let klass = child.metadata("klass").unwrap_or_default();
        (child.is::<gst::Bin>() || klass.split('/').any(|part| part == "Synthesizer"))
            && has_property(&child, name)
    })
}
