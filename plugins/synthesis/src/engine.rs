// SPDX-License-Identifier: MPL-2.0
//! The engine trait: what any voice, in process or remote, looks like to its consumer.
//!
//! An utterance has two halves so that text can go in on one thread while samples come out on
//! another. The consumer pulls: an engine may work a little ahead of [`AudioHalf::next`], never
//! without bound, so that nobody who has enough audio is computed for. [`Cancel`] ends both halves
//! from any thread.

use std::{
    ops::Range,
    sync::Arc,
    task::{Context, Poll},
};

use crate::park::wait_for;

/// What an utterance is to sound like. Fixed from [`Engine::open`] to the end of the utterance.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Identifies the utterance in logs and on the wire; unique within a process.
    pub utterance_id: String,
    /// A voice as [`Engine::voices`] names it; `None` is the engine's default.
    pub voice: Option<String>,
    /// A BCP 47 tag such as `en-GB`; chooses a voice where `voice` is `None`.
    pub language: Option<String>,
    /// Speed of speech: 1.0 is the voice's own, 2.0 twice as fast.
    pub rate: f64,
    /// The text is SSML and is handed to the engine as such.
    pub ssml: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            utterance_id: String::new(),
            voice: None,
            language: None,
            rate: 1.0,
            ssml: false,
        }
    }
}

/// A voice that an engine offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// What `Request::voice` takes.
    pub name: String,
    /// BCP 47 tags, the best first.
    pub languages: Vec<String>,
}

/// Where a word stands in the text and in the sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordMark {
    /// The word as written, without surrounding white space.
    pub text: String,
    /// Its bytes in the utterance's text (all of [`TextHalf::push`], concatenated).
    pub bytes: Range<usize>,
    /// First sample, counted from the start of the utterance.
    pub start: u64,
    /// Length in samples, up to the word's own end (pauses belong to nobody).
    pub samples: u64,
    /// False where the engine guesses the place instead of knowing it.
    pub exact: bool,
}

/// A stretch of sound, in order and without gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Mono samples at [`AudioHalf::sample_rate`].
    pub samples: Vec<i16>,
    /// The words that begin inside `samples`.
    pub words: Vec<WordMark>,
}

/// The speeds that every engine accepts.
pub const RATES: std::ops::RangeInclusive<f64> = 0.3..=4.0;

/// [`Error::BadRequest`] unless a speed lies in [`RATES`].
pub fn check_rate(rate: f64) -> Result<(), Error> {
    if RATES.contains(&rate) {
        return Ok(());
    }
    Err(Error::BadRequest(format!(
        "rate {rate} is out of range: speech can be 0.3 to 4.0 times its own speed"
    )))
}

/// What can go wrong, each with a sentence that names the thing and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request names a voice or language that the engine lacks.
    #[error("no voice `{name}`: {remedy}")]
    NoSuchVoice {
        /// What was asked for.
        name: String,
        /// What to ask for instead.
        remedy: String,
    },
    /// A value of the request is out of range.
    #[error("{0}")]
    BadRequest(String),
    /// The engine cannot work here: a library, model or worker is missing.
    #[error("{0}")]
    Unavailable(String),
    /// The engine has no room for one more now; it will once an utterance has ended, and another engine may have it.
    #[error("{0}")]
    Busy(String),
    /// The utterance was cancelled; not a fault.
    #[error("the utterance was cancelled")]
    Cancelled,
    /// The engine failed in the middle of its work.
    #[error("{0}")]
    Failed(String),
}

/// Makes speech. Shared by all utterances of a process; every method may be called from any thread.
pub trait Engine: Send + Sync {
    /// A short name for logs and metrics, such as `tone`.
    fn name(&self) -> &'static str;

    /// The voices that can be asked for. May load data; not for the audio path.
    fn voices(&self) -> Result<Vec<Voice>, Error>;

    /// Loads whatever [`Engine::open`] would otherwise wait for. Idempotent; may block.
    fn prepare(&self, request: &Request) -> Result<(), Error>;

    /// The rate at which an utterance of this request will come, in Hz.
    fn sample_rate(&self, request: &Request) -> Result<u32, Error>;

    /// Begins an utterance. Does no work that takes longer than a millisecond once prepared. [`Error::Busy`] where those
    /// who are spoken for would suffer.
    fn open(&self, request: &Request) -> Result<Utterance, Error>;
}

/// An open utterance. Dropping any half without [`TextHalf::finish`] cancels the rest.
pub struct Utterance {
    /// Where text goes in.
    pub text: Box<dyn TextHalf>,
    /// Where sound comes out.
    pub audio: Box<dyn AudioHalf>,
    /// Ends both, from any thread.
    pub cancel: Cancel,
}

/// The text side of an utterance.
pub trait TextHalf: Send {
    /// Adds text, any part of a word or several pages. Blocks while the engine holds more
    /// unspoken text than it wants (64 KiB), until it is read or cancelled.
    fn push(&mut self, text: &str) -> Result<(), Error>;

    /// Adds as much of the text as the engine wants now, whole characters, and tells how many bytes
    /// that was. Never blocks. There is room for more once sound has been pulled.
    fn try_push(&mut self, text: &str) -> Result<usize, Error>;

    /// No more text for now: speak what is there instead of waiting for the end of its clause.
    fn flush(&mut self) -> Result<(), Error>;

    /// No more text ever: the utterance ends once all of it is spoken. Idempotent.
    fn finish(&mut self) -> Result<(), Error>;
}

/// The sound side of an utterance.
pub trait AudioHalf: Send {
    /// Samples per second.
    fn sample_rate(&self) -> u32;

    /// The next stretch of sound, at most about 100 ms of it; `None` after the last. Where there is
    /// none yet, text being awaited included, the task is woken once there is.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, Error>>;

    /// The same, blocking; [`Error::Cancelled`] at most 20 ms after a cancel.
    fn next(&mut self) -> Result<Option<Piece>, Error> {
        wait_for(|context| self.poll_next(context))
    }
}

/// Ends an utterance from any thread: a blocked call of either half returns
/// [`Error::Cancelled`], and the engine stops working for it. Idempotent, never blocks.
#[derive(Clone)]
pub struct Cancel(Arc<dyn Fn() + Send + Sync>);

impl Cancel {
    /// Wraps what an engine does to cancel.
    pub fn new(cancel: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(cancel))
    }

    /// Cancels.
    pub fn cancel(&self) {
        (self.0)()
    }
}
