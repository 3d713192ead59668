// SPDX-License-Identifier: GPL-3.0-or-later
//! An utterance: its text half is a channel of clauses, its audio half a queue of pieces, and
//! the library's thread goes from one to the other whenever the queue runs low.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use duplex_synthesis::{
    AudioHalf, Boundary, Cancel, Clause, ClauseReader, Error, Piece, Request, Splitter, TryNext,
    Utterance, text_channel,
};

use crate::{
    assemble::{Assembler, Tail},
    library::{Library, Receiver},
    owner::Owner,
    text::Prepared,
    voices::Chosen,
};

/// Whoever has this much sound in store gets no more, in ms.
const ENOUGH_MS: u64 = 500;

/// What the owner thread, the consumer and the text half share.
pub struct Speech {
    owner: &'static Owner,
    voice: String,
    rate: f64,
    ssml: bool,
    sample_rate: u32,
    reader: ClauseReader,
    cancelled: AtomicBool,
    state: Mutex<State>,
}

struct State {
    pieces: VecDeque<Piece>,
    /// Samples in `pieces`.
    stored: u64,
    /// Samples made so far. Written by the owner thread alone.
    made: u64,
    /// Waits for its turn at the library.
    queued: bool,
    ended: Option<Result<(), Error>>,
    /// The task that waits for a piece.
    consumer: Option<Waker>,
}

/// Lets go of the lock, then wakes whoever waits for a piece.
fn wake(mut state: MutexGuard<'_, State>) {
    let consumer = state.consumer.take();
    drop(state);
    if let Some(consumer) = consumer {
        consumer.wake();
    }
}

impl Speech {
    pub fn open(
        owner: &'static Owner,
        request: &Request,
        chosen: Chosen,
        sample_rate: u32,
    ) -> Utterance {
        let mut writer = None;
        let speech = Arc::new_cyclic(|weak: &Weak<Speech>| {
            let weak = weak.clone();
            let waker = Arc::new(move || {
                if let Some(speech) = weak.upgrade() {
                    speech.ask();
                }
            });
            let splitter = Splitter::new(Some(&chosen.language), request.ssml);
            let (text, reader) = text_channel(splitter, Some(waker));
            writer = Some(text);
            Speech {
                owner,
                voice: chosen.identifier,
                rate: request.rate,
                ssml: request.ssml,
                sample_rate,
                reader,
                cancelled: AtomicBool::new(false),
                state: Mutex::new(State {
                    pieces: VecDeque::new(),
                    stored: 0,
                    made: 0,
                    queued: false,
                    ended: None,
                    consumer: None,
                }),
            }
        });
        let weak = Arc::downgrade(&speech);
        let cancel = Cancel::new(move || {
            if let Some(speech) = weak.upgrade() {
                speech.cancel();
            }
        });
        let text: Box<dyn duplex_synthesis::TextHalf> = match writer {
            Some(writer) => Box::new(writer),
            None => unreachable!("the channel is made in the closure above"),
        };
        Utterance {
            text,
            audio: Box::new(EspeakAudio { speech }),
            cancel,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enough(&self) -> u64 {
        u64::from(self.sample_rate) * ENOUGH_MS / 1000
    }

    /// Asks for a turn at the library unless there is sound enough.
    fn ask(self: Arc<Self>) {
        {
            let mut state = self.lock();
            if state.queued || state.ended.is_some() || state.stored >= self.enough() {
                return;
            }
            state.queued = true;
        }
        let owner = self.owner;
        owner.queue(self);
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.end(Err(Error::Cancelled));
        self.reader.canceller().cancel();
    }

    fn end(&self, how: Result<(), Error>) {
        let mut state = self.lock();
        if how.is_err() {
            state.pieces.clear();
            state.stored = 0;
            if state.ended != Some(Err(Error::Cancelled)) {
                state.ended = Some(how);
            }
        } else {
            state.ended.get_or_insert(how);
        }
        wake(state);
    }

    /// One turn: at most one clause. In the owner thread.
    pub fn turn(self: Arc<Self>, library: &mut Library) {
        {
            let mut state = self.lock();
            // From here on whoever has something new asks again.
            state.queued = false;
            if state.stored >= self.enough() || state.ended.is_some() {
                return;
            }
        }
        match self.reader.try_next() {
            TryNext::Pending => {}
            TryNext::Finished => self.end(Ok(())),
            TryNext::Cancelled => self.end(Err(Error::Cancelled)),
            TryNext::Clause(clause) => match self.speak(library, &clause) {
                Ok(()) => self.ask(),
                Err(error) => self.fail(error),
            },
        }
    }

    /// Ends the utterance with an error.
    pub fn fail(&self, error: Error) {
        self.end(Err(error));
        self.reader.canceller().cancel();
    }

    fn speak(&self, library: &mut Library, clause: &Clause) -> Result<(), Error> {
        let prepared = Prepared::new(clause, self.ssml);
        if prepared.is_silent() {
            return Ok(());
        }
        library.set(&self.voice, self.rate)?;
        library.settle(&prepared.settling)?;
        let marked = matches!(clause.boundary, Boundary::Sentence | Boundary::Clause);
        let tail = if marked { Tail::Keep } else { Tail::Trim };
        let base = self.lock().made;
        let assembler = Assembler::new(clause, &prepared, self.sample_rate, base, tail, self.ssml);
        let mut call = Call {
            speech: self,
            assembler,
        };
        library.speak(&prepared.text, self.ssml, marked, &mut call)?;
        let made = call.assembler.finish(&mut |piece| self.store(piece));
        self.lock().made = base + made;
        Ok(())
    }

    fn store(&self, piece: Piece) {
        let mut state = self.lock();
        if state.ended.is_some() {
            return;
        }
        state.stored += piece.samples.len() as u64;
        state.pieces.push_back(piece);
        wake(state);
    }
}

/// A call of the library in progress.
struct Call<'a> {
    speech: &'a Speech,
    assembler: Assembler<'a>,
}

impl Receiver for Call<'_> {
    fn word(&mut self, start: usize, position: i32, length: i32) {
        let speech = self.speech;
        self.assembler
            .word(start, position, length, &mut |piece| speech.store(piece));
    }

    fn end(&mut self, end: usize) {
        self.assembler.end(end);
    }

    fn block(&mut self, samples: &[i16]) {
        self.assembler.block(samples);
    }

    fn aborted(&self) -> bool {
        self.speech.cancelled.load(Ordering::Acquire)
    }
}

struct EspeakAudio {
    speech: Arc<Speech>,
}

impl AudioHalf for EspeakAudio {
    fn sample_rate(&self) -> u32 {
        self.speech.sample_rate
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, Error>> {
        let speech = &self.speech;
        let mut state = speech.lock();
        if let Some(piece) = state.pieces.pop_front() {
            state.stored -= piece.samples.len() as u64;
            drop(state);
            speech.clone().ask();
            return Poll::Ready(Ok(Some(piece)));
        }
        match &state.ended {
            Some(Ok(())) => Poll::Ready(Ok(None)),
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            None => {
                match &mut state.consumer {
                    Some(waker) => waker.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for EspeakAudio {
    fn drop(&mut self) {
        self.speech.cancel();
    }
}
