// SPDX-License-Identifier: MPL-2.0

//! The properties that every text-to-audio element has.

use duplex_synthesis::Request;
use gst::{glib, prelude::*};

use crate::core::{Core, Speaker};

const DEFAULT_RATE: f64 = 1.0;
const DEFAULT_SSML: bool = false;
const DEFAULT_MAX_DELAY: gst::ClockTime = gst::ClockTime::from_mseconds(200);
const DEFAULT_LATENCY: gst::ClockTime = gst::ClockTime::from_mseconds(20);

/// What the common properties are set to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `voice`: a voice of the engine; `None` is its default.
    pub voice: Option<String>,
    /// `language`: a BCP 47 tag, used where `voice` is `None`.
    pub language: Option<String>,
    /// `rate`: speed, 1.0 is the voice's own.
    pub rate: f64,
    /// `ssml`: the text is SSML.
    pub ssml: bool,
    /// `max-delay`: `None` is for ever.
    pub max_delay: Option<gst::ClockTime>,
    /// `latency`: what is added to LATENCY.
    pub latency: gst::ClockTime,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            voice: None,
            language: None,
            rate: DEFAULT_RATE,
            ssml: DEFAULT_SSML,
            max_delay: Some(DEFAULT_MAX_DELAY),
            latency: DEFAULT_LATENCY,
        }
    }
}

impl Settings {
    /// The request that an utterance of this name makes. An empty voice or language is none.
    pub fn request(&self, utterance_id: &str) -> Request {
        let given = |name: &Option<String>| name.clone().filter(|name| !name.trim().is_empty());
        Request {
            utterance_id: utterance_id.to_owned(),
            voice: given(&self.voice),
            language: given(&self.language),
            rate: self.rate,
            ssml: self.ssml,
        }
    }
}

/// The ParamSpecs of an element: the common ones, then the speaker's own.
pub fn properties<S: Speaker>() -> Vec<glib::ParamSpec> {
    let mut specs = vec![
        glib::ParamSpecString::builder("voice")
            .nick("Voice")
            .blurb(
                "Voice to speak with, as the engine names it (unset: chosen by language, else the \
                 engine's own default); applies from the next utterance on",
            )
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("language")
            .nick("Language")
            .blurb(
                "Language of the text as a BCP 47 tag such as en-GB; chooses a voice where voice is \
                 unset; applies from the next utterance on",
            )
            .mutable_playing()
            .build(),
        glib::ParamSpecDouble::builder("rate")
            .nick("Rate")
            .blurb(
                "Speed of speech as a factor: 1.0 is the voice's own speed, 2.0 twice as fast; applies \
                 from the next utterance on",
            )
            .minimum(0.3)
            .maximum(4.0)
            .default_value(DEFAULT_RATE)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("ssml")
            .nick("SSML")
            .blurb("The text is SSML and goes to the engine as such; applies from the next utterance on")
            .default_value(DEFAULT_SSML)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt64::builder("max-delay")
            .nick("Maximum Delay")
            .blurb(
                "How long to wait for more text once a sentence or a line is complete, in nanoseconds, and \
                 five times as long behind a number or an abbreviation with a full stop: \
                 then what is there is spoken to its end, and text that comes later is a new utterance, \
                 unless voice/utterance events say where utterances begin (18446744073709551615: wait \
                 for EOS)",
            )
            .default_value(DEFAULT_MAX_DELAY.nseconds())
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt64::builder("latency")
            .nick("Latency")
            .blurb(
                "How much later than its text the first sound may come, in nanoseconds; added to the \
                 latency of a live pipeline, so that sinks and mixers wait for it",
            )
            .maximum(gst::ClockTime::from_seconds(3600).nseconds())
            .default_value(DEFAULT_LATENCY.nseconds())
            .mutable_playing()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "Since READY to PAUSED: utterances, words, samples (pushed, at the output rate), cancelled \
                 (utterances), text-bytes, invalid-utf8 (utterances), all guint64; first-audio-last and \
                 first-audio-mean (guint64, nanoseconds from an utterance's first text, or the end of the \
                 one before it, to its first buffer; GST_CLOCK_TIME_NONE before there was one)",
            )
            .read_only()
            .build(),
    ];
    specs.extend(S::properties());
    specs
}

/// Sets a property, the speaker's own included.
pub fn set_property<S: Speaker>(
    core: &Core<S>,
    element: &gst::Element,
    value: &glib::Value,
    pspec: &glib::ParamSpec,
) {
    // Values have been checked against the ParamSpec by GObject.
    let mut latency_changed = false;
    {
        let mut settings = core.settings();
        match pspec.name() {
            "voice" => settings.voice = value.get().unwrap_or_default(),
            "language" => settings.language = value.get().unwrap_or_default(),
            "rate" => settings.rate = value.get().unwrap_or(DEFAULT_RATE),
            "ssml" => settings.ssml = value.get().unwrap_or(DEFAULT_SSML),
            "max-delay" => {
                let delay = value.get::<u64>().unwrap_or_default();
                settings.max_delay =
                    (delay != u64::MAX).then(|| gst::ClockTime::from_nseconds(delay));
            }
            "latency" => {
                let latency = gst::ClockTime::from_nseconds(value.get::<u64>().unwrap_or_default());
                latency_changed = latency != settings.latency;
                settings.latency = latency;
            }
            name => {
                drop(settings);
                core.speaker.set_property(name, value);
            }
        }
    }
    if latency_changed {
        let _ = element.post_message(gst::message::Latency::builder().src(element).build());
    }
}

/// Reads a property, the speaker's own included.
pub fn property<S: Speaker>(core: &Core<S>, pspec: &glib::ParamSpec) -> glib::Value {
    let settings = core.settings().clone();
    match pspec.name() {
        "voice" => settings.voice.to_value(),
        "language" => settings.language.to_value(),
        "rate" => settings.rate.to_value(),
        "ssml" => settings.ssml.to_value(),
        "max-delay" => settings
            .max_delay
            .map_or(u64::MAX, gst::ClockTime::nseconds)
            .to_value(),
        "latency" => settings.latency.nseconds().to_value(),
        "stats" => {
            let mut stats = core.stats();
            core.speaker.stats(&mut stats);
            stats.to_value()
        }
        name => core
            .speaker
            .property(name)
            .unwrap_or_else(|| pspec.default_value().clone()),
    }
}
