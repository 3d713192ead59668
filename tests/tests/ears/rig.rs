// SPDX-License-Identifier: MPL-2.0

//! A `vad` between two pads of ours: everything happens in the test's own thread, as fast as it
//! can, on the media clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use duplex_tests::plugins;
use gst::prelude::*;
use gst_audio::AudioFormat;

/// One thing that left the ear.
#[derive(Clone, Debug)]
pub enum Out {
    /// Audio.
    Buffer(gst::Buffer),
    /// An event.
    Event(gst::Event),
    /// A signal: its name, running time and onset in nanoseconds.
    Signal(&'static str, u64, u64),
}

/// The signals of an ear.
pub const SIGNALS: [&str; 5] = [
    "speech-suspected",
    "speech-onset",
    "speech-started",
    "speech-cancelled",
    "speech-ended",
];

/// Collects an ear's signals in the order in which they come.
pub fn listen_to(ear: &gst::Element, out: &Arc<Mutex<Vec<Out>>>) {
    for name in SIGNALS {
        let out = out.clone();
        ear.connect(name, false, move |args| {
            let at = args[1].get().unwrap();
            let onset = args[2].get().unwrap();
            let probability: f64 = args[3].get().unwrap();
            assert!((0.0..=1.0).contains(&probability));
            out.lock().unwrap().push(Out::Signal(name, at, onset));
            None
        });
    }
}

/// How the audio is cut and coded.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub format: AudioFormat,
    pub rate: u32,
    pub channels: u32,
    /// Frames per buffer.
    pub frames: usize,
}

impl Shape {
    /// 16 bit mono in buffers of 10 ms.
    pub fn mono(rate: u32) -> Self {
        Self {
            format: AudioFormat::S16le,
            rate,
            channels: 1,
            frames: rate as usize / 100,
        }
    }

    pub fn info(&self) -> gst_audio::AudioInfo {
        gst_audio::AudioInfo::builder(self.format, self.rate, self.channels)
            .build()
            .unwrap()
    }

    /// Mono samples as bytes, the same on all channels.
    pub fn bytes(&self, samples: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for sample in samples {
            for _ in 0..self.channels {
                match self.format {
                    AudioFormat::S16le => {
                        bytes.extend(((sample * 32767.0).round() as i16).to_le_bytes());
                    }
                    AudioFormat::S32le => {
                        bytes.extend(((sample * 2_147_483_000.0) as i32).to_le_bytes());
                    }
                    AudioFormat::F32le => bytes.extend(sample.to_le_bytes()),
                    AudioFormat::F64le => bytes.extend(f64::from(*sample).to_le_bytes()),
                    AudioFormat::U8 => bytes.push((sample * 127.0 + 128.0) as u8),
                    other => panic!("no bytes for {other}"),
                }
            }
        }
        bytes
    }
}

/// The ear and its two neighbours.
pub struct Rig {
    pub vad: gst::Element,
    pub upstream: gst::Pad,
    pub downstream: gst::Pad,
    pub out: Arc<Mutex<Vec<Out>>>,
    /// What upstream answers a LATENCY query with; without it, it does not.
    pub latency: Arc<Mutex<Option<gst::ClockTime>>>,
    pub shape: Shape,
    /// Running time of the next buffer.
    pub now: Duration,
}

impl Rig {
    /// A `vad` with properties, ready for audio of `shape`.
    pub fn new(shape: Shape, properties: &[(&str, &str)]) -> Self {
        plugins::init();
        let vad = gst::ElementFactory::make("vad").build().unwrap();
        for (name, value) in properties {
            vad.set_property_from_str(name, value);
        }
        let out = Arc::new(Mutex::new(Vec::new()));
        let latency = Arc::new(Mutex::new(None));
        let answer = latency.clone();
        let upstream = gst::Pad::builder(gst::PadDirection::Src)
            .query_function(move |pad, parent, query| match query.view_mut() {
                gst::QueryViewMut::Latency(latency) => {
                    let answer = *answer.lock().unwrap();
                    answer.is_some_and(|min| {
                        latency.set(true, min, None);
                        true
                    })
                }
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .build();
        let (buffers, events) = (out.clone(), out.clone());
        // With a template it takes any format at any time.
        let template = gst::PadTemplate::new(
            "sink",
            gst::PadDirection::Sink,
            gst::PadPresence::Always,
            &gst::Caps::new_any(),
        )
        .unwrap();
        let downstream = gst::Pad::builder_from_template(&template)
            .chain_function(move |_, _, buffer| {
                buffers.lock().unwrap().push(Out::Buffer(buffer));
                Ok(gst::FlowSuccess::Ok)
            })
            .event_function(move |_, _, event| {
                events.lock().unwrap().push(Out::Event(event));
                true
            })
            .build();
        upstream
            .link(&vad.static_pad("sink").unwrap())
            .expect("the ear takes audio");
        vad.static_pad("src").unwrap().link(&downstream).unwrap();
        listen_to(&vad, &out);
        let rig = Self {
            vad,
            upstream,
            downstream,
            out,
            latency,
            shape,
            now: Duration::ZERO,
        };
        rig.start();
        rig
    }

    /// From NULL to PLAYING, and what begins a stream.
    pub fn start(&self) {
        self.downstream.set_active(true).unwrap();
        self.vad.set_state(gst::State::Playing).unwrap();
        self.upstream.set_active(true).unwrap();
        self.event(gst::event::StreamStart::new("caller"));
        self.caps();
        self.segment(&gst::FormattedSegment::<gst::ClockTime>::new());
    }

    pub fn stop(&self) {
        self.upstream.set_active(false).unwrap();
        self.vad.set_state(gst::State::Null).unwrap();
        self.downstream.set_active(false).unwrap();
    }

    pub fn event(&self, event: gst::Event) -> bool {
        self.upstream.push_event(event)
    }

    pub fn caps(&self) {
        let caps = self.shape.info().to_caps().unwrap();
        assert!(self.event(gst::event::Caps::new(&caps)));
    }

    pub fn segment(&self, segment: &gst::FormattedSegment<gst::ClockTime>) {
        assert!(self.event(gst::event::Segment::new(segment)));
    }

    /// Pushes mono samples at the shape's rate, from [`Self::now`] on.
    pub fn hear(&mut self, samples: &[f32]) {
        for samples in samples.chunks(self.shape.frames) {
            let buffer = self.buffer(samples);
            self.upstream.push(buffer).unwrap();
        }
    }

    /// The next buffer; moves on.
    pub fn buffer(&mut self, samples: &[f32]) -> gst::Buffer {
        let mut buffer = gst::Buffer::from_slice(self.shape.bytes(samples));
        let duration = Duration::from_secs_f64(samples.len() as f64 / f64::from(self.shape.rate));
        {
            let buffer = buffer.make_mut();
            buffer.set_pts(time(self.now));
            buffer.set_duration(time(duration));
        }
        self.now += duration;
        buffer
    }

    pub fn hear_nothing(&mut self, duration: Duration) {
        let frames = duration.as_secs_f64() * f64::from(self.shape.rate);
        self.hear(&vec![0.0; frames as usize]);
    }

    /// Reports what the agent plays.
    pub fn far_end(&self, at: Duration, duration: Duration, rms_db: f64) {
        self.vad
            .emit_by_name::<()>("far-end", &[&far_end(at, duration, rms_db)]);
    }

    /// Takes what has come out so far.
    pub fn take(&self) -> Vec<Out> {
        std::mem::take(&mut self.out.lock().unwrap())
    }

    pub fn stats(&self) -> gst::Structure {
        self.vad.property("stats")
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A report for the action `far-end`.
pub fn far_end(at: Duration, duration: Duration, rms_db: f64) -> gst::Structure {
    gst::Structure::builder("far-end")
        .field("running-time", at.as_nanos() as u64)
        .field("duration", duration.as_nanos() as u64)
        .field("rms-db", rms_db)
        .build()
}

pub fn time(duration: Duration) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(duration.as_nanos() as u64)
}

/// The signals among what came out: name, time and onset in milliseconds.
pub fn signals(out: &[Out]) -> Vec<(&'static str, u64, u64)> {
    out.iter()
        .filter_map(|out| match out {
            Out::Signal(name, at, onset) => Some((*name, at / 1_000_000, onset / 1_000_000)),
            _ => None,
        })
        .collect()
}
