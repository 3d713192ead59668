// SPDX-License-Identifier: MPL-2.0
//! The silence between callers, from a task on the source pad.

use std::sync::atomic::Ordering;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::imp::{CAT, Intake, LATE};
use crate::segmenter::MS;
use crate::sync::lock;

/// Silence between callers is sent in pieces of this length.
pub(super) const SILENCE: u64 = 20 * MS;

impl Intake {
    pub(super) fn start_filler(&self) {
        if !self.callers() || lock(&self.state).caller {
            return;
        }
        if self.filling.swap(true, Ordering::SeqCst) {
            return;
        }
        self.filler.set_flushing(false);
        let this = self.downgrade();
        let started = self.srcpad.start_task(move || {
            if let Some(this) = this.upgrade() {
                this.fill();
            }
        });
        if started.is_err() {
            self.filling.store(false, Ordering::SeqCst);
            gst::error!(CAT, imp = self, "No silence: the task does not start");
        }
    }

    /// Afterwards the filler does not push.
    pub(super) fn stop_filler(&self) {
        if self.filling.swap(false, Ordering::SeqCst) {
            self.filler.set_flushing(true);
            // Waits for the round in progress.
            let _ = self.srcpad.pause_task();
        }
    }

    fn fill(&self) {
        if self.fill_once().is_err() {
            // Waits for a restart, or for the element's end.
            self.filling.store(false, Ordering::SeqCst);
            let _ = self.srcpad.pause_task();
        }
    }

    fn fill_once(&self) -> Result<(), gst::FlowError> {
        let now = self.filler.playing()?.now();
        let info = self.greet()?;
        let start = {
            let mut state = lock(&self.state);
            if state.silence + LATE < now {
                state.silence = now;
            }
            let start = state.silence;
            state.silence += SILENCE;
            start
        };
        self.filler.until(start + SILENCE)?;
        let frames = u64::from(info.rate()) * SILENCE / (1000 * MS);
        let mut data = vec![0u8; frames as usize * info.bpf() as usize];
        info.format_info().fill_silence(&mut data);
        let mut buffer = gst::Buffer::from_mut_slice(data);
        {
            let buffer = buffer.make_mut();
            buffer.set_pts(gst::ClockTime::from_nseconds(start));
            buffer.set_duration(gst::ClockTime::from_nseconds(SILENCE));
            buffer.set_flags(gst::BufferFlags::GAP);
        }
        self.srcpad.push(buffer).map(|_| ())
    }

    /// Sends what must precede silence, and says in which format it is.
    fn greet(&self) -> Result<gst_audio::AudioInfo, gst::FlowError> {
        if !std::mem::replace(&mut lock(&self.state).stream_started, true) {
            let id = self.srcpad.create_stream_id(&*self.obj(), Some("callers"));
            let event = gst::event::StreamStart::builder(id.as_str())
                .group_id(gst::GroupId::next())
                .build();
            self.srcpad.push_event(event);
        }
        let current = self.srcpad.current_caps();
        let caps = current.clone().or_else(|| {
            // 48 kHz mono where downstream has no other wish.
            let mut caps = self.srcpad.allowed_caps()?;
            if caps.is_any() || caps.is_empty() {
                caps = crate::samples::template_caps();
            }
            caps.truncate();
            let s = caps.make_mut().structure_mut(0)?;
            s.fixate_field_nearest_int("rate", 48_000);
            s.fixate_field_nearest_int("channels", 1);
            s.fixate_field_str("format", "S16LE");
            caps.fixate();
            Some(caps)
        });
        let info = caps
            .as_ref()
            .and_then(|caps| gst_audio::AudioInfo::from_caps(caps).ok())
            .ok_or(gst::FlowError::NotNegotiated)?;
        if current.is_none()
            && let Some(caps) = &caps
        {
            self.srcpad.push_event(gst::event::Caps::new(caps));
        }
        let plain = gst::FormattedSegment::<gst::ClockTime>::new();
        let has_plain = self
            .srcpad
            .sticky_event::<gst::event::Segment>(0)
            .is_some_and(|event| *event.segment() == *plain.upcast_ref());
        if !has_plain {
            self.srcpad.push_event(gst::event::Segment::new(&plain));
        }
        Ok(info)
    }
}
