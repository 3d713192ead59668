// SPDX-License-Identifier: MPL-2.0

//! Device sinks inside the mouth while they open their devices.
//!
//! Their base class answers a LATENCY query that comes meanwhile from half-filled fields: with an invalid time and a
//! critical warning (GstAudioBaseSink of GStreamer 1.22). So nobody is let through to one before its pad has caps, and
//! when it has, everybody is told to ask again.

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::{control::Job, imp::TtsSink};

impl TtsSink {
    /// A device sink has come into the bin.
    pub(super) fn watch_device(&self, sink: &gst_audio::AudioBaseSink) {
        let Some(pad) = sink.static_pad("sink") else {
            return;
        };
        let weak = self.obj().downgrade();
        let handler = pad.connect_caps_notify(move |pad| {
            let Some(obj) = weak.upgrade().filter(|_| pad.current_caps().is_some()) else {
                return;
            };
            obj.imp().enqueue(Job::Latency);
            let _ = obj.post_message(gst::message::Latency::builder().src(&obj).build());
        });
        self.chain().devices.push((pad, handler));
    }

    /// Whether a device sink inside has no caps yet.
    pub(super) fn opens_device(&self) -> bool {
        // A bin such as autoaudiosink takes its sink out again.
        let inside = |pad: &gst::Pad| pad.has_as_ancestor(&*self.obj());
        let opens = |pad: &gst::Pad| pad.current_caps().is_none() && inside(pad);
        self.chain().devices.iter().any(|(pad, _)| opens(pad))
    }
}
