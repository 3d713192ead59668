// SPDX-License-Identifier: MPL-2.0

//! The caller of a session whose sound goes over WebRTC: webrtcsrc and webrtcsink in the places of the caller.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;

use super::channel::Channel;
use super::connections::Connections;
use super::end::{EARS, End, MOUTH};
use super::room::Door;
use super::timeline::{self, Timeline};
use crate::plan::Bindings;
use crate::serve::bindings;
use crate::serve::config::WebRtc;
use crate::serve::session::framer::{Framer, RATE};
use crate::serve::session::happening::{Happening, Happenings};
use crate::serve::session::media::{Media, Setup};

/// How long the receiver holds packets back against a network that is not even. The default of 200 ms alone would make an
/// interruption feel late.
const JITTER: Duration = Duration::from_millis(40);
/// From the decision to stop to the last sample that sounds: what has left the mouth ahead of its time, and its fade.
const STOPPING: Duration = Duration::from_millis(60);
/// Silence and speech leave in packets of this length.
const PACKET_MS: &str = "20";

/// What the pipeline plays at the moment, for whoever has to name it on the clock of RTP.
#[derive(Default)]
pub struct Playing {
    timeline: Mutex<Timeline>,
    pipeline: Mutex<glib::WeakRef<gst::Pipeline>>,
}

impl Playing {
    fn timeline(&self) -> std::sync::MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Option<Duration> {
        let pipeline = self.pipeline.lock();
        let pipeline = pipeline.unwrap_or_else(PoisonError::into_inner).upgrade()?;
        pipeline.current_running_time().map(Duration::from)
    }

    /// Which utterance sounds at an RTP time, and how much of it has by then.
    pub fn sounded(&self, rtp: u32) -> Option<(Arc<str>, Duration)> {
        let now = self.now()?;
        self.timeline().sounded(timeline::running(rtp, now))
    }

    /// The RTP time from which on nothing is left of what is told to stop now.
    pub fn silence(&self) -> Option<u32> {
        self.now().map(|now| timeline::rtp(now + STOPPING))
    }

    /// The RTP time at which a position of an utterance sounds.
    pub fn when(&self, utterance: &str, position: Duration) -> Option<u32> {
        self.timeline().when(utterance, position).map(timeline::rtp)
    }

    /// Follows the mouth's sound through a pad: S16LE, mono, 48 kHz. The session is told of its frames as if it were to
    /// send them.
    fn follow(
        self: &Arc<Self>,
        pad: &gst::Pad,
        framer: Arc<Mutex<Framer>>,
        happenings: Happenings,
    ) {
        let playing = self.clone();
        // Told ahead of the buffer that they are about.
        let changes = Mutex::new(Vec::new());
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(kinds, move |pad, info| {
            let mut changes = changes.lock().unwrap_or_else(PoisonError::into_inner);
            match &info.data {
                Some(gst::PadProbeData::Event(event)) => {
                    changes.extend(event.structure().and_then(bindings::passage));
                }
                Some(gst::PadProbeData::Buffer(buffer)) => {
                    let segment = pad.sticky_event::<gst::event::Segment>(0);
                    let segment = segment.as_ref().map(|event| event.segment());
                    let segment =
                        segment.and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
                    let start = segment.and_then(|segment| segment.to_running_time(buffer.pts()?));
                    let mut framer = framer.lock().unwrap_or_else(PoisonError::into_inner);
                    for (offset, passage) in changes.drain(..) {
                        if let Some(start) = start {
                            playing
                                .timeline()
                                .passage(&passage, Duration::from(start) + offset);
                        }
                        framer.passage(offset, passage);
                    }
                    if let Ok(map) = buffer.map_readable() {
                        framer.sound(&map, |frame| happenings.tell(Happening::Frame(frame)));
                    }
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }
}

/// webrtcsrc and webrtcsink of one caller.
pub struct Air {
    ice: WebRtc,
    door: Door,
    channel: Channel,
    playing: Arc<Playing>,
    text: Option<gst_app::AppSrc>,
    framer: Arc<Mutex<Framer>>,
    happenings: Happenings,
    connections: Connections,
}

impl Air {
    /// The caller behind a door; what is told of the conversation leaves by the channel.
    pub fn new(
        setup: Setup,
        ice: WebRtc,
        door: Door,
        channel: Channel,
        playing: Arc<Playing>,
    ) -> Air {
        Air {
            ice,
            door,
            channel,
            playing,
            text: None,
            framer: Arc::default(),
            happenings: setup.happenings,
            connections: Connections::default(),
        }
    }

    /// The sink with a filter before it: without one it would take what it is given, at any rate, and frames would not
    /// be told apart.
    fn behind_a_filter(&self, sink: gst::Element) -> Result<gst::Element, String> {
        let failed = |error: gst::glib::BoolError| error.to_string();
        let filter = gst::ElementFactory::make("capsfilter")
            .property("caps", bindings::pcm(RATE))
            .build()
            .map_err(failed)?;
        let bin = gst::Bin::new();
        bin.add_many([&filter, &sink]).map_err(failed)?;
        filter.link(&sink).map_err(failed)?;
        let (Some(entry), Some(exit)) = (filter.static_pad("sink"), filter.static_pad("src"))
        else {
            return Err("a capsfilter has two pads".into());
        };
        self.playing
            .follow(&exit, self.framer.clone(), self.happenings.clone());
        let connections = self.connections.clone();
        exit.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if connections.sound() {
                gst::PadProbeReturn::Ok
            } else {
                gst::PadProbeReturn::Drop
            }
        });
        let ghost = gst::GhostPad::builder_with_target(&entry)
            .map_err(failed)?
            .name("sink")
            .build();
        bin.add_pad(&ghost).map_err(failed)?;
        Ok(bin.upcast())
    }

    fn make(&self, factory: &str) -> Result<gst::Element, String> {
        let element = gst::ElementFactory::make(factory).build().map_err(|_| {
            format!("there is no {factory}: libgstrswebrtc.so is built and installed with gst-duplex, and needs gstreamer1.0-nice")
        })?;
        // Its own default is a public server.
        element.set_property("stun-server", self.ice.stun.as_deref());
        let turn = gst::Array::new(self.ice.turn.iter().map(|server| server.to_send_value()));
        element.set_property("turn-servers", &turn);
        Ok(element)
    }
}

impl Bindings for Air {
    fn audio_source(&mut self, _: Option<&str>) -> Result<Option<gst::Element>, String> {
        let source = self.make("webrtcsrc")?;
        source.set_property("audio-codecs", gst::Array::new(["OPUS".to_send_value()]));
        source.set_property("video-codecs", gst::Array::new(None::<glib::SendValue>));
        let (ice, connections) = (self.ice.clone(), self.connections.clone());
        let signaller = source.property::<glib::Object>("signaller");
        signaller.connect("webrtcbin-ready", false, move |values| {
            if let Some(webrtcbin) = values
                .get(2)
                .and_then(|value| value.get::<gst::Element>().ok())
            {
                connections.taken(&webrtcbin);
                webrtcbin.set_property("latency", u32::try_from(JITTER.as_millis()).unwrap_or(40));
                restrict(&webrtcbin, &ice);
            }
            None
        });
        End::new(&source, EARS, &self.door, &self.connections);
        Ok(Some(source))
    }

    fn audio_sink(&mut self, _: Option<&str>) -> Result<Option<gst::Element>, String> {
        let sink = self.make("webrtcsink")?;
        sink.set_property("audio-caps", gst::Caps::builder("audio/x-opus").build());
        sink.set_property("video-caps", gst::Caps::new_empty());
        sink.set_property_from_str("congestion-control", "disabled");
        sink.set_property("do-fec", false);
        sink.set_property("do-retransmission", false);
        let (ice, channel) = (self.ice.clone(), self.channel.clone());
        let connections = self.connections.clone();
        sink.connect("consumer-added", false, move |values| {
            if let Some(webrtcbin) = values
                .get(2)
                .and_then(|value| value.get::<gst::Element>().ok())
            {
                connections.made(&webrtcbin);
                restrict(&webrtcbin, &ice);
                // Later would be too late: the offer would not have it.
                channel.open(&webrtcbin);
            }
            None
        });
        sink.connect("encoder-setup", false, |values| {
            if let Some(encoder) = values
                .get(3)
                .and_then(|value| value.get::<gst::Element>().ok())
                && encoder
                    .factory()
                    .is_some_and(|factory| factory.name() == "opusenc")
            {
                encoder.set_property_from_str("audio-type", "restricted-lowdelay");
                encoder.set_property_from_str("frame-size", PACKET_MS);
            }
            Some(false.to_value())
        });
        sink.connect("payloader-setup", false, |values| {
            if let Some(payloader) = values
                .get(3)
                .and_then(|value| value.get::<gst::Element>().ok())
                && payloader.has_property("timestamp-offset")
            {
                // The page says by the RTP time how far it has played: see `timeline`.
                payloader.set_property("timestamp-offset", 0u32);
            }
            Some(false.to_value())
        });
        End::new(&sink, MOUTH, &self.door, &self.connections);
        self.behind_a_filter(sink).map(Some)
    }

    fn text_source(&mut self) -> Result<gst::Element, String> {
        let source = bindings::text_source();
        self.text = Some(source.clone());
        Ok(source.upcast())
    }

    fn text_sink(&mut self) -> Result<gst::Element, String> {
        let sink = gst::ElementFactory::make("fakesink")
            .property("async", false)
            .build();
        sink.map_err(|error| error.to_string())
    }

    fn devices(&self) -> bool {
        false
    }
}

impl Media for Air {
    fn framer(&self) -> Option<Arc<Mutex<Framer>>> {
        Some(self.framer.clone())
    }

    fn text(&self) -> Option<gst_app::AppSrc> {
        self.text.clone()
    }

    fn playing(&mut self, pipeline: &gst::Pipeline) {
        let known = self
            .playing
            .pipeline
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.set(Some(pipeline));
    }

    fn stopping(&mut self) {
        self.connections.settle();
    }

    fn stopped(&mut self) {
        self.channel.close();
        self.connections.release();
    }
}

/// Keeps to the ports that a firewall lets through.
fn restrict(webrtcbin: &gst::Element, ice: &WebRtc) {
    let Some((first, last)) = ice.ports else {
        return;
    };
    let agent = webrtcbin.property::<gst::Object>("ice-agent");
    for (name, port) in [("min-rtp-port", first), ("max-rtp-port", last)] {
        if agent.has_property(name) {
            agent.set_property(name, u32::from(port));
        }
    }
}
