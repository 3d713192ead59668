// SPDX-License-Identifier: MPL-2.0

//! `mode=gate`: speech passes, the rest becomes GAPs of the same extent.

use std::time::Duration;

use duplex_tests::recordings::RATE;
use duplex_tests::signal;
use gst::prelude::*;

use crate::rig::{Out, Rig, Shape, signals};
use crate::speech::phrase;

const GATE: &[(&str, &str)] = &[
    ("mode", "gate"),
    ("prefix-padding", "150000000"),
    ("min-silence-duration", "500000000"),
];

/// Checks that what left covers the time from 0 without a hole, and gives what passed:
/// (start, end) in ms of each stretch of audio, and the bytes.
fn passed(out: &[Out], rate: u64) -> (Vec<(u64, u64)>, Vec<u8>) {
    let (mut at, mut stretches, mut bytes) = (0u64, Vec::<(u64, u64)>::new(), Vec::new());
    let mut after_gap = false;
    for item in out {
        match item {
            Out::Buffer(buffer) => {
                let pts = buffer.pts().unwrap().nseconds();
                assert!(pts.abs_diff(at) < 1000, "hole at {at}: {pts}");
                let frames = buffer.size() as u64 / 2;
                let duration = buffer.duration().unwrap().nseconds();
                assert!(duration.abs_diff(frames * 1_000_000_000 / rate) < 100_000);
                let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);
                if after_gap {
                    assert!(discont && buffer.flags().contains(gst::BufferFlags::RESYNC));
                    stretches.push((pts / 1_000_000, 0));
                } else if stretches.is_empty() {
                    stretches.push((pts / 1_000_000, 0));
                }
                after_gap = false;
                at = pts + duration;
                stretches.last_mut().unwrap().1 = at / 1_000_000;
                bytes.extend_from_slice(&buffer.map_readable().unwrap());
            }
            Out::Event(event) => {
                if let gst::EventView::Gap(gap) = event.view() {
                    let (start, duration) = gap.get();
                    assert!(
                        start.nseconds().abs_diff(at) < 1000,
                        "hole at {at}: {start}"
                    );
                    at = (start + duration.unwrap()).nseconds();
                    after_gap = true;
                }
            }
            Out::Signal(..) => {}
        }
    }
    (stretches, bytes)
}

#[test]
fn only_speech_passes_with_what_was_before_it() {
    for frames in [160, 441, 1600, 48_000] {
        let shape = Shape {
            frames,
            ..Shape::mono(16_000)
        };
        let mut rig = Rig::new(shape, GATE);
        let speech = signal::resample(phrase().speech(), RATE, 16_000);
        let mut samples = vec![0.0; 16_000 * 2];
        samples.extend(&speech);
        samples.extend(vec![0.0; 16_000 * 2]);
        let end = 2000 + speech.len() as u64 / 16;
        rig.hear(&samples);
        rig.event(gst::event::Eos::new());
        let out = rig.take();
        let decisions = signals(&out);
        assert_eq!(decisions.len(), 3, "{decisions:?}");
        let onset = decisions[0].2;
        let (stretches, bytes) = passed(&out, 16_000);
        assert_eq!(stretches.len(), 1, "{frames}: {stretches:?}");
        let (from, to) = stretches[0];
        assert!(
            from.abs_diff(onset - 150) <= 1,
            "{frames}: {from} for {onset}"
        );
        assert!(
            (end + 300..end + 900).contains(&to),
            "{frames}: {to} for {end}"
        );
        // Not a sample is changed.
        let sent = shape.bytes(&samples);
        let at = sent
            .windows(bytes.len())
            .position(|window| window == bytes)
            .expect("what passed is a part of what was sent");
        assert_eq!(at as u64 / 32, from, "{frames}");
        // Start, audio, end: in this order.
        let order: Vec<_> = out
            .iter()
            .filter_map(|item| match item {
                Out::Buffer(_) => Some("audio".to_string()),
                Out::Event(e) if e.type_() == gst::EventType::CustomDownstream => {
                    Some(e.structure().unwrap().name().to_string())
                }
                Out::Event(e) if e.type_() == gst::EventType::Eos => Some("eos".into()),
                _ => None,
            })
            .collect();
        let mut order = order;
        order.dedup();
        let expected = [
            "voice/onset-of-speech",
            "voice/start-of-speech",
            "audio",
            "voice/end-of-speech",
            "eos",
        ];
        assert_eq!(order, expected, "{frames}");
    }
}

#[test]
fn a_noise_does_not_pass() {
    let mut rig = Rig::new(Shape::mono(16_000), GATE);
    let speech = signal::resample(phrase().speech(), RATE, 16_000);
    rig.hear_nothing(Duration::from_secs(1));
    // Too short to be confirmed.
    rig.hear(&speech[1600..4000]);
    rig.hear_nothing(Duration::from_secs(2));
    rig.event(gst::event::Eos::new());
    let out = rig.take();
    let names: Vec<_> = signals(&out).iter().map(|s| s.0).collect();
    assert_eq!(names, ["speech-onset", "speech-cancelled"]);
    let (stretches, _) = passed(&out, 16_000);
    assert!(stretches.is_empty(), "{stretches:?}");
}

#[test]
fn the_wait_is_reported_as_latency() {
    for (properties, expected) in [(&[][..], 0), (GATE, 150 + 200 + 250 + 64 + 32)] {
        let rig = Rig::new(Shape::mono(16_000), properties);
        *rig.latency.lock().unwrap() = Some(gst::ClockTime::from_mseconds(10));
        let mut query = gst::query::Latency::new();
        assert!(rig.downstream.peer_query(&mut query));
        let (live, min, max) = query.result();
        assert!(live && max.is_none());
        assert_eq!(min.mseconds(), 10 + expected);
    }
}

/// However long speech takes to be confirmed, it leaves no later than the latency says.
#[test]
fn nothing_leaves_later_than_the_latency_says() {
    let mut rig = Rig::new(Shape::mono(16_000), GATE);
    let mut query = gst::query::Latency::new();
    // Without an upstream that answers there is none to add to.
    assert!(!rig.downstream.peer_query(&mut query));
    let latency = 150 + 200 + 250 + 64 + 32;
    let recordings = duplex_tests::recordings::speaker_tests().unwrap();
    let mut samples = Vec::new();
    for recording in &recordings {
        samples.extend(signal::resample(&recording.samples, RATE, 16_000));
        samples.extend(vec![0.0; 16_000]);
    }
    let mut latest = 0;
    for part in samples.chunks(160) {
        rig.hear(part);
        let now = rig.now.as_millis() as u64;
        for item in rig.take() {
            let pts = match item {
                Out::Buffer(buffer) => buffer.pts().unwrap(),
                _ => continue,
            };
            // Whoever pushes 10 ms at their end has spent 10 of upstream's own.
            latest = latest.max((now - 10).saturating_sub(pts.mseconds()));
        }
    }
    assert!(latest <= latency, "{latest} ms");
    assert!(
        latest > latency / 2,
        "{latest} ms: more is promised than is needed"
    );
}

/// How many milliseconds of audio and of gaps have left.
fn extent(out: &[Out]) -> u64 {
    let durations = out.iter().filter_map(|item| match item {
        Out::Buffer(buffer) => buffer.duration(),
        Out::Event(event) => match event.view() {
            gst::EventView::Gap(gap) => gap.get().1,
            _ => None,
        },
        Out::Signal(..) => None,
    });
    let whole: gst::ClockTime = durations.fold(gst::ClockTime::ZERO, |sum, d| sum + d);
    (whole.nseconds() + 500_000) / 1_000_000
}

fn custom(out: &[Out]) -> Vec<String> {
    out.iter()
        .filter_map(|item| match item {
            Out::Event(e) if e.type_() == gst::EventType::CustomDownstream => {
                Some(e.structure().unwrap().name().to_string())
            }
            _ => None,
        })
        .collect()
}

/// A second of silence, then speech that is confirmed and goes on.
fn speech_begins() -> Vec<f32> {
    let speech = signal::resample(phrase().speech(), RATE, 16_000);
    let mut samples = vec![0.0; 16_000];
    samples.extend(&speech[..speech.len() / 160 * 160]);
    samples
}

/// A source that starts over without a flush: what waited leaves, and what comes is not held until
/// the old time is reached again.
#[test]
fn a_jump_back_lets_go_of_what_waits() {
    let mut rig = Rig::new(Shape::mono(16_000), GATE);
    let samples = speech_begins();
    let length = samples.len() as u64 / 16;
    rig.hear_nothing(Duration::from_secs(60));
    rig.hear(&samples);
    let mut out = rig.take();
    rig.now = Duration::ZERO;
    rig.hear(&samples[..160]);
    out.extend(rig.take());
    assert_eq!(extent(&out), 60_000 + length);
    assert_eq!(
        custom(&out),
        [
            "voice/onset-of-speech",
            "voice/start-of-speech",
            "voice/end-of-speech"
        ],
        "the speech before the jump ends with it"
    );
    rig.hear(&samples[160..]);
    rig.hear_nothing(Duration::from_secs(2));
    let out = rig.take();
    assert_eq!(
        custom(&out),
        [
            "voice/onset-of-speech",
            "voice/start-of-speech",
            "voice/end-of-speech"
        ]
    );
    let waits = 150 + 200 + 250 + 64 + 32;
    // Whole buffers wait.
    assert!(
        extent(&out) + 10 >= length + 2000 - waits,
        "{} of {}",
        extent(&out),
        length + 2000
    );

    // The same by a gap in silence.
    rig.now = Duration::ZERO;
    rig.hear_nothing(Duration::from_millis(100));
    assert!(rig.event(gst::event::Gap::builder(gst::ClockTime::ZERO).build()));
    let rest = extent(&rig.take());
    assert_eq!(rest, length + 2100 - extent(&out));
}

#[test]
fn a_flush_forgets_what_waits_and_gates_again() {
    let mut rig = Rig::new(Shape::mono(16_000), GATE);
    let samples = speech_begins();
    rig.hear(&samples);
    rig.event(gst::event::FlushStart::new());
    rig.event(gst::event::FlushStop::new(true));
    rig.segment(&gst::FormattedSegment::<gst::ClockTime>::new());
    let names: Vec<_> = signals(&rig.take()).iter().map(|s| s.0).collect();
    assert_eq!(names.last(), Some(&"speech-ended"));
    rig.now = Duration::ZERO;
    rig.hear(&samples);
    rig.hear_nothing(Duration::from_secs(2));
    rig.event(gst::event::Eos::new());
    let out = rig.take();
    let (stretches, _) = passed(&out, 16_000);
    assert_eq!(stretches.len(), 1, "{stretches:?}");
    assert_eq!(extent(&out), samples.len() as u64 / 16 + 2000);
}

/// New caps keep their place among what waits.
#[test]
fn a_change_of_format_waits_its_turn() {
    let mut rig = Rig::new(Shape::mono(16_000), GATE);
    let samples = speech_begins();
    rig.hear(&samples);
    rig.shape = Shape::mono(8_000);
    rig.caps();
    let before = rig.now;
    let quieter: Vec<f32> = samples.iter().step_by(2).copied().collect();
    rig.hear(&quieter[8_000..]);
    rig.hear_nothing(Duration::from_secs(1));
    rig.event(gst::event::Eos::new());
    let out = rig.take();
    assert_eq!(extent(&out), rig.now.as_millis() as u64);
    let mut rate = 0;
    for item in &out {
        match item {
            Out::Event(event) => {
                if let gst::EventView::Caps(caps) = event.view() {
                    rate = gst_audio::AudioInfo::from_caps(caps.caps()).unwrap().rate();
                }
            }
            Out::Buffer(buffer) => {
                let late = buffer.pts().unwrap().nseconds() as u128 >= before.as_nanos();
                assert_eq!(rate, if late { 8_000 } else { 16_000 }, "{buffer:?}");
            }
            Out::Signal(..) => {}
        }
    }
    assert_eq!(rate, 8_000);
}

/// Gaps alone flow on; audio that waits before them does not wait longer for that.
#[test]
fn gaps_alone_flow_on() {
    let mut rig = Rig::new(Shape::mono(16_000), GATE);
    rig.hear_nothing(Duration::from_millis(300));
    for n in 0..500u64 {
        let gap = gst::event::Gap::builder(gst::ClockTime::from_mseconds(300 + 20 * n))
            .duration(gst::ClockTime::from_mseconds(20))
            .build();
        assert!(rig.event(gap));
    }
    let out = rig.take();
    assert!(signals(&out).is_empty());
    let waits = 150 + 200 + 250 + 64 + 32;
    assert!(extent(&out) + 10 >= 10_300 - waits, "{} ms", extent(&out));
    rig.event(gst::event::Eos::new());
    assert_eq!(extent(&out) + extent(&rig.take()), 10_300);
}
