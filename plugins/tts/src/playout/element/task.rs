// SPDX-License-Identifier: MPL-2.0

//! The task of playout: each frame in its time, and what goes with it. The locks are those of imp.rs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use gst::{glib, prelude::*, subclass::prelude::*};

use super::{
    imp::{CAT, Playout, State},
    pads,
};
use crate::{
    playout::{Content, Frame, Nanos, Notice, Passage, Step, yields},
    sync::lock,
};

/// What the task keeps from frame to frame.
#[derive(Default)]
struct Task {
    frame: Vec<i16>,
    notices: Vec<Notice>,
    passages: Vec<Passage>,
    clock_id: Option<gst::SingleShotClockId>,
}

impl Playout {
    /// The task's function. A panic is an ERROR, and frees whoever waits for room.
    fn run(&self, task: &mut Task) {
        if catch_unwind(AssertUnwindSafe(|| self.iterate(task))).is_ok() {
            return;
        }
        lock(&self.state).flow = Err(gst::FlowError::Error);
        self.room.notify_all();
        gst::element_imp_error!(self, gst::LibraryError::Failed, ("Playout panicked"));
        let _ = self.srcpad.pause_task();
    }

    /// One frame, or one wait. `task` is the task's own.
    fn iterate(&self, task: &mut Task) {
        if self.waker.is_stopped() {
            let _ = self.srcpad.pause_task();
            return;
        }
        let mut state = lock(&self.state);
        let (clocking, rest) = (state.clocking.clone(), state.flow.is_err());
        let known = state.info.is_some();
        if let Some(clocking) = clocking.as_ref().filter(|_| rest) {
            // Nothing goes out any more, but whoever asks for an interruption is waiting for the answer.
            let now = clocking.now();
            self.read_mailbox(&mut state, now);
            state.core.tell_without_sound();
            while let Some(notice) = state.core.pop_notice() {
                task.notices.push(notice);
            }
        }
        drop(state);
        self.tell(&mut task.notices);
        let Some(clocking) = clocking.filter(|_| !rest) else {
            return self.waker.wait();
        };
        if !known && !pads::negotiate(self) {
            return self.fail("downstream takes no raw 16-bit audio: put audioconvert before it");
        }
        if self.srcpad.check_reconfigure() && known && !pads::renegotiate(self) {
            return self
                .fail("downstream takes no raw 16-bit audio any more: put audioconvert before it");
        }

        let now = clocking.now();
        let mut state = lock(&self.state);
        if state.info.is_none() {
            return; // Forgotten meanwhile: ask again.
        }
        state.now = now;
        if std::mem::take(&mut state.rebase) {
            state.core.rebase(now);
        }
        self.read_mailbox(&mut state, now);
        let step = state.core.step(now);
        while let Some(notice) = state.core.pop_notice() {
            task.notices.push(notice);
        }
        let latency = state.core.latency();
        if matches!(step, Step::Push(_)) {
            state.running = true;
            state.core.swap_frame(&mut task.frame);
            state.core.take_passages(&mut task.passages);
        }
        let gated = state.core.is_gated();
        let room = gated || state.core.has_room();
        let bare = state.begin_stream && !state.core.config().sync;
        state.running |= bare || step == Step::Eos;
        let pool = state.pool.clone();
        drop(state);
        if room {
            self.room.notify_all();
        }
        self.tell(&mut task.notices);

        if bare {
            // No silence will come: a gap lets the sink reach PLAYING before there is any text.
            self.begin();
            let gap = gst::event::Gap::builder(gst::ClockTime::ZERO).build();
            self.srcpad.push_event(gap);
        }
        match step {
            Step::Push(frame) => {
                let passages = std::mem::take(&mut task.passages);
                self.push(frame, &task.frame, passages, latency, pool);
            }
            Step::Wait(Some(time)) => {
                let time = clocking.base_time + gst::ClockTime::from_nseconds(time);
                self.waker
                    .wait_until(&clocking.clock, time, &mut task.clock_id);
            }
            Step::Wait(None) => self.waker.wait(),
            Step::Eos => self.end(),
        }
    }

    /// What was asked for before something else happens to the queue.
    pub(super) fn read_mailbox(&self, state: &mut State, now: Nanos) {
        for (at, input) in self.mailbox.take() {
            // Before the first PLAYING there was no running time.
            let at = if at == 0 { now } else { at };
            state.core.input(at, now, input);
        }
    }

    fn tell(&self, notices: &mut Vec<Notice>) {
        if notices.is_empty() {
            return;
        }
        let listener = lock(&self.listeners).notices.clone();
        for notice in notices.drain(..) {
            gst::debug!(CAT, imp = self, "{}", notice.name());
            if let Some(listener) = &listener {
                listener(notice);
            }
        }
    }

    fn push(
        &self,
        frame: Frame,
        samples: &[i16],
        passages: Vec<Passage>,
        latency: Nanos,
        pool: Option<gst::BufferPool>,
    ) {
        let listener = lock(&self.listeners).frames.clone();
        if let Some(listener) = listener {
            listener(
                gst::ClockTime::from_nseconds(frame.pts + latency),
                gst::ClockTime::from_nseconds(frame.duration),
                frame.rms_db,
            );
        }
        let Some(buffer) = pads::buffer(frame, samples, pool.as_ref()) else {
            return self.rest(gst::FlowError::Flushing); // The pool is going down with the pads.
        };
        self.begin();
        for passage in &passages {
            self.srcpad.push_event(event(passage));
        }
        yields::point();
        gst::trace!(CAT, imp = self, "pushing {frame:?}");
        if let Err(err) = self.srcpad.push(buffer) {
            self.rest(err);
        }
    }

    /// What has to go before a frame, or before the end.
    fn begin(&self) {
        let mut state = lock(&self.state);
        let begin_stream = std::mem::take(&mut state.begin_stream);
        let begin_format = std::mem::take(&mut state.begin_format);
        let begin_segment = std::mem::take(&mut state.begin_segment);
        if !(begin_stream || begin_format || begin_segment) && state.passing.is_empty() {
            return;
        }
        let passing = std::mem::take(&mut state.passing);
        let info = state.info.clone();
        drop(state);
        if begin_stream {
            let id = self.srcpad.create_stream_id(&*self.obj(), Some("speech"));
            self.srcpad.push_event(gst::event::StreamStart::new(&id));
        }
        let info = info.filter(|_| begin_format);
        if let Some(caps) = info.and_then(|info| info.to_caps().ok()) {
            self.srcpad.push_event(gst::event::Caps::new(&caps));
        }
        if begin_segment {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            self.srcpad.push_event(gst::event::Segment::new(&segment));
        }
        for event in passing {
            self.srcpad.push_event(event);
        }
    }

    fn end(&self) {
        gst::debug!(CAT, imp = self, "everything was played");
        self.begin();
        let mut state = lock(&self.state);
        if !state.core.is_over() {
            return; // Another stream has begun.
        }
        state.flow = Err(gst::FlowError::Eos);
        drop(state);
        self.room.notify_all();
        self.srcpad.push_event(gst::event::Eos::new());
    }

    /// Downstream takes no more.
    fn rest(&self, err: gst::FlowError) {
        if err == gst::FlowError::Flushing && !self.waker.is_stopped() {
            // Somebody flushes downstream by himself: that passes. It has forgotten the segment.
            lock(&self.state).begin_segment = true;
            std::thread::sleep(std::time::Duration::from_millis(1));
            return;
        }
        gst::debug!(CAT, imp = self, "downstream answered {err:?}");
        lock(&self.state).flow = Err(err);
        self.room.notify_all();
        if !matches!(err, gst::FlowError::Flushing | gst::FlowError::Eos) {
            self.fail(match err {
                gst::FlowError::NotLinked => "nothing is linked after the mouth: set audio-sink",
                gst::FlowError::NotNegotiated => {
                    "the audio sink does not take the format it asked for"
                }
                _ => "the audio sink failed",
            });
        }
    }

    fn fail(&self, sentence: &str) {
        let flow = gst::FlowError::Error;
        let mut state = lock(&self.state);
        if state.flow.is_ok() {
            state.flow = Err(flow);
        }
        drop(state);
        self.room.notify_all();
        gst::element_imp_error!(self, gst::StreamError::Failed, ("{sentence}"));
        self.tell(&mut vec![Notice::Error(sentence.to_owned())]);
        self.srcpad.push_event(gst::event::Eos::new());
    }

    pub(super) fn start_task(&self) -> Result<(), glib::BoolError> {
        self.waker.start();
        let weak = self.obj().downgrade();
        let mut task = Task::default();
        self.srcpad.start_task(move || {
            if let Some(element) = weak.upgrade() {
                element.imp().run(&mut task);
            }
        })
    }

    pub(super) fn stop_task(&self) -> Result<(), glib::BoolError> {
        self.waker.stop();
        self.srcpad.stop_task()
    }
}

/// What a transport reads of a change: the event `voice/playout`.
fn event(passage: &Passage) -> gst::Event {
    let (state, id, position) = match &passage.content {
        Content::Speech(id, position) => ("speech", id, *position),
        Content::End(id) => ("end", id, 0),
        Content::Silence(id) => ("silence", id, 0),
    };
    gst::event::CustomDownstream::new(
        gst::Structure::builder("voice/playout")
            .field("utterance-id", &**id)
            .field("state", state)
            .field("position", position)
            .field("offset", passage.offset)
            .build(),
    )
}
