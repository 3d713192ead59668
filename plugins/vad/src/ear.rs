// SPDX-License-Identifier: MPL-2.0
//! One ear: detector, echo gate and segmenter put together.
//!
//! Pure: samples and far-end reports with running times go in, decisions come out. The elements
//! add what GStreamer needs around it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::detector::{Analyzer, Samples, Score};
use crate::echo::{EchoGate, FarFrame};
use crate::rise::{Bands, Rise};
use crate::samples::frames_to_time;
use crate::segmenter::{Event, Kind, MS, Phase, Segmenter};
use crate::settings::{Engine, Settings, TwoPhase};

/// Timestamps that differ by less than this from where the stream stands are jitter, not a gap.
const JITTER: u64 = 40 * MS;
/// Below this mean square (−90 dB) there is nothing to hear, whatever a detector's memory says.
const NOTHING: f64 = 1e-9;
/// Levels are measured over this many nanoseconds.
const LEVEL_STEP: u64 = 10 * MS;
/// Levels kept for the scores to come: a score covers 32 ms and comes after it.
const LEVELS: usize = 8;
/// Two phases stay on for this long after the far end fell silent: an agent's pauses between
/// sentences are no reason to start the second phase anew.
const TWO_PHASE_HOLD: u64 = 1000 * MS;

/// A suspicion that the detector has not borne out by then is withdrawn: it hears the vowel after
/// the longest s within 160 ms.
const SUSPICION: u64 = 200 * MS;
/// Where a suspected sound is taken to have begun: what makes a rise lasts so long.
const RISE: u64 = 30 * MS;

/// A tentative onset is called off after so long without more than the room's own sound, which is
/// longer than a p or t holds its breath …
const OVER: u64 = 120 * MS;
/// (what is at most so far above the room's usual loudest is its own, in dB)
const ROOM: f32 = 2.0;
/// … if it was louder than the room by this much before, in dB: a voice that just stands out of a
/// babble sinks into it between its syllables.
const LOUD: f32 = 14.0;

/// Counters of an ear since it was made.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counters {
    pub suspected: u64,
    pub onsets: u64,
    pub started: u64,
    pub cancelled: u64,
    pub ended: u64,
    /// Scores from the onset threshold up that the echo gate held back.
    pub echo_rejected: u64,
    /// Nanoseconds of audio, by what they were taken for.
    pub speech_time: u64,
    pub silence_time: u64,
    /// Nanoseconds of audio that the detector has scored, and how long that took.
    pub analysed: u64,
    pub analysis: Duration,
}

/// The loudness of a stretch of audio.
#[derive(Debug, Clone, Copy)]
struct Level {
    start: u64,
    end: u64,
    /// Mean square, of all and of the bands of [`Bands`].
    power: f64,
    bands: [f64; 2],
}

/// Measures mono audio in steps, above a high pass: rumble is not loudness.
#[derive(Debug, Default)]
struct Meter {
    coefficient: f32,
    last: (f32, f32),
    step: u64,
    sum: f64,
    count: u64,
}

impl Meter {
    fn new(rate: u64) -> Self {
        Self {
            // One pole at 100 Hz.
            coefficient: (-std::f32::consts::TAU * 100.0 / rate as f32).exp(),
            step: (rate * LEVEL_STEP / (1000 * MS)).max(1),
            ..Self::default()
        }
    }

    /// Takes a sample; at the end of a step gives its mean square and its number of samples.
    fn take(&mut self, x: f32) -> Option<(f64, u64)> {
        let y = x - self.last.0 + self.coefficient * self.last.1;
        self.last = (x, y);
        self.sum += f64::from(y * y);
        self.count += 1;
        if self.count < self.step {
            return None;
        }
        let level = (self.sum / self.count as f64, self.count);
        (self.sum, self.count) = (0.0, 0);
        Some(level)
    }
}

/// A rise that may be speech.
#[derive(Debug, Clone, Copy)]
struct Suspicion {
    since: u64,
    /// Others were told.
    told: bool,
}

/// The audio in use: what is rebuilt when the format changes.
struct Format {
    rate: u64,
    channels: usize,
    analyzer: Analyzer,
    meter: Meter,
    bands: Bands,
}

/// One ear, for one stream.
pub(crate) struct Ear {
    settings: Settings,
    engine: Engine,
    format: Option<Format>,
    segmenter: Segmenter,
    echo: EchoGate,
    /// Running time at which the next audio is expected.
    next: Option<u64>,
    levels: VecDeque<Level>,
    rise: Rise,
    /// It became louder, and that is not resolved.
    suspected: Option<Suspicion>,
    /// How far above the room the loudest cell of the open onset was, in dB, and for how long
    /// none has been above it since, in nanoseconds.
    peak: f32,
    over: u64,
    scores: Vec<Score>,
    /// Until when two phases are worth it.
    far_until: Option<u64>,
    /// The agent was speaking at the last onset.
    over_speech: bool,
    pub counters: Counters,
}

impl Ear {
    /// An ear that has heard nothing. `settings.engine` is fixed from here on.
    pub fn new(settings: &Settings) -> Self {
        let mut ear = Self {
            settings: *settings,
            engine: settings.engine,
            format: None,
            segmenter: Segmenter::new(settings.segmenter()),
            echo: EchoGate::new(),
            next: None,
            levels: VecDeque::with_capacity(LEVELS),
            rise: Rise::new(),
            suspected: None,
            peak: 0.0,
            over: 0,
            scores: Vec::new(),
            far_until: None,
            over_speech: false,
            counters: Counters::default(),
        };
        ear.configure(settings);
        ear
    }

    /// Takes over changed settings in the middle of the stream.
    pub fn configure(&mut self, settings: &Settings) {
        self.settings = *settings;
        self.settings.engine = self.engine;
        self.segmenter.set_config(self.settings.segmenter());
        self.echo.set_margin(settings.echo_margin as f32);
    }

    /// The audio that follows has this format. Speech in progress goes on.
    pub fn set_format(&mut self, rate: u32, channels: usize) {
        if let Some(format) = &self.format
            && format.rate == u64::from(rate)
            && format.channels == channels
        {
            return;
        }
        self.format = Some(Format {
            rate: u64::from(rate),
            channels,
            analyzer: Analyzer::new(self.engine.kind(), rate, channels),
            meter: Meter::new(u64::from(rate)),
            bands: Bands::new(u64::from(rate)),
        });
        self.rise.reset();
    }

    /// The far end plays a frame.
    pub fn far(&mut self, frame: FarFrame) {
        self.echo.far(frame);
    }

    pub fn phase(&self) -> Phase {
        self.segmenter.phase()
    }

    pub fn echo(&self) -> &EchoGate {
        &self.echo
    }

    /// Running time at which the next audio is expected, if there was any.
    pub fn next(&self) -> Option<u64> {
        self.next
    }

    /// Whether audio at `time` does not follow what was heard before.
    pub fn is_jump(&self, time: u64) -> bool {
        self.next.is_some_and(|next| next.abs_diff(time) > JITTER)
    }

    /// Hears interleaved audio that begins at running time `time`. Audio missing before it
    /// counts as silence; audio before what was heard already makes the ear begin anew.
    pub fn listen(&mut self, time: u64, samples: &[f32], out: &mut Vec<Event>) {
        if self.is_jump(time) {
            self.jump(time, out);
        }
        let Some(format) = &self.format else {
            return;
        };
        // In pieces, so that the work does not grow with the length of the buffer.
        let (rate, channels) = (format.rate, format.channels);
        let piece = (rate / 10).max(1);
        for (i, samples) in samples.chunks(piece as usize * channels).enumerate() {
            self.listen_piece(time + frames_to_time(i as u64 * piece, rate), samples, out);
        }
    }

    fn listen_piece(&mut self, time: u64, samples: &[f32], out: &mut Vec<Event>) {
        let Some(format) = &mut self.format else {
            return;
        };
        let began = Instant::now();
        let frames = (samples.len() / format.channels) as u64;
        let end = time + frames_to_time(frames, format.rate);
        self.next = Some(end);

        let scale = 1.0 / format.channels as f32;
        let speaking = self.segmenter.phase() != Phase::Silence || self.suspected.is_some();
        let heard = self.levels.len();
        for (i, frame) in samples.chunks_exact(format.channels).enumerate() {
            let mono = frame.iter().sum::<f32>() * scale;
            format.bands.take(mono);
            if let Some((power, count)) = format.meter.take(mono) {
                let end = time + frames_to_time(i as u64 + 1, format.rate);
                let start = end.saturating_sub(frames_to_time(count, format.rate));
                if self.settings.echo_gate {
                    self.echo.near(start, end, power, speaking);
                }
                self.levels.push_back(Level {
                    start,
                    end,
                    power,
                    bands: format.bands.read(count),
                });
            }
        }

        if self.settings.echo_gate || self.settings.two_phase == TwoPhase::Auto {
            if self.echo.far_plays(end) {
                self.far_until = Some(end + TWO_PHASE_HOLD);
            } else if self.far_until.is_some_and(|until| until < end) {
                self.far_until = None;
            }
        }
        let two_phase = match self.settings.two_phase {
            TwoPhase::Auto => self.far_until.is_some(),
            TwoPhase::Always => true,
            TwoPhase::Never => false,
        };
        if two_phase != format.analyzer.two_phase() {
            format.analyzer.set_two_phase(two_phase);
        }
        let position = format.analyzer.position();
        let (scores, rate) = (&mut self.scores, format.rate);
        format
            .analyzer
            .process(Samples::F32(samples), |score| scores.push(score));
        self.counters.analysed += end - time;
        self.counters.analysis += began.elapsed();

        // Positions count from the analyzer's start; the newest buffer's time anchors them, so
        // that a clock that drifts is followed.
        let time_of = |frame: u64| {
            if frame >= position {
                time + frames_to_time(frame - position, rate)
            } else {
                time.saturating_sub(frames_to_time(position - frame, rate))
            }
        };
        let mut scores = std::mem::take(&mut self.scores);
        for score in scores.drain(..) {
            let start = time_of(score.end.saturating_sub(score.frames));
            self.judge(start, time_of(score.end), score.value, out);
        }
        self.scores = scores;
        for n in heard..self.levels.len() {
            self.call_off(self.levels[n], out);
            self.suspect(self.levels[n], out);
        }
        while self.levels.len() > LEVELS {
            self.levels.pop_front();
        }
    }

    /// The stream holds nothing for `duration` from running time `time` on, and says so.
    pub fn skip(&mut self, time: u64, duration: u64, out: &mut Vec<Event>) {
        if self.is_jump(time) {
            self.jump(time, out);
        }
        self.gap(time.saturating_add(duration), out);
    }

    /// The stream holds nothing up to running time `until`.
    pub fn gap(&mut self, until: u64, out: &mut Vec<Event>) {
        if self.next.is_some_and(|next| until < next) {
            return;
        }
        if let Some(next) = self.next {
            self.counters.silence_time += until - next;
        }
        self.next = Some(until);
        self.withdraw(until, out);
        self.decide(out, |segmenter, out| segmenter.silence(until, out));
        self.deafen();
    }

    /// Open speech ends here: the stream is over or is about to jump.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        self.withdraw(self.next.unwrap_or(0), out);
        self.decide(out, |segmenter, out| segmenter.finish(out));
    }

    /// Forgets the stream, after [`Self::finish`]: the next may have any running time. The
    /// counters and the room's echo return loss stay.
    pub fn reset(&mut self) {
        self.segmenter.reset();
        self.echo.reset();
        self.next = None;
        self.far_until = None;
        self.deafen();
    }

    fn jump(&mut self, time: u64, out: &mut Vec<Event>) {
        if self.next.is_some_and(|next| next < time) {
            self.gap(time, out);
        } else {
            self.finish(out);
            self.reset();
        }
    }

    /// What was heard before says nothing about what comes.
    fn deafen(&mut self) {
        self.levels.clear();
        self.rise.reset();
        if let Some(format) = &mut self.format {
            format.analyzer.reset();
            format.meter = Meter::new(format.rate);
            format.bands = Bands::new(format.rate);
        }
    }

    /// Looks at a cell whose audio the detector has judged, as far as it could.
    fn suspect(&mut self, level: Level, out: &mut Vec<Event>) {
        if self.segmenter.phase() != Phase::Silence {
            return;
        }
        let at = level.end;
        if self.rise.take(level.bands) {
            // Where it would be of no use it is followed up all the same, untold: whether it is
            // the beginning of speech or the room's matters for the next.
            let told = self.settings.energy_onset
                && self.echo.far_plays(at)
                && (!self.settings.echo_gate
                    || self.echo.is_open(level.start, at, level.power, false));
            self.suspected = Some(Suspicion { since: at, told });
            if told {
                self.counters.suspected += 1;
                out.push(self.suspicion(Kind::Suspected, at, at));
            }
        } else if (self.suspected).is_some_and(|suspicion| at >= suspicion.since + SUSPICION) {
            self.withdraw(at, out);
        }
    }

    /// Calls a tentative onset off where something clearly louder than the room was over soon: a
    /// detector's memory lingers after a murmur for as long as a word lasts.
    fn call_off(&mut self, level: Level, out: &mut Vec<Event>) {
        let Some(above) = self.rise.above(level.bands) else {
            self.peak = 0.0;
            return;
        };
        match self.segmenter.phase() {
            Phase::Silence if self.suspected.is_none() => self.peak = above,
            Phase::Silence | Phase::Tentative => self.peak = self.peak.max(above),
            Phase::Speech => {}
        }
        if self.segmenter.phase() != Phase::Tentative || above > ROOM || self.peak < LOUD {
            self.over = 0;
            return;
        }
        self.over += level.end - level.start;
        if self.over >= OVER {
            self.over = 0;
            self.decide(out, |segmenter, out| segmenter.finish(out));
        }
    }

    /// What was suspected was no speech.
    fn withdraw(&mut self, at: u64, out: &mut Vec<Event>) {
        if let Some(Suspicion { since, told }) = self.suspected.take() {
            self.rise.withdrawn(told);
            if told {
                out.push(self.suspicion(Kind::Cancelled, since, at));
            }
        }
    }

    fn suspicion(&self, kind: Kind, since: u64, at: u64) -> Event {
        Event {
            kind,
            at: at.max(self.segmenter.clock()),
            onset: since.saturating_sub(RISE),
            last_voice: since,
            probability: self.segmenter.probability(),
            over_speech: true,
            suspicion: true,
        }
    }

    fn judge(&mut self, start: u64, end: u64, score: f32, out: &mut Vec<Event>) {
        let speaking = self.segmenter.phase() != Phase::Silence;
        let heard = (self.levels.iter()).filter(|level| level.end > start && level.start < end);
        let loudest = heard.map(|level| level.power).reduce(f64::max);
        let mut probability = score;
        // No level, no verdict: the stream has only just begun.
        if let Some(power) = loudest {
            if power < NOTHING {
                probability = 0.0;
            } else if self.settings.echo_gate && !self.echo.is_open(start, end, power, speaking) {
                if score >= self.settings.segmenter().on {
                    self.counters.echo_rejected += 1;
                }
                probability = 0.0;
            }
        }
        let before = self.segmenter.clock();
        self.decide(out, |segmenter, out| {
            segmenter.step(start, end, probability, out);
        });
        let judged = self.segmenter.clock() - before.max(start);
        if self.segmenter.phase() == Phase::Silence {
            self.counters.silence_time += judged;
        } else {
            self.counters.speech_time += judged;
        }
    }

    fn decide(&mut self, out: &mut Vec<Event>, f: impl FnOnce(&mut Segmenter, &mut Vec<Event>)) {
        let first = out.len();
        f(&mut self.segmenter, out);
        for event in &mut out[first..] {
            if event.kind == Kind::Onset {
                // A mouth that paused for what was suspected was speaking.
                let paused = self.suspected.is_some_and(|suspicion| suspicion.told);
                self.over_speech = paused || self.echo.far_plays(event.onset);
                self.suspected = None;
                self.rise.borne_out();
            }
            event.over_speech = self.over_speech;
            *match event.kind {
                Kind::Suspected => &mut self.counters.suspected,
                Kind::Onset => &mut self.counters.onsets,
                Kind::Started => &mut self.counters.started,
                Kind::Cancelled => &mut self.counters.cancelled,
                Kind::Ended => &mut self.counters.ended,
            } += 1;
        }
    }
}
