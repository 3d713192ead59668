// SPDX-License-Identifier: MPL-2.0

//! What holds for any text.

use duplex_english::{Dictionary, End, Reading, Said, read};
use proptest::prelude::*;

/// Most words to say of a clause.
const MOST: usize = 25;

fn check(text: &str) -> Reading {
    let dictionary = Dictionary::default();
    let reading = read(text, &dictionary);
    let mut at = 0;
    for clause in &reading.clauses {
        assert_eq!(clause.bytes.start, at, "no gap between clauses: {text:?}");
        at = clause.bytes.end;
        assert!(text.is_char_boundary(at), "{text:?}");
        assert!(!clause.words.is_empty(), "{text:?}");
        let mut before = clause.bytes.start;
        for word in &clause.words {
            let bytes = &word.bytes;
            assert!(
                before <= bytes.start && bytes.start <= bytes.end && bytes.end <= at,
                "{bytes:?} in order: {text:?}"
            );
            assert!(
                text.get(bytes.clone()).is_some(),
                "{bytes:?} are characters: {text:?}"
            );
            before = bytes.end;
            assert!(!word.said.is_empty(), "{text:?}");
            for said in &word.said {
                match said {
                    Said::Letters(letters) => {
                        assert!(
                            letters
                                .bytes()
                                .all(|b| b.is_ascii_lowercase() || b == b'\''),
                            "{letters:?}: {text:?}"
                        );
                        assert!((1..=33).contains(&letters.len()), "{letters:?}: {text:?}");
                        assert!(letters.bytes().any(|b| b != b'\''), "{text:?}");
                    }
                    Said::Phones(phones) => assert!(!phones.is_empty(), "{text:?}"),
                }
            }
        }
        let said: usize = clause.words.iter().map(|word| word.said.len()).sum();
        assert!(said <= MOST, "{said} words: {text:?}");
    }
    if !reading.clauses.is_empty() {
        assert_eq!(at, text.len(), "the clauses are the text: {text:?}");
    }
    let mut before = 0;
    for skipped in &reading.skipped {
        assert!(
            before <= skipped.bytes.start && text.get(skipped.bytes.clone()).is_some(),
            "{text:?}"
        );
        assert!(skipped.text.chars().count() <= 40);
        before = skipped.bytes.end;
    }
    reading
}

/// Pieces of what rules look for, in any order.
fn written() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ \n.,!?'’\"()\\[\\]/:;#@&%$€-]{1,3}",
        "[0-9]{1,5}",
        "[a-zA-Z]{1,6}",
        "\\PC{1,3}",
        prop::sample::select(vec![
            "$",
            "5",
            " km",
            "Nov",
            "3rd",
            "2026",
            "-",
            "–",
            "—",
            "...",
            "…",
            "](/",
            "/)",
            "[",
            "](",
            "p.m.",
            "Dr.",
            "½",
            "²",
            "😀",
            "👍🏽",
            "你好",
            "Привет",
            "μ",
            "e\u{301}",
            "\u{200d}",
            "\u{301}",
            "IV",
            "Henry ",
            "a",
            "A",
            "\n\n",
            "- ",
            "1. ",
            "http://",
            "www.",
            ".com",
            "@",
            "+1 ",
            "555",
            "(555) ",
            "k iy",
            "n't",
            "°C",
            "1/2",
            "\u{0}",
            "\u{feff}",
            "<b>",
            "İ",
            "ß",
            "㎏",
            "ﷺ",
            "٣",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in "\\PC{0,80}") {
        check(&text);
    }

    #[test]
    fn any_text_of_what_rules_look_for_is_read(text in written()) {
        check(&text);
    }

    #[test]
    fn phones_are_taken_as_they_are_given(phones in prop::collection::vec(prop::sample::select(vec!["k", "iy", "v", "zz"]), 1..5)) {
        let text = format!("say [Kyiv](/{}/), please", phones.join(" "));
        let reading = check(&text);
        let word = &reading.clauses[0].words[1];
        prop_assert_eq!(&text[word.bytes.clone()], "Kyiv");
        let known = !phones.contains(&"zz");
        prop_assert_eq!(reading.skipped.is_empty(), known);
        let as_given = Said::Phones(phones.iter().map(|&phone| phone.to_owned()).collect());
        let expected = if known { as_given } else { Said::Letters("kyiv".into()) };
        prop_assert_eq!(&word.said, &vec![expected]);
    }
}

#[test]
fn words_keep_the_bytes_where_they_are_written() {
    for (text, words) in [
        (
            "“Dr. O’Brien’s $3.50,” she said",
            &["Dr", "O’Brien’s", "$3.50", "she", "said"][..],
        ),
        (
            "It's 27 Nov 2026 (5:30 p.m.).",
            &["It's", "27", "Nov", "2026", "5:30", "p.m"],
        ),
        (
            "café—naïve 5 km, 50%!",
            &["café", "naïve", "5", "km", "50%"],
        ),
        (
            "call +1 (555) 123-4567.",
            &["call", "+1", "555", "123", "4567"],
        ),
        (
            "well-known #tag a@b.com",
            &["well-known", "#tag", "a@b.com"],
        ),
        ("EUR 5 and 5 EUR", &["EUR 5", "and", "5", "EUR"]),
    ] {
        let reading = check(text);
        let found = reading.clauses.iter().flat_map(|clause| &clause.words);
        let found: Vec<_> = found.map(|word| &text[word.bytes.clone()]).collect();
        assert_eq!(found, words);
    }
}

#[test]
fn what_is_not_said_is_told() {
    for (text, skipped, why) in [
        (
            "Hi 👍🏽😀 there",
            "👍🏽😀",
            "Emoji and signs like this are not said.",
        ),
        (
            "so 你好 世界, yes",
            "你好 世界",
            "Only Latin letters are said.",
        ),
        ("Τίποτα.", "Τίποτα", "Only Latin letters are said."),
        (
            "[a link](https://example.com)",
            "(https://example.com)",
            "The address of a link is not said.",
        ),
        (
            "[Kyiv](/k ii v/)",
            "(/k ii v/)",
            "The model has no such phones; the word is said as it is written.",
        ),
    ] {
        let reading = check(text);
        let [only] = reading.skipped.as_slice() else {
            panic!("{:?}", reading.skipped)
        };
        assert_eq!((only.text.as_str(), only.why), (skipped, why));
        assert_eq!(&text[only.bytes.clone()], skipped);
    }
    assert!(
        read("Plain “text” – isn’t it?", &Dictionary::default())
            .skipped
            .is_empty()
    );
}

#[test]
fn the_dictionary_says_what_is_written_and_what_is_said_for_it() {
    let phones = ["k", "iy", "v", "g"];
    let dictionary =
        Dictionary::parse("Kyiv k iy v\nC++ k iy\nkilograms g\n", "words", &phones).unwrap();
    let reading = read("KYIV, C++: 5 kg", &dictionary);
    let said: Vec<_> = reading
        .clauses
        .iter()
        .flat_map(|clause| &clause.words)
        .map(|word| &word.said)
        .collect();
    let of = |phones: &[&str]| Said::Phones(phones.iter().map(|&phone| phone.to_owned()).collect());
    assert_eq!(*said[0], [of(&["k", "iy", "v"])]);
    assert_eq!(*said[1], [of(&["k", "iy"])]);
    assert_eq!(*said[2], [Said::Letters("five".into())]);
    assert_eq!(*said[3], [of(&["g"])]);
}

#[test]
fn a_text_without_marks_is_cut_at_words_that_join() {
    let text = "the quick brown fox jumps over the lazy dog and the cat sleeps because it is tired of everything that happens around it ".repeat(100);
    let reading = check(&text);
    assert!(reading.clauses.len() >= 80);
    let (last, others) = reading.clauses.split_last().unwrap();
    assert_eq!(last.end, End::Stop);
    assert!(
        others
            .iter()
            .all(|clause| clause.end == End::Comma && clause.words.len() >= 10)
    );
    let joining = ["and", "because", "that", "of", "over"];
    assert!(others.iter().all(|clause| {
        let next = text[clause.bytes.end..].trim_start();
        joining.iter().any(|word| next.starts_with(word)) || next.is_empty()
    }));
}

/// Processor time of this thread, in seconds: what else the machine does takes no part.
fn spent() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Eight times the text takes about eight times as long; it were 64, if each place looked at all others.
#[test]
fn time_grows_with_the_text_and_no_faster() {
    let dictionary = Dictionary::default();
    for unit in [
        "a",
        "1",
        "[",
        "-",
        "'",
        ".",
        "](",
        "[](/",
        "😀",
        "你",
        "a1",
        "A.",
        "$1-",
        "(",
        "a ",
        "\n- ",
        "1/",
        "a@",
        "http://",
        "…\u{301}",
        "\u{301}",
    ] {
        let time = |bytes: usize| {
            let text = unit.repeat(bytes / unit.len());
            let begun = spent();
            let reading = read(&text, &dictionary);
            let spent = spent() - begun;
            let end = reading
                .clauses
                .last()
                .map_or(text.len(), |last| last.bytes.end);
            assert_eq!(end, text.len(), "{unit:?}");
            spent
        };
        let best = |bytes, times| (0..times).map(|_| time(bytes)).fold(f64::MAX, f64::min);
        let (short, long) = (best(125_000, 3), best(1_000_000, 1));
        println!("{unit:?}: {:.0} ns a byte", long * 1e3);
        assert!(
            long < 24.0 * short.max(1e-3),
            "{unit:?}: {short} s, {long} s"
        );
    }
}
