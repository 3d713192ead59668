// SPDX-License-Identifier: MPL-2.0

//! The data channel beside the sound: what is told of the conversation, and what the page says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;
use gst_webrtc::WebRTCDataChannel;

/// Its label.
pub const LABEL: &str = "duplex";
/// Messages kept until the channel is open; the oldest go first.
const KEPT: usize = 64;
/// A browser that reads nothing gets nothing more beyond this many bytes.
const BUFFERED: u64 = 1024 * 1024;

type Heard = Arc<dyn Fn(String) + Send + Sync>;

#[derive(Default)]
struct State {
    channel: Option<WebRTCDataChannel>,
    open: bool,
    waiting: VecDeque<String>,
}

/// The channel of one caller, whichever connection it belongs to at the moment.
#[derive(Clone)]
pub struct Channel {
    state: Arc<Mutex<State>>,
    heard: Heard,
}

impl Channel {
    /// A channel to come. `heard` is called from a GStreamer thread with each text that comes, and must not block.
    pub fn new(heard: impl Fn(String) + Send + Sync + 'static) -> Channel {
        Channel {
            state: Arc::default(),
            heard: Arc::new(heard),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the channel on a connection whose offer has not been made yet.
    pub fn open(&self, webrtcbin: &gst::Element) {
        let options = gst::Structure::builder("options")
            .field("ordered", true)
            .build();
        let made = webrtcbin
            .emit_by_name::<Option<WebRTCDataChannel>>("create-data-channel", &[&LABEL, &options]);
        let Some(channel) = made else {
            return tracing::error!("webrtcbin makes no data channel");
        };
        let state = Arc::downgrade(&self.state);
        channel.connect_on_open(move |channel| {
            let Some(state) = state.upgrade() else { return };
            let waiting = {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.open = true;
                std::mem::take(&mut state.waiting)
            };
            for text in waiting {
                say(channel, &text);
            }
        });
        let heard = self.heard.clone();
        channel.connect_on_message_string(move |_, text| {
            if let Some(text) = text {
                heard(text.to_owned());
            }
        });
        let mut state = self.state();
        state.open = false;
        state.channel = Some(channel);
    }

    /// Sends a text, or keeps it until the channel is open. From any thread; does not block.
    pub fn send(&self, text: String) {
        let mut state = self.state();
        if !state.open {
            if state.waiting.len() >= KEPT {
                state.waiting.pop_front();
            }
            state.waiting.push_back(text);
            return;
        }
        let Some(channel) = state.channel.clone() else {
            return;
        };
        drop(state);
        if channel.buffered_amount() < BUFFERED {
            say(&channel, &text);
        }
    }

    /// The connection is down, and nothing holds it any longer.
    pub fn close(&self) {
        let mut state = self.state();
        state.open = false;
        state.channel = None;
    }
}

fn say(channel: &WebRTCDataChannel, text: &str) {
    if let Err(error) = channel.send_string_full(Some(text)) {
        tracing::debug!("a page is not told any more: {error}");
    }
}
