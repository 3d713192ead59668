// SPDX-License-Identifier: MPL-2.0

//! Models that are compared with the reference, and how they are run.

#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

pub mod case;
pub mod clause;
pub mod host;
#[path = "../../../engine/tests/parity/models.rs"]
pub mod models;

use std::path::{Path, PathBuf};

use duplex_neural::{
    backend::abi::{Backend, VERSION},
    pocket::fade_in,
};
use duplex_neural_cuda::{Failure, Model, Options, VoiceState, duplex_neural_backend};

pub use case::*;

/// The table that is exported.
pub fn table() -> &'static Backend {
    let table = duplex_neural_backend();
    assert!(!table.is_null());
    // SAFETY: it is not null, and lives as long as the library.
    let table = unsafe { &*table };
    assert_eq!(table.version, VERSION);
    table
}

/// The small models that are committed.
pub fn small() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/parity/small")
}

/// Opens the model of a case with so many slots, for steps of all of them.
pub fn open(case: &Case, device: i32, slots: usize, bf16: bool) -> Result<Model, Failure> {
    Model::open(Options {
        config: &case.config,
        weights: &case.weights,
        device,
        slots,
        max_batch: slots,
        positions: 0,
        bf16,
    })
}

/// What a model says of the texts of a case: latents and sound of each.
pub struct Said {
    /// Frame by frame.
    pub latents: Vec<Vec<f32>>,
    /// With the fade-in that a host makes.
    pub sound: Vec<Vec<f32>>,
}

/// Speaks texts, each in a slot, each begun three frames after the one before.
pub fn speak(model: &mut Model, case: &Case, texts: &[usize], slots: &[u32]) -> Said {
    const STAGGER: usize = 3;
    let voice = {
        let voice = VoiceState {
            positions: case.voice.shape.positions as usize,
            keys: &case.voice.keys,
            values: &case.voice.values,
        };
        model.add_voice(voice).unwrap()
    };
    let (latent, samples) = (model.latent(), model.frame_samples());
    let rate = model.facts().sample_rate;
    let mut said = Said {
        latents: vec![Vec::new(); texts.len()],
        sound: vec![Vec::new(); texts.len()],
    };
    for now in 0..case.frames + STAGGER * texts.len() {
        if now % STAGGER == 0 && now / STAGGER < texts.len() {
            let number = now / STAGGER;
            let tokens = &case.texts[texts[number]].tokens;
            model.admit(slots[number], tokens, voice).unwrap();
        }
        // In no order of slots.
        let busy: Vec<usize> = (0..texts.len())
            .rev()
            .filter(|number| (number * STAGGER..number * STAGGER + case.frames).contains(&now))
            .collect();
        let asked: Vec<u32> = busy.iter().map(|number| slots[*number]).collect();
        let noise: Vec<f32> = busy
            .iter()
            .flat_map(|number| {
                let at = (now - number * STAGGER) * latent;
                &case.texts[texts[*number]].noise[at..at + latent]
            })
            .copied()
            .collect();
        let mut ends = vec![0.0; busy.len()];
        let mut sound = vec![0.0; busy.len() * samples];
        model.step(&asked, &noise, &mut ends, &mut sound).unwrap();
        for (number, frame) in busy.iter().zip(sound.chunks_exact_mut(samples)) {
            if now == number * STAGGER {
                fade_in(frame, rate);
            }
            said.sound[*number].extend_from_slice(frame);
            said.latents[*number].extend(model.last_latent(slots[*number]).unwrap());
        }
    }
    for slot in slots {
        model.release(*slot).unwrap();
    }
    model.forget_voice(voice).unwrap();
    said
}

/// How far a model is from the reference: the furthest latent and sample.
pub fn compare(model: &mut Model, case: &Case, slots: &[u32]) -> (f32, f32) {
    let texts: Vec<usize> = (0..case.texts.len()).collect();
    let said = speak(model, case, &texts, slots);
    let mut worst = (0.0_f32, 0.0_f32);
    for (text, (latents, sound)) in case.texts.iter().zip(said.latents.iter().zip(&said.sound)) {
        worst.0 = worst.0.max(models::furthest(latents, &text.latents));
        let sound = &sound[..text.sound.len()];
        worst.1 = worst.1.max(models::furthest(sound, &text.sound));
    }
    worst
}
