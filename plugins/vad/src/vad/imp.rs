// SPDX-License-Identifier: MPL-2.0
//! Implementation of `vad`.
//!
//! Locks, each held for moments and never over a push, a post, a query or a signal:
//! `settings` and `inbox` are leaves, taken alone, under `state` or (`inbox`) under `reference`;
//! `state` is taken by the streaming thread, by state changes and to read `stats`, `reference` by
//! the thread of that pad. What the pads do is in stream.rs.

/**
 * SECTION:element-vad
 * @title: vad
 *
 * Finds speech in audio of any rate and channel count, which passes through untouched.
 *
 * For every decision it emits a signal from its streaming thread, `speech-onset`,
 * `speech-started`, `speech-cancelled` or `speech-ended`, and posts an element message
 * `voice-activity`. The same is announced downstream, by the serialized events `voice/onset-of-speech`,
 * `voice/start-of-speech`, `voice/cancelled-speech` and `voice/end-of-speech`, with `running-time` and `stream-time`
 * (guint64, ns, where speech began or ended) and `probability`; the first two also with `over-speech` (gboolean): an
 * agent was speaking then.
 *
 * While an agent speaks there may be a `speech-suspected` before the onset: it has suddenly grown
 * louder, which is clear up to 100 ms before it is clear what it is. It is good for a pause of the
 * agent and for nothing else, and resolved within 200 ms by `speech-onset` or `speech-cancelled`.
 * `energy-onset=false` does without.
 *
 * The signals' arguments: running time (ns) at which the deciding audio ends, running time (ns)
 * at which the speech is taken to have begun, probability (0-1). An onset is resolved by exactly
 * one of `speech-started` and `speech-cancelled`, a start by `speech-ended`, whatever the stream
 * does: gaps, flushes, EOS and a stop count as silence. A handler may read and set atomics and
 * wake others, but not wait: the audio waits for it.
 *
 * The messages have webrtcdsp's fields `stream-time` (guint64, ns, where the deciding audio ends)
 * and `stream-has-voice` (gboolean, true from the onset until cancelled or ended), and `state`
 * (string: suspected, tentative, started, cancelled, ended), `probability` (gdouble), `running-time` and
 * `onset-stream-time` (guint64, ns).
 *
 * With `mode=gate` only confirmed speech passes, from `prefix-padding` before its onset to
 * `min-silence-duration` after its end, with GAP events between.
 *
 * What an agent plays meanwhile is told by the action signal `far-end` (a structure with
 * `running-time` and `duration`, guint64, ns, and `rms-db`, gdouble, dBFS; from any thread), as
 * ttssink does, or by linking it to the request pad `reference`, which measures and drops. Then
 * only what is louder than the agent's echo counts as speech.
 *
 * ## Example
 *
 * ```shell
 * gst-launch-1.0 -m filesrc location=caller.wav ! wavparse ! vad ! fakesink
 * ```
 *
 * prints a `voice-activity` message wherever somebody begins or ceases to speak.
 */
use std::collections::VecDeque;
use std::sync::{LazyLock, Mutex, OnceLock};

use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::reference::Reference;
use super::stream::State;
use crate::echo::FarFrame;
use crate::samples;
use crate::segmenter::Phase;
use crate::settings::{self, Settings};
use crate::sync::lock;
use crate::voice;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "vad",
        gst::DebugColorFlags::empty(),
        Some("Voice activity detection"),
    )
});

pub struct Vad {
    pub(super) sinkpad: gst::Pad,
    pub(super) srcpad: gst::Pad,
    pub(super) settings: Mutex<Settings>,
    pub(super) state: Mutex<State>,
    /// Far-end reports that the streaming thread has not seen yet.
    pub(super) inbox: Mutex<VecDeque<FarFrame>>,
    pub(super) reference: Mutex<Option<(gst::Pad, Reference)>>,
}

impl Vad {
    fn stats(&self) -> gst::Structure {
        let state = lock(&self.state);
        let c = &state.ear.counters;
        let echo = state.ear.echo();
        let per_10ms = match c.analysed {
            0 => 0.0,
            analysed => c.analysis.as_secs_f64() * 1e6 / (analysed as f64 / 1e7),
        };
        gst::Structure::builder("vad-stats")
            .field("speech-time", c.speech_time)
            .field("silence-time", c.silence_time)
            .field("suspected", c.suspected)
            .field("onsets", c.onsets)
            .field("started", c.started)
            .field("cancelled", c.cancelled)
            .field("ended", c.ended)
            .field("echo-rejected", c.echo_rejected)
            .field("analysis-time", per_10ms)
            .field(
                "state",
                match state.ear.phase() {
                    Phase::Silence => "silence",
                    Phase::Tentative => "tentative",
                    Phase::Speech => "speech",
                },
            )
            .field("echo-return-loss", f64::from(echo.return_loss()))
            .field("echo-delay", echo.delay().unwrap_or(0))
            .build()
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Vad {
    const NAME: &'static str = "GstDuplexVad";
    type Type = super::Vad;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let template = |name| {
            class
                .pad_template(name)
                .unwrap_or_else(|| unreachable!("{name} is a template of ours"))
        };
        let sinkpad = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|_pad, parent, buffer| {
                Vad::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |vad| vad.sink_chain(buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Vad::catch_panic_pad_function(parent, || false, |vad| vad.sink_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Vad::catch_panic_pad_function(parent, || false, |vad| vad.sink_query(pad, query))
            })
            .iterate_internal_links_function(|pad, parent| {
                Vad::catch_panic_pad_function(
                    parent,
                    || gst::Iterator::from_vec(Vec::new()),
                    |vad| vad.links(pad),
                )
            })
            .flags(gst::PadFlags::PROXY_CAPS | gst::PadFlags::PROXY_ALLOCATION)
            .build();
        let srcpad = gst::Pad::builder_from_template(&template("src"))
            .query_function(|pad, parent, query| {
                Vad::catch_panic_pad_function(parent, || false, |vad| vad.src_query(pad, query))
            })
            .iterate_internal_links_function(|pad, parent| {
                Vad::catch_panic_pad_function(
                    parent,
                    || gst::Iterator::from_vec(Vec::new()),
                    |vad| vad.links(pad),
                )
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        let settings = Settings::default();
        Self {
            sinkpad,
            srcpad,
            settings: Mutex::new(settings),
            state: Mutex::new(State::new(&settings)),
            inbox: Mutex::default(),
            reference: Mutex::default(),
        }
    }
}

impl ObjectImpl for Vad {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::properties);
        &PROPERTIES
    }

    fn signals() -> &'static [Signal] {
        static SIGNALS: OnceLock<Vec<Signal>> = OnceLock::new();
        voice::signals::<super::Vad>(&SIGNALS)
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let delay_changed = {
            let mut settings = lock(&self.settings);
            let before = settings.delay();
            settings.set(pspec.name(), value);
            before != settings.delay()
        };
        let mut state = lock(&self.state);
        state.changed = true;
        drop(state);
        if delay_changed {
            let obj = self.obj();
            let _ = obj.post_message(gst::message::Latency::builder().src(&*obj).build());
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == "stats" {
            return self.stats().to_value();
        }
        (lock(&self.settings).get(pspec.name())).unwrap_or_else(|| pspec.default_value().clone())
    }

    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        // Failing would mean that the templates clash.
        let _ = obj.add_pad(&self.sinkpad);
        let _ = obj.add_pad(&self.srcpad);
    }
}

impl GstObjectImpl for Vad {}

impl ElementImpl for Vad {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Voice activity detector",
                "Filter/Analyzer/Audio",
                "Finds speech in audio of any rate and channel count, which passes untouched: \
                 signals, messages and serialized events for onset, start, cancellation and end. \
                 Example: gst-launch-1.0 -m filesrc location=caller.wav ! wavparse ! vad ! \
                 fakesink",
                "gst-duplex developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = samples::template_caps();
            [
                ("sink", gst::PadDirection::Sink, gst::PadPresence::Always),
                ("src", gst::PadDirection::Src, gst::PadPresence::Always),
                (
                    "reference",
                    gst::PadDirection::Sink,
                    gst::PadPresence::Request,
                ),
            ]
            .into_iter()
            .filter_map(|(name, direction, presence)| {
                gst::PadTemplate::new(name, direction, presence, &caps).ok()
            })
            .collect()
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let pad = gst::Pad::builder_from_template(template)
            .name("reference")
            .chain_function(|_pad, parent, buffer| {
                Vad::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |vad| vad.reference_chain(&buffer),
                )
            })
            .event_function(|_pad, parent, event| {
                Vad::catch_panic_pad_function(parent, || false, |vad| vad.reference_event(&event))
            })
            .iterate_internal_links_function(|pad, parent| {
                Vad::catch_panic_pad_function(
                    parent,
                    || gst::Iterator::from_vec(Vec::new()),
                    |vad| vad.links(pad),
                )
            })
            .build();
        {
            let mut reference = lock(&self.reference);
            if reference.is_some() {
                drop(reference);
                gst::warning!(
                    CAT,
                    imp = self,
                    "There is one reference pad, and it is taken"
                );
                return None;
            }
            *reference = Some((pad.clone(), Reference::default()));
        }
        let added = pad.set_active(true).and_then(|()| self.obj().add_pad(&pad));
        if let Err(err) = added {
            gst::warning!(CAT, imp = self, "No reference pad: {err}");
            *lock(&self.reference) = None;
            return None;
        }
        Some(pad)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let ours = lock(&self.reference).take_if(|(reference, _)| reference == pad);
        if ours.is_some() {
            let _ = pad.set_active(false);
            let _ = self.obj().remove_pad(pad);
        }
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            let settings = *lock(&self.settings);
            *lock(&self.state) = State::new(&settings);
            // What was played before counts from another base time.
            lock(&self.inbox).clear();
        }
        let result = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToReady {
            self.stop();
        }
        Ok(result)
    }
}
