// SPDX-License-Identifier: MPL-2.0

//! The bounded text queue at the entrance of `ttssink`: a private element with a task of its own.
//!
//! Text goes in at the pad `sink` (which blocks while the queue is full) and by [`TextQueue::say`]; utterances
//! come out, each announced, handed over in pieces and ended. An interruption flushes what lies downstream of
//! it and never shows upstream.

mod imp;
mod intake;
mod pieces;
pub mod policy;
mod task;

use duplex_textpad::events::Decision;
use gst::{glib, prelude::*, subclass::prelude::*};
use policy::{AfterInterruption, Discarded, Dropped};
use std::time::Duration;

/// Is told an utterance's id and a piece of its text.
pub type TextHook = Box<dyn Fn(&str, &str) + Send + Sync>;

/// How the queue reaches the mouth. Called with no lock held.
pub struct Hooks {
    /// Text of an utterance is about to be handed to the synthesizer.
    pub text: TextHook,
    /// All of its text was.
    pub text_end: Box<dyn Fn(&str) + Send + Sync>,
    /// Upstream flushes: the mouth is to interrupt.
    pub flush: Box<dyn Fn() + Send + Sync>,
    /// All text of a stopped utterance has arrived, and was discarded.
    pub discarded: Box<dyn Fn(Discarded) + Send + Sync>,
    /// A recogniser upstream knows what the caller means.
    pub decided: Box<dyn Fn(Decision) + Send + Sync>,
}

/// What may be set. All of it may change at any time.
#[derive(Clone, Debug)]
pub struct Config {
    /// Upstream blocks while this many bytes wait.
    pub limit: usize,
    /// What becomes of the rest of a stopped utterance.
    pub after_interruption: AfterInterruption,
    /// How long a complete sentence waits for more text before its utterance ends.
    pub max_delay: Option<Duration>,
}

glib::wrapper! {
    /// The element. Its type is private to this plugin and not a registered feature.
    pub struct TextQueue(ObjectSubclass<imp::TextQueue>) @extends gst::Element, gst::Object;
}

impl TextQueue {
    /// An empty queue.
    pub fn new() -> Self {
        glib::Object::builder()
            .property("name", "text-queue")
            .build()
    }

    /// Connects the mouth; once, before the element starts.
    pub fn set_hooks(&self, hooks: Hooks) {
        self.imp().set_hooks(hooks);
    }

    /// Changes the settings.
    pub fn configure(&self, config: Config) {
        self.imp().configure(config);
    }

    /// Queues a whole utterance and returns its id; never blocks. `Err` is a sentence: the queue does not run, is
    /// full, or its stream has ended.
    pub fn say(&self, text: &str) -> Result<String, String> {
        self.imp().say(text)
    }

    /// A number for each time that the queue runs, so that nobody stops or flushes what came after the run he means.
    pub fn run(&self) -> u64 {
        self.imp().run_number()
    }

    /// Drops what waits and discards the open utterance up to its boundary; with `flush`, everything of the stream.
    /// With `hold`, nothing more is handed over until a [`TextQueue::release`]. `None` where that run is over.
    pub fn interrupt(&self, run: u64, flush: bool, hold: bool) -> Option<Dropped> {
        self.imp().interrupt(run, flush, hold)
    }

    /// Flushes the synthesizer and everything up to playout, unless that run is over. Not from a streaming thread.
    /// Blocks for as long as the synthesizer takes to notice.
    pub fn flush_downstream(&self, run: u64) {
        self.imp().flush_downstream(run);
    }

    /// Texts that were handed over, by utterance, whose sound was dropped although they are to be spoken: they go first
    /// again. For `after-interruption=continue`; false where what is stopped is discarded.
    pub fn requeue(&self, run: u64, texts: &[(String, String)]) -> bool {
        self.imp().requeue(run, texts)
    }

    /// Ends one hold.
    pub fn release(&self, run: u64) {
        self.imp().release(run);
    }

    /// True between READY→PAUSED and PAUSED→READY.
    pub fn is_running(&self) -> bool {
        self.imp().is_running()
    }

    /// Sends an event out of the sink pad, upstream. False where nobody took it.
    pub fn send_upstream(&self, event: gst::Event) -> bool {
        self.imp().sinkpad().push_event(event)
    }

    /// Bytes that wait, and characters that were dropped since the start.
    pub fn level(&self) -> (usize, u64) {
        self.imp().level()
    }

    /// The pad towards the synthesizer.
    pub fn src(&self) -> gst::Pad {
        self.imp().srcpad().clone()
    }
}

impl Default for TextQueue {
    fn default() -> Self {
        Self::new()
    }
}
