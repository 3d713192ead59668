// SPDX-License-Identifier: MPL-2.0

//! The caller of a session whose sound comes and goes as frames: a WebSocket.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;

use super::session::framer::{Framer, Passage, RATE};
use super::session::happening::{Happening, Happenings};
use super::session::media::{Media, Setup};
use crate::plan::Bindings;

/// Sound of a client that may wait for its ears; what is older is dropped.
const EAR: gst::ClockTime = gst::ClockTime::from_seconds(1);
/// Text of a client that may wait in the pipeline.
const TEXT_BYTES: u64 = 64 * 1024;

/// appsrc and appsink in the places of the caller.
pub struct Wires {
    setup: Setup,
    ear: Option<gst_app::AppSrc>,
    text: Option<gst_app::AppSrc>,
    framer: Arc<Mutex<Framer>>,
}

impl Wires {
    /// The caller of one pipeline.
    pub fn new(setup: Setup) -> Wires {
        Wires {
            setup,
            ear: None,
            text: None,
            framer: Arc::default(),
        }
    }
}

impl Media for Wires {
    fn ear(&self) -> Option<gst_app::AppSrc> {
        self.ear.clone()
    }

    fn text(&self) -> Option<gst_app::AppSrc> {
        self.text.clone()
    }

    fn framer(&self) -> Option<Arc<Mutex<Framer>>> {
        Some(self.framer.clone())
    }
}

impl Bindings for Wires {
    fn audio_source(&mut self, _: Option<&str>) -> Result<Option<gst::Element>, String> {
        let rate = self.setup.sample_rate;
        let source = gst_app::AppSrc::builder()
            .caps(&pcm(rate))
            .is_live(true)
            .format(gst::Format::Time)
            .max_time(EAR)
            .leaky_type(gst_app::AppLeakyType::Downstream)
            .build();
        source.set_max_bytes(0);
        self.ear = Some(source.clone());
        Ok(Some(source.upcast()))
    }

    fn audio_sink(&mut self, _: Option<&str>) -> Result<Option<gst::Element>, String> {
        let callbacks = {
            let sample = follow(self.framer.clone(), self.setup.happenings.clone());
            let event = sample.clone();
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    sample(sink);
                    Ok(gst::FlowSuccess::Ok)
                })
                .new_event(move |sink| {
                    event(sink);
                    true
                })
                .build()
        };
        let sink = gst_app::AppSink::builder()
            .caps(&pcm(RATE))
            // The mouth keeps the time, and what leaves is already late.
            .sync(false)
            .enable_last_sample(false)
            .callbacks(callbacks)
            .build();
        sink.set_property("processing-deadline", 0u64);
        Ok(Some(sink.upcast()))
    }

    fn text_source(&mut self) -> Result<gst::Element, String> {
        let source = text_source();
        self.text = Some(source.clone());
        Ok(source.upcast())
    }

    fn text_sink(&mut self) -> Result<gst::Element, String> {
        gst::ElementFactory::make("fakesink")
            .property("async", false)
            .build()
            .map_err(|err| err.to_string())
    }

    fn devices(&self) -> bool {
        false
    }
}

/// Where a transport puts what the client types.
pub(super) fn text_source() -> gst_app::AppSrc {
    let caps = gst::Caps::builder("text/x-raw")
        .field("format", "utf8")
        .build();
    gst_app::AppSrc::builder()
        .caps(&caps)
        .is_live(true)
        .do_timestamp(true)
        .format(gst::Format::Time)
        .max_bytes(TEXT_BYTES)
        .build()
}

pub(super) fn pcm(rate: u32) -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("layout", "interleaved")
        .field("rate", i32::try_from(rate).unwrap_or(48_000))
        .field("channels", 1)
        .build()
}

/// Takes what has come to the sink, buffers and events alike, in their order.
fn follow(
    framer: Arc<Mutex<Framer>>,
    happenings: Happenings,
) -> impl Fn(&gst_app::AppSink) + Clone + Send + Sync + 'static {
    move |sink| {
        let mut framer = framer.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(object) = sink.try_pull_object(gst::ClockTime::ZERO) {
            if let Some(sample) = object.downcast_ref::<gst::Sample>() {
                let buffer = sample
                    .buffer()
                    .and_then(|buffer| buffer.map_readable().ok());
                if let Some(map) = buffer {
                    framer.sound(&map, |frame| happenings.tell(Happening::Frame(frame)));
                }
            } else if let Some(event) = object.downcast_ref::<gst::Event>()
                && let Some((offset, passage)) = event.structure().and_then(passage)
            {
                framer.passage(offset, passage);
            }
        }
    }
}

/// What the mouth tells of the next buffer.
pub(super) fn passage(structure: &gst::StructureRef) -> Option<(Duration, Passage)> {
    if structure.name() != "voice/playout" {
        return None;
    }
    let time = |field: &str| structure.get::<u64>(field).ok().map(Duration::from_nanos);
    let id: Arc<str> = structure.get::<&str>("utterance-id").ok()?.into();
    let passage = match structure.get::<&str>("state").ok()? {
        "speech" => Passage::Speech(id, time("position")?),
        "end" => Passage::End(id),
        _ => Passage::Silence,
    };
    Some((time("offset")?, passage))
}
