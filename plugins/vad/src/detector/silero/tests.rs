// SPDX-License-Identifier: MPL-2.0

#![allow(clippy::print_stdout)] // what was skipped, and why

use super::super::signals;
use super::*;

/// Written by `weights/golden.py` with ONNX Runtime.
static GOLDEN: &str = include_str!("golden.txt");

/// All the differences come from the order of additions and from the exponentials.
const TOLERANCE: f32 = 1e-5;

fn voice() -> Vec<f32> {
    signals::floats(&signals::named("voice-in-noise").unwrap())
}

fn detectors() -> Vec<Silero> {
    Isa::available().into_iter().map(Silero::with_isa).collect()
}

#[test]
fn scores_match_onnx_runtime() {
    let mut compared = 0;
    let mut skipped = 0;
    for line in GOLDEN.lines() {
        let mut fields = line.split(' ');
        let mut field = || fields.next().unwrap();
        let name = field();
        let (count, checksum): (usize, u32) = (field().parse().unwrap(), field().parse().unwrap());
        let expected: Vec<f32> = fields.map(|score| score.parse().unwrap()).collect();
        let Some(samples) = signals::named(name) else {
            skipped += 1;
            println!("SKIPPED: {name}: missing (it comes with Debian's alsa-utils)");
            continue;
        };
        if samples.len() != count || signals::checksum(&samples) != checksum {
            assert!(name.ends_with(".wav"), "{name} is not what it was");
            skipped += 1;
            println!("SKIPPED: {name}: this version of the recording differs");
            continue;
        }
        let audio = signals::floats(&samples);
        for mut detector in detectors() {
            let scores: Vec<f32> = audio
                .chunks_exact(HOP)
                .map(|hop| detector.score(hop))
                .collect();
            assert_eq!(scores.len(), expected.len());
            for (n, (score, expected)) in scores.iter().zip(&expected).enumerate() {
                assert!(
                    (score - expected).abs() <= TOLERANCE,
                    "{name}, hop {n}, {:?}: {score}, ONNX Runtime gives {expected}",
                    detector.isa
                );
            }
        }
        compared += 1;
    }
    println!("{compared} signals compared, {skipped} skipped");
    assert!(compared >= 6);
}

#[test]
fn a_fork_is_equal_and_independent() {
    let audio = voice();
    let mut original = Silero::new();
    let (past, future) = audio.split_at(20 * HOP);
    for hop in past.chunks_exact(HOP) {
        original.score(hop);
    }
    let mut fork = original.fork(past).unwrap();
    let mut other = original.fork(past).unwrap();
    for hop in past.chunks_exact(HOP) {
        other.score(hop);
    }
    for hop in future.chunks_exact(HOP) {
        assert_eq!(original.score(hop), fork.score(hop));
    }
}

#[test]
fn reset_forgets() {
    let audio = voice();
    let mut detector = Silero::new();
    let mut run = || -> Vec<f32> {
        let scores = audio
            .chunks_exact(HOP)
            .map(|hop| detector.score(hop))
            .collect();
        detector.reset();
        scores
    };
    assert_eq!(run(), run());
}

#[test]
fn whatever_comes_the_state_stays_usable() {
    let audio = voice();
    for bad in [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN_POSITIVE,
        1e-42,
        1e9,
    ] {
        for mut detector in detectors() {
            for n in 0..4 {
                let mut hop = [0.0; HOP];
                hop[n * 100..].fill(bad);
                let score = detector.score(&hop);
                assert!((0.0..=1.0).contains(&score), "{score} for {bad}");
            }
            let best = audio
                .chunks_exact(HOP)
                .map(|hop| detector.score(hop))
                .fold(0.0, f32::max);
            assert!(best > 0.7, "after {bad} a voice scores {best} at most");
        }
    }
}
