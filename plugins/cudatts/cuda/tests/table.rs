// SPDX-License-Identifier: MPL-2.0

//! The table that is exported, called as a host calls it: sound as the reference's, and a sentence for whatever is wrong.

mod support;

use std::{path::Path, ptr::null_mut};

use duplex_neural::{
    backend::abi::{PRECISION_BF16, Sentence, Status},
    pocket::fade_in,
};

use support::{
    Case, SOUND_BOUND, Voice,
    host::{Answer, Ask, Host},
    models, small, table,
};

fn case() -> Case {
    Case::open(&small().join("lsd"))
}

fn open(case: &Case) -> (Host, u64) {
    let mut host = Host::open(table(), &case.config, &case.weights, Ask::default()).unwrap();
    let voice = host.voice(&case.voice.shape).unwrap();
    (host, voice)
}

/// What a call that fails says, and that it is no more than that.
fn sentence<T>(answer: Answer<T>) -> String {
    match answer {
        Ok(_) => panic!("it did not fail"),
        Err((status, sentence)) => {
            assert_eq!(status, Status::FAILED, "{sentence}");
            sentence
        }
    }
}

#[test]
fn sound_is_that_of_the_reference() {
    for folder in std::fs::read_dir(small()).unwrap() {
        let case = Case::open(&folder.unwrap().path());
        let (mut host, voice) = open(&case);
        let facts = host.facts;
        assert_eq!(
            (facts.sample_rate, facts.frame_samples, facts.latent),
            (24_000, 1_920, 8)
        );
        let device = facts.device.split(|byte| *byte == 0).next().unwrap();
        assert_eq!(device, b"the CPU");
        assert!(facts.bytes > 1 << 20, "{}", facts.bytes);
        let samples = facts.frame_samples as usize;
        let slots = [3, 0];
        for (slot, text) in slots.iter().zip(&case.texts) {
            host.admit(*slot, &text.tokens, voice).unwrap();
        }
        let mut sound = vec![Vec::new(); slots.len()];
        for frame in 0..case.frames {
            let noise: Vec<f32> = case.texts[..slots.len()]
                .iter()
                .flat_map(|text| &text.noise[frame * 8..(frame + 1) * 8])
                .copied()
                .collect();
            let (ends, mut made) = host.step(&slots, &noise).unwrap();
            assert!(ends.iter().all(|end| end.is_finite()), "{ends:?}");
            for (sound, made) in sound.iter_mut().zip(made.chunks_exact_mut(samples)) {
                if frame == 0 {
                    fade_in(made, facts.sample_rate);
                }
                sound.extend_from_slice(made);
            }
        }
        for (sound, text) in sound.iter().zip(&case.texts) {
            let furthest = models::furthest(&sound[..text.sound.len()], &text.sound);
            assert!(furthest < SOUND_BOUND, "{}: {furthest:e}", case.name);
        }
        for slot in slots {
            host.release(slot).unwrap();
        }
        host.forget_voice(voice).unwrap();
    }
}

#[test]
fn a_voice_may_go_while_it_is_spoken_with() {
    let case = case();
    let (mut host, voice) = open(&case);
    let noise = &case.texts[0].noise[..8];
    let mut hear = |forgetting: bool| {
        host.admit(0, &case.texts[0].tokens, voice).unwrap();
        if forgetting {
            host.forget_voice(voice).unwrap();
        }
        host.step(&[0], noise).unwrap()
    };
    assert_eq!(hear(false), hear(true));
}

#[test]
fn what_is_wrong_with_a_call_is_said() {
    let case = case();
    let (mut host, voice) = open(&case);
    let noise = |count: usize| vec![0.0; count * 8];
    let says = |told: &str, what: &str| assert!(told.contains(what), "{told:?}: {what:?}");

    says(
        &sentence(host.admit(4, &[1], voice)),
        "no slot 4: the model has 4",
    );
    says(
        &sentence(host.admit(u32::MAX, &[1], voice)),
        "no slot 4294967295",
    );
    says(&sentence(host.admit(0, &[1], voice + 1)), "no voice 2");
    says(&sentence(host.forget_voice(77)), "no voice 77");
    says(&sentence(host.release(9)), "no slot 9");
    says(
        &sentence(host.step(&[0], &noise(1))),
        "slot 0 speaks nothing",
    );
    says(&sentence(host.step(&[5], &noise(1))), "no slot 5");
    says(
        &sentence(host.admit(0, &[1; 2_000], voice)),
        "no room for a frame",
    );
    says(&sentence(Host::without_model(table())), "no model");

    host.admit(0, &[1, 2], voice).unwrap();
    host.admit(1, &[1, 2], voice).unwrap();
    says(
        &sentence(host.step(&[0, 1, 0], &noise(3))),
        "slot 0 is named twice",
    );
    says(
        &sentence(host.step(&[0, 1, 0, 1, 0], &noise(5))),
        "a step of 5 slots: 4",
    );
    // A step that was refused has not happened: both go on, and nobody is to be had with nothing.
    let (ends, _) = host.step(&[1, 0], &noise(2)).unwrap();
    assert!((ends[0] - ends[1]).abs() < 1e-5, "{ends:?}");
    host.step(&[], &[]).unwrap();
    host.release(1).unwrap();
    host.release(1).unwrap();
    says(
        &sentence(host.step(&[1], &noise(1))),
        "slot 1 speaks nothing",
    );

    // Tokens that no table has read as padding; none at all is a text, too.
    host.admit(2, &[u32::MAX], voice).unwrap();
    host.admit(3, &[], voice).unwrap();
    host.step(&[2, 3], &noise(2)).unwrap();
}

#[test]
fn voices_of_other_models_are_refused() {
    let case = case();
    let (mut host, _) = open(&case);
    let [layers, heads, width] = [host.facts.layers, host.facts.heads, host.facts.width];
    for shape in [
        [layers + 1, 2, heads, width],
        [layers, 2, heads + 1, width],
        [layers, 2, heads, width - 1],
    ] {
        let count = shape.iter().product::<u32>() as usize;
        let voice = Voice::new(shape, vec![0.0; count], vec![0.0; count]);
        let told = sentence(host.voice(&voice.shape));
        assert!(told.contains("belongs to another model"), "{told}");
    }
    let long = [layers, 1_024, heads, width];
    let count = long.iter().product::<u32>() as usize;
    let voice = Voice::new(long, vec![0.0; count], vec![0.0; count]);
    let told = sentence(host.voice(&voice.shape));
    assert!(told.contains("1024 positions"), "{told}");
    // A voice of nothing is one, for models that were not given any.
    let nothing = Voice::new([layers, 0, heads, width], Vec::new(), Vec::new());
    let nothing = host.voice(&nothing.shape).unwrap();
    host.admit(0, &[1], nothing).unwrap();
    host.step(&[0], &[0.0; 8]).unwrap();
}

#[test]
fn a_slot_that_is_full_says_so() {
    let case = case();
    let positions = case.voice.shape.positions + 3;
    let ask = Ask {
        positions,
        ..Ask::default()
    };
    let mut host = Host::open(table(), &case.config, &case.weights, ask).unwrap();
    let voice = host.voice(&case.voice.shape).unwrap();
    host.admit(0, &[1], voice).unwrap();
    host.step(&[0], &[0.0; 8]).unwrap();
    host.step(&[0], &[0.0; 8]).unwrap();
    let told = sentence(host.step(&[0], &[0.0; 8]));
    assert!(told.contains("slot 0 is full"), "{told}");
}

#[test]
fn what_cannot_be_opened_is_said() {
    let case = case();
    let open = |config: &Path, weights: &Path, ask: Ask| {
        let opened = Host::open(table(), config, weights, ask);
        opened.map(drop).unwrap_err()
    };
    let says = |told: (Status, String), what: &str| {
        assert_eq!(told.0, Status::FAILED, "{}", told.1);
        assert!(told.1.contains(what), "{:?}: {what:?}", told.1);
    };
    let nowhere = Path::new("/nowhere/at/all");
    says(
        open(nowhere, &case.weights, Ask::default()),
        "/nowhere/at/all",
    );
    says(
        open(&case.config, nowhere, Ask::default()),
        "/nowhere/at/all",
    );
    let other = small().join("drifting/config.yaml");
    let told = open(&other, &case.weights, Ask::default());
    says(told, "it belongs to another configuration");
    let with = |change: &dyn Fn(&mut Ask)| {
        let mut ask = Ask::default();
        change(&mut ask);
        open(&case.config, &case.weights, ask)
    };
    says(with(&|ask| ask.slots = 0), "at least one");
    says(with(&|ask| ask.max_batch = 5), "5 of 4 slots");
    says(with(&|ask| ask.positions = 1), "1 positions");
    says(
        with(&|ask| ask.positions = u32::MAX),
        "4294967295 positions",
    );
    says(with(&|ask| ask.precision = 7), "no precision 7");
    says(with(&|ask| ask.device = -2), "no device -2");
    if cfg!(not(feature = "cuda")) {
        says(with(&|ask| ask.device = 0), "built without CUDA");
    }

    let cut = tempfile::tempdir().unwrap();
    let path = cut.path().join("model.safetensors");
    let whole = std::fs::read(&case.weights).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    says(open(&case.config, &path, Ask::default()), "is cut off");
}

/// The process goes on where memory does not suffice.
#[test]
fn slots_that_no_memory_has_room_for_are_refused() {
    let case = case();
    for precision in [0, PRECISION_BF16] {
        let ask = Ask {
            slots: u32::MAX,
            max_batch: 1,
            precision,
            ..Ask::default()
        };
        let told = Host::open(table(), &case.config, &case.weights, ask)
            .map(drop)
            .unwrap_err();
        assert_eq!(told.0, Status::OUT_OF_MEMORY, "{}", told.1);
        assert!(
            told.1.contains("MiB") && told.1.contains("fewer slots"),
            "{}",
            told.1
        );
    }
}

/// A sentence that does not fit is cut between characters; who wants none gets none.
#[test]
fn sentences_fit_into_what_the_host_has() {
    let mut text = [0xAA; 16];
    for room in 0..text.len() {
        let mut sentence = Sentence {
            text: text.as_mut_ptr(),
            room,
            length: 99,
        };
        // SAFETY: a null model is refused; the sentence has so much room.
        let status = unsafe { (table().release)(null_mut(), 0, &mut sentence) };
        assert_eq!(status, Status::FAILED);
        assert_eq!(sentence.length, room);
        assert!("there is no model".as_bytes().starts_with(&text[..room]));
        assert_eq!(text[room], 0xAA, "nothing is written beyond");
    }
    // SAFETY: both may be null.
    let status = unsafe { (table().release)(null_mut(), 0, null_mut()) };
    assert_eq!(status, Status::FAILED);
    // SAFETY: there is nothing to close.
    unsafe { (table().close)(null_mut()) };
}
