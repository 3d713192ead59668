// SPDX-License-Identifier: MPL-2.0

//! A clause of the small voice as the reference renders it, and how a renderer is given it.

use std::{error::Error, path::Path};

use duplex_neural::{
    Weights,
    backend::renderer::{Given, Renderer},
    compact::{HOP, shape::CHANNELS},
};

/// What samples may differ by, of numbers about 1.
pub const RENDERED_BOUND: f32 = 1e-4;

/// A clause.
#[derive(Clone)]
pub struct Clause {
    /// Of each hop.
    pub inputs: Vec<f32>,
    /// Likewise.
    pub pulses: Vec<f32>,
    /// Likewise.
    pub noise: Vec<f32>,
    /// What comes out.
    pub samples: Vec<f32>,
}

impl Clause {
    /// The vectors' in a folder.
    pub fn open(folder: &Path) -> Self {
        let vectors = Weights::open(&folder.join("vectors.safetensors")).unwrap();
        let get = |name: &str| {
            let name = format!("clause.{name}");
            let shape = vectors.shape(&name).unwrap().to_vec();
            vectors.get(&name, &shape).unwrap()
        };
        Self {
            inputs: get("inputs"),
            pulses: get("pulses"),
            noise: get("noise"),
            samples: get("samples"),
        }
    }

    /// So many hops of numbers from −1 to 1 that nobody has rendered.
    pub fn made(hops: usize) -> Self {
        let numbers = |name: &str, width: usize| super::models::uniform(name, hops * width);
        Self {
            inputs: numbers("inputs", CHANNELS),
            pulses: numbers("pulses", HOP),
            noise: numbers("noise", HOP),
            samples: Vec::new(),
        }
    }

    /// What its samples may differ by from the reference's.
    pub fn bound(&self) -> f32 {
        let loudest = |loudest: f32, x: &f32| loudest.max(x.abs());
        RENDERED_BOUND * self.samples.iter().fold(1.0, loudest)
    }

    /// Hops of it.
    pub fn hops(&self) -> usize {
        self.pulses.len() / HOP
    }
}

/// Renders clauses at once, each in its slot, by so many hops a call. What lies outside of them is given as `outside`.
pub fn render(
    renderer: &mut Renderer,
    clauses: &[(u32, &Clause)],
    hops: usize,
    outside: f32,
) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    let facts = *renderer.facts();
    let sound_late = facts.sound_late as usize;
    let longest = clauses.iter().map(|(_, clause)| clause.hops()).max();
    let slots: Vec<u32> = clauses.iter().map(|(slot, _)| *slot).collect();
    for (slot, clause) in clauses {
        renderer.begin(*slot as usize, clause.hops())?;
    }
    let mut sounds = vec![Vec::new(); clauses.len()];
    let (mut inputs, mut pulses, mut noise) = (Vec::new(), Vec::new(), Vec::new());
    let mut sound = vec![0.0; clauses.len() * hops * HOP];
    for call in 0..(longest.unwrap_or(0) + sound_late).div_ceil(hops) {
        for numbers in [&mut inputs, &mut pulses, &mut noise] {
            numbers.clear();
        }
        for (_, clause) in clauses {
            let give = |to: &mut Vec<f32>, from: &[f32], width: usize, late: usize| {
                for hop in call * hops..(call + 1) * hops {
                    let of_clause = hop
                        .checked_sub(late)
                        .and_then(|hop| from.get(hop * width..(hop + 1) * width));
                    match of_clause {
                        Some(numbers) => to.extend_from_slice(numbers),
                        None => to.resize(to.len() + width, outside),
                    }
                }
            };
            let late = facts.excitation_late as usize;
            give(&mut inputs, &clause.inputs, CHANNELS, 0);
            give(&mut pulses, &clause.pulses, HOP, late);
            give(&mut noise, &clause.noise, HOP, late);
        }
        let given = Given {
            inputs: &inputs,
            pulses: &pulses,
            noise: &noise,
        };
        renderer.render(&slots, hops, given, &mut sound)?;
        for (to, sound) in sounds.iter_mut().zip(sound.chunks_exact(hops * HOP)) {
            to.extend_from_slice(sound);
        }
    }
    for ((_, clause), sound) in clauses.iter().zip(&mut sounds) {
        sound.drain(..sound_late * HOP);
        sound.truncate(clause.hops() * HOP);
    }
    for slot in slots {
        renderer.reset(slot as usize)?;
    }
    Ok(sounds)
}
