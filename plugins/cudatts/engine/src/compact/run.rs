// SPDX-License-Identifier: MPL-2.0

//! The voice at work: slots, and what each is at.
//!
//! At its admission a clause gets its phones, their lengths and melody, and its first hop's filters; the rows that layers look
//! ahead are computed there, too, so that each step computes four hops for each of its slots, whichever they are at. A frame
//! is all that its sound takes: the filters of five hops, the first of which is the last of the frame before, and the
//! excitation below them. A step for the decoder, or a device in its place, is the same for all.

use std::sync::Arc;

use duplex_synthesis::Error;

use super::{
    FRAME_HOPS, FRAME_SAMPLES, HOP, Spectra, Voice,
    blocks::{Scratch, Text, Work},
    clause::{Phones, Timing, Word},
    filters::{Filters, SIDE, Transforms},
    pauses, phones,
    shape::POINTS,
    speaking::{Inputs, Speaking},
    tokens::{self, Decoded, Spoken, Written},
};
use crate::family::{self, Chunk, Frames, LoadedVoice, Manner, Slot, Timed, Times};

/// Hops whose filters a frame's sound takes: its own, and the next, which sounds half a hop before its own samples.
const HOPS: usize = FRAME_HOPS + 1;
/// Samples of the excitation below them.
const BELOW: usize = HOPS * HOP + 2 * SIDE;
/// What a frame is: how many of the hops there are (the last frame of a clause has one less), their cepstra, pulses, noise.
const WIDTH: usize = 1 + HOPS * Spectra::NUMBERS + 2 * BELOW;
/// Samples to which the hops of a frame add.
const RINGING: usize = FRAME_HOPS * HOP - SIDE + POINTS;

/// A clause that is being spoken.
#[derive(Debug)]
struct Clause {
    speaking: Speaking,
    /// Pulses and noise below the next frame.
    below: [Vec<f32>; 2],
    /// Filters of the hop that the next frame begins with.
    first: Vec<f32>,
}

/// A clause before its first hop: what it says, and when.
#[derive(Debug)]
pub(super) struct Plan {
    pub phones: Phones,
    pub timing: Timing,
    /// The same for the engine.
    pub times: Times,
}

impl Voice {
    /// What a chunk says, and when, at a rate.
    pub(super) fn plan(&self, tokens: &[u32], rate: f64, scratch: &mut Scratch) -> Plan {
        let decoded = tokens::decode(tokens);
        let Decoded {
            before,
            behind,
            written,
            end,
        } = &decoded;
        let own = written.iter().flat_map(|word| &word.said);
        let said: Vec<&Spoken> = before.iter().chain(own).chain(behind).collect();
        let mut words = self.words_of(&said, scratch);
        let behind = words.split_off(words.len() - behind.len());
        let own = words.split_off(before.len());
        let own = own.iter().map(|word| (word.phones.as_slice(), word.class));
        let phones = Phones {
            before: words,
            behind,
            ..Phones::new(own, *end)
        };
        self.time(phones, written, rate, scratch)
    }

    /// The phones of each word that is said, and its class.
    fn words_of(&self, said: &[&Spoken], scratch: &mut Scratch) -> Vec<Word> {
        let letters: Vec<&str> = said
            .iter()
            .filter_map(|said| match said {
                Spoken::Letters(letters) => Some(letters.as_str()),
                Spoken::Phones(_) => None,
            })
            .collect();
        let mut found = self.words.phones(&letters, scratch).into_iter();
        let language = self.lengths.language();
        let mut words: Vec<Word> = said
            .iter()
            .map(|said| match said {
                Spoken::Letters(letters) => Word {
                    phones: found.next().unwrap_or_default(),
                    class: language.class(letters),
                },
                Spoken::Phones(phones) => Word {
                    phones: phones.clone(),
                    class: 0,
                },
            })
            .collect();
        // "the" is said otherwise before a vowel.
        let the = |said: &Spoken| matches!(said, Spoken::Letters(letters) if letters == "the");
        for (place, _) in said.iter().enumerate().filter(|(_, said)| the(said)) {
            let next = words.get(place + 1).and_then(|next| next.phones.first());
            if next.is_some_and(|phone| phones::is_vowel(*phone)) {
                words[place].phones = self.the.clone();
            }
        }
        words
    }

    /// When the phones of a clause sound.
    pub(super) fn time(
        &self,
        phones: Phones,
        written: &[Written],
        rate: f64,
        scratch: &mut Scratch,
    ) -> Plan {
        let melody = self.melody.apply(&phones, scratch);
        let placed = pauses::place(&phones, &self.lengths.of(&phones), rate);
        let timing = Timing::new(&placed.lengths, &melody).moved(placed.early, placed.late);
        let times = Times {
            words: Some(timed(&phones, &timing, written)),
            samples: Some(timing.hops() * HOP),
        };
        Plan {
            phones,
            timing,
            times,
        }
    }
}

/// When written words sound, of which each may be said as several.
fn timed(phones: &Phones, timing: &Timing, written: &[Written]) -> Vec<Timed> {
    let mut words = Vec::with_capacity(written.len());
    let mut said = 0;
    // Behind the pause.
    let mut phone = 1;
    for word in written {
        let last = said + word.said.len();
        let from = phone;
        while phones.words[phone].is_some_and(|of| of < last) {
            phone += 1;
        }
        let sample = |phone: usize| (timing.begin(phone) * HOP) as u64;
        words.push(Timed {
            bytes: word.bytes.clone(),
            start: sample(from),
            samples: sample(phone) - sample(from),
        });
        said = last;
    }
    words
}

/// Makes filters and excitation.
#[derive(Debug)]
pub struct CompactGenerator {
    voice: Arc<Voice>,
    clauses: Vec<Option<Clause>>,
    /// What the body remembers of each.
    texts: Vec<Text>,
    buffers: Buffers,
}

/// Memory of a step, kept.
#[derive(Debug, Default)]
struct Buffers {
    scratch: Scratch,
    inputs: Inputs,
    works: Vec<Work>,
    rows: Vec<f32>,
    cepstra: Vec<f32>,
}

impl CompactGenerator {
    pub(super) fn new(voice: Arc<Voice>, slots: usize) -> Self {
        Self {
            voice,
            clauses: std::iter::repeat_with(|| None).take(slots).collect(),
            texts: std::iter::repeat_with(Text::default).take(slots).collect(),
            buffers: Buffers::default(),
        }
    }

    pub(super) fn begin(&mut self, slot: Slot, plan: Plan, manner: Manner) -> Times {
        let voice = self.voice.clone();
        let Plan {
            phones,
            timing,
            times,
        } = plan;
        let scratch = &mut self.buffers.scratch;
        let mut speaking = Speaking::new(&voice, &phones, timing, manner, scratch);
        // Nothing sounds before the clause; a frame needs what lies behind it, too.
        let mut below = [vec![0.0; BELOW], vec![0.0; BELOW]];
        let [pulses, noise] = &mut below;
        let behind = SIDE..BELOW - FRAME_SAMPLES;
        speaking.excite(&mut pulses[behind.clone()], &mut noise[behind]);
        self.texts[slot].begin(voice.sound.body(), speaking.hops());
        self.clauses[slot] = Some(Clause {
            speaking,
            below,
            first: Vec::new(),
        });
        self.go_on(&[slot], |_| 1);
        if let Some(clause) = &mut self.clauses[slot] {
            clause.first.extend_from_slice(&self.buffers.cepstra);
        }
        times
    }

    /// The filters of the next hops of these slots, up to where `until` says, into `buffers.cepstra`.
    fn go_on(&mut self, slots: &[Slot], until: impl Fn(&Clause) -> usize) {
        let sound = &self.voice.sound;
        let body = sound.body();
        let Buffers {
            scratch,
            inputs,
            works,
            rows,
            cepstra,
        } = &mut self.buffers;
        works.clear();
        rows.clear();
        for slot in slots {
            let Some(clause) = &mut self.clauses[*slot] else {
                continue;
            };
            let until = until(clause).min(clause.speaking.hops());
            let text = &mut self.texts[*slot];
            let needed = body.needs(until, text);
            text.give(body, clause.speaking.inputs(sound, needed, inputs));
            works.push(Work { text: *slot, until });
        }
        body.go_on(&mut self.texts, works, scratch, rows);
        sound.cepstra(rows, cepstra);
    }
}

impl Clause {
    /// The next frame; answers how many of the cepstra it took.
    fn frame(&mut self, cepstra: &[f32], out: &mut [f32]) -> usize {
        let begun = self.speaking.made * FRAME_HOPS;
        let more = (self.speaking.hops() - begun - 1).min(FRAME_HOPS);
        let cepstra = &cepstra[..more * Spectra::NUMBERS];
        let (count, out) = out.split_at_mut(1);
        count[0] = (1 + more) as f32;
        let (filters, out) = out.split_at_mut(HOPS * Spectra::NUMBERS);
        let (first, next) = filters.split_at_mut(Spectra::NUMBERS);
        first.copy_from_slice(&self.first);
        next[..cepstra.len()].copy_from_slice(cepstra);
        next[cepstra.len()..].fill(0.0);
        if let Some(last) = next.chunks_exact(Spectra::NUMBERS).next_back() {
            self.first.copy_from_slice(last);
        }
        let [pulses, noise] = &mut self.below;
        let new = BELOW - FRAME_SAMPLES;
        self.speaking.excite(&mut pulses[new..], &mut noise[new..]);
        let (first, second) = out.split_at_mut(BELOW);
        first.copy_from_slice(pulses);
        second.copy_from_slice(noise);
        for below in &mut self.below {
            below.copy_within(FRAME_SAMPLES.., 0);
        }
        self.speaking.made += 1;
        cepstra.len()
    }
}

impl family::Generator for CompactGenerator {
    fn admit(
        &mut self,
        slot: Slot,
        chunk: &Chunk,
        _: &LoadedVoice,
        manner: Manner,
    ) -> Result<Times, Error> {
        let voice = self.voice.clone();
        let plan = voice.plan(&chunk.tokens, manner.rate, &mut self.buffers.scratch);
        Ok(self.begin(slot, plan, manner))
    }

    fn step(&mut self, slots: &[Slot], frames: &mut Frames) -> Result<(), Error> {
        frames.clear(WIDTH);
        frames.values.resize(slots.len() * WIDTH, 0.0);
        for slot in slots {
            let Some(clause) = &self.clauses[*slot] else {
                return Err(Error::Failed(format!("slot {slot} speaks nothing")));
            };
            frames.over.push(clause.speaking.is_over());
        }
        self.go_on(slots, |clause| (clause.speaking.made + 1) * FRAME_HOPS + 1);
        let mut cepstra = self.buffers.cepstra.as_slice();
        let outs = frames.values.chunks_exact_mut(WIDTH);
        for ((slot, out), over) in slots.iter().zip(outs).zip(&frames.over) {
            if let (Some(clause), false) = (&mut self.clauses[*slot], over) {
                let taken = clause.frame(cepstra, out);
                cepstra = &cepstra[taken..];
            }
        }
        Ok(())
    }

    fn release(&mut self, slot: Slot) {
        self.clauses[slot] = None;
    }
}

/// Makes sound.
#[derive(Debug)]
pub struct CompactDecoder {
    filters: Filters,
    /// For each slot the sound from its next sample on, of the hops so far; nothing before the first frame.
    sounds: Vec<Option<Vec<f32>>>,
}

impl CompactDecoder {
    pub(super) fn new(transforms: Transforms, slots: usize) -> Self {
        Self {
            filters: Filters::new(transforms),
            sounds: vec![None; slots],
        }
    }

    /// The sound of a frame for each of these slots, however loud.
    pub(super) fn sound(&mut self, slots: &[Slot], frames: &[f32], sound: &mut Vec<f32>) {
        sound.clear();
        for (slot, frame) in slots.iter().zip(frames.chunks_exact(WIDTH)) {
            let (count, frame) = (frame[0] as usize, &frame[1..]);
            let (cepstra, below) = frame.split_at(HOPS * Spectra::NUMBERS);
            let (pulses, noise) = below.split_at(BELOW);
            let ringing = &mut self.sounds[*slot];
            let begun = usize::from(ringing.is_some());
            let ringing = ringing.get_or_insert_with(|| vec![0.0; RINGING]);
            // The first hop is one of the frame before, where there is one.
            for hop in begun..count {
                let own = hop * HOP..hop * HOP + HOP + 2 * SIDE;
                let cepstra = &cepstra[hop * Spectra::NUMBERS..][..Spectra::NUMBERS];
                let points = self.filters.hop(cepstra, &pulses[own.clone()], &noise[own]);
                // It begins half a hop before its own samples; nothing sounds before the clause.
                let early = SIDE.saturating_sub(hop * HOP);
                let to = &mut ringing[hop * HOP + early - SIDE..];
                for (to, point) in to.iter_mut().zip(&points[early..]) {
                    *to += point;
                }
            }
            sound.extend_from_slice(&ringing[..FRAME_SAMPLES]);
            ringing.copy_within(FRAME_SAMPLES.., 0);
            ringing[RINGING - FRAME_SAMPLES..].fill(0.0);
        }
    }
}

impl family::Decoder for CompactDecoder {
    fn reset(&mut self, slot: Slot) {
        self.sounds[slot] = None;
    }

    fn decode(
        &mut self,
        slots: &[Slot],
        frames: &[f32],
        sound: &mut Vec<f32>,
    ) -> Result<(), Error> {
        self.sound(slots, frames, sound);
        for x in sound {
            *x = x.clamp(-1.0, 1.0);
        }
        Ok(())
    }
}
