// SPDX-License-Identifier: MPL-2.0
//! The splitter: a table of texts with their clauses, and what holds for every text.

use duplex_synthesis::{Boundary, Clause, MAX_CHARS, MAX_WORDS, Splitter};

/// The clauses of a text that arrives in these parts.
fn split_parts<'a>(
    language: &str,
    ssml: bool,
    parts: impl IntoIterator<Item = &'a str>,
) -> Vec<Clause> {
    let mut splitter = Splitter::new(Some(language), ssml);
    let mut clauses = Vec::new();
    for part in parts {
        splitter.push(part);
        while let Some(clause) = splitter.next_clause() {
            clauses.push(clause);
        }
    }
    clauses.extend(splitter.flush());
    clauses
}

fn split(language: &str, text: &str) -> Vec<Clause> {
    split_parts(language, false, [text])
}

/// Each character by itself: what a slow writer does.
fn split_by_char(language: &str, ssml: bool, text: &str) -> Vec<Clause> {
    let ends: Vec<usize> = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .collect();
    let mut from = 0;
    let parts = ends.into_iter().map(|to| {
        let part = &text[from..to];
        from = to;
        part
    });
    split_parts(language, ssml, parts)
}

/// In the table `|` stands where a clause ends.
const TABLE: &[(&str, &str)] = &[
    // English: numbers, times, money, abbreviations, initials, addresses.
    ("en", "Hello, |world. |How are you?"),
    ("en", "It costs 1,234.5 dollars, |or $3.14, |at 10:30."),
    (
        "en",
        "Dr. Smith met Mr. Jones, |Mrs. Brown and Prof. White. |They talked.",
    ),
    ("en", "Use tools, |e.g. hammers, |i.e. things. |Fine."),
    ("en", "J. R. R. Tolkien wrote it. |George W. Bush did not."),
    (
        "en",
        "See www.example.com/a?b=c,d or mail me@example.com. |Thanks!",
    ),
    ("en", "Visit https://example.com/x. |Then wait."),
    ("en", "At 5 p.m. |On Monday we left."),
    ("en", "The U.S. Army came. |It was 3.5 km away."),
    ("en", "Wait... |What? |No... |never mind!"),
    ("en", "Wait… |What?! |Really!!! |Yes."),
    ("en", "\"Stop!\" |he said. |\"Now.\" |Done."),
    ("en", "He said, |\"It works (mostly).\" |Good."),
    ("en", "It was I. |Then he left."),
    ("en", "No. 5 is alive. |Fig. 3 shows it."),
    ("en", "She said no. |Then she left."),
    ("en", "Ph.D. students and the approx. value vs. Others."),
    ("en", "One thing: |time; |another — |space."),
    ("en", "The years 1990–2000 were 5 – 3 good – |mostly."),
    ("en", "1. First item\n|2. Second item\n|3. Third"),
    ("en", "A list:\n|- one\n|- two\n\n|The end"),
    ("en", "A wrapped\nline goes on, |here."),
    ("en", "First paragraph\n\n|Second paragraph"),
    ("en", "Version 2.0.1 is out. |3 people like it."),
    ("en", "The ratio is 3:4, |the score 2-1."),
    ("en", "Hi! |😀 How are you?"),
    ("en", "rock 'n' roll, |isn't it?"),
    ("en", "What is 5 + 3? |It's 8."),
    ("en", "Acme Inc. |Then came St. Louis and Mt. Everest."),
    ("en", "... and so on."),
    ("en", "The end.) |Next."),
    ("en", "He left (finally). |She stayed."),
    // German
    ("de", "Das ist z.B. ein Haus, |d.h. ein Gebäude. |Ja."),
    ("de", "Das ist z. B. Holz. |Gut."),
    ("de", "Am 3. Oktober 1990. |Danach nicht."),
    (
        "de",
        "Es kostet 1.234,50 Euro. |Hr. Meier zahlt ca. Fünf davon.",
    ),
    ("de", "„Halt!“ |rief er. |Dr. Müller kam."),
    ("de", "Ludwig XIV. König von Frankreich, |bzw. Herrscher."),
    ("de", "Siehe Abb. 3 auf S. 112. |Danke."),
    ("de", "Das war usw. |Dann kam Nr. 5."),
    // French
    ("fr", "Bonjour ! |Ça va ? |Oui ; |très bien : |merci."),
    ("fr", "M. Dupont et Mme. Durand arrivent à 10 h 30. |Bien."),
    ("fr", "Il dit : |« Venez ! » |Puis il part."),
    (
        "fr",
        "Le prix est de 1 234,56 euros. |C'est l'été, |n'est-ce pas ?",
    ),
    ("de", "»Halt!« |rief er. |Gut."),
    ("fr", "«\u{a0}Oui\u{a0}!\u{a0}» |dit-il."),
    // Spanish, Italian, Portuguese
    ("es", "¿Cómo está, |Sr. García? |¡Muy bien! |Gracias."),
    (
        "es",
        "La Sra. López y el Dr. Ruiz viven en la Avda. Mayor. |Sí.",
    ),
    (
        "it",
        "Il Sig. Rossi e la Sig.ra Bianchi, |il Dott. Verdi. |Ecco.",
    ),
    ("pt", "O Sr. Silva e a Dra. Costa chegaram. |Olá!"),
    // Russian, Polish, Turkish, Greek, Dutch, Czech
    (
        "ru",
        "А. С. Пушкин родился в г. Москва. |Да, |это так и т.д. |Потом.",
    ),
    ("ru", "Ул. им. Ленина, |д. 5. |Хорошо."),
    ("pl", "Dr. Nowak, |prof. Kowalski i np. Ja. |Tak."),
    ("tr", "Prof. Dr. Yılmaz geldi. |3. Kat, |evet mi?"),
    ("el", "Τι κάνεις; |Καλά, |ευχαριστώ."),
    ("nl", "Dhr. Jansen komt, |bijv. Morgen. |Goed."),
    ("cs", "Dne 3. Října přišel Ing. Novák. |Ano."),
    // Chinese, Japanese, Korean, Thai
    (
        "zh",
        "你好，|世界。|今天3.14元，|一百！|好吗？|“是的。”|他说。",
    ),
    ("zh", "他说：|“你好！”|然后走了。"),
    ("zh", "共１，０００元，|３：３０开始。"),
    ("zh", "版本2.0很好。|用 example.com 吧。"),
    (
        "ja",
        "こんにちは、|世界。|「はい。」|と言った。|本当？！|ええ…|そう。",
    ),
    ("ko", "안녕하세요, |잘 지내세요? |네."),
    ("th", "สวัสดีครับ สบายดีไหม"),
    // Arabic, Persian, Urdu, Hindi, Hebrew, Armenian, Amharic
    ("ar", "مرحبا، |كيف حالك؟ |أنا بخير."),
    ("ur", "سلام۔ |آپ کیسے ہیں؟ |ٹھیک۔"),
    ("hi", "नमस्ते, |आप कैसे हैं? |मैं ठीक हूँ। |धन्यवाद॥"),
    ("he", "שלום, |מה שלומך? |טוב."),
    ("hy", "Բարեւ։ |Ինչպես ես"),
    ("am", "ሰላም። |እንዴት ነህ፧ |ደህና፣ |አመሰግናለሁ"),
    // Unknown language: what is common to all.
    (
        "",
        "Dr. Müller, |z.B. Herr K. Meier, |geht. |Il Sig. Rossi anche.",
    ),
];

#[test]
fn the_table() {
    let mut wrong = Vec::new();
    for (language, marked) in TABLE {
        let text: String = marked.split('|').collect();
        let wanted: Vec<&str> = marked.split('|').collect();
        let clauses = split(language, &text);
        // White space belongs to the clause behind it; the table shows it in front of the cut.
        let got: Vec<&str> = clauses.iter().map(|c| c.text.trim()).collect();
        let wanted: Vec<&str> = wanted.iter().map(|part| part.trim()).collect();
        if got != wanted {
            wrong.push(format!(
                "{language}: {text:?}\n  got    {got:?}\n  wanted {wanted:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn boundaries_have_their_kind() {
    let kinds =
        |text: &str| -> Vec<Boundary> { split("en", text).iter().map(|c| c.boundary).collect() };
    use Boundary::*;
    assert_eq!(kinds("Yes, it is. Ok"), [Clause, Sentence, End]);
    assert_eq!(kinds("Yes... maybe"), [Clause, End]);
    assert_eq!(kinds("Title\n\nText."), [Sentence, Sentence]);
    assert_eq!(
        kinds("one two three four five six seven eight nine ten eleven twelve thirteen"),
        [Words, End]
    );
    assert_eq!(kinds("Done. "), [Sentence, End]);
}

#[test]
fn the_first_clause_comes_before_the_sentence_is_complete() {
    let mut splitter = Splitter::new(Some("en"), false);
    splitter.push("Well,");
    assert_eq!(splitter.next_clause(), None);
    splitter.push(" ");
    assert_eq!(splitter.next_clause().unwrap().text, "Well,");
    splitter.push("the first twelve words of this sentence are spoken before it has ");
    assert_eq!(splitter.next_clause(), None);
    splitter.push("e");
    let clause = splitter.next_clause().unwrap();
    assert_eq!(clause.boundary, Boundary::Words);
    assert_eq!(clause.text.split_whitespace().count(), MAX_WORDS);
}

#[test]
fn a_word_with_its_phones_stays_whole() {
    let phones = "[Dr. No, i.e. Joe](/d aa k t er n ow hh uw ih z jh ow/)";
    for before in 0..70 {
        let text = format!("{}{phones}. And so on [1], [see", "word ".repeat(before));
        let mut random = Random(before as u64 + 1);
        for ssml in [false, true] {
            check_any_parts("en", ssml, &text, &mut random);
            let clauses = split_parts("en", ssml, [text.as_str()]);
            let whole = clauses.iter().filter(|clause| clause.text.contains(phones));
            assert_eq!(whole.count(), 1, "{clauses:?}");
            let most = clauses
                .iter()
                .map(|clause| clause.text.chars().count())
                .max();
            assert!(most <= Some(MAX_CHARS), "{clauses:?}");
        }
    }
    let unbroken = format!("{}{phones}", "x".repeat(280));
    let clauses = split("en", &unbroken);
    assert_eq!(clauses[1].text, phones, "{clauses:?}");
}

#[test]
fn a_number_is_not_parted_after_twelve_words() {
    let text = "there are in all of the world as of now about 12 345 678 of them";
    let clauses = split("fr", text);
    assert_eq!(
        clauses[0].text,
        "there are in all of the world as of now about 12 345 678"
    );
}

#[test]
fn a_mark_behind_the_twelfth_word_stays_with_it() {
    let text = "un deux trois quatre cinq six sept huit neuf dix onze douze ! Oui";
    let clauses = split("fr", text);
    assert_eq!(clauses[0].text, &text[..text.len() - 4]);
    assert_eq!(clauses[0].boundary, Boundary::Sentence);
}

#[test]
fn text_without_white_space_is_cut_between_words() {
    let text = "สวัสดีครับ".repeat(60);
    for clause in split("th", &text) {
        assert!(clause.text.chars().count() <= MAX_CHARS);
        assert!(
            clause.text.starts_with("สวัสดี") || clause.text.starts_with("ครับ"),
            "{}",
            clause.text
        );
    }
    // No word at all: at least no character is parted from its marks.
    let text = "👨‍👩‍👧‍👦".repeat(100);
    for clause in split("en", &text) {
        assert!(clause.text.chars().count() <= MAX_CHARS);
        assert!(
            clause.text.starts_with('👨') && clause.text.ends_with('👦'),
            "{}",
            clause.text
        );
    }
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn check_cover(text: &str, clauses: &[Clause]) {
    let mut at = 0;
    for clause in clauses {
        assert_eq!(clause.bytes.start, at, "a gap or overlap in {text:?}");
        assert!(!clause.bytes.is_empty());
        assert_eq!(&text[clause.bytes.clone()], clause.text);
        at = clause.bytes.end;
    }
    assert_eq!(at, text.len(), "the end of {text:?} is lost");
}

fn check_any_parts(language: &str, ssml: bool, text: &str, random: &mut Random) {
    let whole = split_parts(language, ssml, [text]);
    check_cover(text, &whole);
    assert_eq!(
        split_by_char(language, ssml, text),
        whole,
        "by character: {text:?}"
    );
    for _ in 0..3 {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let mut to = 1 + random.below(rest.len().min(40));
            while !rest.is_char_boundary(to) {
                to += 1;
            }
            parts.push(&rest[..to]);
            rest = &rest[to..];
        }
        let got = split_parts(language, ssml, parts.iter().copied());
        assert_eq!(got, whole, "in the parts {parts:?}");
    }
}

#[test]
fn however_the_text_arrives_its_clauses_are_the_same() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (language, marked) in TABLE {
        check_any_parts(language, false, &marked.replace('|', ""), &mut random);
    }
    let bits = [
        "a",
        "Wort",
        "слово",
        "你",
        "好",
        "ไทย",
        "ش",
        " ",
        " ",
        " ",
        "\n",
        "\n\n",
        "\u{a0}",
        ".",
        ",",
        "!",
        "?",
        "…",
        "...",
        ":",
        ";",
        "。",
        "，",
        "،",
        "؟",
        "।",
        "\"",
        "'",
        "“",
        "”",
        "(",
        ")",
        "»",
        "1",
        "23",
        "3.14",
        "Dr",
        "z.B",
        "e.g",
        "www.x.org",
        "—",
        "–",
        "-",
        "- ",
        "2. ",
        "😀",
        "e\u{301}",
        "\u{0}",
        "\u{7}",
        "<",
        "&",
        "I",
        "J",
        "XIV",
        "a@b.c",
        "」",
        "*",
        "[",
        "](/",
        "/)",
        "[ab c](/k iy/)",
    ];
    for round in 0..400 {
        let language = ["en", "de", "fr", "zh", "ru", ""][round % 6];
        let text: String = (0..random.below(250))
            .map(|_| bits[random.below(bits.len())])
            .collect();
        check_any_parts(language, false, &text, &mut random);
        for clause in split(language, &text) {
            assert!(clause.text.chars().count() <= MAX_CHARS, "{clause:?}");
        }
    }
}

#[test]
fn long_runs_of_anything_are_cut() {
    let mut random = Random(7);
    for unit in [
        " ", "\n", "!", "…", "a", "你", "😀", "\"", ".", "a,", "1,", "—", ")", "\u{301}", "-",
        "a\n", "<",
    ] {
        let text = unit.repeat(700);
        check_any_parts("en", false, &text, &mut random);
        for clause in split("en", &text) {
            assert!(
                clause.text.chars().count() <= MAX_CHARS,
                "{unit:?}: {clause:?}"
            );
        }
    }
}

#[test]
fn a_flush_makes_a_clause_of_what_is_there() {
    let mut splitter = Splitter::new(Some("en"), false);
    splitter.push("Hello. I think that");
    let flushed = splitter.flush();
    let texts: Vec<&str> = flushed.iter().map(|c| c.text.as_str()).collect();
    assert_eq!(texts, ["Hello.", " I think that"]);
    assert_eq!(splitter.pending(), 0);
    splitter.push(" you. ");
    let clause = splitter.flush().remove(0);
    assert_eq!((clause.text.as_str(), clause.bytes), (" you.", 19..24));
}

const SSML: &[(&str, &[(&str, &str)])] = &[
    (
        "<speak>Hello, <emphasis>dear. friend</emphasis>. Bye.</speak>",
        &[
            ("<speak>Hello,", ""),
            (" <emphasis>dear. friend</emphasis>.", "<speak>"),
            (" Bye.</speak>", "<speak>"),
        ],
    ),
    (
        "<speak><p><s>One</s><s>Two</s></p>Three</speak>",
        &[
            ("<speak><p><s>One</s>", ""),
            ("<s>Two</s>", "<speak><p>"),
            ("</p>Three</speak>", "<speak><p>"),
        ],
    ),
    (
        "<speak><prosody rate=\"slow\">A, bee.</prosody> <break time=\"1s\"/>C <say-as interpret-as=\"date\">1, 2. 3</say-as></speak>",
        &[
            ("<speak><prosody rate=\"slow\">A,", ""),
            (" bee.</prosody>", "<speak><prosody rate=\"slow\">"),
            (
                " <break time=\"1s\"/>C <say-as interpret-as=\"date\">1, 2. 3</say-as></speak>",
                "<speak>",
            ),
        ],
    ),
    (
        "2 < 3, and <b title=\"a. b, c\">x</b>",
        &[("2 < 3,", ""), (" and <b title=\"a. b, c\">x</b>", "")],
    ),
    // An entity is a character, whatever it is written with.
    (
        "Tom &amp; Ann&apos;s cat &#38; dog, at AT&T; it&nosuch; is",
        &[
            ("Tom &amp; Ann&apos;s cat &#38; dog,", ""),
            (" at AT&T; it&nosuch; is", ""),
        ],
    ),
    (
        "He said &quot;No.&quot; Then he left.",
        &[("He said &quot;No.&quot;", ""), (" Then he left.", "")],
    ),
];

#[test]
fn ssml_is_cut_between_tags_only_and_says_what_is_open() {
    let mut random = Random(99);
    for (text, wanted) in SSML {
        let clauses = split_parts("en", true, [*text]);
        let got: Vec<(&str, &str)> = clauses
            .iter()
            .map(|c| (c.text.as_str(), c.open.as_str()))
            .collect();
        assert_eq!(got, *wanted);
        check_any_parts("en", true, text, &mut random);
    }
    let long = format!(
        "<speak><sub alias=\"x\">{}</sub></speak>",
        "word, ".repeat(2000)
    );
    let clauses = split_parts("en", true, [long.as_str()]);
    assert!(clauses.len() > 5);
    assert!(clauses[1].open.ends_with("<sub alias=\"x\">"));
    check_any_parts("en", true, &long, &mut random);
}
