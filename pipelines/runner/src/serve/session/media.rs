// SPDX-License-Identifier: MPL-2.0

//! How sound and text of a caller come and go: what a transport gives a session.

use std::sync::{Arc, Mutex};

use super::framer::Framer;
use super::happening::Happenings;
use crate::plan::Bindings;

/// What a transport is told when the pipeline of its session is made.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Of the client's sound, in Hz, where it comes as frames.
    pub sample_rate: u32,
    /// Where to tell what happens.
    pub happenings: Happenings,
}

/// The caller's end of one pipeline. A transport that carries the sound itself (WebRTC) leaves `ear` and `framer` as
/// they are.
pub trait Media: Bindings + Send {
    /// Takes the client's sound, where it comes as frames.
    fn ear(&self) -> Option<gst_app::AppSrc> {
        None
    }

    /// Takes typed text, where the description reads `caller.text`.
    fn text(&self) -> Option<gst_app::AppSrc> {
        None
    }

    /// Cuts the mouth's sound into frames, where it leaves as frames.
    fn framer(&self) -> Option<Arc<Mutex<Framer>>> {
        None
    }

    /// The pipeline was told to play.
    fn playing(&mut self, _pipeline: &gst::Pipeline) {}

    /// The pipeline is about to be taken down. May block.
    fn stopping(&mut self) {}

    /// The pipeline is in NULL. May block.
    fn stopped(&mut self) {}
}

/// Makes the caller's end of a session's pipeline, once.
pub type MakeMedia = Box<dyn FnOnce(Setup) -> Box<dyn Media> + Send>;
