// SPDX-License-Identifier: MPL-2.0

//! How a pipeline ends: with EOS, or with an ERROR that says something.

use gst::prelude::*;

/// Waits for EOS; an ERROR before it fails the test.
#[track_caller]
pub fn expect_eos(pipeline: &gst::Pipeline) {
    let message = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(20),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        )
        .expect("an end within 20 s");
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
}

/// Waits for an ERROR whose sentence holds these words.
#[track_caller]
pub fn expect_error(bus: &gst::Bus, words: &str) {
    let message = bus
        .timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Error])
        .expect("an ERROR within 10 s");
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!("filtered");
    };
    assert!(error.error().to_string().contains(words), "{error:?}");
}
