// SPDX-License-Identifier: MPL-2.0

//! What a chunk's tokens say: a clause's words, with letters or phones of each, and where they are written.
//!
//! The first token is the clause's end. Then come how many tokens tell what is said before it in the same sentence, and those;
//! and the same of what is said behind. Then comes each written word: the byte where it begins, that where it ends, how many
//! tokens follow of it; and those: phones, letters, or [`NEXT`] between two words that are said for one that is written.

use std::ops::Range;

use duplex_english::{Clause, Said};

use super::{
    clause::End,
    phones::{self, Phone},
    syllables::{BEFORE, BEHIND},
};

/// Letters follow the phones.
const LETTER: u32 = 64;
/// Another word is said for the same written one.
const NEXT: u32 = 512;
/// A word with more letters or phones is said as several.
const LONGEST: usize = 32;
/// More letters and phones than this are not one clause: what is computed at its beginning has a bound.
const MOST: usize = 400;

/// A word as it is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spoken {
    Letters(String),
    Phones(Vec<Phone>),
}

/// A word as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// In the text.
    pub bytes: Range<usize>,
    pub said: Vec<Spoken>,
}

/// A clause, or a part of one that is very long.
struct Part {
    end: End,
    /// Each written word's place in the text, and the tokens of what is said for it.
    words: Vec<(Range<usize>, Vec<u32>)>,
    /// The byte behind it.
    to: usize,
}

/// The tokens of clauses, each with the byte behind it; a very long one is several.
pub fn encode(clauses: &[Clause]) -> Vec<(Vec<u32>, usize)> {
    let parts: Vec<Part> = clauses.iter().flat_map(parts).collect();
    let tokens = parts.iter().enumerate().map(|(at, part)| {
        // What is said in the same sentence before it and behind.
        let before = at.checked_sub(1).map(|before| &parts[before]);
        let before = before.filter(|before| before.end == End::Comma);
        let before = before.map_or_else(Vec::new, |before| {
            let all = before.said();
            all[all.len().saturating_sub(BEFORE)..].join(&NEXT)
        });
        let behind = parts.get(at + 1).filter(|_| part.end == End::Comma);
        let behind = behind.map_or_else(Vec::new, |behind| {
            let all = behind.said();
            all[..all.len().min(BEHIND)].join(&NEXT)
        });
        let mut tokens = vec![part.end as u32];
        for said in [before, behind] {
            tokens.push(said.len() as u32);
            tokens.extend(said);
        }
        let place = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        for (bytes, said) in &part.words {
            tokens.extend([place(bytes.start), place(bytes.end), said.len() as u32]);
            tokens.extend(said);
        }
        (tokens, part.to)
    });
    tokens.collect()
}

impl Part {
    /// The tokens of each word that is said.
    fn said(&self) -> Vec<&[u32]> {
        let words = self.words.iter();
        let said = words.flat_map(|(_, said)| said.split(|token| *token == NEXT));
        said.filter(|word| !word.is_empty()).collect()
    }
}

fn parts(clause: &Clause) -> Vec<Part> {
    let end = match clause.end {
        duplex_english::End::Comma => End::Comma,
        duplex_english::End::Stop => End::Stop,
        duplex_english::End::Question => End::Question,
        duplex_english::End::Exclamation => End::Exclamation,
    };
    let mut parts = Vec::new();
    let (mut words, mut length) = (Vec::new(), 0);
    for word in &clause.words {
        // A written word whose parts are too many for one clause continues in the next.
        for said in stretches(&word.said) {
            if length > 0 && length + said.len() > MOST {
                parts.push(Part {
                    end: End::Comma,
                    words: std::mem::take(&mut words),
                    to: word.bytes.start,
                });
                length = 0;
            }
            // Where the word is written takes three.
            length += 3 + said.len();
            words.push((word.bytes.clone(), said));
        }
    }
    parts.push(Part {
        end,
        words,
        to: clause.bytes.end,
    });
    parts
}

/// Tokens of what is said for a written word, in stretches of a bounded length.
fn stretches(said: &[Said]) -> Vec<Vec<u32>> {
    let mut stretches = vec![Vec::new()];
    for said in said {
        let tokens: Vec<u32> = match said {
            Said::Letters(letters) => letters.bytes().map(|c| LETTER + u32::from(c)).collect(),
            Said::Phones(names) => {
                let phones = names.iter().filter_map(|name| phones::number(name));
                phones.map(u32::from).collect()
            }
        };
        for word in tokens.chunks(LONGEST) {
            match stretches.last_mut() {
                Some(last) if last.len() + word.len() < MOST / 2 => {
                    if !last.is_empty() {
                        last.push(NEXT);
                    }
                    last.extend_from_slice(word);
                }
                _ => stretches.push(word.to_vec()),
            }
        }
    }
    stretches
}

/// What a chunk says.
#[derive(Debug)]
pub struct Decoded {
    /// What is said in the same sentence before it, and behind.
    pub before: Vec<Spoken>,
    pub behind: Vec<Spoken>,
    pub written: Vec<Written>,
    pub end: End,
}

/// What [`encode`] made; nothing of tokens that it did not make.
pub fn decode(tokens: &[u32]) -> Decoded {
    let (first, mut left) = tokens.split_first().unwrap_or((&1, &[]));
    let end = match first {
        0 => End::Comma,
        2 => End::Question,
        3 => End::Exclamation,
        _ => End::Stop,
    };
    let mut beside = || {
        let (count, rest) = left.split_first().unwrap_or((&0, &[]));
        let (own, rest) = rest.split_at((*count as usize).min(rest.len()));
        left = rest;
        match own {
            [] => Vec::new(),
            _ => words(own).take(BEFORE.max(BEHIND)).collect(),
        }
    };
    let (before, behind) = (beside(), beside());
    let mut written: Vec<Written> = Vec::new();
    while let [from, to, count, rest @ ..] = left {
        let (own, rest) = rest.split_at((*count as usize).min(rest.len()));
        left = rest;
        let bytes = *from as usize..*to as usize;
        match written.last_mut() {
            Some(last) if last.bytes == bytes => last.said.extend(words(own)),
            _ => written.push(Written {
                bytes,
                said: words(own).collect(),
            }),
        }
    }
    Decoded {
        before,
        behind,
        written,
        end,
    }
}

fn words(tokens: &[u32]) -> impl Iterator<Item = Spoken> {
    tokens.split(|token| *token == NEXT).map(word)
}

fn word(tokens: &[u32]) -> Spoken {
    let letter = |token: &u32| u8::try_from(token.checked_sub(LETTER)?).ok();
    match tokens.first() {
        Some(LETTER..) => {
            let letters = tokens.iter().filter_map(letter);
            Spoken::Letters(letters.map(char::from).collect())
        }
        _ => {
            let phones = tokens
                .iter()
                .filter_map(|token| Phone::try_from(*token).ok());
            let known = |phone: &Phone| usize::from(*phone) < phones::PHONES.len();
            Spoken::Phones(phones.filter(known).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use duplex_english::{Dictionary, Word};

    use super::*;

    #[test]
    fn tokens_say_what_was_read() {
        let said = |given: &str| Said::Letters(given.into());
        let clause = Clause {
            bytes: 0..20,
            words: vec![
                Word {
                    bytes: 1..3,
                    said: vec![said("don't"), Said::Phones(vec!["g".into(), "ow".into()])],
                },
                Word {
                    bytes: 5..9,
                    said: vec![said("x")],
                },
            ],
            end: duplex_english::End::Question,
        };
        let parts = encode(&[clause]);
        assert_eq!((parts.len(), parts[0].1), (1, 20));
        let decoded = decode(&parts[0].0);
        assert_eq!((decoded.end, decoded.before.len()), (End::Question, 0));
        let go = ["g", "ow"].map(|name| phones::number(name).unwrap());
        assert_eq!(
            decoded.written,
            [
                Written {
                    bytes: 1..3,
                    said: vec![Spoken::Letters("don't".into()), Spoken::Phones(go.into())],
                },
                Written {
                    bytes: 5..9,
                    said: vec![Spoken::Letters("x".into())],
                },
            ]
        );
    }

    #[test]
    fn what_is_endless_is_cut() {
        for text in [
            "a".repeat(10_000),
            "word ".repeat(2_000),
            "a,".repeat(3_000),
        ] {
            let reading = duplex_english::read(&text, &Dictionary::default());
            let (mut said, mut before) = (0, 0);
            for (tokens, to) in encode(&reading.clauses) {
                let beside = (BEFORE + BEHIND) * (LONGEST + 1);
                assert!(tokens.len() <= MOST + 3 + beside, "{}", tokens.len());
                assert!(before <= to);
                before = to;
                let written = decode(&tokens).written.into_iter();
                for word in written.flat_map(|word| word.said) {
                    let length = match word {
                        Spoken::Letters(letters) => letters.len(),
                        Spoken::Phones(phones) => phones.len(),
                    };
                    assert!(length <= LONGEST);
                    said += length;
                }
            }
            assert_eq!(
                Some(before),
                reading.clauses.last().map(|last| last.bytes.end)
            );
            assert!(said > 0);
        }
    }

    #[test]
    fn clauses_of_a_sentence_are_told_of_each_other() {
        let text = "One, two three four five six, seven. Eight.";
        let reading = duplex_english::read(text, &Dictionary::default());
        let names = |said: &[Spoken]| {
            let names = said.iter().map(|said| match said {
                Spoken::Letters(letters) => letters.as_str(),
                Spoken::Phones(_) => "?",
            });
            names.collect::<Vec<_>>().join(" ")
        };
        let beside: Vec<(String, String)> = encode(&reading.clauses)
            .iter()
            .map(|(tokens, _)| decode(tokens))
            .map(|decoded| (names(&decoded.before), names(&decoded.behind)))
            .collect();
        let right = [
            ("", "two three four"),
            ("one", "seven"),
            ("three four five six", ""),
            ("", ""),
        ];
        assert_eq!(beside, right.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn tokens_of_others_are_no_fault() {
        for tokens in [
            &[][..],
            &[9],
            &[1, 2],
            &[1, 2, 3, 77],
            &[1, 5, 4, 2, 63, 700, 9, 9],
            &[1, 0, 0, 5, 4, 2, 63, 700, 9, 9],
            &[1, u32::MAX, 0, 5],
        ] {
            let _ = decode(tokens);
        }
    }
}
