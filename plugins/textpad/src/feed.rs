// SPDX-License-Identifier: MPL-2.0

//! The text of the open utterance, from bytes to the engine.

use std::{sync::Arc, time::Instant};

use duplex_synthesis::{Error, TextHalf};

use crate::{
    core::{Arrivals, Core, MAX_OPEN, Speaker, Speech},
    markup::MarkupStripper,
    sentence::SentenceEnd,
    utf8::Utf8Decoder,
};

/// Text goes to the engine in pieces of at most this, so that it can refuse more in time.
const MAX_PUSH: usize = 16 * 1024;

/// What has arrived and where it goes. See [`crate::core`] for its lock.
#[derive(Default)]
pub(crate) struct Feed {
    pub decoder: Utf8Decoder,
    /// Where the caps say that markup comes.
    pub markup: Option<MarkupStripper>,
    /// The segment, where it is one of time.
    pub segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    pub open: Option<OpenText>,
    /// Fires once a complete sentence was followed by silence.
    pub timer: Option<gst::SingleShotClockId>,
    /// Tells a timer that fires late from the present one.
    pub generation: u64,
    /// A WARNING to post once the lock is free.
    pub warning: Option<String>,
}

/// The open utterance.
pub(crate) struct OpenText {
    pub id: String,
    /// Begun by `voice/utterance`: only what upstream says ends it.
    pub explicit: bool,
    pub text: Box<dyn TextHalf>,
    pub sentence: SentenceEnd,
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
        self.decoder.restart();
        if let Some(markup) = &mut self.markup {
            *markup = MarkupStripper::default();
        }
        self.segment = None;
        self.open = None;
        self.warning = None;
    }

    pub(crate) fn disarm(&mut self) {
        self.generation += 1;
        if let Some(timer) = self.timer.take() {
            timer.unschedule();
        }
    }

    pub(crate) fn has_text(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.bytes > 0)
    }

    /// Something has begun whose rest must come: a character, a tag or an entity.
    pub fn is_cut(&self) -> bool {
        self.decoder.is_cut() || self.markup.as_ref().is_some_and(MarkupStripper::is_cut)
    }

    /// The text of these bytes, and whether some of them were no UTF-8.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> (String, bool) {
        let decoded = self.decoder.push(bytes);
        let text = match &mut self.markup {
            Some(markup) => markup.push(&decoded),
            None => decoded,
        };
        (text, self.decoder.take_first_invalid().is_some())
    }

    pub(crate) fn decode_rest(&mut self) -> (String, bool) {
        let decoded = self.decoder.finish();
        let text = match &mut self.markup {
            Some(markup) => markup.push(decoded) + &markup.finish(),
            None => decoded.to_owned(),
        };
        (text, self.decoder.take_first_invalid().is_some())
    }

    pub(crate) fn warn_once(&mut self) -> bool {
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
    /// A timed cue: an utterance of its own.
    pub(crate) fn cue(
        &self,
        feed: &mut Feed,
        bytes: &[u8],
        at: gst::ClockTime,
    ) -> Result<(), Trouble> {
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
    pub(crate) fn fragment(
        &self,
        feed: &mut Feed,
        bytes: &[u8],
        discont: bool,
    ) -> Result<(), Trouble> {
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

    pub(crate) fn open(
        &self,
        feed: &mut Feed,
        id: Option<String>,
        at: Option<gst::ClockTime>,
    ) -> Result<(), Trouble> {
        self.wait_room(MAX_OPEN)?;
        let explicit = id.is_some();
        let id = id.unwrap_or_else(new_id);
        let engine = self
            .engine()
            .ok_or_else(|| Trouble::Engine(Error::Failed("there is no engine in NULL".into())))?;
        let request = self.request(&id);
        let utterance = match engine.open(&request) {
            // What this element speaks itself is no reason not to speak on: the utterance has to wait for it.
            Err(Error::Busy(_)) if !self.state().open.is_empty() => {
                self.wait_room(1)?;
                engine.open(&request)
            }
            opened => opened,
        }
        .map_err(Trouble::Engine)?;
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

    pub(crate) fn push_text(&self, feed: &mut Feed, text: &str) -> Result<(), Trouble> {
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
    pub(crate) fn text_refused(&self, feed: &mut Feed, error: Error) -> Result<(), Trouble> {
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
    pub(crate) fn end_text(&self, feed: &mut Feed) -> Result<(), Trouble> {
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
}

/// A name for an utterance that upstream gave none.
fn new_id() -> String {
    // SAFETY: takes nothing and only counts. These numbers are unique in the process, whichever
    // plugin asks, as a counter of this crate, linked by several, would not be.
    format!("u-{}", unsafe { gst::ffi::gst_util_seqnum_next() })
}
