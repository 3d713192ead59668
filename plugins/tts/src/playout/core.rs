// SPDX-License-Identifier: MPL-2.0

//! The queue, the clockwork and the stops.
//!
//! A stop is carried out where it is decided: the next few samples are copied, faded, into `tail`, and the queue is
//! let go (or kept, for a pause). What leaves after that is the tail and nothing else of that utterance, whatever
//! threads do in between.

mod frames;
mod stops;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    Config, Interrupted, Mark, Nanos, Notice, Paused, Resumed, format,
    heard::Texts,
    nanos,
    timeline::{Timeline, nanos_in, samples_in},
    utterance::Utterance,
};
use crate::interruption::Interruption;

/// Speech rises from silence over this long when it resumes inside an utterance.
const RISE: Duration = Duration::from_millis(5);
/// Speech that is this late against its render time waits in silence for the clock instead of being rushed out.
const RESYNC: Nanos = 40_000_000;
/// A stall that is longer leaves a hole in the timestamps instead of a burst of silence. Shorter ones must not: a sound
/// device that began late plays the hole too, which blocks the next push for as long, and so on for ever; of a burst
/// it drops what is late, and takes the chance to adjust its clock with each buffer.
const HOLE: Nanos = 10_000_000_000;
/// Holes in the synthesizer's timestamps up to this are filled with silence.
const MAX_INPUT_HOLE: Nanos = 10_000_000_000;
/// Timestamps of the synthesizer may be off by this much without meaning anything.
const INPUT_TOLERANCE: Nanos = 5_000_000;
/// Most utterances that are queued, so that empty ones do not pile up while speech is paused.
const MAX_UTTERANCES: usize = 256;
/// Pushed this much after its render time a frame counts as late.
const LATE: Nanos = 1_000_000;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Push [`Core::frame`].
    Push(Frame),
    /// Come back then; `None`: when something has happened.
    Wait(Option<Nanos>),
    /// Everything was played: end the stream. Said once.
    Eos,
}

/// A frame to push.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Running time at which it begins.
    pub pts: Nanos,
    /// How long it is, in nanoseconds.
    pub duration: Nanos,
    /// It does not follow on the frame before.
    pub discont: bool,
    /// There is speech in it.
    pub speech: bool,
    /// Its level in dB of full scale, -120 for silence.
    pub rms_db: f64,
}

/// What a frame holds from some place on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Speech of that utterance, from that place in it on, in nanoseconds.
    Speech(Arc<str>, Nanos),
    /// That utterance is complete; silence, where nothing else begins.
    End(Arc<str>),
    /// Silence in that utterance: it was paused or stopped, or its synthesizer is late.
    Silence(Arc<str>),
}

/// A change of what leaves, for transports that tell their peers what they hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// From the start of the next frame, in nanoseconds.
    pub offset: Nanos,
    /// What follows.
    pub content: Content,
}

/// Passages that wait for a frame to travel with; utterances without any sound make no more.
const MAX_PASSAGES: usize = 64;

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames pushed.
    pub frames: u64,
    /// Frames pushed without any speech.
    pub silent_frames: u64,
    /// Frames that were due while an utterance had begun and was open, with nothing queued to fill them.
    pub underruns: u64,
    /// Frames with speech pushed more than 1 ms after their render time.
    pub late: u64,
    /// The most that one of these was late, in nanoseconds.
    pub max_late: Nanos,
    /// How often speech was delayed because it was far behind the clock.
    pub resyncs: u64,
    /// Utterances begun, and played to their end.
    pub started: u64,
    /// Utterances played to their end.
    pub finished: u64,
    /// Pauses, by ears and by action.
    pub pauses: u64,
    /// Pauses that ended with the speech going on.
    pub resumes: u64,
    /// Interruptions.
    pub interruptions: u64,
    /// Samples dropped because they belonged to no utterance that is still queued.
    pub stray_samples: u64,
    /// From the decision of the last stop to the push of its last sample, in nanoseconds.
    pub last_stop: Nanos,
    /// The longest of these.
    pub max_stop: Nanos,
}

/// A stop or resume that is told of once the tail has left.
enum Told {
    Paused(Paused),
    Resumed(Resumed),
    Interrupted(Box<Interrupted>),
}

/// What left last that was not silence.
#[derive(Clone, Copy, Default)]
struct Left {
    /// When it was pushed.
    at: Nanos,
    /// Timestamp of its end.
    until: Nanos,
}

/// Playout without threads, clocks or GStreamer. Every method takes the running time it needs and none blocks.
pub struct Core {
    config: Config,
    rate: u32,
    channels: usize,
    latency: Nanos,
    policy: Interruption,
    /// What the policy last said, as far as it was carried out.
    paused: bool,
    /// Everything that arrives is dropped until a flush.
    gate_closed: bool,
    utterances: VecDeque<Utterance>,
    texts: Texts,
    /// An utterance was announced since the last flush: the synthesizer tells them apart.
    named: bool,
    anonymous_count: u64,
    eos: bool,
    eos_told: bool,
    timeline: Timeline,
    /// Faded samples of what was stopped, which leave before anything else.
    tail: VecDeque<i16>,
    /// The last frame ended in speech.
    sounding: bool,
    /// The utterance that leaves, and the sample of it that follows; `None` in silence.
    spoken: Option<(Arc<str>, u64)>,
    passages: Vec<Passage>,
    left: Left,
    /// The same, before the fade of the pause that is on.
    paused_at: (Left, Nanos),
    told: VecDeque<Told>,
    /// Notices for their render time, in order.
    due: VecDeque<(Nanos, Notice)>,
    notices: VecDeque<Notice>,
    /// More samples would be pushed at once.
    hungry: bool,
    frame: Vec<i16>,
    stats: Stats,
}

impl Core {
    /// Playout at that many samples per second of that many channels (at least 1 each).
    pub fn new(config: Config, rate: u32, channels: usize) -> Self {
        let rate = rate.max(1);
        let policy = Interruption::new(
            config.interruption,
            config.commit_duration,
            config.hold_limit,
        );
        Self {
            config,
            rate,
            channels: channels.max(1),
            latency: 0,
            policy,
            paused: false,
            gate_closed: false,
            utterances: VecDeque::new(),
            texts: Texts::default(),
            named: false,
            anonymous_count: 0,
            eos: false,
            eos_told: false,
            timeline: Timeline::new(rate),
            tail: VecDeque::new(),
            sounding: false,
            spoken: None,
            passages: Vec::new(),
            left: Left::default(),
            paused_at: (Left::default(), 0),
            told: VecDeque::new(),
            due: VecDeque::new(),
            notices: VecDeque::new(),
            hungry: false,
            frame: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// Changes the settings from now on.
    pub fn configure(&mut self, now: Nanos, config: Config) {
        self.policy.configure(
            config.interruption,
            config.commit_duration,
            config.hold_limit,
        );
        self.config = config;
        self.settle(now, now);
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// From a timestamp to when its sample is rendered. A sink that aligns each frame with the one before keeps to
    /// the old latency, which may be none at all from before it knew its format: a change is a discontinuity.
    pub fn set_latency(&mut self, latency: Nanos) {
        if self.latency != latency {
            self.latency = latency;
            self.timeline.interrupt();
        }
    }

    /// From a timestamp to when its sample is rendered.
    pub fn latency(&self) -> Nanos {
        self.latency
    }

    /// Counts since the start.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Nanoseconds of audio that are queued and have not left.
    pub fn queued(&self) -> Nanos {
        nanos_in(
            self.utterances.iter().map(Utterance::available).sum(),
            self.rate,
        )
    }

    /// The utterance that is playing or next to play.
    pub fn current(&self) -> Option<(&Arc<str>, Nanos)> {
        let front = self.utterances.front()?;
        Some((&front.id, nanos_in(front.pos, self.rate)))
    }

    /// True while speech is kept from sounding.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// True from an interruption to the next flush: what arrives is dropped.
    pub fn is_gated(&self) -> bool {
        self.gate_closed
    }

    /// True where the next buffer, gap or utterance may come without exceeding `prefetch` or the most utterances that
    /// are queued, the empty ones among them.
    pub fn has_room(&self) -> bool {
        self.gate_closed
            || (self.queued() < nanos(self.config.prefetch)
                && self.utterances.len() < MAX_UTTERANCES)
    }

    /// True once where what just arrived should be pushed before the time that the last step gave.
    pub fn take_hunger(&mut self) -> bool {
        let wanted = self.eos || !self.config.sync || self.ready();
        self.hungry && wanted && std::mem::take(&mut self.hungry)
    }

    /// The samples of the last [`Step::Push`], interleaved.
    pub fn frame(&self) -> &[i16] {
        &self.frame
    }

    /// The same, in exchange for a buffer to use next.
    pub fn swap_frame(&mut self, other: &mut Vec<i16>) {
        std::mem::swap(&mut self.frame, other);
    }

    /// The changes of what leaves since the last time, up to the end of the last frame.
    pub fn take_passages(&mut self, into: &mut Vec<Passage>) {
        into.append(&mut self.passages);
    }

    fn pass(&mut self, filled: u64, content: Content) {
        if self.passages.len() < MAX_PASSAGES {
            self.passages.push(Passage {
                offset: nanos_in(filled, self.rate),
                content,
            });
        }
    }

    /// The next notice to deliver.
    pub fn pop_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Text of an utterance as it is handed to the synthesizer, in pieces or whole.
    pub fn text(&mut self, id: &str, text: &str) {
        self.texts.push(id, text);
    }

    /// The text of that utterance is complete.
    pub fn text_end(&mut self, id: &str) {
        self.texts.complete(id);
    }

    /// An utterance begins; the one before is complete.
    pub fn begin(&mut self, id: &str) {
        if self.gate_closed || self.eos {
            return;
        }
        if self
            .utterances
            .back()
            .is_some_and(|u| !u.closed && &*u.id == id)
        {
            return;
        }
        self.end();
        self.named = true;
        self.utterances
            .push_back(Utterance::new(id.into(), false, self.channels));
    }

    /// A word of an utterance, ahead of its samples. Times in nanoseconds from the start of the utterance.
    pub fn word(&mut self, id: &str, mut mark: Mark, start: Nanos, duration: Nanos) {
        mark.start = samples_in(start, self.rate);
        mark.samples = samples_in(start.saturating_add(duration), self.rate) - mark.start;
        if let Some(utterance) = self.utterances.iter_mut().rfind(|u| &*u.id == id) {
            utterance.add_mark(mark);
        }
    }

    /// Interleaved S16LE at the negotiated format. `position`: where the first sample stands in the utterance, in
    /// nanoseconds, where the buffer says so.
    pub fn samples(&mut self, bytes: &[u8], position: Option<Nanos>) {
        let tolerance = samples_in(INPUT_TOLERANCE, self.rate);
        let max_hole = samples_in(MAX_INPUT_HOLE, self.rate);
        let position = position.map(|p| samples_in(p, self.rate));
        match self.open() {
            Some(utterance) => utterance.extend(bytes, position, tolerance, max_hole),
            None => self.stats.stray_samples += (bytes.len() / 2 / self.channels) as u64,
        }
    }

    /// The same in another format, given as rate and channels: what was under way when the format changed.
    pub fn samples_of(&mut self, format: (u32, usize), bytes: &[u8], position: Option<Nanos>) {
        let ours = (self.rate, self.channels);
        if format == ours || format.0 == 0 || format.1 == 0 {
            return self.samples(bytes, position);
        }
        let samples: Vec<i16> = bytes
            .chunks_exact(2)
            .map(|b| i16::from_le_bytes([b[0], b[1]]))
            .collect();
        let converted = format::convert(&samples, format, ours);
        let bytes: Vec<u8> = converted.iter().flat_map(|s| s.to_le_bytes()).collect();
        self.samples(&bytes, position);
    }

    /// Silence of that long inside the open utterance.
    pub fn gap(&mut self, duration: Nanos) {
        if duration > MAX_INPUT_HOLE || self.utterances.back().is_none_or(|u| u.closed) {
            return;
        }
        let samples = samples_in(duration, self.rate);
        if let Some(utterance) = self.open() {
            utterance.extend_silence(samples);
        }
    }

    /// The open utterance is complete.
    pub fn end(&mut self) {
        if let Some(open) = self.utterances.back_mut() {
            open.closed = true;
        }
    }

    /// Nothing follows: what is queued is played, then the stream ends.
    pub fn eos(&mut self) {
        if !self.gate_closed {
            self.end();
            self.eos = true;
        }
    }

    /// A new stream begins where the one before has ended, or is about to.
    pub fn restart(&mut self) {
        self.eos = false;
        self.eos_told = false;
    }

    /// The stream ends with what is queued, or has ended.
    pub fn at_eos(&self) -> bool {
        self.eos
    }

    /// Everything was played, and nothing has come since.
    pub fn is_over(&self) -> bool {
        self.eos_told
    }

    /// Counts begin anew.
    pub fn zero_stats(&mut self) {
        self.stats = Stats::default();
    }

    /// Another format from now on. What is queued is converted by linear interpolation: it is half a second of speech,
    /// once, where a sink is exchanged.
    pub fn set_format(&mut self, rate: u32, channels: usize) {
        let (rate, channels) = (rate.max(1), channels.max(1));
        if (rate, channels) == (self.rate, self.channels) {
            return;
        }
        for utterance in &mut self.utterances {
            utterance.convert((self.rate, self.channels), (rate, channels));
        }
        let tail = self.tail.make_contiguous();
        self.tail = format::convert(tail, (self.rate, self.channels), (rate, channels)).into();
        self.timeline.set_rate(rate);
        self.rate = rate;
        self.channels = channels;
    }

    /// Back to the beginning: nothing queued, nothing told. Settings, format and counts stay.
    pub fn reset(&mut self) {
        let fresh = Self::new(self.config.clone(), self.rate, self.channels);
        let old = std::mem::replace(self, fresh);
        self.stats = old.stats;
        self.latency = old.latency;
    }

    /// The utterance that samples belong to.
    fn open(&mut self) -> Option<&mut Utterance> {
        if self.gate_closed || self.eos {
            return None;
        }
        let last_is_open = self.utterances.back().is_some_and(|u| !u.closed);
        if !last_is_open && !self.named {
            self.anonymous_count += 1;
            let id = self
                .texts
                .first_id()
                .unwrap_or_else(|| format!("sound-{}", self.anonymous_count).into());
            self.utterances
                .push_back(Utterance::new(id, true, self.channels));
        }
        // A straggler of a resampler, after the end of its utterance, still belongs to it.
        self.utterances.back_mut()
    }
}

impl Stats {
    /// Speech was delayed, so that it is not late; but it was.
    fn resynced(&mut self, behind: Nanos) {
        self.resyncs += 1;
        self.late += 1;
        self.max_late = self.max_late.max(behind);
    }

    fn stopped(&mut self, decided_at: Nanos, left_at: Nanos) {
        self.last_stop = left_at.saturating_sub(decided_at);
        self.max_stop = self.max_stop.max(self.last_stop);
    }
}
