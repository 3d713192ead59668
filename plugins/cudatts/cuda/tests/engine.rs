// SPDX-License-Identifier: MPL-2.0

//! The library as an engine has it: loaded at run time, behind the seam of families, with the scheduler and its threads. On the
//! CPU it says what the CPU's own engine says.

use std::{path::PathBuf, sync::Arc};

use duplex_neural::{
    NeuralEngine, Options, Precision, Settings,
    backend::{abi, library},
    compact::Compact,
    family::Family,
    folder,
    pocket::{DevicePocket, Pocket},
};
use duplex_neural_small::{MODELS, SmallModel};
use duplex_synthesis::{Engine, Error, Request};

const TEXTS: [&str; 3] = [
    "One, two, three.",
    "We were told that the harbour lies behind the hill.",
    "Is that so? It is late, and the boats come in with the tide.",
];

fn engine(family: Arc<dyn Family>) -> NeuralEngine {
    let options = Options {
        slots: 4,
        max_batch: 3,
        temperature: Some(0.7),
        // Where clauses are joined, it depends on when they come which.
        join: false,
        // How many this machine could serve is not asked: the CPU is no device to be fast on.
        warm_up: false,
        ..Options::default()
    };
    NeuralEngine::new(family, options).unwrap()
}

/// The library as cargo builds it, beside this test; installed it has a number behind its name.
fn built() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.with_file_name("libduplex_neural_cuda.so")
}

fn on_device(model: &SmallModel) -> NeuralEngine {
    let backend = library::load(&[built()]).unwrap();
    let files = folder::model(model.path()).unwrap();
    let family = DevicePocket::open(files, backend, abi::DEVICE_CPU, abi::PRECISION_F32);
    engine(Arc::new(family.unwrap()))
}

fn on_cpu(model: &SmallModel) -> NeuralEngine {
    let files = folder::model(model.path()).unwrap();
    engine(Arc::new(Pocket::open(files, Precision::F32).unwrap()))
}

/// All texts at once: the sound of each.
fn speak(engine: &NeuralEngine, voice: Option<&str>) -> Vec<Vec<i16>> {
    let request = Request {
        voice: voice.map(str::to_owned),
        ..Request::default()
    };
    let open = |(number, text): (usize, &&str)| {
        let settings = Settings {
            seed: Some(number as u64 + 1),
            ..Settings::default()
        };
        let mut utterance = engine.open_with(&request, settings).unwrap();
        utterance.text.push(text).unwrap();
        utterance.text.finish().unwrap();
        utterance
    };
    let utterances: Vec<_> = TEXTS.iter().enumerate().map(open).collect();
    let hear = |mut utterance: duplex_synthesis::Utterance| {
        let mut heard = Vec::new();
        while let Some(piece) = utterance.audio.next().unwrap() {
            heard.extend(piece.samples);
        }
        heard
    };
    utterances.into_iter().map(hear).collect()
}

#[test]
fn both_engines_say_the_same() {
    for name in MODELS {
        let model = SmallModel::new(name);
        let (ours, theirs) = (
            speak(&on_device(&model), None),
            speak(&on_cpu(&model), None),
        );
        for ((ours, theirs), text) in ours.iter().zip(&theirs).zip(TEXTS) {
            assert!(!ours.is_empty(), "{name}: {text}");
            assert_eq!(ours.len(), theirs.len(), "{name}: {text}");
            let loudest = theirs.iter().map(|x| x.unsigned_abs()).max();
            assert!(loudest > Some(300), "{name}: {loudest:?}");
            let furthest = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max();
            // A sample of 16 bits is 3e-5: the bound of the sound, and rounding.
            assert!(furthest <= Some(1), "{name}: {text}: {furthest:?}");
        }
    }
}

/// What the host decides is the same on every device. Slots are used several times: there are more clauses than slots.
#[test]
fn the_small_voice_says_the_same() {
    let compact = Compact::built_in().unwrap();
    let backend = library::load(&[built()]).unwrap();
    let device = engine(Arc::new(compact.on_device(backend, abi::DEVICE_CPU)));
    let cpu = engine(Arc::new(compact));
    let (ours, theirs) = (speak(&device, None), speak(&cpu, None));
    for ((ours, theirs), text) in ours.iter().zip(&theirs).zip(TEXTS) {
        assert_eq!(ours.len(), theirs.len(), "{text}");
        let sum = |terms: &mut dyn Iterator<Item = f64>| terms.map(|x| x * x).sum::<f64>();
        let of = |sound: &[i16]| sum(&mut sound.iter().map(|x| f64::from(*x)));
        let samples = ours.iter().zip(theirs);
        let apart = sum(&mut samples.map(|(a, b)| f64::from(*a) - f64::from(*b)));
        let loud = of(theirs);
        assert!(loud > 300.0 * 300.0 * theirs.len() as f64, "{text}: {loud}");
        let share = (apart / loud).sqrt();
        println!("{share:e} of the sound");
        // Rounding to 16 bits is as much of a sound that is not loud.
        assert!(share < 1e-3, "{text}: {share:e}");
    }
}

#[test]
fn a_recording_becomes_a_voice_on_the_device_too() {
    let model = SmallModel::new("lsd");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 24_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let path = model.path().join("voices/me.wav");
    let mut wav = hound::WavWriter::create(path, spec).unwrap();
    for n in 0..48_000_u32 {
        let sample = (n.wrapping_mul(2_654_435_761) >> 17) as i16 / 4;
        wav.write_sample(sample).unwrap();
    }
    wav.finalize().unwrap();
    let (device, cpu) = (on_device(&model), on_cpu(&model));
    let (ours, theirs) = (speak(&device, Some("me")), speak(&cpu, Some("me")));
    let furthest = |ours: &[Vec<i16>], theirs: &[Vec<i16>]| {
        let both = ours.iter().flatten().zip(theirs.iter().flatten());
        both.map(|(a, b)| a.abs_diff(*b)).max()
    };
    assert!(furthest(&ours, &theirs) <= Some(1));
    assert!(
        furthest(&ours, &speak(&device, Some("anna"))) > Some(100),
        "another voice"
    );
    let told = device.open(&Request {
        voice: Some("nobody".into()),
        ..Request::default()
    });
    assert!(matches!(told, Err(Error::NoSuchVoice { .. })));
}

#[test]
fn more_slots_than_memory_are_refused_with_a_sentence() {
    let model = SmallModel::new("lsd");
    let backend = library::load(&[built()]).unwrap();
    let files = folder::model(model.path()).unwrap();
    let family = DevicePocket::open(files, backend, abi::DEVICE_CPU, abi::PRECISION_F32).unwrap();
    let options = Options {
        slots: 40_000_000,
        max_batch: 4,
        ..Options::default()
    };
    let told = NeuralEngine::new(Arc::new(family), options).unwrap_err();
    assert!(matches!(told, Error::Unavailable(_)), "{told:?}");
}
