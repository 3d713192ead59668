// SPDX-License-Identifier: MPL-2.0

//! Everything that can happen to a mouth, in any order and from several threads, on a clock that runs as fast as they do.
//!
//! Each utterance is one word over and over, and each word has a pitch of its own: what is heard tells whose it is.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use duplex_synthesis::tone;
use duplex_tests::random::Random;
use duplex_textpad::events::{UtteranceBegin, UtteranceEnd};
use gst::prelude::*;
use gstduplextts::playout::yields;

use crate::{
    clock::FastClock,
    line::{Line, PATIENCE},
};

const RATE: u32 = 24_000;

/// Words of different pitches. Those of the stream are not those of what is said.
fn words() -> Vec<String> {
    let mut classes = HashSet::new();
    (0..)
        .map(|n| format!("w{n}"))
        .filter(|word| classes.insert(tone::class_of_text(word)))
        .take(24)
        .collect()
}

/// A frame in which something sounds.
struct Frame {
    pts: u64,
    rate: u64,
    channels: usize,
    samples: Vec<i16>,
}

impl Frame {
    fn time(&self, sample: usize) -> u64 {
        self.pts + sample as u64 * 1_000_000_000 / self.rate
    }

    /// Which word sounds in the frame's halves, where that can be told.
    fn classes(&self) -> Vec<(Range<u64>, usize)> {
        let mono: Vec<i16> = self
            .samples
            .iter()
            .step_by(self.channels)
            .copied()
            .collect();
        let half = mono.len() / 2;
        [0..half, half..mono.len()]
            .into_iter()
            .filter_map(|part| {
                let class = tone::word_at(&mono[part.clone()], self.rate as u32)?;
                Some((self.time(part.start)..self.time(part.end), class))
            })
            .collect()
    }
}

/// What was told of an utterance that was stopped while it sounded.
struct Stop {
    class: Option<usize>,
    /// Where its last sample ended, as a timestamp.
    end: u64,
    /// Where the next utterance began.
    next: Option<u64>,
    /// Where the next with the same word began.
    again: Option<u64>,
}

type Known = HashMap<String, (Option<usize>, u64)>;

/// Compares what is told with what is heard.
#[derive(Default)]
struct Witness {
    /// The run of each utterance, and the word of those that were said: which text of the stream comes under which
    /// name is not known here, since a flush may come in between.
    known: Arc<Mutex<Known>>,
    frames: Arc<Mutex<Vec<Frame>>>,
    stopped: HashSet<String>,
    stops: Vec<Stop>,
    run: u64,
    /// The running time up to which everything was told.
    told: u64,
    /// Interruptions that hit speech.
    hits: usize,
    checked: usize,
}

impl Witness {
    fn look(&mut self, message: &gst::MessageRef) {
        if let gst::MessageView::Error(error) = message.view() {
            panic!("{}", error.error());
        }
        let Some(structure) = message.structure() else {
            return;
        };
        let name = structure.name().as_str();
        if !name.starts_with("ttssink/") {
            return;
        }
        let time = |field| structure.get::<u64>(field).unwrap();
        let id = structure.get::<String>("utterance-id").unwrap();
        let known = self.known.lock().unwrap().get(&id).copied();
        let current = known.filter(|(_, run)| *run == self.run);
        if name == "ttssink/interrupted" {
            // Told once more when all its text has come.
            if self.stopped.insert(id) && time("position") > 0 {
                self.hits += 1;
                if let Some((class, _)) = current {
                    self.stops.push(Stop {
                        class,
                        end: time("sounds-until"),
                        next: None,
                        again: None,
                    });
                }
            }
            return;
        }
        assert!(!self.stopped.contains(&id), "{structure} after its end");
        self.told = self.told.max(time("running-time"));
        if name == "ttssink/utterance-started" {
            for stop in &mut self.stops {
                stop.next.get_or_insert(time("running-time"));
                if current.is_some_and(|(class, _)| class == stop.class) {
                    stop.again.get_or_insert(time("running-time"));
                }
            }
        }
    }

    /// All that was heard since the last time.
    fn check(&mut self) {
        let frames = std::mem::take(&mut *self.frames.lock().unwrap());
        let classes: Vec<_> = frames.iter().flat_map(Frame::classes).collect();
        for stop in self.stops.drain(..) {
            // Until another begins there is silence, to the sample. At the end of a run one may have begun untold.
            let next = stop.next.unwrap_or(stop.end);
            let sample = 1_000_000_000 / u64::from(RATE);
            for frame in &frames {
                for (n, sounds) in frame.samples.chunks(frame.channels).enumerate() {
                    let at = frame.time(n);
                    assert!(
                        sounds.iter().all(|s| *s == 0)
                            || at < stop.end + sample / 2
                            || at + sample >= next,
                        "a sample at {at} after the end of a stopped utterance at {}, next at {:?}, run {}",
                        stop.end,
                        stop.next,
                        self.run
                    );
                }
            }
            // And whatever comes then is of another.
            let again = stop.again.unwrap_or(self.told);
            for (time, class) in &classes {
                assert!(
                    Some(*class) != stop.class
                        || time.start < stop.end
                        || time.end + sample >= again,
                    "the word of an utterance that was stopped until {} sounds at {time:?}, run {}",
                    stop.end,
                    self.run
                );
            }
            self.checked += 1;
        }
        self.told = 0;
    }
}

/// Records what reaches the sink.
fn record(line: &Line, frames: &Arc<Mutex<Vec<Frame>>>) {
    let sink = line.pipeline.by_name("out").unwrap();
    let frames = frames.clone();
    sink.static_pad("sink")
        .unwrap()
        .add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let buffer = info.buffer().unwrap();
            let caps = pad.current_caps().unwrap();
            let info = gst_audio::AudioInfo::from_caps(&caps).unwrap();
            let map = buffer.map_readable().unwrap();
            let samples: Vec<i16> = map
                .chunks_exact(2)
                .map(|b| i16::from_le_bytes([b[0], b[1]]))
                .collect();
            if samples.iter().any(|sample| *sample != 0) {
                frames.lock().unwrap().push(Frame {
                    pts: buffer.pts().unwrap().nseconds(),
                    rate: u64::from(info.rate()),
                    channels: info.channels() as usize,
                    samples,
                });
            }
            gst::PadProbeReturn::Ok
        });
}

/// Gives the processor away at random places of playout while it lives.
struct Yields;

impl Drop for Yields {
    fn drop(&mut self) {
        yields::set_seed(0);
    }
}

#[test]
fn two_thousand_interruptions_of_speech_among_everything_else() {
    let mut line = Line::new(&format!(
        "audiotestsrc is-live=true samplesperbuffer=441 ! testear name=ears ! fakesink \
         appsrc name=text caps=text/x-raw,format=utf8 stream-type=seekable max-bytes=2000 leaky-type=upstream \
         ! ttssink name=mouth synthesizer=\"tonetts voice=tone-text sample-rate={RATE}\" interrupted-by=ears \
         commit-duration=20000000 audio-sink=\"capsfilter name=format caps=audio/x-raw,rate={RATE} \
         ! fakesink name=out sync=true\""
    ));
    let words = words();
    let (said, written) = words.split_at(words.len() / 2);
    let mut witness = Witness::default();
    let source = line.pipeline.by_name("text").unwrap();
    let source = source.downcast::<gst_app::AppSrc>().unwrap();
    source.set_callbacks(
        gst_app::AppSrcCallbacks::builder()
            .seek_data(|_, _| true)
            .build(),
    );
    line.pipeline.set_state(gst::State::Ready).unwrap();
    record(&line, &witness.frames);
    let clock = FastClock::of(&line.pipeline);
    clock.run();
    yields::set_seed(11);
    let _yields = Yields;
    line.play();
    let ear = line.ear("ears");
    let format = line.pipeline.by_name("format").unwrap();
    let running = Arc::new(AtomicBool::new(true));
    let run = Arc::new(AtomicU64::new(0));

    // Somebody else speaks now and then.
    let hearing = {
        let (running, ear) = (running.clone(), ear.clone());
        thread::spawn(move || {
            let mut random = Random::new(3);
            while running.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_micros(random.below(40_000) as u64));
                ear.hear("speech-onset");
                thread::sleep(Duration::from_micros(random.below(1_500) as u64));
                ear.hear(["speech-cancelled", "speech-ended"][random.below(2)]);
            }
        })
    };
    // And somebody writes.
    let writing = {
        let (running, run, source) = (running.clone(), run.clone(), source.clone());
        let (known, written) = (witness.known.clone(), written.to_vec());
        thread::spawn(move || {
            let mut random = Random::new(4);
            let mut n = 0;
            while running.load(Ordering::Relaxed) {
                n += 1;
                let id = format!("answer-{n}");
                let word = &written[n % written.len()];
                let run = run.load(Ordering::SeqCst);
                known.lock().unwrap().insert(id.clone(), (None, run));
                source.send_event(UtteranceBegin::new(&id).to_event());
                for _ in 0..random.below(6) {
                    let text = format!("{word}{} ", [",", "", "."][random.below(3)]);
                    let _ = source.push_buffer(gst::Buffer::from_slice(text.into_bytes()));
                }
                if random.below(3) > 0 {
                    source.send_event(UtteranceEnd::of_text(&id).to_event());
                }
                thread::sleep(Duration::from_micros(random.below(30_000) as u64));
            }
        })
    };

    let mut random = Random::new(5);
    let bus = line.pipeline.bus().unwrap();
    let end = Instant::now() + 12 * PATIENCE;
    let mut n = 0;
    while witness.hits < 2_000 {
        assert!(Instant::now() < end, "{} hits", witness.hits);
        n += 1;
        // Something to interrupt.
        let word = &said[n % said.len()];
        let class = tone::class_of_text(word);
        let mut known = witness.known.lock().unwrap();
        if let Some(id) = line.say(&format!("{word} ").repeat(12)) {
            known.insert(id, (Some(class), witness.run));
        }
        drop(known);
        let hits = witness.hits;
        let begun = Instant::now();
        // It begins, and sounds for some frames.
        while line.stat("position") == 0 && begun.elapsed() < Duration::from_millis(10) {
            thread::sleep(Duration::from_micros(100));
        }
        thread::sleep(Duration::from_micros(random.below(1_000) as u64));
        match random.below(100) {
            0..55 => line.act("interrupt"),
            55..67 => {
                source.send_event(gst::event::FlushStart::new());
                source.send_event(gst::event::FlushStop::new(random.below(2) == 0));
            }
            67..72 => {
                // Not of the whole pipeline: its ears would begin anew at running time 0.
                line.mouth.send_event(gst::event::Seek::new(
                    1.0,
                    gst::SeekFlags::FLUSH,
                    gst::SeekType::Set,
                    gst::format::Bytes::from_u64(random.below(100) as u64),
                    gst::SeekType::None,
                    gst::format::Bytes::NONE,
                ));
            }
            72..82 => {
                ear.hear("speech-onset");
                ear.hear("speech-started");
            }
            82..86 => {
                line.act("pause");
                thread::sleep(Duration::from_micros(random.below(1_000) as u64));
                line.act(["resume", "interrupt"][random.below(2)]);
                line.act("resume");
            }
            86..91 => {
                let (rate, channels) = [(RATE, 1), (48_000, 2), (16_000, 1)][random.below(3)];
                let caps = gst::Caps::builder("audio/x-raw")
                    .field("rate", rate as i32)
                    .field("channels", channels)
                    .build();
                format.set_property("caps", caps);
                line.act("interrupt");
            }
            91..97 => {
                line.pipeline.set_state(gst::State::Paused).unwrap();
                line.act("interrupt");
                line.pipeline.set_state(gst::State::Playing).unwrap();
            }
            _ => {
                line.pipeline.set_state(gst::State::Ready).unwrap();
                // What is still told is of the run that is over.
                while let Some(message) = bus.pop() {
                    witness.look(&message);
                }
                witness.check();
                witness.run += 1;
                run.store(witness.run, Ordering::SeqCst);
                line.pipeline.set_state(gst::State::Playing).unwrap();
            }
        }
        // The interruption is told before the next one, most of the time.
        let begun = Instant::now();
        while witness.hits == hits && begun.elapsed() < Duration::from_millis(5) {
            if let Some(message) = bus.timed_pop(gst::ClockTime::from_mseconds(2)) {
                witness.look(&message);
            }
        }
        ear.hear("speech-ended");
    }
    running.store(false, Ordering::Relaxed);
    hearing.join().unwrap();
    writing.join().unwrap();
    line.pipeline.set_state(gst::State::Paused).unwrap();
    thread::sleep(Duration::from_millis(20));
    while let Some(message) = bus.pop() {
        witness.look(&message);
    }
    witness.check();
    assert!(witness.checked > 1_500, "{}", witness.checked);

    // After all that it speaks as if nothing had been.
    line.play();
    ear.hear("speech-ended");
    line.act("resume");
    line.act("interrupt");
    line.say("alpha bravo charlie");
    for word in ["alpha", "bravo", "charlie"] {
        line.expect_word(word);
    }
}
