// SPDX-License-Identifier: MPL-2.0

//! A synthesizer, a sink and a clock that exist in numbers only. Samples carry their own position, so that whatever
//! comes out can be told from everything else.

use std::{collections::VecDeque, ops::Range};

use super::super::{Config, Core, Frame, Mark, Nanos, Notice, Step};
use crate::interruption::{Command, EarEvent, Input};

pub const MS: Nanos = 1_000_000;

/// A small generator of our own: the same seeds give the same runs on every machine and version.
#[derive(Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub fn range(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize]
    }
}

#[derive(Clone, Debug)]
pub struct Word {
    pub text: String,
    pub bytes: Range<usize>,
    pub start: u64,
    pub samples: u64,
}

/// What the synthesizer will say.
#[derive(Clone, Debug)]
pub struct Script {
    pub id: String,
    pub text: String,
    pub words: Vec<Word>,
    pub samples: u64,
}

impl Script {
    /// Words of 60 to 400 ms with pauses of 0 to 80 ms between.
    pub fn random(rng: &mut Rng, number: usize, words: u64, rate: u32) -> Self {
        let ms = |ms: u64| ms * u64::from(rate) / 1000;
        let mut script = Self {
            id: format!("u{number}"),
            text: String::new(),
            words: Vec::new(),
            samples: ms(rng.range(0..20)),
        };
        for i in 0..words {
            if i > 0 {
                script.text.push(' ');
                if rng.one_in(3) {
                    script.samples += ms(rng.range(1..80));
                }
            }
            let text = format!("w{number}x{i}");
            let from = script.text.len();
            script.text.push_str(&text);
            let samples = ms(rng.range(60..400)) + rng.range(0..7);
            script.words.push(Word {
                text,
                bytes: from..script.text.len(),
                start: script.samples,
                samples,
            });
            script.samples += samples;
            if rng.one_in(4) {
                script.text.push_str(rng.pick(&[",", ".", "!?", ";"]));
            }
        }
        script.samples += ms(rng.range(0..30));
        script
    }

    /// Never 0, and different for neighbours and for utterances, of which seven can be told apart.
    pub fn sample(number: usize, position: u64, codes: u64) -> i16 {
        (1 + (number % 7) as u64 * 4_000 + position % codes) as i16
    }

    pub fn number(&self) -> usize {
        self.id[1..].parse().unwrap()
    }
}

/// Which utterance a sample at full level is of.
pub fn owner(sample: i16) -> usize {
    (sample as usize - 1) / 4_000
}

pub enum Feed {
    Begin(String, String),
    Word(String, Word),
    Samples(usize, Range<u64>),
    End,
    Eos,
}

pub struct World {
    pub core: Core,
    pub now: Nanos,
    pub rate: u32,
    /// The sink blocks in push until a frame's own time, as one that syncs does.
    pub blocking: bool,
    /// What the synthesizer has made, and when.
    pub feed: VecDeque<(Nanos, Feed)>,
    pub out: Vec<i16>,
    pub frames: Vec<(Nanos, Frame)>,
    pub notices: Vec<(Nanos, Notice)>,
    pub ended: Option<Nanos>,
    /// After so many samples the codes begin again: more than 4,000 only where there is one utterance.
    pub codes: u64,
}

impl World {
    pub fn new(config: Config, rate: u32) -> Self {
        Self {
            core: Core::new(config, rate, 1),
            now: 0,
            rate,
            blocking: false,
            feed: VecDeque::new(),
            out: Vec::new(),
            frames: Vec::new(),
            notices: Vec::new(),
            ended: None,
            codes: 4_000,
        }
    }

    /// The synthesizer makes `script` from `at` on, `speed` times as fast as it sounds, in pieces of up to `piece_ms`.
    /// Returns when it is done.
    pub fn synthesize(
        &mut self,
        rng: &mut Rng,
        script: &Script,
        at: Nanos,
        speed: u64,
        piece_ms: u64,
    ) -> Nanos {
        let number = script.number();
        let mut at = at;
        let begin = Feed::Begin(script.id.clone(), script.text.clone());
        self.feed.push_back((at, begin));
        let mut position = 0;
        let mut words = script.words.iter().peekable();
        while position < script.samples {
            let piece = rng.range(1..piece_ms + 1) * u64::from(self.rate) / 1000;
            let end = (position + piece.max(1)).min(script.samples);
            while let Some(word) = words.next_if(|w| w.start < end) {
                self.feed
                    .push_back((at, Feed::Word(script.id.clone(), word.clone())));
            }
            self.feed
                .push_back((at, Feed::Samples(number, position..end)));
            at += (end - position) * 1_000_000_000 / u64::from(self.rate) / speed;
            position = end;
        }
        self.feed.push_back((at, Feed::End));
        at
    }

    fn take_feed(&mut self) {
        while self.feed.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, feed) = self.feed.pop_front().unwrap();
            match feed {
                Feed::Begin(id, text) => {
                    self.core.text(&id, &text);
                    self.core.begin(&id);
                }
                Feed::Word(id, word) => {
                    let ns = |s: u64| (s * 1_000_000_000).div_ceil(u64::from(self.rate));
                    let mark = Mark {
                        text: word.text.as_str().into(),
                        start: 0,
                        samples: 0,
                        bytes: Some(word.bytes),
                        exact: true,
                    };
                    let start = ns(word.start);
                    let end = ns(word.start + word.samples);
                    self.core.word(&id, mark, start, end - start);
                }
                Feed::Samples(number, range) => {
                    if !self.core.has_room() {
                        self.feed
                            .push_front((self.now, Feed::Samples(number, range)));
                        return;
                    }
                    let position = range.start * 1_000_000_000 / u64::from(self.rate);
                    let bytes: Vec<u8> = range
                        .flat_map(|p| Script::sample(number, p, self.codes).to_le_bytes())
                        .collect();
                    self.core.samples(&bytes, Some(position));
                }
                Feed::End => self.core.end(),
                Feed::Eos => self.core.eos(),
            }
        }
    }

    pub fn drain_notices(&mut self) {
        while let Some(notice) = self.core.pop_notice() {
            self.notices.push((self.now, notice));
        }
    }

    /// Time goes on until `end`. Wakes where the element's task would: at the step's own time, when samples arrive that
    /// it wants, and at `end`, where the caller does something.
    pub fn run(&mut self, end: Nanos) {
        let mut idle = 0;
        loop {
            self.take_feed();
            let step = self.core.step(self.now);
            self.drain_notices();
            match step {
                Step::Push(frame) => {
                    idle = 0;
                    self.frames.push((self.now, frame));
                    self.out.extend_from_slice(self.core.frame());
                    if self.blocking && frame.pts > self.now {
                        self.now = frame.pts;
                    }
                }
                Step::Eos => {
                    assert_eq!(self.ended, None, "the stream ends once");
                    self.ended = Some(self.now);
                }
                Step::Wait(until) => {
                    idle += 1;
                    assert!(idle < 10_000, "time does not pass at {}", self.now);
                    let mut next = until.map_or(end, |until| until.min(end)).max(self.now);
                    if let Some((at, _)) = self.feed.front()
                        && (*at > self.now || self.core.has_room())
                    {
                        next = next.min((*at).max(self.now));
                    }
                    if next >= end {
                        self.now = self.now.max(end);
                        return;
                    }
                    self.now = next;
                }
            }
            if self.now > end {
                return;
            }
        }
    }

    pub fn ear(&mut self, event: EarEvent) {
        self.core.input(self.now, self.now, Input::Ear(event));
    }

    pub fn command(&mut self, command: Command) {
        self.core.input(self.now, self.now, Input::Command(command));
    }

    /// The synthesizer is flushed, as the mouth does after an interruption.
    pub fn flush(&mut self) {
        self.feed.clear();
        self.core.flush_start(self.now);
        self.core.flush_stop();
    }

    pub fn samples(&self, time: Nanos) -> usize {
        (u128::from(time) * u128::from(self.rate) / 1_000_000_000) as usize
    }

    /// The running time of an output sample, where the stream has no holes.
    pub fn time(&self, sample: usize) -> Nanos {
        self.frames.first().map_or(0, |(_, f)| f.pts)
            + sample as u64 * 1_000_000_000 / u64::from(self.rate)
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.notices.iter().map(|(_, n)| n.name()).collect()
    }
}
