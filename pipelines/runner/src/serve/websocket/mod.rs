// SPDX-License-Identifier: MPL-2.0

//! A WebSocket client: reads its messages into a session, writes what the session says.
//!
//! Two tasks per connection, so that a client that does not read is still listened to; and one for the session.

pub mod protocol;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, oneshot};

use super::access;
use super::admission::Permit;
use super::bindings::Wires;
use super::server::{Peer, Server};
use super::session::{Code, INPUTS, Input, OUTPUTS, Output, Session};

/// Longest message of a client, in bytes.
pub const LONGEST: usize = 1024 * 1024;
/// What is read of a longer one, so that it can be refused in words.
pub const LONGEST_READ: usize = 4 * LONGEST;
/// What is read of a connection at a time. Each session keeps that much memory, which is cleared before each read; a
/// message of sound fits, and a longer one comes in pieces.
pub const READ: usize = 8 * 1024;
/// How long a client without a token may take to send one.
const UNKNOWN: Duration = Duration::from_secs(10);
/// How long a client may take to answer that the connection is closed.
const CLOSING: Duration = Duration::from_secs(2);

/// Serves one client to its end. `known`: it has shown the token, or needs none.
pub async fn serve(
    socket: WebSocket,
    server: Arc<Server>,
    peer: Peer,
    permit: Permit,
    known: bool,
) {
    let id = server.session_id("ws");
    tracing::info!(session_id = id, "session opened");
    let (sink, stream) = socket.split();
    let (inputs_sender, inputs) = mpsc::channel(INPUTS);
    let (outputs_sender, outputs) = mpsc::channel(OUTPUTS);
    let media = Box::new(|setup| Box::new(Wires::new(setup)) as _);
    let (session, happenings) = Session::new(
        id.clone(),
        server.common().clone(),
        media,
        outputs_sender,
        server.ending(),
    );
    let _open = server.opened();
    let session = tokio::spawn(session.run(inputs, happenings));
    let alive = Arc::new(Alive::default());
    let (refuse, refusal) = oneshot::channel();
    let mut writer = tokio::spawn(
        Writer {
            sink,
            session: id.clone(),
            ping: server.config().ping,
            pong: server.config().pong,
            alive: alive.clone(),
        }
        .run(outputs, refusal),
    );
    let mut reader = Reader {
        stream,
        server: server.clone(),
        peer,
        permit,
        inputs: Some(inputs_sender),
        alive,
        refuse: Some(refuse),
        known,
        since: Instant::now(),
    };
    let left = tokio::select! {
        left = reader.run() => Some(left),
        _ = &mut writer => None,
    };
    reader.inputs = None;
    if matches!(left, Some(Left::Refused | Left::Over)) {
        let _ = tokio::time::timeout(CLOSING, &mut writer).await;
    }
    if left != Some(Left::Gone) {
        // The client's own goodbye.
        let _ = tokio::time::timeout(CLOSING, reader.drain()).await;
    }
    writer.abort();
    let Reader { permit, stream, .. } = reader;
    drop(stream);
    let _ = session.await;
    // A place is free once the pipeline is down.
    drop(permit);
}

/// When the client was heard of last, in milliseconds since the connection began.
#[derive(Debug)]
struct Alive {
    began: Instant,
    last: AtomicU64,
}

impl Default for Alive {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            last: AtomicU64::new(0),
        }
    }
}

impl Alive {
    fn seen(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn silent_for(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(last)
    }
}

/// Why nothing more is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Nobody is there.
    Gone,
    /// The client has been told that it may not go on.
    Refused,
    /// The session is over.
    Over,
}

/// What a client did that it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// A message was longer than [`LONGEST`].
    TooLong,
    /// It did not show the token.
    Unauthorized,
}

struct Reader {
    stream: SplitStream<WebSocket>,
    server: Arc<Server>,
    peer: Peer,
    permit: Permit,
    inputs: Option<mpsc::Sender<Input>>,
    alive: Arc<Alive>,
    refuse: Option<oneshot::Sender<Refusal>>,
    known: bool,
    since: Instant,
}

impl Reader {
    async fn run(&mut self) -> Left {
        loop {
            let message = if self.known {
                self.stream.next().await
            } else {
                let left = UNKNOWN.saturating_sub(self.since.elapsed());
                match tokio::time::timeout(left, self.stream.next()).await {
                    Ok(message) => message,
                    Err(_) => return self.unauthorized(),
                }
            };
            let message = match message {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    if too_long(error) {
                        return self.refuse_length();
                    }
                    return Left::Gone;
                }
                None => return Left::Gone,
            };
            self.alive.seen();
            let input = match message {
                Message::Text(text) if text.len() > LONGEST => return self.refuse_length(),
                Message::Binary(sound) if sound.len() > LONGEST => return self.refuse_length(),
                Message::Text(text) => {
                    let message = protocol::read(&text);
                    let sound = matches!(message, protocol::Message::Input(Input::Audio(_)));
                    if !sound {
                        self.server.admission().message(self.permit.address()).await;
                    }
                    match message {
                        protocol::Message::Input(input) => input,
                        protocol::Message::Configure(configure, token) => {
                            let token = token.as_deref();
                            self.known |= access::is_token(self.server.config(), token);
                            Input::Configure(configure)
                        }
                        protocol::Message::Nothing => continue,
                    }
                }
                Message::Binary(sound) => match protocol::sound(sound) {
                    Ok(input) => input,
                    Err(sentence) => Input::Invalid(sentence),
                },
                Message::Ping(_) | Message::Pong(_) => continue,
                Message::Close(_) => return Left::Gone,
            };
            if !self.known {
                return self.unauthorized();
            }
            let Some(inputs) = &self.inputs else {
                return Left::Over;
            };
            if inputs.send(input).await.is_err() {
                // The writer says why.
                return Left::Over;
            }
        }
    }

    /// Reads until the client has closed.
    async fn drain(&mut self) {
        while let Some(Ok(_)) = self.stream.next().await {}
    }

    fn unauthorized(&mut self) -> Left {
        self.refuse(Refusal::Unauthorized)
    }

    fn refuse_length(&mut self) -> Left {
        // What is under way is still read: a connection that is closed over it takes the refusal with it.
        self.peer.linger();
        self.refuse(Refusal::TooLong)
    }

    fn refuse(&mut self, refusal: Refusal) -> Left {
        if let Some(refuse) = self.refuse.take() {
            let _ = refuse.send(refusal);
        }
        Left::Refused
    }
}

fn too_long(error: axum::Error) -> bool {
    let error = error.into_inner();
    matches!(
        error.downcast_ref::<tungstenite::Error>(),
        Some(tungstenite::Error::Capacity(_))
    )
}

struct Writer {
    sink: SplitSink<WebSocket, Message>,
    session: String,
    ping: Duration,
    pong: Duration,
    alive: Arc<Alive>,
}

impl Writer {
    async fn run(
        mut self,
        mut outputs: mpsc::Receiver<Output>,
        mut refusal: oneshot::Receiver<Refusal>,
    ) {
        let start = protocol::session_start(&self.session);
        if self.send(Message::text(start.to_string())).await.is_err() {
            return;
        }
        let mut sequence = 0;
        let mut pings = tokio::time::interval(self.ping);
        pings.reset();
        let mut open = true;
        loop {
            let message = tokio::select! {
                biased;
                refused = &mut refusal, if open => match refused {
                    Ok(refusal) => return self.refuse(refusal).await,
                    Err(_) => {
                        open = false;
                        continue;
                    }
                },
                output = outputs.recv() => match output {
                    Some(output) => {
                        if let Output::End(reason) = output {
                            return self.end(reason, close_code::NORMAL).await;
                        }
                        if let Output::Audio(frame) = &output {
                            sequence += 1;
                            Message::text(protocol::sound_of(frame, sequence))
                        } else if let Some(value) = protocol::write(&output, &self.session) {
                            Message::text(value.to_string())
                        } else {
                            continue;
                        }
                    }
                    // There was no room for its last word.
                    None => return self.end("slow_client", close_code::POLICY).await,
                },
                _ = pings.tick() => {
                    // Asked once in vain: nobody is there.
                    if self.alive.silent_for() > self.ping + self.pong {
                        tracing::info!(session_id = self.session, "the client does not answer");
                        return;
                    }
                    Message::Ping(Vec::new().into())
                }
            };
            if self.send(message).await.is_err() {
                return;
            }
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), ()> {
        // A client that takes nothing for so long is gone, or as good as.
        match tokio::time::timeout(self.pong, self.sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(()),
        }
    }

    async fn refuse(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::TooLong => {
                self.close(close_code::SIZE, "a message has 1 MiB at most")
                    .await
            }
            Refusal::Unauthorized => {
                let sentence = "this server asks for a token: in the header `Authorization: Bearer TOKEN`, or in the \
                                first message, {\"type\":\"configure\",\"token\":\"TOKEN\"}";
                let error = Output::Error(Code::Unauthorized, sentence.into());
                if self.tell(&error).await.is_ok() {
                    self.end("unauthorized", close_code::POLICY).await;
                }
            }
        }
    }

    async fn tell(&mut self, output: &Output) -> Result<(), ()> {
        match protocol::write(output, &self.session) {
            Some(value) => self.send(Message::text(value.to_string())).await,
            None => Ok(()),
        }
    }

    async fn end(&mut self, reason: &'static str, code: u16) {
        if self.tell(&Output::End(reason)).await.is_ok() {
            self.close(code, reason).await;
        }
    }

    async fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from_static(reason),
        };
        let _ = self.send(Message::Close(Some(frame))).await;
        let _ = tokio::time::timeout(CLOSING, self.sink.flush()).await;
    }
}
