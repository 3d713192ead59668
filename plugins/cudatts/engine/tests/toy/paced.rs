// SPDX-License-Identifier: MPL-2.0

//! A family that is not autoregressive: how long each letter lasts is known when a chunk begins, and with it all of its
//! sound, the places of its words, and how speed and pitch change them.

use std::sync::Arc;

use duplex_neural::family::{
    Chunk, Chunks, Decoder, Family, Frames, Generator, LoadedVoice, Manner, Skipped, Slot, Timed,
    Times,
};
use duplex_synthesis::{Error, Voice};

/// Samples per second, and of a frame.
pub const RATE: u32 = 8000;
pub const FRAME: usize = 80;
/// How long a letter lasts at speed 1.0.
const LETTER: f64 = 250.0;
/// The token between two words.
const SPACE: u32 = 0;

/// Each letter is a level, and a space is silence. It says `a` to `z`, one clause at a time.
#[derive(Default)]
pub struct Paced;

/// The level of a letter.
pub fn level(letter: u8, pitch: f64) -> i16 {
    (f64::from(letter - b'a' + 1) * 500.0 * pitch) as i16
}

/// The samples before so many letters and spaces.
pub fn until(letters: usize, rate: f64) -> usize {
    (letters as f64 * LETTER / rate).round() as usize
}

impl Family for Paced {
    fn sample_rate(&self) -> u32 {
        RATE
    }

    fn frame_samples(&self) -> usize {
        FRAME
    }

    fn voices(&self) -> Vec<Voice> {
        vec![Voice {
            name: "levels".into(),
            languages: vec!["en".into()],
        }]
    }

    fn voice(&self, _: &str) -> Result<LoadedVoice, Error> {
        Ok(Arc::new(()))
    }

    fn paces(&self) -> bool {
        true
    }

    fn pitches(&self) -> bool {
        true
    }

    /// A word's first token tells where it is: its letter, and its place in the text.
    fn chunks(&self, text: &str) -> Result<Chunks, Error> {
        let (mut chunks, mut skipped) = (Vec::new(), Vec::new());
        let mut at = 0;
        for clause in text.split_inclusive([',', '.']) {
            let mut tokens = Vec::new();
            let mut inside = false;
            for (place, c) in clause.char_indices() {
                let bytes = at + place..at + place + c.len_utf8();
                match c {
                    'a'..='z' if inside => tokens.push(c as u32),
                    'a'..='z' => {
                        if !tokens.is_empty() {
                            tokens.push(SPACE);
                        }
                        tokens.push(c as u32 | (bytes.start as u32 + 1) << 8);
                    }
                    _ if c.is_ascii() => {}
                    _ => skipped.push(Skipped {
                        bytes,
                        why: "this voice says a to z".into(),
                    }),
                }
                inside = c.is_ascii_lowercase();
            }
            let most = until(tokens.len(), 0.1).div_ceil(FRAME) + 1;
            chunks.push(Chunk {
                bytes: at..at + clause.len(),
                tokens,
                tail: 0,
                most,
            });
            at += clause.len();
        }
        chunks.retain(|chunk| !chunk.tokens.is_empty());
        Ok(Chunks { chunks, skipped })
    }

    fn generator(&self, slots: usize) -> Result<Box<dyn Generator>, Error> {
        Ok(Box::new(Ahead(vec![Vec::new(); slots])))
    }

    fn decoder(&self, _: usize) -> Result<Box<dyn Decoder>, Error> {
        Ok(Box::new(Through))
    }
}

/// The frames that each slot has still to hand out, the last first.
struct Ahead(Vec<Vec<[f32; FRAME]>>);

impl Generator for Ahead {
    fn admit(
        &mut self,
        slot: Slot,
        chunk: &Chunk,
        _: &LoadedVoice,
        manner: Manner,
    ) -> Result<Times, Error> {
        let (mut sound, mut words) = (Vec::new(), Vec::<Timed>::new());
        for (place, token) in chunk.tokens.iter().enumerate() {
            let end = until(place + 1, manner.rate);
            let letter = (*token & 0xff) as u8;
            let level = match letter {
                0 => 0,
                letter => level(letter, manner.pitch),
            };
            let start = sound.len() as u64;
            sound.resize(end, f32::from(level) / 32_767.0);
            if let Some(begin) = (*token >> 8).checked_sub(1) {
                words.push(Timed {
                    bytes: begin as usize..begin as usize,
                    start,
                    samples: 0,
                });
            }
            if let (Some(word), true) = (words.last_mut(), *token != SPACE) {
                word.bytes.end += 1;
                word.samples = end as u64 - word.start;
            }
        }
        let samples = sound.len();
        // Not to be heard.
        sound.resize(samples.next_multiple_of(FRAME), 1.0);
        let (frames, _) = sound.as_chunks();
        self.0[slot] = frames.iter().rev().copied().collect();
        Ok(Times {
            words: Some(words),
            samples: Some(samples),
        })
    }

    fn step(&mut self, slots: &[Slot], frames: &mut Frames) -> Result<(), Error> {
        frames.clear(FRAME);
        for slot in slots {
            let frame = self.0[*slot].pop();
            frames.over.push(frame.is_none());
            frames.values.extend(frame.unwrap_or([0.0; FRAME]));
        }
        Ok(())
    }

    fn release(&mut self, slot: Slot) {
        self.0[slot].clear();
    }
}

/// Frames are sound already.
struct Through;

impl Decoder for Through {
    fn reset(&mut self, _: Slot) {}

    fn decode(&mut self, _: &[Slot], frames: &[f32], sound: &mut Vec<f32>) -> Result<(), Error> {
        sound.clear();
        sound.extend_from_slice(frames);
        Ok(())
    }
}
