// SPDX-License-Identifier: MPL-2.0

//! Where in a pipeline the caller's sound comes in and what is heard goes out.

use gst::prelude::*;

use crate::run::bindings::LocalBindings;

/// The pad by which sound goes to the caller: the innermost sink of what was bound, else that of the mouth.
pub fn heard(pipeline: &gst::Pipeline, bindings: &LocalBindings) -> Option<gst::Pad> {
    let mut roots = bindings.sinks.clone();
    roots.extend(of_factory(pipeline, "ttssink"));
    roots.iter().find_map(innermost_sink)
}

/// The pad by which the caller's sound comes in: that of the ear, else that of what was bound.
pub fn caller(pipeline: &gst::Pipeline, bindings: &LocalBindings) -> Option<gst::Pad> {
    if let Some(pad) = bindings.feeders.first().and_then(|feeder| feeder.pad()) {
        return Some(pad);
    }
    of_factory(pipeline, "vadsrc")
        .into_iter()
        .chain(of_factory(pipeline, "vad"))
        .chain(bindings.sources.first().cloned())
        .find_map(|element| element.static_pad("src"))
}

fn of_factory(pipeline: &gst::Pipeline, name: &str) -> Vec<gst::Element> {
    let elements = pipeline.iterate_recurse();
    elements
        .into_iter()
        .flatten()
        .filter(|element| {
            element
                .factory()
                .is_some_and(|factory| factory.name() == name)
        })
        .collect()
}

fn innermost_sink(element: &gst::Element) -> Option<gst::Pad> {
    let Some(bin) = element.downcast_ref::<gst::Bin>() else {
        return element.static_pad("sink");
    };
    // Files and such beside the speakers are sinks as well; any of them gets the same sound.
    bin.iterate_sinks()
        .into_iter()
        .flatten()
        .find_map(|sink| innermost_sink(&sink))
        .or_else(|| element.static_pad("sink"))
}
