// SPDX-License-Identifier: MPL-2.0

//! The room of one caller at work: carries what the [`Relay`] decides to the browser's socket and to our two ends.
//!
//! One task per room takes what is said in the order in which it was said. Our ends answer from GStreamer's threads, and
//! what they are told may block for a moment, so they are told on a thread for blocking work.

use std::collections::BTreeMap;

use gst_plugin_webrtc_signalling_protocol::{IncomingMessage, OutgoingMessage};
use tokio::sync::mpsc;

use super::end::End;
use super::relay::{Relay, Replies};

/// The browser's name in its room.
pub const BROWSER: &str = "browser";
/// Messages that may wait for the room. Candidates come in bursts of some tens.
const WAITING: usize = 256;
/// Messages that may wait for a browser; one that reads nothing is not told more.
pub const FOR_BROWSER: usize = 256;

/// Something said in the room.
enum Said {
    Join(String, Option<End>),
    Message(String, IncomingMessage),
    Leave(String),
}

/// The way into a room, for any thread.
#[derive(Clone)]
pub struct Door(mpsc::Sender<Said>);

impl Door {
    /// Our end of that name has come.
    pub fn join(&self, end: End) {
        self.say(Said::Join(end.name().to_owned(), Some(end)));
    }

    /// A peer says something.
    pub fn message(&self, from: &str, message: IncomingMessage) {
        self.say(Said::Message(from.to_owned(), message));
    }

    /// A peer has gone.
    pub fn leave(&self, peer: &str) {
        self.say(Said::Leave(peer.to_owned()));
    }

    fn say(&self, said: Said) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.0.try_send(said) {
            tracing::warn!("a caller's signalling is dropped: {WAITING} messages wait already");
        }
    }
}

/// Opens a room with the browser in it. `announced`: the address under which the world reaches our ends. What the browser
/// is to be told comes out of the receiver; the room ends when every [`Door`] is gone.
pub fn open(announced: Option<String>) -> (Door, mpsc::Receiver<String>) {
    let (says, said) = mpsc::channel(WAITING);
    let (to_browser, for_browser) = mpsc::channel(FOR_BROWSER);
    let mut relay = Relay::default();
    if let Some(address) = announced {
        relay.announce(super::end::NAMES.map(str::to_owned).to_vec(), address);
    }
    let room = Room {
        relay,
        ends: BTreeMap::new(),
        to_browser,
    };
    tokio::spawn(room.run(said));
    let door = Door(says);
    door.say(Said::Join(BROWSER.to_owned(), None));
    (door, for_browser)
}

struct Room {
    relay: Relay,
    ends: BTreeMap<String, End>,
    to_browser: mpsc::Sender<String>,
}

impl Room {
    async fn run(mut self, mut said: mpsc::Receiver<Said>) {
        while let Some(said) = said.recv().await {
            let replies = match said {
                Said::Join(peer, end) => {
                    if let Some(end) = end {
                        self.ends.insert(peer.clone(), end);
                    }
                    self.relay.join(&peer).unwrap_or_default()
                }
                Said::Message(from, message) => self.relay.step(&from, message),
                Said::Leave(peer) => {
                    self.ends.remove(&peer);
                    self.relay.leave(&peer)
                }
            };
            self.deliver(replies).await;
        }
    }

    async fn deliver(&mut self, replies: Replies) {
        for (to, message) in replies {
            if to == BROWSER {
                self.tell_browser(&message);
            } else if let Some(end) = self.ends.get(&to).cloned() {
                // In order: what a candidate belongs to is said before it.
                let _ = tokio::task::spawn_blocking(move || end.take(message)).await;
            }
        }
    }

    fn tell_browser(&self, message: &OutgoingMessage) {
        match serde_json::to_string(message) {
            Ok(text) => {
                if let Err(mpsc::error::TrySendError::Full(_)) = self.to_browser.try_send(text) {
                    tracing::warn!("a browser does not read its signalling");
                }
            }
            Err(error) => tracing::error!("a signalling message cannot be written: {error}"),
        }
    }
}
