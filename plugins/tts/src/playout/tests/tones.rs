// SPDX-License-Identifier: MPL-2.0

//! With a voice whose words each have a pitch of their own: what was heard is read from the sound alone.

use duplex_synthesis::{Engine, Piece, Request, tone};

use super::{
    super::{Config, Mark, Notice},
    world::*,
};
use crate::interruption::Command;

const RATE: u32 = 24_000;
/// What a word's pitch is read from.
const WINDOW: usize = RATE as usize / 200;

fn speak(text: &str) -> Vec<Piece> {
    let mut utterance = tone::ToneEngine::default()
        .open(&Request::default())
        .unwrap();
    utterance.text.push(text).unwrap();
    utterance.text.finish().unwrap();
    std::iter::from_fn(|| utterance.audio.next().unwrap()).collect()
}

#[test]
fn every_heard_word_sounded_and_no_other() {
    let text = "Please hold the line, somebody will answer you. Or will they, one day?";
    let pieces = speak(text);
    let words: Vec<_> = pieces.iter().flat_map(|p| p.words.clone()).collect();
    let total: usize = pieces.iter().map(|p| p.samples.len()).sum();
    let ns = |samples: u64| (samples * 1_000_000_000).div_ceil(u64::from(RATE));
    for seed in 0..500 {
        let rng = &mut Rng(seed);
        let mut world = World::new(Config::default(), RATE);
        world.core.text("a", text);
        world.core.begin("a");
        for piece in &pieces {
            for word in &piece.words {
                let mark = Mark {
                    text: word.text.as_str().into(),
                    start: 0,
                    samples: 0,
                    bytes: Some(word.bytes.clone()),
                    exact: word.exact,
                };
                let (start, end) = (ns(word.start), ns(word.start + word.samples));
                world.core.word("a", mark, start, end - start);
            }
            let bytes: Vec<u8> = piece.samples.iter().flat_map(|s| s.to_le_bytes()).collect();
            world.core.samples(&bytes, None);
        }
        world.core.end();
        // What is all out, a lead before its end, cannot be cut.
        let length = total as u64 * 1_000_000_000 / u64::from(RATE);
        let cut = rng.range(0..length - 20 * MS);
        world.run(cut);
        world.command(Command::Interrupt);
        world.run(cut + 100 * MS);
        let report = world
            .notices
            .iter()
            .find_map(|(_, n)| match n {
                Notice::Interrupted(report) => Some(report),
                _ => None,
            })
            .unwrap();
        // The first half of each heard word sounds with its pitch; past the middle of the next nothing does.
        let heard = words
            .iter()
            .take_while(|w| w.bytes.end <= report.heard_text.len())
            .count();
        for (i, word) in words.iter().enumerate() {
            let from = word.start as usize + WINDOW / 2;
            let middle = (word.start + word.samples / 2) as usize;
            if i < heard {
                for at in (from..middle - WINDOW).step_by(WINDOW) {
                    let pitch = tone::word_at(&world.out[at..at + WINDOW], RATE);
                    assert_eq!(
                        pitch,
                        Some(i % tone::PITCHES),
                        "seed {seed}: `{}` at {at}",
                        word.text
                    );
                }
            } else {
                // A fade of 8 ms may reach beyond the middle.
                let after = middle + RATE as usize / 125;
                let rest = &world.out[after.min(world.out.len())..];
                let end = rest.len().min(word.samples as usize / 2);
                assert!(
                    rest[..end].iter().all(|&s| s == 0),
                    "seed {seed}: `{}` sounds {report:?} {word:?}",
                    word.text
                );
            }
        }
        let whole = format!("{} {}", report.heard_text, report.unheard_text);
        assert_eq!(whole.trim(), text, "seed {seed}");
    }
}
