// SPDX-License-Identifier: MPL-2.0

//! The small voice through the engine: an utterance begins with its sound, and its words are where that leaves them.

use std::sync::Arc;

use duplex_neural::{
    NeuralEngine, Options,
    compact::{Compact, RATE},
    family::{Family, Frames, Manner, Timed},
};
use duplex_synthesis::{Engine, Request, Utterance, WordMark};

/// Two clauses: that of the first begins with a closure, which is 70 ms of quiet.
const TEXT: &str = "Please wait. Please go on.";
const MS: u64 = RATE as u64 / 1000;

/// How long each clause is as the family makes it, and its words.
fn made(compact: &Compact) -> Vec<(u64, Vec<Timed>)> {
    let mut generator = compact.generator(1).unwrap();
    let voice = compact.voice("compact").unwrap();
    let chunks = compact.chunks(TEXT).unwrap().chunks;
    let clause = |chunk| {
        let times = generator
            .admit(0, chunk, &voice, Manner::default())
            .unwrap();
        let (mut frames, mut count) = (Frames::default(), 0);
        loop {
            generator.step(&[0], &mut frames).unwrap();
            if frames.over[0] {
                let samples = times.samples.unwrap();
                assert_eq!(samples.div_ceil(compact.frame_samples()), count);
                return (samples as u64, times.words.unwrap());
            }
            count += 1;
        }
    };
    chunks.iter().map(clause).collect()
}

fn open(engine: &NeuralEngine) -> Utterance {
    let mut utterance = engine.open(&Request::default()).unwrap();
    utterance.text.push(TEXT).unwrap();
    utterance.text.finish().unwrap();
    utterance
}

fn hear(mut utterance: Utterance) -> (Vec<i16>, Vec<WordMark>) {
    let (mut samples, mut marks) = (Vec::new(), Vec::new());
    while let Some(piece) = utterance.audio.next().unwrap() {
        samples.extend(piece.samples);
        marks.extend(piece.words);
    }
    (samples, marks)
}

#[test]
fn an_utterance_begins_with_its_sound_and_words_stay_exact() {
    let compact = Compact::built_in().unwrap();
    let made = made(&compact);
    let [(first, _), (second, _)] = &made[..] else {
        panic!("{made:?}");
    };
    let engine = NeuralEngine::new(Arc::new(compact), Options::default()).unwrap();
    // Each has noise of its own, and so is cut a little otherwise; beside others it is the same.
    let utterances: Vec<_> = (0..4).map(|_| open(&engine)).collect();
    for (samples, marks) in utterances.into_iter().map(hear) {
        let cut = first + second - samples.len() as u64;
        assert!((40 * MS..=80 * MS).contains(&cut), "{cut}");
        // -50 dBFS, after 5 ms.
        let loud = samples.iter().position(|x| x.unsigned_abs() >= 100);
        assert_eq!(loud, Some(5 * MS as usize));
        let mut right = Vec::new();
        for (before, (_, words)) in [0, *first].into_iter().zip(&made) {
            right.extend(words.iter().map(|word| {
                let place = |sample: u64| (before + sample).saturating_sub(cut);
                let start = place(word.start);
                (start, place(word.start + word.samples) - start)
            }));
        }
        let found: Vec<_> = marks
            .iter()
            .map(|mark| (mark.start, mark.samples))
            .collect();
        assert_eq!(found, right);
        assert!(marks.iter().all(|mark| mark.exact));
        assert_eq!(marks[0].start, 0);
    }
}
