// SPDX-License-Identifier: MPL-2.0

//! A mouth under measurement: the element as an application uses it, and a look at every frame
//! on its way into the audio sink.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use duplex_tests::plugins;
use duplex_textpad::events::UtteranceEnd;
use gst::prelude::*;
use gst_base::prelude::*;

/// Below this a sample is silence: −50 dBFS.
pub const AUDIBLE: i16 = 104;

/// A frame as it came to the audio sink. All times are running times of the pipeline.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// When it was pushed.
    pub pushed: gst::ClockTime,
    /// When its first audible sample is due.
    pub first_audible: Option<gst::ClockTime>,
    /// When its last audible sample is due.
    pub last_audible: Option<gst::ClockTime>,
}

/// The frames of one mouth, in order.
#[derive(Default)]
pub struct Frames {
    frames: Mutex<Vec<Frame>>,
    changed: Condvar,
}

impl Frames {
    /// Forgets what was pushed so far.
    pub fn clear(&self) {
        self.frames.lock().unwrap().clear();
    }

    /// All that was pushed since the last [`Frames::clear`].
    pub fn all(&self) -> Vec<Frame> {
        self.frames.lock().unwrap().clone()
    }

    /// Waits for a frame that `wanted` accepts among those since the last clear.
    pub fn wait(&self, limit: Duration, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let end = Instant::now() + limit;
        let mut frames = self.frames.lock().unwrap();
        loop {
            if let Some(frame) = frames.iter().find(|f| wanted(f)) {
                return Some(*frame);
            }
            let left = end.checked_duration_since(Instant::now())?;
            frames = self.changed.wait_timeout(frames, left).unwrap().0;
        }
    }
}

/// A pipeline with one ttssink in it.
pub struct Mouth {
    pub pipeline: gst::Pipeline,
    pub element: gst::Element,
    pub text: gst_app::AppSrc,
    pub frames: Arc<Frames>,
    sink: gst::Element,
}

impl Mouth {
    /// `appsrc ! ttssink synthesizer=… audio-sink="fakesink sync=true"`, not started.
    pub fn new(synthesizer: &str) -> Result<Self> {
        let sink = gst::ElementFactory::make("fakesink")
            .property("sync", true)
            .build()?;
        let pipeline = gst::Pipeline::new();
        // As every served session does: all figures on one clock.
        pipeline.use_clock(Some(&gst::SystemClock::obtain()));
        let text = gst_app::AppSrc::builder()
            .caps(
                &gst::Caps::builder("text/x-raw")
                    .field("format", "utf8")
                    .build(),
            )
            .format(gst::Format::Time)
            .is_live(true)
            .build();
        let element = gst::ElementFactory::make("ttssink")
            .property("synthesizer", plugins::make(synthesizer)?)
            .property("audio-sink", &sink)
            .build()?;
        pipeline.add_many([text.upcast_ref(), &element])?;
        text.link(&element)?;
        let frames = Arc::new(Frames::default());
        let pad = sink.static_pad("sink").context("fakesink has a pad")?;
        watch(&pad, &pipeline, frames.clone());
        Ok(Self {
            pipeline,
            element,
            text,
            frames,
            sink,
        })
    }

    /// Starts, and waits until silence flows.
    pub fn play(&self) -> Result<()> {
        self.pipeline.set_state(gst::State::Playing)?;
        if self
            .frames
            .wait(Duration::from_secs(10), |_| true)
            .is_none()
        {
            bail!("the mouth stays mute: {:?}", self.error());
        }
        Ok(())
    }

    /// Now, as a running time.
    pub fn now(&self) -> gst::ClockTime {
        self.pipeline.current_running_time().unwrap_or_default()
    }

    /// What lies between a frame's time and its sound: the latency that the sink was given.
    pub fn latency(&self) -> gst::ClockTime {
        let sink = self.sink.downcast_ref::<gst_base::BaseSink>();
        sink.map_or(gst::ClockTime::ZERO, |sink| sink.latency())
    }

    /// One utterance as an application writes it: a buffer of text, and its end.
    pub fn speak(&self, id: &str, text: &str) -> Result<gst::ClockTime> {
        let mut buffer = gst::Buffer::from_slice(text.to_owned().into_bytes());
        let flags = gst::BufferFlags::DISCONT;
        buffer
            .get_mut()
            .context("a new buffer is ours")?
            .set_flags(flags);
        let now = self.now();
        self.text.push_buffer(buffer)?;
        self.text.send_event(UtteranceEnd::of_text(id).to_event());
        Ok(now)
    }

    /// The error that the pipeline has posted.
    pub fn error(&self) -> Option<String> {
        let bus = self.pipeline.bus()?;
        let message = bus.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(e) => Some(format!("{}: {:?}", e.error(), e.debug())),
            _ => None,
        }
    }

    /// The next element message of this name.
    pub fn message(&self, name: &str, limit: Duration) -> Option<gst::Structure> {
        let bus = self.pipeline.bus()?;
        let end = Instant::now() + limit;
        loop {
            let left = end.checked_duration_since(Instant::now())?;
            let left = gst::ClockTime::try_from(left).ok()?;
            let types = [gst::MessageType::Element, gst::MessageType::Error];
            let message = bus.timed_pop_filtered(left, &types)?;
            match message.view() {
                gst::MessageView::Error(e) => {
                    eprintln!("error: {} {:?}", e.error(), e.debug());
                    return None;
                }
                _ => {
                    let structure = message.structure()?;
                    if structure.name() == name {
                        return Some(structure.to_owned());
                    }
                }
            }
        }
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Notes every frame that goes through a pad, without touching it.
pub fn watch(pad: &gst::Pad, pipeline: &gst::Pipeline, frames: Arc<Frames>) {
    let pipeline = pipeline.downgrade();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let (Some(buffer), Some(pipeline)) = (info.buffer(), pipeline.upgrade()) else {
            return gst::PadProbeReturn::Ok;
        };
        let pushed = pipeline.current_running_time().unwrap_or_default();
        let caps = pad.current_caps();
        let rate: i32 = caps
            .as_ref()
            .and_then(|c| c.structure(0)?.get("rate").ok())
            .unwrap_or(48_000);
        let channels: i32 = caps
            .as_ref()
            .and_then(|c| c.structure(0)?.get("channels").ok())
            .unwrap_or(1);
        let pts = buffer.pts().unwrap_or_default();
        let Ok(map) = buffer.map_readable() else {
            return gst::PadProbeReturn::Ok;
        };
        let audible = |bytes: &[u8]| {
            i16::from_le_bytes([bytes[0], bytes[1]]).unsigned_abs() > AUDIBLE.unsigned_abs()
        };
        let due = |sample: usize| {
            let frame = sample as u64 / channels as u64;
            pts + gst::ClockTime::from_nseconds(frame * 1_000_000_000 / rate as u64)
        };
        let mut samples = map.chunks_exact(2);
        let first = samples.position(audible).map(due);
        let last = map.chunks_exact(2).rposition(audible).map(due);
        let frame = Frame {
            pushed,
            first_audible: first,
            last_audible: last,
        };
        frames.frames.lock().unwrap().push(frame);
        frames.changed.notify_all();
        gst::PadProbeReturn::Ok
    });
}
