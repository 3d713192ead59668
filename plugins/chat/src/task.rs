// SPDX-License-Identifier: MPL-2.0

//! The task: takes the next step of the conversation, and carries it out.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use duplex_dialogue::Action;
use duplex_textpad::events::{UtteranceBegin, UtteranceEnd};
use gst::prelude::*;

use crate::{
    core::{Brain, Core},
    settings::caps,
};

impl<B: Brain> Core<B> {
    pub fn run(&self, element: &gst::Element) {
        if catch_unwind(AssertUnwindSafe(|| self.iterate(element))).is_ok() {
            return;
        }
        self.with(|state| {
            state.outside = false;
            state.flow = Err(gst::FlowError::Error);
        });
        gst::element_error!(
            element,
            gst::LibraryError::Failed,
            ("Answering panicked; this is a fault of the program, please report it")
        );
        let _ = self.srcpad.pause_task();
    }

    fn iterate(&self, element: &gst::Element) {
        let mut state = self.shared.state();
        let action = loop {
            if !state.running {
                drop(state);
                let _ = self.srcpad.pause_task();
                return;
            }
            // After an error of downstream it only waits: a flush may mend that.
            if state.flushing || state.flow.is_err() {
                state = self.shared.wait(state, None);
                continue;
            }
            let now = self.now();
            match state.talk.next(now) {
                Action::Wait(until) => {
                    let time = until.map(|until| until.saturating_sub(now));
                    state = self.shared.wait(state, time);
                }
                action => break action,
            }
        };
        match &action {
            Action::Turn(_) => {
                state.counts.turns += 1;
                state.turn_at = Some(Instant::now());
            }
            Action::Begin(_) => {
                if let Some(at) = state.turn_at.take() {
                    state.counts.first_text = Some(at.elapsed());
                }
            }
            Action::Answer {
                is_final: true,
                interrupted: false,
                ..
            } => state.counts.answers += 1,
            Action::Failed(_) => state.counts.failures += 1,
            _ => {}
        }
        state.outside = true;
        let leaves = matches!(
            action,
            Action::Begin(_) | Action::Text(..) | Action::Other(_) | Action::End(_) | Action::Eos
        );
        let start = leaves && !std::mem::replace(&mut state.started, true);
        let segment = leaves && !std::mem::replace(&mut state.segment_sent, true);
        drop(state);
        if start {
            let id = format!("{}/answers", element.path_string());
            self.srcpad.push_event(gst::event::StreamStart::new(&id));
            self.srcpad.push_event(gst::event::Caps::new(&caps()));
        }
        if segment {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            self.srcpad.push_event(gst::event::Segment::new(&segment));
        }
        let result = self.carry_out(element, action);
        let stopped = self.with(|state| {
            state.outside = false;
            match result {
                Ok(_) => None,
                // A flush: the next text starts anew.
                Err(_) if state.flushing => None,
                Err(error) => {
                    state.flow = Err(error);
                    (state.running && error != gst::FlowError::Flushing).then_some(error)
                }
            }
        });
        match stopped {
            None => {}
            Some(gst::FlowError::Eos) => {
                gst::info!(self.cat, obj = element, "Downstream takes no more text");
            }
            Some(gst::FlowError::NotLinked) => gst::element_error!(
                element,
                gst::StreamError::Failed,
                (
                    "Nobody takes the answers: link the pad `src` of {}, for example to a ttssink",
                    element.name()
                )
            ),
            Some(error) => gst::element_error!(
                element,
                gst::StreamError::Failed,
                (
                    "What follows {} takes no more text ({error})",
                    element.name()
                )
            ),
        }
    }

    fn carry_out(
        &self,
        element: &gst::Element,
        action: Action<gst::Event>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let post = |structure: gst::Structure| {
            let message = gst::message::Element::builder(structure)
                .src(element)
                .build();
            // Fails only where there is no bus any more.
            let _ = element.post_message(message);
        };
        match action {
            Action::Turn(text) => {
                gst::debug!(
                    self.cat,
                    obj = element,
                    "A turn of {} characters",
                    text.chars().count()
                );
                post(
                    gst::Structure::builder("chat-turn")
                        .field("text", text)
                        .build(),
                );
            }
            Action::Think(request) => {
                let number = request.number;
                if self.shared.state().talk.wants(number) {
                    let thought = self.brain.think(request, self.pen(number));
                    self.with(|state| state.thoughts.push((number, thought)));
                }
            }
            Action::Begin(id) => {
                gst::debug!(self.cat, obj = element, "{id} begins");
                self.srcpad.push_event(UtteranceBegin::new(id).to_event());
            }
            Action::Text(_, text) => {
                let mut buffer = gst::Buffer::from_slice(text.into_bytes());
                if let Some(buffer) = buffer.get_mut() {
                    // Without a duration a mouth makes no cue of it.
                    buffer.set_pts(element.current_running_time());
                }
                return self.srcpad.push(buffer);
            }
            Action::End(id) => {
                gst::debug!(self.cat, obj = element, "{id} is complete");
                self.srcpad.push_event(UtteranceEnd::of_text(id).to_event());
            }
            Action::Answer {
                id,
                text,
                is_final,
                interrupted,
            } => post(
                gst::Structure::builder("chat-answer")
                    .field("utterance-id", id)
                    .field("text", text)
                    .field("final", is_final)
                    .field("interrupted", interrupted)
                    .build(),
            ),
            Action::Call(call) => post(
                gst::Structure::builder("tool-call")
                    .field("id", call.id)
                    .field("name", call.name)
                    .field("arguments", call.arguments)
                    .build(),
            ),
            Action::Failed(sentence) => {
                gst::element_warning!(element, gst::ResourceError::Failed, ("{sentence}"));
            }
            Action::Other(event) => {
                self.srcpad.push_event(event);
            }
            Action::Eos => {
                self.srcpad.push_event(gst::event::Eos::new());
            }
            Action::Wait(_) => {}
        }
        Ok(gst::FlowSuccess::Ok)
    }
}
