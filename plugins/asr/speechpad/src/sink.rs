// SPDX-License-Identifier: MPL-2.0

//! The sound side: the sink pad, which queues and goes on.

use gst::prelude::*;

use crate::{
    audio,
    core::{Core, Item, Listener, MAX_EVENTS},
};

impl<L: Listener> Core<L> {
    pub(crate) fn chain(
        &self,
        element: &gst::Element,
        buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let limit = self.settings().queue;
        let mut state = self.state();
        let Some(info) = state.info.clone() else {
            drop(state);
            gst::element_error!(
                element,
                gst::CoreError::Negotiation,
                ("No audio format before the audio")
            );
            return Err(gst::FlowError::NotNegotiated);
        };
        let frames = buffer.size() as u64 / u64::from(info.bpf().max(1));
        let duration = audio::duration(frames, info.rate());
        loop {
            if state.flushing {
                return Err(gst::FlowError::Flushing);
            }
            state.flow?;
            // One buffer may always wait, however long it is.
            if state.waiting == 0 || state.waiting + duration <= limit {
                break;
            }
            if state.live {
                let first = !std::mem::replace(&mut state.dropping, true);
                drop(state);
                self.count(|stats| stats.dropped += duration);
                if first {
                    gst::element_warning!(
                        element,
                        gst::StreamError::TooLazy,
                        (
                            "Recognition is slower than speech: audio is dropped, since {} ms wait already (queue-duration)",
                            limit / 1_000_000
                        )
                    );
                }
                return Ok(gst::FlowSuccess::Ok);
            }
            state = self.wait(state);
        }
        state.dropping = false;
        state.waiting += duration;
        state.items.push_back(Item::Audio(buffer));
        let waiting = state.waiting;
        drop(state);
        self.changed.notify_all();
        self.count(|stats| stats.most_waiting = stats.most_waiting.max(waiting));
        Ok(gst::FlowSuccess::Ok)
    }

    fn enqueue(&self, element: &gst::Element, item: Item) -> bool {
        let mut state = self.state();
        let ending = matches!(
            (&item, state.flow),
            (Item::Eos(_), Err(gst::FlowError::Eos))
        );
        if state.flushing || (state.flow.is_err() && !ending) {
            return false;
        }
        let events = state
            .items
            .iter()
            .filter(|item| !matches!(item, Item::Audio(_)))
            .count();
        if events >= MAX_EVENTS && matches!(item, Item::Event(_) | Item::Gap(..)) {
            drop(state);
            gst::warning!(
                self.cat,
                obj = element,
                "{MAX_EVENTS} events wait: one is dropped"
            );
            return false;
        }
        state.items.push_back(item);
        drop(state);
        self.changed.notify_all();
        true
    }

    pub(crate) fn sink_event(
        &self,
        element: &gst::Element,
        pad: &gst::Pad,
        event: gst::Event,
    ) -> bool {
        use gst::EventView;

        // Not what is in it: that may be what somebody said.
        gst::log!(self.cat, obj = pad, "{:?}", event.type_());
        match event.view() {
            EventView::FlushStart(_) => {
                self.flush_start(false);
                self.srcpad.push_event(event)
            }
            EventView::FlushStop(_) => {
                self.flush_start(false);
                self.wait_idle();
                let passed = self.srcpad.push_event(event);
                self.flush_done();
                passed
            }
            EventView::Caps(caps) => match gst_audio::AudioInfo::from_caps(caps.caps()) {
                Ok(info) => {
                    self.state().info = Some(info.clone());
                    self.enqueue(element, Item::Format(Box::new(info)))
                }
                Err(error) => {
                    gst::error!(
                        self.cat,
                        obj = pad,
                        "cannot listen to {}: {error}",
                        caps.caps()
                    );
                    false
                }
            },
            EventView::Segment(_) => {
                self.ask_latency();
                self.enqueue(element, Item::Segment(event))
            }
            EventView::Gap(gap) => {
                let (start, duration) = gap.get();
                self.enqueue(element, Item::Gap(start, duration))
            }
            EventView::Eos(_) => self.enqueue(element, Item::Eos(event)),
            // Those tell about the audio, which ends here.
            EventView::Tag(_) | EventView::Toc(_) | EventView::Buffersize(_) => true,
            _ if event.is_serialized() => self.enqueue(element, Item::Event(event)),
            _ => gst::Pad::event_default(pad, Some(element), event),
        }
    }
}
