// SPDX-License-Identifier: MPL-2.0

//! Models that are compared with the reference, and what the reference made of them.

use std::path::{Path, PathBuf};

use duplex_neural::{Weights, backend::abi};

use super::models;

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
    /// All numbers.
    pub keys: Vec<f32>,
    /// As many.
    pub values: Vec<f32>,
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

impl Case {
    /// All of them, `DUPLEX_PARITY`'s too.
    pub fn all(small: &Path) -> Vec<Case> {
        models::cases(small)
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

    /// Whether it is one of those that are committed.
    pub fn is_small(&self) -> bool {
        self.frames < 100
    }
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
