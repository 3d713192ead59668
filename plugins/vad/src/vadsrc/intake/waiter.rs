// SPDX-License-Identifier: MPL-2.0
//! Waits on the pipeline clock that a flush, a pause or a stop cuts short.

use std::sync::{Condvar, Mutex, MutexGuard};

use gst::prelude::*;

/// The clock while PLAYING.
#[derive(Debug, Clone)]
pub(super) struct Playing {
    pub clock: gst::Clock,
    pub base_time: gst::ClockTime,
}

impl Playing {
    /// The running time now, in nanoseconds.
    pub fn now(&self) -> u64 {
        (self.clock.time().nseconds()).saturating_sub(self.base_time.nseconds())
    }
}

#[derive(Debug, Default)]
struct State {
    playing: Option<Playing>,
    flushing: bool,
    waiting: Option<gst::SingleShotClockId>,
}

/// One thread waits at a time; any thread may interrupt it.
#[derive(Debug, Default)]
pub(super) struct Waiter {
    state: Mutex<State>,
    changed: Condvar,
}

/// The wait was cut short by a flush or a stop.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flushing;

impl Waiter {
    fn lock(&self) -> MutexGuard<'_, State> {
        (self.state.lock()).unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// From PAUSED to PLAYING (`Some`) or back.
    pub fn set_playing(&self, playing: Option<Playing>) {
        let mut state = self.lock();
        state.playing = playing;
        self.wake(state);
    }

    /// From now on (until false) all waits end at once.
    pub fn set_flushing(&self, flushing: bool) {
        let mut state = self.lock();
        state.flushing = flushing;
        self.wake(state);
    }

    /// Makes a waiting thread look again.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let waiting = state.waiting.take();
        drop(state);
        if let Some(id) = waiting {
            id.unschedule();
        }
        self.changed.notify_all();
    }

    /// The clock, as soon as the element is PLAYING.
    pub fn playing(&self) -> Result<Playing, Flushing> {
        let mut state = self.lock();
        loop {
            if state.flushing {
                return Err(Flushing);
            }
            if let Some(playing) = &state.playing {
                return Ok(playing.clone());
            }
            state = (self.changed.wait(state)).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// Waits, while PLAYING, until the clock shows `running_time`. The time spent in PAUSED does
    /// not count, as the pipeline moves its base time by it.
    pub fn until(&self, running_time: u64) -> Result<(), Flushing> {
        loop {
            let playing = self.playing()?;
            let at = playing.base_time + gst::ClockTime::from_nseconds(running_time);
            let id = playing.clock.new_single_shot_id(at);
            {
                let mut state = self.lock();
                if state.flushing {
                    return Err(Flushing);
                }
                if state.playing.is_none() {
                    continue;
                }
                state.waiting = Some(id.clone());
            }
            let (result, _jitter) = id.wait();
            self.lock().waiting = None;
            match result {
                Err(gst::ClockError::Unscheduled) => {}
                // Late is done; a broken clock must not hold up the stream either.
                _ => return Ok(()),
            }
        }
    }
}
