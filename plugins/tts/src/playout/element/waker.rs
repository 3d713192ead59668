// SPDX-License-Identifier: MPL-2.0

//! Waiting on the pipeline's clock in a way that any thread can end.

use std::{
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gst::prelude::*;

use crate::{playout::yields, sync::lock};

/// One waiter, many wakers. A wake that comes before the wait ends the wait as well.
#[derive(Debug, Default)]
pub(super) struct Waker {
    woken: AtomicBool,
    /// No wait waits any more.
    stopped: AtomicBool,
    /// What is being waited for. Held for an assignment only, never while waiting.
    slot: Mutex<Option<gst::SingleShotClockId>>,
    changed: Condvar,
}

impl Waker {
    /// Ends the current wait, or the next. Never blocks for longer than an assignment.
    pub fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
        yields::point();
        let id = lock(&self.slot).clone();
        self.changed.notify_one();
        if let Some(id) = id {
            id.unschedule();
        }
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub fn start(&self) {
        self.stopped.store(false, Ordering::SeqCst);
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Waits for a wake.
    pub fn wait(&self) {
        let mut slot = lock(&self.slot);
        while !self.woken.swap(false, Ordering::SeqCst) && !self.is_stopped() {
            slot = self.changed.wait(slot).unwrap_or_else(|e| e.into_inner());
        }
    }

    /// Waits until `clock` shows `time`, or for a wake. `reuse` keeps the clock id from one wait to the next.
    pub fn wait_until(
        &self,
        clock: &gst::Clock,
        time: gst::ClockTime,
        reuse: &mut Option<gst::SingleShotClockId>,
    ) {
        let id = match reuse.take() {
            Some(id) if id.uses_clock(clock) && clock.single_shot_id_reinit(&id, time).is_ok() => {
                id
            }
            _ => clock.new_single_shot_id(time),
        };
        *lock(&self.slot) = Some(id.clone());
        yields::point();
        // Whoever wakes from here on finds the id; whoever did before has set the flag.
        if !self.woken.load(Ordering::SeqCst) && !self.is_stopped() {
            yields::point();
            if let (Err(gst::ClockError::Error | gst::ClockError::Unsupported), _) = id.wait() {
                // A clock that cannot wait must not turn this into a busy loop.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        *lock(&self.slot) = None;
        self.woken.store(false, Ordering::SeqCst);
        *reuse = Some(id);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, mpsc},
        time::Duration,
    };

    use super::*;

    /// Waits in another thread on a clock that never moves; the receiver hears when the wait is over.
    fn wait(waker: &Arc<Waker>, clock: &gst_check::TestClock) -> mpsc::Receiver<()> {
        let (send, over) = mpsc::channel();
        let (waker, clock) = (waker.clone(), clock.clone().upcast::<gst::Clock>());
        std::thread::spawn(move || {
            waker.wait_until(&clock, gst::ClockTime::from_seconds(3_600), &mut None);
            let _ = send.send(());
        });
        over
    }

    #[test]
    fn no_wake_is_lost() {
        gst::init().unwrap();
        let clock = gst_check::TestClock::new();
        let waker = Arc::new(Waker::default());
        let soon = Duration::from_secs(10);
        // Before the wait.
        waker.wake();
        wait(&waker, &clock)
            .recv_timeout(soon)
            .expect("woken before");
        // During it, and only by that.
        let over = wait(&waker, &clock);
        clock.wait_for_next_pending_id();
        assert!(over.try_recv().is_err());
        waker.wake();
        over.recv_timeout(soon).expect("woken meanwhile");
        // At any moment in between.
        for n in 0..500 {
            let over = wait(&waker, &clock);
            for _ in 0..n % 50 {
                std::thread::yield_now();
            }
            waker.wake();
            over.recv_timeout(soon).expect("woken somewhere");
        }
        // For good.
        waker.stop();
        wait(&waker, &clock).recv_timeout(soon).expect("stopped");
        waker.wait();
    }
}
