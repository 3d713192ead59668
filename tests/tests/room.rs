// SPDX-License-Identifier: MPL-2.0

//! The line of the README in a room: what the mouth plays reaches the ears, late and weaker, and
//! must not interrupt the mouth; people who speak up still do.
//!
//! Real elements, real voices, real time. The air is a thread: each 10 ms it takes what every
//! loudspeaker has played, lets it through that line's room, adds noise and the caller, and gives
//! it to the microphone. What was played is placed by its timestamps, so that the air is exact
//! also where its thread was not. Ten rooms talk for a minute at once, which makes ten minutes.

use std::time::{Duration, Instant};

use duplex_tests::{
    caller::{Caller, Plan},
    plugins,
    random::Random,
    recordings,
    room::Room,
    signal,
    watchdog::Watchdog,
};
use gst::prelude::*;

const RATE: u32 = 48_000;
const TICK: usize = RATE as usize / 100;
/// How far the air is behind the loudspeakers: buffers of 10 ms, and some time to wake up.
const BEHIND: u64 = 30_000_000;
const TALK: Duration = Duration::from_secs(62);

/// One line in its room.
struct Line {
    name: String,
    pipeline: gst::Pipeline,
    microphone: gst_app::AppSrc,
    loudspeaker: gst_app::AppSink,
    room: Room,
    /// Noise, and what the caller says.
    caller: Caller,
    /// Played, not yet in the air.
    played: Vec<f32>,
    /// How much is in the air, in samples of running time.
    position: usize,
    /// Seconds during which the loudspeaker was not silent.
    spoke: f64,
    paused: usize,
    /// Running times in seconds.
    interrupted: Vec<f64>,
}

impl Line {
    fn start(name: &str, story: &std::path::Path, room: Room, caller: Caller) -> Self {
        let line = format!(
            "vadsrc name=ears audio-source=\"appsrc name=microphone is-live=true format=time \
             caps=audio/x-raw,format=S16LE,rate={RATE},channels=1,layout=interleaved\" ! fakesink \
             filesrc location={} ! text/x-raw,format=utf8 ! \
             ttssink name=mouth synthesizer=espeaktts interrupted-by=ears \
             audio-sink=\"appsink name=loudspeaker sync=false \
             caps=audio/x-raw,format=S16LE,rate={RATE},channels=1,layout=interleaved\"",
            story.display()
        );
        let pipeline = gst::parse::launch(&line)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
            .downcast::<gst::Pipeline>()
            .unwrap();
        // The bins take in what they were given on the way to READY.
        pipeline.set_state(gst::State::Ready).unwrap();
        let named = |name| {
            pipeline
                .by_name(name)
                .unwrap_or_else(|| panic!("the line has a {name}"))
        };
        let microphone = named("microphone").downcast().unwrap();
        let loudspeaker = named("loudspeaker").downcast().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            name: name.to_owned(),
            pipeline,
            microphone,
            loudspeaker,
            room,
            caller,
            played: Vec::new(),
            position: 0,
            spoke: 0.0,
            paused: 0,
            interrupted: Vec::new(),
        }
    }

    /// Lets time pass until now.
    fn tick(&mut self) {
        while let Some(sample) = self.loudspeaker.try_pull_sample(gst::ClockTime::ZERO) {
            let buffer = sample.buffer().unwrap();
            let map = buffer.map_readable().unwrap();
            let samples = map.chunks_exact(2);
            let samples = samples.map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0);
            let at = (buffer.pts().unwrap().nseconds() * 48 + 500_000) / 1_000_000;
            let at = (at as usize).saturating_sub(self.position);
            self.played.resize(self.played.len().max(at), 0.0);
            self.played.truncate(at);
            self.played.extend(samples);
        }
        let now = self.pipeline.current_running_time();
        let now = now.map_or(0, |now| now.nseconds().saturating_sub(BEHIND));
        while (self.position + TICK) as u64 * 1_000_000 <= now * 48 {
            self.hear();
        }
        self.listen();
    }

    /// The next 10 ms of the microphone, delivered once their last sample is in the air.
    fn hear(&mut self) {
        let ready = self.played.len().min(TICK);
        let mut playing: Vec<f32> = self.played.drain(..ready).collect();
        playing.resize(TICK, 0.0);
        if signal::to_db(signal::rms(&playing)) > -50.0 {
            self.spoke += 0.01;
        }
        let mut heard = self.room.hear(&playing);
        let caller = &self.caller.samples;
        let from = self.position.min(caller.len());
        let to = (from + TICK).min(caller.len());
        signal::add(&mut heard, &caller[from..to], 0);
        let pts = gst::ClockTime::from_mseconds((self.position / 48) as u64);
        self.position += TICK;

        let bytes: Vec<u8> = signal::to_s16(&heard)
            .into_iter()
            .flat_map(i16::to_le_bytes)
            .collect();
        let mut buffer = gst::Buffer::from_slice(bytes);
        let buffer_mut = buffer.get_mut().unwrap();
        buffer_mut.set_pts(pts);
        buffer_mut.set_duration(gst::ClockTime::from_mseconds(10));
        self.microphone.push_buffer(buffer).unwrap();
    }

    /// What the line says of itself.
    fn listen(&mut self) {
        let bus = self.pipeline.bus().unwrap();
        while let Some(message) = bus.pop() {
            match message.view() {
                gst::MessageView::Error(e) => {
                    panic!("{}: {} {:?}", self.name, e.error(), e.debug())
                }
                gst::MessageView::Element(e) => {
                    let Some(structure) = e.structure() else {
                        continue;
                    };
                    match structure.name().as_str() {
                        "ttssink/paused" => self.paused += 1,
                        "ttssink/interrupted" => {
                            let at: u64 = structure.get("decided-at").unwrap();
                            self.interrupted.push(at as f64 / 1e9);
                        }
                        _ => (),
                    }
                }
                _ => (),
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// About two minutes of English, different for each seed.
fn story(seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut any = |words: &[&'static str]| words[random.below(words.len())];
    let mut text = String::new();
    for _ in 0..45 {
        text += any(&["The old", "A small", "Every", "That quiet", "Our last"]);
        text += any(&[
            " boat", " garden", " railway", " winter", " letter", " teacher",
        ]);
        text += any(&[
            " waited near",
            " remembered",
            " turned towards",
            " followed",
        ]);
        text += any(&[
            " the harbour",
            " seven bridges",
            " a yellow house",
            " the road",
        ]);
        text += any(&[", and nobody", ", while the rain", ", because her brother"]);
        text += any(&[" spoke about it", " came back in time", " kept the key"]);
        text += any(&[". ", "! ", "? ", ". "]);
    }
    text
}

#[test]
fn the_agent_never_interrupts_itself_and_callers_always_do() {
    plugins::init();
    let _watchdog = Watchdog::new("rooms", TALK * 3);
    let folder = plugins::temporary("room").unwrap();
    let speech = recordings::speaker_tests().unwrap();

    let rooms = [
        (5.0, -10.0),
        (20.0, -10.0),
        (60.0, -10.0),
        (150.0, -10.0),
        (5.0, -20.0),
        (40.0, -20.0),
        (100.0, -20.0),
        (150.0, -20.0),
        (20.0, -30.0),
        (80.0, -30.0),
    ];
    let mut lines = Vec::new();
    let mut line = |name: String, room: Room, caller: Caller| {
        let path = folder.join(format!("story-{}.txt", lines.len()));
        std::fs::write(&path, story(lines.len() as u64 + 1)).unwrap();
        lines.push(Line::start(&name, &path, room, caller));
    };
    for (n, (delay, echo)) in rooms.iter().enumerate() {
        let plan = Plan {
            snr_db: 30.0,
            seed: n as u64 + 1,
            ..Plan::new(TALK)
        };
        let room = Room::living(RATE, *delay, *echo);
        line(format!("{delay} ms, {echo} dB"), room, plan.record());
    }
    let alone = rooms.len();
    // Callers in four of the rooms: each speaks up once the agent has talked for some seconds. The
    // gate lets through what is 6 dB above the echo: where that is loud (−27 dBFS at −10 dB), so
    // must the caller be. Echo cancellation is the remedy for those who are not.
    let callers = [
        (rooms[1], -16.0),
        (rooms[3], -16.0),
        (rooms[5], -26.0),
        (rooms[8], -26.0),
    ];
    for (n, ((delay, echo), speech_db)) in callers.iter().enumerate() {
        let at = Duration::from_millis(6_000 + 1_370 * n as u64);
        let plan = Plan {
            speech_db: *speech_db,
            snr_db: 30.0,
            ..Plan::new(TALK)
        };
        let plan = plan
            .say(at, &speech[n])
            .say(at + Duration::from_secs(2), &speech[n + 4]);
        let room = Room::living(RATE, *delay, *echo);
        line(
            format!("{delay} ms, {echo} dB, with a caller"),
            room,
            plan.record(),
        );
    }

    let begin = Instant::now();
    let mut ticks = 0u32;
    while begin.elapsed() < TALK {
        let due = begin + Duration::from_millis(10) * ticks;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        for line in &mut lines {
            line.tick();
        }
        ticks += 1;
    }

    for line in &lines {
        println!(
            "{}: spoke {:.1} s, {} tentative pauses, interrupted at {:.2?}",
            line.name, line.spoke, line.paused, line.interrupted
        );
    }
    let talked: f64 = lines[..alone].iter().map(|line| line.spoke).sum();
    assert!(
        talked > 0.6 * TALK.as_secs_f64() * alone as f64,
        "{talked} s"
    );
    for line in &lines[..alone] {
        assert_eq!(line.interrupted, [] as [f64; 0], "{}", line.name);
        // What noise alone may do in a minute, an echo may do too: pause, and go on with no word lost.
        assert!(line.paused <= 2, "{}: {} pauses", line.name, line.paused);
    }
    // In ten minutes all together.
    let paused: usize = lines[..alone].iter().map(|line| line.paused).sum();
    assert!(paused <= 5, "{paused} pauses");
    for line in &lines[alone..] {
        let label = &line.caller.labels[0];
        let first = line.interrupted.first().unwrap_or(&f64::INFINITY);
        assert!(
            (label.start..label.start + 1.5).contains(first),
            "{}: spoke up at {:.2} s, interrupted at {first:.2} s",
            line.name,
            label.start
        );
    }
    drop(lines);
    std::fs::remove_dir_all(folder).unwrap();
}
