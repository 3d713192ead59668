// SPDX-License-Identifier: MPL-2.0

//! Models that are compared with the reference, and how they are run.

#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

pub mod host;
#[path = "../../../engine/tests/parity/models.rs"]
pub mod models;

use std::path::{Path, PathBuf};

use duplex_neural::{Weights, backend::abi, pocket::fade_in};
use duplex_neural_cuda::{Failure, Model, Options, VoiceState};

/// What latents and sound may differ by at 32 bits.
pub const LATENT_BOUND: f32 = 1e-4;
/// See above.
pub const SOUND_BOUND: f32 = 1e-5;
/// What the error of bf16 may be of the sound, as a share of its root mean square.
pub const BF16_BOUND: f32 = 0.1;

/// A stored voice: `[layers, positions, heads, width]`.
pub struct Voice {
    /// Its shape; the pointers are those of the numbers below.
    pub shape: abi::VoiceState,
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Voice {
    /// Reads what the reference's `export-voice` writes.
    pub fn read(path: &Path) -> Self {
        let file = Weights::open(path).unwrap();
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let mut shape = [0; 4];
        for layer in 0.. {
            let at = |what: &str| format!("transformer.layers.{layer}.self_attn/{what}");
            let Some(&[2, 1, room, heads, width]) = file.shape(&at("cache")) else {
                break;
            };
            let cache = file.get(&at("cache"), &[2, 1, room, heads, width]).unwrap();
            let positions = file.get(&at("offset"), &[1]).unwrap()[0] as usize;
            let (of_keys, of_values) = cache.split_at(room * heads * width);
            keys.extend_from_slice(&of_keys[..positions * heads * width]);
            values.extend_from_slice(&of_values[..positions * heads * width]);
            shape = [layer + 1, positions, heads, width];
        }
        let [layers, positions, heads, width] = shape.map(|count| count as u32);
        Self::new([layers, positions, heads, width], keys, values)
    }

    /// Of these numbers.
    pub fn new(
        [layers, positions, heads, width]: [u32; 4],
        keys: Vec<f32>,
        values: Vec<f32>,
    ) -> Self {
        Self {
            shape: abi::VoiceState {
                layers,
                positions,
                heads,
                width,
                keys: keys.as_ptr(),
                values: values.as_ptr(),
            },
            keys,
            values,
        }
    }

    /// As a model takes it.
    pub fn state(&self) -> VoiceState<'_> {
        VoiceState {
            positions: self.shape.positions as usize,
            keys: &self.keys,
            values: &self.values,
        }
    }
}

/// What the reference made of a text.
pub struct Text {
    /// What the model reads.
    pub tokens: Vec<u32>,
    /// The noise of its frames.
    pub noise: Vec<f32>,
    /// What came out.
    pub latents: Vec<f32>,
    /// See above; where the reference was asked for less, it ends earlier.
    pub sound: Vec<f32>,
}

/// A model and what the reference made of it.
pub struct Case {
    /// Its name.
    pub name: String,
    /// The configuration.
    pub config: PathBuf,
    /// The weights.
    pub weights: PathBuf,
    /// Frames of each text.
    pub frames: usize,
    /// The voice that they are spoken with.
    pub voice: Voice,
    /// The texts.
    pub texts: Vec<Text>,
    _made: Option<tempfile::TempDir>,
}

/// The small models that are committed.
pub fn small() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/parity/small")
}

impl Case {
    /// All of them, `DUPLEX_PARITY`'s too.
    pub fn all(small: PathBuf) -> Vec<Case> {
        models::cases(&small)
            .iter()
            .map(|folder| Case::open(folder))
            .collect()
    }

    /// The one in a folder.
    pub fn open(folder: &Path) -> Case {
        let json = |name: &str| -> serde_json::Value {
            serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
        };
        let facts = json("facts.json");
        let frames = facts["frames"].as_u64().unwrap() as usize;
        let mut weights = folder.join("model.safetensors");
        let mut made = None;
        if !weights.exists() {
            let scratch = tempfile::tempdir().unwrap();
            weights = scratch.path().join("model.safetensors");
            models::make_weights(&json("shapes.json"), &weights);
            made = Some(scratch);
        }
        let vectors = Weights::open(&folder.join("vectors.safetensors")).unwrap();
        let get = |name: String| {
            let shape = vectors.shape(&name).unwrap().to_vec();
            vectors.get(&name, &shape).unwrap()
        };
        let texts = facts["texts"].as_array().unwrap().iter().enumerate();
        let texts = texts.map(|(number, text)| {
            let latents = get(format!("{number}.latents"));
            let part = text["parts"][0].as_str().unwrap();
            let count = latents.len() + latents.len() / frames;
            Text {
                tokens: get(format!("{number}.tokens"))
                    .iter()
                    .map(|x| *x as u32)
                    .collect(),
                noise: models::uniform(&format!("noise {part}"), count),
                sound: get(format!("{number}.audio")),
                latents,
            }
        });
        Case {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            config: folder.join("config.yaml"),
            texts: texts.collect(),
            voice: Voice::read(&folder.join("voice.safetensors")),
            frames,
            weights,
            _made: made,
        }
    }

    /// Opens it with so many slots, for steps of all of them.
    pub fn model(&self, device: i32, slots: usize, bf16: bool) -> Result<Model, Failure> {
        Model::open(Options {
            config: &self.config,
            weights: &self.weights,
            device,
            slots,
            max_batch: slots,
            positions: 0,
            bf16,
        })
    }

    /// Whether it is one of those that are committed.
    pub fn is_small(&self) -> bool {
        self.frames < 100
    }
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
    let voice = model.add_voice(case.voice.state()).unwrap();
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

/// The root mean square of the difference, as a share of that of the second.
pub fn share(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let sum =
        |terms: &mut dyn Iterator<Item = f32>| terms.map(|x| f64::from(x).powi(2)).sum::<f64>();
    let apart = sum(&mut ours.iter().zip(theirs).map(|(a, b)| a - b));
    let share = (apart / sum(&mut theirs.iter().copied())).sqrt() as f32;
    if share.is_nan() { f32::INFINITY } else { share }
}
