// SPDX-License-Identifier: MPL-2.0

//! Families of models that compute in whole numbers, so that a test can tell every sample.
//!
//! [`Toy`] makes a frame in two passes: a coarse code from its tokens and the last frame, then a fine code from the coarse one.
//! With [`Toy::ahead`] the same frames are computed four at a time and handed out one by one. [`paced::Paced`] is not
//! autoregressive: it knows all of a chunk when that begins.

// Each test uses a part of it.
#![allow(dead_code)]

pub mod paced;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use duplex_neural::family::{
    Chunk, Chunks, Decoder, Family, Frames, Generator, LoadedVoice, Manner, Slot, Times,
};
use duplex_synthesis::{Error, Splitter, Voice};

pub const RATE: u32 = 8000;
/// 20 ms.
pub const FRAME: usize = 160;
/// Tokens of a chunk.
pub const LONGEST: usize = 40;
/// Frames of a chunk that finds no end.
pub const MOST: usize = 60;

/// Where a model fails, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    ErrorInStep,
    PanicInStep,
    ErrorInDecode,
    PanicInDecode,
    ErrorInAdmit,
    PanicInAdmit,
    PanicInChunks,
    ShortAnswer,
}

/// What was done, by all engines of a toy.
#[derive(Debug, Default)]
pub struct Counts {
    pub generators: AtomicUsize,
    pub steps: AtomicUsize,
    pub frames: AtomicUsize,
    pub decoded: AtomicUsize,
    pub largest: AtomicUsize,
    pub voices: AtomicUsize,
    /// Slots that hold something.
    pub held: AtomicUsize,
}

#[derive(Default)]
pub struct Toy {
    pub ahead: bool,
    /// It has a voice, `dora`, that names no language.
    pub any_language: bool,
    /// What each slot of a step takes.
    pub each: Duration,
    pub counts: Arc<Counts>,
    /// Sprung by the next call that it is for.
    pub trap: Arc<Mutex<Option<Trap>>>,
    /// No generator can be made.
    pub lost: AtomicBool,
}

impl Toy {
    pub fn shared() -> Arc<Self> {
        Arc::default()
    }

    pub fn set(&self, trap: Trap) {
        *self.trap.lock().unwrap() = Some(trap);
    }

    /// What the model says at temperature 0, where each clause is spoken by itself.
    pub fn expected(&self, text: &str, voice: &str) -> Vec<i16> {
        let mut splitter = Splitter::new(Some("en"), false);
        splitter.push(text);
        let mut samples = Vec::new();
        for clause in splitter.flush() {
            for chunk in self.chunks(&clause.text).unwrap().chunks {
                let mut state = State::new(&chunk, voice, 0);
                let mut turn = 0;
                while let Some(frame) = state.frame() {
                    samples.extend(sound(frame, &mut turn));
                    if state.made == chunk.most {
                        break;
                    }
                }
            }
        }
        samples
    }
}

fn sprung(trap: &Mutex<Option<Trap>>, traps: &[Trap]) -> Option<Trap> {
    let mut trap = trap.lock().unwrap();
    let found = trap.filter(|trap| traps.contains(trap));
    if found.is_some() {
        *trap = None;
    }
    found
}

fn lost() -> Error {
    Error::Failed("the device is lost".into())
}

/// FNV-1a over numbers.
fn hash(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0xcbf2_9ce4_8422_2325, |hash, number| {
        (hash ^ number)
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(23)
    })
}

/// A chunk that is being spoken.
#[derive(Clone)]
struct State {
    tokens: Vec<u32>,
    tail: usize,
    key: u64,
    last: u64,
    made: usize,
    endless: bool,
}

impl State {
    fn new(chunk: &Chunk, voice: &str, seed: u64) -> Self {
        let voice: Vec<u64> = voice.bytes().map(u64::from).collect();
        Self {
            tokens: chunk.tokens.clone(),
            tail: chunk.tail,
            key: hash(&[hash(&voice), seed]),
            last: 0,
            made: 0,
            // "endless" in any case of letters is a word after which it finds no end.
            endless: chunk.tokens.contains(&u32::from(b'~')),
        }
    }

    /// A frame, or none after the last: a token's each, then the tail.
    fn frame(&mut self) -> Option<[u16; 2]> {
        if self.made >= self.tokens.len() + self.tail && !self.endless {
            return None;
        }
        let token = self.tokens.get(self.made).copied().unwrap_or(0);
        // First pass, second pass.
        let coarse = hash(&[self.key, u64::from(token), self.last]) % 4096;
        let fine = hash(&[self.key, coarse, self.made as u64]) % 4096;
        self.last = hash(&[coarse, fine]);
        self.made += 1;
        Some([coarse as u16, fine as u16])
    }
}

/// The decoder remembers what it has made: `turn`.
fn sound(frame: [u16; 2], turn: &mut u64) -> Vec<i16> {
    (0..FRAME as u64)
        .map(|n| {
            *turn = turn.wrapping_add(u64::from(frame[0]) + n * u64::from(frame[1]));
            (*turn % 20_001) as i16 - 10_000
        })
        .collect()
}

impl Family for Toy {
    fn sample_rate(&self) -> u32 {
        RATE
    }

    fn frame_samples(&self) -> usize {
        FRAME
    }

    fn voices(&self) -> Vec<Voice> {
        let voice = |(name, language): (&str, &str)| Voice {
            name: name.into(),
            languages: language.split_whitespace().map(Into::into).collect(),
        };
        let voices = [("anna", "en-GB"), ("bert", "de"), ("carl", "en-US")];
        let any = self.any_language.then_some(("dora", ""));
        voices.into_iter().chain(any).map(voice).collect()
    }

    fn voice(&self, name: &str) -> Result<LoadedVoice, Error> {
        self.counts.voices.fetch_add(1, Relaxed);
        if !self.voices().iter().any(|voice| voice.name == name) {
            return Err(Error::NoSuchVoice {
                name: name.into(),
                remedy: "there are anna, bert and carl".into(),
            });
        }
        Ok(Arc::new(name.to_owned()))
    }

    fn chunks(&self, text: &str) -> Result<Chunks, Error> {
        if sprung(&self.trap, &[Trap::PanicInChunks]).is_some() {
            panic!("expected by this test");
        }
        if text.contains("forbidden") {
            return Err(Error::Failed("the model cannot say that".into()));
        }
        let mut chunks: Vec<Chunk> = Vec::new();
        for part in text.split_inclusive(' ') {
            let tokens = part
                .bytes()
                .filter(|b| b.is_ascii_alphanumeric() || *b == b'~');
            let tokens: Vec<u32> = tokens.map(u32::from).collect();
            match chunks.last_mut() {
                Some(last) if last.tokens.len() + tokens.len() <= LONGEST => {
                    last.tokens.extend(tokens);
                    last.bytes.end += part.len();
                }
                last => {
                    let start = last.map_or(0, |last| last.bytes.end);
                    chunks.push(Chunk {
                        bytes: start..start + part.len(),
                        tokens,
                        tail: 2,
                        most: MOST,
                    });
                }
            }
        }
        chunks.retain(|chunk| !chunk.tokens.is_empty());
        Ok(chunks.into())
    }

    fn generator(&self, slots: usize) -> Result<Box<dyn Generator>, Error> {
        if self.lost.load(Relaxed) {
            return Err(lost());
        }
        self.counts.generators.fetch_add(1, Relaxed);
        Ok(Box::new(ToyGenerator {
            ahead: self.ahead,
            each: self.each,
            slots: vec![None; slots],
            ready: HashMap::new(),
            counts: self.counts.clone(),
            trap: self.trap.clone(),
        }))
    }

    fn decoder(&self, slots: usize) -> Result<Box<dyn Decoder>, Error> {
        Ok(Box::new(ToyDecoder {
            turns: vec![0; slots],
            counts: self.counts.clone(),
            trap: self.trap.clone(),
        }))
    }
}

struct ToyGenerator {
    ahead: bool,
    each: Duration,
    slots: Vec<Option<State>>,
    /// Frames computed ahead, the last first; `None` is the end.
    ready: HashMap<Slot, Vec<Option<[u16; 2]>>>,
    counts: Arc<Counts>,
    trap: Arc<Mutex<Option<Trap>>>,
}

impl ToyGenerator {
    fn put(&mut self, slot: Slot, state: Option<State>) {
        let held = |state: &Option<State>| usize::from(state.is_some());
        self.counts.held.fetch_add(held(&state), Relaxed);
        self.counts.held.fetch_sub(held(&self.slots[slot]), Relaxed);
        self.slots[slot] = state;
        self.ready.remove(&slot);
    }
}

impl Generator for ToyGenerator {
    fn admit(
        &mut self,
        slot: Slot,
        chunk: &Chunk,
        voice: &LoadedVoice,
        manner: Manner,
    ) -> Result<Times, Error> {
        match sprung(&self.trap, &[Trap::ErrorInAdmit, Trap::PanicInAdmit]) {
            Some(Trap::ErrorInAdmit) => return Err(Error::Failed("no such token".into())),
            Some(_) => panic!("expected by this test"),
            None => {}
        }
        let voice = voice.downcast_ref::<String>().expect("a voice of ours");
        let seed = match manner.temperature {
            Some(0.0) => 0,
            _ => manner.seed,
        };
        // The engine stretches its sound and leaves its voice.
        assert_eq!((manner.rate, manner.pitch), (1.0, 1.0));
        self.put(slot, Some(State::new(chunk, voice, seed)));
        Ok(Times::default())
    }

    fn step(&mut self, slots: &[Slot], frames: &mut Frames) -> Result<(), Error> {
        let traps = [Trap::ErrorInStep, Trap::PanicInStep, Trap::ShortAnswer];
        let trap = sprung(&self.trap, &traps);
        match trap {
            Some(Trap::ErrorInStep) => return Err(lost()),
            Some(Trap::PanicInStep) => panic!("expected by this test"),
            _ => {}
        }
        self.counts.steps.fetch_add(1, Relaxed);
        self.counts.frames.fetch_add(slots.len(), Relaxed);
        self.counts.largest.fetch_max(slots.len(), Relaxed);
        if !self.each.is_zero() {
            thread::sleep(self.each * slots.len() as u32);
        }
        frames.clear(2);
        for slot in slots {
            let state = self.slots[*slot].as_mut().expect("an admitted slot");
            let frame = if self.ahead {
                let ready = self.ready.entry(*slot).or_default();
                if ready.is_empty() {
                    ready.extend((0..4).map(|_| state.frame()));
                    ready.reverse();
                }
                ready.pop().flatten()
            } else {
                state.frame()
            };
            frames.over.push(frame.is_none());
            frames
                .values
                .extend(frame.unwrap_or_default().map(f32::from));
        }
        if trap == Some(Trap::ShortAnswer) {
            frames.over.pop();
        }
        Ok(())
    }

    fn release(&mut self, slot: Slot) {
        self.put(slot, None);
    }
}

impl Drop for ToyGenerator {
    fn drop(&mut self) {
        for slot in 0..self.slots.len() {
            self.put(slot, None);
        }
    }
}

struct ToyDecoder {
    turns: Vec<u64>,
    counts: Arc<Counts>,
    trap: Arc<Mutex<Option<Trap>>>,
}

impl Decoder for ToyDecoder {
    fn reset(&mut self, slot: Slot) {
        self.turns[slot] = 0;
    }

    fn decode(
        &mut self,
        slots: &[Slot],
        frames: &[f32],
        sound_out: &mut Vec<f32>,
    ) -> Result<(), Error> {
        match sprung(&self.trap, &[Trap::ErrorInDecode, Trap::PanicInDecode]) {
            Some(Trap::ErrorInDecode) => return Err(lost()),
            Some(_) => panic!("expected by this test"),
            None => {}
        }
        self.counts.decoded.fetch_add(slots.len(), Relaxed);
        sound_out.clear();
        for (slot, frame) in slots.iter().zip(frames.chunks_exact(2)) {
            let frame = [frame[0] as u16, frame[1] as u16];
            let samples = sound(frame, &mut self.turns[*slot]);
            sound_out.extend(samples.iter().map(|s| f32::from(*s) / 32_767.0));
        }
        Ok(())
    }
}
