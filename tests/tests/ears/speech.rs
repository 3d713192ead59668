// SPDX-License-Identifier: MPL-2.0

//! Decisions on recorded speech, whatever the format, and whatever the stream does.

use std::time::Duration;

use duplex_tests::recordings::{self, RATE, Recording};
use duplex_tests::{process, signal};
use gst::prelude::*;
use gst_audio::AudioFormat;

use crate::rig::{Out, Rig, Shape, signals, time};

fn names(out: &[Out]) -> Vec<&'static str> {
    signals(out).iter().map(|(name, ..)| *name).collect()
}

/// "front center": a phrase of a second and a half, with a pause of 0.3 s in it.
pub fn phrase() -> Recording {
    recordings::speaker_tests().unwrap().swap_remove(0)
}

/// Half a second of quiet, the phrase, and a second of quiet, at `rate`.
fn call(rate: u32) -> (Vec<f32>, f64, f64) {
    let phrase = phrase();
    let mut all = vec![0.0; RATE as usize / 2];
    all.extend(phrase.speech());
    all.extend(vec![0.0; RATE as usize]);
    let ms = |samples: usize| 500.0 + samples as f64 * 1000.0 / f64::from(RATE);
    let end = ms(phrase.speech().len());
    (signal::resample(&all, RATE, rate), ms(0), end)
}

/// Bridges the pause in the phrase.
const BRIDGE: &[(&str, &str)] = &[("min-silence-duration", "500000000")];

const WHOLE: [&str; 3] = ["speech-onset", "speech-started", "speech-ended"];

#[test]
fn every_recording_is_one_speech() {
    let mut delays = Vec::new();
    for recording in recordings::speaker_tests().unwrap() {
        let mut rig = Rig::new(Shape::mono(RATE), BRIDGE);
        rig.hear_nothing(Duration::from_millis(500));
        let offset = 500.0 - recording.onset as f64 * 1000.0 / f64::from(RATE);
        rig.hear(&recording.samples);
        rig.hear_nothing(Duration::from_millis(1000));
        let out = signals(&rig.take());
        // Between its two words somebody may pause for longer than min-silence-duration.
        assert!(
            out.len() >= 3 && out.len().is_multiple_of(3),
            "{}: {out:?}",
            recording.name
        );
        let (_, at, onset) = out[0];
        let at = at as f64;
        delays.push(at - 500.0);
        assert!(
            (500.0..700.0).contains(&at),
            "{}: decided at {at}",
            recording.name
        );
        let onset = onset as f64;
        assert!(
            (400.0..=660.0).contains(&onset),
            "{}: onset {onset}",
            recording.name
        );
        let end = recording.end as f64 * 1000.0 / f64::from(RATE) + offset;
        let (name, ended, _) = *out.last().unwrap();
        assert_eq!(name, "speech-ended");
        let late = ended as f64 - end;
        assert!(
            (300.0..900.0).contains(&late),
            "{}: ended {late} ms after",
            recording.name
        );
    }
    delays.sort_by(f64::total_cmp);
    assert!(delays[delays.len() / 2] < 120.0, "{delays:?}");
}

#[test]
fn rates_formats_channels_and_buffers_do_not_matter() {
    let shapes = [
        (8_000, AudioFormat::S16le, 1, 80),
        (8_000, AudioFormat::U8, 1, 160),
        (11_025, AudioFormat::F32le, 2, 333),
        (16_000, AudioFormat::S16le, 1, 320),
        (16_000, AudioFormat::S32le, 2, 1),
        (22_050, AudioFormat::F64le, 3, 441),
        (44_100, AudioFormat::S16le, 2, 1024),
        (48_000, AudioFormat::F32le, 1, 48_000),
        (96_000, AudioFormat::S32le, 6, 960),
    ];
    for (rate, format, channels, frames) in shapes {
        let shape = Shape {
            format,
            rate,
            channels,
            frames,
        };
        let mut rig = Rig::new(shape, BRIDGE);
        let (samples, ..) = call(rate);
        rig.hear(&samples);
        let out = signals(&rig.take());
        let names: Vec<_> = out.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, WHOLE, "{shape:?}");
        assert!((500..650).contains(&out[0].1), "{shape:?}: {out:?}");
    }
}

#[test]
fn earshot_hears_it_too() {
    let mut rig = Rig::new(Shape::mono(16_000), &[("engine", "earshot")]);
    rig.hear(&call(16_000).0);
    let names = names(&rig.take());
    assert_eq!(names.first(), Some(&"speech-onset"));
    assert_eq!(names.last(), Some(&"speech-ended"));
}

#[test]
fn audio_passes_bit_for_bit_and_is_not_copied() {
    let shape = Shape {
        format: AudioFormat::S16le,
        rate: 44_100,
        channels: 2,
        frames: 617,
    };
    let mut rig = Rig::new(shape, BRIDGE);
    let (samples, ..) = call(44_100);
    let mut sent = Vec::new();
    for samples in samples.chunks(617) {
        let buffer = rig.buffer(samples);
        sent.push((buffer.as_ptr(), buffer.clone()));
        rig.upstream.push(sent.last().unwrap().1.clone()).unwrap();
    }
    let passed: Vec<_> = rig
        .take()
        .into_iter()
        .filter_map(|out| match out {
            Out::Buffer(buffer) => Some(buffer),
            _ => None,
        })
        .collect();
    assert_eq!(passed.len(), sent.len());
    for ((pointer, _), passed) in sent.iter().zip(&passed) {
        assert_eq!(*pointer, passed.as_ptr());
    }
}

#[test]
fn events_go_downstream_before_the_audio_that_decides() {
    let mut rig = Rig::new(Shape::mono(16_000), BRIDGE);
    rig.take();
    let (samples, _, end) = call(16_000);
    rig.hear(&samples);
    let out = rig.take();
    let mut seen = Vec::new();
    let mut last_pts = None;
    for item in &out {
        match item {
            Out::Buffer(buffer) => last_pts = buffer.pts(),
            Out::Event(event) => {
                let s = event.structure().unwrap();
                let at = s.get::<u64>("running-time").unwrap() as f64 / 1e6;
                assert_eq!(s.get::<u64>("stream-time").unwrap() as f64 / 1e6, at);
                assert!((0.0..=1.0).contains(&s.get::<f64>("probability").unwrap()));
                seen.push((s.name().to_string(), at, last_pts.unwrap().mseconds()));
            }
            Out::Signal(..) => {}
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    let onset = seen.remove(0);
    assert_eq!(
        (onset.0.as_str(), onset.1),
        ("voice/onset-of-speech", seen[0].1)
    );
    assert!(onset.2 < seen[0].2, "{onset:?}, {seen:?}");
    let started = signals(&out)[1].1;
    assert_eq!(seen[0].0, "voice/start-of-speech");
    assert!((400.0..=600.0).contains(&seen[0].1), "{seen:?}");
    // The buffer before it ends where the deciding one begins.
    assert!(seen[0].2 + 10 < started + 10, "{seen:?}");
    assert_eq!(seen[1].0, "voice/end-of-speech");
    assert!((seen[1].1 - end).abs() < 200.0, "{seen:?}, {end}");
}

/// Only the ears know whether the agent was speaking when somebody began to.
#[test]
fn events_say_whether_the_agent_was_speaking() {
    let (samples, ..) = call(16_000);
    for (agent, expected) in [(-30.0, true), (-90.0, false)] {
        let mut rig = Rig::new(Shape::mono(16_000), BRIDGE);
        rig.take();
        for piece in samples.chunks(160) {
            rig.far_end(rig.now, Duration::from_millis(10), agent);
            rig.hear(piece);
        }
        let out = rig.take();
        let told: Vec<_> = (out.iter())
            .filter_map(|item| match item {
                Out::Event(event) => event.structure(),
                _ => None,
            })
            .map(|s| (s.name().to_string(), s.get::<bool>("over-speech").ok()))
            .collect();
        let told: Vec<_> = told
            .iter()
            .map(|(name, over)| (name.as_str(), *over))
            .collect();
        assert_eq!(
            told,
            [
                ("voice/onset-of-speech", Some(expected)),
                ("voice/start-of-speech", Some(expected)),
                ("voice/end-of-speech", None),
            ]
        );
    }
}

#[test]
fn messages_say_what_the_signals_say() {
    let mut rig = Rig::new(Shape::mono(16_000), BRIDGE);
    let bus = gst::Bus::new();
    rig.vad.set_bus(Some(&bus));
    let segment = {
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        // Stream time is 10 s ahead of running time.
        segment.set_time(gst::ClockTime::from_seconds(10));
        segment
    };
    rig.segment(&segment);
    rig.hear(&call(16_000).0);
    let signals = signals(&rig.take());
    let messages: Vec<_> = bus
        .iter_filtered(&[gst::MessageType::Element])
        .map(|m| m.structure().unwrap().to_owned())
        .collect();
    assert_eq!(messages.len(), signals.len());
    for (s, (name, at, onset)) in messages.iter().zip(&signals) {
        assert_eq!(s.name(), "voice-activity");
        let (state, voice) = match *name {
            "speech-onset" => ("tentative", true),
            "speech-started" => ("started", true),
            "speech-cancelled" => ("cancelled", false),
            _ => ("ended", false),
        };
        assert_eq!(s.get::<&str>("state").unwrap(), state);
        assert_eq!(s.get::<bool>("stream-has-voice").unwrap(), voice);
        assert_eq!(s.get::<u64>("running-time").unwrap() / 1_000_000, *at);
        assert_eq!(
            s.get::<u64>("stream-time").unwrap() / 1_000_000,
            at + 10_000
        );
        assert_eq!(
            s.get::<u64>("onset-stream-time").unwrap() / 1_000_000,
            onset + 10_000
        );
        assert!(s.get::<f64>("probability").unwrap() <= 1.0);
    }
    // And none where none are wanted.
    rig.vad.set_property("post-messages", false);
    rig.hear(&call(16_000).0);
    assert_eq!(names(&rig.take()), WHOLE);
    assert!(bus.pop_filtered(&[gst::MessageType::Element]).is_none());
    rig.vad.set_bus(None);
}

/// Pushes the phrase and cuts it off in the middle of a vowel.
fn interrupted_phrase() -> Rig {
    let mut rig = Rig::new(Shape::mono(16_000), BRIDGE);
    let (samples, ..) = call(16_000);
    rig.hear(&samples[..16_000 * 9 / 10]);
    assert_eq!(names(&rig.take()), WHOLE[..2]);
    rig
}

#[test]
fn speech_ends_when_the_room_goes_quiet() {
    // Digital silence.
    let mut rig = interrupted_phrase();
    rig.hear_nothing(Duration::from_millis(650));
    assert_eq!(names(&rig.take()), WHOLE[2..]);

    // Buffers that say that they are gaps, whatever is in them.
    let mut rig = interrupted_phrase();
    for _ in 0..60 {
        let mut buffer = rig.buffer(&[0.3; 160]);
        buffer.make_mut().set_flags(gst::BufferFlags::GAP);
        rig.upstream.push(buffer).unwrap();
    }
    assert_eq!(names(&rig.take()), WHOLE[2..]);

    // GAP events.
    let rig = interrupted_phrase();
    for n in 0..60 {
        let start = time(rig.now + Duration::from_millis(10 * n));
        rig.event(
            gst::event::Gap::builder(start)
                .duration(gst::ClockTime::from_mseconds(10))
                .build(),
        );
    }
    let out = rig.take();
    assert_eq!(names(&out), WHOLE[2..]);
    let gaps = out
        .iter()
        .filter(|o| matches!(o, Out::Event(e) if e.type_() == gst::EventType::Gap));
    assert_eq!(gaps.count(), 60, "gaps pass");

    // Nothing at all, until something comes.
    let mut rig = interrupted_phrase();
    let cut = rig.now;
    rig.now += Duration::from_secs(20);
    rig.hear(&[0.0; 160]);
    let out = signals(&rig.take());
    assert_eq!(out[0].0, WHOLE[2]);
    // Dated where the silence had lasted long enough, not where it was noticed.
    assert!(u128::from(out[0].1) <= cut.as_millis() + 500, "{out:?}");

    // Nothing at all, ever.
    let rig = interrupted_phrase();
    rig.event(gst::event::Eos::new());
    let out = rig.take();
    assert_eq!(names(&out), WHOLE[2..]);
    let kinds: Vec<_> = out
        .iter()
        .filter_map(|o| match o {
            Out::Event(e) => Some(e.type_()),
            _ => None,
        })
        .collect();
    assert_eq!(
        kinds,
        [gst::EventType::CustomDownstream, gst::EventType::Eos],
        "the end of speech, then of the stream"
    );

    // The element stops.
    let rig = interrupted_phrase();
    rig.stop();
    assert_eq!(names(&rig.take()), WHOLE[2..]);
}

#[test]
fn a_flush_ends_speech_and_begins_anew() {
    let mut rig = interrupted_phrase();
    assert!(rig.event(gst::event::FlushStart::new()));
    assert!(rig.event(gst::event::FlushStop::new(true)));
    let out = rig.take();
    assert_eq!(names(&out), WHOLE[2..]);
    let events = out.iter().filter(|o| matches!(o, Out::Event(_))).count();
    assert_eq!(events, 2, "nothing but the flush goes downstream: {out:?}");
    rig.segment(&gst::FormattedSegment::new());
    rig.now = Duration::ZERO;
    rig.take();
    rig.hear(&call(16_000).0);
    let out = signals(&rig.take());
    assert_eq!(out.len(), 3);
    assert!((500..650).contains(&out[0].1), "{out:?}");
}

#[test]
fn a_new_format_does_not_end_speech() {
    let mut rig = Rig::new(Shape::mono(16_000), BRIDGE);
    let (samples, ..) = call(16_000);
    rig.hear(&samples[..16_000 * 9 / 10]);
    rig.shape = Shape {
        channels: 2,
        ..Shape::mono(48_000)
    };
    rig.caps();
    rig.hear(&call(48_000).0[48_000 * 9 / 10..]);
    let names = names(&rig.take());
    assert_eq!(names[..2], WHOLE[..2]);
    assert_eq!(names.last(), Some(&WHOLE[2]));
    assert!(!names.contains(&"speech-cancelled"), "{names:?}");
}

#[test]
fn jumps_forwards_and_backwards() {
    let (samples, ..) = call(16_000);
    let mut rig = interrupted_phrase();
    // Back to the start, as a source that loops without a segment does.
    rig.now = Duration::ZERO;
    rig.hear(&samples);
    let names = names(&rig.take());
    assert_eq!(names[0], WHOLE[2]);
    assert_eq!(names[1..], WHOLE);
    // Timestamps that tremble are no jump.
    let mut rig = Rig::new(Shape::mono(16_000), BRIDGE);
    for (n, samples) in samples.chunks(160).enumerate() {
        let mut buffer = rig.buffer(samples);
        let pts = buffer.pts().unwrap() + gst::ClockTime::from_mseconds((n % 3) as u64 * 10);
        buffer.make_mut().set_pts(pts);
        rig.upstream.push(buffer).unwrap();
    }
    assert_eq!(crate::speech::names(&rig.take()), WHOLE);
    // No timestamps at all: they are counted.
    let mut rig = Rig::new(Shape::mono(16_000), BRIDGE);
    for samples in samples.chunks(160) {
        let mut buffer = rig.buffer(samples);
        buffer.make_mut().set_pts(None);
        rig.upstream.push(buffer).unwrap();
    }
    let out = signals(&rig.take());
    assert_eq!(out.len(), 3);
    assert!((500..650).contains(&out[0].1), "{out:?}");
}

#[test]
fn audio_without_a_format_is_refused() {
    let mut rig = Rig::new(Shape::mono(16_000), BRIDGE);
    let caps = gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("rate", 4_000)
        .field("channels", 1)
        .field("layout", "interleaved")
        .build();
    // A sticky event is taken; the audio behind it is not.
    rig.event(gst::event::Caps::new(&caps));
    let buffer = rig.buffer(&[0.0; 160]);
    assert_eq!(
        rig.upstream.push(buffer),
        Err(gst::FlowError::NotNegotiated)
    );
}

/// An hour: what a stream costs does not grow, and every phrase is found.
#[test]
fn an_hour_of_speech() {
    let recordings = recordings::speaker_tests().unwrap();
    let phrases: Vec<Vec<f32>> = recordings
        .iter()
        .map(|r| {
            let mut s = signal::resample(r.speech(), RATE, 16_000);
            s.resize(4 * 16_000, 0.0);
            s
        })
        .collect();
    for engine in ["earshot", "silero"] {
        let mut rig = Rig::new(Shape::mono(16_000), &[("engine", engine)]);
        let (mut ended, mut said, mut memory) = (0, 0, 0);
        for phrase in phrases.iter().cycle().take(900) {
            // Of an agent, too.
            for n in 0..400 {
                let at = rig.now + Duration::from_millis(10) * n;
                rig.far_end(at, Duration::from_millis(10), -60.0 - f64::from(n % 7));
            }
            rig.hear(phrase);
            said += 1;
            let names = names(&rig.take());
            assert!(
                names.contains(&"speech-ended"),
                "{engine}, phrase {said}: {names:?}"
            );
            ended += names.iter().filter(|n| **n == "speech-ended").count();
            if said == 100 {
                memory = process::pss_kib();
            }
        }
        assert!(ended >= 900);
        // What other tests of this process need meanwhile is in it.
        let more = process::pss_kib().saturating_sub(memory);
        assert!(more < 100 << 10, "{engine}: {more} KiB more after an hour");
        let stats = rig.stats();
        let speech = stats.get::<u64>("speech-time").unwrap();
        let silence = stats.get::<u64>("silence-time").unwrap();
        let hour = 3_600_000_000_000u64;
        assert!((speech + silence).abs_diff(hour) < 100_000_000, "{stats:?}");
        assert_eq!(stats.get::<u64>("ended").unwrap(), ended as u64);
        assert!(stats.get::<f64>("analysis-time").unwrap() > 0.0);
        assert_eq!(stats.get::<&str>("state").unwrap(), "silence");
    }
}

/// Reports, settings and questions from other threads while audio flows.
#[test]
fn other_threads_may_report_set_and_ask_at_any_time() {
    let mut rig = Rig::new(Shape::mono(16_000), BRIDGE);
    let (samples, ..) = call(16_000);
    let done = std::sync::atomic::AtomicBool::new(false);
    let vad = rig.vad.clone();
    let ask = |f: &(dyn Fn(u64) + Sync)| {
        let mut n = 0;
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            f(n);
            n += 1;
        }
        n
    };
    std::thread::scope(|scope| {
        let report = scope.spawn(|| {
            ask(&|n| {
                let at = Duration::from_millis(10 * (n % 10_000));
                let report = crate::rig::far_end(at, Duration::from_millis(10), -80.0);
                vad.emit_by_name::<()>("far-end", &[&report]);
            })
        });
        let set = scope.spawn(|| {
            ask(&|n| {
                vad.set_property("echo-margin", (n % 20) as f64);
                vad.set_property("energy-onset", n % 2 == 0);
                vad.set_property_from_str("two-phase", ["auto", "always", "never"][n as usize % 3]);
            })
        });
        let stats = scope.spawn(|| {
            ask(&|_| {
                let stats: gst::Structure = vad.property("stats");
                let count = |name| stats.get::<u64>(name).unwrap();
                let open = u64::from(stats.get::<&str>("state").unwrap() != "silence");
                let resolved = count("cancelled") + count("ended");
                assert_eq!(count("onsets"), resolved + open, "{stats}");
            })
        });
        for _ in 0..30 {
            rig.hear(&samples);
            rig.hear_nothing(Duration::from_secs(1));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for thread in [report, set, stats] {
            assert!(thread.join().unwrap() > 0);
        }
    });
    let names = names(&rig.take());
    assert_eq!(names.iter().filter(|n| **n == "speech-started").count(), 30);
    assert_eq!(names.iter().filter(|n| **n == "speech-ended").count(), 30);
}

/// Scores come every 32 ms, and between them as well while an agent speaks.
#[test]
fn a_second_phase_scores_while_the_agent_speaks() {
    let (samples, ..) = call(16_000);
    let between = |agent: bool| {
        let mut between = 0;
        for shift in 0..16 {
            let mut rig = Rig::new(Shape::mono(16_000), &[("echo-gate", "false")]);
            let mut all = vec![0.0; 160 * 50 + shift * 77];
            all.extend(&samples);
            for samples in all.chunks(160) {
                let level = if agent { -30.0 } else { -90.0 };
                rig.far_end(rig.now, Duration::from_millis(10), level);
                rig.hear(samples);
            }
            let out = signals(&rig.take());
            let onset = out.iter().find(|s| s.0 == "speech-onset").unwrap().1;
            between += usize::from(onset % 32 != 0);
        }
        between
    };
    assert_eq!(between(false), 0);
    let between = between(true);
    assert!((3..=13).contains(&between), "{between} of 16");
}

#[test]
fn a_restart_begins_anew() {
    let mut rig = interrupted_phrase();
    let baseline = (process::threads(), process::fds());
    for _ in 0..1000 {
        rig.stop();
        rig.start();
        rig.now = Duration::ZERO;
        rig.hear(&[0.1; 160]);
    }
    // Other tests run beside this one: some threads and files are theirs.
    assert!(process::threads() < baseline.0 + 100 && process::fds() < baseline.1 + 100);
    assert_eq!(rig.stats().get::<u64>("onsets").unwrap(), 0);
    rig.stop();
    rig.start();
    rig.now = Duration::ZERO;
    rig.take();
    rig.hear(&call(16_000).0);
    let out = signals(&rig.take());
    assert_eq!(out.len(), 3);
    assert!((500..650).contains(&out[0].1), "{out:?}");
}
