// SPDX-License-Identifier: MPL-2.0

//! The sink pad: buffers and events become turns. Nothing here waits: a recogniser must never be held up.

use duplex_textpad::Utf8Decoder;
use gst::prelude::*;

use crate::{
    core::{Brain, Core, State},
    events::TurnEvent,
};

impl<B: Brain> Core<B> {
    pub fn sink_chain(
        &self,
        element: &gst::Element,
        buffer: &gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let map = buffer.map_readable().map_err(|_| {
            gst::element_error!(
                element,
                gst::ResourceError::Read,
                ("A text buffer cannot be read")
            );
            gst::FlowError::Error
        })?;
        let now = self.now();
        let (taken, invalid, long) = self.with(|state| {
            if state.sink_flushing {
                return (Err(gst::FlowError::Flushing), None, false);
            }
            if let Err(error) = state.flow {
                return (Err(error), None, false);
            }
            if state.talk.ended() {
                return (Err(gst::FlowError::Eos), None, false);
            }
            let phrase = state.phrases;
            let (text, invalid) = if phrase {
                let mut decoder = Utf8Decoder::default();
                let text = decoder.push(&map) + decoder.finish();
                (text, decoder.take_first_invalid())
            } else {
                (state.decoder.push(&map), state.decoder.take_first_invalid())
            };
            let long = !state.talk.text(now, &text, phrase);
            let invalid = invalid.filter(|_| !std::mem::replace(&mut state.warned_utf8, true));
            let long = long && !std::mem::replace(&mut state.warned_long, true);
            (Ok(gst::FlowSuccess::Ok), invalid, long)
        });
        if let Some(at) = invalid {
            gst::element_warning!(
                element,
                gst::StreamError::Decode,
                ("The text is not UTF-8 at byte {at}; what cannot be read is replaced by U+FFFD")
            );
        }
        if long {
            gst::element_warning!(
                element,
                gst::StreamError::Failed,
                ("A turn is longer than 16384 bytes: what is beyond is left out (send voice/end-of-turn between turns)")
            );
        }
        taken
    }

    pub fn sink_event(&self, element: &gst::Element, event: gst::Event) -> bool {
        use gst::EventView as V;
        // Not what is in it: that may be what a caller said.
        gst::log!(self.cat, obj = element, "{:?}", event.type_());
        match event.view() {
            V::FlushStart(_) => {
                self.with(|state| {
                    state.sink_flushing = true;
                    state.flushing = true;
                    state.decoder.restart();
                    state.talk.flush();
                });
                self.srcpad.push_event(event)
            }
            V::FlushStop(_) => {
                let mut state = self.shared.state();
                while state.outside {
                    state = self.shared.wait(state, None);
                }
                drop(state);
                let taken = self.srcpad.push_event(event);
                self.with(|state| {
                    state.sink_flushing = false;
                    state.flushing = false;
                    state.segment_sent = false;
                    if state.flow == Err(gst::FlowError::Flushing) {
                        state.flow = Ok(gst::FlowSuccess::Ok);
                    }
                });
                taken
            }
            V::StreamStart(_) => {
                self.with(|state| {
                    state.decoder.restart();
                    if state.talk.restart() {
                        state.started = false;
                        state.segment_sent = false;
                    }
                });
                true
            }
            V::Segment(segment) => {
                let phrases = segment.segment().format() == gst::Format::Time;
                self.with(|state| state.phrases = phrases);
                true
            }
            V::Eos(_) => {
                let now = self.now();
                self.with(|state| {
                    finish_text(state, now);
                    state.talk.end();
                });
                true
            }
            V::CustomDownstream(_) => {
                let now = self.now();
                let full = match TurnEvent::from_event(&event) {
                    Some(TurnEvent::End {
                        confidence,
                        language,
                    }) => {
                        self.with(|state| {
                            finish_text(state, now);
                            state.talk.end_of_turn(confidence, &language);
                        });
                        false
                    }
                    Some(TurnEvent::LikelyEnd { text }) => {
                        self.with(|state| state.talk.likely_end_of_turn(&text));
                        false
                    }
                    None => self.pass_on(event),
                };
                self.warn_full(element, full);
                true
            }
            V::CustomDownstreamSticky(_) | V::SinkMessage(_) => {
                let full = self.pass_on(event);
                self.warn_full(element, full);
                true
            }
            V::CustomDownstreamOob(_) => self.srcpad.push_event(event),
            // The task makes caps, segments and everything else of its own stream itself.
            _ => true,
        }
    }

    /// True where that was too much for the first time.
    fn pass_on(&self, event: gst::Event) -> bool {
        self.with(|state| {
            let full = !state.sink_flushing && !state.talk.other(event);
            full && !std::mem::replace(&mut state.warned_others, true)
        })
    }

    fn warn_full(&self, element: &gst::Element, full: bool) {
        if full {
            gst::element_warning!(
                element,
                gst::ResourceError::Busy,
                ("1024 events wait for downstream, which takes nothing: the next ones are dropped")
            );
        }
    }
}

/// The open character ends here, whatever it was.
fn finish_text(state: &mut State, now: std::time::Duration) {
    let rest = state.decoder.finish();
    state.talk.text(now, rest, false);
}
