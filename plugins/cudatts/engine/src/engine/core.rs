// SPDX-License-Identifier: MPL-2.0

//! What the two threads of an engine and everybody's utterances share.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use duplex_synthesis::Error;

use crate::schedule::{Id, Moment, Refusal, Scheduler, Want, Work};

use super::{
    speech::Speech,
    stats::{Meters, Stats},
};

/// After a failed attempt to bring the model back, how long callers are told so without another.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Shared state behind one lock, which is held for moments only.
pub struct Core {
    began: Instant,
    state: Mutex<State>,
    /// There may be work for the generator's thread, which alone waits for it.
    changed: Condvar,
}

struct State {
    scheduler: Scheduler,
    open: HashMap<Id, Arc<Speech>>,
    /// Utterances with news from their text half.
    woken: Vec<Id>,
    /// Utterances that are gone.
    closed: Vec<Id>,
    /// The decoder failed.
    failure: Option<Error>,
    /// The model could not be brought back.
    broken: Option<(Error, Moment)>,
    stop: bool,
    meters: Meters,
}

/// What the generator's thread has to do.
#[derive(Default)]
pub struct Turn {
    pub failure: Option<Error>,
    pub closed: Vec<Id>,
    pub woken: Vec<Id>,
    pub work: Work,
}

/// What became of a chunk with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// It goes on.
    No,
    /// The next one is there.
    More,
    /// Text is awaited.
    Waits,
}

/// What a frame became.
pub struct Sounded {
    pub id: Id,
    pub sound: Duration,
    /// The consumer waits.
    pub awaited: bool,
}

impl Core {
    pub fn new(scheduler: Scheduler) -> Self {
        Self {
            began: Instant::now(),
            state: Mutex::new(State {
                scheduler,
                open: HashMap::new(),
                woken: Vec::new(),
                closed: Vec::new(),
                failure: None,
                broken: None,
                stop: false,
                meters: Meters::default(),
            }),
            changed: Condvar::new(),
        }
    }

    pub fn now(&self) -> Moment {
        self.began.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits an utterance, or says why not.
    pub fn open(&self, speech: &Arc<Speech>, want: Want) -> Result<(), Error> {
        let now = self.now();
        let mut state = self.lock();
        if state.stop {
            return Err(shut_down());
        }
        if let Some((error, at)) = &state.broken {
            if now.saturating_sub(*at) < RETRY_AFTER {
                return Err(error.clone());
            }
            state.broken = None;
        }
        let refused = |refusal: Refusal| Error::Busy(refusal.to_string());
        state
            .scheduler
            .open(now, speech.id(), want)
            .map_err(refused)?;
        state.open.insert(speech.id(), speech.clone());
        Ok(())
    }

    /// An utterance that is open.
    pub fn speech(&self, id: Id) -> Option<Arc<Speech>> {
        self.lock().open.get(&id).cloned()
    }

    /// Nothing more is to be made for an utterance.
    pub fn close(&self, id: Id) {
        let mut state = self.lock();
        let speech = state.open.remove(&id);
        let was_open = state.scheduler.close(id);
        if was_open {
            state.closed.push(id);
        }
        drop(state);
        if was_open {
            self.changed.notify_one();
        }
        drop(speech);
    }

    /// There is news from an utterance's text half.
    pub fn wake(&self, id: Id) {
        self.lock().woken.push(id);
        self.changed.notify_one();
    }

    pub fn ready(&self, id: Id) {
        let now = self.now();
        self.lock().scheduler.ready(now, id);
    }

    /// A consumer took sound.
    pub fn taken(&self, id: Id, sound: Duration) {
        let now = self.now();
        let wants = self.lock().scheduler.taken(now, id, sound);
        if wants {
            self.changed.notify_one();
        }
    }

    /// The decoder, or its thread, failed.
    pub fn fail(&self, error: Error) {
        self.lock().failure.get_or_insert(error);
        self.changed.notify_one();
    }

    /// Ends both threads.
    pub fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_one();
    }

    /// What to do after news from text halves was dealt with.
    pub fn work(&self) -> Work {
        let now = self.now();
        self.lock().scheduler.next(now)
    }

    /// Waits for something to do; `None` once it is all over. Where there is news from text halves, that comes without
    /// work: who has new text may be more urgent than whoever would be picked now.
    pub fn wait(&self) -> Option<Turn> {
        let mut state = self.lock();
        loop {
            if state.stop {
                return None;
            }
            let mut turn = Turn {
                failure: state.failure.take(),
                closed: std::mem::take(&mut state.closed),
                woken: std::mem::take(&mut state.woken),
                work: Work::default(),
            };
            if turn.failure.is_none() && turn.woken.is_empty() {
                turn.work = state.scheduler.next(self.now());
            }
            let idle = turn.failure.is_none()
                && turn.closed.is_empty()
                && turn.woken.is_empty()
                && turn.work.is_empty();
            if !idle {
                return Some(turn);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Beginning a chunk took so long.
    pub fn admitted(&self, took: Duration) {
        let mut state = self.lock();
        state.scheduler.admitted(took);
        state.meters.load.generated(took);
    }

    /// A frame was not made after all.
    pub fn not_made(&self, id: Id) {
        self.lock().scheduler.unmade(id);
    }

    /// A step of so many slots took so long; for each whether its frame is sound, and what became of its chunk.
    pub fn stepped(&self, took: Duration, steps: &[(Id, bool, Over)]) {
        let now = self.now();
        let mut state = self.lock();
        state.scheduler.generated(steps.len(), took);
        state.meters.generator.add(took);
        state.meters.load.generated(took);
        state.meters.batch = steps.len();
        state.meters.batches.add(steps.len() as f64);
        for (id, is_sound, over) in steps {
            if !is_sound {
                state.scheduler.unmade(*id);
            }
            if *over != Over::No {
                state.scheduler.over(now, *id, *over == Over::More);
            }
        }
    }

    /// A step of the decoder took so long and made sound; all of it can be taken as soon as this returns.
    pub fn sounded(&self, took: Option<Duration>, made: &[Sounded]) {
        let now = self.now();
        let sound: Duration = made.iter().map(|made| made.sound).sum();
        let mut state = self.lock();
        if let Some(took) = took {
            state.scheduler.decoded(made.len(), took);
            state.meters.decoder.add(took);
            state.meters.load.decoded(took, sound);
        }
        state.meters.sound += sound;
        // There may be less sound than was expected, and more be wanted.
        let mut wants = false;
        for made in made {
            let frames = u32::from(took.is_some());
            wants |= state
                .scheduler
                .sounded(now, made.id, frames, made.sound, made.awaited);
        }
        drop(state);
        if wants {
            self.changed.notify_one();
        }
    }

    /// An utterance had to wait this long for its first sound.
    pub fn first_audio(&self, after: Duration) {
        self.lock().meters.first_audio.add(after.as_secs_f64());
    }

    /// All that were open end with an error; what the slots held is gone. With `broken`, so do those that come soon.
    pub fn fail_all(&self, error: &Error, broken: bool) {
        let now = self.now();
        let open = {
            let mut state = self.lock();
            state.meters.failures += 1;
            if broken {
                state.broken = Some((error.clone(), now));
            }
            take_all(&mut state)
        };
        for speech in open.into_values() {
            speech.end(Err(error.clone()));
        }
    }

    /// The last act of the generator's thread.
    pub fn shut_down(&self) {
        let open = {
            let mut state = self.lock();
            state.stop = true;
            take_all(&mut state)
        };
        for speech in open.into_values() {
            speech.end(Err(shut_down()));
        }
    }

    pub fn stats(&self) -> Stats {
        let now = self.now();
        let state = self.lock();
        let census = state.scheduler.census(now);
        let meters = &state.meters;
        Stats {
            generator: meters.generator.snapshot(),
            decoder: meters.decoder.snapshot(),
            batch: meters.batch,
            mean_batch: meters.batches.value(),
            open: census.open,
            speaking: census.speaking,
            queued: census.queued,
            first_audio: Duration::from_secs_f64(meters.first_audio.value()),
            real_time_factor: meters.load.real_time_factor(),
            sound: meters.sound,
            refused: state.scheduler.refused(),
            underruns: state.scheduler.underruns(),
            failures: meters.failures,
        }
    }
}

fn take_all(state: &mut State) -> HashMap<Id, Arc<Speech>> {
    state.scheduler.clear();
    let open = std::mem::take(&mut state.open);
    state.closed.extend(open.keys());
    open
}

fn shut_down() -> Error {
    Error::Unavailable("the neural engine was shut down; hold on to it while it speaks".into())
}
