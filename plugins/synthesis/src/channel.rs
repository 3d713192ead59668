// SPDX-License-Identifier: MPL-2.0
//! The text half of an engine that runs in process: a bounded queue of clauses.
//!
//! [`text_channel`] gives a [`TextWriter`], which is a [`TextHalf`] to hand out, and a
//! [`ClauseReader`] for the engine. The splitter runs in the writer's thread, under the lock; a
//! side that waits is woken by the other side or by [`Cancel`], within microseconds.
//!
//! An engine with a thread per utterance calls [`ClauseReader::next_clause`], one with a task per
//! utterance [`ClauseReader::poll_clause`]. One that serves many utterances from one thread gives a waker and calls [`ClauseReader::try_next`].
//!
//! ```
//! use duplex_synthesis::{Splitter, TextHalf, text_channel};
//!
//! let (mut writer, reader) = text_channel(Splitter::new(Some("en"), false), None);
//! writer.push("Hello, wor").unwrap();
//! assert_eq!(reader.next_clause().unwrap().unwrap().text, "Hello,");
//! writer.push("ld").unwrap();
//! writer.finish().unwrap();
//! assert_eq!(reader.next_clause().unwrap().unwrap().text, " world");
//! assert_eq!(reader.next_clause().unwrap(), None);
//! ```

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{self, Context, Poll},
};

use crate::{Cancel, Clause, Error, Splitter, TextHalf, park::wait_for};

/// Most bytes of text that are written and not read.
pub const MAX_UNREAD: usize = 64 * 1024;

/// Called, without any lock held, whenever a reader may find something new. Must not block.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A channel of text; see the [module](self).
pub fn text_channel(splitter: Splitter, waker: Option<Waker>) -> (TextWriter, ClauseReader) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            splitter,
            clauses: VecDeque::new(),
            unread: 0,
            finished: false,
            cancelled: false,
            reader: None,
        }),
        changed: Condvar::new(),
        waker,
    });
    (
        TextWriter {
            shared: shared.clone(),
        },
        ClauseReader { shared },
    )
}

struct State {
    splitter: Splitter,
    clauses: VecDeque<Clause>,
    /// Bytes in the splitter and in `clauses`.
    unread: usize,
    finished: bool,
    cancelled: bool,
    /// The task that waits for a clause.
    reader: Option<task::Waker>,
}

struct Shared {
    state: Mutex<State>,
    /// There is room, or nothing is wanted any more: for the writer.
    changed: Condvar,
    waker: Option<Waker>,
}

impl State {
    /// Whether a character more may be written.
    fn has_room(&self) -> Result<bool, Error> {
        if self.cancelled {
            return Err(Error::Cancelled);
        }
        if self.finished {
            return Err(Error::BadRequest(
                "text was pushed after finish(); open a new utterance for it".into(),
            ));
        }
        // Four bytes: room for any one character.
        Ok(self.unread + 4 <= MAX_UNREAD)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the reader that there is something new.
    fn wake(&self) {
        let reader = self.lock().reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
        if let Some(waker) = &self.waker {
            waker();
        }
    }

    fn cancel(&self) {
        {
            let mut state = self.lock();
            if state.cancelled {
                return;
            }
            state.cancelled = true;
            state.clauses.clear();
            state.splitter.clear();
            state.unread = 0;
        }
        self.changed.notify_all();
        self.wake();
    }
}

/// The writing end. Dropped before [`TextHalf::finish`], it cancels.
pub struct TextWriter {
    shared: Arc<Shared>,
}

impl TextHalf for TextWriter {
    fn push(&mut self, mut text: &str) -> Result<(), Error> {
        while !text.is_empty() {
            let mut state = self.shared.lock();
            while !state.has_room()? {
                state = self
                    .shared
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            let taken = self.take(state, text);
            text = &text[taken..];
        }
        Ok(())
    }

    fn try_push(&mut self, text: &str) -> Result<usize, Error> {
        let mut done = 0;
        while done < text.len() {
            let state = self.shared.lock();
            if !state.has_room()? {
                break;
            }
            done += self.take(state, &text[done..]);
        }
        Ok(done)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.end(false)
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.end(true)
    }
}

impl TextWriter {
    /// Cancels the channel from any thread.
    pub fn canceller(&self) -> Cancel {
        canceller(&self.shared)
    }

    /// Takes what there is room for, at least a character, and tells how many bytes that was.
    fn take(&self, mut state: MutexGuard<'_, State>, text: &str) -> usize {
        let fits = text.floor_char_boundary(MAX_UNREAD - state.unread);
        state.splitter.push(&text[..fits]);
        state.unread += fits;
        let before = state.clauses.len();
        while let Some(clause) = state.splitter.next_clause() {
            state.clauses.push_back(clause);
        }
        let more = state.clauses.len() > before;
        drop(state);
        if more {
            self.shared.wake();
        }
        fits
    }

    fn end(&mut self, finish: bool) -> Result<(), Error> {
        {
            let mut state = self.shared.lock();
            if state.cancelled {
                return Err(Error::Cancelled);
            }
            let rest = state.splitter.flush();
            state.clauses.extend(rest);
            state.finished |= finish;
        }
        self.shared.wake();
        Ok(())
    }
}

impl Drop for TextWriter {
    fn drop(&mut self) {
        if !self.shared.lock().finished {
            self.shared.cancel();
        }
    }
}

/// What [`ClauseReader::try_next`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TryNext {
    /// A clause.
    Clause(Clause),
    /// None yet; the waker will be called.
    Pending,
    /// All of the text has been read.
    Finished,
    /// The channel was cancelled.
    Cancelled,
}

/// The reading end. Dropping it cancels.
pub struct ClauseReader {
    shared: Arc<Shared>,
}

impl ClauseReader {
    /// Cancels the channel from any thread.
    pub fn canceller(&self) -> Cancel {
        canceller(&self.shared)
    }

    /// The next clause; blocks until one is complete or flushed. `None` once all was read.
    pub fn next_clause(&self) -> Result<Option<Clause>, Error> {
        wait_for(|context| self.poll_clause(context))
    }

    /// The same for a task, which is woken once there is one. One task at a time.
    pub fn poll_clause(&self, context: &mut Context<'_>) -> Poll<Result<Option<Clause>, Error>> {
        let mut state = self.shared.lock();
        match self.take(&mut state) {
            TryNext::Clause(clause) => {
                drop(state);
                self.shared.changed.notify_all();
                Poll::Ready(Ok(Some(clause)))
            }
            TryNext::Finished => Poll::Ready(Ok(None)),
            TryNext::Cancelled => Poll::Ready(Err(Error::Cancelled)),
            TryNext::Pending => {
                match &mut state.reader {
                    Some(waker) => waker.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }

    /// The next clause, if there is one. Never blocks.
    pub fn try_next(&self) -> TryNext {
        let found = self.take(&mut self.shared.lock());
        if matches!(found, TryNext::Clause(_)) {
            self.shared.changed.notify_all();
        }
        found
    }

    /// Whether the channel was cancelled.
    pub fn cancelled(&self) -> bool {
        self.shared.lock().cancelled
    }

    /// Bytes that were written and not read.
    pub fn unread(&self) -> usize {
        self.shared.lock().unread
    }

    fn take(&self, state: &mut State) -> TryNext {
        if state.cancelled {
            return TryNext::Cancelled;
        }
        match state.clauses.pop_front() {
            Some(clause) => {
                state.unread -= clause.text.len();
                TryNext::Clause(clause)
            }
            None if state.finished => TryNext::Finished,
            None => TryNext::Pending,
        }
    }
}

impl Drop for ClauseReader {
    fn drop(&mut self) {
        self.shared.cancel();
    }
}

fn canceller(shared: &Arc<Shared>) -> Cancel {
    let shared = Arc::downgrade(shared);
    Cancel::new(move || {
        if let Some(shared) = shared.upgrade() {
            shared.cancel();
        }
    })
}
