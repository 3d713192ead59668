// SPDX-License-Identifier: MPL-2.0

//! Properties that all chat elements have.

use std::sync::LazyLock;

use gst::{glib, prelude::*, subclass::prelude::*};

use crate::core::{Brain, Core, Host, lock};

const DEFAULT_TURN_DELAY: gst::ClockTime = gst::ClockTime::from_mseconds(500);

#[derive(Clone, Debug)]
pub struct Settings {
    pub greeting: Option<String>,
    pub turn_delay: gst::ClockTime,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            greeting: None,
            turn_delay: DEFAULT_TURN_DELAY,
        }
    }
}

pub fn properties<B: Brain>() -> Vec<glib::ParamSpec> {
    let mut all = vec![
        glib::ParamSpecString::builder("greeting")
            .nick("Greeting")
            .blurb("Said once, when the conversation begins (unset: nothing)")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt64::builder("turn-delay")
            .nick("Turn Delay")
            .blurb(
                "How long no text comes until a turn counts as over, in nanoseconds; only where upstream does not send \
                 voice/end-of-turn itself",
            )
            .minimum(0)
            .maximum(60_000_000_000)
            .default_value(DEFAULT_TURN_DELAY.nseconds())
            .mutable_playing()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "turns: how many were answered; answers: how many were written to their end; interruptions: of how many \
                 not all was heard; failures; first-text: from the end of the last turn to the first text of its answer, in nanoseconds",
            )
            .read_only()
            .build(),
    ];
    all.extend(B::properties());
    all
}

pub fn signals<T: Host>() -> Vec<glib::subclass::Signal> {
    let mut all = vec![
        glib::subclass::Signal::builder("ask")
            .param_types([String::static_type()])
            .action()
            .class_handler(|args| {
                let text = args[1].get::<Option<String>>().ok().flatten();
                if let (Ok(object), Some(text)) = (args[0].get::<T::Type>(), text) {
                    object.imp().core().ask(object.upcast_ref(), &text);
                }
                None
            })
            .build(),
    ];
    all.extend(T::Brain::signals::<T>());
    all
}

pub fn set_property<B: Brain>(core: &Core<B>, value: &glib::Value, pspec: &glib::ParamSpec) {
    {
        let mut settings = lock(&core.settings);
        match pspec.name() {
            "greeting" => settings.greeting = value.get().ok().flatten(),
            "turn-delay" => {
                if let Ok(delay) = value.get::<u64>() {
                    settings.turn_delay = gst::ClockTime::from_nseconds(delay);
                }
            }
            name => {
                drop(settings);
                core.brain.set_property(name, value);
            }
        }
    }
    core.reconfigure();
}

pub fn property<B: Brain>(core: &Core<B>, pspec: &glib::ParamSpec) -> glib::Value {
    let settings = lock(&core.settings).clone();
    match pspec.name() {
        "greeting" => settings.greeting.to_value(),
        "turn-delay" => settings.turn_delay.nseconds().to_value(),
        "stats" => stats(core).to_value(),
        name => (core.brain.property(name)).unwrap_or_else(|| pspec.default_value().clone()),
    }
}

fn stats<B: Brain>(core: &Core<B>) -> gst::Structure {
    let counts = core.shared.state().counts;
    let first = counts
        .first_text
        .and_then(|time| gst::ClockTime::try_from(time).ok());
    let mut stats = gst::Structure::builder("stats")
        .field("turns", counts.turns)
        .field("answers", counts.answers)
        .field("interruptions", counts.interruptions)
        .field("failures", counts.failures)
        .field("first-text", first)
        .build();
    core.brain.stats(&mut stats);
    stats
}

/// Text in and out.
pub fn caps() -> gst::Caps {
    gst::Caps::builder("text/x-raw")
        .field("format", "utf8")
        .build()
}

/// The two pad templates, both always there.
pub fn pad_templates() -> &'static [gst::PadTemplate] {
    static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
        [
            ("sink", gst::PadDirection::Sink),
            ("src", gst::PadDirection::Src),
        ]
        .into_iter()
        .filter_map(|(name, direction)| {
            gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps()).ok()
        })
        .collect()
    });
    TEMPLATES.as_ref()
}
