// SPDX-License-Identifier: MPL-2.0
//! The tone engine: every word is a pure tone, so that a test can tell which word it hears.
//!
//! Deterministic to the sample: a word lasts 60 ms and 20 ms for each letter or digit at rate 1.0,
//! a clause's mark adds 100 ms of silence behind it, a sentence's 200 ms; nothing else is silent.
//! There are [`PITCHES`] pitches, 100 Hz apart; neighbouring words are far apart in pitch.
//! [`word_at`] reads the pitch from any 5 ms of samples.
//!
//! Voices: `tone` goes through the pitches word by word ([`pitch_of`]); `tone-text` gives each
//! word the pitch of its spelling ([`pitch_of_text`]), wherever it stands.
//!
//! Threads: none. All work happens in [`AudioHalf::poll_next`].
//!
//! ```
//! use duplex_synthesis::{Engine, Request, tone};
//!
//! let engine = tone::ToneEngine::default();
//! let mut utterance = engine.open(&Request::default()).unwrap();
//! utterance.text.push("two words").unwrap();
//! utterance.text.finish().unwrap();
//! let mut samples = Vec::new();
//! while let Some(piece) = utterance.audio.next().unwrap() {
//!     samples.extend(piece.samples);
//! }
//! let at = |ms: usize| &samples[ms * 24..(ms + 5) * 24];
//! assert_eq!(tone::word_at(at(50), 24_000), Some(0));
//! assert_eq!(tone::word_at(at(200), 24_000), Some(1));
//! ```

use std::{
    collections::VecDeque,
    f64::consts::TAU,
    ops::Range,
    task::{Context, Poll, ready},
};

use crate::{
    AudioHalf, Boundary, Clause, ClauseReader, Engine, Error, Piece, Request, Splitter, Utterance,
    Voice, WordMark, check_rate, text_channel, words,
};

/// How many pitches there are.
pub const PITCHES: usize = 32;
/// The lowest, in Hz.
pub const LOWEST: f64 = 400.0;
/// From one to the next, in Hz.
pub const STEP: f64 = 100.0;
/// Peak of a tone, of 32,767.
pub const AMPLITUDE: f64 = 8192.0;

/// Coprime to `PITCHES`: consecutive words lie 1,300 Hz or more apart.
const STRIDE: usize = 13;
const UNSTRIDE: usize = 5;
const RAMP_MS: f64 = 1.0;
const PIECE_MS: u64 = 100;

/// The pitch of the word with this index in the utterance, in Hz (voice `tone`).
pub fn pitch_of(word_index: usize) -> f64 {
    LOWEST + STEP * ((word_index * STRIDE) % PITCHES) as f64
}

/// The pitch of a word by its spelling, in Hz (voice `tone-text`).
pub fn pitch_of_text(word: &str) -> f64 {
    pitch_of(class_of_text(word))
}

/// The index modulo [`PITCHES`] that a word's spelling stands for (voice `tone-text`).
pub fn class_of_text(word: &str) -> usize {
    // FNV-1a: the same on every machine and in every version.
    let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    ((hash >> 32) % PITCHES as u64) as usize
}

/// How long a word lasts, in samples.
pub fn samples_of(word: &str, rate: f64, sample_rate: u32) -> u64 {
    let letters = word.chars().filter(|c| c.is_alphanumeric()).count();
    to_samples(60.0 + 20.0 * letters as f64, rate, sample_rate)
}

/// The silence behind a clause, in samples.
pub fn pause_of(boundary: Boundary, rate: f64, sample_rate: u32) -> u64 {
    let ms = match boundary {
        Boundary::Sentence => 200.0,
        Boundary::Clause => 100.0,
        Boundary::Words | Boundary::End => 0.0,
    };
    to_samples(ms, rate, sample_rate)
}

/// Which word any 5 ms (or more) of samples belong to: its index modulo [`PITCHES`]. `None` for
/// silence, for what is no tone of this engine, and where two words meet.
///
/// Fits each pitch's sine to the samples; noise, resampling and a codec leave the answer as it is.
pub fn word_at(samples: &[i16], sample_rate: u32) -> Option<usize> {
    let x: Vec<f64> = samples.iter().map(|s| f64::from(*s)).collect();
    let energy: f64 = x.iter().map(|s| s * s).sum();
    if x.len() < 8 || energy / (x.len() as f64) < (AMPLITUDE / 100.0).powi(2) {
        return None;
    }
    let explained = |place: usize| {
        let step = TAU * (LOWEST + STEP * place as f64) / f64::from(sample_rate);
        let (turn_sin, turn_cos) = step.sin_cos();
        let (mut sin, mut cos) = (0.0, 1.0);
        let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for x in &x {
            ss += sin * sin;
            cc += cos * cos;
            sc += sin * cos;
            xs += x * sin;
            xc += x * cos;
            (sin, cos) = (
                sin * turn_cos + cos * turn_sin,
                cos * turn_cos - sin * turn_sin,
            );
        }
        let determinant = ss * cc - sc * sc;
        (xs * xs * cc - 2.0 * xs * xc * sc + xc * xc * ss) / determinant / energy
    };
    let (share, place) = (0..PITCHES)
        .map(|place| (explained(place), place))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (share > 0.85).then_some((place * UNSTRIDE) % PITCHES)
}

fn to_samples(ms: f64, rate: f64, sample_rate: u32) -> u64 {
    (ms * f64::from(sample_rate) / 1000.0 / rate).round() as u64
}

/// The engine.
#[derive(Clone, Debug)]
pub struct ToneEngine {
    sample_rate: u32,
}

impl Default for ToneEngine {
    fn default() -> Self {
        Self::new(24_000)
    }
}

impl ToneEngine {
    /// An engine that speaks at this rate, in Hz; at least 8,000 for the pitches to fit.
    pub fn new(sample_rate: u32) -> Self {
        Self {
            sample_rate: sample_rate.max(8_000),
        }
    }

    fn check(&self, request: &Request) -> Result<bool, Error> {
        check_rate(request.rate)?;
        match request.voice.as_deref() {
            None | Some("tone") => Ok(false),
            Some("tone-text") => Ok(true),
            Some(name) => Err(Error::NoSuchVoice {
                name: name.to_owned(),
                remedy: "the tone engine has `tone` and `tone-text`".into(),
            }),
        }
    }
}

impl Engine for ToneEngine {
    fn name(&self) -> &'static str {
        "tone"
    }

    fn voices(&self) -> Result<Vec<Voice>, Error> {
        let voice = |name: &str| Voice {
            name: name.to_owned(),
            languages: vec!["und".to_owned()],
        };
        Ok(vec![voice("tone"), voice("tone-text")])
    }

    fn prepare(&self, request: &Request) -> Result<(), Error> {
        self.check(request).map(drop)
    }

    fn sample_rate(&self, request: &Request) -> Result<u32, Error> {
        self.check(request)?;
        Ok(self.sample_rate)
    }

    fn open(&self, request: &Request) -> Result<Utterance, Error> {
        let by_text = self.check(request)?;
        let splitter = Splitter::new(request.language.as_deref(), request.ssml);
        let (writer, reader) = text_channel(splitter, None);
        let cancel = writer.canceller();
        Ok(Utterance {
            text: Box::new(writer),
            audio: Box::new(ToneAudio {
                reader,
                by_text,
                rate: request.rate,
                ssml: request.ssml,
                sample_rate: self.sample_rate,
                position: 0,
                words: 0,
                queue: VecDeque::new(),
                ended: false,
            }),
            cancel,
        })
    }
}

/// A stretch that is still to be sounded.
struct Sound {
    /// `None` is silence.
    pitch: Option<f64>,
    samples: u64,
    done: u64,
    mark: Option<(String, Range<usize>)>,
}

struct ToneAudio {
    reader: ClauseReader,
    by_text: bool,
    rate: f64,
    ssml: bool,
    sample_rate: u32,
    position: u64,
    words: usize,
    queue: VecDeque<Sound>,
    ended: bool,
}

impl ToneAudio {
    fn queue(&mut self, clause: &Clause) {
        for range in words(&clause.text, self.ssml) {
            let word = &clause.text[range.clone()];
            let pitch = if self.by_text {
                pitch_of_text(word)
            } else {
                pitch_of(self.words)
            };
            self.words += 1;
            let bytes = clause.bytes.start + range.start..clause.bytes.start + range.end;
            self.queue.push_back(Sound {
                pitch: Some(pitch),
                samples: samples_of(word, self.rate, self.sample_rate),
                done: 0,
                mark: Some((word.to_owned(), bytes)),
            });
        }
        let pause = pause_of(clause.boundary, self.rate, self.sample_rate);
        if pause > 0 {
            self.queue.push_back(Sound {
                pitch: None,
                samples: pause,
                done: 0,
                mark: None,
            });
        }
    }
}

/// How many samples of a tone are made side by side.
const LANES: usize = 4;

/// Adds the next `count` samples of a sound, a sine of so many periods per sample, with ramps of so
/// many samples at both ends.
///
/// A sine is turned from sample to sample, which costs far less than computing each; it is set anew
/// for each piece, so that no error adds up.
fn sine(periods: f64, ramp: f64, sound: &Sound, count: u64, samples: &mut Vec<i16>) {
    let step = TAU * periods;
    let first = samples.len();
    samples.resize(first + count as usize, 0);
    let mut sin: [f64; LANES] = [0.0; LANES];
    let mut cos = sin;
    for lane in 0..LANES {
        (sin[lane], cos[lane]) = (step * (sound.done as f64 + lane as f64 + 0.5)).sin_cos();
    }
    let (turn_sin, turn_cos) = (step * LANES as f64).sin_cos();
    for out in samples[first..].chunks_mut(LANES) {
        for (lane, out) in out.iter_mut().enumerate() {
            *out = to_i16(AMPLITUDE * sin[lane]);
        }
        for lane in 0..LANES {
            (sin[lane], cos[lane]) = (
                sin[lane] * turn_cos + cos[lane] * turn_sin,
                cos[lane] * turn_cos - sin[lane] * turn_sin,
            );
        }
    }
    // Ramps against clicks, which reach zero outside of the word only.
    let end = sound.done + count;
    let ramp_end = (ramp.ceil() as u64).min(end);
    let ramp_begin = sound
        .samples
        .saturating_sub(ramp.ceil() as u64)
        .max(ramp_end)
        .max(sound.done);
    for n in (sound.done..ramp_end).chain(ramp_begin..end) {
        let edge = ((n + 1) as f64).min((sound.samples - n) as f64);
        let gain = (edge / ramp).min(1.0);
        samples[first + (n - sound.done) as usize] =
            to_i16(gain * AMPLITUDE * (step * (n as f64 + 0.5)).sin());
    }
}

/// Rounds; what is not far beyond 16 bits needs no more care.
fn to_i16(value: f64) -> i16 {
    ((value + 32_768.5) as i32 - 32_768) as i16
}

impl AudioHalf for ToneAudio {
    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, Error>> {
        while self.queue.is_empty() {
            if self.ended {
                return Poll::Ready(Ok(None));
            }
            match ready!(self.reader.poll_clause(context))? {
                Some(clause) => self.queue(&clause),
                None => self.ended = true,
            }
        }
        if self.reader.cancelled() {
            return Poll::Ready(Err(Error::Cancelled));
        }
        let room = u64::from(self.sample_rate) * PIECE_MS / 1000;
        let mut piece = Piece::default();
        while let Some(sound) = self.queue.front_mut() {
            let left = room - piece.samples.len() as u64;
            if left == 0 {
                break;
            }
            if let Some((text, bytes)) = sound.mark.take() {
                piece.words.push(WordMark {
                    text,
                    bytes,
                    start: self.position,
                    samples: sound.samples,
                    exact: true,
                });
            }
            let count = left.min(sound.samples - sound.done);
            match sound.pitch {
                None => piece
                    .samples
                    .resize(piece.samples.len() + count as usize, 0),
                Some(pitch) => {
                    let rate = f64::from(self.sample_rate);
                    let ramp = rate * RAMP_MS / 1000.0;
                    sine(pitch / rate, ramp, sound, count, &mut piece.samples);
                }
            }
            self.position += count;
            sound.done += count;
            if sound.done == sound.samples {
                self.queue.pop_front();
            }
        }
        Poll::Ready(Ok(Some(piece)))
    }
}
