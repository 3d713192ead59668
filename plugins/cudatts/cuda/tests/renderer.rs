// SPDX-License-Identifier: MPL-2.0

//! The small voice's sound through the table, on the CPU: as the reference's, in whatever pieces and beside whomever.

mod support;

use std::{
    path::{Path, PathBuf},
    ptr::{null, null_mut},
};

use duplex_neural::{
    backend::{
        abi::{DEVICE_CPU, RendererFacts, RendererRequest, Status},
        renderer::{Given, Renderer},
    },
    compact::{HOP, shape::CHANNELS},
};
use duplex_synthesis::Error;

use support::{
    clause::{Clause, render},
    host::told,
    models::furthest,
    table,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compact/voice")
}

fn weights() -> Vec<u8> {
    std::fs::read(folder().join("model.safetensors")).unwrap()
}

fn open(slots: usize) -> Renderer {
    Renderer::open(table(), &weights(), DEVICE_CPU, slots).unwrap()
}

/// What rounding may differ by where products have other sizes.
const ROUNDING: f32 = 1e-5;

fn loudest(sound: &[f32]) -> f32 {
    sound
        .iter()
        .fold(0.0, |loudest: f32, x| loudest.max(x.abs()))
}

#[test]
fn sound_is_that_of_the_reference_in_any_pieces() {
    let clause = Clause::open(&folder());
    let mut renderer = open(20);
    let bound = clause.bound();
    for hops in [1, 3, 4, 64] {
        // Slots side by side, few of a short stretch, and few of a long one.
        for slots in [[2, 3, 4], [6, 1, 4], [19, 0, 11]] {
            let clauses = slots.map(|slot| (slot, &clause));
            for sound in render(&mut renderer, &clauses, hops, 0.0).unwrap() {
                let furthest = furthest(&sound, &clause.samples);
                assert!(furthest < bound, "{hops} in {slots:?}: {furthest:e}");
            }
        }
    }
}

/// Nor does it count what is given of hops before the clause and behind it, nor who was in the slot before.
#[test]
fn company_changes_nothing() {
    let clauses = [1, 2, 27, 28, 61, 130].map(Clause::made);
    let mut renderer = open(9);
    let alone: Vec<Vec<f32>> = clauses
        .iter()
        .map(|clause| {
            render(&mut renderer, &[(4, clause)], 1, 0.0)
                .unwrap()
                .remove(0)
        })
        .collect();
    let slots = [7, 4, 0, 3, 8, 1];
    for (hops, outside) in [(1, 0.0), (4, 5.0), (28, -3.0), (64, 1.0)] {
        let together: Vec<_> = slots.into_iter().zip(&clauses).collect();
        let together = render(&mut renderer, &together, hops, outside).unwrap();
        for ((together, alone), clause) in together.iter().zip(&alone).zip(&clauses) {
            assert_eq!(together.len(), clause.hops() * HOP);
            let loudest = loudest(alone);
            assert!(loudest > 0.01 && loudest.is_finite(), "{loudest}");
            let furthest = furthest(together, alone);
            assert!(
                furthest < ROUNDING * loudest.max(1.0),
                "{} hops by {hops}: {furthest:e}",
                clause.hops()
            );
        }
    }
}

/// Slots that are at different hops are one call.
#[test]
fn clauses_begin_while_others_go_on() {
    let clause = Clause::made(40);
    let mut renderer = open(3);
    let late = renderer.facts().sound_late as usize;
    let right = render(&mut renderer, &[(0, &clause)], 4, 0.0)
        .unwrap()
        .remove(0);
    let mut sounds = vec![Vec::new(); 3];
    let excitation_late = renderer.facts().excitation_late as usize;
    let begun = |slot: usize| slot * 12;
    for now in (0..40 + late + begun(2)).step_by(4) {
        let mut slots = Vec::new();
        let (mut inputs, mut pulses, mut noise) = (Vec::new(), Vec::new(), Vec::new());
        for slot in (0..3).rev() {
            if now == begun(slot) {
                renderer.begin(slot, 40).unwrap();
            }
            if !(begun(slot)..begun(slot) + 40 + late).contains(&now) {
                continue;
            }
            slots.push(slot as u32);
            for hop in now - begun(slot)..now - begun(slot) + 4 {
                let give = |to: &mut Vec<f32>, from: &[f32], width: usize, late: usize| {
                    let at = hop.checked_sub(late).filter(|hop| *hop < 40);
                    match at {
                        Some(hop) => to.extend_from_slice(&from[hop * width..][..width]),
                        None => to.resize(to.len() + width, 0.0),
                    }
                };
                give(&mut inputs, &clause.inputs, CHANNELS, 0);
                give(&mut pulses, &clause.pulses, HOP, excitation_late);
                give(&mut noise, &clause.noise, HOP, excitation_late);
            }
        }
        let given = Given {
            inputs: &inputs,
            pulses: &pulses,
            noise: &noise,
        };
        let mut sound = vec![0.0; slots.len() * 4 * HOP];
        renderer.render(&slots, 4, given, &mut sound).unwrap();
        for (slot, sound) in slots.iter().zip(sound.chunks_exact(4 * HOP)) {
            sounds[*slot as usize].extend_from_slice(sound);
        }
    }
    for sound in sounds {
        let furthest = furthest(&sound[late * HOP..], &right);
        assert!(
            furthest < ROUNDING * loudest(&right).max(1.0),
            "{furthest:e}"
        );
    }
}

fn sentence<T>(answer: Result<T, Error>) -> String {
    match answer {
        Ok(_) => panic!("it did not fail"),
        Err(Error::Failed(sentence)) => sentence,
        Err(other) => panic!("{other:?}"),
    }
}

#[track_caller]
fn says(told: &str, what: &str) {
    assert!(told.contains(what), "{told:?}: {what:?}");
}

#[test]
fn what_is_wrong_with_a_call_is_said() {
    let mut renderer = open(4);
    let facts = *renderer.facts();
    assert_eq!(
        (facts.sample_rate, facts.hop_samples, facts.inputs),
        (16_000, 160, 192)
    );
    assert_eq!((facts.excitation_late, facts.sound_late), (26, 28));
    let device = facts.device.split(|byte| *byte == 0).next().unwrap();
    assert_eq!(device, b"the CPU");
    assert!(facts.bytes > 1 << 20, "{}", facts.bytes);

    let call = |renderer: &mut Renderer, slots: &[u32], hops: usize| {
        let all = slots.len() * hops;
        let given = Given {
            inputs: &vec![0.5; all * CHANNELS],
            pulses: &vec![0.5; all * HOP],
            noise: &vec![0.5; all * HOP],
        };
        let mut sound = vec![f32::NAN; all * HOP];
        renderer
            .render(slots, hops, given, &mut sound)
            .map(|()| sound)
    };
    says(
        &sentence(renderer.begin(4, 1)),
        "no slot 4: the renderer has 4",
    );
    says(&sentence(renderer.reset(9)), "no slot 9");
    says(
        &sentence(call(&mut renderer, &[0], 4)),
        "slot 0 renders nothing",
    );
    says(&sentence(call(&mut renderer, &[5], 4)), "no slot 5");
    renderer.begin(0, 10).unwrap();
    renderer.begin(1, 10).unwrap();
    says(
        &sentence(call(&mut renderer, &[0, 1, 0], 4)),
        "slot 0 is named twice",
    );
    says(
        &sentence(call(&mut renderer, &[0, 1, 0, 1, 0], 4)),
        "a call for 5 slots: 4",
    );
    says(&sentence(call(&mut renderer, &[0], 0)), "0 hops: 1 to 64");
    says(&sentence(call(&mut renderer, &[0], 65)), "65 hops: 1 to 64");
    // A call that was refused has not happened: both are where they were.
    let sound = call(&mut renderer, &[1, 0], 38).unwrap();
    assert!(sound.iter().all(|x| x.is_finite()));
    assert!(furthest(&sound[..38 * HOP], &sound[38 * HOP..]) < ROUNDING * loudest(&sound).max(1.0));
    call(&mut renderer, &[], 4).unwrap();
    renderer.reset(1).unwrap();
    renderer.reset(1).unwrap();
    says(
        &sentence(call(&mut renderer, &[1], 4)),
        "slot 1 renders nothing",
    );
    // A clause of nothing is silent, and behind the end of one nothing goes wrong.
    renderer.begin(2, 0).unwrap();
    assert_eq!(loudest(&call(&mut renderer, &[2], 64).unwrap()), 0.0);
    for _ in 0..3 {
        call(&mut renderer, &[0], 64).unwrap();
    }
    assert_eq!(loudest(&call(&mut renderer, &[0], 4).unwrap()), 0.0);

    // SAFETY: null is allowed, and refused.
    let none = told(|sentence| unsafe { (table().begin)(null_mut(), 0, 1, sentence) });
    says(&none.unwrap_err().1, "no model");
    // SAFETY: there is nothing to close.
    unsafe { (table().close_renderer)(null_mut()) };
}

#[test]
fn what_cannot_be_opened_is_said() {
    let whole = weights();
    let open = |weights: &[u8], device: i32, slots: usize| {
        Renderer::open(table(), weights, device, slots).map(drop)
    };
    says(&sentence(open(&whole, DEVICE_CPU, 0)), "at least one");
    says(&sentence(open(&whole, -2, 1)), "no device -2");
    says(
        &sentence(open(&whole[..whole.len() / 2], DEVICE_CPU, 1)),
        "is cut off",
    );
    says(&sentence(open(&[], DEVICE_CPU, 1)), "too short");
    let vectors = std::fs::read(folder().join("vectors.safetensors")).unwrap();
    says(
        &sentence(open(&vectors, DEVICE_CPU, 1)),
        "no tensor `sound.",
    );
    if cfg!(not(feature = "cuda")) {
        says(&sentence(open(&whole, 0, 1)), "built without CUDA");
    }
    let many = open(&whole, DEVICE_CPU, u32::MAX as usize).unwrap_err();
    assert!(matches!(many, Error::Unavailable(_)), "{many:?}");
    says(&many.to_string(), "fewer slots");

    let mut request = RendererRequest {
        weights: whole.as_ptr(),
        length: whole.len(),
        device: DEVICE_CPU,
        slots: 2,
        max_batch: 3,
    };
    let raw = |request: *const RendererRequest| {
        let (mut renderer, mut facts) = (null_mut(), RendererFacts::default());
        // SAFETY: all of these live through the call.
        told(|sentence| unsafe {
            (table().open_renderer)(request, &mut renderer, &mut facts, sentence)
        })
        .unwrap_err()
    };
    let (status, said) = raw(&raw const request);
    assert_eq!(status, Status::FAILED);
    says(&said, "3 of 2 slots");
    request.weights = null();
    says(&raw(&raw const request).1, "a pointer is null");
    says(&raw(null()).1, "a pointer is null");
}
