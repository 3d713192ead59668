// SPDX-License-Identifier: MPL-2.0

//! The queue, the clockwork and the stops.
//!
//! A stop is carried out where it is decided: the next few samples are copied, faded, into `tail`, and the queue is
//! let go (or kept, for a pause). What leaves after that is the tail and nothing else of that utterance, whatever
//! threads do in between.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    Config, FRAME, Interrupted, Mark, Nanos, Notice, Paused, Reason, Resumed, format,
    heard::{self, Progress, Texts},
    nanos,
    timeline::{Timeline, nanos_in, samples_in},
    utterance::Utterance,
};
use crate::interruption::{Drop, Input, Interruption};

/// Speech rises from silence over this long when it resumes inside an utterance.
const RISE: Duration = Duration::from_millis(5);
/// Speech that is this late against its render time waits in silence for the clock instead of being rushed out.
const RESYNC: Nanos = 40_000_000;
/// A stall that is longer leaves a hole in the timestamps instead of a burst of silence.
const HOLE: Nanos = 1_000_000_000;
/// Holes in the synthesizer's timestamps up to this are filled with silence.
const MAX_INPUT_HOLE: Nanos = 10_000_000_000;
/// Timestamps of the synthesizer may be off by this much without meaning anything.
const INPUT_TOLERANCE: Nanos = 5_000_000;
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

    /// From a timestamp to when its sample is rendered.
    pub fn set_latency(&mut self, latency: Nanos) {
        self.latency = latency;
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

    /// True where the next buffer may come without exceeding `prefetch`.
    pub fn has_room(&self) -> bool {
        self.gate_closed || self.queued() < nanos(self.config.prefetch)
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

    /// The next notice to deliver.
    pub fn pop_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    // What the synthesizer's side calls.

    /// Text of an utterance as it is handed to the synthesizer, in pieces or whole.
    pub fn text(&mut self, id: &str, text: &str) {
        self.texts.push(id, text);
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

    /// A flush begins: speech is dropped unless it already was.
    pub fn flush_start(&mut self, now: Nanos) {
        if !self.gate_closed {
            if !self.utterances.is_empty() || !self.texts.is_empty() {
                let drop = Drop {
                    reason: Reason::Flush,
                    decided_at: now,
                    committed_at: now,
                };
                self.interrupt(drop);
            }
            self.gate_closed = true;
        }
        self.eos = false;
    }

    /// A flush ends: what arrives from now on is played. Text handed over since the interruption is forgotten, since
    /// its sound was dropped.
    pub fn flush_stop(&mut self) {
        self.texts.clear();
        self.gate_closed = false;
        self.named = false;
        self.eos = false;
        self.eos_told = false;
    }

    // What the ear's and the application's side calls.

    /// Something was heard or asked for at `at`; `now` is the present.
    pub fn input(&mut self, at: Nanos, now: Nanos, input: Input) {
        let at = at.min(now);
        if let Some(drop) = self.policy.tick(at) {
            self.interrupt(drop);
        }
        self.settle(at, now);
        let playing = self.playing();
        if let Some(drop) = self.policy.input(at, input, playing) {
            self.interrupt(drop);
        }
        self.settle(at, now);
    }

    /// The ear is gone.
    pub fn forget_ear(&mut self, now: Nanos) {
        self.policy.forget_ear();
        self.settle(now, now);
    }

    // What the clock's side calls.

    /// The stream goes on at `now` after a pause of the pipeline: where the base time is new the timestamps go on at
    /// the new running time.
    pub fn rebase(&mut self, now: Nanos) {
        if !self.config.sync || !self.timeline.started() {
            return;
        }
        let cursor = self.timeline.cursor();
        let ahead = nanos(self.config.lead) + 2 * nanos(FRAME);
        if cursor <= now.saturating_add(ahead) && now <= cursor.saturating_add(2 * nanos(FRAME)) {
            return;
        }
        self.timeline.restart(now);
        let moved = |time: &mut Nanos| *time = time.saturating_sub(cursor).saturating_add(now);
        for (time, _) in &mut self.due {
            moved(time);
        }
        self.policy.shift(cursor, now);
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

    /// What to do at `now`. Call it again after each push, and when the time it gave has come or anything changed.
    pub fn step(&mut self, now: Nanos) -> Step {
        if let Some(drop) = self.policy.tick(now) {
            self.interrupt(drop);
        }
        self.settle(now, now);
        self.start_timeline(now);
        self.finish_exhausted();
        self.tell();
        self.tell_due(now);
        self.hungry = false;

        if self.eos_told {
            return Step::Wait(None);
        }
        if !self.tail.is_empty() {
            return self.build(now);
        }
        if self.eos && self.utterances.is_empty() {
            return match self.due.front() {
                Some((time, _)) => Step::Wait(Some(*time)),
                None => {
                    self.eos_told = true;
                    Step::Eos
                }
            };
        }

        let cursor = self.timeline.cursor();
        let speech = !self.paused && self.utterances.iter().any(|u| !u.exhausted());
        if !self.config.sync {
            // Nothing to fill: an incomplete frame waits for the rest of its utterance.
            if speech && self.ready() {
                return self.build(now);
            }
            self.hungry = !self.paused;
            return Step::Wait(self.policy.deadline());
        }
        if speech && self.ready() {
            // The frame's end is at most `lead` ahead, and a frame that is due never waits.
            let lead = nanos(self.config.lead).saturating_sub(nanos(FRAME));
            let earliest = cursor.saturating_sub(lead);
            if now < earliest {
                return self.wait(now, earliest);
            }
            return self.build(now);
        }
        if now >= cursor {
            return self.build(now);
        }
        self.hungry = !self.paused;
        self.wait(now, cursor)
    }

    /// Until then, or until a notice or the policy is due; but no more than one wake-up per frame for these.
    fn wait(&self, now: Nanos, until: Nanos) -> Step {
        let notice = self.due.front().map(|(time, _)| *time);
        let other = [notice, self.policy.deadline()].into_iter().flatten().min();
        let other = other.map_or(until, |other| other.max(now.saturating_add(nanos(FRAME))));
        Step::Wait(Some(until.min(other)))
    }

    /// An utterance has begun to sound and is not over, or follows right on one that has. What has not begun cannot be
    /// interrupted: it is held.
    fn playing(&self) -> bool {
        !self.paused
            && self.utterances.front().is_some_and(|u| {
                if u.started {
                    !u.exhausted() || !(u.closed || u.anonymous)
                } else {
                    self.sounding && !u.exhausted()
                }
            })
    }

    /// There is a whole frame, or as much as there will be.
    fn ready(&self) -> bool {
        let mut wanted = self.timeline.frame_len() as u64;
        for utterance in &self.utterances {
            let available = utterance.available();
            if available >= wanted {
                return true;
            }
            if !utterance.closed {
                return false;
            }
            wanted -= available;
        }
        self.utterances.iter().any(|u| !u.exhausted())
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

    fn start_timeline(&mut self, now: Nanos) {
        if !self.config.sync {
            if !self.timeline.started() {
                self.timeline.restart(0);
            }
            return;
        }
        let cursor = self.timeline.cursor();
        let stalled = now.saturating_sub(cursor.saturating_add(self.latency)) > HOLE;
        if !self.timeline.started() || stalled {
            self.timeline.restart(now);
        }
    }

    /// Carries out what the policy says about pausing. `at`: when it was decided.
    fn settle(&mut self, at: Nanos, now: Nanos) {
        let paused = self.policy.paused();
        if paused == self.paused {
            return;
        }
        self.paused = paused;
        if paused {
            self.pause(at);
        } else {
            self.resume(now);
        }
    }

    fn pause(&mut self, at: Nanos) {
        self.paused_at = (self.left, at);
        let Some(front) = self.utterances.front().filter(|u| u.started) else {
            return; // Nothing sounds: what comes is held, and there is nothing to tell.
        };
        let (cut_word, fraction) = front.word_at(front.pos).map_or((String::new(), 0.0), |m| {
            let left = (front.pos - m.start) as f64;
            (m.text.to_string(), left / m.samples as f64)
        });
        let told = Told::Paused(Paused {
            id: front.id.clone(),
            decided_at: at,
            left_at: 0,
            sounds_until: 0,
            position: nanos_in(front.pos, self.rate),
            cut_word,
            fraction,
            by_ear: self.policy.paused_by_ear(),
        });
        self.fade();
        self.told.push_back(told);
        self.stats.pauses += 1;
    }

    fn resume(&mut self, now: Nanos) {
        let rise = samples_in(nanos(RISE.min(self.config.fade_duration)), self.rate);
        let tail = (self.tail.len() / self.channels) as u64;
        let Some(front) = self.utterances.front_mut().filter(|u| u.started) else {
            return;
        };
        let word = front.rewind(usize::try_from(rise).unwrap_or(0));
        self.told.push_back(Told::Resumed(Resumed {
            id: front.id.clone(),
            from_word: word.map_or(String::new(), |w| w.text.to_string()),
            position: nanos_in(front.pos, self.rate),
            running_time: self.timeline.at(tail).max(now) + self.latency,
        }));
        self.stats.resumes += 1;
    }

    /// What sounds now fades. The queue stays as it is.
    fn fade(&mut self) {
        let length = samples_in(nanos(self.config.fade_duration), self.rate);
        if self.sounding
            && self.tail.is_empty()
            && let Some(front) = self.utterances.front()
        {
            front.fade(length, &mut self.tail);
        }
    }

    /// Drops everything and closes the gate.
    fn interrupt(&mut self, drop: Drop) {
        // Nothing is told of an utterance after its interruption: what has left but is still to be rendered is told now,
        // each with its own time.
        self.notices.extend(self.due.drain(..).map(|(_, n)| n));
        let was_paused = self.paused;
        let before_fade = if was_paused {
            self.paused_at.0
        } else {
            self.left
        };
        if !was_paused {
            self.fade();
        }
        let started = self.utterances.front().is_some_and(|u| u.started);
        let mut report = Interrupted {
            id: "".into(),
            heard_text: String::new(),
            cut_word: String::new(),
            cut_word_fraction: 0.0,
            unheard_text: String::new(),
            unheard_characters: 0,
            marks_exact: true,
            position: 0,
            heard_at: if started {
                before_fade.until + self.latency
            } else {
                drop.decided_at
            },
            decided_at: drop.decided_at,
            committed_at: drop.committed_at,
            // Filled in when the tail has left; where nothing sounded there is nothing to wait for.
            left_at: if started { 0 } else { drop.decided_at },
            sounds_until: if started { 0 } else { drop.decided_at },
            reason: drop.reason,
            also_unheard: Vec::new(),
        };
        let mut utterances = std::mem::take(&mut self.utterances).into_iter();
        if let Some(front) = utterances.next() {
            let text = if front.anonymous {
                self.texts.take_all()
            } else {
                self.texts.take(&front.id).unwrap_or_default()
            };
            let progress = Progress {
                left: front.heard,
                arrived: front.end(),
                complete: front.closed,
                rate: self.rate,
            };
            let heard = heard::account(&text, front.marks(), progress);
            report.id = front.id;
            report.position = nanos_in(front.heard, self.rate);
            report.heard_text = heard.heard_text;
            report.cut_word = heard.cut_word;
            report.cut_word_fraction = heard.cut_word_fraction;
            report.unheard_text = heard.unheard_text;
            report.unheard_characters = heard.unheard_characters;
            report.marks_exact = heard.marks_exact;
        }
        for behind in utterances {
            let text = self.texts.take(&behind.id).unwrap_or_default();
            let unheard = heard::unheard(behind.id.clone(), &text, behind.marks());
            report.also_unheard.push(unheard);
        }
        // Text whose sound has not even begun to arrive.
        report.also_unheard.extend(self.texts.drain_unheard());
        if report.id.is_empty() && !report.also_unheard.is_empty() {
            let first = report.also_unheard.remove(0);
            report.id = first.id;
            report.unheard_text = first.text;
            report.unheard_characters = first.characters;
        }
        self.told.push_back(Told::Interrupted(Box::new(report)));
        self.gate_closed = true;
        self.eos = false;
        // The queue is empty: that the policy goes on holding, or lets go, is no pause and no resume.
        self.paused = self.policy.paused();
        self.stats.interruptions += 1;
    }

    /// Stops and resumes are told of when the tail has left.
    fn tell(&mut self) {
        if !self.tail.is_empty() {
            return;
        }
        let left_at = self.left.at;
        let sounds_until = self.left.until + self.latency;
        while let Some(told) = self.told.pop_front() {
            self.notices.push_back(match told {
                Told::Paused(mut paused) => {
                    paused.left_at = left_at;
                    paused.sounds_until = sounds_until;
                    self.stats.stopped(paused.decided_at, left_at);
                    Notice::Paused(paused)
                }
                Told::Resumed(resumed) => Notice::Resumed(resumed),
                Told::Interrupted(mut report) => {
                    if report.left_at == 0 {
                        report.left_at = left_at;
                        report.sounds_until = sounds_until;
                        self.stats.stopped(report.decided_at, left_at);
                    }
                    Notice::Interrupted(report)
                }
            });
        }
    }

    fn tell_due(&mut self, now: Nanos) {
        while let Some((time, _)) = self.due.front() {
            if self.config.sync && *time > now {
                break;
            }
            self.notices
                .extend(self.due.pop_front().map(|(_, notice)| notice));
        }
    }

    /// Utterances of which nothing is left to play.
    fn finish_exhausted(&mut self) {
        while !self.paused
            && let Some(front) = self.utterances.pop_front_if(|u| u.closed && u.exhausted())
        {
            let until = if front.started {
                front.left_until
            } else {
                self.timeline.cursor()
            };
            let time = until + self.latency;
            if !front.started {
                self.note_start(&front.id, time);
            }
            self.texts.take(&front.id);
            self.stats.finished += 1;
            self.due.push_back((
                time,
                Notice::Finished {
                    id: front.id.clone(),
                    samples: front.end(),
                    words: front.marks().len() as u64,
                    running_time: time,
                },
            ));
        }
    }

    fn note_start(&mut self, id: &Arc<str>, running_time: Nanos) {
        self.stats.started += 1;
        self.due.push_back((
            running_time,
            Notice::Started {
                id: id.clone(),
                running_time,
            },
        ));
    }

    /// Makes the next frame: what fades, then speech, then silence.
    fn build(&mut self, now: Nanos) -> Step {
        self.frame.clear();
        let length = self.timeline.frame_len();
        let tail = (length * self.channels).min(self.tail.len());
        self.frame.extend(self.tail.drain(..tail));
        let mut speech = tail > 0;
        let mut ends_in_speech = tail == length * self.channels;
        if speech {
            self.left = Left {
                at: now,
                until: self.timeline.at((tail / self.channels) as u64),
            };
        }
        if !self.paused {
            self.align(now, length);
            let filled = self.fill(now, length);
            ends_in_speech |= filled;
            speech |= filled;
        }
        let open = self
            .utterances
            .front()
            .is_some_and(|u| u.started && !u.closed && !u.anonymous);
        let missing = self.frame.len() < length * self.channels;
        if open && missing && !self.paused && tail == 0 {
            self.stats.underruns += 1;
        }
        self.sounding = ends_in_speech && !missing;
        self.frame.resize(length * self.channels, 0);

        let (pts, duration, discont) = self.timeline.advance(length as u64);
        self.stats.frames += 1;
        let late = now.saturating_sub(pts + self.latency);
        if !speech {
            self.stats.silent_frames += 1;
        } else if self.config.sync && late > LATE {
            self.stats.late += 1;
            self.stats.max_late = self.stats.max_late.max(late);
        }
        Step::Push(Frame {
            pts,
            duration,
            discont,
            speech,
            rms_db: if speech {
                format::rms_db(&self.frame)
            } else {
                format::FLOOR_DB
            },
        })
    }

    /// Speech that begins after its frame was due begins inside it, so that its first samples are not late; speech
    /// that is far behind waits for the clock.
    fn align(&mut self, now: Nanos, length: usize) {
        if !self.config.sync
            || !self.tail.is_empty()
            || !self.utterances.iter().any(|u| !u.exhausted())
        {
            return;
        }
        let filled = self.frame.len() / self.channels;
        let render = self.timeline.at(filled as u64) + self.latency;
        let behind = now.saturating_sub(render);
        let begins = !self.sounding && filled == 0;
        if behind == 0 || !(begins || behind > RESYNC) {
            return;
        }
        self.stats.resyncs += u64::from(!begins);
        let silence = usize::try_from(samples_in(behind, self.rate)).unwrap_or(length);
        let to = (filled + silence).min(length);
        self.frame.resize(to * self.channels, 0);
    }

    /// Fills the frame with speech. Returns whether there was any.
    fn fill(&mut self, now: Nanos, length: usize) -> bool {
        let history = samples_in(nanos(self.config.history), self.rate);
        let mut filled = self.frame.len() / self.channels;
        let mut any = false;
        while filled < length {
            self.finish_exhausted();
            let Some(front) = self.utterances.front_mut() else {
                break;
            };
            let (from, first) = (front.pos, !front.started);
            let taken = front.take((length - filled) as u64, &mut self.frame, history);
            if taken == 0 {
                break;
            }
            any = true;
            let at = self.timeline.at(filled as u64) + self.latency;
            filled += usize::try_from(taken).unwrap_or(0);
            front.left_until = self.timeline.at(filled as u64);
            self.left = Left {
                at: now,
                until: front.left_until,
            };
            if first {
                self.stats.started += 1;
                let notice = Notice::Started {
                    id: front.id.clone(),
                    running_time: at,
                };
                self.due.push_back((at, notice));
            }
            let (id, reached) = (front.id.clone(), from + taken);
            while let Some(mark) = front.announce(reached) {
                let time = at + nanos_in(mark.start.saturating_sub(from), self.rate);
                let notice = Notice::Word {
                    id: id.clone(),
                    text: mark.text.clone(),
                    start: nanos_in(mark.start, self.rate),
                    duration: nanos_in(mark.samples, self.rate),
                    running_time: time,
                    exact: mark.exact,
                };
                self.due.push_back((time, notice));
            }
        }
        self.finish_exhausted();
        any
    }
}

impl Stats {
    fn stopped(&mut self, decided_at: Nanos, left_at: Nanos) {
        self.last_stop = left_at.saturating_sub(decided_at);
        self.max_stop = self.max_stop.max(self.last_stop);
    }
}
