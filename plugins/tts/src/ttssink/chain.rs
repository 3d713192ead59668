// SPDX-License-Identifier: MPL-2.0

//! The elements inside `ttssink`: which they are, how they are linked, and what they must not be.
//!
//! text queue → synthesizer → audioconvert → audioresample → playout [→ echo probe] → audio sink. Built from NULL to
//! READY, taken apart again from READY to NULL.

use std::sync::atomic::{AtomicU64, Ordering};

use gst::{glib, prelude::*, subclass::prelude::*};
use gst_base::prelude::BaseSinkExt;

use super::{
    imp::{CAT, TtsSink},
    settings::Settings,
};

/// The device buffer of the default audio sink, and the steps in which it is filled, in µs.
const BUFFER_TIME: i64 = 40_000;
const LATENCY_TIME: i64 = 10_000;

/// How far the device may be off a clock that is not its own before it is corrected, in µs. The usual 40 ms are as much
/// as the buffer holds: whatever drifted that far comes too late, is dropped, and the device stays silent for good.
const DRIFT_TOLERANCE: i64 = 10_000;

/// What every sink of GstBaseSink adds to a live pipeline's latency where nobody says otherwise.
const USUAL_PROCESSING_DEADLINE: gst::ClockTime = gst::ClockTime::from_mseconds(20);

const NO_DEVICE: &str =
    "no sound device: start PulseAudio or PipeWire, or set audio-sink=\"fakesink sync=true\"";

/// What is in the bin beside the text queue and playout.
#[derive(Default)]
pub struct Chain {
    pub synthesizer: Option<gst::Element>,
    pub audio_sink: Option<gst::Element>,
    /// The audio sink was chosen here.
    pub default_sink: bool,
    /// A pad that was requested of the audio sink.
    requested: Option<gst::Pad>,
    /// Converters.
    others: Vec<gst::Element>,
    /// The echo probe and what converts for it, from playout to the sink; empty where nobody cancels echo.
    probe: Vec<gst::Element>,
    /// The device sinks inside whose caps are watched.
    pub devices: Vec<(gst::Pad, glib::SignalHandlerId)>,
}

/// An error of the pipeline's author or machine, as a sentence.
pub enum Fault {
    /// An element is missing.
    Missing(String),
    /// What was set cannot be used.
    Settings(String),
    /// The machine lacks a device.
    Device(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Missing(sentence) | Self::Settings(sentence) | Self::Device(sentence)) = self;
        f.write_str(sentence)
    }
}

fn make(factory: &str, package: &str) -> Result<gst::Element, Fault> {
    gst::ElementFactory::make(factory).build().map_err(|_| {
        Fault::Missing(format!(
            "the element {factory} is missing: install {package}"
        ))
    })
}

fn factory_name(element: &gst::Element) -> String {
    element
        .factory()
        .map_or_else(|| element.name().to_string(), |f| f.name().to_string())
}

/// The installed synthesizer of the highest rank; by name among equals.
fn default_synthesizer() -> Result<gst::Element, Fault> {
    let mut factories: Vec<gst::ElementFactory> = gst::Registry::get()
        .features(gst::ElementFactory::static_type())
        .into_iter()
        .filter_map(|feature| feature.downcast::<gst::ElementFactory>().ok())
        .filter(|factory| {
            let klass = factory.metadata("klass").unwrap_or_default();
            let parts: Vec<&str> = klass.split('/').collect();
            factory.rank() > gst::Rank::NONE
                && ["Synthesizer", "Audio", "Text"]
                    .iter()
                    .all(|part| parts.contains(part))
        })
        .collect();
    factories.sort_by(|a, b| b.rank().cmp(&a.rank()).then(a.name().cmp(&b.name())));
    let mut why = String::new();
    for factory in factories {
        match factory.create().build() {
            Ok(element) => return Ok(element),
            Err(error) => why = format!(" ({} cannot be loaded: {error})", factory.name()),
        }
    }
    Err(Fault::Missing(format!(
        "no speech synthesizer is installed{why}: put gst-duplex's libgstduplexespeak.so (the element espeaktts) \
         on GST_PLUGIN_PATH and install libespeak-ng1 and espeak-ng-data, or set synthesizer=…"
    )))
}

/// The element behind `synthesizer` that has this property: itself, or the synthesizer in a bin.
fn owner(synthesizer: &gst::Element, property: &str) -> Option<gst::Element> {
    if synthesizer.find_property(property).is_some() {
        return Some(synthesizer.clone());
    }
    let bin = synthesizer.downcast_ref::<gst::Bin>()?;
    bin.children()
        .iter()
        .filter(|child| {
            child.is::<gst::Bin>()
                || child
                    .metadata("klass")
                    .is_some_and(|klass| klass.split('/').any(|part| part == "Synthesizer"))
        })
        .find_map(|child| owner(child, property))
}

impl TtsSink {
    /// Puts the chain together. On `Err`, a sentence, nothing of it is left.
    pub(super) fn build(&self) -> Result<(), Fault> {
        let settings = self.settings();
        let result = self.try_build(&settings);
        if result.is_err() {
            self.take_apart();
        }
        result
    }

    fn adopt(&self, element: &gst::Element, property: &str) -> Result<(), Fault> {
        if let Some(parent) = element.parent() {
            return Err(Fault::Settings(format!(
                "{property}={} is already part of {}",
                element.name(),
                parent.name()
            )));
        }
        self.obj().add(element).map_err(|error| {
            Fault::Settings(format!(
                "{property}={} cannot be used: {error}",
                element.name()
            ))
        })
    }

    fn try_build(&self, settings: &Settings) -> Result<(), Fault> {
        let synthesizer = match &settings.synthesizer {
            Some(synthesizer) => synthesizer.clone(),
            None => default_synthesizer()?,
        };
        self.forward(&synthesizer, settings)?;
        self.adopt(&synthesizer, "synthesizer")?;
        self.chain().synthesizer = Some(synthesizer.clone());

        let convert = make("audioconvert", "gstreamer1.0-plugins-base")?;
        let resample = make("audioresample", "gstreamer1.0-plugins-base")?;
        for element in [&convert, &resample] {
            self.adopt(element, "converter")?;
            self.chain().others.push(element.clone());
        }

        let default_sink = settings.audio_sink.is_none();
        let audio_sink = match &settings.audio_sink {
            Some(sink) => sink.clone(),
            None => make("autoaudiosink", "gstreamer1.0-plugins-good")?,
        };
        {
            let mut chain = self.chain();
            chain.default_sink = default_sink;
        }
        self.adopt(&audio_sink, "audio-sink")?;
        self.chain().audio_sink = Some(audio_sink.clone());

        let name = factory_name(&synthesizer);
        self.queue.link(&synthesizer).map_err(|_| {
            Fault::Settings(format!(
                "synthesizer={name} cannot speak: it has no sink pad that takes text/x-raw, format=utf8"
            ))
        })?;
        synthesizer.link(&convert).map_err(|_| {
            Fault::Settings(format!(
                "synthesizer={name} cannot speak: it has no source pad that gives audio/x-raw"
            ))
        })?;
        let internal = |_| Fault::Settings("the converters cannot be linked".into());
        convert.link(&resample).map_err(internal)?;
        resample.link(&self.playout).map_err(internal)?;

        let pad = self.sink_pad(&audio_sink)?;
        let src = self.playout_src()?;
        src.link(&pad).map_err(|error| {
            Fault::Settings(format!(
                "audio-sink={} takes no audio/x-raw: {error}",
                factory_name(&audio_sink)
            ))
        })?;
        Ok(())
    }

    fn playout_src(&self) -> Result<gst::Pad, Fault> {
        self.playout
            .static_pad("src")
            .ok_or_else(|| Fault::Settings("playout has no source pad".into()))
    }

    /// The audio sink's pad: its own, or one that is requested.
    fn sink_pad(&self, sink: &gst::Element) -> Result<gst::Pad, Fault> {
        if let Some(pad) = sink.static_pad("sink") {
            return Ok(pad);
        }
        let audio = gst::Caps::new_empty_simple("audio/x-raw");
        if let Some(pad) = sink
            .sink_pads()
            .into_iter()
            .find(|pad| !pad.is_linked() && pad.query_caps(None).can_intersect(&audio))
        {
            return Ok(pad);
        }
        let pad = sink
            .pad_template_list()
            .into_iter()
            .filter(|template| {
                template.direction() == gst::PadDirection::Sink
                    && template.presence() == gst::PadPresence::Request
                    && template.caps().can_intersect(&audio)
            })
            // A template for audio before one for anything.
            .min_by_key(|template| template.caps().is_any())
            .and_then(|template| sink.request_pad(&template, None, None));
        let Some(pad) = pad else {
            return Err(Fault::Settings(format!(
                "audio-sink={} has no sink pad for audio/x-raw",
                factory_name(sink)
            )));
        };
        self.chain().requested = Some(pad.clone());
        Ok(pad)
    }

    /// Hands the synthesizer the settings that are its own.
    fn forward(&self, synthesizer: &gst::Element, settings: &Settings) -> Result<(), Fault> {
        for proxied in settings.proxied() {
            let Some(owner) = owner(synthesizer, proxied.name) else {
                return Err(Fault::Settings(format!(
                    "{}={} was set, but the synthesizer {} has no property `{0}`",
                    proxied.name,
                    proxied
                        .value
                        .transform::<String>()
                        .ok()
                        .and_then(|value| value.get::<Option<String>>().ok().flatten())
                        .unwrap_or_default(),
                    factory_name(synthesizer)
                )));
            };
            set(&owner, proxied.name, &proxied.value)?;
        }
        if let Some(delay) = settings.max_delay
            && let Some(owner) = owner(synthesizer, "max-delay")
        {
            // Where it is of another type it is another thing.
            let _ = set(&owner, "max-delay", &delay.to_value());
        }
        Ok(())
    }

    /// The same while the mouth runs.
    pub(super) fn forward_live(&self) {
        let synthesizer = self.chain().synthesizer.clone();
        let Some(synthesizer) = synthesizer else {
            return;
        };
        if let Err(Fault::Settings(sentence)) = self.forward(&synthesizer, &self.settings()) {
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{sentence}"));
        }
    }

    /// A property of the synthesizer, where the mouth runs and has one.
    pub(super) fn synthesizers(&self, property: &str) -> Option<glib::Value> {
        let synthesizer = self.chain().synthesizer.clone()?;
        Some(owner(&synthesizer, property)?.property_value(property))
    }

    /// The rate that the synthesizer makes by itself, where it says so.
    pub(super) fn native_rate(&self) -> Option<u32> {
        let synthesizer = self.chain().synthesizer.clone()?;
        let caps = synthesizer.static_pad("src")?.query_caps(None);
        let rate = caps.structure(0)?.get::<i32>("rate").ok()?;
        u32::try_from(rate).ok()
    }

    /// Takes every element out that [`Self::build`] put in. They end in NULL.
    pub(super) fn take_apart(&self) {
        self.remove_probe();
        let chain = std::mem::take(&mut *self.chain());
        if let Ok(src) = self.playout_src()
            && let Some(peer) = src.peer()
        {
            let _ = src.unlink(&peer);
        }
        if let (Some(sink), Some(pad)) = (&chain.audio_sink, &chain.requested) {
            sink.release_request_pad(pad);
        }
        for (pad, handler) in chain.devices {
            pad.disconnect(handler);
        }
        let element = self.obj();
        for child in chain
            .others
            .iter()
            .chain(&chain.synthesizer)
            .chain(&chain.audio_sink)
        {
            if child.parent().as_ref() == Some(element.upcast_ref()) {
                // In READY the device may still be open; removing unlinks.
                let _ = child.set_state(gst::State::Null);
                let _ = element.remove(child);
            }
        }
    }

    /// An element has come into the bin, however deep: no sink in here waits for a first buffer, and
    /// none adds time for decoders that are not here.
    pub(super) fn tame(&self, element: &gst::Element) {
        if let Some(sink) = element.downcast_ref::<gst_base::BaseSink>() {
            if sink.is_async() {
                sink.set_async(false);
            }
            // Frames of 10 ms would each block the push for as long. Whoever chose a time keeps it.
            if sink.processing_deadline() == USUAL_PROCESSING_DEADLINE {
                sink.set_processing_deadline(gst::ClockTime::ZERO);
            }
        }
        if let Some(sink) = element.downcast_ref::<gst_audio::AudioBaseSink>() {
            self.watch_device(sink);
        }
        let chosen = {
            let chain = self.chain();
            chain.default_sink && !chain.audio_sink.iter().any(|sink| sink == element)
        };
        let has = |name| {
            element
                .find_property(name)
                .is_some_and(|spec| spec.value_type() == glib::Type::I64)
        };
        let in_sink = || {
            let sink = self.chain().audio_sink.clone();
            sink.is_some_and(|sink| element.has_as_ancestor(&sink))
        };
        if chosen && has("buffer-time") && has("latency-time") && in_sink() {
            element.set_property("buffer-time", BUFFER_TIME);
            if has("drift-tolerance") {
                element.set_property("drift-tolerance", DRIFT_TOLERANCE);
            }
            element.set_property("latency-time", LATENCY_TIME);
        }
    }

    /// Where nobody chose a sink: whether what was found is one.
    pub(super) fn check_device(&self) -> Result<(), Fault> {
        let sink = {
            let chain = self.chain();
            chain.audio_sink.clone().filter(|_| chain.default_sink)
        };
        let Some(bin) = sink.and_then(|sink| sink.downcast::<gst::Bin>().ok()) else {
            return Ok(());
        };
        let children = bin.children();
        let silent = children.iter().any(|child| {
            let name = factory_name(child);
            let device = || {
                child
                    .find_property("device-name")
                    .and_then(|_| {
                        child
                            .property_value("device-name")
                            .get::<Option<String>>()
                            .ok()
                    })
                    .flatten()
            };
            name.starts_with("fake")
                || name.contains("test")
                || (name == "openalsink" && device().is_some_and(|name| name == "No Output"))
        });
        if children.is_empty() || silent {
            return Err(Fault::Device(NO_DEVICE.into()));
        }
        Ok(())
    }

    /// Puts an echo probe last before the sink and tells the ear its name, where the ear cancels echo. It stays until the
    /// mouth stops.
    pub(super) fn probe_for(&self, ear: &gst::Element) -> Result<(), Fault> {
        let flag = |name| {
            ear.find_property(name)
                .is_some_and(|spec| spec.value_type() == glib::Type::BOOL)
        };
        let named = ear.find_property("echo-probe").is_some_and(|spec| {
            spec.value_type() == glib::Type::STRING
                && (spec.flags()).contains(glib::ParamFlags::READWRITE)
        });
        if !flag("echo-cancel") || !named || !ear.property::<bool>("echo-cancel") {
            return Ok(());
        }
        // The ear's own name for it, which no other in this process has.
        let name = ear.property::<Option<String>>("echo-probe");
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| {
            static NEXT: AtomicU64 = AtomicU64::new(1);
            let name = format!(
                "duplex-mouth-probe-{}",
                NEXT.fetch_add(1, Ordering::Relaxed)
            );
            ear.set_property("echo-probe", &name);
            name
        });
        // One that is there for an ear that has gone will do.
        let known = (self.chain().probe.iter())
            .find(|element| factory_name(element) == "webrtcechoprobe")
            .map(|probe| probe.name());
        if let Some(known) = known {
            if *known != *name {
                ear.set_property("echo-probe", &known);
            }
            return Ok(());
        }
        let package = "gstreamer1.0-plugins-bad";
        let probe = gst::ElementFactory::make("webrtcechoprobe")
            .name(&name)
            .build()
            .map_err(|_| {
                Fault::Missing(format!(
                    "the element webrtcechoprobe is missing, and {} has echo-cancel=true: install {package}",
                    ear.name()
                ))
            })?;
        let base = "gstreamer1.0-plugins-base";
        let filter = make("capsfilter", "gstreamer1.0")?;
        // The canceller wants both sides at one rate, and this is the one it works at.
        filter.set_property(
            "caps",
            gst::Caps::builder("audio/x-raw")
                .field("format", "S16LE")
                .field("rate", 48_000)
                .build(),
        );
        let elements = [
            make("audioconvert", base)?,
            make("audioresample", base)?,
            filter,
            probe,
            make("audioconvert", base)?,
            make("audioresample", base)?,
        ];
        for element in &elements {
            self.adopt(element, "echo probe")?;
            self.chain().probe.push(element.clone());
        }
        gst::Element::link_many(&elements).map_err(|error| {
            Fault::Settings(format!("the echo probe cannot be linked: {error}"))
        })?;
        for element in elements.iter().rev() {
            element.sync_state_with_parent().map_err(|error| {
                Fault::Settings(format!("the echo probe does not start: {error}"))
            })?;
        }
        let [first, .., last] = &elements;
        let ends = first.static_pad("sink").zip(last.static_pad("src"));
        let Some((first, last)) = ends else {
            return Err(Fault::Settings("the echo probe has no pads".into()));
        };
        gst::info!(CAT, imp = self, "{} gets the echo probe {name}", ear.name());
        // An ear may arrive while the mouth speaks: between two frames.
        let weak = self.obj().downgrade();
        self.playout_src()?
            .add_probe(gst::PadProbeType::IDLE, move |src, _| {
                let Some(sink) = src.peer() else {
                    return gst::PadProbeReturn::Remove;
                };
                let _ = src.unlink(&sink);
                let linked = src.link(&first).and_then(|_| last.link(&sink));
                if let (Err(error), Some(element)) = (linked, weak.upgrade()) {
                    gst::element_error!(
                        element,
                        gst::CoreError::Pad,
                        ("the echo probe cannot be linked: {error}")
                    );
                }
                gst::PadProbeReturn::Remove
            });
        Ok(())
    }

    /// Takes the echo probe out again; playout leads straight to the sink. Not while sound goes out.
    pub(super) fn remove_probe(&self) {
        let probe = std::mem::take(&mut self.chain().probe);
        let (Some(first), Some(last)) = (probe.first(), probe.last()) else {
            return;
        };
        let sink = last.static_pad("src").and_then(|src| src.peer());
        let linked = first.static_pad("sink").is_some_and(|pad| pad.is_linked());
        let element = self.obj();
        for child in &probe {
            let _ = child.set_state(gst::State::Null);
            let _ = element.remove(child);
        }
        if let Some(sink) = sink.filter(|_| linked)
            && let Ok(src) = self.playout_src()
            && let Err(error) = src.link(&sink)
        {
            gst::error!(
                CAT,
                imp = self,
                "the audio sink cannot be linked again: {error}"
            );
        }
    }
}

/// Sets a property, converting where GObject can.
fn set(element: &gst::Element, name: &str, value: &glib::Value) -> Result<(), Fault> {
    let Some(spec) = element.find_property(name) else {
        return Ok(());
    };
    let fault = |why: &str| {
        Fault::Settings(format!(
            "{name} of the synthesizer {} cannot be set: {why}",
            factory_name(element)
        ))
    };
    if !spec.flags().contains(glib::ParamFlags::WRITABLE) {
        return Err(fault("it is read-only"));
    }
    if spec.flags().contains(glib::ParamFlags::CONSTRUCT_ONLY) {
        return Err(fault("it is set when the element is made"));
    }
    let value = value
        .transform_with_type(spec.value_type())
        .map_err(|error| fault(&error.to_string()))?;
    // GObject would let pass what is out of range, changed; the binding for Rust panics.
    if let Some(range) = outside(&spec, &value) {
        let given = value.transform::<String>().ok();
        let given = given.and_then(|value| value.get::<Option<String>>().ok().flatten());
        return Err(Fault::Settings(format!(
            "{name}={}: the synthesizer {} takes {range}",
            given.unwrap_or_default(),
            factory_name(element)
        )));
    }
    element.set_property_from_value(name, &value);
    Ok(())
}

/// What the property takes, where that value is not in its range.
fn outside(spec: &glib::ParamSpec, value: &glib::Value) -> Option<String> {
    macro_rules! numbers {
        ($($spec:ident, $type:ty, $format:literal;)*) => {
            $(if let Some(spec) = spec.downcast_ref::<glib::$spec>() {
                let value = value.get::<$type>().ok()?;
                let range = spec.minimum()..=spec.maximum();
                return (!range.contains(&value))
                    .then(|| format!($format, range.start(), range.end()));
            })*
        };
    }
    numbers! {
        ParamSpecDouble, f64, "{:?} to {:?}";
        ParamSpecFloat, f32, "{:?} to {:?}";
        ParamSpecInt, i32, "{} to {}";
        ParamSpecUInt, u32, "{} to {}";
        ParamSpecInt64, i64, "{} to {}";
        ParamSpecUInt64, u64, "{} to {}";
    }
    None
}
