// SPDX-License-Identifier: MPL-2.0

//! The decoder's thread: makes sound of frames and hands it to the consumers.

use std::{
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use duplex_synthesis::Error;

use crate::family::{Decoder, Frames, Slot};

use super::{
    Dropped, Failure, attempt,
    core::{Core, Sounded},
    script::Word,
    speech::Speech,
};

/// What the generator's thread sends.
pub enum Message {
    /// A step.
    Batch(Batch),
    /// A new decoder, after a failure.
    Decoder(Dropped<dyn Decoder>),
}

/// What a step gave.
#[derive(Default)]
pub struct Batch {
    pub frames: Frames,
    pub entries: Vec<Entry>,
    /// Utterances that are complete with this.
    pub ends: Vec<Arc<Speech>>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.ends.is_empty()
    }

    /// Ends all utterances that it is for.
    pub fn fail(&self, error: &Error) {
        let entries = self.entries.iter().map(|entry| &entry.speech);
        for speech in entries.chain(&self.ends) {
            speech.end(Err(error.clone()));
        }
    }
}

/// How a chunk begins.
pub struct Begin {
    pub words: Vec<Word>,
    /// Samples that are played of it, where that is not all.
    pub samples: Option<usize>,
}

/// What it gave one utterance.
pub struct Entry {
    pub speech: Arc<Speech>,
    pub slot: Slot,
    /// A chunk begins in the slot.
    pub begin: Option<Begin>,
    /// The place of its frame among the step's.
    pub frame: Option<usize>,
    /// The chunk is over.
    pub over: bool,
}

/// All that the thread owns.
pub struct Sounder {
    pub core: Arc<Core>,
    /// What went wrong instead, after a failure.
    pub decoder: Result<Dropped<dyn Decoder>, Error>,
    pub frame_samples: usize,
    pub batches: Receiver<Message>,
    /// The sound of the last batch.
    pub sound: Vec<f32>,
}

impl Sounder {
    /// Works until the other thread ends.
    pub fn run(mut self) {
        while let Ok(message) = self.batches.recv() {
            match message {
                Message::Decoder(decoder) => self.decoder = Ok(decoder),
                Message::Batch(mut batch) => {
                    if let Err(failure) = self.batch(&mut batch) {
                        let error = failure.into_error();
                        self.core.fail(error.clone());
                        self.decoder = Err(error);
                    }
                    // Until a new decoder comes, all batches are of utterances that cannot go on.
                    if let Err(error) = &self.decoder {
                        batch.fail(error);
                    }
                }
            }
        }
    }

    fn batch(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        // Nothing is computed for who has left meanwhile.
        for entry in &mut batch.entries {
            if entry.frame.is_some() && entry.speech.is_over() {
                entry.frame = None;
            }
        }
        let took = self.decode(batch)?;
        if self.decoder.is_err() {
            return Ok(());
        }
        // Consumers' wakers run here, and may do anything.
        attempt("handing sound on", || {
            self.hand_on(batch, took);
            Ok(())
        })
    }

    /// Makes the sound of the frames of a batch, in their order.
    fn decode(&mut self, batch: &Batch) -> Result<Option<Duration>, Failure> {
        let Ok(decoder) = &mut self.decoder else {
            return Ok(None);
        };
        let (mut slots, mut values) = (Vec::new(), Vec::new());
        for entry in &batch.entries {
            if entry.begin.is_some() {
                attempt("beginning a chunk", || {
                    decoder.reset(entry.slot);
                    Ok(())
                })?;
            }
            if let Some(place) = entry.frame {
                slots.push(entry.slot);
                values.extend_from_slice(batch.frames.frame(place));
            }
        }
        self.sound.clear();
        if slots.is_empty() {
            return Ok(None);
        }
        let start = Instant::now();
        attempt("making sound", || {
            decoder.decode(&slots, &values, &mut self.sound)
        })?;
        let took = start.elapsed();
        if self.sound.len() != slots.len() * self.frame_samples {
            return Err(Failure::Broke(Error::Failed(format!(
                "the neural decoder answered {} frames with {} samples instead of {} each; that is a fault of its family",
                slots.len(),
                self.sound.len(),
                self.frame_samples
            ))));
        }
        Ok(Some(took))
    }

    fn hand_on(&self, batch: &mut Batch, took: Option<Duration>) {
        let mut sounds = self.sound.chunks(self.frame_samples);
        let mut made = Vec::new();
        let mut rest = Vec::new();
        for entry in &mut batch.entries {
            let speech = &entry.speech;
            let sound = entry.frame.and_then(|_| sounds.next());
            let (id, awaited) = (speech.id(), speech.is_awaited());
            let mut length = Duration::ZERO;
            if let Some(begin) = entry.begin.take() {
                speech.begin(begin);
            }
            if let Some(sound) = sound {
                length = speech.sound(sound);
            }
            if entry.over {
                length = speech.over();
            }
            let list = if sound.is_some() {
                &mut made
            } else {
                &mut rest
            };
            list.push(Sounded {
                id,
                sound: length,
                awaited,
            });
        }
        // The scheduler hears of sound before a consumer can take it.
        self.core.sounded(took, &made);
        if !rest.is_empty() {
            self.core.sounded(None, &rest);
        }
        for entry in &batch.entries {
            entry.speech.store();
        }
        for speech in &batch.ends {
            speech.end(Ok(()));
        }
    }
}
