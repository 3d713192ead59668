// SPDX-License-Identifier: MPL-2.0

//! The properties that every speech-to-text element has.

use duplex_recognition::{backchannel::Backchannels, turn};
use gst::{glib, prelude::*};

use crate::core::{Core, Listener};

const MS: u64 = 1_000_000;
const DEFAULT_PARTIAL_INTERVAL: u64 = 200 * MS;
const DEFAULT_MIN_DELAY: u64 = 300 * MS;
const DEFAULT_MAX_DELAY: u64 = 1200 * MS;
const DEFAULT_QUEUE: u64 = 5000 * MS;
const MAX_DURATION: u64 = 60_000 * MS;

/// What the common properties are set to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `language`: a BCP 47 tag; `None` is the engine's own, or found out.
    pub language: Option<String>,
    /// `partial-interval`, in nanoseconds; 0 is none.
    pub partial_interval: u64,
    /// `min-endpointing-delay`, in nanoseconds.
    pub min_delay: u64,
    /// `max-endpointing-delay`, in nanoseconds.
    pub max_delay: u64,
    /// `backchannels`: separated by commas; `None` is the language's.
    pub backchannels: Option<String>,
    /// `queue-duration`: how much audio may wait, in nanoseconds.
    pub queue: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            language: None,
            partial_interval: DEFAULT_PARTIAL_INTERVAL,
            min_delay: DEFAULT_MIN_DELAY,
            max_delay: DEFAULT_MAX_DELAY,
            backchannels: None,
            queue: DEFAULT_QUEUE,
        }
    }
}

impl Settings {
    /// What listeners say, in this language where nothing else was set.
    pub fn backchannels(&self, language: &str) -> Backchannels {
        match &self.backchannels {
            Some(words) => Backchannels::new(words.split(',')),
            None => Backchannels::of(language),
        }
    }

    /// What the policy goes by.
    pub(crate) fn turn_taking(&self, language: &str) -> turn::Config {
        turn::Config {
            min_delay: self.min_delay,
            max_delay: self.max_delay,
            backchannels: self.backchannels(language),
        }
    }
}

/// The ParamSpecs of an element: the common ones, then the listener's own.
pub fn properties<L: Listener>() -> Vec<glib::ParamSpec> {
    let duration = |name: &str, nick: &str, blurb: &str, default: u64| {
        glib::ParamSpecUInt64::builder(name)
            .nick(nick)
            .blurb(blurb)
            .maximum(MAX_DURATION)
            .default_value(default)
            .mutable_playing()
            .build()
    };
    let mut specs = vec![
        glib::ParamSpecString::builder("language")
            .nick("Language")
            .blurb(L::LANGUAGE_BLURB)
            .mutable_playing()
            .build(),
        duration(
            "partial-interval",
            "Partial Interval",
            "How often a transcript is posted while the caller speaks, in nanoseconds of audio; 0: only at the end of the \
             turn",
            DEFAULT_PARTIAL_INTERVAL,
        ),
        duration(
            "min-endpointing-delay",
            "Minimum Endpointing Delay",
            "How long after the end of speech the turn is over where the phrase is complete (a final state of the grammar, \
             final punctuation), in nanoseconds; not before the ears have found the end, which takes min-silence-duration \
             of vad",
            DEFAULT_MIN_DELAY,
        ),
        duration(
            "max-endpointing-delay",
            "Maximum Endpointing Delay",
            "How long after the end of speech the turn is over where more has to come or nothing was understood, in \
             nanoseconds; a third of the way from the minimum where nobody knows",
            DEFAULT_MAX_DELAY,
        ),
        glib::ParamSpecString::builder("backchannels")
            .nick("Backchannels")
            .blurb(
                "Words and phrases, separated by commas, that do not stop an agent that speaks and give no turn then \
                 (default: those of the language; an empty text: none)",
            )
            .mutable_playing()
            .build(),
        duration(
            "queue-duration",
            "Queue Duration",
            "How much audio may wait for the recogniser, in nanoseconds; of a live source the rest is dropped with a \
             warning, since ears must never wait, any other source waits",
            DEFAULT_QUEUE,
        ),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(L::STATS_BLURB)
            .read_only()
            .build(),
    ];
    specs.extend(L::properties());
    specs
}

/// Sets a property, the listener's own included.
pub fn set_property<L: Listener>(core: &Core<L>, value: &glib::Value, pspec: &glib::ParamSpec) {
    fn get<'a, T: glib::value::FromValue<'a>>(value: &'a glib::Value, to: &mut T) {
        // The type was checked against the ParamSpec before.
        if let Ok(value) = value.get() {
            *to = value;
        }
    }
    let mut reload = false;
    {
        let mut settings = core.settings();
        match pspec.name() {
            "language" => {
                get(value, &mut settings.language);
                settings
                    .language
                    .take_if(|language| language.trim().is_empty());
                reload = true;
            }
            "partial-interval" => get(value, &mut settings.partial_interval),
            "min-endpointing-delay" => get(value, &mut settings.min_delay),
            "max-endpointing-delay" => get(value, &mut settings.max_delay),
            "backchannels" => {
                get(value, &mut settings.backchannels);
                reload = true;
            }
            "queue-duration" => get(value, &mut settings.queue),
            name => {
                drop(settings);
                core.listener.set_property(name, value);
                reload = true;
            }
        }
    }
    core.changed_settings(reload);
}

/// Reads a property, the listener's own included.
pub fn property<L: Listener>(core: &Core<L>, pspec: &glib::ParamSpec) -> glib::Value {
    let settings = core.settings().clone();
    match pspec.name() {
        "language" => settings.language.to_value(),
        "partial-interval" => settings.partial_interval.to_value(),
        "min-endpointing-delay" => settings.min_delay.to_value(),
        "max-endpointing-delay" => settings.max_delay.to_value(),
        "backchannels" => settings.backchannels.to_value(),
        "queue-duration" => settings.queue.to_value(),
        "stats" => {
            let mut stats = core.stats();
            core.listener.stats(&mut stats);
            stats.to_value()
        }
        name => core
            .listener
            .property(name)
            .unwrap_or_else(|| pspec.default_value().clone()),
    }
}
