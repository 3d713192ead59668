// SPDX-License-Identifier: MPL-2.0

//! The seam between a family of models and the engine that batches it.
//!
//! The engine knows nothing of tokens, latents or codebooks. It has *slots*, one for each utterance that is being spoken; it
//! admits a stretch of text into a slot, asks for one frame of sound for some of the slots, again and again, and frees the
//! slot. Which slots, and when, is the scheduler's business alone.
//!
//! # To add a family
//! Implement [`Family`] for what is loaded and shared, [`Generator`] for what makes frames and [`Decoder`] for what makes
//! sound of them. A step of the generator is a *frame*, however many passes that takes inside: a family with a depth
//! transformer runs its 16 or 32 passes in [`Generator::step`] and answers with the codes of one frame; one that is not
//! autoregressive computes a few frames ahead, or all of a chunk, and hands them out one by one. A family without a separate
//! decoder hands samples through. `tests/toy` has a family of two passes a frame and one that is not autoregressive, in a
//! page each.
//!
//! What else a family is good for, it says, and the engine does the rest itself:
//! - One that models durations speaks faster or slower by itself ([`Family::paces`]); the sound of others is stretched.
//! - One that models pitch speaks higher or lower ([`Family::pitches`]); others keep their own.
//! - One that knows where its words are, or how long a chunk is to the sample, says so when it begins ([`Times`]); the places of
//!   words of others are estimated from the sound, which is as long as their frames.
//! - Quiet before an utterance's first sound is cut by the engine, and times of words are moved with it.
//! - What cannot be spoken is left out and told of ([`Skipped`]); only what is the caller's fault is an error.
//!
//! # Threads
//! A [`Family`] is shared. A generator and a decoder are each called by one thread at a time, not always the same one, and
//! on the CPU both at once: the decoder works on a frame while the generator makes the next.

use std::{any::Any, ops::Range, sync::Arc};

use duplex_synthesis::{Error, Voice};

/// The number of an utterance's place in every cache.
pub type Slot = usize;

/// A voice that is loaded: whatever the family keeps for it.
pub type LoadedVoice = Arc<dyn Any + Send + Sync>;

/// A stretch of text that is generated in one go.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// The bytes of the text that it speaks; chunks of a text follow each other without gaps.
    pub bytes: Range<usize>,
    /// What the model reads.
    pub tokens: Vec<u32>,
    /// Frames that the model goes on for once it has said that it is at the end.
    pub tail: usize,
    /// Most frames: a model that finds no end is stopped there.
    pub most: usize,
}

/// A text as a family reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chunks {
    /// What is spoken, in order.
    pub chunks: Vec<Chunk>,
    /// What is not, in order.
    pub skipped: Vec<Skipped>,
}

impl From<Vec<Chunk>> for Chunks {
    fn from(chunks: Vec<Chunk>) -> Self {
        Self {
            chunks,
            skipped: Vec::new(),
        }
    }
}

/// A part of a text that is not spoken as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is in the text.
    pub bytes: Range<usize>,
    /// Why, in a sentence that does not quote the text: it goes to the log.
    pub why: String,
}

/// Where a word is in the sound of its chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// Its bytes in the text, as those of [`Chunk::bytes`] are counted.
    pub bytes: Range<usize>,
    /// Its first sample, from the beginning of the chunk.
    pub start: u64,
    /// Its length in samples, without pauses.
    pub samples: u64,
}

/// What a family knows of a chunk's sound when it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Where its words will be, in their order; words that it does not speak may be left out. `None` has the engine estimate
    /// all of them.
    pub words: Option<Vec<Timed>>,
    /// Samples of all of it: what its last frame holds besides is not played. `None` plays whole frames.
    pub samples: Option<usize>,
}

impl Timed {
    /// The sample at a byte of the text, the word's being spread over its bytes.
    pub(crate) fn at(&self, byte: usize) -> u64 {
        let passed = byte.clamp(self.bytes.start, self.bytes.end) - self.bytes.start;
        self.start + self.samples * passed as u64 / (self.bytes.len() as u64).max(1)
    }
}

/// How an utterance is spoken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manner {
    /// 0 is deterministic without any seed; `None` is the model's own.
    pub temperature: Option<f32>,
    /// The same seed gives the same sound, whatever else is in the batch.
    pub seed: u64,
    /// Speed: 2.0 is twice as fast. 1.0 for a family that does not pace.
    pub rate: f64,
    /// Factor of the fundamental frequency. 1.0 for a family that does not change it.
    pub pitch: f64,
}

impl Default for Manner {
    /// The model's own, of seed 0.
    fn default() -> Self {
        Self {
            temperature: None,
            seed: 0,
            rate: 1.0,
            pitch: 1.0,
        }
    }
}

/// What a step gave for its slots, in their order.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    /// Numbers per frame.
    pub width: usize,
    /// What [`Decoder::decode`] reads: `width` numbers for each slot.
    pub values: Vec<f32>,
    /// Whether the chunk of the slot is over. Such a frame is not to be decoded.
    pub over: Vec<bool>,
}

impl Frames {
    /// Forgets the last step; `width` numbers a frame from now on.
    pub fn clear(&mut self, width: usize) {
        self.width = width;
        self.values.clear();
        self.over.clear();
    }

    /// The frame of the slot at this place of the step.
    pub fn frame(&self, place: usize) -> &[f32] {
        &self.values[place * self.width..(place + 1) * self.width]
    }
}

/// A model that is loaded: what all utterances share.
pub trait Family: Send + Sync {
    /// Samples per second.
    fn sample_rate(&self) -> u32;

    /// Samples of a frame.
    fn frame_samples(&self) -> usize;

    /// The voices that it has, the default first.
    fn voices(&self) -> Vec<Voice>;

    /// Loads a voice. May read files; not for the thread that steps.
    fn voice(&self, name: &str) -> Result<LoadedVoice, Error>;

    /// Cuts a text, a clause or a page, into chunks. None for a text without anything to speak.
    fn chunks(&self, text: &str) -> Result<Chunks, Error>;

    /// Whether it speaks faster and slower by itself, as [`Manner::rate`] says: the engine does not stretch its sound then, and
    /// a frame lasts as long at any speed.
    fn paces(&self) -> bool {
        false
    }

    /// Whether it speaks higher and lower, as [`Manner::pitch`] says.
    fn pitches(&self) -> bool {
        false
    }

    /// What makes frames, for so many slots. Allocates what a full house needs.
    fn generator(&self, slots: usize) -> Result<Box<dyn Generator>, Error>;

    /// What makes sound of them.
    fn decoder(&self, slots: usize) -> Result<Box<dyn Decoder>, Error>;
}

/// Makes frames.
pub trait Generator: Send {
    /// Begins a chunk in a slot, from nothing: what was there before is gone. Answers when it will sound, as far as the family
    /// knows.
    fn admit(
        &mut self,
        slot: Slot,
        chunk: &Chunk,
        voice: &LoadedVoice,
        manner: Manner,
    ) -> Result<Times, Error>;

    /// One frame for each of these slots, which are admitted, none of them over, and each named once.
    fn step(&mut self, slots: &[Slot], frames: &mut Frames) -> Result<(), Error>;

    /// Forgets a slot. Cheap.
    fn release(&mut self, slot: Slot);
}

/// Makes sound.
pub trait Decoder: Send {
    /// Begins a chunk in a slot: what was there before is gone.
    fn reset(&mut self, slot: Slot);

    /// The sound of a frame for each of these slots, in their order: `frame_samples` samples each, −1.0 to 1.0, into
    /// `sound`, which is cleared.
    fn decode(&mut self, slots: &[Slot], frames: &[f32], sound: &mut Vec<f32>)
    -> Result<(), Error>;
}
