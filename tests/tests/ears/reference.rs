// SPDX-License-Identifier: MPL-2.0

//! What the agent plays, told by the action `far-end` or heard on the pad `reference`.

use std::time::Duration;

use duplex_tests::recordings::RATE;
use duplex_tests::signal;
use gst::prelude::*;

use crate::rig::{Out, Rig, Shape, far_end, signals, time};
use crate::speech::phrase;

/// A mouth that is linked to the ear's reference pad.
struct Mouth {
    pad: gst::Pad,
    reference: gst::Pad,
}

impl Mouth {
    fn new(rig: &Rig) -> Self {
        let reference = rig.vad.request_pad_simple("reference").unwrap();
        let pad = gst::Pad::builder(gst::PadDirection::Src).build();
        pad.link(&reference).unwrap();
        pad.set_active(true).unwrap();
        let mouth = Self { pad, reference };
        mouth.begin();
        mouth
    }

    fn begin(&self) {
        self.pad.push_event(gst::event::StreamStart::new("mouth"));
        let caps = Shape::mono(22_050).info().to_caps().unwrap();
        self.pad.push_event(gst::event::Caps::new(&caps));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        self.pad.push_event(gst::event::Segment::new(&segment));
    }

    /// Plays a tone of `db` for 10 ms.
    fn play(&self, at: Duration, db: f64) -> Result<gst::FlowSuccess, gst::FlowError> {
        let peak = signal::from_db(db) * 2f32.sqrt();
        let tone: Vec<f32> = (0..220).map(|n| peak * (n as f32 * 0.3).sin()).collect();
        let mut buffer = gst::Buffer::from_slice(Shape::mono(22_050).bytes(&tone));
        buffer.make_mut().set_pts(time(at));
        self.pad.push(buffer)
    }
}

/// The phrase at 16 kHz, at −26 dBFS, with half a second of quiet around it.
fn quiet_phrase() -> Vec<f32> {
    let phrase = phrase();
    let mut all = vec![0.0; 8_000];
    all.extend(signal::resample(phrase.speech(), RATE, 16_000));
    all.extend(vec![0.0; 8_000]);
    signal::scale(&mut all, (0.05 / phrase.level) as f32);
    all
}

fn onsets(out: &[Out]) -> usize {
    signals(out)
        .iter()
        .filter(|s| s.0 == "speech-onset")
        .count()
}

#[test]
fn a_phrase_weaker_than_the_echo_can_be_is_no_onset() {
    let ms = Duration::from_millis(10);
    for way in ["silent", "action", "pad", "gate off"] {
        let properties: &[_] = match way {
            "gate off" => &[("echo-gate", "false")],
            _ => &[],
        };
        let mut rig = Rig::new(Shape::mono(16_000), properties);
        let mouth = (way == "pad").then(|| Mouth::new(&rig));
        // Its first word: in the pause after it the ear learns that nothing comes back.
        for samples in quiet_phrase()[..15_200].chunks(160) {
            match (way, &mouth) {
                _ if rig.now < Duration::from_millis(500) => {}
                ("silent", _) => rig.far_end(rig.now, ms, -90.0),
                (_, Some(mouth)) => {
                    mouth.play(rig.now, -10.0).unwrap();
                }
                _ => rig.far_end(rig.now, ms, -10.0),
            }
            rig.hear(samples);
        }
        let heard = onsets(&rig.take());
        let stats = rig.stats();
        let rejected = stats.get::<u64>("echo-rejected").unwrap();
        if matches!(way, "silent" | "gate off") {
            assert!(heard > 0 && rejected == 0, "{way}: {stats:?}");
        } else {
            assert!(heard == 0 && rejected > 10, "{way}: {stats:?}");
        }
    }
}

#[test]
fn the_gate_opens_when_the_agent_has_finished() {
    let mut rig = Rig::new(Shape::mono(16_000), &[]);
    for _ in 0..100 {
        rig.far_end(rig.now, Duration::from_millis(10), -10.0);
        rig.hear(&[0.0; 160]);
    }
    rig.take();
    rig.hear(&quiet_phrase());
    assert!(onsets(&rig.take()) > 0);
}

#[test]
fn a_reference_pad_is_an_end_of_its_own() {
    let mut rig = Rig::new(Shape::mono(16_000), &[]);
    let mouth = Mouth::new(&rig);
    rig.take();
    mouth.play(Duration::ZERO, -20.0).unwrap();
    rig.hear(&[0.0; 160]);
    // Its flush, its end, its gaps: none of them reach the stream.
    assert!(mouth.pad.push_event(gst::event::FlushStart::new()));
    assert!(mouth.pad.push_event(gst::event::FlushStop::new(true)));
    mouth.begin();
    mouth.play(Duration::from_millis(10), -20.0).unwrap();
    let gap = gst::event::Gap::builder(gst::ClockTime::ZERO).build();
    assert!(mouth.pad.push_event(gap));
    assert!(mouth.pad.push_event(gst::event::Eos::new()));
    assert_eq!(
        mouth.play(Duration::from_millis(20), -20.0),
        Err(gst::FlowError::Eos)
    );
    rig.hear(&[0.0; 160]);
    let out = rig.take();
    assert_eq!(out.len(), 2, "two buffers and nothing else: {out:?}");
    // The latency is that of the stream alone, and its formats are its own.
    *rig.latency.lock().unwrap() = Some(gst::ClockTime::from_mseconds(30));
    let mut query = gst::query::Latency::new();
    assert!(rig.downstream.peer_query(&mut query));
    assert_eq!(query.result().1, gst::ClockTime::from_mseconds(30));
    let rates = mouth.reference.query_caps(None);
    let rates = rates.structure(0).unwrap().value("rate").unwrap().clone();
    assert!(
        rates.get::<gst::IntRange<i32>>().is_ok(),
        "any rate: {rates:?}"
    );
    // The stream ends without waiting for anybody.
    assert!(rig.event(gst::event::Eos::new()));
    assert_eq!(rig.take().len(), 1);
    mouth.pad.unlink(&mouth.reference).unwrap();
    rig.vad.release_request_pad(&mouth.reference);
    assert_eq!(rig.vad.pads().len(), 2);
    // And it can be had again.
    assert!(rig.vad.request_pad_simple("reference").is_some());
}

#[test]
fn reports_never_wait_and_never_pile_up() {
    let mut rig = Rig::new(Shape::mono(16_000), &[]);
    // Many threads, a day of reports, nobody listening.
    std::thread::scope(|scope| {
        for t in 0..4u64 {
            let vad = &rig.vad;
            scope.spawn(move || {
                for n in 0..50_000u64 {
                    let at = Duration::from_millis(10 * (n * 4 + t));
                    let report = far_end(at, Duration::from_millis(10), -20.0);
                    vad.emit_by_name::<()>("far-end", &[&report]);
                }
            });
        }
    });
    rig.hear(&[0.1; 160]);
    // Nonsense is refused without harm.
    let odd = [
        gst::Structure::new_empty("far-end"),
        far_end(
            Duration::from_secs(1 << 33),
            Duration::from_secs(1 << 33),
            f64::NAN,
        ),
        far_end(Duration::ZERO, Duration::from_secs(1 << 30), f64::INFINITY),
        far_end(Duration::from_secs(5), Duration::ZERO, f64::NEG_INFINITY),
    ];
    for report in odd {
        rig.vad.emit_by_name::<()>("far-end", &[&report]);
        rig.hear(&[0.1; 160]);
    }
}

/// A foreign mouth in a pipeline: what it plays goes by a tee to the loudspeaker and to the ear,
/// whose own stream goes on, has its own latency and its own end.
#[test]
fn a_tee_feeds_the_reference_pad() {
    duplex_tests::plugins::init();
    let pipeline = gst::parse::launch(
        "audiotestsrc num-buffers=150 is-live=true samplesperbuffer=441 wave=white-noise volume=0.003 \
           ! audio/x-raw,rate=44100 ! vad name=ears ! fakesink name=on sync=true \
         audiotestsrc num-buffers=40 is-live=true samplesperbuffer=441 volume=0.5 \
           ! audio/x-raw,rate=44100 ! tee name=t ! queue ! fakesink sync=true \
         t. ! queue ! ears.reference",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let ears = pipeline.by_name("ears").unwrap();
    let heard = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = heard.clone();
    let sink = pipeline.by_name("on").unwrap().static_pad("sink").unwrap();
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let message = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(30),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        )
        .expect("both streams end");
    let stats: gst::Structure = ears.property("stats");
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    // The end of the reference is not that of what is listened to.
    assert_eq!(heard.load(std::sync::atomic::Ordering::Relaxed), 150);
    // It was heard: nothing comes back, and the ear has learned that.
    let loss: f64 = stats.get("echo-return-loss").unwrap();
    assert!(loss > 6.0, "{stats}");
}
