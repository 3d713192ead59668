// SPDX-License-Identifier: MPL-2.0

//! A text-to-audio element between two pads of the test's own: text is pushed into it from the
//! test's thread, and what comes out is kept in its order, events and buffers in one list.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use duplex_textpad::events::{UtteranceBegin, UtteranceEnd, Word};
use gst::prelude::*;

/// One thing that came out.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    /// STREAM_START.
    StreamStart,
    /// CAPS, with their rate.
    Caps(i32),
    /// SEGMENT in time.
    Segment {
        /// First stream time.
        start: gst::ClockTime,
        /// Its running time.
        base: gst::ClockTime,
    },
    /// `voice/utterance`.
    Begin(String),
    /// `voice/word`.
    Word(Word),
    /// A buffer.
    Sound {
        /// Its timestamp.
        pts: gst::ClockTime,
        /// Its duration.
        duration: gst::ClockTime,
        /// What it holds.
        samples: Vec<i16>,
        /// Whether it is marked DISCONT.
        discont: bool,
    },
    /// `voice/end-of-utterance`, with its samples.
    End(String, u64),
    /// GAP.
    Gap(gst::ClockTime, Option<gst::ClockTime>),
    /// FLUSH_START.
    FlushStart,
    /// FLUSH_STOP.
    FlushStop,
    /// EOS.
    Eos,
    /// Any other event: the name of its structure, or else of its type.
    Other(String),
}

#[derive(Default)]
struct Heard {
    out: Vec<Out>,
    /// The rates that are taken; none: any.
    rates: Vec<i32>,
    /// What a buffer is answered with.
    answer: Option<gst::FlowError>,
    /// What the text's LATENCY is answered with.
    latency: Option<(bool, gst::ClockTime)>,
    flushing: bool,
    /// How many buffers are taken before the rest must wait; none: all.
    credit: Option<usize>,
}

type Shared = Arc<(Mutex<Heard>, Condvar)>;

/// The element, its two neighbours, and what came out.
pub struct Rig {
    /// The element under test.
    pub element: gst::Element,
    /// The pad that text goes out of, into the element.
    pub text: gst::Pad,
    sound: gst::Pad,
    shared: Shared,
}

impl Rig {
    /// The element of that factory, in NULL, with its neighbours linked.
    pub fn new(factory: &str) -> Self {
        let element = gst::ElementFactory::make(factory)
            .build()
            .unwrap_or_else(|error| panic!("{factory}: {error}"));
        let shared = Shared::default();
        let text = text_pad(&shared);
        let sound = sound_pad(&shared);
        text.link(&element.static_pad("sink").unwrap()).unwrap();
        element.static_pad("src").unwrap().link(&sound).unwrap();
        Self {
            element,
            text,
            sound,
            shared,
        }
    }

    /// The same, in PLAYING, with text in a BYTES segment announced.
    pub fn playing(factory: &str) -> Self {
        let rig = Self::new(factory);
        rig.start();
        rig.begin_bytes();
        rig
    }

    /// Activates the neighbours and sets PLAYING.
    pub fn start(&self) {
        self.sound.set_active(true).unwrap();
        self.element.set_state(gst::State::Playing).unwrap();
        self.text.set_active(true).unwrap();
    }

    /// Sets NULL, and deactivates the neighbours.
    pub fn stop(&self) {
        self.element.set_state(gst::State::Null).unwrap();
        self.text.set_active(false).unwrap();
        self.sound.set_active(false).unwrap();
    }

    /// STREAM_START and CAPS of plain text, and a segment in bytes.
    pub fn begin_bytes(&self) {
        self.begin("utf8");
        let segment = gst::FormattedSegment::<gst::format::Bytes>::new();
        assert!(self.text.push_event(gst::event::Segment::new(&segment)));
    }

    /// The same while the element may refuse it at any moment.
    pub fn begin_bytes_of_a_running_stream(&self) {
        let segment = gst::FormattedSegment::<gst::format::Bytes>::new();
        self.text.push_event(gst::event::StreamStart::new("story"));
        self.text.push_event(gst::event::Segment::new(&segment));
    }

    /// STREAM_START and CAPS of text in this format, and a segment in time.
    pub fn begin_time(&self, format: &str) {
        self.begin(format);
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(self.text.push_event(gst::event::Segment::new(&segment)));
    }

    fn begin(&self, format: &str) {
        let caps = gst::Caps::builder("text/x-raw")
            .field("format", format)
            .build();
        self.text.push_event(gst::event::StreamStart::new("story"));
        assert!(self.text.push_event(gst::event::Caps::new(&caps)));
    }

    /// Pushes bytes without a timestamp.
    pub fn push(&self, bytes: impl AsRef<[u8]>) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.text
            .push(gst::Buffer::from_slice(bytes.as_ref().to_vec()))
    }

    /// Pushes a timed cue.
    pub fn cue(
        &self,
        text: &str,
        pts: gst::ClockTime,
        duration: gst::ClockTime,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut buffer = gst::Buffer::from_slice(text.as_bytes().to_vec());
        let unshared = buffer.get_mut().unwrap();
        unshared.set_pts(pts);
        unshared.set_duration(duration);
        self.text.push(buffer)
    }

    /// Pushes an event into the element.
    pub fn event(&self, event: gst::Event) -> bool {
        self.text.push_event(event)
    }

    /// Pushes EOS and waits until it comes out; everything up to it.
    pub fn drain(&self) -> Vec<Out> {
        self.event(gst::event::Eos::new());
        self.wait_for("EOS", |out| out.contains(&Out::Eos))
    }

    /// Waits until what came out is as wanted; all of it.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&[Out]) -> bool) -> Vec<Out> {
        let until = Instant::now() + Duration::from_secs(30);
        let mut heard = self.heard();
        while !wanted(&heard.out) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{what} did not come in 30 s: {:?}",
                brief(&heard.out)
            );
            heard = self.shared.1.wait_timeout(heard, left).unwrap().0;
        }
        heard.out.clone()
    }

    /// Everything so far.
    pub fn out(&self) -> Vec<Out> {
        self.heard().out.clone()
    }

    /// Forgets everything so far.
    pub fn clear(&self) {
        self.heard().out.clear();
    }

    /// What the sound's neighbour takes from now on; tells the element so.
    pub fn take_rates(&self, rates: &[i32]) {
        self.heard().rates = rates.to_vec();
        self.sound.push_event(gst::event::Reconfigure::new());
    }

    /// What buffers are answered with from now on.
    pub fn answer(&self, flow: Option<gst::FlowError>) {
        self.heard().answer = flow;
    }

    /// What the text's LATENCY query is answered with: live, minimum.
    pub fn latency(&self, live: bool, min: gst::ClockTime) {
        self.heard().latency = Some((live, min));
    }

    /// Takes that many buffers more; the next one waits, as at a sink that plays.
    pub fn credit(&self, buffers: Option<usize>) {
        self.heard().credit = buffers;
        self.shared.1.notify_all();
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.shared.0.lock().unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // Whoever waits in it is let go, as by a sink, which goes first.
        self.credit(None);
        let _ = self.element.set_state(gst::State::Null);
        let _ = self.text.set_active(false);
        let _ = self.sound.set_active(false);
    }
}

/// All samples, in order.
pub fn samples(out: &[Out]) -> Vec<i16> {
    out.iter()
        .filter_map(|out| match out {
            Out::Sound { samples, .. } => Some(samples.as_slice()),
            _ => None,
        })
        .flatten()
        .copied()
        .collect()
}

/// The words in the order in which they were announced.
pub fn words(out: &[Out]) -> Vec<Word> {
    out.iter()
        .filter_map(|out| match out {
            Out::Word(word) => Some(word.clone()),
            _ => None,
        })
        .collect()
}

/// The list without samples, for messages.
pub fn brief(out: &[Out]) -> Vec<Out> {
    let mut out = out.to_vec();
    for out in &mut out {
        if let Out::Sound { samples, .. } = out {
            samples.clear();
        }
    }
    out
}

/// The utterances of a list, each checked: SEGMENT · voice/utterance · (voice/word | buffer)* ·
/// SEGMENT · voice/end-of-utterance, timestamps without holes from 0 on, words ahead of the
/// buffer in which they begin. Gives each one's id, running time, and what it holds.
pub fn utterances(out: &[Out]) -> Vec<(String, gst::ClockTime, Vec<Out>)> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(begin) = out[at..]
        .iter()
        .position(|out| matches!(out, Out::Begin(_)))
    {
        let begin = at + begin;
        let Out::Begin(id) = &out[begin] else {
            unreachable!()
        };
        let Out::Segment { start, base } = out[begin - 1] else {
            panic!("{id} does not begin with a SEGMENT: {:?}", out[begin - 1]);
        };
        assert_eq!(start, gst::ClockTime::ZERO, "stream time of {id}");
        let end = begin
            + out[begin..]
                .iter()
                .position(|out| matches!(out, Out::End(..)))
                .unwrap_or_else(|| panic!("{id} does not end: {:?}", brief(&out[begin..])));
        let Out::End(ended, count) = &out[end] else {
            unreachable!()
        };
        assert_eq!(ended, id);
        assert!(
            matches!(out[end - 1], Out::Segment { .. }),
            "no SEGMENT ahead of the end of {id}"
        );
        let inside = &out[begin + 1..end - 1];
        assert_eq!(samples(inside).len() as u64, *count, "samples of {id}");
        let mut position = gst::ClockTime::ZERO;
        for out in inside {
            match out {
                Out::Sound { pts, duration, .. } => {
                    assert_eq!(*pts, position, "a hole in {id}");
                    position = *pts + *duration;
                }
                Out::Word(word) => {
                    assert_eq!(&word.utterance_id, id);
                    assert!(word.start >= position, "{word:?} comes after {position}");
                }
                Out::Caps(_) | Out::Segment { .. } => (),
                other => panic!("{other:?} inside of {id}"),
            }
        }
        all.push((id.clone(), base, inside.to_vec()));
        at = end + 1;
    }
    all
}

fn text_pad(shared: &Shared) -> gst::Pad {
    let shared = shared.clone();
    gst::Pad::builder(gst::PadDirection::Src)
        .name("text")
        .query_function(move |pad, parent, query| match query.view_mut() {
            gst::QueryViewMut::Latency(query) => {
                let Some((live, min)) = shared.0.lock().unwrap().latency else {
                    return false;
                };
                query.set(live, min, gst::ClockTime::NONE);
                true
            }
            _ => gst::Pad::query_default(pad, parent, query),
        })
        .build()
}

fn sound_pad(shared: &Shared) -> gst::Pad {
    let (of_buffers, of_events, of_queries) = (shared.clone(), shared.clone(), shared.clone());
    gst::Pad::builder(gst::PadDirection::Sink)
        .name("sound")
        .chain_function(move |_, _, buffer| {
            let (heard, changed) = &*of_buffers;
            let mut heard = heard.lock().unwrap();
            while heard.credit == Some(0) && !heard.flushing {
                heard = changed.wait(heard).unwrap();
            }
            if heard.flushing {
                return Err(gst::FlowError::Flushing);
            }
            if let Some(credit) = &mut heard.credit {
                *credit -= 1;
            }
            if let Some(flow) = heard.answer {
                return Err(flow);
            }
            let map = buffer.map_readable().unwrap();
            heard.out.push(Out::Sound {
                pts: buffer.pts().unwrap(),
                duration: buffer.duration().unwrap(),
                samples: map
                    .chunks_exact(2)
                    .map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]]))
                    .collect(),
                discont: buffer.flags().contains(gst::BufferFlags::DISCONT),
            });
            changed.notify_all();
            Ok(gst::FlowSuccess::Ok)
        })
        .event_function(move |_, _, event| {
            let (heard, changed) = &*of_events;
            let mut heard = heard.lock().unwrap();
            match event.type_() {
                gst::EventType::FlushStart => heard.flushing = true,
                gst::EventType::FlushStop => heard.flushing = false,
                _ => (),
            }
            heard.out.push(out_of(&event));
            changed.notify_all();
            true
        })
        .query_function(move |pad, parent, query| match query.view_mut() {
            gst::QueryViewMut::Caps(query) => {
                let rates = of_queries.0.lock().unwrap().rates.clone();
                let mut caps = gst::Caps::builder("audio/x-raw");
                if !rates.is_empty() {
                    caps = caps.field("rate", gst::List::new(rates));
                }
                let caps = caps.build();
                let caps = match query.filter() {
                    Some(filter) => {
                        filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First)
                    }
                    None => caps,
                };
                query.set_result(&caps);
                true
            }
            gst::QueryViewMut::AcceptCaps(query) => {
                query.set_result(true);
                true
            }
            _ => gst::Pad::query_default(pad, parent, query),
        })
        .build()
}

fn out_of(event: &gst::Event) -> Out {
    if let Some(begin) = UtteranceBegin::from_event(event) {
        return Out::Begin(begin.utterance_id);
    }
    if let Some(word) = Word::from_event(event) {
        return Out::Word(word);
    }
    if let Some(end) = UtteranceEnd::from_event(event) {
        return Out::End(end.utterance_id, end.samples.expect("sound has samples"));
    }
    match event.view() {
        gst::EventView::StreamStart(_) => Out::StreamStart,
        gst::EventView::Caps(caps) => {
            Out::Caps(caps.caps().structure(0).unwrap().get("rate").unwrap())
        }
        gst::EventView::Segment(segment) => {
            let segment = segment
                .segment()
                .downcast_ref::<gst::ClockTime>()
                .expect("sound has segments in time")
                .clone();
            assert_eq!(segment.start(), segment.time());
            Out::Segment {
                start: segment.start().unwrap(),
                base: segment.base().unwrap(),
            }
        }
        gst::EventView::Gap(gap) => Out::Gap(gap.get().0, gap.get().1),
        gst::EventView::FlushStart(_) => Out::FlushStart,
        gst::EventView::FlushStop(_) => Out::FlushStop,
        gst::EventView::Eos(_) => Out::Eos,
        _ => Out::Other(match event.structure() {
            Some(structure) => structure.name().to_string(),
            None => format!("{:?}", event.type_()),
        }),
    }
}
