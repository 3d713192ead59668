// SPDX-License-Identifier: MPL-2.0

//! The sink pad of the text queue: buffers and events become text, boundaries and cues.

use duplex_textpad::{
    Utf8Decoder,
    events::{Decision, UtteranceBegin, UtteranceEnd},
};
use gst::{prelude::*, subclass::prelude::*};

use super::{
    imp::{CAT, Guard, TextQueue},
    pieces::pieces,
    policy::Discarded,
};

impl TextQueue {
    /// Waits until more may be queued. Text that is being discarded needs no room.
    fn room<'a>(&self, mut state: Guard<'a>, text: bool) -> Result<Guard<'a>, gst::FlowError> {
        loop {
            if state.sink_flushing {
                return Err(gst::FlowError::Flushing);
            }
            state.flow?;
            if state.policy.load() < state.limit || (text && state.policy.discarding()) {
                return Ok(state);
            }
            state = self.wait(state);
        }
    }

    /// Something serialized that waits among the text.
    fn queue_event(&self, queue: impl FnOnce(&mut Guard<'_>) -> Option<Discarded>) -> bool {
        let Ok(mut state) = self.room(self.state(), false) else {
            return false;
        };
        let discarded = queue(&mut state);
        drop(state);
        self.changed.notify_all();
        self.tell(discarded);
        true
    }

    /// The open character ends here, whatever it was.
    fn finish_text(&self, state: &mut Guard<'_>) -> Option<u64> {
        let rest = state.decoder.finish();
        let now = self.now();
        state.policy.push(rest, now);
        state.decoder.take_first_invalid()
    }

    pub(super) fn sink_chain(
        &self,
        buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let map = buffer.map_readable().map_err(|_| {
            gst::element_imp_error!(
                self,
                gst::ResourceError::Read,
                ("A text buffer cannot be read")
            );
            gst::FlowError::Error
        })?;
        let mut state = self.room(self.state(), true)?;
        let cue = state
            .segment
            .downcast_ref::<gst::ClockTime>()
            .zip(buffer.pts().zip(buffer.duration()))
            .map(|(segment, (pts, duration))| {
                segment
                    .clip(pts, pts.saturating_add(duration))
                    .and_then(|(start, _)| segment.to_running_time(start))
            });
        let mut discarded = None;
        if let Some(at) = cue {
            let mut decoder = Utf8Decoder::default();
            let mut text = decoder.push(&map);
            text += decoder.finish();
            let invalid = decoder.take_first_invalid();
            // Outside of the segment: a seek left it behind.
            if let Some(at) = at {
                discarded = state.policy.cue(&text, at.into());
            }
            drop(state);
            self.changed.notify_all();
            self.warn_invalid(invalid);
            self.tell(discarded);
            return Ok(gst::FlowSuccess::Ok);
        }
        let mut cut = None;
        if buffer.flags().contains(gst::BufferFlags::DISCONT) {
            cut = self.finish_text(&mut state);
            discarded = state.policy.discont();
        }
        let text = state.decoder.push(&map);
        let invalid = cut.or(state.decoder.take_first_invalid());
        let mut pushed = Ok(());
        for piece in pieces(&text) {
            state = match self.room(state, true) {
                Ok(state) => state,
                Err(error) => {
                    pushed = Err(error);
                    state = self.state();
                    break;
                }
            };
            state.policy.push(piece, self.now());
            self.changed.notify_all();
        }
        drop(state);
        self.warn_invalid(invalid);
        self.tell(discarded);
        pushed.map(|()| gst::FlowSuccess::Ok)
    }

    fn warn_invalid(&self, at: Option<u64>) {
        let Some(at) = at else { return };
        if std::mem::replace(&mut self.state().warned, true) {
            return;
        }
        gst::element_imp_warning!(
            self,
            gst::StreamError::Decode,
            ("The text is not UTF-8 at byte {at}; what cannot be read is replaced by U+FFFD")
        );
    }

    pub(super) fn sink_event(&self, event: gst::Event) -> bool {
        use gst::EventView as V;
        // Not what is in it: that may be what somebody said.
        gst::log!(CAT, imp = self, "{:?}", event.type_());
        match event.view() {
            V::FlushStart(_) => {
                let mut state = self.state();
                state.sink_flushing = true;
                state.decoder.restart();
                drop(state);
                self.changed.notify_all();
                if let Some(hooks) = self.hooks.get() {
                    (hooks.flush)();
                }
                true
            }
            V::FlushStop(_) => {
                let mut state = self.state();
                state.sink_flushing = false;
                state.segment = gst::Segment::new();
                true
            }
            V::StreamStart(_) => {
                let mut state = self.state();
                let invalid = self.finish_text(&mut state);
                let discarded = if state.policy.at_eos() {
                    state.started = false;
                    state.segment_sent = false;
                    state.policy.restart()
                } else {
                    state.policy.boundary()
                };
                state.decoder.restart();
                drop(state);
                self.changed.notify_all();
                self.warn_invalid(invalid);
                self.state().warned = false;
                self.tell(discarded);
                true
            }
            V::Segment(segment) => self.sink_segment(segment.segment()),
            V::Eos(_) => {
                let mut state = self.state();
                let invalid = self.finish_text(&mut state);
                let discarded = state.policy.eos();
                drop(state);
                self.changed.notify_all();
                self.warn_invalid(invalid);
                self.tell(discarded);
                true
            }
            V::CustomDownstream(_) => {
                if let Some(begin) = UtteranceBegin::from_event(&event) {
                    let mut invalid = None;
                    let queued = self.queue_event(|state| {
                        invalid = self.finish_text(state);
                        state.policy.begin(&begin.utterance_id)
                    });
                    self.warn_invalid(invalid);
                    queued
                } else if UtteranceEnd::from_event(&event).is_some() {
                    // Takes no room, and may make some.
                    let mut state = self.state();
                    let invalid = self.finish_text(&mut state);
                    let discarded = state.policy.boundary();
                    drop(state);
                    self.changed.notify_all();
                    self.warn_invalid(invalid);
                    self.tell(discarded);
                    true
                } else {
                    self.queue_event(|state| {
                        state.policy.other(event);
                        None
                    })
                }
            }
            V::CustomDownstreamSticky(_) | V::SinkMessage(_) => self.queue_event(|state| {
                state.policy.other(event);
                None
            }),
            V::CustomDownstreamOob(_) => match Decision::from_event(&event) {
                Some(decision) => {
                    if let Some(hooks) = self.hooks.get() {
                        (hooks.decided)(decision);
                    }
                    true
                }
                None => self.srcpad.push_event(event),
            },
            // The queue makes caps, segments and everything else of its own stream itself.
            _ => true,
        }
    }

    fn sink_segment(&self, segment: &gst::Segment) -> bool {
        if (segment.rate() - 1.0).abs() > f64::EPSILON {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                (
                    "Text cannot be spoken at playback rate {}: seek with rate 1, and set the property `rate` for faster or slower speech",
                    segment.rate()
                )
            );
            return false;
        }
        self.state().segment = segment.clone();
        true
    }
}
