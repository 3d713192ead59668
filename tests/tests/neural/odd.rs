// SPDX-License-Identifier: MPL-2.0

//! Text that nobody would read out: the small voice speaks it, spells it or leaves it out with a message, and never fails.

use std::fs;

use duplex_tests::{plugins, speaking::Rig};
use gst::prelude::*;

use crate::{
    bus,
    compact::{small, speak},
    errors,
};

/// Says it; it ends, without an error, and no word is marked twice or out of order. How many samples that were.
fn survives(text: &str) -> usize {
    says(&small(), text)
}

fn says(rig: &Rig, text: &str) -> usize {
    let told = bus(rig);
    let (sound, words) = speak(rig, text);
    let shown: String = text.chars().take(40).collect();
    assert_eq!(errors(&told).len(), 0, "{shown:?}");
    assert!(
        words.is_sorted_by_key(|word| (word.start, word.text_start)),
        "{shown:?}: {words:?}"
    );
    for word in &words {
        let bytes = word.text_start as usize..word.text_end as usize;
        assert_eq!(text.get(bytes), Some(word.text.as_str()), "{shown:?}");
    }
    sound.len()
}

#[test]
fn text_without_a_word_ends_without_sound_or_error() {
    for text in [
        "",
        " ",
        "\n\n\n",
        "…",
        "?!",
        "—, ! . ;",
        "()[]{}",
        "\u{200b}\u{feff}",
    ] {
        let samples = survives(text);
        assert!(samples < 16_000, "{text:?}: {samples} samples");
    }
}

#[test]
fn words_of_a_letter_are_spoken() {
    for text in ["a", "I", "x", "A b c d.", "I am a b.", "'", "a.b.c", "O’ k"] {
        let samples = survives(text);
        assert!(samples > 600 || text == "'", "{text:?}: {samples} samples");
    }
}

#[test]
fn what_no_word_is_made_of_is_left_out_or_said() {
    for (text, is_said) in [
        ("Good 👍 morning 🎉🎉!", true),
        ("👩‍👩‍👧‍👦", false),
        ("Привет, мир.", false),
        ("你好世界。", false),
        ("مرحبا بالعالم", false),
        ("Hello, мир! 你好 again.", true),
        ("naïve café Ångström", true),
        ("e\u{301}te\u{301} Zalgo\u{336}\u{335}\u{334}", true),
        ("a\u{0}b\u{7}c\u{1b}[31m d", true),
        ("\u{202e}backwards\u{202c} text", true),
        (
            "$3.50, 27 Nov 2026, 5:30pm, 20°C & 50% @ example.com/a_b?c=d#e",
            true,
        ),
        ("1/2 3,000,000,000,000,000,000,000,000 1e400 -0 ½ Ⅷ", true),
        ("x = a*b**2 + c[d]; // <html>&amp;</html>", true),
        (
            "[word](/not phones/) [](/ /) [x](/pau/) [unfinished](/k ae",
            true,
        ),
        ("ALL CAPITALS AND qwrtpsdfgh bcdfghjklmnpqrstvwxz", true),
    ] {
        let samples = survives(text);
        assert!(samples > 1_000 || !is_said, "{text:?}: {samples} samples");
    }
}

/// As fast as it can, which takes least time.
fn fast() -> Rig {
    let rig = small();
    rig.element.set_property("rate", 4.0);
    rig
}

#[test]
fn ten_thousand_characters_without_a_stop_are_spoken_to_the_last_word() {
    let text = "one more word and then ".repeat(10_000 / 23 + 1);
    assert!(text.len() >= 10_000);
    let (sound, words) = speak(&fast(), &text);
    assert_eq!(words.len(), text.split_whitespace().count());
    assert!(words.iter().all(|word| word.exact));
    assert!(words.is_sorted_by_key(|word| word.start));
    // A phone lasts a hundredth of a second at least.
    assert!(sound.len() / 160 > words.len(), "{} samples", sound.len());
}

#[test]
fn many_characters_without_a_space_are_spoken() {
    for (text, length) in [
        ("a", 10_000),
        ("é", 10_000),
        (".", 10_000),
        // These are read out one by one, which lasts a quarter of an hour for so many.
        ("xy", 500),
        ("1", 500),
        ("ab-", 500),
    ] {
        says(&fast(), &text.repeat(length / text.len()));
    }
}

#[test]
fn who_looks_into_the_log_learns_what_was_left_out_and_not_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    fs::write(&path, "Good morning, Пётр.").unwrap();
    let mut command = plugins::command("gst-launch-1.0");
    command
        .args(["-q", "filesrc"])
        .arg(format!("location={}", path.display()));
    command.args([
        "!",
        "text/x-raw,format=utf8",
        "!",
        "cudattsynth",
        "!",
        "fakesink",
    ]);
    command
        .env("GST_DEBUG", "cudattsynth:2")
        .env("GST_DEBUG_NO_COLOR", "1");
    let output = command.output().unwrap();
    let told = plugins::told(&output);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("WARN") && told.contains("bytes 14..2"),
        "{told}"
    );
    assert!(!told.contains("Пётр"), "{told}");
}
