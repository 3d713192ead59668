// SPDX-License-Identifier: MPL-2.0

//! Who is stepped next: slots, playout deadlines and admission. Pure: no thread, no lock, no clock of its own.
//!
//! An utterance *waits for text*, is *ready* once there is a chunk to begin, and is *speaking* while a chunk of it is in a
//! slot. Of those that speak, [`Scheduler::next`] picks a batch:
//!
//! - The *deadline* of an utterance is the moment at which its consumer will have played all that was made for it. Before the
//!   first sound that is the moment its first text came. The soonest deadlines go first.
//! - Who has `look_ahead` of sound in store gets no more, and is left alone until half of that is played. So those of a batch come
//!   back together, and a step is made for many.
//! - A step is made for whoever has less than half. Others that have not enough come along as long as that costs no more
//!   than the step does anyway: nearly all of them on a GPU, hardly any on a CPU.
//!
//! Admission: [`Scheduler::open`] refuses where, by the steps measured so far, those who are admitted could no longer be
//! served in real time, or where no slot would be free. The first is never refused. Who has waited for text, or has left its sound
//! unread, for longer than the limit's `idle_after` is no load any more.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

use crate::{cost::Cost, family::Slot};

/// An utterance's number.
pub type Id = u64;

/// Time since some moment of the caller's.
pub type Moment = Duration;

/// What an engine can do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Utterances that can be in the middle of a chunk.
    pub slots: usize,
    /// Most slots of a step.
    pub max_batch: usize,
    /// How much sound a frame is, at rate 1.0.
    pub frame: Duration,
    /// Share of the time that admission keeps free, 0.0 to 1.0.
    pub margin: f64,
    /// After how long without a step or new text an utterance is no load any more.
    pub idle_after: Duration,
}

/// What an utterance wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Want {
    /// Who has this much sound in store gets no more.
    pub look_ahead: Duration,
    /// Speed at which its frames are played: 2.0 needs twice as many.
    pub rate: f64,
}

/// Why an utterance is not admitted.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Every slot is taken or promised.
    Slots {
        /// How many there are.
        slots: usize,
    },
    /// Those who are admitted would no longer be served in real time.
    Time {
        /// Who is admitted.
        streams: usize,
        /// What a frame for each and for one more would take the generator.
        generator: Duration,
        /// The same for the decoder, which works beside it.
        decoder: Duration,
        /// How long a frame lasts.
        frame: Duration,
        /// Share of the time that is kept free.
        margin: f64,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slots { slots } => write!(
                f,
                "the engine is full: all of its {slots} slots are taken; try again once an utterance has ended, raise max-batch, \
                 or use another device"
            ),
            Self::Time {
                streams,
                generator,
                decoder,
                frame,
                margin,
            } => write!(
                f,
                "the engine is full: it speaks {streams} utterances, and one more would take {:.1} ms of the generator \
                 and {:.1} ms of the decoder for each {:.0} ms of sound, of which {:.0} % are kept free; try again once \
                 an utterance has ended, or use another device",
                1e3 * generator.as_secs_f64(),
                1e3 * decoder.as_secs_f64(),
                1e3 * frame.as_secs_f64(),
                1e2 * margin,
            ),
        }
    }
}

/// What is to be done now, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Slots to forget.
    pub release: Vec<Slot>,
    /// Utterances whose next chunk begins.
    pub begin: Vec<(Id, Slot)>,
    /// Whom to make a frame for.
    pub step: Vec<(Id, Slot)>,
}

impl Work {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.release.is_empty() && self.begin.is_empty() && self.step.is_empty()
    }
}

/// How many utterances are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// All that are open.
    pub open: usize,
    /// With a chunk in a slot.
    pub speaking: usize,
    /// Ready, but for a slot or for a place among those who begin.
    pub queued: usize,
    /// That count as load.
    pub load: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Text,
    Ready,
    Speaking,
}

#[derive(Clone, Debug)]
struct Entry {
    want: Want,
    frame: Duration,
    phase: Phase,
    slot: Option<Slot>,
    /// Sound that is made and not taken.
    stored: Duration,
    /// Frames that are generated and not sound yet.
    in_flight: u32,
    /// When the consumer has played all that it took; before it took any, when its first text came.
    dry: Moment,
    /// Whether text has come.
    arrived: bool,
    /// Whether the consumer took any sound.
    heard: bool,
    /// Whether it waited for text since the last sound.
    starved: bool,
    /// Between half and all of its look-ahead, on the way up.
    filling: bool,
    /// When something last happened to it.
    active: Moment,
}

impl Entry {
    fn ahead(&self) -> Duration {
        self.stored + self.frame * self.in_flight
    }

    fn deadline(&self) -> Moment {
        self.dry + self.ahead()
    }

    fn has_enough(&self) -> bool {
        self.ahead() >= self.want.look_ahead
    }

    /// Whether a step is to be made on its behalf.
    fn is_urgent(&self) -> bool {
        self.ahead() < self.want.look_ahead / 2
    }

    fn update_filling(&mut self) {
        self.filling = !self.has_enough() && (self.filling || self.is_urgent());
    }

    /// Whether it could be served now.
    fn wants(&self) -> bool {
        self.phase != Phase::Text && (self.filling || self.is_urgent())
    }

    fn is_load(&self, now: Moment, idle_after: Duration) -> bool {
        self.wants() || now.saturating_sub(self.active) <= idle_after.max(self.want.look_ahead * 2)
    }
}

/// The scheduler. Moments never go back.
#[derive(Clone, Debug)]
pub struct Scheduler {
    limits: Limits,
    entries: HashMap<Id, Entry>,
    slots: Vec<Option<Id>>,
    release: Vec<Slot>,
    generator: Cost,
    decoder: Cost,
    admission: Cost,
    begun: u64,
    frames: u64,
    refused: u64,
    underruns: u64,
}

impl Scheduler {
    /// One with everything free.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits {
            slots: limits.slots.max(1),
            max_batch: limits.max_batch.clamp(1, limits.slots.max(1)),
            ..limits
        };
        Self {
            limits,
            entries: HashMap::new(),
            slots: vec![None; limits.slots],
            release: Vec::new(),
            generator: Cost::default(),
            decoder: Cost::default(),
            admission: Cost::default(),
            begun: 0,
            frames: 0,
            refused: 0,
            underruns: 0,
        }
    }

    /// The limits, as they are kept.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Admits an utterance, which waits for text, or says why not.
    pub fn open(&mut self, now: Moment, id: Id, want: Want) -> Result<(), Refusal> {
        if let Err(refusal) = self.admits(now, want.rate) {
            self.refused += 1;
            return Err(refusal);
        }
        self.entries.insert(
            id,
            Entry {
                want,
                frame: self.limits.frame.div_f64(want.rate),
                phase: Phase::Text,
                slot: None,
                stored: Duration::ZERO,
                in_flight: 0,
                dry: now,
                arrived: false,
                heard: false,
                starved: false,
                filling: false,
                active: now,
            },
        );
        Ok(())
    }

    fn admits(&self, now: Moment, rate: f64) -> Result<(), Refusal> {
        let idle_after = self.limits.idle_after;
        let load = || {
            self.entries
                .values()
                .filter(|entry| entry.is_load(now, idle_after))
        };
        let streams = load().count();
        // A slot may be held by one that is no load: its consumer has gone quiet in the middle of a chunk.
        let slots = streams + self.slots.iter().flatten().count()
            - load().filter(|entry| entry.slot.is_some()).count();
        if slots >= self.limits.slots {
            return Err(Refusal::Slots {
                slots: self.limits.slots,
            });
        }
        if streams == 0 {
            return Ok(());
        }
        let speeds = rate + load().map(|entry| entry.want.rate).sum::<f64>();
        let generator = self.generator.round(speeds, self.limits.max_batch)
            + self.admission_per_frame().mul_f64(speeds);
        let decoder = self.decoder.round(speeds, self.limits.max_batch);
        if generator.max(decoder) > self.limits.frame.mul_f64(1.0 - self.limits.margin) {
            return Err(Refusal::Time {
                streams,
                generator,
                decoder,
                frame: self.limits.frame,
                margin: self.limits.margin,
            });
        }
        Ok(())
    }

    /// What beginning chunks costs, spread over the frames.
    fn admission_per_frame(&self) -> Duration {
        if self.frames == 0 {
            return Duration::ZERO;
        }
        self.admission
            .of(1)
            .mul_f64((self.begun as f64 / self.frames as f64).min(1.0))
    }

    /// An utterance that waited for text has a chunk to begin.
    pub fn ready(&mut self, now: Moment, id: Id) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.active = now;
        if !entry.arrived {
            entry.arrived = true;
            entry.dry = now;
        }
        if entry.phase == Phase::Text {
            entry.phase = Phase::Ready;
            entry.update_filling();
        }
    }

    /// The consumer took this much sound. Answers whether there may be something to do now.
    pub fn taken(&mut self, now: Moment, id: Id, sound: Duration) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        entry.stored = entry.stored.saturating_sub(sound);
        entry.dry = entry.dry.max(now) + sound;
        entry.heard = true;
        entry.update_filling();
        entry.wants()
    }

    /// So many frames of an utterance became this much sound, which its consumer can take from now on; `awaited` where it
    /// waits already. Answers whether there may be something to do now.
    pub fn sounded(
        &mut self,
        now: Moment,
        id: Id,
        frames: u32,
        sound: Duration,
        awaited: bool,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        if awaited && entry.heard && !entry.starved && entry.dry < now && !sound.is_zero() {
            self.underruns += 1;
        }
        // What is still on its way when it begins to wait for text ends no waiting.
        entry.starved &= sound.is_zero() || entry.phase == Phase::Text;
        entry.in_flight = entry.in_flight.saturating_sub(frames);
        entry.stored += sound;
        entry.update_filling();
        entry.wants()
    }

    /// Ends an utterance: nothing more is made for it. Its slot is free from the next call of [`next`](Self::next) on.
    /// Answers whether there was one.
    pub fn close(&mut self, id: Id) -> bool {
        let Some(entry) = self.entries.remove(&id) else {
            return false;
        };
        if let Some(slot) = entry.slot {
            self.free(slot);
        }
        true
    }

    fn free(&mut self, slot: Slot) {
        self.slots[slot] = None;
        self.release.push(slot);
    }

    /// Ends all utterances; what is in the slots is gone already.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.slots.fill(None);
        self.release.clear();
    }

    /// What to do now. Nothing until the next [`ready`](Self::ready), [`taken`](Self::taken) or
    /// [`close`](Self::close) where that is empty. What is named as begun or stepped counts as done but for
    /// [`made`](Self::made) and [`over`](Self::over).
    pub fn next(&mut self, now: Moment) -> Work {
        let mut work = Work {
            release: std::mem::take(&mut self.release),
            ..Work::default()
        };
        self.begin(now, &mut work);
        self.pick(now, &mut work);
        // A slot that was freed and taken again needs no forgetting.
        work.release
            .retain(|slot| !work.begin.iter().any(|(_, begun)| begun == slot));
        work
    }

    fn begin(&mut self, now: Moment, work: &mut Work) {
        let mut ready: Vec<(Moment, Id)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.phase == Phase::Ready && entry.wants())
            .map(|(id, entry)| (entry.deadline(), *id))
            .collect();
        ready.sort_unstable();
        // Beginning may take no longer than the step that the others wait for.
        let most = if self.admission.known() && self.generator.known() {
            let speaking = self.slots.iter().flatten().count().max(1);
            let step = self.generator.of(speaking.min(self.limits.max_batch));
            let one = self.admission.of(1).as_secs_f64().max(1e-9);
            ((step.as_secs_f64() / one) as usize).max(1)
        } else {
            self.limits.max_batch
        };
        let mut free = (0..self.slots.len()).filter(|slot| self.slots[*slot].is_none());
        let mut taken = Vec::new();
        for (_, id) in ready {
            if work.begin.len() == most {
                break;
            }
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            let slot = match entry.slot {
                Some(slot) => slot,
                None => match free.next() {
                    Some(slot) => slot,
                    None => continue,
                },
            };
            entry.slot = Some(slot);
            entry.phase = Phase::Speaking;
            entry.active = now;
            taken.push((slot, id));
            work.begin.push((id, slot));
        }
        for (slot, id) in taken {
            self.slots[slot] = Some(id);
        }
        self.begun += work.begin.len() as u64;
    }

    fn pick(&mut self, now: Moment, work: &mut Work) {
        let mut urgent: BTreeMap<(Moment, Id), Slot> = BTreeMap::new();
        let mut others: BTreeMap<(Moment, Id), Slot> = BTreeMap::new();
        let mut filling = false;
        for (id, entry) in &self.entries {
            let (Phase::Speaking, Some(slot)) = (entry.phase, entry.slot) else {
                continue;
            };
            if entry.is_urgent() {
                urgent.insert((entry.deadline(), *id), slot);
            } else if !entry.has_enough() {
                filling |= entry.filling;
                others.insert((entry.deadline(), *id), slot);
            }
        }
        if urgent.is_empty() && !filling {
            return;
        }
        let each = self.generator.each().max(1e-9);
        let along = if !self.generator.known() {
            0
        } else {
            (self.generator.fixed() / each) as usize
        };
        let along = if urgent.is_empty() {
            along.max(1)
        } else {
            along
        };
        let batch = urgent.into_iter().chain(others.into_iter().take(along));
        for ((_, id), slot) in batch.take(self.limits.max_batch) {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.in_flight += 1;
                entry.active = now;
                entry.update_filling();
            }
            work.step.push((id, slot));
        }
        self.frames += work.step.len() as u64;
    }

    /// A frame that was asked for will never be sound: it was the end of its chunk, or was not made.
    pub fn unmade(&mut self, id: Id) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.in_flight = entry.in_flight.saturating_sub(1);
            entry.update_filling();
        }
    }

    /// A chunk is over. With `more` the next one is there already and goes into the same slot; else the slot is free and the
    /// utterance waits for text.
    pub fn over(&mut self, now: Moment, id: Id, more: bool) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.active = now;
        if more {
            entry.phase = Phase::Ready;
            return;
        }
        entry.phase = Phase::Text;
        entry.starved = true;
        if let Some(slot) = entry.slot.take() {
            self.free(slot);
        }
    }

    /// A step of the generator took so long.
    pub fn generated(&mut self, slots: usize, took: Duration) {
        self.generator.add(slots, took);
    }

    /// A step of the decoder took so long.
    pub fn decoded(&mut self, slots: usize, took: Duration) {
        self.decoder.add(slots, took);
    }

    /// Beginning a chunk took so long.
    pub fn admitted(&mut self, took: Duration) {
        self.admission.add(1, took);
    }

    /// How many utterances are where.
    pub fn census(&self, now: Moment) -> Census {
        let mut census = Census {
            open: self.entries.len(),
            ..Census::default()
        };
        for entry in self.entries.values() {
            census.speaking += usize::from(entry.phase == Phase::Speaking);
            census.queued += usize::from(entry.phase == Phase::Ready);
            census.load += usize::from(entry.is_load(now, self.limits.idle_after));
        }
        census
    }

    /// Utterances refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How often a consumer had played everything while text was there to speak.
    pub fn underruns(&self) -> u64 {
        self.underruns
    }
}

#[cfg(test)]
mod tests;
