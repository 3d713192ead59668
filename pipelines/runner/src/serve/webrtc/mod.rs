// SPDX-License-Identifier: MPL-2.0

//! The transport over WebRTC. `/signalling` brings two connections about: webrtcsink's to the browser, with the data channel,
//! and the browser's to webrtcsrc.
//!
//! | part | what it does |
//! |---|---|
//! | [`relay`] | what signalling says; pure |
//! | [`room`] | carries it between the browser's socket and our two ends |
//! | [`end`] | webrtcsink and webrtcsrc as peers of the room |
//! | [`air`] | both as the caller's end of a session's pipeline |
//! | [`connections`] | what the two make for a caller, and how it is taken down |
//! | [`channel`] | the data channel: the messages of the WebSocket protocol, without sound |
//! | [`timeline`] | what of which utterance sounds when, on the clock of RTP |

mod air;
mod channel;
mod connections;
mod end;
mod relay;
mod room;
mod timeline;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::mpsc;

use self::air::{Air, Playing};
use self::channel::Channel;
use self::room::{BROWSER, Door};
use super::admission::Permit;
use super::server::{Peer, Server};
use super::session::{Configure, INPUTS, Input, OUTPUTS, Output, Session};
use super::websocket::{READ, protocol};

/// Longest message of a browser: a description of its media has some thousand bytes.
const LONGEST: usize = 256 * 1024;
/// How long a browser may take to take a message, or to say goodbye.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers an upgrade on `/signalling`. The request's token and origin are good, and the permit is a session's place.
pub fn upgrade(
    upgrade: WebSocketUpgrade,
    server: Arc<Server>,
    _: Peer,
    permit: Permit,
) -> Response {
    upgrade
        .read_buffer_size(READ)
        .max_message_size(LONGEST)
        .max_frame_size(LONGEST)
        .on_upgrade(move |socket| serve(socket, server, permit))
}

/// Serves one browser to its end: that of its socket, or that of the session.
async fn serve(socket: WebSocket, server: Arc<Server>, permit: Permit) {
    let id = server.session_id("rtc");
    tracing::info!(session_id = id, "session opened");
    let (door, for_browser) = room::open(server.config().webrtc.announced.clone());
    let (inputs_sender, inputs) = mpsc::channel(INPUTS);
    let (outputs_sender, outputs) = mpsc::channel(OUTPUTS);
    let playing = Arc::<Playing>::default();
    let channel = Channel::new({
        // The pipeline holds the channel: a sender of its own would keep the session, and with it the pipeline, for ever.
        let (inputs, playing) = (inputs_sender.downgrade(), playing.clone());
        move |text| {
            if let Some(input) = hear(&text, &playing)
                && let Some(inputs) = inputs.upgrade()
                && inputs.try_send(input).is_err()
            {
                tracing::warn!("what a page says is dropped: it says too much at once");
            }
        }
    });
    let media = {
        let (ice, door, channel, playing) = (
            server.config().webrtc.clone(),
            door.clone(),
            channel.clone(),
            playing.clone(),
        );
        Box::new(move |setup| Box::new(Air::new(setup, ice, door, channel, playing)) as _)
    };
    let (session, happenings) = Session::new(
        id.clone(),
        server.common().clone(),
        media,
        outputs_sender,
        server.ending(),
    );
    let _open = server.opened();
    let session = tokio::spawn(session.run(inputs, happenings));
    // The pipeline is made at once: it is what the browser connects to.
    let _ = inputs_sender
        .send(Input::Configure(Configure::default()))
        .await;
    let told = tokio::spawn(tell(outputs, channel.clone(), playing, id));
    signalling(socket, &door, for_browser, told, &server, &permit).await;
    drop((door, inputs_sender, channel));
    let _ = session.await;
    // A place is free once the pipeline is down.
    drop(permit);
}

/// What the page says on the data channel. A `playout` report counts on the clock of RTP.
fn hear(text: &str, playing: &Playing) -> Option<Input> {
    let object = match protocol::object(text) {
        Ok(object) => object,
        Err(sentence) => return Some(Input::Invalid(sentence)),
    };
    let field = |name| object.get(name).and_then(|value: &Value| value.as_str());
    let rtp = object.get("rtp").and_then(Value::as_u64);
    if let (Some("playout"), Some(rtp)) = (field("type"), rtp) {
        let rtp = u32::try_from(rtp & u64::from(u32::MAX)).ok()?;
        let (utterance, played) = playing.sounded(rtp)?;
        return Some(Input::Playout {
            utterance: utterance.to_string(),
            played,
            last: protocol::is_last(&object),
        });
    }
    match protocol::message(&object) {
        protocol::Message::Input(Input::Audio(_)) => {
            Some(Input::Invalid("sound goes over WebRTC here".into()))
        }
        protocol::Message::Input(input) => Some(input),
        // The pipeline stands since before the channel did.
        protocol::Message::Configure(..) | protocol::Message::Nothing => None,
    }
}

/// Sends what the session says; gives the reason when it is over.
async fn tell(
    mut outputs: mpsc::Receiver<Output>,
    channel: Channel,
    playing: Arc<Playing>,
    id: String,
) -> &'static str {
    channel.send(protocol::session_start(&id).to_string());
    while let Some(output) = outputs.recv().await {
        // Sound goes its own way.
        let Some(mut message) = protocol::write(&output, &id) else {
            continue;
        };
        let at = match &output {
            Output::Started(utterance) => playing.when(utterance, Duration::ZERO),
            Output::Word(word) => playing.when(&word.utterance, word.start),
            Output::Clear(_) => playing.silence(),
            _ => None,
        };
        if let Some(rtp) = at {
            message["rtp"] = rtp.into();
        }
        channel.send(message.to_string());
        if let Output::End(reason) = output {
            return reason;
        }
    }
    "closed"
}

/// Carries signalling until the browser is gone or the session over.
async fn signalling(
    socket: WebSocket,
    door: &Door,
    mut for_browser: mpsc::Receiver<String>,
    mut told: tokio::task::JoinHandle<&'static str>,
    server: &Server,
    permit: &Permit,
) {
    let (mut sink, mut stream) = socket.split();
    let mut pings = tokio::time::interval(server.config().ping);
    pings.reset();
    let mut heard = tokio::time::Instant::now();
    let reason = loop {
        let message = tokio::select! {
            biased;
            over = &mut told => break Some(over.unwrap_or("error")),
            message = stream.next() => {
                heard = tokio::time::Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => {
                        server.admission().message(permit.address()).await;
                        match serde_json::from_str(&text) {
                            Ok(message) => door.message(BROWSER, message),
                            Err(error) => tracing::debug!("a browser's signalling is not understood: {error}"),
                        }
                        continue;
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break None,
                    Some(Ok(_)) => continue,
                }
            }
            text = for_browser.recv() => match text {
                Some(text) => Message::text(text),
                None => break None,
            },
            _ = pings.tick() => {
                if heard.elapsed() > server.config().ping + server.config().pong {
                    break None;
                }
                Message::Ping(Vec::new().into())
            }
        };
        if !matches!(
            tokio::time::timeout(PATIENCE, sink.send(message)).await,
            Ok(Ok(()))
        ) {
            break None;
        }
    };
    if let Some(reason) = reason {
        let frame = CloseFrame {
            code: close_code::NORMAL,
            reason: reason.into(),
        };
        let _ = tokio::time::timeout(PATIENCE, sink.send(Message::Close(Some(frame)))).await;
    }
}
