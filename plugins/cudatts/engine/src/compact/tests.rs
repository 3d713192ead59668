// SPDX-License-Identifier: MPL-2.0

//! The voice against PyTorch, step by step, on the vectors beside its weights; and in pieces against as a whole.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Compact, FRAME_SAMPLES, HOP, RATE, Spectra, Voice,
    blocks::{Scratch, Text, Work},
    clause::{End, Phones, Reader, Timing, Word, lengths},
    excitation::Excitation,
    filters::{Filters, SIDE},
    phones::PHONES,
    run::Plan,
    shape::POINTS,
};
use crate::{
    family::{Chunk, Decoder, Family, Frames, Generator, LoadedVoice, Manner, Timed},
    weights::Weights,
};

/// Between this and PyTorch, of numbers about 1.
const CLOSE: f32 = 1e-4;
/// The seed of the vectors' noise is that of the training.
const SEED: u32 = 1;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compact/voice")
}

fn compact() -> Compact {
    Compact::built_in().unwrap()
}

fn vectors() -> Weights<'static> {
    Weights::open(&folder().join("vectors.safetensors")).unwrap()
}

fn vector(vectors: &Weights, name: &str) -> Vec<f32> {
    let shape = vectors.shape(name).unwrap_or_default().to_vec();
    vectors.get(name, &shape).unwrap()
}

/// `within` is of the largest, or of 1 where that is less.
#[track_caller]
fn assert_close(found: &[f32], right: &[f32], within: f32) {
    assert_eq!(found.len(), right.len());
    let pairs = found.iter().zip(right);
    let worst = pairs.map(|(a, b)| (a - b).abs()).enumerate();
    let (at, worst) = worst.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    let largest = right
        .iter()
        .fold(1.0_f32, |largest, x| largest.max(x.abs()));
    println!("{worst:e} at {at} of {largest}");
    assert!(worst <= within * largest, "{} for {}", found[at], right[at]);
}

fn words(voice: &Voice, letters: &[&str]) -> Vec<Word> {
    let network = voice.words.letters();
    let phones = network.phones(letters, &mut Scratch::default());
    let words = letters.iter().zip(phones).map(|(letters, phones)| Word {
        phones,
        class: voice.lengths.language().class(letters),
    });
    words.collect()
}

/// The vectors' clause: whatever words its letters make.
fn clause(vectors: &Weights) -> Phones {
    let phones = vector(vectors, "clause.phones");
    let phones: Vec<u8> = phones.iter().map(|phone| *phone as u8).collect();
    // Where one word ends and the next begins, the vectors do not say; what the letters say does.
    let compact = compact();
    let (voice, _) = compact.parts();
    let words = words(voice, &["hello", "my", "friend"]);
    let own = words
        .iter()
        .map(|word| (word.phones.as_slice(), word.class));
    let clause = Phones::new(own, End::Exclamation);
    assert_eq!(clause.phones, phones);
    clause
}

fn lengths_of(milliseconds: &[f32], rate: f64) -> Vec<usize> {
    lengths(milliseconds.iter().copied(), rate)
}

fn as_numbers(lengths: &[usize]) -> Vec<f32> {
    lengths.iter().map(|hops| *hops as f32).collect()
}

/// The body's inputs of a whole clause.
fn inputs(voice: &Voice, of_phones: &[f32], timing: &Timing) -> Vec<f32> {
    let (mut which, mut features, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
    Reader::default().read(timing, timing.hops(), &mut which, &mut features);
    voice
        .sound
        .inputs(of_phones, &which, &features, &mut inputs);
    inputs
}

fn cepstra(voice: &Voice, mut inputs: Vec<f32>) -> Vec<f32> {
    let hops = inputs.len() / super::networks::Sound::CHANNELS;
    let mut cepstra = Vec::new();
    let body = voice.sound.body();
    body.apply(&mut inputs, &[hops], &mut Scratch::default());
    voice.sound.cepstra(&inputs, &mut cepstra);
    cepstra
}

/// The sound of a whole clause.
fn filtered(filters: &mut Filters, cepstra: &[f32], pulses: &[f32], noise: &[f32]) -> Vec<f32> {
    let pad = |x: &[f32]| [&[0.0; SIDE], x, &[0.0; SIDE]].concat();
    let (pulses, noise) = (pad(pulses), pad(noise));
    let hops = cepstra.len() / Spectra::NUMBERS;
    let mut sum = vec![0.0; hops * HOP + POINTS];
    for (hop, cepstra) in cepstra.chunks_exact(Spectra::NUMBERS).enumerate() {
        let own = hop * HOP..hop * HOP + HOP + 2 * SIDE;
        let points = filters.hop(cepstra, &pulses[own.clone()], &noise[own]);
        for (sum, point) in sum[hop * HOP..].iter_mut().zip(points) {
            *sum += point;
        }
    }
    sum[SIDE..SIDE + hops * HOP].to_vec()
}

fn excitation(timing: &Timing, pitch: f64) -> (Vec<f32>, Vec<f32>) {
    let count = timing.hops() * HOP;
    let (mut pulses, mut noise) = (vec![0.0; count], vec![0.0; count]);
    Excitation::new(count, SEED, pitch).next(timing, &mut pulses, &mut noise);
    (pulses, noise)
}

#[test]
fn letters_say_what_pytorch_says() {
    let (vectors, compact) = (vectors(), compact());
    let letters = compact.parts().0.words.letters();
    let words = ["hello", "harbour", "extraordinary", "quickly", "a"];
    let mut scratch = Scratch::default();
    let mut right = Vec::new();
    for word in words {
        let mut scores = letters.scores(&[word], &mut scratch);
        for scores in scores.chunks_exact_mut(PHONES.len()) {
            let sum: f64 = scores.iter().map(|score| f64::from(*score).exp()).sum();
            for score in scores {
                *score = (f64::from(*score) - sum.ln()) as f32;
            }
        }
        let expected = vector(&vectors, &format!("letters.{word}"));
        assert_close(&scores, &expected, CLOSE);
        right.extend(letters.phones(&[word], &mut scratch));
    }
    // All at once they say the same.
    assert_eq!(letters.phones(&words, &mut scratch), right);
    let odd = letters.phones(&["", "\u{e9}%"], &mut scratch);
    assert_eq!(odd, [const { Vec::<u8>::new() }; 2]);
}

#[test]
fn each_step_does_what_pytorch_does() {
    let (vectors, compact) = (vectors(), compact());
    let (voice, transforms) = compact.parts();
    let clause = clause(&vectors);
    let mut scratch = Scratch::default();
    let right = |name: &str| vector(&vectors, name);

    let milliseconds = voice.lengths.of(&clause);
    assert_close(&milliseconds, &right("clause.milliseconds"), 1e-6);
    let among = Phones {
        before: words(voice, &["however", "the", "captain"]),
        behind: words(voice, &["said"]),
        ..clause.clone()
    };
    let beside = voice.lengths.of(&among);
    assert_close(&beside, &right("beside.milliseconds"), 1e-6);
    assert_ne!(beside, milliseconds);
    let frames = |rate| as_numbers(&lengths_of(&milliseconds, rate));
    assert_eq!(frames(1.0), right("clause.frames"));
    assert_eq!(frames(1.3), right("faster.frames"));
    let melody = voice.melody.apply(&clause, &mut scratch);
    assert_close(&melody, &right("clause.melody"), CLOSE);
    let of_phones = voice.sound.of_phones(&clause, &mut scratch);
    assert_close(&of_phones, &right("clause.of_phones"), CLOSE);

    // From here on each step begins with what the reference's says, so that nothing adds up.
    let melody = right("clause.melody");
    let timing = Timing::new(&lengths_of(&milliseconds, 1.0), &melody);
    let found = inputs(voice, &right("clause.of_phones"), &timing);
    assert_close(&found, &right("clause.inputs"), CLOSE);
    let found = cepstra(voice, right("clause.inputs"));
    assert_close(&found, &right("clause.cepstra"), CLOSE);
    let (pulses, noise) = excitation(&timing, 1.0);
    assert_close(&pulses, &right("clause.pulses"), CLOSE);
    assert_close(&noise, &right("clause.noise"), CLOSE);
    let faster = Timing::new(&lengths_of(&milliseconds, 1.3), &melody);
    assert_close(&excitation(&faster, 1.2).0, &right("faster.pulses"), CLOSE);
    let mut filters = Filters::new(transforms);
    let found = filtered(
        &mut filters,
        &right("clause.cepstra"),
        &right("clause.pulses"),
        &right("clause.noise"),
    );
    assert_close(&found, &right("clause.samples"), CLOSE);
}

/// Pulses may fall a little earlier or later where the melody differs in its last bits, and nothing corrects that.
const CLOSE_AT_THE_END: f32 = 2e-3;

#[test]
fn a_clause_sounds_as_it_does_in_pytorch() {
    let (vectors, compact) = (vectors(), compact());
    let (voice, transforms) = compact.parts();
    let clause = clause(&vectors);
    let mut scratch = Scratch::default();
    for (name, rate, pitch) in [("clause", 1.0, 1.0), ("faster", 1.3, 1.2)] {
        let melody = voice.melody.apply(&clause, &mut scratch);
        let timing = Timing::new(&lengths_of(&voice.lengths.of(&clause), rate), &melody);
        let of_phones = voice.sound.of_phones(&clause, &mut scratch);
        let cepstra = cepstra(voice, inputs(voice, &of_phones, &timing));
        let (pulses, noise) = excitation(&timing, pitch);
        let mut filters = Filters::new(transforms.clone());
        let found = filtered(&mut filters, &cepstra, &pulses, &noise);
        let right = vector(&vectors, &format!("{name}.samples"));
        assert_close(&found, &right, CLOSE_AT_THE_END);
    }
}

/// A clause of so many phones, of all kinds.
fn some_phones(count: usize, end: End) -> Phones {
    let phones: Vec<u8> = (0..count).map(|n| (n * 7 % 41) as u8 + 1).collect();
    Phones::new(phones.chunks(3).map(|phones| (phones, 0)), end)
}

fn plan(voice: &Voice, phones: Phones, rate: f64) -> Plan {
    voice.time(phones, &[], rate, &mut Scratch::default())
}

fn whole(compact: &Compact, phones: Phones, manner: Manner) -> Vec<f32> {
    let (voice, transforms) = compact.parts();
    let Plan { phones, timing, .. } = plan(voice, phones, manner.rate);
    let of_phones = voice.sound.of_phones(&phones, &mut Scratch::default());
    let cepstra = cepstra(voice, inputs(voice, &of_phones, &timing));
    let count = timing.hops() * HOP;
    let (mut pulses, mut noise) = (vec![0.0; count], vec![0.0; count]);
    Excitation::new(count, manner.seed as u32, manner.pitch).next(&timing, &mut pulses, &mut noise);
    filtered(&mut Filters::new(transforms), &cepstra, &pulses, &noise)
}

/// Speaks plans in slots, one step for all that are not over, in this order of slots.
fn stream(compact: &Compact, clauses: &[(usize, Phones, Manner)]) -> Vec<Vec<f32>> {
    let slots = 1 + clauses.iter().map(|(slot, ..)| *slot).max().unwrap_or(0);
    let mut generator = compact.compact_generator(slots);
    let mut decoder = compact.compact_decoder(slots);
    let mut sounds = vec![Vec::new(); clauses.len()];
    let mut lengths = Vec::new();
    for (slot, phones, manner) in clauses {
        let plan = plan(compact.parts().0, phones.clone(), manner.rate);
        lengths.push(plan.times.samples.unwrap());
        generator.begin(*slot, plan, *manner);
        decoder.reset(*slot);
    }
    let mut left: Vec<usize> = (0..clauses.len()).collect();
    let (mut frames, mut sound) = (Frames::default(), Vec::new());
    while !left.is_empty() {
        let slots: Vec<usize> = left.iter().map(|clause| clauses[*clause].0).collect();
        generator.step(&slots, &mut frames).unwrap();
        let mut places: Vec<usize> = (0..left.len()).collect();
        places.retain(|place| !frames.over[*place]);
        let slots: Vec<usize> = places.iter().map(|place| slots[*place]).collect();
        let values: Vec<f32> = places
            .iter()
            .flat_map(|place| frames.frame(*place).to_vec())
            .collect();
        left = places.iter().map(|place| left[*place]).collect();
        decoder.sound(&slots, &values, &mut sound);
        for (clause, sound) in left.iter().zip(sound.chunks_exact(FRAME_SAMPLES)) {
            sounds[*clause].extend_from_slice(sound);
        }
        // Whoever is in whichever place of a step makes no difference.
        if !left.is_empty() {
            left.rotate_left(1);
        }
    }
    for (sound, length) in sounds.iter_mut().zip(lengths) {
        assert_eq!(sound.len(), length.next_multiple_of(FRAME_SAMPLES));
        sound.truncate(length);
    }
    sounds
}

fn manner(seed: u64, rate: f64, pitch: f64) -> Manner {
    Manner {
        seed,
        rate,
        pitch,
        ..Manner::default()
    }
}

#[test]
fn streamed_alone_and_beside_others_is_the_same_as_whole() {
    let compact = compact();
    let clauses = [
        (4, some_phones(12, End::Comma), manner(1, 1.0, 1.0)),
        (0, some_phones(0, End::Stop), manner(2, 1.0, 1.0)),
        (2, some_phones(1, End::Question), manner(3, 2.0, 1.0)),
        (1, some_phones(70, End::Exclamation), manner(4, 0.25, 1.5)),
        (6, some_phones(31, End::Stop), manner(u64::MAX, 0.7, 0.6)),
    ];
    let together = stream(&compact, &clauses);
    for (clause, together) in clauses.into_iter().zip(together) {
        let (_, phones, manner) = clause.clone();
        let right = whole(&compact, phones, manner);
        assert!(right.len() >= FRAME_SAMPLES && right.iter().all(|x| x.is_finite()));
        assert!(together == right, "{clause:?}");
        assert!(stream(&compact, &[clause]) == [right]);
    }
}

#[test]
fn a_text_of_any_length_is_the_same_in_any_pieces() {
    let compact = compact();
    let body = compact.parts().0.sound.body();
    let channels = body.channels();
    for count in [1, 2, 5, 27, 28, 60] {
        let rows: Vec<f32> = (0..count * channels)
            .map(|n| ((n * 7_919) % 1_009) as f32 / 500.0 - 1.0)
            .collect();
        let mut right = rows.clone();
        let mut scratch = Scratch::default();
        body.apply(&mut right, &[count], &mut scratch);
        for size in [1, 3, 64] {
            let mut texts = [Text::default()];
            texts[0].begin(body, count);
            let (mut found, mut given, mut until) = (Vec::new(), 0, 0);
            while until < count {
                until = count.min(until + size);
                let needed = body.needs(until, &texts[0]);
                texts[0].give(body, &rows[given * channels..needed * channels]);
                given = needed;
                let work = Work { text: 0, until };
                body.go_on(&mut texts, &[work], &mut scratch, &mut found);
                assert_eq!(found.len(), until * channels);
            }
            assert!(found == right, "{count} {size}");
        }
    }
}

#[test]
fn who_is_released_leaves_nothing() {
    let compact = compact();
    let voice = compact.parts().0;
    let mut generator = compact.compact_generator(2);
    let mut decoder = compact.compact_decoder(2);
    let (mut frames, mut sound) = (Frames::default(), Vec::new());
    let manner = manner(9, 1.0, 1.0);
    for slot in [0, 1] {
        generator.begin(slot, plan(voice, some_phones(40, End::Stop), 1.0), manner);
        decoder.reset(slot);
    }
    for _ in 0..3 {
        generator.step(&[1, 0], &mut frames).unwrap();
        decoder.sound(&[1, 0], &frames.values, &mut sound);
    }
    // One is cancelled, the other begins anew without that.
    generator.release(0);
    assert!(generator.step(&[0], &mut frames).is_err());
    let right = whole(&compact, some_phones(9, End::Comma), manner);
    for slot in [0, 1] {
        generator.begin(slot, plan(voice, some_phones(9, End::Comma), 1.0), manner);
        decoder.reset(slot);
    }
    let mut found = [Vec::new(), Vec::new()];
    loop {
        generator.step(&[0, 1], &mut frames).unwrap();
        if frames.over[0] {
            assert!(frames.over[1]);
            break;
        }
        decoder.sound(&[0, 1], &frames.values, &mut sound);
        let (first, second) = sound.split_at(FRAME_SAMPLES);
        found[0].extend_from_slice(first);
        found[1].extend_from_slice(second);
    }
    let played = found.each_ref().map(|sound| &sound[..right.len()]);
    assert!(played == [&right; 2]);
}

fn chunks(compact: &Compact, text: &str) -> Vec<Chunk> {
    compact.chunks(text).unwrap().chunks
}

/// What is said of a text's first chunk.
fn first(compact: &Compact, text: &str) -> Phones {
    let tokens = &chunks(compact, text)[0].tokens;
    let voice = compact.parts().0;
    voice.plan(tokens, 1.0, &mut Scratch::default()).phones
}

/// The same by the names of phones.
fn said(compact: &Compact, text: &str) -> String {
    let names = first(compact, text)
        .phones
        .into_iter()
        .map(|phone| PHONES[usize::from(phone)]);
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn words_sound_where_marks_say() {
    let compact = compact();
    let text = "Hello there, world. And on.";
    let chunks = chunks(&compact, text);
    assert_eq!(chunks.len(), 3);
    let mut generator = compact.generator(1).unwrap();
    let voice: LoadedVoice = Arc::new(());
    let mut words = Vec::new();
    let mut from = 0;
    for chunk in &chunks {
        assert_eq!(chunk.bytes.start, from);
        from = chunk.bytes.end;
        let times = generator
            .admit(0, chunk, &voice, Manner::default())
            .unwrap();
        let (timed, length) = (times.words.unwrap(), times.samples.unwrap());
        let mut frames = Frames::default();
        let mut count = 0;
        loop {
            generator.step(&[0], &mut frames).unwrap();
            if frames.over[0] {
                break;
            }
            count += 1;
        }
        let mut before = HOP as u64;
        for Timed { start, samples, .. } in &timed {
            assert!(*start >= before && start.is_multiple_of(HOP as u64));
            before = start + samples;
        }
        assert_eq!(count, length.div_ceil(FRAME_SAMPLES));
        // The last pause is at least one hop.
        assert!(before + HOP as u64 <= length as u64);
        words.extend(timed.into_iter().map(|word| text[word.bytes].to_owned()));
    }
    assert_eq!(from, text.len());
    assert_eq!(words, ["Hello", "there", "world", "And", "on"]);
}

/// A sentence that nothing was learned from, and where the source begins its words, in ms; nothing where that is not known.
#[derive(serde::Deserialize)]
struct HeldOut {
    text: String,
    begins: Vec<f64>,
}

/// What one in twenty is above.
fn most(off: &mut [f64]) -> f64 {
    off.sort_by(f64::total_cmp);
    off[off.len() * 95 / 100]
}

#[test]
fn words_begin_where_the_source_begins_them() {
    let list = fs::read_to_string(folder().join("held-out.json")).unwrap();
    let sentences: Vec<HeldOut> = serde_json::from_str(&list).unwrap();
    let compact = compact();
    let voice = compact.parts().0;
    let mut scratch = Scratch::default();
    // How far words are off from the first of their clause, and from that of their sentence.
    let (mut in_clauses, mut in_sentences) = (Vec::new(), Vec::new());
    for HeldOut { text, begins } in sentences.iter().filter(|held| !held.begins.is_empty()) {
        let (mut late, mut before) = (Vec::new(), 0.0);
        let milliseconds = |samples: u64| samples as f64 * 1_000.0 / RATE as f64;
        for chunk in chunks(&compact, text) {
            let plan = voice.plan(&chunk.tokens, 1.0, &mut scratch);
            let first = late.len();
            for word in plan.times.words.iter().flatten() {
                let right = begins[late.len()];
                late.push(before + milliseconds(word.start) - right);
            }
            before += milliseconds((plan.timing.hops() * HOP) as u64);
            let own = &late[first..];
            in_clauses.extend(own.iter().skip(1).map(|late| (late - own[0]).abs()));
        }
        assert_eq!(late.len(), begins.len(), "{text}");
        in_sentences.extend(late.iter().skip(1).map(|off| (off - late[0]).abs()));
    }
    let words = in_clauses.len();
    let (in_clauses, in_sentences) = (most(&mut in_clauses), most(&mut in_sentences));
    println!(
        "{words} words, one in twenty: {in_clauses} ms in a clause, {in_sentences} in a sentence"
    );
    assert!(words > 1_500 && in_clauses <= 25.0, "{in_clauses} ms");
    assert!(in_sentences <= 60.0, "{in_sentences} ms");
}

#[test]
fn dictionaries_and_vowels_change_what_is_said() {
    let compact = compact();
    assert_eq!(compact.chunks(" \n").unwrap().chunks, []);
    let dictionary =
        |lines: &str| duplex_english::Dictionary::parse(lines, "words", &PHONES[1..]).unwrap();
    let told = compact.with_dictionary(dictionary("apple ae p ax l\nbook b uh k\n"));
    assert_eq!(said(&told, "The apple"), "pau dh iy ae p ax l pau");
    let before = said(&told, "The book");
    assert!(
        !before.starts_with("pau dh iy b") && before.ends_with("b uh k pau"),
        "{before}"
    );
    let own = compact.with_dictionary(dictionary("the t ax\napple ae p ax l\n"));
    assert_eq!(said(&own, "The apple"), "pau t ax ae p ax l pau");
}

#[test]
fn odd_texts_are_no_fault() {
    let compact = compact();
    let mut generator = compact.generator(1).unwrap();
    let mut decoder = compact.decoder(1).unwrap();
    let voice: LoadedVoice = Arc::new(());
    let (mut frames, mut sound) = (Frames::default(), Vec::new());
    let long = "and so on ".repeat(1_000);
    for text in [
        "",
        "a",
        "'",
        "I.",
        "?!",
        "😀",
        "Привет",
        "zzzzzzzzzzzzzzzzzz",
        &"x".repeat(2_000),
        &long,
    ] {
        for chunk in chunks(&compact, text).iter().take(3) {
            for rate in [0.25, 4.0] {
                generator
                    .admit(0, chunk, &voice, manner(0, rate, 2.0))
                    .unwrap();
                decoder.reset(0);
                loop {
                    generator.step(&[0], &mut frames).unwrap();
                    if frames.over[0] {
                        break;
                    }
                    decoder.decode(&[0], &frames.values, &mut sound).unwrap();
                    assert!(sound.iter().all(|x| (-1.0..=1.0).contains(x)));
                }
            }
        }
    }
}

#[test]
fn a_folder_is_whole_or_named_in_a_sentence() {
    let copy = tempfile::tempdir().unwrap();
    let to = copy.path();
    assert!(!Compact::is_in(to));
    for name in [
        "model.safetensors",
        "words.txt",
        "language.txt",
        "hashes.txt",
    ] {
        fs::copy(folder().join(name), to.join(name)).unwrap();
    }
    assert!(Compact::is_in(to));
    let opened = Compact::open(to).unwrap();
    assert_eq!(said(&opened, "Hello"), said(&compact(), "Hello"));

    let told = || Compact::open(to).map(|_| ()).unwrap_err().to_string();
    let model = to.join("model.safetensors");
    let bytes = fs::read(&model).unwrap();
    fs::write(&model, &bytes[..bytes.len() - 2]).unwrap();
    let damaged = told();
    assert!(
        damaged.starts_with(&format!("{} is damaged", model.display())),
        "{damaged}"
    );
    assert!(
        damaged.ends_with("get the voice's folder again"),
        "{damaged}"
    );

    // Whoever makes hashes of a damaged file hears what is wrong with it.
    let hashes = to.join("hashes.txt");
    let rehash = |bytes: &[u8]| {
        use sha2::{Digest, Sha256};
        let hex: String = Sha256::digest(bytes)
            .iter()
            .map(|x| format!("{x:02x}"))
            .collect();
        let words = fs::read_to_string(folder().join("hashes.txt")).unwrap();
        let texts: Vec<&str> = words
            .lines()
            .filter(|line| line.ends_with(".txt"))
            .collect();
        let texts = texts.join("\n");
        fs::write(&hashes, format!("{hex}  model.safetensors\n{texts}\n")).unwrap();
    };
    rehash(&bytes[..bytes.len() - 2]);
    assert!(told().contains("is cut off"), "{}", told());
    fs::write(&model, &bytes).unwrap();
    rehash(&bytes);
    Compact::open(to).unwrap();
    let words = to.join("words.txt");
    fs::write(&words, "hello hh ax l ow\n").unwrap();
    assert!(
        told().starts_with(&format!("{} is damaged", words.display())),
        "{}",
        told()
    );
    fs::remove_file(&words).unwrap();
    assert!(
        told().starts_with(&format!("{}: ", words.display())),
        "{}",
        told()
    );
    fs::write(&hashes, "").unwrap();
    assert!(
        told().contains("has no hash of model.safetensors"),
        "{}",
        told()
    );
}

/// The fewest phones that are wrong, left out or put in.
fn distance(right: &[&str], found: &[&str]) -> usize {
    let mut row: Vec<usize> = (0..=found.len()).collect();
    for (n, phone) in right.iter().enumerate() {
        let mut before = row[0];
        row[0] = n + 1;
        for (m, other) in found.iter().enumerate() {
            let exchanged = before + usize::from(phone != other);
            before = row[m + 1];
            row[m + 1] = exchanged.min(before + 1).min(row[m] + 1);
        }
    }
    row[found.len()]
}

#[test]
fn words_that_nothing_was_learned_from_get_their_phones() {
    let list = std::fs::read_to_string(folder().join("held-out-words.txt")).unwrap();
    let pairs: Vec<(&str, Vec<&str>)> = list
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(word, phones)| (word, phones.split(' ').collect()))
        .collect();
    assert_eq!(pairs.len(), 2_000);
    let compact = compact();
    let letters = compact.parts().0.words.letters();
    let mut scratch = Scratch::default();
    // Where the stress lies is not counted.
    let plain = |phone: &'static str| phone.trim_end_matches('1');
    let (mut wrong, mut all) = (0, 0);
    for pairs in pairs.chunks(100) {
        let words: Vec<&str> = pairs.iter().map(|(word, _)| *word).collect();
        let found = letters.phones(&words, &mut scratch);
        for ((_, right), found) in pairs.iter().zip(found) {
            let found: Vec<&str> = found
                .iter()
                .map(|phone| plain(PHONES[usize::from(*phone)]))
                .collect();
            let right: Vec<&str> = right
                .iter()
                .map(|phone| phone.trim_end_matches('1'))
                .collect();
            wrong += distance(&right, &found);
            all += right.len();
        }
    }
    let rate = 100.0 * wrong as f64 / all as f64;
    println!("{rate:.2} % of {all} phones are wrong");
    assert!(rate <= 8.0, "{rate:.2} % of {all} phones are wrong");
}

#[test]
fn the_article_is_a_function_word_and_the_letter_is_none() {
    let compact = compact();
    let class = |text: &str| first(&compact, text).classes[0];
    let language = compact.parts().0.lengths.language();
    assert_eq!(class("A dog."), language.class("a"));
    assert_ne!(class("A dog."), 0);
    assert_eq!(class("A."), 0);
    assert_eq!(said(&compact, "A dog."), "pau ax d ao1 g pau");
    assert_eq!(said(&compact, "A."), "pau ey1 pau");
}
