// SPDX-License-Identifier: MPL-2.0

//! What runs on a machine with a card, to which only files were carried: `gpu-check LIBRARY FOLDER [MODEL]`.
//!
//! LIBRARY is what `make cuda` built, FOLDER the one that `make gpu-check` packs. The library is loaded as a host loads it; sound is
//! compared with the committed vectors of the reference, then times are measured, with MODEL (config.yaml, model.safetensors,
//! voice.safetensors) or, without one, with weights of the published English shapes that a formula makes. Ends with 1 where
//! something is wrong and with 2 where there is no card to ask.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to a person"
)]

#[allow(dead_code, reason = "tests use more of it")]
#[path = "../../tests/support/case.rs"]
mod case;
#[allow(dead_code, reason = "likewise")]
#[path = "../../tests/support/clause.rs"]
mod clause;
#[allow(dead_code, reason = "likewise")]
#[path = "../../tests/support/host.rs"]
mod host;
#[path = "../../../engine/tests/parity/models.rs"]
mod models;
mod rows;
mod small;

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};

use duplex_neural::{
    backend::abi::{Backend, Entry, PRECISION_BF16, PRECISION_F32, SYMBOL, VERSION},
    pocket::fade_in,
};

use case::{BF16_BOUND, Case, SOUND_BOUND, share};
use host::{Ask, Host};

/// Rows of a step side by side, of a short stretch of slots and of a long one.
const PLACES: [[u32; 3]; 3] = [[2, 3, 4], [6, 1, 4], [19, 0, 11]];

/// The card's number, as `DUPLEX_DEVICE` says; −1 is the CPU, to try this without one.
fn card() -> i32 {
    let named = std::env::var("DUPLEX_DEVICE").ok();
    named.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (library, folder, model) = match arguments.as_slice() {
        [library, folder] => (library, folder, None),
        [library, folder, model] => (library, folder, Some(model.as_path())),
        _ => {
            eprintln!("gpu-check LIBRARY FOLDER [MODEL]");
            return ExitCode::from(1);
        }
    };
    let table = match load(library) {
        Ok(table) => table,
        Err(why) => {
            eprintln!("gpu-check: {} cannot be loaded: {why}", library.display());
            return ExitCode::from(2);
        }
    };
    let compact = folder.join("compact");
    let checked = parity(table, &folder.join("small")).and_then(|right| {
        let right = right & small::parity(table, &compact)?;
        rows::measure(table, &folder.join("english"), model)?;
        small::measure(table, &compact)?;
        Ok(right)
    });
    match checked {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("gpu-check: sound is not that of the reference");
            ExitCode::from(1)
        }
        Err(why) => {
            eprintln!("gpu-check: {why}");
            ExitCode::from(1)
        }
    }
}

fn load(library: &Path) -> Result<&'static Backend, Box<dyn Error>> {
    // SAFETY: it is the library that `make cuda` built, and is never unloaded.
    let library = Box::leak(Box::new(unsafe { libloading::Library::new(library) }?));
    // SAFETY: the symbol is of this type.
    let entry = unsafe { library.get::<Entry>(SYMBOL.to_bytes_with_nul()) }?;
    // SAFETY: it takes nothing, and what it gives lives as long as the library.
    let table = unsafe { entry().as_ref() }.ok_or("its table is null")?;
    match table.version {
        VERSION => Ok(table),
        other => Err(format!("its table has version {other}, and {VERSION} is needed").into()),
    }
}

fn told<T>(answer: host::Answer<T>) -> Result<T, Box<dyn Error>> {
    answer.map_err(|(status, sentence)| format!("{sentence} ({status:?})").into())
}

/// Whether sound of all small models is the reference's.
fn parity(table: &'static Backend, small: &Path) -> Result<bool, Box<dyn Error>> {
    let mut right = true;
    println!(
        "| model | slots | furthest sample at f32 (bound {SOUND_BOUND:.0e}) | error of bf16, of the sound's RMS (bound {BF16_BOUND}) |"
    );
    println!("|---|---|---|---|");
    for case in Case::all(small) {
        let open = |precision| {
            let ask = Ask {
                device: card(),
                slots: 20,
                max_batch: 20,
                positions: 0,
                precision,
            };
            told(Host::open(table, &case.config, &case.weights, ask))
        };
        let mut exact = open(PRECISION_F32)?;
        let mut half = open(PRECISION_BF16)?;
        for slots in PLACES {
            let (mut furthest, mut error) = (0.0_f32, 0.0_f32);
            let said = (
                speak(&mut exact, &case, slots)?,
                speak(&mut half, &case, slots)?,
            );
            for ((text, exact), half) in case.texts.iter().zip(&said.0).zip(&said.1) {
                let count = text.sound.len();
                furthest = furthest.max(models::furthest(&exact[..count], &text.sound));
                error = error.max(share(&half[..count], &text.sound));
            }
            println!(
                "| {} | {slots:?} | {furthest:.1e} | {error:.4} |",
                case.name
            );
            right &= furthest < SOUND_BOUND && error < BF16_BOUND;
        }
    }
    Ok(right)
}

/// The sound of all texts of a case, each begun three frames after the one before.
fn speak(host: &mut Host, case: &Case, slots: [u32; 3]) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    const STAGGER: usize = 3;
    let voice = told(host.voice(&case.voice.shape))?;
    let (latent, samples) = (
        host.facts.latent as usize,
        host.facts.frame_samples as usize,
    );
    let mut sound = vec![Vec::new(); slots.len()];
    for now in 0..case.frames + STAGGER * slots.len() {
        let begun = |number: usize| number * STAGGER;
        if let Some(number) = (0..slots.len()).find(|number| begun(*number) == now) {
            told(host.admit(slots[number], &case.texts[number].tokens, voice))?;
        }
        let busy: Vec<usize> = (0..slots.len())
            .rev()
            .filter(|number| (begun(*number)..begun(*number) + case.frames).contains(&now))
            .collect();
        let noise: Vec<f32> = busy
            .iter()
            .flat_map(|number| {
                let at = (now - begun(*number)) * latent;
                &case.texts[*number].noise[at..at + latent]
            })
            .copied()
            .collect();
        let asked: Vec<u32> = busy.iter().map(|number| slots[*number]).collect();
        let (_, mut made) = told(host.step(&asked, &noise))?;
        for (number, frame) in busy.iter().zip(made.chunks_exact_mut(samples)) {
            if now == begun(*number) {
                fade_in(frame, host.facts.sample_rate);
            }
            sound[*number].extend_from_slice(frame);
        }
    }
    for slot in slots {
        told(host.release(slot))?;
    }
    told(host.forget_voice(voice))?;
    Ok(sound)
}
