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
    stream::caps,
};

/// A pause of the text shorter than this leaves the running time of its sound alone.
const TEXT_PAUSE: Duration = Duration::from_millis(20);

/// What the task knows; nobody else sees it.
pub(crate) struct Output {
    pub epoch: u64,
    current: Option<Current>,
    pub stream_started: bool,
    /// EOS was the last that went out: nothing follows but another stream.
    pub ended: bool,
    pub group: Option<gst::GroupId>,
    /// Rate of the CAPS that were pushed.
    pub rate: Option<u32>,
    /// A SEGMENT from 0 at the end of the last sound is in force.
    pub idle_segment: bool,
    idle_since: Instant,
    /// Of the last utterance: making one takes as long as an engine's first sound.
    spare: Option<Resampler>,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            epoch: 0,
            current: None,
            stream_started: false,
            ended: false,
            group: None,
            rate: None,
            idle_segment: false,
            idle_since: Instant::now(),
            spare: None,
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
            Item::Playing => {
                if !out.stream_started && !out.ended && self.start_segment(element, out, None) {
                    let gap = gst::event::Gap::builder(gst::ClockTime::ZERO)
                        .duration(gst::ClockTime::ZERO)
                        .build();
                    self.srcpad.push_event(gap);
                }
            }
            Item::Eos(event) => {
                // Even of nothing: a file writer still makes a file of its right format.
                self.start_segment(element, out, None);
                self.srcpad.push_event(event);
                out.stream_started = false;
                out.idle_segment = false;
                out.ended = true;
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
                    out.ended = false;
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
            self.pushed_in_vain(element, flow, out.epoch);
        }
    }

    /// The sound cannot be pushed: says so, and stops until a flush or a restart.
    fn pushed_in_vain(&self, element: &gst::Element, flow: gst::FlowError, epoch: u64) {
        gst::debug!(self.cat, obj = element, "stopping: {flow}");
        {
            let state = self.state();
            // A flush that is over by now may have been the cause: what stands between answers a push into it as it
            // likes (a converter: not negotiated).
            if state.flushing || state.epoch != epoch {
                return;
            }
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
        let spare = out.spare.take();
        if let Some(current) = &mut out.current {
            current.begun = true;
            current.segment = (gst::ClockTime::ZERO, base);
            current.resampler = resampler(native, rate, spare)?;
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
        current.resampler = resampler(native, rate, None)?;
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
            out.spare = Some(resampler);
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
        let (id, samples, key) = (
            current.speech.id.clone(),
            current.samples,
            current.speech.key,
        );
        drop(current);
        // Whoever sees its end finds it closed and counted.
        self.close_speech(key);
        self.count(|stats| stats.utterances += 1);
        self.push_segment(gst::ClockTime::ZERO, end);
        self.srcpad
            .push_event(UtteranceEnd::of_sound(id, samples).to_event());
        out.idle_segment = true;
        out.idle_since = Instant::now();
        Ok(())
    }
}

/// A resampler between these rates, the spare one where it fits; none where they are equal.
fn resampler(
    native: u32,
    rate: u32,
    spare: Option<Resampler>,
) -> Result<Option<Resampler>, gst::FlowError> {
    if native == rate {
        return Ok(None);
    }
    spare
        .filter(|spare| spare.rates() == (native, rate))
        .or_else(|| Resampler::new(native, rate))
        .map(Some)
        .ok_or(gst::FlowError::NotNegotiated)
}
