// SPDX-License-Identifier: MPL-2.0
//! The properties of an ear, written once for `vad` and `vadsrc`.

use gst::glib;
use gst::prelude::*;

pub(crate) use crate::detector::INPUT_RATES;
use crate::detector::Kind;
use crate::echo;
use crate::segmenter::{self, MS};

/// Which detector scores the audio.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstDuplexVadEngine")]
pub enum Engine {
    /// Silero VAD v6.2, the most accurate.
    #[default]
    #[enum_value(name = "Silero VAD v6.2: the most accurate", nick = "silero")]
    Silero,
    /// The earshot crate, for hundreds of streams on a core.
    #[enum_value(name = "earshot: for hundreds of streams on a core", nick = "earshot")]
    Earshot,
}

impl Engine {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Engine::Silero => Kind::Silero,
            Engine::Earshot => Kind::Earshot,
        }
    }

    /// Hops in a row that make an onset, and how long before the first suspicious hop the
    /// speech is taken to have begun.
    fn onset_rule(self) -> (u32, u64) {
        match self {
            // Measured on labelled recordings: suspicion comes 22 ms after the onset (median).
            Engine::Silero => (1, 16 * MS),
            Engine::Earshot => (2, 16 * MS),
        }
    }
}

/// What becomes of the audio.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstDuplexVadMode")]
pub enum Mode {
    /// All audio passes untouched and undelayed.
    #[default]
    #[enum_value(name = "Pass all audio, untouched and undelayed", nick = "annotate")]
    Annotate,
    /// Only speech passes.
    #[enum_value(
        name = "Pass speech only, with prefix-padding before it, and GAP events between",
        nick = "gate"
    )]
    Gate,
}

/// When a second phase of scores between the first is worth its cost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstDuplexVadTwoPhase")]
pub enum TwoPhase {
    /// While the agent speaks.
    #[default]
    #[enum_value(name = "While the far end (the agent) speaks", nick = "auto")]
    Auto,
    /// At any time.
    #[enum_value(name = "Always: every 16 ms", nick = "always")]
    Always,
    /// At no time.
    #[enum_value(name = "Never: every 32 ms", nick = "never")]
    Never,
}

const DEFAULT_MIN_SPEECH: u64 = 250 * MS;
const DEFAULT_MIN_SILENCE: u64 = 300 * MS;
const DEFAULT_PADDING: u64 = 200 * MS;
/// Longest duration that can be set: a minute.
const MAX_DURATION: u64 = 60_000 * MS;
/// Threshold that stands for the engine's own.
const ENGINES_OWN: f64 = -1.0;

/// The settings of an ear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    pub engine: Engine,
    pub mode: Mode,
    onset_threshold: f64,
    silence_threshold: f64,
    pub min_speech: u64,
    pub min_silence: u64,
    pub prefix_padding: u64,
    pub two_phase: TwoPhase,
    pub echo_gate: bool,
    pub echo_margin: f64,
    pub energy_onset: bool,
    pub post_messages: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine: Engine::default(),
            mode: Mode::default(),
            onset_threshold: ENGINES_OWN,
            silence_threshold: ENGINES_OWN,
            min_speech: DEFAULT_MIN_SPEECH,
            min_silence: DEFAULT_MIN_SILENCE,
            prefix_padding: DEFAULT_PADDING,
            two_phase: TwoPhase::default(),
            echo_gate: true,
            echo_margin: f64::from(echo::MARGIN),
            energy_onset: true,
            post_messages: true,
        }
    }
}

impl Settings {
    /// What the segmenter goes by.
    pub fn segmenter(&self) -> segmenter::Config {
        let kind = self.engine.kind();
        let (votes, lookback) = self.engine.onset_rule();
        let or = |set: f64, own: f32| if set < 0.0 { own } else { set as f32 };
        let on = or(self.onset_threshold, kind.onset_threshold());
        segmenter::Config {
            on,
            // Speech that has begun must not have ended by the same score.
            off: or(self.silence_threshold, kind.off_threshold()).min(on),
            votes,
            min_speech: self.min_speech,
            min_silence: self.min_silence,
            lookback,
        }
    }

    /// By how much `mode=gate` delays the audio: padding, and the longest time in which speech
    /// is confirmed from where it is taken to have begun. 0 in `mode=annotate`.
    pub fn delay(&self) -> u64 {
        match self.mode {
            Mode::Annotate => 0,
            Mode::Gate => {
                // A confirmation that falls due in a dip waits for the end of the dip, and
                // scores come every 32 ms.
                self.prefix_padding
                    + segmenter::MAX_BACKDATE
                    + self.min_speech
                    + segmenter::TENTATIVE_DIP
                    + 32 * MS
            }
        }
    }

    /// Sets a property by its name; false for a name that is none of ours.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        fn get<'a, T: glib::value::FromValue<'a>>(value: &'a glib::Value, to: &mut T) {
            // The type was checked against the ParamSpec before.
            if let Ok(value) = value.get() {
                *to = value;
            }
        }
        match name {
            "engine" => get(value, &mut self.engine),
            "mode" => get(value, &mut self.mode),
            "onset-threshold" => get(value, &mut self.onset_threshold),
            "silence-threshold" => get(value, &mut self.silence_threshold),
            "min-speech-duration" => get(value, &mut self.min_speech),
            "min-silence-duration" => get(value, &mut self.min_silence),
            "prefix-padding" => get(value, &mut self.prefix_padding),
            "two-phase" => get(value, &mut self.two_phase),
            "echo-gate" => get(value, &mut self.echo_gate),
            "echo-margin" => get(value, &mut self.echo_margin),
            "energy-onset" => get(value, &mut self.energy_onset),
            "post-messages" => get(value, &mut self.post_messages),
            _ => return false,
        }
        true
    }

    /// Reads a property by its name.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "engine" => self.engine.to_value(),
            "mode" => self.mode.to_value(),
            "onset-threshold" => self.onset_threshold.to_value(),
            "silence-threshold" => self.silence_threshold.to_value(),
            "min-speech-duration" => self.min_speech.to_value(),
            "min-silence-duration" => self.min_silence.to_value(),
            "prefix-padding" => self.prefix_padding.to_value(),
            "two-phase" => self.two_phase.to_value(),
            "echo-gate" => self.echo_gate.to_value(),
            "echo-margin" => self.echo_margin.to_value(),
            "energy-onset" => self.energy_onset.to_value(),
            "post-messages" => self.post_messages.to_value(),
            _ => return None,
        })
    }
}

/// The properties that `vad` and `vadsrc` share.
pub(crate) fn properties() -> Vec<glib::ParamSpec> {
    let duration = |name: &str, nick: &str, blurb: &str, default: u64| {
        glib::ParamSpecUInt64::builder(name)
            .nick(nick)
            .blurb(blurb)
            .maximum(MAX_DURATION)
            .default_value(default)
            .mutable_playing()
            .build()
    };
    let threshold = |name: &str, nick: &str, blurb: &str| {
        glib::ParamSpecDouble::builder(name)
            .nick(nick)
            .blurb(blurb)
            .minimum(ENGINES_OWN)
            .maximum(1.0)
            .default_value(ENGINES_OWN)
            .mutable_playing()
            .build()
    };
    vec![
        glib::ParamSpecEnum::builder_with_default("engine", Engine::default())
            .nick("Engine")
            .blurb("The detector that judges how much the audio resembles speech")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("mode", Mode::default())
            .nick("Mode")
            .blurb("What becomes of the audio: all of it passes, or speech only")
            .mutable_ready()
            .build(),
        threshold(
            "onset-threshold",
            "Onset Threshold",
            &format!(
                "Speech probability (0-1) from which speech begins; -1: the engine's own (silero \
                 {}, earshot {})",
                Kind::Silero.onset_threshold(),
                Kind::Earshot.onset_threshold()
            ),
        ),
        threshold(
            "silence-threshold",
            "Silence Threshold",
            &format!(
                "Speech probability (0-1) below which speech that has begun pauses; -1: the \
                 engine's own (silero {}, earshot {})",
                Kind::Silero.off_threshold(),
                Kind::Earshot.off_threshold()
            ),
        ),
        duration(
            "min-speech-duration",
            "Minimum Speech Duration",
            "How long speech must last after its onset to be confirmed by speech-started, in \
             nanoseconds",
            DEFAULT_MIN_SPEECH,
        ),
        duration(
            "min-silence-duration",
            "Minimum Silence Duration",
            "How long it must be silent for speech to have ended, in nanoseconds; shorter pauses \
             belong to the speech",
            DEFAULT_MIN_SILENCE,
        ),
        duration(
            "prefix-padding",
            "Prefix Padding",
            "mode=gate: how much audio before the onset passes with the speech, in nanoseconds; \
             part of the reported latency",
            DEFAULT_PADDING,
        ),
        glib::ParamSpecEnum::builder_with_default("two-phase", TwoPhase::default())
            .nick("Two-Phase Scoring")
            .blurb(
                "When to judge the audio every 16 ms instead of every 32 ms: onsets are found about \
                 10 ms sooner, for twice the work (engine=silero only)",
            )
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("echo-gate")
            .nick("Echo Gate")
            .blurb(
                "While the far end (the agent) plays, take for speech only what is louder than \
                 its echo can be; needs far-end reports or a linked reference pad",
            )
            .default_value(true)
            .mutable_playing()
            .build(),
        glib::ParamSpecDouble::builder("echo-margin")
            .nick("Echo Margin")
            .blurb(&format!(
                "echo-gate=true: how much louder than the expected echo a caller must be, in \
                 decibels (vadsrc with echo-cancel=true: {} unless set)",
                echo::MARGIN_AFTER_AEC
            ))
            .minimum(0.0)
            .maximum(60.0)
            .default_value(f64::from(echo::MARGIN))
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("energy-onset")
            .nick("Energy Onset")
            .blurb(
                "While the far end (the agent) plays, emit speech-suspected as soon as it grows \
                 suddenly louder, which is before a consonant like the s can be told from noise: \
                 the agent pauses up to 100 ms sooner, and also for a moment (200 ms) at most \
                 coughs and knocks",
            )
            .default_value(true)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("post-messages")
            .nick("Post Messages")
            .blurb("Post an element message voice-activity for every decision")
            .default_value(true)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "Since READY to PAUSED: speech-time and silence-time (ns), suspected, onsets, started, cancelled, \
                 ended, echo-rejected (judgements of speech that the echo gate took for echo), analysis-time \
                 (mean, in microseconds per 10 ms of audio), state (silence, tentative, speech), \
                 echo-return-loss (dB), echo-delay (ns)",
            )
            .read_only()
            .build(),
    ]
}
