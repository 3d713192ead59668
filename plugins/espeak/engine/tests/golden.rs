// SPDX-License-Identifier: GPL-3.0-or-later
//! What the voices sound like, by tolerance: length, loudness, silence, and where the words begin. Other
//! versions of the library may differ by as much as a listener would not notice.

use duplex_espeak::EspeakEngine;
use duplex_synthesis::{Engine, Request};

struct Golden {
    language: &'static str,
    text: &'static str,
    /// ms.
    length: f64,
    /// dBFS.
    loudness: f64,
    /// Share of the 10 ms below −50 dBFS.
    silence: f64,
    /// Where each word begins, in ms.
    words: &'static [(&'static str, f64)],
}

const GOLDEN: &[Golden] = &[
    Golden {
        language: "en-US",
        text: "The quick brown fox jumps over the lazy dog.",
        length: 2914.0,
        loudness: -21.1,
        silence: 0.18,
        words: &[
            ("The", 0.0),
            ("quick", 101.0),
            ("brown", 448.0),
            ("fox", 744.0),
            ("jumps", 1132.0),
            ("over", 1553.0),
            ("the", 1779.0),
            ("lazy", 1886.0),
            ("dog", 2185.0),
        ],
    },
    Golden {
        language: "en-GB",
        text: "It costs 3.50, or so they say; Dr. Smith knows.",
        length: 4429.0,
        loudness: -21.0,
        silence: 0.22,
        words: &[
            ("It", 0.0),
            ("costs", 166.0),
            ("3.50", 551.0),
            ("or", 2001.0),
            ("so", 2117.0),
            ("they", 2347.0),
            ("say", 2523.0),
            ("Dr", 3064.0),
            ("Smith", 3440.0),
            ("knows", 3729.0),
        ],
    },
    Golden {
        language: "de",
        text: "Guten Morgen, wie geht es Ihnen?",
        length: 1943.0,
        loudness: -21.8,
        silence: 0.29,
        words: &[
            ("Guten", 0.0),
            ("Morgen", 299.0),
            ("wie", 812.0),
            ("geht", 936.0),
            ("es", 1203.0),
            ("Ihnen", 1362.0),
        ],
    },
    Golden {
        language: "fr",
        text: "Bonjour, il fait beau aujourd'hui.",
        length: 1860.0,
        loudness: -23.1,
        silence: 0.28,
        words: &[
            ("Bonjour", 0.0),
            ("il", 598.0),
            ("fait", 753.0),
            ("beau", 924.0),
            ("aujourd'hui", 1070.0),
        ],
    },
    Golden {
        language: "es",
        text: "Uno, dos, tres: ya está.",
        length: 2222.0,
        loudness: -21.8,
        silence: 0.39,
        words: &[
            ("Uno", 0.0),
            ("dos", 390.0),
            ("tres", 837.0),
            ("ya", 1397.0),
            ("está", 1564.0),
        ],
    },
];

/// 5 %, and 30 ms for what is short.
fn near(found: f64, golden: f64) -> bool {
    (found - golden).abs() <= golden * 0.05 + 30.0
}

fn decibel(samples: &[i16]) -> f64 {
    let power: f64 = samples
        .iter()
        .map(|s| (f64::from(*s) / 32_768.0).powi(2))
        .sum();
    10.0 * (power / samples.len().max(1) as f64).max(1e-12).log10()
}

#[test]
fn voices_sound_as_they_always_did() {
    let engine = EspeakEngine::new();
    let mut wrong = Vec::new();
    for golden in GOLDEN {
        let request = Request {
            language: Some(golden.language.into()),
            ..Request::default()
        };
        let mut utterance = engine.open(&request).unwrap();
        let rate = f64::from(utterance.audio.sample_rate());
        utterance.text.push(golden.text).unwrap();
        utterance.text.finish().unwrap();
        let (mut samples, mut words) = (Vec::new(), Vec::new());
        while let Some(piece) = utterance.audio.next().unwrap() {
            samples.extend(piece.samples);
            let marks = piece.words.into_iter();
            words.extend(marks.map(|word| (word.text, word.start as f64 * 1e3 / rate)));
        }
        let length = samples.len() as f64 * 1e3 / rate;
        let loudness = decibel(&samples);
        let frames = samples.chunks(rate as usize / 100);
        let total = frames.len() as f64;
        let silence = frames.filter(|frame| decibel(frame) < -50.0).count() as f64 / total;
        let same = near(length, golden.length)
            && (loudness - golden.loudness).abs() <= 2.0
            && (silence - golden.silence).abs() <= 0.05
            && words.len() == golden.words.len()
            && words
                .iter()
                .zip(golden.words)
                .all(|(found, golden)| found.0 == golden.0 && near(found.1, golden.1));
        if !same {
            wrong.push(format!(
                "{}: {:?}: length: {length:.0}.0, loudness: {loudness:.1}, silence: {silence:.2}, words: &{words:.0?}",
                golden.language, golden.text
            ));
        }
    }
    assert!(GOLDEN.len() >= 4);
    assert!(wrong.is_empty(), "now they sound so:\n{}", wrong.join("\n"));
}
