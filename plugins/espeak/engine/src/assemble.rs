// SPDX-License-Identifier: GPL-3.0-or-later
//! From the library's blocks and events to pieces: silence trimmed, words marked. Pure.
//!
//! Samples leave once the word that they belong to is known to its end; hence a piece holds the
//! whole truth about the words that begin in it.

use std::ops::Range;

use duplex_synthesis::{Clause, Piece, WordMark};

use crate::text::{Place, Prepared};

/// Quieter samples are silence (−60 dBFS).
pub const QUIET: u16 = 32;
/// Silence kept in front of a clause, in ms.
pub const LEAD_MS: usize = 5;
/// Longer silence in front of SSML is meant (`<break/>`), in ms.
const LEAD_MEANT_MS: usize = 80;
/// Silence kept where a clause is cut without a mark, in ms.
const TAIL_MS: usize = 5;
/// Longest piece, in ms.
const PIECE_MS: usize = 100;

/// What becomes of the silence at the end of a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// It is the pause of the clause's mark.
    Keep,
    /// There is no mark: the next clause follows at once.
    Trim,
}

/// A word whose end is still to come.
struct Open {
    /// The clause's words `words`; a sign has none.
    words: Range<usize>,
    bytes: Range<usize>,
    start: usize,
    /// Where the library says that the sound of its clause ends.
    limit: Option<usize>,
}

/// Makes the pieces of one clause.
pub struct Assembler<'a> {
    clause: &'a Clause,
    prepared: &'a Prepared,
    sample_rate: usize,
    tail: Tail,
    /// Whether markup may ask for silence.
    meant: bool,
    /// Samples of the utterance that went before.
    base: u64,
    /// Not yet handed on; the first one is the library's sample number `first`.
    held: Vec<i16>,
    first: usize,
    /// Samples trimmed in front.
    trimmed: usize,
    /// Whether the front has been trimmed.
    sounding: bool,
    /// The library's number of the first sample behind the last one that was not silent.
    loud_end: usize,
    open: Option<Open>,
    /// Words that are marked or open already.
    words_done: usize,
    /// Where the last sign that is marked ends, in bytes of the clause.
    signed: usize,
    marks: Vec<WordMark>,
}

impl<'a> Assembler<'a> {
    pub fn new(
        clause: &'a Clause,
        prepared: &'a Prepared,
        sample_rate: u32,
        base: u64,
        tail: Tail,
        ssml: bool,
    ) -> Self {
        Self {
            clause,
            prepared,
            sample_rate: sample_rate as usize,
            tail,
            meant: ssml,
            base,
            held: Vec::new(),
            first: 0,
            trimmed: 0,
            sounding: false,
            loud_end: 0,
            open: None,
            words_done: 0,
            signed: 0,
            marks: Vec::new(),
        }
    }

    /// A word begins at the library's sample `start`, which may be in the next block.
    pub fn word(&mut self, start: usize, position: i32, length: i32, out: &mut dyn FnMut(Piece)) {
        let Some(place) = self.prepared.place(position, length) else {
            return;
        };
        let (words, bytes) = match place {
            Place::Word(index) if index < self.words_done => return,
            // Words without an event of their own were spoken with the one before, or else with this.
            Place::Word(index) => {
                let begin = if self.open.is_none() {
                    self.words_done
                } else {
                    index
                };
                (begin..index + 1, self.prepared.words[index].clone())
            }
            Place::Sign(bytes) => {
                // It stands between the words before and behind it, or is none.
                let words = &self.prepared.words;
                let index = self.words_done;
                let from = index.checked_sub(1).map_or(0, |last| words[last].end);
                let from = from.max(self.signed);
                let to = words
                    .get(index)
                    .map_or(self.clause.text.len(), |next| next.start);
                if bytes.start < from || bytes.end > to {
                    return;
                }
                self.signed = bytes.end;
                (index..index, bytes)
            }
        };
        if let Some(open) = &mut self.open
            && words.start < words.end
            && words.start > self.words_done
        {
            open.words.end = words.start;
        }
        self.close(start);
        self.words_done = words.end.max(self.words_done);
        self.open = Some(Open {
            words,
            bytes,
            start,
            limit: None,
        });
        self.hand_on(start, out);
    }

    /// The sound of a clause of the library's ends at its sample `end`.
    pub fn end(&mut self, end: usize) {
        if let Some(open) = &mut self.open {
            open.limit.get_or_insert(end);
        }
    }

    pub fn block(&mut self, samples: &[i16]) {
        let number = self.first + self.held.len();
        let loud = |sample: &i16| sample.unsigned_abs() >= QUIET;
        self.held.extend_from_slice(samples);
        if let Some(last) = samples.iter().rposition(loud) {
            self.loud_end = number + last + 1;
        }
        if self.sounding {
            return;
        }
        if let Some(first) = samples.iter().position(loud) {
            self.sounding = true;
            let lead = number + first;
            if !self.meant || lead <= self.sample_rate * LEAD_MEANT_MS / 1000 {
                self.trimmed = lead.saturating_sub(self.sample_rate * LEAD_MS / 1000);
                self.held.drain(..self.trimmed);
                self.first = self.trimmed;
            }
        }
    }

    /// Everything that is left; the samples of the clause altogether.
    pub fn finish(mut self, out: &mut dyn FnMut(Piece)) -> u64 {
        let end = self.first + self.held.len();
        if !self.sounding {
            // Nothing was heard. Silence is worth keeping only where markup asked for it.
            if !self.meant || self.held.len() <= self.sample_rate * LEAD_MEANT_MS / 1000 {
                return 0;
            }
            self.sounding = true;
        }
        match &mut self.open {
            Some(open) => open.words.end = self.prepared.words.len().max(open.words.start),
            None if self.words_done < self.prepared.words.len() => {
                let words = self.words_done..self.prepared.words.len();
                self.open = Some(Open {
                    bytes: self.prepared.words[words.start].clone(),
                    words,
                    start: self.first,
                    limit: None,
                });
            }
            None => {}
        }
        self.close(end);
        let meant = self.loud_end + self.sample_rate * TAIL_MS / 1000;
        let keep = match self.tail {
            Tail::Keep => end,
            Tail::Trim => end.min(meant),
        };
        // A word that made no sound stands at the end of what did.
        let last = (self.base + (keep - self.trimmed) as u64).saturating_sub(1);
        for mark in &mut self.marks {
            mark.start = mark.start.min(last);
        }
        self.hand_on(keep, out);
        (self.first - self.trimmed) as u64
    }

    /// The open word ends where it was last heard before `limit`.
    fn close(&mut self, limit: usize) {
        let Some(open) = self.open.take() else { return };
        let limit = open.limit.map_or(limit, |end| end.min(limit));
        let heard = self.last_loud(open.start, limit);
        let end = heard.unwrap_or(limit).max(open.start);
        let words = &self.prepared.words[open.words.clone()];
        if words.len() <= 1 {
            let bytes = words.first().cloned().unwrap_or(open.bytes);
            self.mark(bytes, open.start, end, true);
            return;
        }
        // Spoken together: each has a share by its letters.
        let letters = |word: &Range<usize>| self.clause.text[word.clone()].chars().count();
        let all: usize = words.iter().map(letters).sum();
        let mut before = 0;
        let shares: Vec<_> = words
            .iter()
            .map(|word| {
                let from = open.start + (end - open.start) * before / all;
                before += letters(word);
                let to = open.start + (end - open.start) * before / all;
                (word.clone(), from, to)
            })
            .collect();
        for (word, from, to) in shares {
            self.mark(word, from, to, false);
        }
    }

    fn mark(&mut self, bytes: Range<usize>, start: usize, end: usize, exact: bool) {
        let place = |sample: usize| self.base + sample.saturating_sub(self.trimmed) as u64;
        self.marks.push(WordMark {
            text: self.clause.text[bytes.clone()].to_owned(),
            bytes: self.clause.bytes.start + bytes.start..self.clause.bytes.start + bytes.end,
            start: place(start),
            samples: place(end) - place(start),
            exact,
        });
    }

    /// One behind the last sample of `from..to` that is not silent.
    fn last_loud(&self, from: usize, to: usize) -> Option<usize> {
        let from = from.saturating_sub(self.first);
        let to = to.saturating_sub(self.first).min(self.held.len());
        let last = self
            .held
            .get(from..to)?
            .iter()
            .rposition(|sample| sample.unsigned_abs() >= QUIET)?;
        Some(self.first + from + last + 1)
    }

    /// Hands on what was held before the library's sample `to`.
    fn hand_on(&mut self, to: usize, out: &mut dyn FnMut(Piece)) {
        if !self.sounding {
            return;
        }
        let to = to.saturating_sub(self.first).min(self.held.len());
        let mut rest: Vec<i16> = self.held.drain(..to).collect();
        let mut marks = std::mem::take(&mut self.marks);
        let most = self.sample_rate * PIECE_MS / 1000;
        while !rest.is_empty() {
            let tail = rest.split_off(rest.len().min(most));
            self.first += rest.len();
            let end = self.base + (self.first - self.trimmed) as u64;
            let later = marks
                .iter()
                .position(|mark| mark.start >= end)
                .unwrap_or(marks.len());
            let tail_marks = marks.split_off(later);
            out(Piece {
                samples: rest,
                words: marks,
            });
            (rest, marks) = (tail, tail_marks);
        }
        self.marks = marks;
    }
}
