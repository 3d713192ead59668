// SPDX-License-Identifier: MPL-2.0

//! What a chunk's tokens say: a clause's words, with letters or phones of each, and where they are written.
//!
//! The first token is the clause's end. Then comes each written word: the byte where it begins, that where it ends, how many
//! tokens follow of it; and those: phones, letters, or [`NEXT`] between two words that are said for one that is written.

use std::ops::Range;

use duplex_english::{Clause, Said};

use super::{
    clause::End,
    phones::{self, Phone},
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

/// The tokens of a clause; of one that is very long, of several, each with the byte behind its last word.
pub fn encode(clause: &Clause) -> Vec<(Vec<u32>, usize)> {
    let end = match clause.end {
        duplex_english::End::Comma => End::Comma,
        duplex_english::End::Stop => End::Stop,
        duplex_english::End::Question => End::Question,
        duplex_english::End::Exclamation => End::Exclamation,
    };
    let mut parts = Vec::new();
    let mut tokens = vec![end as u32];
    for word in &clause.words {
        // A written word whose parts are too many for one clause continues in the next.
        for said in stretches(&word.said) {
            if tokens.len() > 1 && tokens.len() + said.len() > MOST {
                tokens[0] = End::Comma as u32;
                parts.push((
                    std::mem::replace(&mut tokens, vec![end as u32]),
                    word.bytes.start,
                ));
            }
            let place = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
            tokens.extend([
                place(word.bytes.start),
                place(word.bytes.end),
                said.len() as u32,
            ]);
            tokens.extend(said);
        }
    }
    parts.push((tokens, clause.bytes.end));
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

/// What [`encode`] made; nothing of tokens that it did not make.
pub fn decode(tokens: &[u32]) -> (Vec<Written>, End) {
    let end = match tokens.first() {
        Some(0) => End::Comma,
        Some(2) => End::Question,
        Some(3) => End::Exclamation,
        _ => End::Stop,
    };
    let mut words: Vec<Written> = Vec::new();
    let mut left = tokens.get(1..).unwrap_or_default();
    while let [from, to, count, rest @ ..] = left {
        let (own, behind) = rest.split_at((*count as usize).min(rest.len()));
        left = behind;
        let bytes = *from as usize..*to as usize;
        let said = own
            .split(|token| *token == NEXT)
            .map(word)
            .collect::<Vec<_>>();
        match words.last_mut() {
            Some(last) if last.bytes == bytes => last.said.extend(said),
            _ => words.push(Written { bytes, said }),
        }
    }
    (words, end)
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
        let parts = encode(&clause);
        assert_eq!((parts.len(), parts[0].1), (1, 20));
        let (words, end) = decode(&parts[0].0);
        assert_eq!(end, End::Question);
        let go = ["g", "ow"].map(|name| phones::number(name).unwrap());
        assert_eq!(
            words,
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
            let mut said = 0;
            for clause in &reading.clauses {
                let mut before = clause.bytes.start;
                for (tokens, to) in encode(clause) {
                    assert!(tokens.len() <= MOST + 3, "{}", tokens.len());
                    assert!(before <= to);
                    before = to;
                    for word in decode(&tokens).0.into_iter().flat_map(|word| word.said) {
                        let length = match word {
                            Spoken::Letters(letters) => letters.len(),
                            Spoken::Phones(phones) => phones.len(),
                        };
                        assert!(length <= LONGEST);
                        said += length;
                    }
                }
                assert_eq!(before, clause.bytes.end);
            }
            assert!(said > 0);
        }
    }

    #[test]
    fn tokens_of_others_are_no_fault() {
        for tokens in [
            &[][..],
            &[9],
            &[1, 2],
            &[1, 2, 3, 77],
            &[1, 5, 4, 2, 63, 700, 9, 9],
        ] {
            let _ = decode(tokens);
        }
    }
}
