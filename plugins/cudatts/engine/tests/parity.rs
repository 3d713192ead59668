// SPDX-License-Identifier: MPL-2.0

//! Our engine against the PyTorch reference: same weights, same text, same noise, same latents and sound.
//!
//! Committed are the configurations, the tokenizers, the stored voices and what the reference gave (`parity/reference.py
//! small`). Weights are a function of names and places; both sides make them. `DUPLEX_PARITY=FOLDER` compares one more
//! model, in published shapes, which `make parity` makes.

#[path = "parity/models.rs"]
mod models;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use duplex_neural::{
    Precision, Weights,
    family::{Decoder, Family, Frames, Generator, LoadedVoice, Manner},
    pocket::{Files, Pocket},
};

use models::{furthest, make_weights, uniform};

const LATENT_BOUND: f32 = 1e-4;
const AUDIO_BOUND: f32 = 1e-5;

/// A model and what the reference made of it.
struct Case {
    folder: PathBuf,
    pocket: Pocket,
    facts: serde_json::Value,
    vectors: Weights<'static>,
    /// Where weights were made for it.
    _made: Option<tempfile::TempDir>,
}

fn cases() -> Vec<PathBuf> {
    models::cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/small"))
}

impl Case {
    fn open(folder: &Path, precision: Precision) -> Case {
        let json = |name: &str| -> serde_json::Value {
            serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
        };
        let mut weights = folder.join("model.safetensors");
        let mut made = None;
        if !weights.exists() {
            let scratch = tempfile::tempdir().unwrap();
            weights = scratch.path().join("model.safetensors");
            make_weights(&json("shapes.json"), &weights);
            made = Some(scratch);
        }
        let tokenizer = ["tokenizer.json", "tokenizer.model"]
            .map(|name| folder.join(name))
            .into_iter()
            .find(|path| path.exists());
        let files = Files {
            config: folder.join("config.yaml").into(),
            weights,
            tokenizer: tokenizer.unwrap(),
            voices: vec![("stored".into(), folder.join("voice.safetensors"))],
        };
        Case {
            pocket: Pocket::open(files, precision).unwrap(),
            facts: json("facts.json"),
            vectors: Weights::open(&folder.join("vectors.safetensors")).unwrap(),
            folder: folder.to_owned(),
            _made: made,
        }
    }

    fn vector(&self, name: &str) -> Vec<f32> {
        let shape = self.vectors.shape(name).unwrap().to_vec();
        self.vectors.get(name, &shape).unwrap()
    }

    fn texts(&self) -> Vec<(String, Vec<String>)> {
        let texts = self.facts["texts"].as_array().unwrap();
        texts
            .iter()
            .map(|entry| {
                let parts = serde_json::from_value(entry["parts"].clone()).unwrap();
                (entry["text"].as_str().unwrap().to_owned(), parts)
            })
            .collect()
    }

    fn noise(&self, part: &str) -> Vec<f32> {
        let frames = self.facts["frames"].as_u64().unwrap() as usize;
        uniform(&format!("noise {part}"), (frames + 1) * self.latent())
    }

    fn latent(&self) -> usize {
        self.pocket.config().mimi.latent
    }
}

#[test]
fn texts_are_cut_and_tokenized_alike() {
    for folder in cases() {
        let case = Case::open(&folder, Precision::F32);
        for (number, (text, parts)) in case.texts().into_iter().enumerate() {
            let chunks = case.pocket.chunks(&text).unwrap().chunks;
            assert_eq!(chunks.len(), parts.len(), "{}: {text}", folder.display());
            for (chunk, part) in chunks.iter().zip(&parts) {
                assert_eq!(chunk.tokens, case.pocket.tokens(part), "{part}");
            }
            let tokens: Vec<u32> = case
                .vector(&format!("{number}.tokens"))
                .into_iter()
                .map(|token| token as u32)
                .collect();
            assert_eq!(
                chunks[0].tokens,
                tokens,
                "{}: {}",
                folder.display(),
                parts[0]
            );
            // Chunks are the text, without gaps.
            let mut at = 0;
            for chunk in &chunks {
                assert_eq!(chunk.bytes.start, at);
                at = chunk.bytes.end;
            }
            assert_eq!(at, text.len());
        }
    }
}

/// All texts of a model at once, each begun a few frames after the one before, in slots of no order, with a stored voice.
#[test]
fn latents_and_sound_are_those_of_the_reference() {
    for folder in cases() {
        let case = Case::open(&folder, Precision::F32);
        let Distances {
            latents,
            sound,
            of_theirs,
        } = compare(&case);
        println!(
            "{}: latents {latents:.1e}, sound of the same latents {of_theirs:.1e}, of our own {sound:.1e}",
            folder.display()
        );
        assert!(
            latents < LATENT_BOUND,
            "{}: latents {latents:e}",
            folder.display()
        );
        assert!(
            of_theirs < AUDIO_BOUND,
            "{}: sound of the same latents {of_theirs:e}",
            folder.display()
        );
        // What latents may be off, sound is off with them: the decoder makes them no larger.
        assert!(
            sound < AUDIO_BOUND + latents,
            "{}: sound {sound:e} of latents {latents:e}",
            folder.display()
        );
    }
}

/// The furthest latent, and the furthest sample of what is made of ours and of what is made of the reference's.
struct Distances {
    latents: f32,
    sound: f32,
    of_theirs: f32,
}

fn compare(case: &Case) -> Distances {
    let voice = case.pocket.voice("stored").unwrap();
    let frames = case.facts["frames"].as_u64().unwrap() as usize;
    let texts = case.texts();
    let slots = texts.len() + 2;
    let mut generator = case.pocket.pocket_generator(slots);
    let mut decoder = case.pocket.pocket_decoder(slots);
    let mut second = case.pocket.pocket_decoder(slots);
    let slot_of = |number: usize| slots - 1 - number;
    let stagger = 3;
    let their_latents: Vec<Vec<f32>> = (0..texts.len())
        .map(|number| case.vector(&format!("{number}.latents")))
        .collect();
    let mut of_theirs = vec![Vec::new(); texts.len()];
    let mut latents = vec![Vec::new(); texts.len()];
    let mut sound = vec![Vec::new(); texts.len()];
    let mut step = Frames::default();
    let mut made = Vec::new();
    for now in 0..frames + stagger * texts.len() {
        for (number, (text, parts)) in texts.iter().enumerate() {
            if now == number * stagger {
                let mut chunk = case.pocket.chunks(text).unwrap().chunks.remove(0);
                // The reference was told to go on for as many frames as are compared.
                (chunk.tail, chunk.most) = (usize::MAX / 2, usize::MAX);
                generator
                    .admit(slot_of(number), &chunk, &voice, Manner::default())
                    .unwrap();
                generator.inject(slot_of(number), case.noise(&parts[0]));
                decoder.reset(slot_of(number));
                second.reset(slot_of(number));
            }
        }
        let busy: Vec<usize> = (0..texts.len())
            .filter(|number| (number * stagger..number * stagger + frames).contains(&now))
            .collect();
        let busy_slots: Vec<usize> = busy.iter().map(|number| slot_of(*number)).collect();
        generator.step(&busy_slots, &mut step).unwrap();
        decoder
            .decode(&busy_slots, &step.values, &mut made)
            .unwrap();
        let width = case.latent();
        let theirs = busy.iter().flat_map(|number| {
            let frame = now - number * stagger;
            &their_latents[*number][frame * width..(frame + 1) * width]
        });
        let theirs: Vec<f32> = theirs.copied().collect();
        let mut made_of_theirs = Vec::new();
        second
            .decode(&busy_slots, &theirs, &mut made_of_theirs)
            .unwrap();
        for (place, number) in busy.iter().enumerate() {
            latents[*number].extend_from_slice(step.frame(place));
            let samples = case.pocket.frame_samples();
            let of_place = place * samples..(place + 1) * samples;
            of_theirs[*number].extend_from_slice(&made_of_theirs[of_place]);
            sound[*number].extend_from_slice(&made[place * samples..(place + 1) * samples]);
        }
    }
    let mut worst = Distances {
        latents: 0.0,
        sound: 0.0,
        of_theirs: 0.0,
    };
    for number in 0..texts.len() {
        let far = furthest(&latents[number], &their_latents[number]);
        worst.latents = worst.latents.max(far);
        let theirs = case.vector(&format!("{number}.audio"));
        let far = |ours: &[f32]| furthest(&ours[..theirs.len()], &theirs);
        worst.sound = worst.sound.max(far(&sound[number]));
        worst.of_theirs = worst.of_theirs.max(far(&of_theirs[number]));
    }
    worst
}

/// A voice that we clone is the voice that the reference cloned of the same recording.
#[test]
fn cloned_voices_speak_as_those_of_the_reference() {
    for folder in cases() {
        let case = Case::open(&folder, Precision::F32);
        let count = case.facts["recording"].as_u64().unwrap() as usize;
        let recording: Vec<f32> = uniform("recording", count)
            .iter()
            .map(|x| x * 0.1)
            .collect();
        let cloned: LoadedVoice = Arc::new(case.pocket.clone_voice(&recording).unwrap());
        let (text, parts) = case.texts().remove(0);
        let mut generator = case.pocket.pocket_generator(1);
        let mut chunk = case.pocket.chunks(&text).unwrap().chunks.remove(0);
        (chunk.tail, chunk.most) = (usize::MAX / 2, usize::MAX);
        generator
            .admit(0, &chunk, &cloned, Manner::default())
            .unwrap();
        generator.inject(0, case.noise(&parts[0]));
        let theirs = case.vector("0.latents");
        let mut ours = Vec::new();
        let mut step = Frames::default();
        while ours.len() < theirs.len() {
            generator.step(&[0], &mut step).unwrap();
            ours.extend_from_slice(step.frame(0));
        }
        let distance = furthest(&ours, &theirs);
        assert!(
            distance < LATENT_BOUND,
            "{}: {distance:e}",
            case.folder.display()
        );
    }
}

/// Eight bits are a choice: the sound stays near.
#[test]
fn quantized_weights_stay_near() {
    for folder in cases() {
        let case = Case::open(&folder, Precision::Q8);
        let Distances { latents, sound, .. } = compare(&case);
        println!(
            "{}: quantized latents {latents:.1e}, sound {sound:.1e}",
            folder.display()
        );
        assert!(
            latents > 0.0 && latents < 1.0,
            "{}: {latents:e}",
            folder.display()
        );
    }
}
