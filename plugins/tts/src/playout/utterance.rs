// SPDX-License-Identifier: MPL-2.0

//! One utterance in the queue: its samples, its words, and how much of it has left.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use super::format;

/// Marks that are kept of an utterance without end: some hours of speech, and more words than text is kept of.
const MAX_MARKS: usize = 65_536;

/// Where a word stands in an utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The word as written.
    pub text: Arc<str>,
    /// Its first sample in the utterance.
    pub start: u64,
    /// How many samples it has; 0 where that is not known.
    pub samples: u64,
    /// Its bytes in the utterance's text, where the synthesizer said.
    pub bytes: Option<Range<usize>>,
    /// False where the place is a guess.
    pub exact: bool,
}

impl Mark {
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.samples)
    }
}

/// Positions count samples of one channel from the start of the utterance.
#[derive(Debug)]
pub(super) struct Utterance {
    pub id: Arc<str>,
    /// It came without a name of its own: a synthesizer that knows nothing of utterances.
    pub anonymous: bool,
    /// No more samples will come.
    pub closed: bool,
    /// The next sample to leave.
    pub pos: u64,
    /// The furthest that left at full level.
    pub heard: u64,
    /// Samples have left.
    pub started: bool,
    /// When its last sample so far ends; running time.
    pub left_until: u64,
    channels: usize,
    data: VecDeque<i16>,
    /// Position of the first sample in `data`.
    base: u64,
    marks: Vec<Mark>,
    /// How many of them were told of.
    announced: usize,
    /// How many were forgotten since, and the byte of the text behind the last of them.
    forgotten: (u64, usize),
    /// Position of the first buffer, for anonymous sound that does not count from 0.
    origin: Option<u64>,
    /// A fade-in from that position over so many samples.
    rise: Option<(u64, usize)>,
}

impl Utterance {
    pub fn new(id: Arc<str>, anonymous: bool, channels: usize) -> Self {
        Self {
            id,
            anonymous,
            closed: false,
            pos: 0,
            heard: 0,
            started: false,
            left_until: 0,
            channels,
            data: VecDeque::new(),
            base: 0,
            marks: Vec::new(),
            announced: 0,
            forgotten: (0, 0),
            origin: None,
            rise: None,
        }
    }

    /// Position after the last sample that arrived.
    pub fn end(&self) -> u64 {
        self.base + (self.data.len() / self.channels) as u64
    }

    /// Samples that arrived and have not left.
    pub fn available(&self) -> u64 {
        self.end().saturating_sub(self.pos)
    }

    pub fn exhausted(&self) -> bool {
        self.available() == 0
    }

    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// How many words it has so far.
    pub fn words(&self) -> u64 {
        self.forgotten.0 + self.marks.len() as u64
    }

    /// Where in the text the first word of [`Utterance::marks`] is to be looked for.
    pub fn text_from(&self) -> usize {
        self.forgotten.1
    }

    pub fn add_mark(&mut self, mark: Mark) {
        if self.marks.len() >= MAX_MARKS {
            // What was told of long before the last word that left. Where none was, this one does without a mark.
            let old = self.announced.saturating_sub(1).min(MAX_MARKS / 2);
            if old == 0 {
                return;
            }
            self.forgotten.0 += old as u64;
            if let Some(bytes) = self.marks[..old].iter().rev().find_map(|m| m.bytes.clone()) {
                self.forgotten.1 = bytes.end;
            }
            self.marks.drain(..old);
            self.announced -= old;
        }
        // Marks come in order; one that does not must not break the search.
        let at = self.marks.partition_point(|m| m.start <= mark.start);
        self.marks.insert(at.max(self.announced), mark);
    }

    /// Appends interleaved S16LE. `position`: where the buffer says it stands; holes of up to `max_hole`
    /// samples are filled with silence, and what differs by no more than `tolerance` follows on.
    pub fn extend(&mut self, bytes: &[u8], position: Option<u64>, tolerance: u64, max_hole: u64) {
        if let Some(position) = position {
            let origin = *self
                .origin
                .get_or_insert(if self.anonymous { position } else { 0 });
            let hole = position.saturating_sub(origin).saturating_sub(self.end());
            if hole > tolerance && hole <= max_hole {
                self.extend_silence(hole);
            }
        }
        let samples = bytes
            .chunks_exact(2)
            .map(|b| i16::from_le_bytes([b[0], b[1]]));
        self.data.extend(samples);
        // Half a sample of the last channels would shift all that follows.
        self.data
            .truncate(self.data.len() - self.data.len() % self.channels);
    }

    pub fn extend_silence(&mut self, samples: u64) {
        let values = usize::try_from(samples).unwrap_or(0) * self.channels;
        self.data.resize(self.data.len() + values, 0);
    }

    /// The mark of the word that `position` cuts: inside it, neither at its start nor at its end.
    pub fn word_at(&self, position: u64) -> Option<&Mark> {
        let after = self.marks.partition_point(|m| m.start < position);
        self.marks[..after].last().filter(|m| position < m.end())
    }

    /// Marks that begin before `position` and were not told of yet.
    pub fn announce(&mut self, position: u64) -> Option<&Mark> {
        let mark = self.marks.get(self.announced)?;
        if mark.start >= position {
            return None;
        }
        self.announced += 1;
        Some(mark)
    }

    /// Copies up to `samples` from `pos` on to `out` and moves on.
    pub fn take(&mut self, samples: u64, out: &mut Vec<i16>, history: u64) -> u64 {
        let samples = samples.min(self.available());
        let from = out.len();
        self.copy(samples, out);
        if let Some((start, length)) = self.rise {
            let done = usize::try_from(self.pos.saturating_sub(start)).unwrap_or(length);
            for (i, frame) in out[from..].chunks_exact_mut(self.channels).enumerate() {
                let gain = format::fade_in(done + i, length);
                for sample in frame {
                    *sample = format::scale(*sample, gain);
                }
            }
            if self.pos + samples >= start + length as u64 {
                self.rise = None;
            }
        }
        self.pos += samples;
        self.started |= samples > 0;
        self.heard = self.heard.max(self.pos);
        self.forget(history);
        samples
    }

    /// The next samples fading to silence, without moving on.
    pub fn fade(&self, samples: u64, out: &mut VecDeque<i16>) {
        let mut raw = Vec::new();
        let length = self.copy(samples.min(self.available()), &mut raw);
        let level = self.rise.map_or(1.0, |(start, rise)| {
            let done = usize::try_from(self.pos.saturating_sub(start)).unwrap_or(rise);
            format::fade_in(done, rise)
        });
        for (i, frame) in raw.chunks_exact(self.channels).enumerate() {
            let gain = level * format::fade_out(i, length);
            out.extend(frame.iter().map(|&s| format::scale(s, gain)));
        }
    }

    /// Goes back to the start of the word that was cut, as far as it is still there, and rises from silence
    /// over `rise` samples. Returns the word.
    pub fn rewind(&mut self, rise: usize) -> Option<Mark> {
        let word = self.word_at(self.pos).cloned();
        if let Some(word) = &word {
            self.pos = word.start.max(self.base);
        }
        self.rise = (rise > 0 && self.pos > 0).then_some((self.pos, rise));
        word
    }

    /// Another format, each given as rate and channels: samples are interpolated, positions scale.
    pub fn convert(&mut self, from: (u32, usize), to: (u32, usize)) {
        let scale = |position: u64| {
            let scaled = u128::from(position) * u128::from(to.0) / u128::from(from.0.max(1));
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        let end = scale(self.end());
        self.data = format::convert(self.data.make_contiguous(), from, to).into();
        self.channels = to.1;
        // A sample more or less; the end is what later positions count on.
        let length = (self.data.len() / self.channels) as u64;
        self.base = end.saturating_sub(length);
        self.pos = scale(self.pos).clamp(self.base, end.max(self.base));
        self.heard = scale(self.heard);
        self.origin = self.origin.map(scale);
        self.rise = None;
        for mark in &mut self.marks {
            let end = scale(mark.end());
            mark.start = scale(mark.start);
            mark.samples = end - mark.start;
        }
    }

    /// Returns the number of samples (per channel) that were copied.
    fn copy(&self, samples: u64, out: &mut Vec<i16>) -> usize {
        let from = usize::try_from(self.pos - self.base).unwrap_or(0) * self.channels;
        let samples = usize::try_from(samples).unwrap_or(0);
        let to = from + samples * self.channels;
        let (first, second) = self.data.as_slices();
        let split = first.len();
        out.extend_from_slice(&first[from.min(split)..to.min(split)]);
        out.extend_from_slice(&second[from.max(split) - split..to.max(split) - split]);
        samples
    }

    /// Drops samples that no resume can need.
    fn forget(&mut self, history: u64) {
        let keep = self
            .word_at(self.pos)
            .map_or(self.pos, |m| m.start)
            .max(self.pos.saturating_sub(history));
        let gone = keep.saturating_sub(self.base);
        self.data
            .drain(..usize::try_from(gone).unwrap_or(0) * self.channels);
        self.base += gone;
    }
}
