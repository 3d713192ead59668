// SPDX-License-Identifier: MPL-2.0
//! Implementation of `vadsrc`.
//!
//! `settings` and `chain` are held for moments only, never over a state change, a link or a
//! signal. The inner `vad` keeps the properties that it shares with this element.

/**
 * SECTION:element-vadsrc
 * @title: vadsrc
 *
 * An audio source that finds speech in what it hears: `audio-source` (by default the
 * microphone), an optional echo canceller, and `vad`, whose properties and signals it has.
 *
 * It acts as a live source whatever it is given: a file is released as a microphone would
 * deliver it, and while a source whose pads come and go (webrtcsrc) has no caller, silence flows.
 *
 * ## Examples
 *
 * ```shell
 * gst-launch-1.0 -m vadsrc ! fakesink
 * gst-launch-1.0 -m vadsrc audio-source="filesrc location=caller.wav ! wavparse" ! fakesink
 * ```
 */
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock};

use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::Pace;
use super::chain::Chain;
use super::intake::Intake;
use crate::sync::lock;
use crate::vad::Vad;
use crate::{samples, settings, voice};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "vadsrc",
        gst::DebugColorFlags::empty(),
        Some("Audio source with voice activity detection"),
    )
});

const NO_DEVICE: &str = "no sound device: start PulseAudio or PipeWire, or set \
    audio-source=\"audiotestsrc is-live=true wave=silence\"";

#[derive(Debug)]
pub(super) struct Settings {
    pub audio_source: Option<gst::Element>,
    pub pace: Pace,
    pub echo_cancel: bool,
    pub echo_probe: String,
    /// The user set echo-margin himself.
    pub margin_set: bool,
}

pub struct VadSrc {
    pub(super) intake: Intake,
    pub(super) vad: Vad,
    pub(super) srcpad: gst::GhostPad,
    pub(super) settings: Mutex<Settings>,
    pub(super) chain: Mutex<Chain>,
    /// A default source is being tried: what it has to complain of becomes our own sentence.
    pub(super) trying: AtomicBool,
    pub(super) complained: AtomicBool,
}

/// A probe name that no other element of this process has.
fn unique_probe_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("duplex-echo-probe-{n}")
}

impl VadSrc {
    pub fn far_end(&self, report: &gst::StructureRef) {
        voice::Ear::far_end(&self.vad, report);
    }

    fn start(&self) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if let Err(message) = self.build() {
            self.post_error_message(message);
            self.dismantle();
            return Err(gst::StateChangeError);
        }
        let automatic = lock(&self.chain).automatic;
        self.complained.store(false, Ordering::SeqCst);
        self.trying.store(automatic, Ordering::SeqCst);
        let result = self.parent_change_state(gst::StateChange::NullToReady);
        let device = !automatic || (result.is_ok() && self.has_device());
        self.trying.store(false, Ordering::SeqCst);
        if !device {
            gst::element_imp_error!(self, gst::ResourceError::NotFound, ("{NO_DEVICE}"));
        }
        if result.is_err() || !device {
            let _ = self.parent_change_state(gst::StateChange::ReadyToNull);
            self.dismantle();
            return Err(gst::StateChangeError);
        }
        result
    }
}

#[glib::object_subclass]
impl ObjectSubclass for VadSrc {
    const NAME: &'static str = "GstDuplexVadSrc";
    type Type = super::VadSrc;
    type ParentType = gst::Bin;

    fn with_class(class: &Self::Class) -> Self {
        let template = class
            .pad_template("src")
            .unwrap_or_else(|| unreachable!("src is a template of ours"));
        Self {
            intake: Intake::new(),
            vad: glib::Object::new(),
            srcpad: gst::GhostPad::from_template(&template),
            settings: Mutex::new(Settings {
                audio_source: None,
                pace: Pace::default(),
                echo_cancel: false,
                echo_probe: unique_probe_name(),
                margin_set: false,
            }),
            chain: Mutex::default(),
            trying: AtomicBool::new(false),
            complained: AtomicBool::new(false),
        }
    }
}

impl ObjectImpl for VadSrc {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = settings::properties();
            properties.extend([
                glib::ParamSpecObject::builder::<gst::Element>("audio-source")
                    .nick("Audio Source")
                    .blurb(
                        "Where the audio comes from: an element or, in gst-launch, a whole bin \
                         such as \"filesrc location=caller.wav ! wavparse\" (default: \
                         autoaudiosrc); taken over on the way from NULL to READY",
                    )
                    .mutable_ready()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("pace", Pace::default())
                    .nick("Pace")
                    .blurb(
                        "Whether audio is released on the pipeline clock, in pieces of 10 ms, as a \
                         microphone would deliver it",
                    )
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoolean::builder("echo-cancel")
                    .nick("Echo Cancel")
                    .blurb(
                        "Remove the echo of what the webrtcechoprobe named echo-probe hears; for \
                         a microphone beside a loudspeaker. Delays by about 10 ms; taken over on the way \
                         from NULL to READY",
                    )
                    .mutable_ready()
                    .build(),
                glib::ParamSpecString::builder("echo-probe")
                    .nick("Echo Probe")
                    .blurb(
                        "echo-cancel=true: the name of the webrtcechoprobe before the \
                         loudspeaker (default: a name of its own in this process, which ttssink \
                         takes over)",
                    )
                    .mutable_ready()
                    .build(),
            ]);
            properties
        });
        &PROPERTIES
    }

    fn signals() -> &'static [Signal] {
        static SIGNALS: OnceLock<Vec<Signal>> = OnceLock::new();
        voice::signals::<super::VadSrc>(&SIGNALS)
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        match pspec.name() {
            "audio-source" => {
                lock(&self.settings).audio_source = value.get().unwrap_or_default();
            }
            "pace" => lock(&self.settings).pace = value.get().unwrap_or_default(),
            "echo-cancel" => lock(&self.settings).echo_cancel = value.get().unwrap_or_default(),
            "echo-probe" => {
                let name: Option<String> = value.get().unwrap_or_default();
                lock(&self.settings).echo_probe = name
                    .filter(|name| !name.is_empty())
                    .unwrap_or_else(unique_probe_name);
            }
            name => {
                if name == "echo-margin" {
                    lock(&self.settings).margin_set = true;
                }
                self.vad.set_property_from_value(name, value);
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "audio-source" => lock(&self.settings).audio_source.to_value(),
            "pace" => lock(&self.settings).pace.to_value(),
            "echo-cancel" => lock(&self.settings).echo_cancel.to_value(),
            "echo-probe" => lock(&self.settings).echo_probe.to_value(),
            name => self.vad.property_value(name),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        obj.set_suppressed_flags(gst::ElementFlags::SINK | gst::ElementFlags::SOURCE);
        obj.set_element_flags(gst::ElementFlags::SOURCE);
        let _ = obj.add_many([
            self.intake.upcast_ref::<gst::Element>(),
            self.vad.upcast_ref(),
        ]);
        if let Some(pad) = self.vad.static_pad("src") {
            let _ = self.srcpad.set_target(Some(&pad));
        }
        let _ = obj.add_pad(&self.srcpad);
        // The same decisions under this element's name, from the same thread.
        for signal in voice::SIGNALS {
            let this = self.downgrade();
            self.vad.connect(signal, false, move |args| {
                if let Some(this) = this.upgrade()
                    && let [_, at, onset, probability] = args
                {
                    let arguments = [at.clone(), onset.clone(), probability.clone()];
                    this.catch_panic(
                        || (),
                        |this| {
                            this.obj().emit_by_name_with_values(signal, &arguments);
                        },
                    );
                }
                None
            });
        }
    }
}

impl GstObjectImpl for VadSrc {}

impl ElementImpl for VadSrc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Audio source with voice activity detection",
                "Source/Audio",
                "Hears a microphone, a file or a remote caller, always live, and finds speech in \
                 it. Example: gst-launch-1.0 -m vadsrc ! fakesink",
                "gst-duplex developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            gst::PadTemplate::new(
                "src",
                gst::PadDirection::Src,
                gst::PadPresence::Always,
                &samples::template_caps(),
            )
            .into_iter()
            .collect()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::NullToReady {
            return self.start();
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::ReadyToNull {
            self.dismantle();
        }
        result
    }
}

impl BinImpl for VadSrc {
    fn handle_message(&self, message: gst::Message) {
        match message.view() {
            gst::MessageView::Warning(_) | gst::MessageView::Error(_)
                if self.trying.load(Ordering::SeqCst) =>
            {
                gst::debug!(CAT, imp = self, "While looking for a device: {message:?}");
                self.complained.store(true, Ordering::SeqCst);
            }
            gst::MessageView::Element(element)
                if message.src() == Some(self.vad.upcast_ref())
                    && let Some(s) = element.structure() =>
            {
                let obj = self.obj();
                let _ = obj.post_message(
                    gst::message::Element::builder(s.to_owned())
                        .src(&*obj)
                        .build(),
                );
            }
            _ => self.parent_handle_message(message),
        }
    }
}
