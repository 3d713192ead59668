// SPDX-License-Identifier: MPL-2.0

//! One timer for all calls.
//!
//! Calls that wait for their time are woken together, on a grid of [`GRID`]: their frames then leave
//! in as few writes as there are connections, which is most of what sending costs. A paced client is
//! 40 ms ahead of what it plays, so that the grid never makes it wait.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// How far apart the timer's ticks are.
pub const GRID: Duration = Duration::from_millis(20);

/// Ticks ahead that can be waited for; who waits for longer is woken then, and asks again.
const SLOTS: usize = 64;

/// The timer. Cloning gives another handle on it.
#[derive(Clone)]
pub struct Ticker(Arc<Shared>);

struct Shared {
    start: Instant,
    state: Mutex<State>,
    wanted: Notify,
}

struct State {
    /// Who is to be woken at a tick, by its number modulo `SLOTS`.
    slots: Vec<Vec<Waker>>,
    /// The last tick that has been.
    last: u64,
    waiting: usize,
}

impl Ticker {
    /// A timer that runs in the present runtime for as long as a handle is held.
    pub fn start() -> Self {
        let ticker = Self(Arc::new(Shared {
            start: Instant::now(),
            state: Mutex::new(State {
                slots: vec![Vec::new(); SLOTS],
                last: 0,
                waiting: 0,
            }),
            wanted: Notify::new(),
        }));
        let weak = Arc::downgrade(&ticker.0);
        tokio::spawn(async move {
            loop {
                let Some(shared) = weak.upgrade() else { return };
                let Some(next) = shared.next() else {
                    // Nobody waits: no ticks. A handle that goes wakes too.
                    let wanted = shared.wanted.notified();
                    tokio::pin!(wanted);
                    wanted.as_mut().enable();
                    if shared.next().is_none() {
                        let shared = Arc::downgrade(&shared);
                        tokio::select! {
                            () = wanted => (),
                            () = tokio::time::sleep(Duration::from_secs(1)) => (),
                        }
                        drop(shared);
                    }
                    continue;
                };
                drop(shared);
                tokio::time::sleep_until(next.into()).await;
                let Some(shared) = weak.upgrade() else { return };
                for waker in shared.tick(Instant::now()) {
                    waker.wake();
                }
            }
        });
        ticker
    }

    /// Wakes at the first tick that is not before `due`, or before that if it is far away. Returns
    /// the tick's number; waiting for the same one twice wakes twice.
    pub fn wake_at(&self, due: Instant, waker: &Waker) -> u64 {
        let wanted = due.saturating_duration_since(self.0.start);
        let wanted = wanted.as_nanos().div_ceil(GRID.as_nanos());
        let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
        let mut state = self.0.lock();
        let tick = wanted.clamp(state.last + 1, state.last + SLOTS as u64);
        state.slots[tick as usize % SLOTS].push(waker.clone());
        state.waiting += 1;
        let first = state.waiting == 1;
        drop(state);
        if first {
            self.0.wanted.notify_one();
        }
        tick
    }

    /// The number of the last tick that has been.
    pub fn last(&self) -> u64 {
        self.0.lock().last
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self, now: Instant) -> u64 {
        let ticks = now.saturating_duration_since(self.start).as_nanos() / GRID.as_nanos();
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// When somebody is to be woken next; while nobody waits, time just passes.
    fn next(&self) -> Option<Instant> {
        let mut state = self.lock();
        if state.waiting == 0 {
            state.last = state.last.max(self.number(Instant::now()));
            return None;
        }
        let ahead = (1..=SLOTS as u64)
            .find(|n| !state.slots[(state.last + n) as usize % SLOTS].is_empty())?;
        let ticks = u32::try_from(state.last + ahead).unwrap_or(u32::MAX);
        Some(self.start + GRID * ticks)
    }

    /// Whose time has come by `now`.
    fn tick(&self, now: Instant) -> Vec<Waker> {
        let number = self.number(now);
        let mut state = self.lock();
        let mut woken = Vec::new();
        for tick in (state.last + 1..=number).take(SLOTS) {
            woken.append(&mut state.slots[tick as usize % SLOTS]);
        }
        state.last = state.last.max(number);
        state.waiting -= woken.len();
        woken
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn who_waits_is_woken_once_and_not_early() {
        let ticker = Ticker::start();
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let start = Instant::now();
        for ms in [0, 5, 25, 60] {
            ticker.wake_at(start + Duration::from_millis(ms), &waker);
        }
        // Further away than there are slots: woken before, so that it asks again.
        ticker.wake_at(start + Duration::from_secs(3600), &waker);
        while count.0.load(Ordering::SeqCst) < 4 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(start.elapsed() < Duration::from_secs(20));
        }
        assert!(start.elapsed() >= Duration::from_millis(60));
        // It sleeps and wakes again.
        while count.0.load(Ordering::SeqCst) < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(start.elapsed() < Duration::from_secs(20));
        }
        tokio::time::sleep(GRID * 3).await;
        ticker.wake_at(Instant::now(), &waker);
        while count.0.load(Ordering::SeqCst) < 6 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(start.elapsed() < Duration::from_secs(20));
        }
    }
}
