// SPDX-License-Identifier: MPL-2.0

//! How words are pronounced: a small dictionary for the words of a grammar, taken from the model's large one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use duplex_recognition::Error;

/// Words that listeners say and the dictionary lacks, or has in one way only, in its phones.
const SOUNDS: [(&str, &[&str]); 9] = [
    (
        "mm-hmm",
        &[
            "M HH M",
            "AH M HH AH M",
            "M HH AH M",
            "IH M HH IH M",
            "AH HH AH M",
        ],
    ),
    ("mhm", &["M HH M"]),
    ("uh-huh", &["AH HH AH", "AH HH AH NG", "AH HH AA"]),
    ("hmm", &["HH AH M", "HH IH M", "HH UH M"]),
    ("mm", &["AH M"]),
    ("okay", &["OW K EY", "AH K EY", "M K EY"]),
    ("sure", &["SH UH R", "SH ER", "SH AO R"]),
    ("yeah", &["Y AE", "Y EH", "Y EH AH"]),
    ("yep", &["Y EH P"]),
];

/// The entries of `words`, as a dictionary. `needed` must all be there, `wanted` need not.
///
/// # Errors
/// The file cannot be read, or a needed word is not in it; the sentence names those that look most like it.
pub fn extract(
    file: &Path,
    needed: &BTreeSet<String>,
    wanted: &BTreeSet<String>,
) -> Result<(String, BTreeSet<String>), Error> {
    let unreadable = |error: std::io::Error| {
        Error::Resource(format!(
            "the dictionary {} cannot be read ({error}); on Debian: apt install pocketsphinx-en-us",
            file.display()
        ))
    };
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut missing: Vec<&str> = Vec::new();
    let mut all: Vec<String> = Vec::new();
    for line in BufReader::new(File::open(file).map_err(unreadable)?).lines() {
        let line = line.map_err(unreadable)?;
        let Some((entry, phones)) = line.split_once([' ', '\t']) else {
            continue;
        };
        let word = entry.split_once('(').map_or(entry, |(word, _)| word);
        if needed.contains(word) || wanted.contains(word) {
            found
                .entry(word.to_owned())
                .or_default()
                .push(phones.trim().to_owned());
        } else if word == entry {
            all.push(entry.to_owned());
        }
    }
    for (word, sounds) in SOUNDS {
        if needed.contains(word) || wanted.contains(word) {
            let known = found.entry(word.to_owned()).or_default();
            for phones in sounds {
                if !known.iter().any(|k| k == phones) {
                    known.push((*phones).to_owned());
                }
            }
        }
    }
    missing.extend(
        needed
            .iter()
            .map(String::as_str)
            .filter(|word| !found.contains_key(*word)),
    );
    if let [word, ..] = missing.as_slice() {
        let mut near: Vec<(f64, &String)> = (all.iter())
            .map(|other| (strsim::jaro_winkler(word, other), other))
            .filter(|(likeness, _)| *likeness > 0.85)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let near: Vec<String> = near
            .iter()
            .take(3)
            .map(|(_, word)| format!("`{word}`"))
            .collect();
        let mut sentence = format!(
            "the grammar's word `{word}` is not in the dictionary {}",
            file.display()
        );
        if missing.len() > 1 {
            let _ = write!(sentence, ", and {} more are not", missing.len() - 1);
        }
        if near.is_empty() {
            sentence.push_str(": write it as words that are");
        } else {
            let _ = write!(sentence, ": it has {}", near.join(", "));
        }
        return Err(Error::Settings(sentence));
    }
    let mut text = String::new();
    for (word, ways) in &found {
        for (n, phones) in ways.iter().enumerate() {
            let _ = match n {
                0 => writeln!(text, "{word} {phones}"),
                n => writeln!(text, "{word}({}) {phones}", n + 1),
            };
        }
    }
    Ok((text, found.into_keys().collect()))
}
