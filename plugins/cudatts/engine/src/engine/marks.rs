// SPDX-License-Identifier: MPL-2.0

//! From the sound of frames to pieces with words in them. Pure.
//!
//! Where a family tells the times of words, those are marked as it says. Where it knows of none, the words of a chunk are spread
//! over its sound: by their letters, at the pace that the voice has had so far, and silence passes no letters. A little of the
//! sound is held back, so that the words that are left when a chunk turns out to be over still have sound to begin in.
//!
//! Quiet before the first sound of the utterance is cut ([`super::lead`]), and all words move with it; a word that began in what
//! was cut begins with the sound, and is so much shorter.

use std::collections::VecDeque;

use duplex_synthesis::{Piece, WordMark};

use super::{
    lead::{Lead, QUIET},
    script::Word,
};

/// Sound is looked at, and held back, in stretches of this length.
const HOP_MS: usize = 10;
/// Longest piece.
const PIECE_MS: usize = 100;
/// A chunk with less to say tells nothing of the pace.
const TELLING: f64 = 10.0;
/// Slower and faster than this nobody speaks.
const PACES: std::ops::RangeInclusive<f64> = 4.0..=60.0;

/// Makes the pieces of one utterance.
pub struct Assembler {
    sample_rate: f64,
    hop: usize,
    longest: usize,
    /// Weight of words per second of sound.
    pace: f64,
    /// Speed at which the family's sound is played.
    tempo: f64,
    /// Samples that were handed out.
    position: u64,
    lead: Lead,
    held: Vec<i16>,
    /// How many of those were looked at.
    seen: usize,
    marks: VecDeque<WordMark>,
    /// Words of the chunk that have no mark yet.
    words: VecDeque<Word>,
    /// Weight of the words that have.
    before: f64,
    /// Weight of all words of the chunk.
    weight: f64,
    /// Sound of the chunk that was not silent, in seconds.
    loud: f64,
    /// Whether the times of its words are known.
    timed: bool,
    /// The chunk's first sample, and how many of the family's were cut in front of it.
    began: u64,
    cut: u64,
}

impl Assembler {
    /// `pace` is the weight of words per second of sound, `tempo` the speed at which the family's sound is played.
    pub fn new(sample_rate: u32, pace: f64, tempo: f64) -> Self {
        let rate = sample_rate as usize;
        Self {
            sample_rate: f64::from(sample_rate),
            hop: (rate * HOP_MS / 1000).max(1),
            longest: (rate * PIECE_MS / 1000).max(1),
            pace,
            tempo,
            position: 0,
            lead: Lead::new(rate),
            held: Vec::new(),
            seen: 0,
            marks: VecDeque::new(),
            words: VecDeque::new(),
            before: 0.0,
            weight: 0.0,
            loud: 0.0,
            timed: false,
            began: 0,
            cut: 0,
        }
    }

    /// Weight of words per second of sound, as it is estimated by now.
    pub fn pace(&self) -> f64 {
        self.pace
    }

    /// A chunk of these words begins. Words of one that had no sound at all come first.
    pub fn begin(&mut self, words: Vec<Word>) {
        self.weight = words.iter().map(|word| word.weight).sum();
        self.timed = words.iter().any(|word| word.time.is_some());
        let time = self.timed.then_some(0..0);
        let left = self.words.drain(..).map(|word| Word {
            weight: 0.0,
            time: time.clone(),
            ..word
        });
        self.words = left.chain(words).collect();
        self.before = 0.0;
        self.loud = 0.0;
        self.began = self.position + self.held.len() as u64;
        self.cut = 0;
    }

    /// More sound of the chunk.
    pub fn push(&mut self, samples: &[i16], pieces: &mut Vec<Piece>) {
        self.cut += self.lead.push(samples, &mut self.held) as u64;
        self.look(pieces);
    }

    /// Marks the words that begin in the sound that is there, and hands out what no other word can begin in.
    fn look(&mut self, pieces: &mut Vec<Piece>) {
        if self.timed {
            self.mark_timed();
            // The last sample is for words that the family has after all of its sound.
            let kept = usize::from(!self.words.is_empty());
            self.hand_out(self.held.len().saturating_sub(kept), pieces);
            return;
        }
        while self.seen + self.hop <= self.held.len() {
            let start = self.seen;
            self.seen += self.hop;
            let stretch = &self.held[start..self.seen];
            let power: f64 = stretch.iter().map(|s| f64::from(*s).powi(2)).sum();
            if power < f64::from(QUIET).powi(2) * self.hop as f64 {
                continue;
            }
            while self
                .words
                .front()
                .is_some_and(|_| self.before <= self.loud * self.pace)
            {
                self.mark(self.position + start as u64);
            }
            self.loud += self.hop as f64 / self.sample_rate;
        }
        let ready = self.held.len().saturating_sub(self.hop);
        self.hand_out(ready.min(self.seen), pieces);
    }

    /// The chunk is over.
    pub fn over(&mut self, pieces: &mut Vec<Piece>) {
        self.lead.finish(&mut self.held);
        self.look(pieces);
        let (held, left) = (self.held.len(), self.words.len());
        if held > 0 {
            for place in 0..left {
                self.mark(self.position + (held * place / left) as u64);
            }
            // No word outlasts the sound.
            let end = self.position + held as u64;
            for mark in &mut self.marks {
                mark.samples = mark.samples.min(end - mark.start);
            }
        }
        if self.weight >= TELLING && self.loud > 0.0 {
            let found = (self.weight / self.loud).clamp(*PACES.start(), *PACES.end());
            self.pace = (self.pace + found) / 2.0;
        }
        self.hand_out(held, pieces);
    }

    /// Marks the words that begin in the sound that is there.
    fn mark_timed(&mut self) {
        let end = self.position + self.held.len() as u64;
        while let Some(time) = self.words.front().and_then(|word| word.time.as_ref()) {
            let start = self.began + self.played(time.start);
            if start >= end {
                break;
            }
            self.mark(start);
        }
    }

    /// Where a sample of the family's is in what is played of the chunk. What was cut is all at its first.
    fn played(&self, sample: u64) -> u64 {
        ((sample as f64 / self.tempo) as u64).saturating_sub(self.cut)
    }

    /// The next word begins at this sample of the utterance.
    fn mark(&mut self, start: u64) {
        let Some(word) = self.words.pop_front() else {
            return;
        };
        self.before += word.weight;
        let samples = match &word.time {
            Some(time) => self.played(time.end) - self.played(time.start),
            None => (word.weight.max(1.0) / self.pace * self.sample_rate) as u64,
        };
        self.marks.push_back(WordMark {
            text: word.text,
            bytes: word.bytes,
            start,
            samples: samples.max(1),
            exact: word.time.is_some(),
        });
    }

    fn hand_out(&mut self, count: usize, pieces: &mut Vec<Piece>) {
        for samples in self.held[..count].chunks(self.longest) {
            self.position += samples.len() as u64;
            let begin = self
                .marks
                .partition_point(|mark| mark.start < self.position);
            pieces.push(Piece {
                samples: samples.to_vec(),
                words: self.marks.drain(..begin).collect(),
            });
        }
        self.held.drain(..count);
        self.seen = self.seen.saturating_sub(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 24_000;
    const LOUD: i16 = 5000;

    fn words(texts: &[&str]) -> Vec<Word> {
        texts
            .iter()
            .enumerate()
            .map(|(place, text)| Word {
                text: (*text).into(),
                bytes: place..place + 1,
                spoken: place..place + 1,
                time: None,
                weight: text.len() as f64 + 1.0,
            })
            .collect()
    }

    /// Pieces hold at most 100 ms, and each word begins in its own; answers all samples and marks.
    fn check(pieces: &[Piece]) -> (Vec<i16>, Vec<WordMark>) {
        let (mut samples, mut marks) = (Vec::new(), Vec::<WordMark>::new());
        for piece in pieces {
            assert!((1..=2400).contains(&piece.samples.len()));
            let place = samples.len() as u64..(samples.len() + piece.samples.len()) as u64;
            for mark in &piece.words {
                assert!(place.contains(&mark.start) && mark.samples > 0);
                assert!(marks.last().is_none_or(|last| last.start <= mark.start));
                marks.push(mark.clone());
            }
            samples.extend(&piece.samples);
        }
        (samples, marks)
    }

    #[test]
    fn words_are_spread_by_their_letters_and_silence_passes_none() {
        let mut assembler = Assembler::new(RATE, 10.0, 1.0);
        assembler.begin(words(&["four", "fours", "x"]));
        let mut pieces = Vec::new();
        // 0.2 s of silence, of which 80 ms are cut; then the first word takes 0.5 s and is interrupted, the second 0.6 s.
        assembler.push(&[0; 4800], &mut pieces);
        assembler.push(&[LOUD; 6000], &mut pieces);
        assembler.push(&[0; 4800], &mut pieces);
        for _ in 0..10 {
            assembler.push(&[LOUD; 2400], &mut pieces);
        }
        assembler.over(&mut pieces);
        let (samples, marks) = check(&pieces);
        assert_eq!(samples.len(), 37_680);
        let starts: Vec<f64> = marks
            .iter()
            .map(|mark| mark.start as f64 / 24_000.0)
            .collect();
        for (found, expected) in starts.iter().zip([0.12, 0.82, 1.42]) {
            assert!((found - expected).abs() < 0.03, "{starts:?}");
        }
        assert_eq!(marks.len(), 3);
    }

    #[test]
    fn words_that_the_estimate_left_over_come_at_the_end() {
        let mut assembler = Assembler::new(RATE, 5.0, 1.0);
        let mut pieces = Vec::new();
        for _ in 0..3 {
            assembler.begin(words(&["one", "two", "three", "four", "five"]));
            assembler.push(&[LOUD; 1920], &mut pieces);
            assembler.push(&[LOUD; 1920], &mut pieces);
            assembler.over(&mut pieces);
        }
        let (samples, marks) = check(&pieces);
        assert_eq!((samples.len(), marks.len()), (3 * 3840, 15));
        // Those that were left never outlast the sound.
        let last = marks.last().unwrap();
        assert!(last.start + last.samples <= samples.len() as u64);
        // The pace has learned.
        assert!(assembler.pace() > 40.0, "{}", assembler.pace());
    }

    #[test]
    fn silence_alone_and_no_sound_at_all_lose_no_word() {
        let mut assembler = Assembler::new(RATE, 10.0, 1.0);
        let mut pieces = Vec::new();
        assembler.begin(words(&["none"]));
        assembler.over(&mut pieces);
        assert!(pieces.is_empty());
        assembler.begin(words(&["quiet"]));
        assembler.push(&[0; 100], &mut pieces);
        assembler.over(&mut pieces);
        let (_, marks) = check(&pieces);
        assert_eq!(marks.len(), 2);
        assert_eq!((marks[0].text.as_str(), marks[0].start), ("none", 0));
    }

    /// Those words at these times.
    fn timed(times: &[(&str, u64, u64)]) -> Vec<Word> {
        let mut words = words(&times.iter().map(|(text, ..)| *text).collect::<Vec<_>>());
        for (word, (_, start, samples)) in words.iter_mut().zip(times) {
            word.time = Some(*start..start + samples);
        }
        words
    }

    fn times(marks: &[WordMark]) -> Vec<(&str, u64, u64)> {
        marks
            .iter()
            .map(|mark| (mark.text.as_str(), mark.start, mark.samples))
            .collect()
    }

    #[test]
    fn known_times_are_taken_as_they_are_and_no_sound_is_held_back() {
        let mut assembler = Assembler::new(RATE, 10.0, 1.0);
        let mut pieces = Vec::new();
        assembler.begin(timed(&[
            ("one", 0, 500),
            ("two", 2399, 100),
            ("three", 2400, 0),
        ]));
        assembler.push(&[LOUD; 2400], &mut pieces);
        let (samples, marks) = check(&pieces);
        assert_eq!((samples.len(), marks.len()), (2399, 1));
        assembler.push(&[0; 2400], &mut pieces);
        let (samples, _) = check(&pieces);
        assert_eq!(samples.len(), 4800);
        assembler.over(&mut pieces);
        // The next chunk counts from its own beginning.
        assembler.begin(timed(&[("four", 7, 20)]));
        assembler.push(&[0; 100], &mut pieces);
        assembler.over(&mut pieces);
        let (samples, marks) = check(&pieces);
        assert_eq!(samples.len(), 4900);
        assert!(marks.iter().all(|mark| mark.exact));
        assert_eq!(
            times(&marks),
            [
                ("one", 0, 500),
                ("two", 2399, 100),
                ("three", 2400, 1),
                ("four", 4807, 20)
            ]
        );
    }

    #[test]
    fn known_times_move_by_what_is_cut_in_front_of_the_first_chunk_alone() {
        // At half the speed a sample of the family's is two.
        for (tempo, factor) in [(1.0, 1), (0.5, 2)] {
            let mut assembler = Assembler::new(RATE, 10.0, tempo);
            let mut pieces = Vec::new();
            // 50 ms of quiet, of which 45 are cut: the first word loses what of it lies there.
            assembler.begin(timed(&[("one", 200, 1500), ("two", 1700, 300)]));
            assembler.push(&[99; 600], &mut pieces);
            assert!(pieces.is_empty());
            assembler.push(&[99; 600], &mut pieces);
            assembler.push(&[LOUD; 3000], &mut pieces);
            assembler.over(&mut pieces);
            assembler.begin(timed(&[("three", 200, 300)]));
            assembler.push(&[0; 2000], &mut pieces);
            assembler.over(&mut pieces);
            let (samples, marks) = check(&pieces);
            let (cut, first) = (1080, 4200 - 1080);
            assert_eq!(samples.len(), first + 2000);
            assert_eq!(samples.iter().position(|x| *x == LOUD), Some(120));
            let end = |sample: u64| sample * factor - cut;
            assert_eq!(
                times(&marks),
                [
                    ("one", 0, end(1700)),
                    ("two", end(1700), 300 * factor),
                    ("three", first as u64 + 200 * factor, 300 * factor)
                ]
            );
            assert!(marks.iter().all(|mark| mark.exact));
        }
    }

    #[test]
    fn times_after_all_sound_lose_no_word_and_those_of_stretched_sound_move() {
        let mut assembler = Assembler::new(RATE, 10.0, 2.0);
        let mut pieces = Vec::new();
        assembler.begin(timed(&[("one", 1000, 500), ("two", 9000, 100)]));
        assembler.push(&[0; 1000], &mut pieces);
        assembler.over(&mut pieces);
        // One without any sound, then one that has some.
        assembler.begin(timed(&[("three", 0, 10)]));
        assembler.over(&mut pieces);
        assembler.begin(timed(&[("four", 100, 10)]));
        assembler.push(&[0; 1000], &mut pieces);
        assembler.over(&mut pieces);
        let (samples, marks) = check(&pieces);
        assert_eq!(samples.len(), 2000);
        assert_eq!(
            times(&marks),
            [
                ("one", 500, 250),
                ("two", 999, 1),
                ("three", 1000, 1),
                ("four", 1050, 5)
            ]
        );
    }

    #[test]
    fn the_first_frame_leaves_at_once_but_for_its_end() {
        let mut assembler = Assembler::new(RATE, 10.0, 1.0);
        let mut pieces = Vec::new();
        assembler.begin(words(&["hello"]));
        assembler.push(&[LOUD; 1920], &mut pieces);
        let (samples, marks) = check(&pieces);
        assert_eq!((samples.len(), marks.len()), (1680, 1));
    }
}
