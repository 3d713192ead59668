// SPDX-License-Identifier: MPL-2.0

//! The text side: the source pad's task, which feeds the engine and carries out what the policy decides.
//!
//! Time is that of the audio: running time up to which it was heard. Where a live source stops sending, or ears that let
//! only speech pass tell of the silence after it late, the time of the machine goes on instead: see [`Pace`].

use std::{
    collections::VecDeque,
    sync::{PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use duplex_recognition::{
    Cancel, Error, Hypothesis, RATE, Turn,
    turn::{Action, Input, Nanos, TurnTaking},
};
use gst::prelude::*;

use crate::{
    audio::{self, Resampler},
    core::{Core, Item, Listener},
    events,
};

const MS: Nanos = 1_000_000;
/// How much audio before the onset belongs to a turn: consonants begin before a detector hears them.
const PRE_ROLL: Nanos = 200 * MS;
/// How much audio is kept while nobody speaks: the pre-roll, and what a detector takes to be sure.
const KEPT: Nanos = 1500 * MS;
/// While an agent speaks, results are looked at this often at least.
const URGENT: Nanos = 80 * MS;
/// Silence within a turn that is played to the engine at most.
const SILENCE: Nanos = 2000 * MS;
/// Times that differ by less are jitter, not a gap.
const JITTER: Nanos = 40 * MS;
/// How often downstream is told that nothing was said.
const NOTHING: Nanos = 1000 * MS;

/// The time of the audio, carried on by the machine's.
#[derive(Default)]
struct Pace {
    /// The latest audio, and when it came.
    anchor: Option<(Nanos, Instant)>,
}

impl Pace {
    /// Audio up to `heard` came.
    fn heard(&mut self, heard: Nanos) {
        if heard >= self.now() {
            self.anchor = Some((heard, Instant::now()));
        }
    }

    fn now(&self) -> Nanos {
        self.anchor.map_or(0, |(heard, at)| {
            heard.saturating_add(u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX))
        })
    }
}

/// What the task knows; nobody else sees it.
#[derive(Default)]
pub(crate) struct Worker {
    pace: Pace,
    /// PLAYING was entered that often when it was last looked at.
    played: u64,
    epoch: u64,
    info: Option<gst_audio::AudioInfo>,
    segment: gst::FormattedSegment<gst::ClockTime>,
    segment_sent: bool,
    caps_sent: bool,
    /// The latest audio, with the running times of its start and end.
    kept: VecDeque<(Nanos, Nanos, gst::Buffer)>,
    /// Running time up to which was heard.
    now: Nanos,
    /// Whether there was anything yet.
    begun: bool,
    /// Stream time less running time.
    stream_offset: i64,
    policy: TurnTaking,
    open: Option<Open>,
    /// Up to where earlier turns have had the audio.
    consumed: Nanos,
    /// Up to where downstream was told that nothing was said.
    told: Option<Nanos>,
    language: String,
    samples: Vec<f32>,
    resampled: Vec<f32>,
}

/// The turn that is being recognised.
struct Open {
    turn: Box<dyn Turn>,
    resampler: Resampler,
    onset: Nanos,
    /// Where speech ended, if it did.
    ended: Option<Nanos>,
    /// Running time of the first sample.
    origin: Nanos,
    /// Running time up to which the engine was fed.
    fed: Nanos,
    looked: Nanos,
    posted: Nanos,
    text: String,
}

/// A turn that is over.
struct Finished {
    hypothesis: Hypothesis,
    onset: Nanos,
    ended: Nanos,
    origin: Nanos,
}

impl Worker {
    fn stream_time(&self, running_time: Nanos) -> u64 {
        running_time.saturating_add_signed(self.stream_offset)
    }

    /// The timestamp of a running time.
    fn position(&self, running_time: Nanos) -> gst::ClockTime {
        let time = gst::ClockTime::from_nseconds(running_time);
        self.segment
            .position_from_running_time(time)
            .unwrap_or(time)
    }

    /// Running time of a timestamp, or what follows what was there before.
    fn running_time(&mut self, pts: Option<gst::ClockTime>) -> Nanos {
        let Some(pts) = pts else { return self.now };
        let running = match self.segment.to_running_time_full(pts) {
            Some(gst::Signed::Positive(time)) => time.nseconds(),
            Some(gst::Signed::Negative(_)) => 0,
            None => self.now,
        };
        if let Some(stream) = self.segment.to_stream_time(pts) {
            self.stream_offset = stream.nseconds() as i64 - running as i64;
        }
        running
    }

    fn forget(&mut self) {
        self.policy.input(self.now, &Input::Cancel);
        self.open = None;
        self.kept.clear();
        self.now = 0;
        self.begun = false;
        self.pace = Pace::default();
        self.consumed = 0;
        self.told = None;
        self.segment_sent = false;
    }
}

impl<L: Listener> Core<L> {
    /// One item of the queue.
    pub(crate) fn step(&self, element: &gst::Element, worker: &mut Worker) {
        let completed = self.guard(element, false, || {
            self.take(element, worker);
            true
        });
        if !completed {
            worker.open = None;
            worker.policy.input(worker.now, &Input::Cancel);
        }
    }

    fn take(&self, element: &gst::Element, worker: &mut Worker) {
        let (item, epoch, in_time) = {
            let mut state = self.state();
            state.busy = false;
            state.task = Some(std::thread::current().id());
            self.changed.notify_all();
            loop {
                if state.stopping {
                    return;
                }
                if worker.played != state.played {
                    worker.played = state.played;
                    worker.pace = Pace::default();
                    worker.pace.heard(worker.now);
                }
                let live = state.live && state.playing;
                if !state.flushing
                    && let Some(item) = state.items.pop_front()
                {
                    if let (Item::Audio(buffer), Some(info)) = (&item, &worker.info) {
                        let frames = buffer.size() as u64 / u64::from(info.bpf().max(1));
                        let duration = audio::duration(frames, info.rate());
                        state.waiting = state.waiting.saturating_sub(duration);
                    }
                    state.busy = true;
                    let in_time = live && state.items.is_empty();
                    break (Some(item), state.epoch, in_time);
                }
                let patience = (worker.policy.deadline())
                    .filter(|_| live && !state.flushing && state.epoch == worker.epoch)
                    .map(|deadline| deadline.saturating_sub(worker.pace.now()));
                match patience {
                    None => state = self.wait(state),
                    Some(0) => {
                        state.busy = true;
                        break (None, state.epoch, true);
                    }
                    Some(patience) => {
                        let patience = Duration::from_nanos(patience);
                        let woken = self.changed.wait_timeout(state, patience);
                        state = woken.unwrap_or_else(PoisonError::into_inner).0;
                    }
                }
            }
        };
        self.changed.notify_all();
        if worker.epoch != epoch {
            worker.epoch = epoch;
            worker.forget();
        }
        if self.dirty.swap(false, Ordering::AcqRel) {
            let settings = self.settings().clone();
            worker.language = self.listener.language(&settings).unwrap_or_default();
            worker
                .policy
                .configure(settings.turn_taking(&worker.language));
        }
        if self.interrupted.swap(false, Ordering::AcqRel) {
            worker.policy.input(worker.now, &Input::Interrupted);
        }
        if let Some(item) = item {
            self.item(element, worker, item);
            worker.pace.heard(worker.now);
        }
        let now = if in_time {
            worker.now.max(worker.pace.now())
        } else {
            worker.now
        };
        let actions = worker.policy.tick(now);
        self.act(element, worker, actions);
    }

    fn item(&self, element: &gst::Element, worker: &mut Worker, item: Item) {
        match item {
            Item::Format(info) => {
                let same = worker.info.as_ref().is_some_and(|old| {
                    (old.rate(), old.channels(), old.format())
                        == (info.rate(), info.channels(), info.format())
                });
                if !same {
                    worker.kept.clear();
                }
                worker.info = Some(*info);
                self.send_caps(worker);
            }
            Item::Segment(event) => {
                self.send_caps(worker);
                if let gst::EventView::Segment(segment) = event.view() {
                    let segment = segment.segment().clone().downcast::<gst::ClockTime>();
                    worker.segment = segment.unwrap_or_else(|_| gst::FormattedSegment::new());
                }
                self.send_segment(worker);
            }
            Item::Audio(buffer) => self.audio(element, worker, buffer),
            Item::Gap(start, duration) => {
                let start = worker.running_time(Some(start));
                let end = start + duration.map_or(0, gst::ClockTime::nseconds);
                worker.begun = true;
                self.silence(element, worker, end);
                worker.now = worker.now.max(end);
                self.nothing(worker);
            }
            Item::Event(event) => self.event(element, worker, event),
            Item::Eos(event) => {
                if let Some(open) = &mut worker.open {
                    worker.resampled.clear();
                    open.resampler.drain(&mut worker.resampled);
                    let samples = std::mem::take(&mut worker.resampled);
                    self.feed(element, worker, &samples, 0);
                    worker.resampled = samples;
                }
                let actions = worker.policy.input(worker.now, &Input::End);
                self.act(element, worker, actions);
                self.send_segment_once(worker);
                self.srcpad.push_event(event);
            }
        }
    }

    fn send_caps(&self, worker: &mut Worker) {
        if !std::mem::replace(&mut worker.caps_sent, true) {
            let caps = self.srcpad.pad_template_caps();
            self.srcpad.push_event(gst::event::Caps::new(&caps));
        }
    }

    fn send_segment(&self, worker: &mut Worker) {
        worker.segment_sent = true;
        self.srcpad
            .push_event(gst::event::Segment::new(&worker.segment));
    }

    fn send_segment_once(&self, worker: &mut Worker) {
        self.send_caps(worker);
        if !worker.segment_sent {
            self.send_segment(worker);
        }
    }

    fn event(&self, element: &gst::Element, worker: &mut Worker, event: gst::Event) {
        if event.type_() == gst::EventType::StreamStart {
            // CAPS follow a new stream.
            worker.caps_sent = false;
            worker.segment_sent = false;
        }
        self.srcpad.push_event(event.clone());
        let Some(structure) = event.structure() else {
            return;
        };
        if event.type_() != gst::EventType::CustomDownstream {
            return;
        }
        let time = events::running_time(structure).unwrap_or(worker.now);
        let input = match structure.name().as_str() {
            events::ONSET_OF_SPEECH => Input::SpeechSuspected {
                onset: time,
                over_agent: events::over_speech(structure),
            },
            events::CANCELLED_SPEECH => Input::SpeechCancelled,
            events::START_OF_SPEECH => {
                if let Some(open) = &mut worker.open {
                    open.ended = None;
                    open.turn.speaking(true);
                }
                Input::SpeechStarted {
                    onset: time,
                    over_agent: events::over_speech(structure),
                }
            }
            events::END_OF_SPEECH => {
                if let Some(open) = &mut worker.open {
                    open.ended = Some(time);
                    open.turn.speaking(false);
                }
                // What was said last is not older than the last look.
                self.look(element, worker);
                Input::SpeechEnded { end: time }
            }
            _ => return,
        };
        let actions = worker.policy.input(worker.now, &input);
        self.act(element, worker, actions);
    }

    fn audio(&self, element: &gst::Element, worker: &mut Worker, buffer: gst::Buffer) {
        let Some(info) = worker.info.clone() else {
            return;
        };
        let start = worker.running_time(buffer.pts());
        let frames = buffer.size() as u64 / u64::from(info.bpf().max(1));
        let end = start + audio::duration(frames, info.rate());
        if worker.begun && start + JITTER < worker.now {
            // A jump back: what was kept is of another time.
            worker.kept.clear();
            worker.consumed = 0;
            if let Some(open) = &mut worker.open {
                open.fed = start;
            }
            worker.now = start;
            worker.told = None;
        } else if worker.begun && start > worker.now + JITTER {
            self.silence(element, worker, start);
        }
        worker.begun = true;
        worker.now = end;
        if worker.open.is_some() {
            self.hear(element, worker, start, &buffer);
        }
        while (worker.kept.front()).is_some_and(|(_, before, _)| before + KEPT < end) {
            worker.kept.pop_front();
        }
        worker.kept.push_back((start, end, buffer));
        self.nothing(worker);
        let interval = self.settings().partial_interval;
        let interval = match (interval, worker.policy.is_urgent()) {
            (0, true) => URGENT,
            (0, false) => Nanos::MAX,
            (interval, true) => interval.min(URGENT),
            (interval, false) => interval,
        };
        let due = |open: &Open| end.saturating_sub(open.looked) >= interval;
        if worker.open.as_ref().is_some_and(due) {
            self.look(element, worker);
        }
    }

    /// Tells downstream that nothing was said, now and then.
    fn nothing(&self, worker: &mut Worker) {
        if worker.open.is_some() || !worker.begun {
            worker.told = Some(worker.now);
            return;
        }
        let since = match worker.told {
            None => worker.now,
            Some(since) if worker.now >= since + NOTHING => since,
            Some(_) => return,
        };
        worker.told = Some(worker.now);
        self.send_segment_once(worker);
        let gap = gst::event::Gap::builder(worker.position(since))
            .duration(gst::ClockTime::from_nseconds(worker.now - since))
            .build();
        self.srcpad.push_event(gap);
    }

    /// The stream holds nothing up to `end`.
    fn silence(&self, element: &gst::Element, worker: &mut Worker, end: Nanos) {
        let Some(open) = &worker.open else {
            return;
        };
        let (from, rate) = (open.fed.max(worker.now), open.resampler.rate());
        let duration = end.saturating_sub(from).min(SILENCE);
        if duration == 0 {
            return;
        }
        let silence = vec![0.0; audio::frames(duration, rate) as usize];
        self.listen(element, worker, &silence, duration);
        if let Some(open) = &mut worker.open {
            open.fed = open.fed.max(end);
        }
    }

    /// Feeds the part of a buffer that the engine has not had.
    fn hear(
        &self,
        element: &gst::Element,
        worker: &mut Worker,
        start: Nanos,
        buffer: &gst::BufferRef,
    ) {
        let (Some(open), Some(info)) = (&mut worker.open, &worker.info) else {
            return;
        };
        if open.resampler.rate() != info.rate() {
            open.resampler = Resampler::new(info.rate());
        }
        let Ok(map) = buffer.map_readable() else {
            return;
        };
        let mut samples = std::mem::take(&mut worker.samples);
        samples.clear();
        if buffer.flags().contains(gst::BufferFlags::GAP) {
            samples.resize(map.len() / (info.bpf().max(1)) as usize, 0.0);
        } else {
            audio::mono(info, &map, &mut samples);
        }
        let rate = info.rate();
        let had = if start + JITTER < open.fed {
            audio::frames(open.fed - start, rate) as usize
        } else {
            0
        };
        let rest = samples.get(had..).unwrap_or_default();
        let duration = audio::duration(rest.len() as u64, rate);
        self.listen(element, worker, rest, duration);
        if let Some(open) = &mut worker.open {
            open.fed = open
                .fed
                .max(start + audio::duration(samples.len() as u64, rate));
        }
        worker.samples = samples;
    }

    fn listen(
        &self,
        element: &gst::Element,
        worker: &mut Worker,
        samples: &[f32],
        duration: Nanos,
    ) {
        let Some(open) = &mut worker.open else {
            return;
        };
        let mut resampled = std::mem::take(&mut worker.resampled);
        resampled.clear();
        open.resampler.push(samples, &mut resampled);
        self.feed(element, worker, &resampled, duration);
        worker.resampled = resampled;
    }

    fn feed(&self, element: &gst::Element, worker: &mut Worker, samples: &[f32], duration: Nanos) {
        let Some(open) = &mut worker.open else {
            return;
        };
        let began = Instant::now();
        let fed = open.turn.feed(samples);
        let busy = began.elapsed();
        self.count(|stats| {
            stats.heard += duration;
            stats.busy += busy;
        });
        if let Err(error) = fed {
            self.failed(element, worker, error);
        }
    }

    /// The engine gives the turn up.
    fn failed(&self, element: &gst::Element, worker: &mut Worker, error: Error) {
        self.close(worker);
        if error == Error::Cancelled {
            gst::debug!(self.cat, obj = element, "cancelled");
        } else {
            self.count(|stats| stats.failed += 1);
            self.warn(element, error);
        }
        let actions = worker.policy.input(worker.now, &Input::Failed);
        self.act(element, worker, actions);
    }

    fn warn(&self, element: &gst::Element, error: Error) {
        if let Error::Busy(why) = error {
            gst::element_warning!(
                element,
                gst::ResourceError::Busy,
                ("A turn is not recognised: {why}")
            );
        } else {
            gst::element_warning!(
                element,
                gst::StreamError::Failed,
                ("A turn is not recognised: {error}")
            );
        }
    }

    /// Drops the open turn.
    fn close(&self, worker: &mut Worker) {
        Self::take_turn(worker);
        self.uncancellable(worker);
    }

    fn take_turn(worker: &mut Worker) -> Option<Open> {
        let open = worker.open.take()?;
        worker.consumed = open.ended.unwrap_or(open.fed);
        Some(open)
    }

    /// The engine has nothing to do any more that a flush could end.
    fn uncancellable(&self, worker: &Worker) {
        let mut state = self.state();
        if state.epoch == worker.epoch {
            state.cancel = None;
        }
    }

    /// Asks the engine what it sounds like so far.
    fn look(&self, element: &gst::Element, worker: &mut Worker) {
        let Some(open) = &mut worker.open else {
            return;
        };
        let began = Instant::now();
        let partial = open.turn.partial();
        let busy = began.elapsed();
        self.count(|stats| {
            stats.partials += 1;
            stats.busy += busy;
        });
        let hypothesis = match partial {
            Ok(hypothesis) => hypothesis,
            Err(error) => return self.failed(element, worker, error),
        };
        open.looked = worker.now;
        let interval = self.settings().partial_interval;
        let due = interval > 0 && worker.now.saturating_sub(open.posted) >= interval;
        let news = due && open.text != hypothesis.text;
        if news {
            open.posted = worker.now;
            open.text.clone_from(&hypothesis.text);
        }
        let (origin, onset) = (open.origin, open.onset);
        if news {
            let times = events::Times {
                origin: worker.stream_time(origin),
                start: worker.stream_time(onset),
                speech_end: None,
            };
            let language = hypothesis.language.as_deref().unwrap_or(&worker.language);
            self.post(
                element,
                events::transcript(&hypothesis, language, &times, false),
            );
        }
        let end =
            |d: Duration| origin.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
        let input = Input::Partial {
            text: &hypothesis.text,
            phrase: hypothesis.phrase,
            heard_until: hypothesis.words.last().map(|word| end(word.end)),
            voiced_until: hypothesis.voiced.map(end),
            confidence: hypothesis.confidence,
        };
        let actions = worker.policy.input(worker.now, &input);
        self.act(element, worker, actions);
    }

    fn post(&self, element: &gst::Element, structure: gst::Structure) {
        let message = gst::message::Element::builder(structure)
            .src(element)
            .build();
        // False where there is no bus: nobody asked.
        let _ = element.post_message(message);
    }

    /// Carries out what was decided, and what follows from it.
    fn act(&self, element: &gst::Element, worker: &mut Worker, actions: Vec<Action>) {
        let mut actions = VecDeque::from(actions);
        let mut finished = None;
        while let Some(action) = actions.pop_front() {
            gst::debug!(
                self.cat,
                obj = element,
                "{} at {}",
                action.name(),
                worker.now
            );
            match action {
                Action::Start { onset } => self.begin(element, worker, onset),
                Action::Abandon => {
                    self.close(worker);
                }
                Action::Commit => self.interruption(true),
                Action::Dismiss => self.interruption(false),
                Action::LikelyEnd { text } => {
                    self.send_segment_once(worker);
                    self.srcpad.push_event(events::likely_end_of_turn(&text));
                }
                Action::Finish => {
                    finished = self.finish(element, worker);
                    let input = match &finished {
                        Some(finished) => Input::Final {
                            text: &finished.hypothesis.text,
                            confidence: finished.hypothesis.confidence,
                        },
                        None => Input::Failed,
                    };
                    actions.extend(worker.policy.input(worker.now, &input));
                }
                Action::Deliver => {
                    if let Some(finished) = finished.take() {
                        self.deliver(element, worker, &finished);
                    }
                }
                Action::Discard { backchannel } => {
                    self.count(|stats| {
                        if backchannel {
                            stats.backchannels += 1;
                        } else {
                            stats.discarded += 1;
                        }
                    });
                    if let Some(finished) = finished.take()
                        && backchannel
                    {
                        self.tell(element, worker, &finished, true);
                    }
                }
            }
        }
    }

    fn interruption(&self, commit: bool) {
        self.count(|stats| {
            if commit {
                stats.commits += 1;
            } else {
                stats.dismissals += 1;
            }
        });
        self.srcpad.push_event(events::interruption(commit));
    }

    fn begin(&self, element: &gst::Element, worker: &mut Worker, onset: Nanos) {
        let Some(engine) = self.engine(element) else {
            return;
        };
        let cancel = Cancel::default();
        {
            let mut state = self.state();
            if state.flushing || state.epoch != worker.epoch {
                return;
            }
            state.cancel = Some(cancel.clone());
        }
        let turn = match engine.start(&cancel) {
            Ok(turn) => turn,
            Err(error) => return self.failed(element, worker, error),
        };
        let origin = onset.saturating_sub(PRE_ROLL).max(worker.consumed);
        let kept: Vec<_> = worker
            .kept
            .iter()
            .filter(|(_, end, _)| *end > origin)
            .cloned()
            .collect();
        let origin = kept
            .first()
            .map_or(origin, |(start, ..)| origin.max(*start));
        worker.open = Some(Open {
            turn,
            resampler: Resampler::new(worker.info.as_ref().map_or(RATE, |info| info.rate())),
            onset,
            ended: None,
            origin,
            fed: origin,
            looked: worker.now,
            posted: 0,
            text: String::new(),
        });
        for (start, _, buffer) in kept {
            self.hear(element, worker, start, &buffer);
        }
    }

    fn finish(&self, element: &gst::Element, worker: &mut Worker) -> Option<Finished> {
        let began = Instant::now();
        let open = Self::take_turn(worker)?;
        let (onset, origin) = (open.onset, open.origin);
        let ended = open.ended.unwrap_or(worker.now);
        // May take long: a flush cancels it until it is done.
        let finished = open.turn.finish();
        self.uncancellable(worker);
        match finished {
            Ok(hypothesis) => {
                let took = began.elapsed();
                self.count(|stats| {
                    stats.finishing = took;
                    stats.busy += took;
                });
                Some(Finished {
                    hypothesis,
                    onset,
                    ended,
                    origin,
                })
            }
            Err(Error::Cancelled) => None,
            Err(error) => {
                self.count(|stats| stats.failed += 1);
                self.warn(element, error);
                None
            }
        }
    }

    /// Posts what a turn was in the end.
    fn tell(
        &self,
        element: &gst::Element,
        worker: &Worker,
        finished: &Finished,
        backchannel: bool,
    ) {
        let hypothesis = &finished.hypothesis;
        let times = events::Times {
            origin: worker.stream_time(finished.origin),
            start: worker.stream_time(finished.onset),
            speech_end: Some(finished.ended),
        };
        let language = hypothesis.language.as_deref().unwrap_or(&worker.language);
        self.post(
            element,
            events::transcript(hypothesis, language, &times, backchannel),
        );
    }

    fn deliver(&self, element: &gst::Element, worker: &mut Worker, finished: &Finished) {
        let hypothesis = &finished.hypothesis;
        self.tell(element, worker, finished, false);
        self.count(|stats| {
            stats.turns += 1;
            stats.words += hypothesis.text.split_whitespace().count() as u64;
        });
        self.send_segment_once(worker);
        let mut buffer = gst::Buffer::from_slice(hypothesis.text.clone().into_bytes());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(worker.position(finished.onset));
            let duration = finished.ended.saturating_sub(finished.onset);
            buffer.set_duration(gst::ClockTime::from_nseconds(duration));
        }
        worker.told = Some(worker.now);
        match self.srcpad.push(buffer) {
            Ok(_) => {}
            Err(gst::FlowError::Flushing) => return,
            Err(flow) => {
                gst::debug!(self.cat, obj = element, "downstream says {flow:?}");
                return self.give_up(flow);
            }
        }
        let language = hypothesis.language.as_deref().unwrap_or(&worker.language);
        self.srcpad.push_event(events::end_of_turn(
            &hypothesis.text,
            language,
            finished.ended,
            hypothesis.confidence,
        ));
    }
}
