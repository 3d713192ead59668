// SPDX-License-Identifier: MPL-2.0

//! What comes before an onset, and what takes it back.

use std::time::Duration;

use duplex_tests::noise::Noise;
use duplex_tests::random::Random;
use duplex_tests::recordings::{self, RATE};
use duplex_tests::{caller::Plan, signal};
use gst::prelude::*;

use crate::rig::{Out, Rig, Shape, signals};

const FRAME: usize = RATE as usize / 100;

/// Lets an ear hear samples, while an agent speaks (`agent`) of whom nothing comes back.
fn hear(properties: &[(&str, &str)], samples: &[f32], agent: bool) -> Vec<Out> {
    let mut rig = Rig::new(Shape::mono(RATE), properties);
    for (n, samples) in (0..).zip(samples.chunks(FRAME)) {
        if agent {
            // Syllables of 200 ms.
            let level = if n / 20 % 2 == 0 { -18.0 } else { -32.0 };
            let at = Duration::from_millis(10) * n;
            rig.far_end(at, Duration::from_millis(10), level);
        }
        rig.hear(samples);
    }
    rig.take()
}

fn room(seconds: f64) -> Vec<f32> {
    let length = (seconds * f64::from(RATE)) as usize;
    let level = f64::from(signal::from_db(-50.0));
    Noise::Pink.samples(length, level, &mut Random::new(9), &[])
}

/// "Side left" begins with 150 ms of an s, which no detector of voices takes for one.
#[test]
fn an_s_is_suspected_long_before_its_vowel_is_heard() {
    let side = recordings::speaker_tests().unwrap();
    let side = side.iter().find(|r| r.text == "side left").unwrap();
    let plan = Plan::new(Duration::from_secs(8)).say(Duration::from_secs(6), side);
    let samples = plan.record().samples;
    let out = signals(&hear(&[], &samples, true));
    let names: Vec<_> = out.iter().map(|s| s.0).collect();
    assert_eq!(
        names[..3],
        ["speech-suspected", "speech-onset", "speech-started"]
    );
    let (suspected, onset) = (out[0].1, out[1].1);
    assert!((6_000..6_090).contains(&suspected), "{out:?}");
    assert!(onset >= suspected + 30, "{out:?}");
    // What the confirmation counts from is the detector's decision.
    assert!(out[2].1 >= onset + 250, "{out:?}");

    // Without the property, and while no agent speaks, the detector decides alone.
    for (properties, agent) in [(&[("energy-onset", "false")][..], true), (&[][..], false)] {
        let out = signals(&hear(properties, &samples, agent));
        assert_eq!(out[0].0, "speech-onset", "{out:?}");
        assert!(out[0].1.abs_diff(onset) <= 40, "{out:?}");
    }
}

#[test]
fn a_hiss_is_suspected_and_withdrawn_and_nobody_downstream_is_told() {
    let mut samples = room(9.0);
    let hiss = Noise::White.samples(RATE as usize / 5, 0.05, &mut Random::new(4), &[]);
    signal::add(&mut samples, &hiss, 6 * RATE as usize);
    let mut rig = Rig::new(Shape::mono(RATE), &[]);
    let bus = gst::Bus::new();
    rig.vad.set_bus(Some(&bus));
    for (n, samples) in (0..).zip(samples.chunks(FRAME)) {
        let at = Duration::from_millis(10) * n;
        rig.far_end(
            at,
            Duration::from_millis(10),
            -18.0 - f64::from(n / 20 % 2) * 14.0,
        );
        rig.hear(samples);
    }
    let out = rig.take();
    let told = signals(&out);
    let names: Vec<_> = told.iter().map(|s| s.0).collect();
    assert_eq!(names, ["speech-suspected", "speech-cancelled"], "{told:?}");
    // Neither says that there is a voice.
    for state in ["suspected", "cancelled"] {
        let message = bus.pop_filtered(&[gst::MessageType::Element]).unwrap();
        let s = message.structure().unwrap();
        assert_eq!(s.get::<&str>("state"), Ok(state));
        assert_eq!(s.get::<bool>("stream-has-voice"), Ok(false));
    }
    rig.vad.set_bus(None);
    assert!((6_020..6_050).contains(&told[0].1), "{told:?}");
    assert!(told[1].1.abs_diff(told[0].1 + 200) <= 10, "{told:?}");
    let custom =
        |out: &&Out| matches!(out, Out::Event(e) if e.type_() == gst::EventType::CustomDownstream);
    assert_eq!(out.iter().filter(custom).count(), 0);
}

/// A suspicion does not outlive the stream in which it arose.
#[test]
fn a_suspicion_ends_with_the_stream() {
    let mut samples = room(6.05);
    let hiss = Noise::White.samples(RATE as usize, 0.05, &mut Random::new(4), &[]);
    signal::add(&mut samples, &hiss, 6 * RATE as usize);
    type End = fn(&Rig);
    let ends: [End; 4] = [
        |rig| assert!(rig.event(gst::event::Eos::new())),
        |rig| {
            rig.event(gst::event::FlushStart::new());
            rig.event(gst::event::FlushStop::new(true));
        },
        |rig| {
            let gap = gst::event::Gap::builder(gst::ClockTime::from_mseconds(6050));
            assert!(rig.event(gap.duration(gst::ClockTime::from_mseconds(20)).build()));
        },
        |rig| {
            rig.vad.set_state(gst::State::Ready).unwrap();
        },
    ];
    for end in ends {
        let mut rig = Rig::new(Shape::mono(RATE), &[]);
        for (n, samples) in (0..).zip(samples.chunks(FRAME)) {
            let at = Duration::from_millis(10) * n;
            rig.far_end(
                at,
                Duration::from_millis(10),
                -18.0 - f64::from(n / 20 % 2) * 14.0,
            );
            rig.hear(samples);
        }
        let names = |out: &[Out]| signals(out).iter().map(|s| s.0).collect::<Vec<_>>();
        assert_eq!(names(&rig.take()), ["speech-suspected"]);
        end(&rig);
        assert_eq!(names(&rig.take()), ["speech-cancelled"]);
    }
}

/// Loud syllables of 130 ms are over before they count as a word, whatever the detector remembers.
#[test]
fn a_murmur_is_called_off() {
    let voices = recordings::speaker_tests().unwrap();
    let mut plan = Plan::new(Duration::from_secs(4 + 3 * voices.len() as u64));
    for (n, voice) in (0..).zip(&voices) {
        plan = plan.murmur(Duration::from_secs(4 + 3 * n), voice);
    }
    let out = signals(&hear(&[], &plan.record().samples, true));
    let mut since = None;
    let mut called_off = 0;
    for (name, at, _) in &out {
        match *name {
            "speech-onset" => since = Some(*at),
            "speech-cancelled" => {
                // In time for a mouth that commits after 250 ms.
                if let Some(since) = since.take() {
                    assert!(at - since < 250, "{out:?}");
                    called_off += 1;
                }
            }
            "speech-started" => panic!("{out:?}"),
            _ => {}
        }
    }
    assert!(called_off >= voices.len() / 2, "{out:?}");
}
