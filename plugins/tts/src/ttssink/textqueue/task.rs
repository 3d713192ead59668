// SPDX-License-Identifier: MPL-2.0

//! The task of the text queue: takes the next step of the policy and pushes it into the synthesizer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use duplex_textpad::events::{UtteranceBegin, UtteranceEnd};
use gst::{prelude::*, subclass::prelude::*};

use super::{
    imp::{CAT, State, TextQueue, text_caps},
    policy::Action,
};

impl TextQueue {
    fn iterate(&self) {
        let mut state = self.state();
        let action = loop {
            if !state.running || state.flow.is_err() {
                drop(state);
                let _ = self.srcpad.pause_task();
                return;
            }
            if state.holds > 0 || state.flushing {
                state = self.wait(state);
                continue;
            }
            let running = self.running_time(&state);
            let now = self.now();
            match state.policy.next(running, now) {
                Action::Wait { running, idle } => {
                    self.set_alarm(&mut state, running);
                    state = match idle {
                        None => self.wait(state),
                        Some(at) => {
                            self.changed
                                .wait_timeout(state, at.saturating_sub(now))
                                .unwrap_or_else(|e| e.into_inner())
                                .0
                        }
                    };
                }
                action => break action,
            }
        };
        state.pushing = true;
        let start = !std::mem::replace(&mut state.started, true);
        let segment = !std::mem::replace(&mut state.segment_sent, true);
        drop(state);
        self.changed.notify_all();

        let result = self.hand_over(action, start, segment);

        let mut state = self.state();
        state.pushing = false;
        let stopped = match result {
            Ok(_) => None,
            // Our own flush: the next text starts anew.
            Err(_) if state.flushing => None,
            Err(error) => {
                state.flow = Err(error);
                (state.running && error != gst::FlowError::Flushing).then_some(error)
            }
        };
        drop(state);
        self.changed.notify_all();
        if let Some(error) = stopped {
            self.stopped(error);
        }
    }

    /// Downstream takes nothing more. Upstream may not exist, so this is told from here.
    fn stopped(&self, error: gst::FlowError) {
        match error {
            gst::FlowError::Eos => {
                gst::info!(CAT, imp = self, "The synthesizer takes no more text");
            }
            gst::FlowError::NotNegotiated | gst::FlowError::NotSupported => {
                gst::element_imp_error!(
                    self,
                    gst::StreamError::Format,
                    ("The synthesizer and the audio sink have no audio format in common"),
                    ["flow {error}"]
                )
            }
            _ => gst::element_imp_error!(
                self,
                gst::StreamError::Failed,
                ("The synthesizer stopped taking text ({error})")
            ),
        }
    }

    fn hand_over(
        &self,
        action: Action<gst::Event>,
        start: bool,
        segment: bool,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if start {
            let id = format!("{}/text", self.obj().path_string());
            self.srcpad.push_event(gst::event::StreamStart::new(&id));
            self.srcpad.push_event(gst::event::Caps::new(&text_caps()));
        }
        if segment {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            self.srcpad.push_event(gst::event::Segment::new(&segment));
        }
        match action {
            Action::Begin(id) => {
                gst::debug!(CAT, imp = self, "Utterance {id} begins");
                self.srcpad.push_event(UtteranceBegin::new(id).to_event());
            }
            Action::Text(id, text) => {
                // Not the text itself: it is nobody's who reads logs.
                gst::log!(CAT, imp = self, "Utterance {id}: {} bytes", text.len());
                if let Some(hooks) = self.hooks.get() {
                    (hooks.text)(&id, &text);
                }
                let mut buffer = gst::Buffer::from_slice(text.into_bytes());
                if let Some(buffer) = buffer.get_mut() {
                    // Foreign synthesizers want a time; without a duration it makes no cue of it.
                    buffer.set_pts(self.obj().current_running_time());
                }
                return self.srcpad.push(buffer);
            }
            Action::End(id) => {
                gst::debug!(CAT, imp = self, "Text of utterance {id} is complete");
                if let Some(hooks) = self.hooks.get() {
                    (hooks.text_end)(&id);
                }
                self.srcpad.push_event(UtteranceEnd::of_text(id).to_event());
            }
            Action::Other(event) => {
                self.srcpad.push_event(event);
            }
            Action::Eos => {
                gst::debug!(CAT, imp = self, "End of the text");
                self.srcpad.push_event(gst::event::Eos::new());
            }
            Action::Wait { .. } => {}
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Has the clock wake the task when a cue is due.
    fn set_alarm(&self, state: &mut State, at: Option<Duration>) {
        let target = at.filter(|_| state.playing).and_then(|at| {
            let base = self.obj().base_time()?;
            let at = gst::ClockTime::try_from(at).ok()?;
            Some((self.obj().clock()?, base + at))
        });
        let Some((clock, target)) = target else {
            if let Some((_, alarm)) = state.alarm.take() {
                alarm.unschedule();
            }
            return;
        };
        if state.alarm.as_ref().is_some_and(|(at, _)| *at == target) {
            return;
        }
        if let Some((_, alarm)) = state.alarm.take() {
            alarm.unschedule();
        }
        let alarm = clock.new_single_shot_id(target);
        let weak = self.obj().downgrade();
        let armed = alarm.wait_async(move |_, _, _| {
            if let Some(queue) = weak.upgrade() {
                // Taken and given back, so that the task cannot be just about to wait.
                drop(queue.imp().state());
                queue.imp().changed.notify_all();
            }
        });
        if armed.is_ok() {
            state.alarm = Some((target, alarm));
        }
    }

    pub(super) fn run(&self) {
        if catch_unwind(AssertUnwindSafe(|| self.iterate())).is_ok() {
            return;
        }
        let mut state = self.state();
        state.pushing = false;
        state.flow = Err(gst::FlowError::Error);
        drop(state);
        self.changed.notify_all();
        gst::element_imp_error!(self, gst::LibraryError::Failed, ("The text queue panicked"));
        let _ = self.srcpad.pause_task();
    }
}
