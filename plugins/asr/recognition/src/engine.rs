// SPDX-License-Identifier: MPL-2.0

//! What every engine that recognises speech can do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The sample rate that engines are fed with, in Hz.
pub const RATE: u32 = 16_000;

/// Why something was not recognised. Each is a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Settings that cannot be met: a grammar, a language, a word.
    #[error("{0}")]
    Settings(String),
    /// A file that is missing or is not what it should be.
    #[error("{0}")]
    Resource(String),
    /// Too much is being recognised already.
    #[error("{0}")]
    Busy(String),
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The engine failed.
    #[error("{0}")]
    Failed(String),
}

/// Cancels a turn from any thread, at any time. What the engine then says is of no interest.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks for it; returns at once.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// How far the words are from a phrase that can stand by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phrase {
    /// Nobody knows.
    #[default]
    Unknown,
    /// More has to come: the grammar is not at an end, or a sentence breaks off.
    Open,
    /// It may end here: a final state of the grammar, or final punctuation.
    Complete,
}

/// A recognised word.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// As it is written.
    pub text: String,
    /// Where it begins, from the first sample that the turn was fed with.
    pub start: Duration,
    /// Where it ends.
    pub end: Duration,
    /// 0 to 1, where the engine knows.
    pub confidence: Option<f64>,
}

/// What an engine takes a turn for, so far or finally.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hypothesis {
    /// The words as text; empty where none was recognised.
    pub text: String,
    /// Each word, where the engine tells.
    pub words: Vec<Word>,
    /// 0 to 1, where the engine knows.
    pub confidence: Option<f64>,
    /// The language as a BCP 47 tag, where the engine found it out or can only do one.
    pub language: Option<String>,
    /// Whether the phrase may end here.
    pub phrase: Phrase,
    /// Where the last sound of a voice ended, of words or not, from the first sample that the turn was fed with; `None` where
    /// the engine does not know, or heard none.
    pub voiced: Option<Duration>,
}

/// Recognises one turn at a time. Shared by the elements that use the same configuration.
pub trait Engine: Send + Sync {
    /// Loads whatever the first turn would otherwise wait for. May block for seconds.
    fn prepare(&self) -> Result<(), Error>;

    /// Begins a turn. Blocks only where nothing was prepared.
    fn start(&self, cancel: &Cancel) -> Result<Box<dyn Turn>, Error>;
}

/// A turn that is being recognised. Dropping it cancels it.
pub trait Turn: Send {
    /// Hears more: mono samples at [`RATE`], between −1 and 1.
    fn feed(&mut self, samples: &[f32]) -> Result<(), Error>;

    /// The caller has stopped speaking, or goes on after all; a turn begins with somebody who speaks. What is fed after
    /// the stop is silence, so an engine that hears a turn as a whole may do so now. Never blocks.
    fn speaking(&mut self, speaking: bool) {
        let _ = speaking;
    }

    /// What it sounds like so far.
    fn partial(&mut self) -> Result<Hypothesis, Error>;

    /// The turn is over: what it was.
    fn finish(self: Box<Self>) -> Result<Hypothesis, Error>;
}
