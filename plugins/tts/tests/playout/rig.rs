// SPDX-License-Identifier: MPL-2.0

//! A pipeline of playout and a sink, with a pad of ours where the synthesizer would be.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use duplex_textpad::events::{UtteranceBegin, UtteranceEnd, Word};
use gst::prelude::*;
use gstduplextts::playout::{Config, Interrupted, Notice, element::Playout};

pub const RATE: u32 = 8_000;

/// What left playout, at its source pad.
#[derive(Clone, Debug)]
pub struct Out {
    pub pts: gst::ClockTime,
    pub duration: gst::ClockTime,
    pub discont: bool,
    /// Running time when it was pushed.
    pub at: gst::ClockTime,
    pub samples: Vec<i16>,
}

pub struct Rig {
    pub pipeline: gst::Pipeline,
    pub playout: Playout,
    pub src: gst::Pad,
    pub out: Arc<Mutex<Vec<Out>>>,
    pub notices: Arc<Mutex<Vec<Notice>>>,
    /// Frames, for the watchdog.
    pub beats: Arc<AtomicU64>,
    /// Flushes so far. Held by whoever pushes, as a stream lock is: a flush has taken place between two pushes or not.
    flushes: Mutex<u64>,
}

impl Rig {
    pub fn new(sink: &str) -> Self {
        gst::init().unwrap();
        let pipeline = gst::Pipeline::new();
        let playout = Playout::new();
        playout.set_preferred_rate(Some(RATE));
        let sink = gst::parse::bin_from_description(sink, true).unwrap();
        pipeline.add(&playout).unwrap();
        pipeline.add(&sink).unwrap();
        playout.link(&sink).unwrap();

        let out: Arc<Mutex<Vec<Out>>> = Arc::default();
        let beats: Arc<AtomicU64> = Arc::default();
        let (seen, beat, element) = (out.clone(), beats.clone(), playout.downgrade());
        let srcpad = playout.static_pad("src").unwrap();
        srcpad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let buffer = info.buffer().unwrap();
            let map = buffer.map_readable().unwrap();
            let at = element.upgrade().and_then(|e| e.current_running_time());
            beat.fetch_add(1, Ordering::Relaxed);
            seen.lock().unwrap().push(Out {
                pts: buffer.pts().unwrap(),
                duration: buffer.duration().unwrap(),
                discont: buffer.flags().contains(gst::BufferFlags::DISCONT),
                at: at.unwrap_or_default(),
                samples: map
                    .chunks_exact(2)
                    .map(|b| i16::from_le_bytes([b[0], b[1]]))
                    .collect(),
            });
            gst::PadProbeReturn::Ok
        });
        let notices: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let told = notices.clone();
        playout.set_listener(Some(Arc::new(move |notice| {
            told.lock().unwrap().push(notice)
        })));

        let src = gst::Pad::builder(gst::PadDirection::Src)
            .name("synth")
            .build();
        src.set_active(true).unwrap();
        src.link(&playout.static_pad("sink").unwrap()).unwrap();
        Self {
            pipeline,
            playout,
            src,
            out,
            notices,
            beats,
            flushes: Mutex::default(),
        }
    }

    pub fn configure(&self, change: impl FnOnce(&mut Config)) {
        let mut config = self.playout.config();
        change(&mut config);
        self.playout.set_config(config);
    }

    pub fn play(&self) {
        let change = self.pipeline.set_state(gst::State::Paused).unwrap();
        assert_eq!(
            change,
            gst::StateChangeSuccess::NoPreroll,
            "the mouth is live"
        );
        self.pipeline.set_state(gst::State::Playing).unwrap();
        let (change, state, _) = self.pipeline.state(gst::ClockTime::from_seconds(5));
        assert_eq!((change.is_ok(), state), (true, gst::State::Playing));
    }

    /// What a synthesizer sends before its first buffer.
    pub fn begin_stream(&self) {
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", "S16LE")
            .field("layout", "interleaved")
            .field("rate", RATE as i32)
            .field("channels", 1)
            .build();
        self.src.push_event(gst::event::StreamStart::new("synth"));
        self.src.push_event(gst::event::Caps::new(&caps));
    }

    /// Words of 100 ms each, a pitch of its own for each, pushed as 20 ms pieces. Stops at the first refusal and at a
    /// flush, as a synthesizer does.
    pub fn say(&self, id: &str, text: &str) -> Result<(), gst::FlowError> {
        let flushes = *self.flushes.lock().unwrap();
        let serialized = |push: &dyn Fn() -> Result<(), gst::FlowError>| {
            let now = self.flushes.lock().unwrap();
            if *now == flushes {
                push()
            } else {
                Err(gst::FlowError::Flushing)
            }
        };
        let event = |event: gst::Event| {
            serialized(&|| {
                self.src.push_event(event.clone());
                Ok(())
            })
        };
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        event(gst::event::Segment::new(&segment))?;
        self.playout.utterance_text(id, text);
        event(UtteranceBegin::new(id).to_event())?;
        let mut byte = 0;
        for (i, word) in text.split(' ').enumerate() {
            let start = gst::ClockTime::from_mseconds(100 * i as u64);
            let mark = Word {
                utterance_id: id.into(),
                text: word.into(),
                start,
                duration: 100 * gst::ClockTime::MSECOND,
                text_start: byte,
                text_end: byte + word.len() as u32,
                exact: true,
            };
            byte += word.len() as u32 + 1;
            event(mark.to_event())?;
            let samples = tone(i);
            for (piece, samples) in samples.chunks(RATE as usize / 50).enumerate() {
                let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
                let mut buffer = gst::Buffer::from_mut_slice(bytes);
                let pts = start + gst::ClockTime::from_mseconds(20 * piece as u64);
                buffer.get_mut().unwrap().set_pts(pts);
                serialized(&|| self.src.push(buffer.clone()).map(|_| ()))?;
            }
        }
        let end = UtteranceEnd {
            utterance_id: id.into(),
            samples: None,
        };
        event(end.to_event())
    }

    pub fn flush(&self) {
        self.src.push_event(gst::event::FlushStart::new());
        let mut flushes = self.flushes.lock().unwrap();
        self.src.push_event(gst::event::FlushStop::new(true));
        *flushes += 1;
    }

    /// Waits for something that must happen, at most ten seconds.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(
                Instant::now() < end,
                "{what} did not happen: {:?} {:?}",
                self.playout.stats(),
                self.notices.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[track_caller]
    pub fn wait_notice<T>(&self, what: &str, mut found: impl FnMut(&Notice) -> Option<T>) -> T {
        self.wait(what, |rig| {
            rig.notices.lock().unwrap().iter().find_map(&mut found)
        })
    }

    #[track_caller]
    pub fn wait_interrupted(&self) -> Interrupted {
        self.wait_notice("an interruption", |n| match n {
            Notice::Interrupted(report) => Some((**report).clone()),
            _ => None,
        })
    }

    #[track_caller]
    pub fn wait_word(&self, word: &str) {
        self.wait_notice(word, |n| {
            matches!(n, Notice::Word { text, .. } if **text == *word).then_some(())
        });
    }

    #[track_caller]
    pub fn wait_finished(&self, utterance: &str) {
        self.wait_notice(utterance, |n| {
            matches!(n, Notice::Finished { id, .. } if **id == *utterance).then_some(())
        });
    }

    /// Waits for EOS on the bus; an ERROR before it fails the test.
    #[track_caller]
    pub fn wait_eos(&self) {
        let message = self.pipeline.bus().unwrap().timed_pop_filtered(
            gst::ClockTime::from_seconds(10),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        );
        let message = message.expect("EOS within 10 s");
        assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    }

    pub fn out(&self) -> Vec<Out> {
        self.out.lock().unwrap().clone()
    }

    pub fn samples(&self) -> Vec<i16> {
        self.out
            .lock()
            .unwrap()
            .iter()
            .flat_map(|o| o.samples.clone())
            .collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// Word `i`: 100 ms of a square wave of 200 + 100 i Hz that is never 0.
pub fn tone(i: usize) -> Vec<i16> {
    let half = RATE as usize / (2 * (200 + 100 * i));
    (0..RATE as usize / 10)
        .map(|n| {
            if (n / half).is_multiple_of(2) {
                8_000
            } else {
                -8_000
            }
        })
        .collect()
}

/// Where `needle` stands in `hay`.
pub fn find(hay: &[i16], needle: &[i16]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}

/// Ends the process with every thread's stack where nothing has moved for 20 s: a deadlock must not look like a slow
/// machine.
pub struct Watchdog(Arc<AtomicBool>);

impl Watchdog {
    #[allow(clippy::disallowed_methods)] // A deadlocked test process cannot end in any other way.
    pub fn new(beats: Arc<AtomicU64>) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let over = done.clone();
        std::thread::spawn(move || {
            let (mut last, mut since) = (beats.load(Ordering::Relaxed), Instant::now());
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
                let now = beats.load(Ordering::Relaxed);
                if now != last {
                    (last, since) = (now, Instant::now());
                } else if since.elapsed() > Duration::from_secs(20) {
                    dump_stacks();
                    std::process::abort();
                }
            }
        });
        Self(done)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[allow(clippy::print_stderr)]
fn dump_stacks() {
    eprintln!("STUCK: no frame for 20 s; threads of this process:");
    let pid = std::process::id();
    for task in std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten()
    {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        eprintln!(
            "{:?} {} in {}",
            task.file_name(),
            read("comm").trim(),
            read("wchan")
        );
    }
    let stacks = std::process::Command::new("gdb")
        .args([
            "-batch",
            "-p",
            &pid.to_string(),
            "-ex",
            "thread apply all bt 30",
        ])
        .status();
    if stacks.is_err() {
        eprintln!("install gdb to see their stacks");
    }
}
