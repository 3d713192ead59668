// SPDX-License-Identifier: MPL-2.0

//! Playout as an element, for the inside of `ttssink` only: no plugin registers it.

mod imp;
mod mailbox;
mod pads;
mod task;
mod waker;

use std::sync::Arc;

use gst::{glib, subclass::prelude::*};

use super::{Command, Config, EarEvent, Notice};
use crate::interruption::Input;

/// Where [`Notice`]s go.
pub type Listener = Arc<dyn Fn(Notice) + Send + Sync>;
/// Where frames are reported: when the frame begins to be rendered (running time), how long it is, and its level in
/// dB of full scale (-120 for silence).
pub type FrameListener = Arc<dyn Fn(gst::ClockTime, gst::ClockTime, f64) + Send + Sync>;

glib::wrapper! {
    /// Sound of utterances in, one steady stream out. Pads `sink` and `src`: `audio/x-raw, format=S16LE`.
    ///
    /// Takes: `voice/utterance`, `voice/word`, `voice/end-of-utterance` events and buffers whose timestamps count from
    /// the start of their utterance; FLUSH, which empties it and opens the gate and goes no further; EOS, which it
    /// plays up to. Other serialized custom events travel on with the sound.
    ///
    /// EOS is forgotten by an interruption, as by any flush: whoever flushes sends it again where it still holds.
    pub struct Playout(ObjectSubclass<imp::Playout>) @extends gst::Element, gst::Object;
}

impl Default for Playout {
    fn default() -> Self {
        Self::new()
    }
}

/// All of these may be called from any thread and in any state; none blocks on a push, on the clock or on a listener.
impl Playout {
    /// An element with default settings.
    pub fn new() -> Self {
        glib::Object::new()
    }

    /// Changes the settings from the next frame on.
    pub fn set_config(&self, config: Config) {
        self.imp().set_config(config);
    }

    /// The settings.
    pub fn config(&self) -> Config {
        self.imp().config()
    }

    /// The rate to ask downstream for, in Hz; best the synthesizer's own. Counts until the first frame
    /// has left.
    pub fn set_preferred_rate(&self, rate: Option<u32>) {
        self.imp().set_preferred_rate(rate);
    }

    /// The ear heard something. Sets an atomic and wakes the task: nothing else, as the ear's streaming thread waits.
    pub fn ear(&self, event: EarEvent) {
        self.imp().post(Input::Ear(event));
    }

    /// The ear is gone, with whatever it last said.
    pub fn forget_ear(&self) {
        self.imp().forget_ear();
    }

    /// Asks for a pause, a resume or an interruption. Sets an atomic and wakes the task.
    /// An `Interrupt` is always answered by [`Notice::Interrupted`] in PLAYING, with an empty id where nothing played,
    /// and closes the gate.
    pub fn command(&self, command: Command) {
        self.imp().post(Input::Command(command));
    }

    /// Who is told what happens. Called from the playout task, without any lock; it holds up the sound while it runs.
    pub fn set_listener(&self, listener: Option<Listener>) {
        self.imp().set_listener(listener);
    }

    /// Who is told of each frame, silent ones too, right before it is pushed. As for [`Playout::set_listener`].
    pub fn set_frame_listener(&self, listener: Option<FrameListener>) {
        self.imp().set_frame_listener(listener);
    }

    /// More text of an utterance, as it is handed to the synthesizer and before it is: what is heard and unheard is told
    /// in terms of it. Forgotten when the utterance has finished and at an interruption.
    pub fn utterance_text(&self, id: &str, text: &str) {
        self.imp().utterance_text(id, text);
    }

    /// The text of that utterance is complete: more of the same name is an utterance of its own.
    pub fn utterance_text_end(&self, id: &str) {
        self.imp().utterance_text_end(id);
    }

    /// Text that was handed over after an interruption and before the last FLUSH_STOP, by utterance: it is in no
    /// report, and never sounds. Given once.
    pub fn take_late_texts(&self) -> Vec<(Arc<str>, String)> {
        self.imp().take_late_texts()
    }

    /// From a timestamp to when its sample is rendered. The LATENCY event that comes up from the sink sets the same.
    pub fn set_latency(&self, latency: gst::ClockTime) {
        self.imp().set_latency(latency);
    }

    /// True from an interruption until FLUSH_STOP: sound that arrives is dropped.
    pub fn is_gated(&self) -> bool {
        self.imp().is_gated()
    }

    /// Counts and times, all fields in nanoseconds where they are times.
    pub fn stats(&self) -> gst::Structure {
        self.imp().stats()
    }
}
