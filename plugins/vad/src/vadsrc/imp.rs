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
use super::intake::Intake;
use crate::sync::lock;
use crate::vad::Vad;
use crate::{echo, samples, settings, voice};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "vadsrc",
        gst::DebugColorFlags::empty(),
        Some("Audio source with voice activity detection"),
    )
});

/// Period in which a device source that was chosen here delivers, in microseconds. It is the
/// delay of capture.
const DEVICE_LATENCY: i64 = 10_000;
/// What such a source may have waiting, in microseconds. It adds no delay, only patience.
const DEVICE_BUFFER: i64 = 100_000;

const NO_DEVICE: &str = "no sound device: start PulseAudio or PipeWire, or set \
    audio-source=\"audiotestsrc is-live=true wave=silence\"";

#[derive(Debug)]
struct Settings {
    audio_source: Option<gst::Element>,
    pace: Pace,
    echo_cancel: bool,
    echo_probe: String,
    /// The user set echo-margin himself.
    margin_set: bool,
}

/// What stands before the inner `vad` from READY on.
#[derive(Debug, Default)]
struct Chain {
    source: Option<gst::Element>,
    /// The source was chosen here.
    automatic: bool,
    /// Between intake and vad.
    middle: Vec<gst::Element>,
    pad_added: Option<glib::SignalHandlerId>,
}

pub struct VadSrc {
    intake: Intake,
    vad: Vad,
    srcpad: gst::GhostPad,
    settings: Mutex<Settings>,
    chain: Mutex<Chain>,
    /// A default source is being tried: what it has to complain of becomes our own sentence.
    trying: AtomicBool,
    complained: AtomicBool,
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

    /// Puts the chain together: source → intake → conversion → (echo canceller) → vad.
    fn build(&self) -> Result<(), gst::ErrorMessage> {
        let (source, pace, echo_cancel, probe, margin_set) = {
            let s = lock(&self.settings);
            let probe = s.echo_probe.clone();
            (
                s.audio_source.clone(),
                s.pace,
                s.echo_cancel,
                probe,
                s.margin_set,
            )
        };
        let obj = self.obj();
        let automatic = source.is_none();
        let source = match source {
            Some(source) => source,
            None => {
                let source = make("autoaudiosrc", "gstreamer1.0-plugins-good")?;
                if let Some(bin) = source.downcast_ref::<gst::Bin>() {
                    bin.connect_element_added(|_bin, chosen| hurry(chosen));
                }
                source
            }
        };
        let mut middle = vec![make("audioconvert", "gstreamer1.0-plugins-base")?];
        if echo_cancel {
            middle.push(make("audioresample", "gstreamer1.0-plugins-base")?);
            let dsp = make("webrtcdsp", "gstreamer1.0-plugins-bad")?;
            dsp.set_property("echo-cancel", true);
            // It makes the echo canceller worse, and pumps the noise up in pauses.
            dsp.set_property("gain-control", false);
            dsp.set_property("probe", &probe);
            middle.push(dsp);
        }
        if !margin_set {
            let margin = if echo_cancel {
                echo::MARGIN_AFTER_AEC
            } else {
                echo::MARGIN
            };
            self.vad.set_property("echo-margin", f64::from(margin));
        }
        obj.add(&source).map_err(|_| {
            gst::error_msg!(
                gst::LibraryError::Settings,
                ("audio-source: {} is in another bin already", source.name())
            )
        })?;
        {
            let mut chain = lock(&self.chain);
            chain.source = Some(source.clone());
            chain.automatic = automatic;
            chain.middle = middle.clone();
        }
        let failed = |what: &dyn std::fmt::Display| {
            gst::error_msg!(gst::CoreError::Negotiation, ("Cannot link {what}"))
        };
        for element in &middle {
            obj.add(element).map_err(|err| failed(&err))?;
        }
        let mut last: gst::Element = self.intake.clone().upcast();
        for element in middle.iter().chain([self.vad.upcast_ref()]) {
            last.link_pads(Some("src"), element, Some("sink"))
                .map_err(|err| failed(&err))?;
            last = element.clone();
        }

        // A source without a pad yet, whose template promises some: they come with the callers.
        let pad = source.src_pads().into_iter().next();
        let callers = pad.is_none();
        self.intake.configure(pace, callers);
        match pad {
            Some(pad) => self.link(&pad).map_err(|err| {
                gst::error_msg!(
                    gst::CoreError::Negotiation,
                    (
                        "audio-source: {} gives no raw audio ({err}); put a parser or decoder \
                         behind it",
                        source.name()
                    )
                )
            })?,
            None if source
                .pad_template_list()
                .iter()
                .any(|template| template.direction() == gst::PadDirection::Src) =>
            {
                let this = self.downgrade();
                let id = source.connect_pad_added(move |_source, pad| {
                    if let Some(this) = this.upgrade() {
                        this.greet(pad);
                    }
                });
                lock(&self.chain).pad_added = Some(id);
            }
            None => {
                return Err(gst::error_msg!(
                    gst::LibraryError::Settings,
                    (
                        "audio-source: {} has no source pad; is it a sink?",
                        source.name()
                    )
                ));
            }
        }
        Ok(())
    }

    fn link(&self, pad: &gst::Pad) -> Result<(), gst::PadLinkError> {
        let Some(sink) = self.intake.static_pad("sink") else {
            return Err(gst::PadLinkError::Refused);
        };
        pad.link(&sink).map(|_| ())
    }

    /// A pad has come: the first that gives audio is the caller.
    fn greet(&self, pad: &gst::Pad) {
        if pad.direction() != gst::PadDirection::Src {
            return;
        }
        let caps = (pad.current_caps()).unwrap_or_else(|| pad.query_caps(None));
        let audio = caps.is_any() || caps.iter().any(|s| s.name() == "audio/x-raw");
        if !audio
            || self
                .intake
                .static_pad("sink")
                .is_none_or(|sink| sink.is_linked())
        {
            gst::info!(CAT, imp = self, "Not listening to {}: {caps}", pad.name());
            return;
        }
        match self.link(pad) {
            Ok(()) => gst::info!(CAT, imp = self, "Listening to {}", pad.name()),
            Err(err) => gst::element_imp_warning!(
                self,
                gst::CoreError::Negotiation,
                ("Cannot listen to {} of audio-source: {err}", pad.name())
            ),
        }
    }

    /// Takes the chain apart. Everything in it is in NULL.
    fn dismantle(&self) {
        let Chain {
            source,
            middle,
            pad_added,
            ..
        } = std::mem::take(&mut *lock(&self.chain));
        let obj = self.obj();
        for element in &middle {
            let _ = element.set_state(gst::State::Null);
            let _ = obj.remove(element);
        }
        if let Some(source) = source {
            if let Some(id) = pad_added {
                source.disconnect(id);
            }
            let _ = source.set_state(gst::State::Null);
            if let Some(sink) = self.intake.static_pad("sink")
                && let Some(peer) = sink.peer()
            {
                let _ = peer.unlink(&sink);
            }
            let _ = obj.remove(&source);
        }
    }

    /// Whether what autoaudiosrc chose hears anything.
    fn has_device(&self) -> bool {
        let source = {
            let chain = lock(&self.chain);
            if !chain.automatic {
                return true;
            }
            chain.source.clone()
        };
        let Some(bin) = source.and_downcast::<gst::Bin>() else {
            return true;
        };
        let Some(chosen) = bin.iterate_sources().into_iter().flatten().next() else {
            return false;
        };
        let factory = chosen.factory().map(|f| f.name().to_string());
        gst::debug!(CAT, imp = self, "autoaudiosrc chose {factory:?}");
        match factory.as_deref() {
            Some("audiotestsrc" | "fakesrc") | None => false,
            // It says that it is ready and finds no device only when asked for its formats.
            Some("openalsrc") => {
                let caps = chosen.static_pad("src").map(|pad| pad.query_caps(None));
                caps.is_some_and(|caps| !caps.is_empty()) && !self.complained.load(Ordering::SeqCst)
            }
            Some(_) => true,
        }
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

/// Makes an element, or says which package has it.
fn make(factory: &str, package: &str) -> Result<gst::Element, gst::ErrorMessage> {
    gst::ElementFactory::make(factory).build().map_err(|_| {
        gst::error_msg!(
            gst::CoreError::MissingPlugin,
            ("No element {factory}: install {package}")
        )
    })
}

/// Makes a device source that was chosen here deliver often.
fn hurry(source: &gst::Element) {
    for (name, value) in [
        ("latency-time", DEVICE_LATENCY),
        ("buffer-time", DEVICE_BUFFER),
    ] {
        if (source.find_property(name)).is_some_and(|p| p.value_type() == i64::static_type()) {
            source.set_property(name, value);
        }
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
                    this.obj().emit_by_name_with_values(
                        signal,
                        &[at.clone(), onset.clone(), probability.clone()],
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
                "The gst-duplex developers",
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
