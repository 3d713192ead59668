// SPDX-License-Identifier: MPL-2.0

//! SECTION:element-chateliza
//!
//! Somebody to talk to, in process: no model, no download, no network. It says what it is, tells a story to be interrupted, counts,
//! repeats, spells, knows the time, and asks ELIZA's questions otherwise. The same turns give the same answers.
//!
//! It knows which words of its answers were heard, and goes on from there. pipelines/conversation.gram is what a recogniser may listen for.
//!
//! ## Example pipelines
//! ```bash
//! gst-launch-1.0 -q fdsrc ! text/x-raw,format=utf8 ! chateliza ! fdsink
//! ```
//! Answers what is typed.
//!
//! ```bash
//! gst-launch-1.0 filesrc location=story.txt ! text/x-raw,format=utf8 ! chateliza ! ttssink
//! ```
//! Answers what is written in a file, aloud.

use std::sync::Mutex;

use duplex_dialogue::{
    Piece, Request,
    eliza::{Eliza, TimeOfDay, UNSURE},
};
use gst::{glib, prelude::*};

use crate::{
    core::{Brain, Pen, Thought, lock},
    element::chat_element,
};

chat_element! {
    /// The implementation of `chateliza`; what it has in common with other chat elements is in the core.
    pub struct ChatEliza for super::ChatEliza, brain ElizaBrain;
    type_name: "GstDuplexChatEliza",
    category: "chateliza",
    long_name: "Embedded conversation partner",
    description: "Answers without a model or a network: tells a story, counts, repeats, spells, knows the time, and asks ELIZA's \
        questions otherwise; for example: vadsrc name=ears ! sphinxasr ! chateliza ! ttssink interrupted-by=ears",
}

/// What this element adds.
#[derive(Default)]
pub struct ElizaBrain {
    settings: Mutex<Settings>,
    eliza: Mutex<Option<Eliza>>,
}

#[derive(Clone, Copy)]
struct Settings {
    seed: u64,
    min_confidence: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            min_confidence: UNSURE,
        }
    }
}

impl Brain for ElizaBrain {
    fn properties() -> Vec<glib::ParamSpec> {
        vec![
            glib::ParamSpecUInt64::builder("seed")
                .nick("Seed")
                .blurb("A number of your choice: with another one, other stories come first and other words are chosen")
                .mutable_ready()
                .build(),
            glib::ParamSpecDouble::builder("min-confidence")
                .nick("Minimum Confidence")
                .blurb(
                    "How sure a recogniser has to be, 0 to 1, for a turn to be taken as it is; below, it is asked once \
                     whether that was said",
                )
                .minimum(0.0)
                .maximum(1.0)
                .default_value(UNSURE)
                .mutable_playing()
                .build(),
        ]
    }

    fn set_property(&self, name: &str, value: &glib::Value) {
        let mut settings = lock(&self.settings);
        match name {
            "seed" => settings.seed = value.get().unwrap_or_default(),
            "min-confidence" => settings.min_confidence = value.get().unwrap_or(UNSURE),
            _ => {}
        }
    }

    fn property(&self, name: &str) -> Option<glib::Value> {
        let settings = lock(&self.settings);
        match name {
            "seed" => Some(settings.seed.to_value()),
            "min-confidence" => Some(settings.min_confidence.to_value()),
            _ => None,
        }
    }

    fn begin(&self, _: &gst::Element) -> Result<(), gst::ErrorMessage> {
        let seed = lock(&self.settings).seed;
        *lock(&self.eliza) = Some(Eliza::new(seed));
        Ok(())
    }

    fn think(&self, request: Request, pen: Pen) -> Thought {
        let min_confidence = lock(&self.settings).min_confidence;
        let mut eliza = lock(&self.eliza);
        let eliza = eliza.get_or_insert_with(|| Eliza::new(0));
        eliza.set_unsure(min_confidence);
        let turn = &request.turn;
        let reply = eliza.answer(&request.id, &turn.text, turn.confidence, now());
        for word in reply.text.split_inclusive(' ') {
            pen.write(Piece::Text(word.to_owned()));
        }
        pen.write(Piece::Done);
        None
    }

    fn heard(&self, id: &str, heard: &str) {
        if let Some(eliza) = &mut *lock(&self.eliza) {
            eliza.heard(id, heard);
        }
    }
}

fn now() -> TimeOfDay {
    let Ok(now) = glib::DateTime::now_local() else {
        return TimeOfDay::default();
    };
    TimeOfDay {
        hour: u8::try_from(now.hour()).unwrap_or(0),
        minute: u8::try_from(now.minute()).unwrap_or(0),
    }
}
