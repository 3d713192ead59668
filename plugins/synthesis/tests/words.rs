// SPDX-License-Identifier: MPL-2.0
//! What counts as a word.

use duplex_synthesis::words;

#[test]
fn words_of_many_scripts() {
    let table: &[(&str, &[&str])] = &[
        (
            "It's \"well-known\" (mostly) – OK?",
            &["It's", "well-known", "mostly", "OK"],
        ),
        (
            "1,234.5 $3.14 50% #tag @me",
            &["1,234.5", "3.14", "50", "tag", "me"],
        ),
        ("¿Qué? «Oui» „Ja“", &["Qué", "Oui", "Ja"]),
        ("— … 😀 !", &[]),
        ("今天天气很好。", &["今天", "天气", "很好"]),
        ("東京へ行きます", &["東京", "へ", "行き", "ます"]),
        ("สวัสดีครับ", &["สวัสดี", "ครับ"]),
        ("मैं ठीक हूँ।", &["मैं", "ठीक", "हूँ"]),
        (
            "e\u{301}te\u{301} cafe\u{301}.",
            &["e\u{301}te\u{301}", "cafe\u{301}"],
        ),
        ("안녕하세요, 네", &["안녕하세요", "네"]),
        ("a\u{0}b\u{1}c", &["a", "b", "c"]),
        ("", &[]),
        (" \n\t", &[]),
    ];
    for (text, wanted) in table {
        let got: Vec<&str> = words(text, false)
            .into_iter()
            .map(|word| &text[word])
            .collect();
        assert_eq!(got, *wanted, "{text:?}");
    }
}

#[test]
fn tags_are_no_words() {
    let text = "<speak>a <b x=\"y z\">b</b>c &amp; 1 < 2</speak>";
    let got: Vec<&str> = words(text, true)
        .into_iter()
        .map(|word| &text[word])
        .collect();
    assert_eq!(got, ["a", "b", "c", "amp", "1", "2"]);
}

#[test]
fn phones_of_a_word_are_no_words() {
    let text = "the [gif](/jh ih f/) and [New York](/n uw y ao r k/), not [this](one) nor [that]";
    let words = duplex_synthesis::words(text, false);
    let words: Vec<&str> = words.into_iter().map(|word| &text[word]).collect();
    let expected = "the gif and New York not this](one nor that";
    assert_eq!(words.join(" "), expected);
}
