// SPDX-License-Identifier: MPL-2.0

//! A line from samples to text: `appsrc ! vad ! sphinxasr ! appsink`, as fast as it goes, on the media clock.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use duplex_tests::{plugins, recordings, signal};
use gst::prelude::*;

/// What the recordings of alsa-utils say.
pub const PLACES: &str = "(front | rear | side) (left | right | center)";

/// One thing that left the recogniser.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    /// A text buffer: text, timestamp and duration in milliseconds.
    Text(String, u64, u64),
    /// A custom event: its structure's name.
    Event(String, gst::Structure),
    /// A GAP.
    Gap,
    /// EOS.
    Eos,
}

/// A recording at its own rate.
pub fn alsa(name: &str) -> (Vec<f32>, u32) {
    let path = Path::new("/usr/share/sounds/alsa").join(format!("{name}.wav"));
    signal::read_wav(&path).unwrap()
}

/// The speech of a recording of alsa-utils at the rate of [`recordings`], with that much silence around it.
pub fn speech(name: &str, silence: Duration) -> Vec<f32> {
    let (samples, rate) = alsa(name);
    let samples = signal::resample(&samples, rate, recordings::RATE);
    let (onset, end, _) = recordings::speech(&samples).unwrap();
    let silence = vec![0.0; (silence.as_secs_f64() * f64::from(recordings::RATE)) as usize];
    [silence.as_slice(), &samples[onset..end], &silence].concat()
}

/// The line.
pub struct Line {
    pub pipeline: gst::Pipeline,
    pub asr: gst::Element,
    source: gst_app::AppSrc,
    out: std::sync::Arc<std::sync::Mutex<Vec<Out>>>,
    messages: Vec<gst::Structure>,
    rate: u32,
    channels: u32,
    fed: u64,
}

impl Line {
    /// A line in PLAYING: audio of this form, properties of `vad`, properties of `sphinxasr`.
    pub fn new(rate: u32, channels: u32, vad: &str, asr: &str) -> Self {
        Self::described(
            rate,
            channels,
            &format!(
                "vad name=ears {vad} ! sphinxasr name=asr {asr} ! fakesink name=out sync=false"
            ),
        )
    }

    /// Any line from an appsrc to a sink named `out`.
    pub fn described(rate: u32, channels: u32, rest: &str) -> Self {
        plugins::init();
        let line = format!(
            "appsrc name=caller format=time caps=audio/x-raw,format=S16LE,layout=interleaved,rate={rate},channels={channels} ! {rest}"
        );
        let pipeline = gst::parse::launch(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let source = pipeline.by_name("caller").unwrap().downcast().unwrap();
        let asr = pipeline.by_name("asr").unwrap();
        let out = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let pad = pipeline.by_name("out").unwrap().static_pad("sink").unwrap();
        let seen = out.clone();
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(mask, move |_, info| {
            let one = match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => {
                    let text = String::from_utf8(buffer.map_readable().unwrap().to_vec()).unwrap();
                    // What a chat element says has no time.
                    let ms = |time: Option<gst::ClockTime>| time.map_or(0, |time| time.mseconds());
                    Some(Out::Text(text, ms(buffer.pts()), ms(buffer.duration())))
                }
                Some(gst::PadProbeData::Event(event)) => match event.view() {
                    gst::EventView::Eos(_) => Some(Out::Eos),
                    gst::EventView::Gap(_) => Some(Out::Gap),
                    _ => event
                        .structure()
                        .filter(|structure| structure.name().starts_with("voice/"))
                        .map(|structure| {
                            Out::Event(structure.name().to_string(), structure.to_owned())
                        }),
                },
                _ => None,
            };
            seen.lock().unwrap().extend(one);
            gst::PadProbeReturn::Ok
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            pipeline,
            asr,
            source,
            out,
            messages: Vec::new(),
            rate,
            channels,
            fed: 0,
        }
    }

    /// Mono samples at [`recordings::RATE`], in buffers of 10 ms.
    pub fn say(&mut self, samples: &[f32]) {
        let samples = signal::resample(samples, recordings::RATE, self.rate);
        self.push(&samples);
    }

    /// Mono samples at the line's own rate.
    pub fn push(&mut self, samples: &[f32]) {
        for piece in samples.chunks(self.rate as usize / 100) {
            let bytes: Vec<u8> = signal::to_s16(piece)
                .iter()
                .flat_map(|sample| sample.to_le_bytes().repeat(self.channels as usize))
                .collect();
            let mut buffer = gst::Buffer::from_slice(bytes);
            let time = |frames: u64| {
                gst::ClockTime::SECOND
                    .mul_div_floor(frames, u64::from(self.rate))
                    .unwrap()
            };
            let unshared = buffer.get_mut().unwrap();
            unshared.set_pts(time(self.fed));
            unshared.set_duration(time(piece.len() as u64));
            self.fed += piece.len() as u64;
            self.source.push_buffer(buffer).unwrap();
        }
    }

    /// Silence.
    pub fn pause(&mut self, duration: Duration) {
        self.push(&vec![
            0.0;
            (duration.as_secs_f64() * f64::from(self.rate))
                as usize
        ]);
    }

    /// Waits until the ears have had all that was pushed.
    pub fn heard_all(&self) {
        let limit = Instant::now() + Duration::from_secs(60);
        while self.source.current_level_bytes() > 0 {
            assert!(Instant::now() < limit, "the ears are stuck");
            std::thread::sleep(Duration::from_millis(5));
        }
        // The last of it is on its way.
        std::thread::sleep(Duration::from_millis(50));
    }

    /// EOS, and everything that came out up to it.
    pub fn end(&mut self) -> Vec<Out> {
        self.source.end_of_stream().unwrap();
        self.wait("EOS", |out| out.contains(&Out::Eos))
    }

    /// Waits until what came out is as wanted.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&[Out]) -> bool) -> Vec<Out> {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            self.collect();
            let out = self.out();
            if wanted(&out) {
                return out;
            }
            assert!(
                Instant::now() < limit,
                "{what} did not come: {out:#?}\n{:#?}",
                self.messages
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything so far.
    pub fn out(&self) -> Vec<Out> {
        self.out.lock().unwrap().clone()
    }

    fn collect(&mut self) {
        let bus = self.pipeline.bus().unwrap();
        while let Some(message) = bus.pop() {
            match message.view() {
                gst::MessageView::Error(error) => panic!("{} {:?}", error.error(), error.debug()),
                gst::MessageView::Element(_) => {
                    let structure = message.structure().unwrap();
                    if structure.name() == "transcript" {
                        self.messages.push(structure.to_owned());
                    }
                }
                _ => {}
            }
        }
    }

    /// The transcripts so far: partial ones and final ones in their order.
    pub fn transcripts(&mut self) -> Vec<gst::Structure> {
        self.collect();
        self.messages.clone()
    }

    /// A figure of `stats`.
    pub fn stat(&self, name: &str) -> u64 {
        let stats: gst::Structure = self.asr.property("stats");
        stats
            .get(name)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// The texts among what came out.
pub fn texts(out: &[Out]) -> Vec<String> {
    out.iter()
        .filter_map(|one| match one {
            Out::Text(text, ..) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

/// The events of that name.
pub fn events<'a>(out: &'a [Out], name: &str) -> Vec<&'a gst::Structure> {
    out.iter()
        .filter_map(|one| match one {
            Out::Event(event, structure) if event == name => Some(structure),
            _ => None,
        })
        .collect()
}
