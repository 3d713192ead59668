// SPDX-License-Identifier: MPL-2.0

//! What lengths of phones are decided by: syllables, accents, function words, and places among all these, as
//! `training/syllables.py` has them.

use std::{iter, ops::Range};

use super::{
    clause::Phones,
    language::{ATTRIBUTES, KIND, Language},
    phones::{self, PAUSE, Phone},
};

/// Phones whose numbers a row has: its own, the two before and the two behind.
const AROUND: [isize; 5] = [0, -1, -2, 1, 2];
/// Syllables of which it tells.
const BESIDE: [isize; 4] = [-1, -2, 1, 2];
/// Kinds of consonants that onset and coda are asked for.
const KINDS: [&[u8]; 4] = [b"s", b"f", b"n", b"rl"];
/// What there is nothing of.
const NONE: i8 = -1;
/// The attributes of no phone: as those that a phone has not.
const NO_ATTRIBUTES: [i8; ATTRIBUTES] = [b'0' as i8; ATTRIBUTES];
/// No count is larger.
const MOST: usize = i8::MAX as usize;
/// Parts of a phone.
pub const PARTS: usize = 3;
/// Numbers of a phone's row; the first are names, and so is its place in its syllable.
const NAMES: usize = AROUND.len() * (1 + ATTRIBUTES);
const WIDTH: usize = NAMES + 2 + 2 * KINDS.len() + 14 + 5 * BESIDE.len() + 5;
/// Numbers of a part's: its phone's, then the part, the one before and the one behind.
pub const PART_WIDTH: usize = WIDTH + 3;
/// Numbers of a syllable's row.
pub const ACCENT_WIDTH: usize = AROUND.len() + 12;
/// Words before and behind that a clause is told of.
pub const BEFORE: usize = 4;
pub const BEHIND: usize = 3;

/// Whether a number of a part's row has no order.
pub fn is_name(feature: usize) -> bool {
    feature <= NAMES || feature >= WIDTH - 5
}

fn count(number: usize) -> i8 {
    number.min(MOST) as i8
}

/// A syllable.
#[derive(Debug)]
struct Syllable {
    phones: Range<usize>,
    word: usize,
    /// What stretch of the sequence it is in: before the clause, the clause, behind it.
    stretch: Stretch,
    stressed: bool,
    accented: bool,
    /// Consonants before the vowel; those behind it, and one.
    onset: usize,
    coda: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stretch {
    Before,
    Clause,
    Behind,
}

/// A clause between what is said before and behind it.
#[derive(Debug)]
pub struct Sequence<'l> {
    language: &'l Language,
    /// Without stress.
    phones: Vec<Phone>,
    /// For each phone its syllable.
    of: Vec<Option<usize>>,
    syllables: Vec<Syllable>,
    /// For each word its class and its syllables.
    words: Vec<(u8, Range<usize>)>,
    /// The clause's phones, both pauses among them.
    clause: Range<usize>,
    /// For each syllable those of its stretch, and what is behind it: 0 its word, 1 another, 3 another clause, 4 nothing.
    stretches: Vec<Range<usize>>,
    breaks: Vec<i8>,
}

impl<'l> Sequence<'l> {
    pub fn new(language: &'l Language, clause: &Phones) -> Self {
        let mut sequence = Self {
            language,
            phones: Vec::new(),
            of: Vec::new(),
            syllables: Vec::new(),
            words: Vec::new(),
            clause: 0..0,
            stretches: Vec::new(),
            breaks: Vec::new(),
        };
        if !clause.before.is_empty() {
            sequence.pause();
            for word in &clause.before {
                sequence.speak(&word.phones, word.class, Stretch::Before);
            }
        }
        let first = sequence.phones.len();
        sequence.pause();
        for (word, class) in clause.classes.iter().enumerate() {
            let own = clause.words.iter().position(|of| *of == Some(word));
            let own = own.map_or(0..0, |from| {
                let rest = &clause.words[from..];
                from..from + rest.iter().take_while(|of| **of == Some(word)).count()
            });
            sequence.speak(&clause.phones[own], *class, Stretch::Clause);
        }
        sequence.pause();
        sequence.clause = first..sequence.phones.len();
        if !clause.behind.is_empty() {
            for word in &clause.behind {
                sequence.speak(&word.phones, word.class, Stretch::Behind);
            }
            sequence.pause();
        }
        sequence.find_breaks();
        sequence
    }

    fn pause(&mut self) {
        self.phones.push(PAUSE);
        self.of.push(None);
    }

    fn speak(&mut self, said: &[Phone], class: u8, stretch: Stretch) {
        let before = self.syllables.len();
        let plain: Vec<Phone> = said.iter().map(|phone| phones::plain(*phone)).collect();
        let begins = self.language.syllables(&plain);
        let ends = begins.iter().skip(1).copied().chain([said.len()]);
        for (first, behind) in begins.iter().copied().zip(ends) {
            let own = &plain[first..behind];
            let is_vowel = |phone: &Phone| phones::is_vowel(*phone);
            let onset = own.iter().position(is_vowel).unwrap_or(own.len());
            let coda = own.iter().rev().position(is_vowel).unwrap_or(own.len()) + 1;
            let at = self.phones.len();
            let number = self.syllables.len();
            self.of.extend(iter::repeat_n(Some(number), own.len()));
            self.phones.extend_from_slice(own);
            self.syllables.push(Syllable {
                phones: at..at + own.len(),
                word: self.words.len(),
                stretch,
                stressed: own != &said[first..behind],
                accented: false,
                onset,
                coda,
            });
        }
        self.words.push((class, before..self.syllables.len()));
    }

    fn find_breaks(&mut self) {
        let all = self.syllables.len();
        let mut from = 0;
        let same = |a: &Syllable, b: &Syllable| a.stretch == b.stretch;
        for stretch in self.syllables.chunk_by(same) {
            let numbers = from..from + stretch.len();
            from = numbers.end;
            self.stretches
                .extend(iter::repeat_n(numbers, stretch.len()));
        }
        for (number, syllable) in self.syllables.iter().enumerate() {
            let next = number + 1;
            self.breaks
                .push(if self.words[syllable.word].1.contains(&next) {
                    0
                } else if self.stretches[number].contains(&next) {
                    1
                } else if next < all {
                    3
                } else {
                    4
                });
        }
    }

    /// How many syllables there are.
    pub fn syllables(&self) -> usize {
        self.syllables.len()
    }

    /// Says of a syllable whether it is accented.
    pub fn accent(&mut self, syllable: usize, accented: bool) {
        self.syllables[syllable].accented = accented;
    }

    fn class(&self, word: Option<usize>) -> i8 {
        let word = word.and_then(|word| self.words.get(word));
        word.map_or(NONE, |(class, _)| *class as i8)
    }

    /// Syllables of the stretch before and behind; of them, the stressed ones, of which the stretch's first does not count before.
    fn counts(&self, number: usize) -> [i8; 4] {
        let stretch = &self.stretches[number];
        let stressed = |some: Range<usize>| {
            let stressed = |syllable: &&Syllable| syllable.stressed;
            count(self.syllables[some].iter().filter(stressed).count())
        };
        [
            count(number - stretch.start),
            count(stretch.end - number - 1),
            stressed((stretch.start + 1).min(number)..number),
            stressed(number + 1..stretch.end),
        ]
    }

    /// What a syllable's accent is decided by.
    pub fn accent_row(&self, number: usize, row: &mut Vec<i8>) {
        row.clear();
        let own = &self.syllables[number];
        row.extend(AROUND.map(|step| self.class(own.word.checked_add_signed(step))));
        let next = self.syllables.get(number + 1);
        row.push(i8::from(own.stressed));
        row.push(i8::from(next.is_some_and(|next| next.stressed)));
        row.extend(self.counts(number));
        row.extend(AROUND.map(|step| {
            let other = number.checked_add_signed(step);
            let behind = other.and_then(|other| self.breaks.get(other));
            behind.copied().unwrap_or(0)
        }));
        row.push(i8::from(own.stretch != self.syllables[0].stretch));
    }

    /// Adds to the row of a phone that it is for this part of it; answers the part's number.
    pub fn part(&self, phone: usize, part: usize, row: &mut Vec<i8>) -> usize {
        let at = (self.clause.start + phone) * PARTS + part;
        let number = |at: usize| {
            let phone = self.phones.get(at / PARTS)?;
            Some((usize::from(*phone) - 1) * PARTS + at % PARTS)
        };
        row.truncate(WIDTH);
        let around = [Some(at), at.checked_sub(1), Some(at + 1)];
        row.extend(around.map(|at| at.and_then(number).map_or(NONE, count)));
        number(at).unwrap_or(0)
    }

    /// What the lengths of a phone's parts are decided by, but for [`part`](Self::part); phones are counted from the clause's
    /// first pause on.
    pub fn row(&self, phone: usize, row: &mut Vec<i8>) {
        row.clear();
        let at = self.clause.start + phone;
        let around = AROUND.map(|step| {
            let phone = at.checked_add_signed(step)?;
            self.phones.get(phone).copied()
        });
        row.extend(around.map(|phone| phone.map_or(NONE, |phone| phone as i8)));
        for phone in around {
            match phone {
                Some(phone) => {
                    row.extend(self.language.attributes(phone).map(|sign| sign as i8));
                }
                None => row.extend(NO_ATTRIBUTES),
            }
        }
        match self.of[at] {
            Some(number) => self.of_syllable(at, number, row),
            None => row.resize(WIDTH - 3, NONE),
        }
        row.extend([Some(at), at.checked_sub(1), Some(at + 1)].map(|at| self.is_onset(at)));
    }

    fn of_syllable(&self, at: usize, number: usize, row: &mut Vec<i8>) {
        let own = &self.syllables[number];
        row.push(count(at - own.phones.start));
        row.push(i8::from(at + 1 == own.phones.end));
        let onset = own.phones.start..own.phones.start + own.onset;
        let coda = own.phones.end + 1 - own.coda..own.phones.end;
        for part in [onset, coda] {
            for kinds in KINDS {
                let is = |phone: &Phone| kinds.contains(&self.language.attributes(*phone)[KIND]);
                row.push(i8::from(self.phones[part.clone()].iter().any(is)));
            }
        }
        let stretch = &self.stretches[number];
        let is_accented = |syllable: &Syllable| syllable.accented;
        let accented = |some: Range<usize>| {
            let some = self.syllables[some].iter();
            count(some.filter(|syllable| syllable.accented).count())
        };
        row.extend(self.counts(number));
        row.push(accented(stretch.start..number));
        row.push(accented(number + 1..stretch.end));
        let (class, of_word) = &self.words[own.word];
        row.extend([
            count(of_word.len()),
            i8::from(own.stressed),
            i8::from(own.accented),
            count(own.onset),
            count(own.coda),
        ]);
        let (before, behind) = self.syllables.split_at(number + 1);
        let last = before.iter().rev().position(is_accented);
        let next = behind.iter().position(is_accented);
        row.push(count(last.unwrap_or(before.len())));
        row.push(count(next.unwrap_or(behind.len())));
        row.push(self.breaks[number]);
        for step in BESIDE {
            let other = number.checked_add_signed(step);
            match other.and_then(|other| Some((self.syllables.get(other)?, self.breaks[other]))) {
                Some((beside, behind)) => row.extend([
                    i8::from(beside.stressed),
                    i8::from(beside.accented),
                    behind,
                    count(beside.coda),
                    count(beside.onset),
                ]),
                None => row.extend([NONE; 5]),
            }
        }
        row.push(if of_word.len() == 1 {
            0
        } else if number == of_word.start {
            1
        } else if number + 1 == of_word.end {
            3
        } else {
            2
        });
        row.push(*class as i8);
    }

    /// Whether a vowel of its syllable follows a phone.
    fn is_onset(&self, at: Option<usize>) -> i8 {
        let Some((at, of)) = at.and_then(|at| Some((at, self.of.get(at)?))) else {
            return NONE;
        };
        let behind = of.map_or(at + 1, |number| self.syllables[number].phones.end);
        let mut rest = self.phones[at + 1..behind].iter();
        i8::from(rest.any(|phone| phones::is_vowel(*phone)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::compact::clause::{End, Word};

    fn phones(names: &str) -> Vec<Phone> {
        let names = names.split(' ');
        names.map(|name| phones::number(name).unwrap()).collect()
    }

    #[test]
    fn a_clause_knows_what_is_around_it() {
        let text = include_str!("../../../compact/voice/language.txt");
        let language = Language::new(text, Path::new("language.txt")).unwrap();
        // However, the driver sang, and
        let own = ["dh ax", "d r ay1 v er", "s ae1 ng"].map(phones);
        let classes = [language.class("the"), 0, 0];
        let words = own.iter().map(Vec::as_slice).zip(classes);
        let word = |names: &str, letters: &str| Word {
            phones: phones(names),
            class: language.class(letters),
        };
        let clause = Phones {
            before: vec![word("hh aw eh1 v er", "however")],
            behind: vec![word("ae n d", "and")],
            ..Phones::new(words, End::Comma)
        };
        let sequence = Sequence::new(&language, &clause);
        assert_eq!(sequence.syllables(), 8);
        // how-e-ver | the dri-ver sang | and
        assert_eq!(sequence.breaks, [0, 0, 3, 1, 0, 1, 3, 4]);
        let counts = |syllable| sequence.counts(syllable);
        assert_eq!([counts(3), counts(6)], [[0, 3, 0, 2], [3, 0, 1, 0]]);
        let mut row = Vec::new();
        for syllable in 0..sequence.syllables() {
            sequence.accent_row(syllable, &mut row);
            assert_eq!(row.len(), ACCENT_WIDTH);
        }
        // Its class, and that of the words before, of which there is one, and behind.
        sequence.accent_row(3, &mut row);
        let the = language.class("the") as i8;
        assert_eq!(row[..AROUND.len()], [the, 0, NONE, 0, 0]);
        for phone in 0..clause.phones.len() {
            sequence.row(phone, &mut row);
            assert_eq!(row.len(), WIDTH);
            assert_eq!(row[0], phones::plain(clause.phones[phone]) as i8);
            for part in 0..PARTS {
                let number = sequence.part(phone, part, &mut row);
                assert_eq!(row.len(), PART_WIDTH);
                assert_eq!(number, (row[0] as usize - 1) * PARTS + part);
                assert_eq!(row[WIDTH], number as i8);
                if part == 1 {
                    assert_eq!(row[WIDTH + 1..], [row[WIDTH] - 1, row[WIDTH] + 1]);
                }
            }
        }
        // The pause has no syllable, and on both sides there is a phone.
        sequence.row(0, &mut row);
        let [before, behind] = ["er", "dh"].map(|name| phones::number(name).unwrap() as i8);
        assert_eq!((row[1], row[3]), (before, behind));
        assert!(row[NAMES..WIDTH - 3].iter().all(|x| *x == NONE));
        // What is alone is told of nothing else.
        let alone = Phones {
            before: Vec::new(),
            behind: Vec::new(),
            ..clause
        };
        assert_eq!(Sequence::new(&language, &alone).breaks, [1, 0, 1, 4]);
    }
}
