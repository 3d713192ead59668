// SPDX-License-Identifier: MPL-2.0

//! The table of cases: what is said for what is written.

use duplex_english::{Clause, Dictionary, End, Said, read};

/// As `cases.txt` writes it: names of letters as capitals, other phones between slashes, and the marks that end clauses, but for
/// the full stop of the last.
fn said(text: &str) -> String {
    let clauses = read(text, &Dictionary::default()).clauses;
    let count = clauses.len();
    let parts: Vec<String> = clauses
        .iter()
        .enumerate()
        .map(|(place, clause)| clause_said(clause, place + 1 == count))
        .collect();
    parts.join(" ")
}

fn clause_said(clause: &Clause, last: bool) -> String {
    let words = clause.words.iter().flat_map(|word| &word.said);
    let words: Vec<String> = words.map(word_said).collect();
    let end = match clause.end {
        End::Comma => ",",
        End::Stop if last => "",
        End::Stop => ".",
        End::Question => "?",
        End::Exclamation => "!",
    };
    words.join(" ") + end
}

fn word_said(said: &Said) -> String {
    match said {
        Said::Letters(letters) => letters.clone(),
        Said::Phones(phones) => {
            for phone in phones {
                assert!(PHONES.split(' ').any(|known| known == phone), "{phones:?}");
            }
            // Which vowel is stressed, the table leaves out.
            let phones = phones.join(" ").replace('1', "");
            match NAMES.iter().position(|name| *name == phones) {
                Some(place) => char::from(b'A' + place as u8).to_string(),
                None if phones == "ax" => "a".into(),
                None => format!("/{phones}/"),
            }
        }
    }
}

/// Of the model.
const PHONES: &str = "aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh \
    aa1 ae1 ah1 ao1 aw1 ay1 eh1 er1 ey1 ih1 iy1 ow1 oy1 uh1 uw1";

const NAMES: [&str; 26] = [
    "ey",
    "b iy",
    "s iy",
    "d iy",
    "iy",
    "eh f",
    "jh iy",
    "ey ch",
    "ay",
    "jh ey",
    "k ey",
    "eh l",
    "eh m",
    "eh n",
    "ow",
    "p iy",
    "k y uw",
    "aa r",
    "eh s",
    "t iy",
    "y uw",
    "v iy",
    "d ah b ax l y uw",
    "eh k s",
    "w ay",
    "z iy",
];

#[test]
fn each_case_is_said_as_the_table_has_it() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (number, line) in include_str!("cases.txt").lines().enumerate() {
        if line.trim().is_empty() || line.starts_with("//") {
            continue;
        }
        count += 1;
        let (written, wanted) = line
            .split_once(" | ")
            .unwrap_or((line.trim_end_matches(" |"), ""));
        let got = said(&written.replace("\\n", "\n").replace("\\p", "|"));
        if got != wanted.trim() {
            wrong.push(format!(
                "{}: {written}\n  table: {}\n  said:  {got}",
                number + 1,
                wanted.trim()
            ));
        }
    }
    assert!(count >= 200, "{count} cases");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
