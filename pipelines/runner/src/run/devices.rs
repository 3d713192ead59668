// SPDX-License-Identifier: MPL-2.0

//! Whether auto* elements found a device: without one they choose an element that merely pretends to be one.

use gst::prelude::*;

/// What to say when there is no way to hear or to be heard.
pub const NO_DEVICE: &str =
    "no sound device: start PulseAudio or PipeWire, or run it with --quiet (and --caller FILE.wav)";

/// Looks at what the auto* elements of the pipeline, which is in READY at least, have chosen.
pub fn missing(pipeline: &gst::Pipeline) -> Option<&'static str> {
    let elements = pipeline.iterate_recurse();
    elements.into_iter().flatten().find_map(|element| {
        let factory = element.factory()?.name();
        if factory != "autoaudiosink" && factory != "autoaudiosrc" {
            return None;
        }
        let bin = element.downcast::<gst::Bin>().ok()?;
        let chosen = bin.children().first()?.factory()?.name();
        [
            "fakesink",
            "fakesrc",
            "fakeaudiosink",
            "audiotestsrc",
            "openalsrc",
        ]
        .contains(&chosen.as_str())
        .then_some(NO_DEVICE)
    })
}
