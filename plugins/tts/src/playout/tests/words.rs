// SPDX-License-Identifier: MPL-2.0

//! What was heard of a text, case by case.

use super::super::{
    Mark,
    heard::{Heard, Progress, Texts, account},
};

/// Marks from `word@start+samples`, with byte ranges where `ranges`.
fn marks(text: &str, words: &str, ranges: bool) -> Vec<Mark> {
    let mut from = 0;
    words
        .split_whitespace()
        .map(|word| {
            let (name, place) = word.split_once('@').unwrap();
            let (start, samples) = place.split_once('+').unwrap();
            let bytes = ranges.then(|| {
                let at = from + text[from..].find(name).unwrap();
                from = at + name.len();
                at..from
            });
            Mark {
                text: name.into(),
                start: start.parse().unwrap(),
                samples: samples.parse().unwrap(),
                bytes,
                exact: true,
            }
        })
        .collect()
}

fn heard(text: &str, words: &str, left: u64, ranges: bool) -> Heard {
    let mut texts = Texts::default();
    texts.push("a", text);
    let text_of = texts.take("a").unwrap_or_default();
    let progress = Progress {
        left,
        arrived: 10_000,
        complete: false,
        rate: 8_000,
        text_from: 0,
    };
    account(&text_of, &marks(text, words, ranges), progress)
}

#[test]
fn table() {
    const TEXT: &str = "Well, \"two words\" (then) more.";
    const WORDS: &str = "Well@0+100 two@200+100 words@300+100 then@500+100 more@600+100";
    let cases = [
        // Samples that left; heard, cut word, its fraction, unheard.
        (0, "", "", 0.0, TEXT),
        (49, "", "Well", 0.49, TEXT),
        (50, "Well,", "Well", 0.5, "\"two words\" (then) more."),
        (100, "Well,", "", 0.0, "\"two words\" (then) more."),
        (249, "Well,", "two", 0.49, "\"two words\" (then) more."),
        (250, "Well, \"two", "two", 0.5, "words\" (then) more."),
        (300, "Well, \"two", "", 0.0, "words\" (then) more."),
        (450, "Well, \"two words\"", "", 0.0, "(then) more."),
        (600, "Well, \"two words\" (then)", "", 0.0, "more."),
        (651, TEXT, "more", 0.51, ""),
        (9_000, TEXT, "", 0.0, ""),
    ];
    for (left, said, cut, fraction, rest) in cases {
        for ranges in [true, false] {
            let got = heard(TEXT, WORDS, left, ranges);
            assert_eq!(got.heard_text, said, "{left} {ranges}");
            assert_eq!(got.unheard_text, rest, "{left} {ranges}");
            assert_eq!(got.unheard_characters, rest.chars().count() as u64);
            assert_eq!(got.cut_word, cut, "{left}");
            assert!((got.cut_word_fraction - fraction).abs() < 1e-9, "{left}");
            assert!(got.marks_exact);
        }
    }
}

#[test]
fn words_without_places_in_the_text_are_found_one_after_the_other() {
    // The same word twice, one that is spoken otherwise than written, one in other case.
    let text = "the cat, THE 3 cats";
    let words = "the@0+10 cat@10+10 the@20+10 three@30+10 cats@40+10";
    assert_eq!(heard(text, words, 20, false).heard_text, "the cat,");
    assert_eq!(heard(text, words, 30, false).heard_text, "the cat, THE");
    assert_eq!(heard(text, words, 40, false).unheard_text, "3 cats");
    assert_eq!(heard(text, words, 50, false).heard_text, text);
    // No text at all: the words speak for themselves.
    assert_eq!(heard("", words, 25, false).heard_text, "the cat the");
    assert_eq!(heard("", words, 25, false).unheard_text, "three cats");
}

#[test]
fn ranges_that_cannot_be_are_not_believed() {
    let mut marks = marks("grün und gut", "grün@0+10 und@10+10", true);
    marks[0].bytes = Some(0..3); // in the middle of ü
    marks[1].bytes = Some(90..99);
    let mut texts = Texts::default();
    texts.push("a", "grün und gut");
    let progress = Progress {
        left: 20,
        arrived: 20,
        complete: false,
        rate: 8_000,
        text_from: 0,
    };
    let got = account(&texts.take("a").unwrap_or_default(), &marks, progress);
    assert_eq!((&*got.heard_text, &*got.unheard_text), ("grün und", "gut"));
}

#[test]
fn without_marks_places_are_estimated() {
    let mut texts = Texts::default();
    texts.push("a", "one two three four");
    let text = texts.take("a").unwrap_or_default();
    let progress = |left, arrived, complete| Progress {
        left,
        arrived,
        complete,
        rate: 8_000,
        text_from: 0,
    };
    // 18 characters in 1,800 samples: `two` lies at 400..700.
    let got = account(&text, &[], progress(550, 1_800, true));
    assert_eq!((&*got.heard_text, &*got.cut_word), ("one two", "two"));
    assert!(!got.marks_exact);
    // While more may come a usual speed is assumed: 18 characters are 9,600 samples.
    let got = account(&text, &[], progress(550, 1_800, false));
    assert_eq!(got.heard_text, "");
    assert_eq!(
        account(&text, &[], progress(0, 0, false)).unheard_text,
        "one two three four"
    );
}

#[test]
fn unheard_text_is_capped_and_counted() {
    let long = "ä".repeat(300_000);
    let mut texts = Texts::default();
    texts.push("a", "short ");
    texts.push("a", &long);
    texts.push("a", "end");
    let progress = Progress {
        left: 0,
        arrived: 0,
        complete: false,
        rate: 8_000,
        text_from: 0,
    };
    let got = account(&texts.take("a").unwrap_or_default(), &[], progress);
    assert!(got.unheard_text.len() <= 4_096 && got.unheard_text.len() > 4_090);
    assert_eq!(got.unheard_characters, 300_000 + 9);
    // Texts that nobody asks for do not pile up.
    for n in 0..1_000 {
        texts.push(&n.to_string(), "text");
    }
    assert_eq!(texts.drain_unheard().len(), 256);
}
