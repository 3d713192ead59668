// SPDX-License-Identifier: GPL-3.0-or-later
//! The engine with the real library: what is said, where its words are, how long it lasts.

use duplex_espeak::EspeakEngine;
use duplex_synthesis::{Engine, Error, Request, WordMark, words};

struct Spoken {
    samples: Vec<i16>,
    words: Vec<WordMark>,
    longest: usize,
}

impl Spoken {
    fn texts(&self) -> Vec<&str> {
        self.words.iter().map(|word| word.text.as_str()).collect()
    }

    fn rms(&self, from: u64, samples: u64) -> f64 {
        let range = &self.samples[from as usize..(from + samples) as usize];
        let sum: f64 = range.iter().map(|s| f64::from(*s).powi(2)).sum();
        (sum / range.len().max(1) as f64).sqrt()
    }
}

fn request(voice: &str) -> Request {
    Request {
        voice: Some(voice.into()),
        ..Request::default()
    }
}

fn speak_in(request: &Request, parts: &[&str]) -> Spoken {
    let mut utterance = EspeakEngine::new().open(request).unwrap();
    for part in parts {
        utterance.text.push(part).unwrap();
    }
    utterance.text.finish().unwrap();
    let mut spoken = Spoken {
        samples: Vec::new(),
        words: Vec::new(),
        longest: 0,
    };
    while let Some(piece) = utterance.audio.next().unwrap() {
        let from = spoken.samples.len() as u64;
        let to = from + piece.samples.len() as u64;
        for word in &piece.words {
            assert!(
                (from..to).contains(&word.start),
                "{word:?} does not begin in its piece {from}..{to}"
            );
        }
        assert!(!piece.samples.is_empty());
        spoken.longest = spoken.longest.max(piece.samples.len());
        spoken.samples.extend(piece.samples);
        spoken.words.extend(piece.words);
    }
    spoken
}

fn speak(request: &Request, text: &str) -> Spoken {
    speak_in(request, &[text])
}

/// Marks are in order, inside of the sound, and name their bytes of the text.
fn check_marks(text: &str, spoken: &Spoken) {
    let mut before = 0;
    let mut byte = 0;
    for word in &spoken.words {
        assert_eq!(&text[word.bytes.clone()], word.text);
        assert!(word.start >= before, "{word:?} before {before} in `{text}`");
        assert!(
            word.bytes.start >= byte,
            "{word:?} out of order in `{text}`"
        );
        assert!(
            word.start + word.samples <= spoken.samples.len() as u64,
            "{word:?}"
        );
        before = word.start + word.samples;
        byte = word.bytes.end;
    }
}

#[test]
fn the_marks_are_the_words_of_the_text_in_many_languages() {
    let table = [
        (
            "en-us",
            "The quick brown fox, it seems, jumps over 12 lazy dogs.",
        ),
        (
            "en-gb",
            "It's 3.14 at 10:30, isn't it? I do not know of the other one in the house.",
        ),
        (
            "de",
            "Am 3. Oktober, z. B., kostet das 1.234,50 Euro; nicht wahr?",
        ),
        ("fr-fr", "Bonjour ! Qu'est-ce que c'est ? C'est l'été."),
        ("es", "¿Cómo está usted? Muy bien, gracias."),
        ("it", "Buongiorno, come sta? Sto bene."),
        ("pt-br", "Olá, tudo bem com você?"),
        ("ru", "Привет, как дела? Всё хорошо."),
        ("tr", "Merhaba, nasılsınız? İyiyim."),
        ("pl", "Dzień dobry, jak się masz?"),
        ("ar", "مرحبا، كيف حالك؟ أنا بخير."),
        ("hi", "नमस्ते, आप कैसे हैं? मैं ठीक हूँ।"),
        ("ko", "안녕하세요, 잘 지내세요?"),
        ("el", "Καλημέρα, τι κάνετε;"),
    ];
    for (voice, text) in table {
        let spoken = speak(&request(voice), text);
        check_marks(text, &spoken);
        let wanted: Vec<&str> = words(text, false).into_iter().map(|w| &text[w]).collect();
        assert_eq!(spoken.texts(), wanted, "{voice}");
        for word in &spoken.words {
            let ms = word.samples as f64 / 22.05;
            assert!(
                (15.0..if word.text.contains(char::is_numeric) {
                    5000.0
                } else {
                    1500.0
                })
                    .contains(&ms),
                "{voice}: {word:?} lasts {ms} ms"
            );
            assert!(
                spoken.rms(word.start, word.samples) > 100.0,
                "{voice}: {word:?} is silent"
            );
        }
        assert!(spoken.longest <= 2205);
    }
}

#[test]
fn an_unknown_voice_is_refused_with_the_nearest_names() {
    let Err(Error::NoSuchVoice { name, remedy }) = EspeakEngine::new().open(&request("en-uss"))
    else {
        panic!("en-uss was accepted");
    };
    assert_eq!(name, "en-uss");
    assert!(remedy.contains("`en-us`"), "{remedy}");
}
