// SPDX-License-Identifier: MPL-2.0
//! What `vad` does with buffers, events and queries. The locks are those of imp.rs.

use std::collections::VecDeque;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::gate::{Gate, Out};
use super::imp::{CAT, Vad};
use crate::ear::Ear;
use crate::echo::FarFrame;
use crate::samples::{self, frames_to_time};
use crate::segmenter::Event;
use crate::settings::{self, Mode, Settings};
use crate::sync::lock;
use crate::voice::{self, Decision};

/// Far-end reports that wait for the next buffer at most: 10 s of 10 ms frames.
const INBOX: usize = 1000;

/// What a stopped element starts from, and what is rebuilt in READY.
pub(super) struct State {
    segment: gst::FormattedSegment<gst::ClockTime>,
    info: Option<gst_audio::AudioInfo>,
    pub ear: Ear,
    mode: Mode,
    gate: Gate,
    /// Settings changed since they were last looked at.
    pub changed: bool,
    /// Stream time less running time of the latest buffer.
    stream_offset: i64,
    /// Emptied by every buffer, kept for their memory.
    samples: Vec<f32>,
    reports: VecDeque<FarFrame>,
    events: Vec<Event>,
}

impl State {
    pub fn new(settings: &Settings) -> Self {
        let mut gate = Gate::default();
        gate.configure(settings.prefix_padding, settings.delay());
        Self {
            segment: gst::FormattedSegment::new(),
            info: None,
            ear: Ear::new(settings),
            mode: settings.mode,
            gate,
            changed: false,
            stream_offset: 0,
            samples: Vec::new(),
            reports: VecDeque::new(),
            events: Vec::new(),
        }
    }

    /// Hands over what was decided, in the terms of the stream.
    fn decisions(&mut self) -> Vec<Decision> {
        let stream_offset = self.stream_offset;
        (self.events.drain(..))
            .map(|event| Decision {
                event,
                stream_offset,
            })
            .collect()
    }
}

impl State {
    /// In mode=gate, before audio or a gap at running time `time`: where that is earlier than
    /// what waits, nothing more will be decided about what waits, and it must not wait for a time
    /// that comes a second time.
    fn jump_back(&mut self, time: u64, outcome: &mut Outcome) {
        let back = self.ear.is_jump(time) && self.ear.next().is_some_and(|next| time < next);
        if self.mode != Mode::Gate || !back {
            return;
        }
        self.ear.finish(&mut self.events);
        let decisions = self.decisions();
        for decision in &decisions {
            self.gate.decide(decision, &mut outcome.out);
        }
        self.gate.drain(&mut outcome.out);
        outcome.decisions.extend(decisions);
    }
}

/// What one buffer or event came to.
#[derive(Default)]
struct Outcome {
    decisions: Vec<Decision>,
    out: Vec<Out>,
}

impl Outcome {
    /// Adds the events that the decisions are downstream.
    fn tell_downstream(&mut self) {
        let events = self.decisions.iter().filter_map(Decision::downstream);
        self.out.extend(events.map(Out::Event));
    }
}

impl Vad {
    /// Takes a far-end report: any thread, one short lock.
    pub fn far_end(&self, report: &gst::StructureRef) {
        match voice::far_frame(report) {
            Ok(frame) => self.deliver(frame),
            Err(err) => gst::warning!(CAT, imp = self, "Ignoring far-end report: {err}"),
        }
    }

    fn deliver(&self, frame: FarFrame) {
        let mut inbox = lock(&self.inbox);
        if inbox.len() >= INBOX {
            inbox.pop_front();
        }
        inbox.push_back(frame);
    }

    /// Emits and posts what was decided. The caller holds no lock.
    fn announce(&self, decisions: &[Decision]) {
        if decisions.is_empty() {
            return;
        }
        let post = lock(&self.settings).post_messages;
        let obj = self.obj();
        for decision in decisions {
            let event = &decision.event;
            gst::debug!(CAT, imp = self, "{event:?}");
            obj.emit_by_name::<()>(
                decision.signal(),
                &[&event.at, &event.onset, &f64::from(event.probability)],
            );
            if post {
                let message = gst::message::Element::builder(decision.message())
                    .src(&*obj)
                    .build();
                // False where there is no bus: nobody asked.
                let _ = obj.post_message(message);
            }
        }
    }

    /// Announces, then pushes. The caller holds no lock.
    fn deliver_outcome(&self, outcome: Outcome) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.announce(&outcome.decisions);
        let mut flow = Ok(gst::FlowSuccess::Ok);
        for out in outcome.out {
            match out {
                Out::Buffer(buffer) => flow = flow.and(self.srcpad.push(buffer)),
                Out::Event(event) => {
                    self.srcpad.push_event(event);
                }
            }
        }
        flow
    }

    fn take_changes(&self, state: &mut State) {
        if std::mem::take(&mut state.changed) {
            let settings = *lock(&self.settings);
            state.ear.configure(&settings);
            state
                .gate
                .configure(settings.prefix_padding, settings.delay());
        }
        std::mem::swap(&mut *lock(&self.inbox), &mut state.reports);
        while let Some(frame) = state.reports.pop_front() {
            state.ear.far(frame);
        }
    }

    pub(super) fn sink_chain(
        &self,
        buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut outcome = Outcome::default();
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        self.take_changes(state);
        let Some(info) = state.info.clone() else {
            drop(guard);
            gst::element_imp_error!(
                self,
                gst::CoreError::Negotiation,
                ("No audio format before the audio")
            );
            return Err(gst::FlowError::NotNegotiated);
        };

        let mut time = None;
        if let Some(pts) = buffer.pts() {
            time = state.segment.to_running_time_full(pts).map(|t| match t {
                gst::Signed::Positive(t) => t.nseconds(),
                gst::Signed::Negative(_) => 0,
            });
            if let (Some(running), Some(stream)) = (time, state.segment.to_stream_time(pts)) {
                state.stream_offset = stream.nseconds() as i64 - running as i64;
            }
        }
        // Audio without timestamps follows what came before.
        let time = time.or(state.ear.next()).unwrap_or(0);
        if state.ear.is_jump(time) {
            gst::debug!(
                CAT,
                imp = self,
                "Jump from {:?} to {time}",
                state.ear.next()
            );
        }
        state.jump_back(time, &mut outcome);
        if buffer.flags().contains(gst::BufferFlags::GAP) {
            let frames = buffer.size() as u64 / u64::from(info.bpf().max(1));
            let duration = frames_to_time(frames, info.rate().into());
            state.ear.skip(time, duration, &mut state.events);
        } else {
            let Ok(map) = buffer.map_readable() else {
                drop(guard);
                gst::element_imp_error!(
                    self,
                    gst::ResourceError::Read,
                    ("Cannot read an audio buffer")
                );
                return Err(gst::FlowError::Error);
            };
            state.samples.clear();
            samples::convert(info.format(), &map, &mut state.samples);
            let (ear, samples) = (&mut state.ear, &state.samples);
            ear.listen(time, samples, &mut state.events);
        }
        let decisions = state.decisions();
        match state.mode {
            Mode::Annotate => {
                outcome.decisions = decisions;
                outcome.tell_downstream();
                drop(guard);
                // The usual case, without a vector.
                self.deliver_outcome(outcome)?;
                self.srcpad.push(buffer)
            }
            Mode::Gate => {
                state.gate.audio(buffer, time, &info);
                for decision in &decisions {
                    state.gate.decide(decision, &mut outcome.out);
                }
                outcome.decisions.extend(decisions);
                let now = state.ear.next().unwrap_or(time);
                state.gate.advance(now, &mut outcome.out);
                drop(guard);
                self.deliver_outcome(outcome)
            }
        }
    }

    pub(super) fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        // Not what is in it: that may be what somebody said.
        gst::trace!(CAT, obj = pad, "{:?}", event.type_());
        let mut outcome = Outcome::default();
        let mut decisions = Vec::new();
        match event.view() {
            gst::EventView::FlushStart(_) => return self.srcpad.push_event(event),
            gst::EventView::FlushStop(_) => {
                {
                    let mut state = lock(&self.state);
                    let state = &mut *state;
                    state.ear.finish(&mut state.events);
                    decisions = state.decisions();
                    state.ear.reset();
                    state.segment.reset();
                    let settings = *lock(&self.settings);
                    state.gate = Gate::default();
                    state
                        .gate
                        .configure(settings.prefix_padding, settings.delay());
                }
                // Whoever listens downstream starts afresh: nothing is pushed but the flush.
                lock(&self.inbox).clear();
                self.announce(&decisions);
                return self.srcpad.push_event(event);
            }
            gst::EventView::Caps(caps) => {
                let info = match gst_audio::AudioInfo::from_caps(caps.caps()) {
                    Ok(info) if settings::INPUT_RATES.contains(&info.rate()) => info,
                    _ => {
                        gst::error!(CAT, obj = pad, "Cannot listen to {}", caps.caps());
                        return false;
                    }
                };
                let mut state = lock(&self.state);
                state.ear.set_format(info.rate(), info.channels() as usize);
                state.info = Some(info);
            }
            gst::EventView::Segment(segment) => {
                let mut state = lock(&self.state);
                state.segment = (segment.segment().clone())
                    .downcast()
                    .unwrap_or_else(|other| {
                        gst::debug!(CAT, obj = pad, "Counting samples: no times in {other:?}");
                        gst::FormattedSegment::new()
                    });
            }
            gst::EventView::Gap(gap) => {
                let mut state = lock(&self.state);
                let state = &mut *state;
                self.take_changes(state);
                let (start, duration) = gap.get();
                if let Some(time) = state.segment.to_running_time(start) {
                    state.jump_back(time.nseconds(), &mut outcome);
                    let duration = duration.map_or(0, |d| d.nseconds());
                    state.ear.skip(time.nseconds(), duration, &mut state.events);
                }
                decisions = state.decisions();
            }
            gst::EventView::Eos(_) => {
                let mut state = lock(&self.state);
                let state = &mut *state;
                state.ear.finish(&mut state.events);
                decisions = state.decisions();
            }
            _ => {}
        }
        if !event.is_serialized() {
            return self.srcpad.push_event(event);
        }
        let mode = {
            let mut state = lock(&self.state);
            let state = &mut *state;
            match state.mode {
                Mode::Annotate => {
                    outcome.decisions = decisions;
                    outcome.tell_downstream();
                }
                Mode::Gate => {
                    for decision in &decisions {
                        state.gate.decide(decision, &mut outcome.out);
                    }
                    outcome.decisions.extend(decisions);
                    if event.type_() == gst::EventType::Eos {
                        state.gate.drain(&mut outcome.out);
                    }
                    state.gate.event(event.clone(), &mut outcome.out);
                    if let Some(now) = state.ear.next() {
                        state.gate.advance(now, &mut outcome.out);
                    }
                }
            }
            state.mode
        };
        // In mode=gate the event is among what is delivered, or waits its turn behind audio.
        let flow = self.deliver_outcome(outcome);
        match mode {
            Mode::Annotate => self.srcpad.push_event(event),
            Mode::Gate => flow.is_ok(),
        }
    }

    pub(super) fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if query.type_() == gst::QueryType::Allocation && lock(&self.state).mode == Mode::Gate {
            // Audio waits here: downstream's pool would run dry.
            return false;
        }
        gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }

    pub(super) fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        };
        let mut upstream = gst::query::Latency::new();
        if !self.sinkpad.peer_query(&mut upstream) {
            return false;
        }
        let (live, min, max) = upstream.result();
        let delay = gst::ClockTime::from_nseconds(lock(&self.settings).delay());
        latency.set(live, min + delay, max.map(|max| max + delay));
        true
    }

    pub(super) fn links(&self, pad: &gst::Pad) -> gst::Iterator<gst::Pad> {
        // The reference pad leads nowhere.
        if *pad == self.sinkpad {
            gst::Iterator::from_vec(vec![self.srcpad.clone()])
        } else if *pad == self.srcpad {
            gst::Iterator::from_vec(vec![self.sinkpad.clone()])
        } else {
            gst::Iterator::from_vec(Vec::new())
        }
    }

    pub(super) fn reference_chain(
        &self,
        buffer: &gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        match &mut *lock(&self.reference) {
            Some((_, reference)) => reference.buffer(buffer, |frame| self.deliver(frame)),
            None => Err(gst::FlowError::Flushing),
        }
    }

    pub(super) fn reference_event(&self, event: &gst::Event) -> bool {
        match &mut *lock(&self.reference) {
            Some((_, reference)) => reference.event(event),
            None => false,
        }
    }

    /// Ends open speech, for those who wait for it, when the element stops.
    pub(super) fn stop(&self) {
        let decisions = {
            let mut state = lock(&self.state);
            let state = &mut *state;
            state.ear.finish(&mut state.events);
            state.decisions()
        };
        self.announce(&decisions);
        lock(&self.inbox).clear();
    }
}
