// SPDX-License-Identifier: MPL-2.0

//! One utterance: a Synthesize call, and its two halves on our side.
//!
//! The worker gets credit for what is played: [`AHEAD_MS`] at once, then as much as is taken. An old
//! worker takes none; what it sends too early waits in the connection, which lets it wait in turn.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use duplex_proto::{AudioFrame, TextChunk};
use duplex_synthesis::{AudioHalf, Cancel, Error, Piece, Utterance, WordMark};
use tokio::sync::{Notify, mpsc};
use tonic::{Code, Status};

use super::{
    Session,
    connection::runtime,
    outbound::{Outbound, Text},
};

/// How far ahead of what is taken a worker may send, in ms.
const AHEAD_MS: i32 = 300;

/// How long a frame may be, in ms: fewer messages; the first sound does not wait for it.
const PIECE_MS: i32 = 100;

/// Frames that wait to be taken: more than credit lets come, so that only an old worker has to wait.
const FRAMES: usize = 64;

/// Begins an utterance.
pub fn open(session: Arc<Session>, utterance_id: &str) -> Result<Utterance, Error> {
    let is_new = session.connection.protocol > 0;
    let outbound = Outbound::new(TextChunk {
        session_id: session.id.clone(),
        utterance_id: utterance_id.to_owned(),
        credit_ms: is_new.then_some(AHEAD_MS),
        piece_ms: if is_new { PIECE_MS } else { 0 },
        sample_rate: if is_new { session.rate as i32 } else { 0 },
        ..TextChunk::default()
    });
    let stop = Arc::new(Stop::default());
    let (frames, inbound) = mpsc::channel(FRAMES);
    let rate = session.rate;
    let call = Call {
        session,
        outbound: outbound.clone(),
        frames,
    };
    let (stopping, stopped) = (stop.clone(), outbound.clone());
    runtime()?.spawn(async move {
        let ended = tokio::select! {
            biased;
            () = stopping.wanted() => Err(Error::Cancelled),
            ended = call.run() => ended,
        };
        if let Err(error) = ended {
            // Behind the sound that has come. Nobody listens only where the utterance was let go of.
            let _ = call.frames.send(Err(error)).await;
        }
        stopped.cancel();
    });
    let (cancelling, cancelled) = (stop.clone(), outbound.clone());
    let cancel = Cancel::new(move || {
        cancelling.now();
        cancelled.cancel();
    });
    Ok(Utterance {
        text: Box::new(Text(outbound.clone())),
        audio: Box::new(Audio {
            outbound,
            stop,
            inbound,
            rate,
            ended: false,
        }),
        cancel,
    })
}

/// Ends a call from any thread.
#[derive(Default)]
struct Stop {
    cancelled: AtomicBool,
    changed: Notify,
}

impl Stop {
    fn now(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    async fn wanted(&self) {
        self.changed.notified().await;
    }
}

/// What runs in the connections' thread. Dropping it resets the stream, which tells the worker.
struct Call {
    session: Arc<Session>,
    outbound: Arc<Outbound>,
    frames: mpsc::Sender<Result<AudioFrame, Error>>,
}

impl Call {
    async fn run(&self) -> Result<(), Error> {
        let connection = &self.session.connection;
        let mut inbound = match self.begin().await {
            // The worker has forgotten us: it was started anew, or the session was idle.
            Err(status) if status.code() == Code::NotFound && self.outbound.rewind() => {
                self.session.open().await?;
                self.begin().await
            }
            begun => begun,
        }
        .map_err(|status| connection.error(&status))?;
        loop {
            let message = inbound.message().await;
            let Some(frame) = message.map_err(|status| connection.error(&status))? else {
                return Err(Error::Failed(format!(
                    "the worker at {} ended an utterance without its last frame",
                    connection.address
                )));
            };
            self.outbound.confirm();
            let last = frame.is_final;
            // Without sound and not the last, it means nothing.
            if frame.audio_data.is_empty() && !last && frame.words.is_empty() {
                continue;
            }
            if self.frames.send(Ok(frame)).await.is_err() || last {
                return Ok(());
            }
        }
    }

    async fn begin(&self) -> Result<tonic::Streaming<AudioFrame>, Status> {
        let connection = &self.session.connection;
        let request = connection.request(self.outbound.stream());
        let answered = connection.client().synthesize(request).await?;
        Ok(answered.into_inner())
    }
}

/// The caller's sound half.
struct Audio {
    outbound: Arc<Outbound>,
    stop: Arc<Stop>,
    inbound: mpsc::Receiver<Result<AudioFrame, Error>>,
    rate: u32,
    ended: bool,
}

impl AudioHalf for Audio {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, Error>> {
        if self.ended {
            return Poll::Ready(Ok(None));
        }
        let frame = match self.inbound.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(Err(Error::Cancelled)),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
            Poll::Ready(Some(Ok(_))) if self.stop.cancelled.load(Ordering::Acquire) => {
                return Poll::Ready(Err(Error::Cancelled));
            }
            Poll::Ready(Some(Ok(frame))) => frame,
        };
        self.ended = frame.is_final;
        if self.ended && frame.audio_data.is_empty() && frame.words.is_empty() {
            return Poll::Ready(Ok(None));
        }
        if !self.ended {
            self.outbound
                .credit(u32::try_from(frame.frame_duration_ms).unwrap_or(0));
        }
        Poll::Ready(piece(frame, self.rate).map(Some))
    }
}

impl Drop for Audio {
    fn drop(&mut self) {
        self.stop.now();
        self.outbound.cancel();
    }
}

fn piece(frame: AudioFrame, rate: u32) -> Result<Piece, Error> {
    if !frame.audio_data.is_empty() && i64::from(frame.sample_rate) != i64::from(rate) {
        return Err(Error::Failed(format!(
            "the worker sent sound of {} Hz instead of {rate}",
            frame.sample_rate
        )));
    }
    let (samples, rest) = frame.audio_data.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Error::Failed(
            "the worker sent half a sample; its sound must be S16LE".into(),
        ));
    }
    Ok(Piece {
        samples: samples
            .iter()
            .map(|bytes| i16::from_le_bytes(*bytes))
            .collect(),
        words: frame.words.into_iter().map(mark).collect(),
    })
}

fn mark(word: duplex_proto::WordMark) -> WordMark {
    let whole = |number: i64| usize::try_from(number).unwrap_or(0);
    WordMark {
        text: word.text,
        bytes: whole(word.text_start)..whole(word.text_end),
        start: u64::try_from(word.start).unwrap_or(0),
        samples: u64::try_from(word.samples).unwrap_or(0),
        exact: !word.estimated,
    }
}
