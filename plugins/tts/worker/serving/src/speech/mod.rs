// SPDX-License-Identifier: MPL-2.0

//! One Synthesize call: text in, sound out, in one task.
//!
//! [`Speech`] is the stream of frames that the server polls. Polling it reads the text that has come,
//! pulls sound from the engine when the client is due some, and cuts it into frames: no thread, no
//! task and no queue of its own stand in between, and whoever has enough is not worked for.

mod framer;
mod pace;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use duplex_proto::{AudioFrame, TextChunk, frames};
use duplex_synthesis::{Error, Utterance};
use futures_util::Stream;
use tonic::Status;

use crate::{
    call::Call,
    metrics::Metrics,
    sessions::Session,
    status::from_engine,
    ticker::{GRID, Ticker},
};
pub use framer::Shape;
use framer::{Frame, Framer};
use pace::Pace;

/// Text that has come and that the engine does not want yet; beyond it the client has to wait.
const MOST_TEXT: usize = 64 * 1024;

/// A frame is late that leaves so long after its time, the timer's grid included.
const LATE: Duration = GRID.saturating_add(Duration::from_millis(10));

/// What a call needs besides its text.
pub struct Opening {
    /// Whose call it is.
    pub session: Arc<Session>,
    /// What others see of it.
    pub call: Arc<Call>,
    /// The engine's utterance.
    pub utterance: Utterance,
    /// The frames that are wanted.
    pub shape: Shape,
    /// See [`Framer::new`].
    pub from_word: u32,
    /// The timer of the worker.
    pub ticker: Ticker,
    /// The figures of the worker.
    pub metrics: Arc<Metrics>,
}

/// The frames of one call.
pub struct Speech<I> {
    session: Arc<Session>,
    call: Arc<Call>,
    input: Option<I>,
    utterance: Utterance,
    /// Text that the engine has no room for yet.
    text: String,
    finished: bool,
    framer: Framer,
    pace: Pace,
    state: State,
    ticker: Ticker,
    /// The tick that will wake this task.
    tick: Option<u64>,
    metrics: Arc<Metrics>,
    opened: Instant,
    text_came: Option<Instant>,
    sent: i64,
    /// Sound may leave since then, and there was none.
    due_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The engine may have more.
    Speaking,
    /// All sound is in the framer.
    Made,
    /// The end marker has left.
    Ended,
}

impl<I> Speech<I>
where
    I: Stream<Item = Result<TextChunk, Status>> + Unpin,
{
    /// Begins with the first chunk. `Err` where the two rates do not go together.
    pub fn new(opening: Opening, first: &TextChunk, input: I) -> Result<Self, Status> {
        let native = opening.utterance.audio.sample_rate();
        let framer = Framer::new(native, opening.shape, opening.from_word).ok_or_else(|| {
            Status::invalid_argument(format!(
                "sample_rate {} cannot be made of this voice's {native}; ask for that",
                opening.shape.rate
            ))
        })?;
        opening.metrics.call_began();
        let mut speech = Self {
            session: opening.session,
            call: opening.call,
            input: Some(input),
            utterance: opening.utterance,
            text: String::new(),
            finished: false,
            framer,
            pace: Pace::new(first.credit_ms, opening.shape.frame_ms),
            state: State::Speaking,
            ticker: opening.ticker,
            tick: None,
            metrics: opening.metrics,
            opened: Instant::now(),
            text_came: None,
            sent: 0,
            due_since: None,
        };
        speech.take(first, true)?;
        Ok(speech)
    }

    /// A chunk of the client's.
    fn take(&mut self, chunk: &TextChunk, first: bool) -> Result<(), Status> {
        if !first && let Some(ms) = chunk.credit_ms {
            self.pace.grant(ms);
        }
        if self.finished {
            return Ok(());
        }
        if !chunk.text.is_empty() {
            self.text_came.get_or_insert_with(Instant::now);
            self.text.push_str(&chunk.text);
        }
        self.hand_over()?;
        if chunk.flush && self.text.is_empty() && !chunk.is_final {
            self.utterance.text.flush().or_else(of_cancelled)?;
        }
        if chunk.is_final {
            self.end_text()?;
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), Status> {
        if self.text.is_empty() {
            return Ok(());
        }
        let taken = match self.utterance.text.try_push(&self.text) {
            Ok(taken) => taken,
            Err(Error::Cancelled) => self.text.len(),
            Err(error) => return Err(from_engine(error)),
        };
        self.text.drain(..taken);
        Ok(())
    }

    /// No more text comes.
    fn end_text(&mut self) -> Result<(), Status> {
        self.finished = true;
        self.tell_end()
    }

    fn tell_end(&mut self) -> Result<(), Status> {
        if self.finished && self.text.is_empty() {
            self.utterance.text.finish().or_else(of_cancelled)?;
        }
        Ok(())
    }

    /// Reads what the client has sent. `Err` where it is gone.
    fn read(&mut self, context: &mut Context<'_>) -> Result<(), Status> {
        while self.text.len() < MOST_TEXT {
            let Some(input) = &mut self.input else {
                return Ok(());
            };
            match Pin::new(input).poll_next(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Some(Ok(chunk))) => self.take(&chunk, false)?,
                Poll::Ready(None) => {
                    self.input = None;
                    if !self.finished {
                        self.end_text()?;
                    }
                }
                Poll::Ready(Some(Err(status))) => {
                    self.input = None;
                    return Err(status);
                }
            }
        }
        Ok(())
    }

    /// How long a frame can leave, of at most so much; makes sure of the sound, as far as the engine
    /// has it.
    fn fill(&mut self, most_ms: u64, context: &mut Context<'_>) -> Result<u32, Status> {
        loop {
            let ready = self.framer.ready(most_ms, false);
            if ready > 0 || self.state != State::Speaking {
                return Ok(ready);
            }
            match self.utterance.audio.poll_next(context) {
                Poll::Pending => {
                    let all = !self.framer.shape().fill;
                    return Ok(self.framer.ready(most_ms, all));
                }
                Poll::Ready(Ok(Some(piece))) => {
                    self.framer.push(piece);
                    // Room for more text, perhaps.
                    self.hand_over()?;
                    self.tell_end()?;
                }
                Poll::Ready(Ok(None) | Err(Error::Cancelled)) => {
                    self.framer.finish();
                    self.state = State::Made;
                }
                Poll::Ready(Err(error)) => return Err(from_engine(error)),
            }
        }
    }

    fn frame(&mut self, frame: Frame, is_final: bool) -> AudioFrame {
        self.sent += 1;
        let shape = self.framer.shape();
        AudioFrame {
            session_id: self.session.id.clone(),
            audio_data: frame.sound,
            sample_rate: shape.rate as i32,
            frame_duration_ms: frame.ms as i32,
            sequence_number: self.sent,
            is_final,
            utterance_id: self.call.utterance_id.clone(),
            words: frame.words,
            position: frame.position as i64,
        }
    }

    fn end_marker(&mut self) -> AudioFrame {
        self.state = State::Ended;
        self.frame(Frame::default(), true)
    }

    fn poll(
        &mut self,
        now: Instant,
        context: &mut Context<'_>,
    ) -> Result<Poll<Option<AudioFrame>>, Status> {
        if self.state == State::Ended {
            return Ok(Poll::Ready(None));
        }
        let wanted = self.call.look(context.waker());
        if wanted.stopped {
            self.utterance.cancel.cancel();
            return Ok(Poll::Ready(Some(self.end_marker())));
        }
        self.read(context)?;
        if wanted.paused {
            self.pace.pause(now);
            return Ok(Poll::Pending);
        }
        self.pace.resume(now);
        let allowed = self.pace.allowed(now);
        let longest = self.framer.shape().frame_ms;
        // On the clock only whole frames leave: the next is due when the last one ends.
        let enough = if self.pace.on_credit() {
            frames::FRAME_MS
        } else {
            longest
        };
        if allowed < u64::from(enough) {
            // The end needs no credit.
            if self.state == State::Made && self.framer.is_empty() {
                return Ok(Poll::Ready(Some(self.end_marker())));
            }
            if let Some(due) = self.pace.next(longest)
                && self.tick.is_none_or(|tick| tick <= self.ticker.last())
            {
                self.tick = Some(self.ticker.wake_at(due, context.waker()));
            }
            return Ok(Poll::Pending);
        }
        let ms = self.fill(allowed, context)?;
        if ms == 0 && self.state == State::Speaking {
            self.pace.starved(now);
            self.due_since.get_or_insert(now);
            return Ok(Poll::Pending);
        }
        if self.framer.is_empty() {
            return Ok(Poll::Ready(Some(self.end_marker())));
        }
        let due = self.due_since.take().or(self.pace.next(longest));
        let frame = self.framer.next(ms);
        // Whether this was the last is known where the engine knows it already.
        self.fill(longest.into(), context)?;
        let is_final = self.state == State::Made && self.framer.is_empty();
        if is_final {
            self.state = State::Ended;
        }
        self.pace.sent(ms, now);
        if self.sent == 0 {
            let since = self.text_came.unwrap_or(self.opened);
            self.metrics
                .first_audio(now.saturating_duration_since(since));
        }
        let late = due.is_some_and(|due| now.saturating_duration_since(due) > LATE);
        self.metrics.frame(ms.into(), late);
        Ok(Poll::Ready(Some(self.frame(frame, is_final))))
    }
}

/// What is cancelled takes no text, and that is no fault.
fn of_cancelled(error: Error) -> Result<(), Status> {
    match error {
        Error::Cancelled => Ok(()),
        error => Err(from_engine(error)),
    }
}

impl<I> Stream for Speech<I>
where
    I: Stream<Item = Result<TextChunk, Status>> + Unpin,
{
    type Item = Result<AudioFrame, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let began = Instant::now();
        let result = self.poll(began, context);
        self.metrics.computed(began.elapsed());
        match result {
            Ok(poll) => poll.map(|frame| frame.map(Ok)),
            Err(status) => {
                self.utterance.cancel.cancel();
                self.state = State::Ended;
                Poll::Ready(Some(Err(status)))
            }
        }
    }
}

impl<I> Drop for Speech<I> {
    fn drop(&mut self) {
        self.utterance.cancel.cancel();
        self.session.end(&self.call);
        self.metrics.call_ended();
    }
}
