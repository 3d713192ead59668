// SPDX-License-Identifier: MPL-2.0

//! What is due to the worker: text, and credit for the sound that was taken.
//!
//! The caller's threads put in, the connection's thread takes out, as much at a time as there is:
//! credit for several pieces goes in one message. Lock: `state`, never over anything that waits but the
//! condition of its own.

use std::{
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use duplex_proto::TextChunk;
use duplex_synthesis::{Error, TextHalf};
use futures_util::Stream;

/// Text that waits here; beyond it the caller waits.
const MOST_TEXT: usize = 64 * 1024;

/// Text in one message.
const MOST_IN_A_CHUNK: usize = 16 * 1024;

/// What both sides share.
pub struct Outbound {
    /// The first chunk without its text.
    opening: TextChunk,
    state: Mutex<State>,
    /// There is room, or nobody wants any more.
    room: Condvar,
}

struct State {
    text: String,
    /// Sent, but not known to have arrived: sent again where the worker has lost the session.
    unconfirmed: Option<String>,
    credit_ms: u32,
    flush: bool,
    finished: bool,
    cancelled: bool,
    opened: bool,
    ended: bool,
    sequence: i64,
    task: Option<Waker>,
}

impl Outbound {
    /// Nothing is due but the opening.
    pub fn new(opening: TextChunk) -> Arc<Self> {
        Arc::new(Self {
            opening,
            state: Mutex::new(State {
                text: String::new(),
                unconfirmed: Some(String::new()),
                credit_ms: 0,
                flush: false,
                finished: false,
                cancelled: false,
                opened: false,
                ended: false,
                sequence: 0,
                task: None,
            }),
            room: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let task = {
            let mut state = self.lock();
            change(&mut state);
            state.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }

    /// So much sound was taken.
    pub fn credit(&self, ms: u32) {
        self.change(|state| state.credit_ms += ms);
    }

    /// Nothing is due any more: whoever waits need not.
    pub fn cancel(&self) {
        self.change(|state| {
            state.cancelled = true;
            state.text.clear();
            state.unconfirmed = None;
        });
        self.room.notify_all();
    }

    /// The worker has begun to answer: what was sent has arrived.
    pub fn confirm(&self) {
        self.lock().unconfirmed = None;
    }

    /// What was sent is due again, if that is still known. The stream before is over.
    pub fn rewind(&self) -> bool {
        let mut state = self.lock();
        let Some(sent) = state.unconfirmed.take() else {
            return false;
        };
        state.text.insert_str(0, &sent);
        state.unconfirmed = Some(String::new());
        (state.opened, state.ended, state.sequence) = (false, false, 0);
        !state.cancelled
    }

    /// The messages.
    pub fn stream(self: &Arc<Self>) -> Messages {
        Messages(self.clone())
    }

    fn put(&self, text: &str, wait: bool) -> Result<usize, Error> {
        let mut done = 0;
        while done < text.len() {
            let mut state = self.lock();
            loop {
                if state.cancelled {
                    return Err(Error::Cancelled);
                }
                if state.finished {
                    return Err(Error::BadRequest(
                        "text was pushed after finish(); open a new utterance for it".into(),
                    ));
                }
                // Four bytes: room for any one character.
                if state.text.len() + 4 <= MOST_TEXT {
                    break;
                }
                if !wait {
                    return Ok(done);
                }
                state = self
                    .room
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            let rest = &text[done..];
            let fits = rest.floor_char_boundary(MOST_TEXT - state.text.len());
            state.text.push_str(&rest[..fits]);
            let task = state.task.take();
            drop(state);
            if let Some(task) = task {
                task.wake();
            }
            done += fits;
        }
        Ok(done)
    }
}

/// The caller's text half.
pub struct Text(pub Arc<Outbound>);

impl TextHalf for Text {
    fn push(&mut self, text: &str) -> Result<(), Error> {
        self.0.put(text, true).map(drop)
    }

    fn try_push(&mut self, text: &str) -> Result<usize, Error> {
        self.0.put(text, false)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.end(|state| state.flush = true)
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.end(|state| state.finished = true)
    }
}

impl Text {
    fn end(&self, change: impl FnOnce(&mut State)) -> Result<(), Error> {
        if self.0.lock().cancelled {
            return Err(Error::Cancelled);
        }
        self.0.change(change);
        Ok(())
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        if !self.0.lock().finished {
            self.0.cancel();
        }
    }
}

/// The messages of one call. The text's end does not end them where credit follows; dropping the
/// call does.
pub struct Messages(Arc<Outbound>);

impl Stream for Messages {
    type Item = TextChunk;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<TextChunk>> {
        let outbound = &self.0;
        let mut state = outbound.lock();
        if state.cancelled {
            return Poll::Ready(None);
        }
        let on_credit = outbound.opening.credit_ms.is_some();
        let end = state.finished && !state.ended && state.text.len() <= MOST_IN_A_CHUNK;
        let flush = state.flush && state.text.len() <= MOST_IN_A_CHUNK;
        // Who waits for the end of the text goes by an empty last chunk too.
        let due = !state.opened || !state.text.is_empty() || end || flush || state.credit_ms > 0;
        if !due || state.ended && state.credit_ms == 0 {
            if state.ended && !on_credit {
                return Poll::Ready(None);
            }
            match &mut state.task {
                Some(task) => task.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        let mut chunk = if std::mem::replace(&mut state.opened, true) {
            TextChunk {
                session_id: outbound.opening.session_id.clone(),
                credit_ms: (state.credit_ms > 0).then_some(state.credit_ms as i32),
                ..TextChunk::default()
            }
        } else {
            let mut opening = outbound.opening.clone();
            if let Some(credit) = &mut opening.credit_ms {
                *credit += state.credit_ms as i32;
            }
            opening
        };
        state.credit_ms = 0;
        let most = state.text.floor_char_boundary(MOST_IN_A_CHUNK);
        chunk.text = state.text.drain(..most).collect();
        if let Some(unconfirmed) = &mut state.unconfirmed {
            unconfirmed.push_str(&chunk.text);
            if unconfirmed.len() > MOST_TEXT {
                // Too much to say again.
                state.unconfirmed = None;
            }
        }
        state.sequence += 1;
        chunk.sequence_number = state.sequence;
        chunk.flush = flush;
        if flush {
            state.flush = false;
        }
        chunk.is_final = end;
        state.ended |= end;
        drop(state);
        outbound.room.notify_all();
        Poll::Ready(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    fn opening(credit_ms: Option<i32>) -> TextChunk {
        TextChunk {
            session_id: "s".into(),
            credit_ms,
            ..TextChunk::default()
        }
    }

    fn next(messages: &mut Messages) -> Option<Option<TextChunk>> {
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(messages).poll_next(&mut context) {
            Poll::Ready(chunk) => Some(chunk),
            Poll::Pending => None,
        }
    }

    #[test]
    fn text_and_credit_go_as_they_come_and_together_where_they_wait() {
        let outbound = Outbound::new(opening(Some(500)));
        let mut text = Text(outbound.clone());
        let mut messages = outbound.stream();
        let first = next(&mut messages).unwrap().unwrap();
        assert_eq!((first.text.as_str(), first.credit_ms), ("", Some(500)));
        assert_eq!(next(&mut messages), None);
        text.push("Hello, ").unwrap();
        text.push("world").unwrap();
        outbound.credit(20);
        outbound.credit(100);
        let second = next(&mut messages).unwrap().unwrap();
        assert_eq!(
            (second.text.as_str(), second.credit_ms),
            ("Hello, world", Some(120))
        );
        assert!(!second.is_final);
        text.finish().unwrap();
        let last = next(&mut messages).unwrap().unwrap();
        assert!(last.is_final && last.text.is_empty() && last.credit_ms.is_none());
        assert_eq!(next(&mut messages), None);
        outbound.credit(40);
        let after = next(&mut messages).unwrap().unwrap();
        assert_eq!((after.credit_ms, after.is_final), (Some(40), false));
        assert!(matches!(text.push("more"), Err(Error::BadRequest(_))));
    }

    #[test]
    fn an_old_worker_sees_the_end_of_the_text_as_the_end_of_the_stream() {
        let outbound = Outbound::new(opening(None));
        let mut text = Text(outbound.clone());
        let mut messages = outbound.stream();
        text.push("Hello").unwrap();
        text.finish().unwrap();
        let only = next(&mut messages).unwrap().unwrap();
        assert_eq!(
            (only.text.as_str(), only.is_final, only.sequence_number),
            ("Hello", true, 1)
        );
        assert_eq!(next(&mut messages), Some(None));
    }

    #[test]
    fn a_long_text_waits_in_pieces_and_comes_whole() {
        let outbound = Outbound::new(opening(None));
        let mut text = Text(outbound.clone());
        let written = "é".repeat(100_000);
        let whole = written.clone();
        let thread = thread::spawn(move || {
            text.push(&whole).unwrap();
            text.finish().unwrap();
        });
        let mut read = String::new();
        let mut messages = outbound.stream();
        loop {
            match next(&mut messages) {
                Some(Some(chunk)) => {
                    assert!(chunk.text.len() <= MOST_IN_A_CHUNK);
                    read += &chunk.text;
                    if chunk.is_final {
                        break;
                    }
                }
                Some(None) => break,
                None => thread::sleep(Duration::from_millis(1)),
            }
            assert!(outbound.lock().text.len() <= MOST_TEXT);
        }
        thread.join().unwrap();
        assert_eq!(read, written);
    }

    #[test]
    fn a_cancel_frees_who_waits() {
        let outbound = Outbound::new(opening(None));
        let mut text = Text(outbound.clone());
        let thread = thread::spawn(move || text.push(&"x".repeat(MOST_TEXT * 2)));
        thread::sleep(Duration::from_millis(20));
        outbound.cancel();
        assert_eq!(thread.join().unwrap(), Err(Error::Cancelled));
        assert_eq!(next(&mut outbound.stream()), Some(None));
        assert!(!outbound.rewind());
    }

    #[test]
    fn what_a_worker_never_answered_is_said_again() {
        let outbound = Outbound::new(opening(Some(500)));
        let mut text = Text(outbound.clone());
        text.push("One ").unwrap();
        let mut messages = outbound.stream();
        next(&mut messages).unwrap().unwrap();
        text.push("two").unwrap();
        text.finish().unwrap();
        next(&mut messages).unwrap().unwrap();
        assert!(outbound.rewind());
        let mut messages = outbound.stream();
        let again = next(&mut messages).unwrap().unwrap();
        assert_eq!(
            (
                again.text.as_str(),
                again.is_final,
                again.credit_ms,
                again.sequence_number
            ),
            ("One two", true, Some(500), 1)
        );
        outbound.confirm();
        assert!(!outbound.rewind());
    }
}
