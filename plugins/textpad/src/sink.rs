// SPDX-License-Identifier: MPL-2.0

//! The text side: the sink pad, where utterances begin and end.

use std::{
    sync::{Arc, TryLockError},
    time::Instant,
};

use duplex_synthesis::{Error, TextHalf};
use gst::prelude::*;

use crate::{
    core::{Arrivals, Core, Item, Speaker, Speech, lock},
    events::{UtteranceBegin, UtteranceEnd},
    markup::MarkupStripper,
    sentence::SentenceEnd,
    utf8::Utf8Carry,
};

/// Text goes to the engine in pieces of at most this, so that it can refuse more in time.
const MAX_PUSH: usize = 16 * 1024;

/// What has arrived and where it goes. See [`crate::core`] for its lock.
#[derive(Default)]
pub(crate) struct Feed {
    carry: Utf8Carry,
    /// Where the caps say that markup comes.
    markup: Option<MarkupStripper>,
    /// The segment, where it is one of time.
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    open: Option<OpenText>,
    /// Fires once a complete sentence was followed by silence.
    timer: Option<gst::SingleShotClockId>,
    /// Tells a timer that fires late from the present one.
    generation: u64,
    /// A WARNING to post once the lock is free.
    warning: Option<String>,
}

/// The open utterance.
struct OpenText {
    id: String,
    /// Begun by `voice/utterance`: only what upstream says ends it.
    explicit: bool,
    text: Box<dyn TextHalf>,
    sentence: SentenceEnd,
    arrivals: Arc<Arrivals>,
    bytes: u64,
    warned: bool,
}

/// Why text cannot be taken.
pub(crate) enum Trouble {
    Flow(gst::FlowError),
    Engine(Error),
}

impl From<gst::FlowError> for Trouble {
    fn from(flow: gst::FlowError) -> Self {
        Self::Flow(flow)
    }
}

impl Feed {
    /// Forgets the text, not its format.
    pub fn reset(&mut self) {
        self.disarm();
        self.carry = Utf8Carry::default();
        if let Some(markup) = &mut self.markup {
            *markup = MarkupStripper::default();
        }
        self.segment = None;
        self.open = None;
        self.warning = None;
    }

    fn disarm(&mut self) {
        self.generation += 1;
        if let Some(timer) = self.timer.take() {
            timer.unschedule();
        }
    }

    fn has_text(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.bytes > 0)
    }

    /// The text of these bytes, and whether some of them were no UTF-8.
    fn decode(&mut self, bytes: &[u8]) -> (String, bool) {
        let decoded = self.carry.push(bytes);
        let text = match &mut self.markup {
            Some(markup) => markup.push(&decoded.text),
            None => decoded.text,
        };
        (text, decoded.replaced)
    }

    fn decode_rest(&mut self) -> (String, bool) {
        let decoded = self.carry.finish();
        let text = match &mut self.markup {
            Some(markup) => markup.push(&decoded.text) + &markup.finish(),
            None => decoded.text,
        };
        (text, decoded.replaced)
    }

    fn warn_once(&mut self) -> bool {
        let Some(open) = &mut self.open else {
            return false;
        };
        if std::mem::replace(&mut open.warned, true) {
            return false;
        }
        self.warning = Some(format!(
            "The text of utterance {} is no valid UTF-8; U+FFFD stands for what is not. Convert it to \
             UTF-8 first, for instance with iconv",
            open.id
        ));
        true
    }
}

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
                    match segment.clip(pts, pts + duration) {
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
            Err(Trouble::Engine(error)) => {
                self.fail(element, error);
                Err(gst::FlowError::Error)
            }
        }
    }

    /// A timed cue: an utterance of its own.
    fn cue(&self, feed: &mut Feed, bytes: &[u8], at: gst::ClockTime) -> Result<(), Trouble> {
        if feed.has_text() {
            self.end_text(feed)?;
        }
        let (mut text, mut replaced) = feed.decode(bytes);
        let (rest, rest_replaced) = feed.decode_rest();
        text.push_str(&rest);
        replaced |= rest_replaced;
        if feed.open.is_none() {
            if text.trim().is_empty() {
                return Ok(());
            }
            self.open(feed, None, Some(at))?;
        }
        if replaced {
            feed.warn_once();
        }
        self.push_text(feed, &text)?;
        self.end_text(feed)
    }

    /// More of the open utterance, or the first of a new one.
    fn fragment(&self, feed: &mut Feed, bytes: &[u8], discont: bool) -> Result<(), Trouble> {
        if discont && feed.has_text() {
            self.end_text(feed)?;
        }
        let (text, replaced) = feed.decode(bytes);
        if feed.open.is_none() {
            if text.trim().is_empty() {
                return Ok(());
            }
            self.open(feed, None, None)?;
        }
        if replaced {
            feed.warn_once();
        }
        self.push_text(feed, &text)
    }

    fn open(
        &self,
        feed: &mut Feed,
        id: Option<String>,
        at: Option<gst::ClockTime>,
    ) -> Result<(), Trouble> {
        self.wait_room()?;
        let explicit = id.is_some();
        let id = id.unwrap_or_else(new_id);
        let engine = self
            .engine()
            .ok_or_else(|| Trouble::Engine(Error::Failed("there is no engine in NULL".into())))?;
        let utterance = engine.open(&self.request(&id)).map_err(Trouble::Engine)?;
        let arrivals = Arc::new(Arrivals::new());
        let speech = Speech {
            id: id.clone(),
            key: 0,
            audio: utterance.audio,
            at,
            opened: Instant::now(),
            arrivals: arrivals.clone(),
        };
        self.enqueue_speech(speech, utterance.cancel)?;
        feed.open = Some(OpenText {
            id,
            explicit,
            text: utterance.text,
            sentence: SentenceEnd::default(),
            arrivals,
            bytes: 0,
            warned: false,
        });
        Ok(())
    }

    fn push_text(&self, feed: &mut Feed, text: &str) -> Result<(), Trouble> {
        let Some(open) = &mut feed.open else {
            return Ok(());
        };
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(MAX_PUSH));
            rest = after;
            open.arrivals.note();
            if let Err(error) = open.text.push(piece) {
                return self.text_refused(feed, error);
            }
            open.sentence.push(piece);
            open.bytes += piece.len() as u64;
            self.count(|stats| stats.text_bytes += piece.len() as u64);
        }
        Ok(())
    }

    /// The engine takes no more text of the open utterance.
    fn text_refused(&self, feed: &mut Feed, error: Error) -> Result<(), Trouble> {
        feed.open = None;
        if error != Error::Cancelled {
            return Err(Trouble::Engine(error));
        }
        let state = self.state();
        if state.flushing {
            return Err(gst::FlowError::Flushing.into());
        }
        state.flow?;
        Ok(())
    }

    /// The open utterance's text is complete.
    fn end_text(&self, feed: &mut Feed) -> Result<(), Trouble> {
        let (rest, replaced) = feed.decode_rest();
        if replaced {
            feed.warn_once();
        }
        self.push_text(feed, &rest)?;
        let Some(mut open) = feed.open.take() else {
            return Ok(());
        };
        match open.text.finish() {
            Ok(()) => Ok(()),
            Err(error) => self.text_refused(feed, error),
        }
    }

    /// Waits for more text, but not for ever.
    fn arm(&self, element: &gst::Element, feed: &mut Feed) {
        let Some(delay) = self.settings().max_delay else {
            return;
        };
        if !feed
            .open
            .as_ref()
            .is_some_and(|open| open.sentence.reached())
        {
            return;
        }
        let clock = gst::SystemClock::obtain();
        let timer = clock.new_single_shot_id(clock.time() + delay);
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
        if let Some(error) = failed {
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

        gst::log!(self.cat, obj = pad, "{event:?}");
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
        let mut latency = gst::query::Latency::new();
        let live = self.sinkpad.peer_query(&mut latency) && latency.result().0;
        self.state().live = live;
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

    pub(crate) fn sink_query(
        &self,
        element: &gst::Element,
        pad: &gst::Pad,
        query: &mut gst::QueryRef,
    ) -> bool {
        match query.view_mut() {
            // Buffers of text need no allocator of an audio sink.
            gst::QueryViewMut::Allocation(_) => false,
            gst::QueryViewMut::Caps(query) => {
                let caps = pad.pad_template_caps();
                let caps = match query.filter() {
                    Some(filter) => {
                        filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First)
                    }
                    None => caps,
                };
                query.set_result(&caps);
                true
            }
            _ => gst::Pad::query_default(pad, Some(element), query),
        }
    }
}

/// A name for an utterance that upstream gave none.
fn new_id() -> String {
    // SAFETY: takes nothing and only counts. These numbers are unique in the process, whichever
    // plugin asks, as a counter of this crate, linked by several, would not be.
    format!("u-{}", unsafe { gst::ffi::gst_util_seqnum_next() })
}
