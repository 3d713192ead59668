// SPDX-License-Identifier: MPL-2.0

//! The text side: the sink pad, where utterances begin and end.

use std::sync::TryLockError;

use duplex_synthesis::Error;
use gst::prelude::*;

use crate::{
    core::{Core, Item, Speaker, lock},
    events::{UtteranceBegin, UtteranceEnd},
    feed::{Feed, Trouble},
    markup::MarkupStripper,
};

impl<S: Speaker> Core<S> {
    pub(crate) fn chain(
        &self,
        element: &gst::Element,
        buffer: &gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.with_feed(element, |feed| {
            {
                let state = self.state();
                if state.flushing {
                    return Err(gst::FlowError::Flushing.into());
                }
                state.flow?;
            }
            feed.disarm();
            let map = buffer
                .map_readable()
                .map_err(|_| Trouble::Engine(Error::Failed("the text cannot be read".into())))?;
            match (&feed.segment, buffer.pts(), buffer.duration()) {
                (Some(segment), Some(pts), Some(duration)) => {
                    match segment.clip(pts, pts.saturating_add(duration)) {
                        Some((Some(start), _)) => {
                            let at = segment.to_running_time(start).unwrap_or_default();
                            self.cue(feed, &map, at)
                        }
                        _ => Ok(()),
                    }
                }
                _ => {
                    let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);
                    self.fragment(feed, &map, discont)
                }
            }?;
            self.arm(element, feed);
            Ok(())
        })?;
        self.state().flow
    }

    /// Runs with the feed locked, then posts what came of it.
    fn with_feed(
        &self,
        element: &gst::Element,
        code: impl FnOnce(&mut Feed) -> Result<(), Trouble>,
    ) -> Result<(), gst::FlowError> {
        let (result, warning) = self.guard(
            element,
            (Err(Trouble::Flow(gst::FlowError::Error)), None),
            || {
                let mut feed = lock(&self.feed);
                (code(&mut feed), feed.warning.take())
            },
        );
        if let Some(warning) = warning {
            self.count(|stats| stats.replaced += 1);
            gst::element_warning!(element, gst::StreamError::Decode, ("{warning}"));
        }
        match result {
            Ok(()) => Ok(()),
            Err(Trouble::Flow(flow)) => Err(flow),
            // Whatever an engine makes of being cancelled is no failure.
            Err(Trouble::Engine(error)) if error == Error::Cancelled || self.state().flushing => {
                gst::debug!(self.cat, obj = element, "cancelled: {error}");
                Err(gst::FlowError::Flushing)
            }
            Err(Trouble::Engine(error)) => {
                self.fail(element, error);
                Err(gst::FlowError::Error)
            }
        }
    }

    /// Waits for more text, but not for ever.
    fn arm(&self, element: &gst::Element, feed: &mut Feed) {
        let Some(delay) = self.settings().max_delay else {
            return;
        };
        let Some(patience) = feed
            .open
            .as_ref()
            .and_then(|open| open.sentence.patience(delay.into()))
        else {
            return;
        };
        let patience = gst::ClockTime::try_from(patience).unwrap_or(gst::ClockTime::MAX);
        let clock = gst::SystemClock::obtain();
        let timer = clock.new_single_shot_id(clock.time().saturating_add(patience));
        let (weak, generation, fired) = (element.downgrade(), feed.generation, self.text_paused);
        let armed = timer.wait_async(move |_, _, _| {
            if let Some(element) = weak.upgrade() {
                fired(&element, generation);
            }
        });
        match armed {
            Ok(_) => feed.timer = Some(timer),
            Err(error) => gst::warning!(self.cat, obj = element, "no timer: {error}"),
        }
    }

    /// A sentence was complete, and `max-delay` passed: from the clock's thread.
    pub(crate) fn text_paused(&self, element: &gst::Element, generation: u64) {
        let mut failed = None;
        self.guard(element, (), || {
            let mut feed = match self.feed.try_lock() {
                Ok(feed) => feed,
                Err(TryLockError::Poisoned(feed)) => feed.into_inner(),
                // Text is arriving: whoever brings it sets the timer again.
                Err(TryLockError::WouldBlock) => return,
            };
            if feed.generation != generation {
                return;
            }
            feed.timer = None;
            if feed.is_cut() {
                // The rest will come, and set the timer. This thread is the clock's: it must not be
                // the one to push a rest to an engine that has enough of text.
                return;
            }
            let Some(open) = &mut feed.open else {
                return;
            };
            let result = if open.explicit {
                match open.text.flush() {
                    Ok(()) => Ok(()),
                    Err(error) => self.text_refused(&mut feed, error),
                }
            } else {
                self.end_text(&mut feed)
            };
            if let Err(Trouble::Engine(error)) = result {
                failed = Some(error);
            }
        });
        let flushing = self.state().flushing;
        if let Some(error) = failed.filter(|_| !flushing) {
            self.fail(element, error);
        }
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
            EventView::FlushStop(flush) => {
                let reset_time = flush.resets_time();
                self.flush_start(false);
                self.wait_idle();
                let passed = self.srcpad.push_event(event);
                // Downstream forgot what it had not rendered: go on now, not where that ended.
                let end = if reset_time {
                    Some(gst::ClockTime::ZERO)
                } else {
                    self.now(element)
                };
                self.flush_done(end);
                passed
            }
            EventView::StreamStart(start) => {
                self.enqueue(Item::StreamStart(start.group_id())).is_ok()
            }
            EventView::Caps(caps) => {
                let markup = caps
                    .caps()
                    .structure(0)
                    .and_then(|caps| caps.get::<&str>("format").ok())
                    .is_some_and(|format| format == "pango-markup");
                self.with_feed(element, |feed| {
                    if feed.markup.is_some() != markup {
                        self.end_text(feed)?;
                        feed.markup = markup.then(MarkupStripper::default);
                    }
                    Ok(())
                })
                .is_ok()
            }
            EventView::Segment(segment) => self.segment(element, segment.segment()),
            EventView::Gap(gap) => self.text_gap(element, gap.get()),
            EventView::Eos(_) => {
                let ended = self.with_feed(element, |feed| {
                    feed.disarm();
                    self.end_text(feed)
                });
                // Downstream that wants no more still waits for EOS.
                matches!(ended, Ok(()) | Err(gst::FlowError::Eos))
                    && self.enqueue(Item::Eos(event)).is_ok()
            }
            EventView::CustomDownstream(_) => self.custom(element, event),
            _ if event.is_serialized() => self.enqueue(Item::Event(event)).is_ok(),
            _ => gst::Pad::event_default(pad, Some(element), event),
        }
    }

    fn segment(&self, element: &gst::Element, segment: &gst::Segment) -> bool {
        if segment.rate() != 1.0 {
            gst::element_error!(
                element,
                gst::StreamError::Format,
                (
                    "The text's segment asks for playback at {} times normal speed, but speech is made at \
                     normal speed only: seek with a rate of 1.0 and set the property rate to speak faster",
                    segment.rate()
                )
            );
            self.give_up(gst::FlowError::Error);
            return false;
        }
        self.ask_latency();
        let segment = segment.downcast_ref::<gst::ClockTime>().cloned();
        self.with_feed(element, |feed| {
            feed.segment = segment;
            Ok(())
        })
        .is_ok()
    }

    /// Upstream has no text for a while: sinks that wait for sound are told so.
    fn text_gap(
        &self,
        element: &gst::Element,
        (start, duration): (gst::ClockTime, Option<gst::ClockTime>),
    ) -> bool {
        let mut until = None;
        let locked = self.with_feed(element, |feed| {
            if let (None, Some(segment)) = (&feed.open, &feed.segment) {
                until = segment.to_running_time(start + duration.unwrap_or_default());
            }
            Ok(())
        });
        match (locked, until) {
            (Ok(()), Some(until)) => self.enqueue(Item::Gap(until)).is_ok(),
            (result, _) => result.is_ok(),
        }
    }

    fn custom(&self, element: &gst::Element, event: gst::Event) -> bool {
        if let Some(begin) = UtteranceBegin::from_event(&event) {
            return self
                .with_feed(element, |feed| {
                    if feed
                        .open
                        .as_ref()
                        .is_some_and(|open| open.id == begin.utterance_id)
                    {
                        return Ok(());
                    }
                    feed.disarm();
                    self.end_text(feed)?;
                    self.open(feed, Some(begin.utterance_id), None)
                })
                .is_ok();
        }
        if let Some(end) = UtteranceEnd::from_event(&event) {
            return self
                .with_feed(element, |feed| {
                    // One that ended long ago does not end what came after it.
                    if feed
                        .open
                        .as_ref()
                        .is_some_and(|open| !open.explicit || open.id == end.utterance_id)
                    {
                        feed.disarm();
                        self.end_text(feed)?;
                    }
                    Ok(())
                })
                .is_ok();
        }
        self.enqueue(Item::Event(event)).is_ok()
    }
}
