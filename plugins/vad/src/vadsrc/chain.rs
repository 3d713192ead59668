// SPDX-License-Identifier: MPL-2.0
//! The elements inside `vadsrc`: source → intake → conversion → (echo canceller) → vad. The locks
//! are those of imp.rs.

use std::sync::atomic::Ordering;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::imp::{CAT, VadSrc};
use crate::echo;
use crate::sync::lock;

/// Period in which a device source that was chosen here delivers, in microseconds. It is the
/// delay of capture.
const DEVICE_LATENCY: i64 = 10_000;
/// What such a source may have waiting, in microseconds. It adds no delay, only patience.
const DEVICE_BUFFER: i64 = 100_000;

/// What stands before the inner `vad` from READY on.
#[derive(Debug, Default)]
pub(super) struct Chain {
    source: Option<gst::Element>,
    /// The source was chosen here.
    pub automatic: bool,
    /// Between intake and vad.
    middle: Vec<gst::Element>,
    pad_added: Option<glib::SignalHandlerId>,
}

impl VadSrc {
    /// Puts the chain together: source → intake → conversion → (echo canceller) → vad.
    pub(super) fn build(&self) -> Result<(), gst::ErrorMessage> {
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
                        this.catch_panic(|| (), |this| this.greet(pad));
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
    pub(super) fn dismantle(&self) {
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
    pub(super) fn has_device(&self) -> bool {
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
