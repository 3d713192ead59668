// SPDX-License-Identifier: MPL-2.0

//! The sound side: the source pad and its task.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use duplex_synthesis::{Error, Piece};
use gst::prelude::*;

use crate::{
    core::{Core, Item, Speaker, Speech},
    events::{UtteranceBegin, UtteranceEnd, Word},
    resample::Resampler,
};

/// A pause of the text shorter than this leaves the running time of its sound alone.
const TEXT_PAUSE: Duration = Duration::from_millis(20);

/// What the task knows; nobody else sees it.
pub(crate) struct Output {
    epoch: u64,
    current: Option<Current>,
    stream_started: bool,
    group: Option<gst::GroupId>,
    /// Rate of the CAPS that were pushed.
    rate: Option<u32>,
    /// A SEGMENT from 0 at the end of the last sound is in force.
    idle_segment: bool,
    idle_since: Instant,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            epoch: 0,
            current: None,
            stream_started: false,
            group: None,
            rate: None,
            idle_segment: false,
            idle_since: Instant::now(),
        }
    }
}

/// The utterance that is spoken.
struct Current {
    speech: Speech,
    begun: bool,
    native: u32,
    resampler: Option<Resampler>,
    /// Marks whose buffer has not come yet.
    words: VecDeque<Word>,
    /// Where the samples of the present rate begin: stream time within the utterance.
    start: gst::ClockTime,
    /// Samples of the present rate.
    count: u64,
    /// Samples of all rates.
    samples: u64,
    /// Running time of stream time 0, less what pauses of the text added.
    segment: (gst::ClockTime, gst::ClockTime),
    discont: bool,
}

impl Current {
    fn position(&self, rate: u32) -> gst::ClockTime {
        self.start + samples_to_time(self.count, rate)
    }

    /// Running time of the end of what was pushed.
    fn running_time(&self, rate: u32) -> gst::ClockTime {
        let (start, base) = self.segment;
        base + self.position(rate).saturating_sub(start)
    }
}

fn samples_to_time(samples: u64, rate: u32) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(
        (u128::from(samples) * 1_000_000_000 / u128::from(rate.max(1))) as u64,
    )
}

/// Mono S16LE at a rate, or at any.
fn caps(rate: Option<u32>) -> gst::Caps {
    let builder = gst_audio::AudioCapsBuilder::new_interleaved()
        .format(gst_audio::AudioFormat::S16le)
        .channels(1);
    match rate.and_then(|rate| i32::try_from(rate).ok()) {
        Some(rate) => builder.rate(rate).build(),
        None => builder.build(),
    }
}

/// Caps of the source pad template.
pub(crate) fn template_caps() -> gst::Caps {
    caps(None)
}

impl<S: Speaker> Core<S> {
    /// One turn of the task: an item of the queue, or a piece of the utterance at hand.
    pub(crate) fn step(&self, element: &gst::Element, out: &mut Output) {
        let completed = self.guard(element, false, || {
            self.turn(element, out);
            true
        });
        if !completed {
            out.current = None;
        }
    }

    fn turn(&self, element: &gst::Element, out: &mut Output) {
        if out.current.is_some() && self.state().epoch == out.epoch {
            self.speak(element, out);
            return;
        }
        out.current = None;
        let Some(item) = self.take(out) else {
            return;
        };
        match item {
            Item::Speech(speech) => {
                let native = speech.audio.sample_rate();
                out.current = Some(Current {
                    speech: *speech,
                    begun: false,
                    native,
                    resampler: None,
                    words: VecDeque::new(),
                    start: gst::ClockTime::ZERO,
                    count: 0,
                    samples: 0,
                    segment: Default::default(),
                    discont: true,
                });
            }
            Item::StreamStart(group) => {
                out.group = group;
                out.stream_started = false;
                out.idle_segment = false;
            }
            Item::Event(event) => {
                self.start_stream(element, out);
                self.srcpad.push_event(event);
            }
            Item::Gap(until) => {
                if self.start_segment(element, out, None) {
                    self.gap(out, until);
                }
            }
            Item::Eos(event) => {
                // Even of nothing: a file writer still makes a file of its right format.
                self.start_segment(element, out, None);
                self.srcpad.push_event(event);
                out.stream_started = false;
                out.idle_segment = false;
            }
        }
    }

    /// Waits for an item; `None` where the task is to end.
    fn take(&self, out: &mut Output) -> Option<Item> {
        let mut state = self.state();
        state.busy = false;
        state.task = Some(std::thread::current().id());
        self.changed.notify_all();
        loop {
            if state.stopping {
                return None;
            }
            if !state.flushing
                && let Some(item) = state.items.pop_front()
            {
                state.busy = true;
                if out.epoch != state.epoch {
                    out.epoch = state.epoch;
                    out.idle_segment = false;
                }
                drop(state);
                self.changed.notify_all();
                return Some(item);
            }
            state = self.wait(state);
        }
    }

    fn speak(&self, element: &gst::Element, out: &mut Output) {
        let Some(current) = &mut out.current else {
            return;
        };
        let asked = Instant::now();
        let piece = current.speech.audio.next();
        if self.state().epoch != out.epoch {
            out.current = None;
            return;
        }
        let result = match piece {
            Ok(Some(piece)) => self.piece(element, out, piece, asked),
            Ok(None) => self.finish(element, out),
            Err(Error::Cancelled) => {
                // By the engine itself: what follows must not wait for the rest.
                gst::warning!(
                    self.cat,
                    obj = element,
                    "the engine cancelled {}",
                    current.speech.id
                );
                self.count(|stats| stats.cancelled += 1);
                self.finish(element, out)
            }
            Err(error) => {
                self.fail(element, error);
                out.current = None;
                return;
            }
        };
        if let Err(flow) = result {
            out.current = None;
            self.pushed_in_vain(element, flow);
        }
    }

    /// The sound cannot be pushed: says so, and stops until a flush or a restart.
    fn pushed_in_vain(&self, element: &gst::Element, flow: gst::FlowError) {
        gst::debug!(self.cat, obj = element, "stopping: {flow}");
        if self.state().flushing {
            return;
        }
        // On the bus before upstream learns of it, whose own message would say less.
        match flow {
            gst::FlowError::Flushing | gst::FlowError::Eos => (),
            gst::FlowError::NotLinked => gst::element_error!(
                element,
                gst::StreamError::Failed,
                ("The source pad is not linked: link it to what takes the sound, for instance \
                     autoaudiosink")
            ),
            gst::FlowError::NotNegotiated => gst::element_error!(
                element,
                gst::StreamError::Format,
                ("What follows takes no mono S16LE sound: put audioconvert ! audioresample \
                     between")
            ),
            flow => gst::element_error!(
                element,
                gst::StreamError::Failed,
                ("The sound was refused downstream ({flow}); an error there says why")
            ),
        }
        self.give_up(flow);
    }

    fn piece(
        &self,
        element: &gst::Element,
        out: &mut Output,
        piece: Piece,
        asked: Instant,
    ) -> Result<(), gst::FlowError> {
        if piece.samples.is_empty() && piece.words.is_empty() {
            return Ok(());
        }
        self.begin(element, out)?;
        self.renegotiate(element, out)?;
        self.catch_up(element, out, asked);
        let (Some(rate), Some(current)) = (out.rate, &mut out.current) else {
            return Ok(());
        };
        let native = current.native;
        current
            .words
            .extend(piece.words.into_iter().map(|mark| Word {
                utterance_id: current.speech.id.clone(),
                text: mark.text,
                start: samples_to_time(mark.start, native),
                duration: samples_to_time(mark.samples, native),
                text_start: u32::try_from(mark.bytes.start).unwrap_or(u32::MAX),
                text_end: u32::try_from(mark.bytes.end).unwrap_or(u32::MAX),
                exact: mark.exact,
            }));
        let samples = match &mut current.resampler {
            Some(resampler) => resampler.push(&piece.samples),
            None => piece.samples,
        };
        self.push(current, rate, &samples, out.idle_since)
    }

    /// The utterance's first events, once there is sound.
    fn begin(&self, element: &gst::Element, out: &mut Output) -> Result<(), gst::FlowError> {
        let Some(current) = &out.current else {
            return Ok(());
        };
        if current.begun {
            return Ok(());
        }
        let (native, at, opened) = (current.native, current.speech.at, current.speech.opened);
        let id = current.speech.id.clone();
        let text_at = current.speech.arrivals.first().unwrap_or(opened);
        self.start_stream(element, out);
        let rate = self.set_caps(element, out, native)?;

        let (end, live) = {
            let state = self.state();
            (state.end, state.live)
        };
        let slack = if live {
            self.settings().latency
        } else {
            gst::ClockTime::ZERO
        };
        let mut base = at.map_or(end, |at| at.max(end));
        // Text that was waited for is spoken now, as is any text of a live pipeline. Of a file, the
        // next utterance lies right behind the last, however long the engine took for it.
        let waited = live || text_at > out.idle_since;
        match self.now(element).filter(|_| waited) {
            Some(now) if now > base + slack => base = now,
            _ if base > end => {
                self.start_segment(element, out, None);
                self.gap(out, base);
            }
            _ => (),
        }
        self.push_segment(gst::ClockTime::ZERO, base);
        self.srcpad.push_event(UtteranceBegin::new(id).to_event());
        out.idle_segment = false;
        if let Some(current) = &mut out.current {
            current.begun = true;
            current.segment = (gst::ClockTime::ZERO, base);
            current.resampler = resampler(native, rate)?;
        }
        Ok(())
    }

    /// After a pause of the text, the sound goes on now and not in the past.
    fn catch_up(&self, element: &gst::Element, out: &mut Output, asked: Instant) {
        let (Some(rate), Some(current)) = (out.rate, &mut out.current) else {
            return;
        };
        let live = self.state().live;
        let text_came = current
            .speech
            .arrivals
            .last()
            .is_some_and(|last| last > asked);
        if asked.elapsed() < TEXT_PAUSE || current.samples == 0 || !(live || text_came) {
            return;
        }
        let slack = if live {
            self.settings().latency
        } else {
            gst::ClockTime::ZERO
        };
        let due = current.running_time(rate);
        if let Some(now) = self.now(element)
            && now > due + slack
        {
            let position = current.position(rate);
            gst::debug!(self.cat, obj = element, "the text paused for {}", now - due);
            self.push_segment(position, now);
            current.segment = (position, now);
            current.discont = true;
        }
    }

    /// Downstream may want another rate by now.
    fn renegotiate(&self, element: &gst::Element, out: &mut Output) -> Result<(), gst::FlowError> {
        if !self.srcpad.check_reconfigure() {
            return Ok(());
        }
        let (Some(old), Some(current)) = (out.rate, &mut out.current) else {
            return Ok(());
        };
        let native = current.native;
        let rate = self.choose_rate(element, native)?;
        if rate == old {
            return Ok(());
        }
        // What the resampler still holds belongs to the old rate.
        if let Some(mut resampler) = current.resampler.take() {
            let rest = resampler.drain();
            self.push(current, old, &rest, out.idle_since)?;
        }
        current.start = current.position(old);
        current.count = 0;
        current.resampler = resampler(native, rate)?;
        self.srcpad
            .push_event(gst::event::Caps::new(&caps(Some(rate))));
        out.rate = Some(rate);
        Ok(())
    }

    /// Pushes samples, each word's event ahead of the buffer in which it begins.
    fn push(
        &self,
        current: &mut Current,
        rate: u32,
        samples: &[i16],
        idle_since: Instant,
    ) -> Result<(), gst::FlowError> {
        if samples.is_empty() {
            return Ok(());
        }
        let pts = current.position(rate);
        let offset = current.samples;
        current.count += samples.len() as u64;
        let end = current.position(rate);
        while let Some(word) = current.words.front()
            && word.start < end
        {
            self.push_word(current.words.pop_front());
        }
        let bytes: Vec<u8> = samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(pts);
            buffer.set_duration(end - pts);
            buffer.set_offset(offset);
            buffer.set_offset_end(offset + samples.len() as u64);
            if std::mem::take(&mut current.discont) {
                buffer.set_flags(gst::BufferFlags::DISCONT | gst::BufferFlags::RESYNC);
            }
        }
        self.srcpad.push(buffer)?;
        let first = current.samples == 0;
        current.samples += samples.len() as u64;
        let text_at = current
            .speech
            .arrivals
            .first()
            .unwrap_or(current.speech.opened);
        self.count(|stats| {
            stats.samples += samples.len() as u64;
            if first {
                let after = text_at.max(idle_since).elapsed();
                stats.first_audio(gst::ClockTime::try_from(after).unwrap_or(gst::ClockTime::MAX));
            }
        });
        Ok(())
    }

    fn push_word(&self, word: Option<Word>) {
        if let Some(word) = word {
            self.srcpad.push_event(word.to_event());
            self.count(|stats| stats.words += 1);
        }
    }

    /// The utterance is complete: SEGMENT, which drains resamplers, and its end.
    fn finish(&self, element: &gst::Element, out: &mut Output) -> Result<(), gst::FlowError> {
        self.begin(element, out)?;
        let (Some(rate), Some(mut current)) = (out.rate, out.current.take()) else {
            return Ok(());
        };
        if let Some(mut resampler) = current.resampler.take() {
            let rest = resampler.drain();
            self.push(&mut current, rate, &rest, out.idle_since)?;
        }
        while let Some(word) = current.words.pop_front() {
            self.push_word(Some(word));
        }
        let end = current.running_time(rate);
        {
            let mut state = self.state();
            if state.epoch != out.epoch {
                return Ok(());
            }
            state.end = end;
        }
        self.push_segment(gst::ClockTime::ZERO, end);
        let id = current.speech.id.clone();
        self.srcpad
            .push_event(UtteranceEnd::of_sound(id, current.samples).to_event());
        self.count(|stats| stats.utterances += 1);
        out.idle_segment = true;
        out.idle_since = Instant::now();
        let key = current.speech.key;
        drop(current);
        self.close_speech(key);
        Ok(())
    }

    fn start_stream(&self, element: &gst::Element, out: &mut Output) {
        if out.stream_started {
            return;
        }
        let id = self.srcpad.create_stream_id(element, Some("speech"));
        let event = gst::event::StreamStart::builder(id.as_str())
            .group_id(out.group.unwrap_or_else(gst::GroupId::next))
            .build();
        self.srcpad.push_event(event);
        out.stream_started = true;
        out.rate = None;
    }

    /// What must have gone out before a GAP or an EOS. False where it cannot.
    fn start_segment(&self, element: &gst::Element, out: &mut Output, native: Option<u32>) -> bool {
        self.start_stream(element, out);
        if out.rate.is_none() {
            let native = native.or_else(|| {
                let request = self.request("");
                self.engine()?.sample_rate(&request).ok()
            });
            let Some(native) = native else {
                return false;
            };
            if self.set_caps(element, out, native).is_err() {
                return false;
            }
        }
        if !out.idle_segment {
            let end = self.state().end;
            self.push_segment(gst::ClockTime::ZERO, end);
            out.idle_segment = true;
        }
        true
    }

    /// Silence from the end of the last sound until a running time, where that is later.
    fn gap(&self, out: &Output, until: gst::ClockTime) {
        let end = self.state().end;
        if until <= end {
            return;
        }
        let gap = gst::event::Gap::builder(gst::ClockTime::ZERO)
            .duration(until - end)
            .build();
        self.srcpad.push_event(gap);
        let mut state = self.state();
        if state.epoch == out.epoch {
            state.end = until;
        }
        drop(state);
        self.push_segment(gst::ClockTime::ZERO, until);
    }

    fn push_segment(&self, position: gst::ClockTime, base: gst::ClockTime) {
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_start(position);
        segment.set_time(position);
        segment.set_position(position);
        segment.set_base(base);
        self.srcpad.push_event(gst::event::Segment::new(&segment));
    }

    /// Pushes CAPS where they are new; the rate that is in force.
    fn set_caps(
        &self,
        element: &gst::Element,
        out: &mut Output,
        native: u32,
    ) -> Result<u32, gst::FlowError> {
        self.srcpad.check_reconfigure();
        let rate = self.choose_rate(element, native)?;
        if out.rate != Some(rate) {
            self.srcpad
                .push_event(gst::event::Caps::new(&caps(Some(rate))));
            out.rate = Some(rate);
        }
        Ok(rate)
    }

    /// The engine's own rate where downstream takes it, else the nearest that it takes.
    fn choose_rate(&self, element: &gst::Element, native: u32) -> Result<u32, gst::FlowError> {
        let ours = caps(None);
        let theirs = self.srcpad.peer_query_caps(Some(&ours));
        if theirs.can_intersect(&caps(Some(native))) {
            return Ok(native);
        }
        let mut common = theirs.intersect(&ours);
        if common.is_empty() {
            gst::error!(self.cat, obj = element, "nothing in common with {theirs}");
            return Err(gst::FlowError::NotNegotiated);
        }
        common.truncate();
        if let Some(common) = common.make_mut().structure_mut(0)
            && let Ok(native) = i32::try_from(native)
        {
            common.fixate_field_nearest_int("rate", native);
        }
        common
            .structure(0)
            .and_then(|common| common.get::<i32>("rate").ok())
            .and_then(|rate| u32::try_from(rate).ok())
            .ok_or(gst::FlowError::NotNegotiated)
    }

    pub(crate) fn src_event(
        &self,
        element: &gst::Element,
        pad: &gst::Pad,
        event: gst::Event,
    ) -> bool {
        match event.type_() {
            // GStreamer marks the pad; the task looks before its next buffer.
            gst::EventType::Reconfigure => true,
            // Speech cannot be made in lower quality to save time.
            gst::EventType::Qos => true,
            _ => gst::Pad::event_default(pad, Some(element), event),
        }
    }

    pub(crate) fn src_query(
        &self,
        element: &gst::Element,
        pad: &gst::Pad,
        query: &mut gst::QueryRef,
    ) -> bool {
        use gst::QueryViewMut;

        match query.view_mut() {
            QueryViewMut::Latency(query) => {
                let mut upstream = gst::query::Latency::new();
                let (live, min, max) = if self.sinkpad.peer_query(&mut upstream) {
                    upstream.result()
                } else {
                    (false, gst::ClockTime::ZERO, None)
                };
                self.state().live = live;
                let ours = self.settings().latency;
                query.set(live, min + ours, max.map(|max| max + ours));
                true
            }
            QueryViewMut::Caps(query) => {
                let request = self.request("");
                let native = self
                    .engine()
                    .and_then(|engine| engine.sample_rate(&request).ok());
                let mut ours = native.map_or_else(gst::Caps::new_empty, |rate| caps(Some(rate)));
                ours.merge(caps(None));
                let ours = match query.filter() {
                    Some(filter) => ours.intersect_with_mode(filter, gst::CapsIntersectMode::First),
                    None => ours,
                };
                query.set_result(&ours);
                true
            }
            // Upstream knows these of its text, in bytes or of its cues: nothing of the sound's.
            QueryViewMut::Position(_) | QueryViewMut::Duration(_) | QueryViewMut::Convert(_) => {
                false
            }
            QueryViewMut::Seeking(query) if query.format() != gst::Format::Time => {
                let format = query.format();
                query.set(
                    false,
                    gst::GenericFormattedValue::none_for_format(format),
                    gst::GenericFormattedValue::none_for_format(format),
                );
                true
            }
            _ => gst::Pad::query_default(pad, Some(element), query),
        }
    }
}

fn resampler(native: u32, rate: u32) -> Result<Option<Resampler>, gst::FlowError> {
    if native == rate {
        return Ok(None);
    }
    match Resampler::new(native, rate) {
        Some(resampler) => Ok(Some(resampler)),
        None => Err(gst::FlowError::NotNegotiated),
    }
}
