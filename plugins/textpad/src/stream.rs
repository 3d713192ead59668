// SPDX-License-Identifier: MPL-2.0

//! What must stand in a stream around its sound: STREAM_START, CAPS, SEGMENT, GAP.

use gst::prelude::*;

use crate::{
    core::{Core, Speaker},
    src::Output,
};

/// Mono S16LE at a rate, or at any.
pub(crate) fn caps(rate: Option<u32>) -> gst::Caps {
    let builder = gst_audio::AudioCapsBuilder::new_interleaved()
        .format(gst_audio::AudioFormat::S16le)
        .channels(1);
    match rate.and_then(|rate| i32::try_from(rate).ok()) {
        Some(rate) => builder.rate(rate).build(),
        None => builder.build(),
    }
}

/// Caps of the source pad template.
pub(crate) fn template_caps() -> gst::Caps {
    caps(None)
}

impl<S: Speaker> Core<S> {
    pub(crate) fn start_stream(&self, element: &gst::Element, out: &mut Output) {
        if out.stream_started {
            return;
        }
        let id = self.srcpad.create_stream_id(element, Some("speech"));
        let event = gst::event::StreamStart::builder(id.as_str())
            .group_id(out.group.unwrap_or_else(gst::GroupId::next))
            .build();
        self.srcpad.push_event(event);
        out.stream_started = true;
        out.ended = false;
        out.rate = None;
    }

    /// What must have gone out before a GAP or an EOS. False where it cannot.
    pub(crate) fn start_segment(
        &self,
        element: &gst::Element,
        out: &mut Output,
        native: Option<u32>,
    ) -> bool {
        self.start_stream(element, out);
        if out.rate.is_none() {
            let native = native.or_else(|| {
                let request = self.request("");
                self.engine()?.sample_rate(&request).ok()
            });
            let Some(native) = native else {
                return false;
            };
            if self.set_caps(element, out, native).is_err() {
                return false;
            }
        }
        if !out.idle_segment {
            let end = self.state().end;
            self.push_segment(gst::ClockTime::ZERO, end);
            out.idle_segment = true;
        }
        true
    }

    /// Silence from the end of the last sound until a running time, where that is later.
    pub(crate) fn gap(&self, out: &Output, until: gst::ClockTime) {
        let end = self.state().end;
        if until <= end {
            return;
        }
        let gap = gst::event::Gap::builder(gst::ClockTime::ZERO)
            .duration(until - end)
            .build();
        self.srcpad.push_event(gap);
        let mut state = self.state();
        if state.epoch == out.epoch {
            state.end = until;
        }
        drop(state);
        self.push_segment(gst::ClockTime::ZERO, until);
    }

    pub(crate) fn push_segment(&self, position: gst::ClockTime, base: gst::ClockTime) {
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_start(position);
        segment.set_time(position);
        segment.set_position(position);
        segment.set_base(base);
        self.srcpad.push_event(gst::event::Segment::new(&segment));
    }

    /// Pushes CAPS where they are new; the rate that is in force.
    pub(crate) fn set_caps(
        &self,
        element: &gst::Element,
        out: &mut Output,
        native: u32,
    ) -> Result<u32, gst::FlowError> {
        self.srcpad.check_reconfigure();
        let rate = self.choose_rate(element, native)?;
        if out.rate != Some(rate) {
            self.srcpad
                .push_event(gst::event::Caps::new(&caps(Some(rate))));
            out.rate = Some(rate);
        }
        Ok(rate)
    }

    /// The engine's own rate where downstream takes it, else the nearest that it takes.
    pub(crate) fn choose_rate(
        &self,
        element: &gst::Element,
        native: u32,
    ) -> Result<u32, gst::FlowError> {
        let ours = caps(None);
        let theirs = self.srcpad.peer_query_caps(Some(&ours));
        if theirs.can_intersect(&caps(Some(native))) {
            return Ok(native);
        }
        let mut common = theirs.intersect(&ours);
        if common.is_empty() {
            gst::error!(self.cat, obj = element, "nothing in common with {theirs}");
            return Err(gst::FlowError::NotNegotiated);
        }
        common.truncate();
        if let Some(common) = common.make_mut().structure_mut(0)
            && let Ok(native) = i32::try_from(native)
        {
            common.fixate_field_nearest_int("rate", native);
        }
        common
            .structure(0)
            .and_then(|common| common.get::<i32>("rate").ok())
            .and_then(|rate| u32::try_from(rate).ok())
            .ok_or(gst::FlowError::NotNegotiated)
    }
}
