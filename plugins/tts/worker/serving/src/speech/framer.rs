// SPDX-License-Identifier: MPL-2.0

//! From pieces of any length and rate to frames of one.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use duplex_proto::{WordMark, frames};
use duplex_synthesis::Piece;

use crate::resample::Resampler;

/// What a frame is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Hz.
    pub rate: u32,
    /// ms of the longest frame.
    pub frame_ms: u32,
    /// All frames are as long, the last one filled up with silence.
    pub fill: bool,
    /// Words are told.
    pub marks: bool,
}

impl Shape {
    /// Bytes of so much sound.
    fn bytes(self, ms: u32) -> usize {
        frames::samples(ms, self.rate) * frames::SAMPLE_BYTES
    }
}

/// A frame of sound.
#[derive(Debug, Default, PartialEq)]
pub struct Frame {
    /// Its length in ms, rounded up.
    pub ms: u32,
    /// S16LE.
    pub sound: Bytes,
    /// Its first sample, counted from the first of the call.
    pub position: u64,
    /// The words that begin in it.
    pub words: Vec<WordMark>,
}

/// Cuts sound into frames.
pub struct Framer {
    shape: Shape,
    resampler: Option<Resampler>,
    native: u32,
    /// Sound at the frames' rate, S16LE, that has not left.
    sound: BytesMut,
    /// Samples that have left.
    position: u64,
    words: VecDeque<WordMark>,
    /// Number of the next word of the text.
    index: i32,
    /// Words before this one, and their sound, do not leave.
    from_word: i32,
    /// Native samples before the one with which that word begins; none while it has not come.
    skipped: Option<u64>,
    /// Native samples that have come.
    taken: u64,
    finished: bool,
}

impl Framer {
    /// For sound of this rate, in Hz, from this word on. `None` where the two rates do not go together.
    pub fn new(native: u32, shape: Shape, from_word: u32) -> Option<Self> {
        let resampler = if native == shape.rate {
            None
        } else {
            Some(Resampler::new(native, shape.rate)?)
        };
        Some(Self {
            shape,
            resampler,
            native,
            sound: BytesMut::new(),
            position: 0,
            words: VecDeque::new(),
            index: 0,
            from_word: i32::try_from(from_word).unwrap_or(i32::MAX),
            skipped: (from_word == 0).then_some(0),
            taken: 0,
            finished: false,
        })
    }

    /// What the frames are like.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How long a frame can leave now, in ms, of at most so much; 0 for none. Before the end it is
    /// made of whole [`frames::FRAME_MS`]. `all`: the engine has no more at hand.
    pub fn ready(&self, most_ms: u64, all: bool) -> u32 {
        let longest = u64::from(self.shape.frame_ms);
        if most_ms >= longest && self.sound.len() >= self.shape.bytes(self.shape.frame_ms) {
            return self.shape.frame_ms;
        }
        if !all && !self.finished {
            return 0;
        }
        let most = u32::try_from(most_ms.min(longest)).unwrap_or(u32::MAX) / frames::FRAME_MS;
        let step = self.shape.bytes(frames::FRAME_MS);
        let there = if self.finished {
            self.sound.len().div_ceil(step)
        } else {
            self.sound.len() / step
        };
        most.min(u32::try_from(there).unwrap_or(u32::MAX)) * frames::FRAME_MS
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.sound.is_empty() && self.words.is_empty()
    }

    /// Takes a piece.
    pub fn push(&mut self, piece: Piece) {
        let begin = self.taken;
        self.taken += piece.samples.len() as u64;
        for word in piece.words {
            let index = self.index;
            self.index = self.index.saturating_add(1);
            if index < self.from_word {
                continue;
            }
            let skipped = *self.skipped.get_or_insert(word.start);
            if !self.shape.marks {
                continue;
            }
            self.words.push_back(WordMark {
                text: word.text,
                start: self.scaled(word.start.saturating_sub(skipped)) as i64,
                samples: self.scaled(word.samples) as i64,
                text_start: word.bytes.start as i64,
                text_end: word.bytes.end as i64,
                estimated: !word.exact,
                index,
            });
        }
        let Some(skipped) = self.skipped else { return };
        let from = skipped
            .saturating_sub(begin)
            .min(piece.samples.len() as u64);
        let samples = &piece.samples[from as usize..];
        match &mut self.resampler {
            None => put(&mut self.sound, samples),
            Some(resampler) => {
                resampler.push(samples, &mut |samples| put(&mut self.sound, samples))
            }
        }
    }

    /// No more pieces: what the resampler still holds comes out.
    pub fn finish(&mut self) {
        self.finished = true;
        if let Some(mut resampler) = self.resampler.take() {
            resampler.finish(&mut |samples| put(&mut self.sound, samples));
        }
        if self.shape.fill {
            let frame = self.shape.bytes(frames::FRAME_MS);
            let whole = self.sound.len().div_ceil(frame) * frame;
            self.sound.resize(whole, 0);
        }
    }

    /// The next so many ms, or what is left.
    pub fn next(&mut self, ms: u32) -> Frame {
        let bytes = self.shape.bytes(ms).min(self.sound.len());
        let sound = self.sound.split_to(bytes).freeze();
        let position = self.position;
        self.position += (sound.len() / frames::SAMPLE_BYTES) as u64;
        // Words without any sound after them go with the last of it.
        let until = if self.finished && self.sound.is_empty() {
            u64::MAX
        } else {
            self.position
        };
        let mut words = Vec::new();
        while let Some(word) = self.words.pop_front_if(|word| (word.start as u64) < until) {
            words.push(word);
        }
        Frame {
            ms,
            sound,
            position,
            words,
        }
    }

    /// Native samples at the frames' rate.
    fn scaled(&self, samples: u64) -> u64 {
        (u128::from(samples) * u128::from(self.shape.rate) / u128::from(self.native)) as u64
    }
}

/// In one go, which is a copy on the machines that are in use.
fn put(sound: &mut BytesMut, samples: &[i16]) {
    let begin = sound.len();
    sound.resize(begin + samples.len() * frames::SAMPLE_BYTES, 0);
    let (out, _) = sound[begin..].as_chunks_mut::<{ frames::SAMPLE_BYTES }>();
    for (out, sample) in out.iter_mut().zip(samples) {
        *out = sample.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use duplex_synthesis::WordMark as Mark;

    use super::*;

    fn shape(rate: u32, frame_ms: u32, fill: bool) -> Shape {
        Shape {
            rate,
            frame_ms,
            fill,
            marks: true,
        }
    }

    /// A piece of so many samples, counted up from `first`, with words of 100 samples at these places.
    fn piece(first: usize, samples: usize, words: &[usize]) -> Piece {
        let words = words.iter().map(|start| Mark {
            text: format!("w{start}"),
            bytes: *start..*start + 1,
            start: *start as u64,
            samples: 100,
            exact: true,
        });
        Piece {
            samples: (first..first + samples).map(|n| n as i16).collect(),
            words: words.collect(),
        }
    }

    fn values(sound: &[u8]) -> Vec<i16> {
        let pairs = sound.chunks_exact(2);
        pairs
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect()
    }

    #[test]
    fn frames_hold_all_samples_in_order_and_the_words_that_begin_in_them() {
        let mut framer = Framer::new(8_000, shape(8_000, 20, false), 0).unwrap();
        framer.push(piece(0, 100, &[0, 90]));
        assert_eq!(
            (framer.ready(1_000, false), framer.ready(1_000, true)),
            (0, 0)
        );
        framer.push(piece(100, 300, &[160, 319]));
        let mut frames = Vec::new();
        while framer.ready(20, false) > 0 {
            frames.push(framer.next(20));
        }
        framer.finish();
        assert_eq!(framer.ready(20, false), 20);
        frames.push(framer.next(20));
        assert!(framer.is_empty());
        let all: Vec<i16> = frames
            .iter()
            .flat_map(|frame| values(&frame.sound))
            .collect();
        assert_eq!(all, (0..400).collect::<Vec<i16>>());
        let places: Vec<u64> = frames.iter().map(|frame| frame.position).collect();
        assert_eq!(places, [0, 160, 320]);
        let words = |frame: &Frame| frame.words.iter().map(|w| w.start).collect::<Vec<_>>();
        assert_eq!(
            frames.iter().map(words).collect::<Vec<_>>(),
            [vec![0, 90], vec![160, 319], vec![]]
        );
        assert_eq!(frames[1].words[0].index, 2);
    }

    #[test]
    fn nothing_waits_for_the_rest_of_a_long_frame() {
        let mut framer = Framer::new(8_000, shape(8_000, 100, false), 0).unwrap();
        framer.push(piece(0, 500, &[]));
        assert_eq!(framer.ready(1_000, false), 0, "the engine has more");
        assert_eq!(framer.ready(1_000, true), 60);
        assert_eq!(framer.ready(50, true), 40, "credit ends");
        framer.push(piece(500, 500, &[]));
        assert_eq!(framer.ready(1_000, false), 100);
        assert_eq!(framer.next(100).sound.len(), 1_600);
        framer.finish();
        assert_eq!(framer.ready(1_000, false), 40);
        assert_eq!(framer.next(40).sound.len(), 400);
        assert_eq!(framer.ready(1_000, false), 0);
    }

    #[test]
    fn an_old_client_gets_whole_frames() {
        let mut framer = Framer::new(48_000, shape(48_000, 20, true), 0).unwrap();
        framer.push(piece(0, 1_000, &[]));
        assert_eq!(framer.next(20).sound.len(), 1_920);
        framer.finish();
        let last = framer.next(20);
        assert_eq!(last.sound.len(), 1_920);
        assert!(values(&last.sound)[40..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn a_word_is_resumed_from_where_it_begins() {
        for rate in [8_000, 16_000] {
            let mut framer = Framer::new(8_000, shape(rate, 20, false), 2).unwrap();
            framer.push(piece(0, 200, &[0, 150]));
            framer.push(piece(200, 400, &[250, 400]));
            framer.finish();
            let mut sound = Vec::new();
            let mut words = Vec::new();
            while !framer.is_empty() {
                let frame = framer.next(20);
                sound.extend(values(&frame.sound));
                words.extend(frame.words);
            }
            let scale = (rate / 8_000) as usize;
            assert_eq!(sound.len(), 350 * scale);
            let told: Vec<_> = words.iter().map(|w| (w.index, w.start)).collect();
            assert_eq!(told, [(2, 0), (3, 150 * scale as i64)]);
            if scale == 1 {
                assert_eq!(sound[0], 250);
            }
        }
    }

    #[test]
    fn a_word_that_never_comes_leaves_silence() {
        let mut framer = Framer::new(8_000, shape(8_000, 20, false), 9).unwrap();
        framer.push(piece(0, 500, &[0]));
        framer.finish();
        assert!(framer.is_empty());
    }

    #[test]
    fn words_behind_the_last_sample_go_with_it() {
        let mut framer = Framer::new(8_000, shape(8_000, 20, false), 0).unwrap();
        framer.push(piece(0, 160, &[160]));
        framer.finish();
        let frame = framer.next(20);
        assert_eq!((frame.sound.len(), frame.words.len()), (320, 1));
    }
}
