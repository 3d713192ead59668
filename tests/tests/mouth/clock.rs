// SPDX-License-Identifier: MPL-2.0

//! A clock on which time passes as fast as everybody who waits for it can work: minutes in seconds, and no test is late
//! because a machine is busy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use gst::prelude::*;
use gst_check::TestClock;

/// Time passes while it lives, unless it is stopped.
pub struct FastClock {
    clock: TestClock,
    over: Arc<AtomicBool>,
    running: Arc<AtomicBool>,
    waiters: Arc<AtomicU32>,
    driver: Option<JoinHandle<()>>,
}

impl FastClock {
    /// Gives the pipeline, which does not play yet, a clock that stands still.
    pub fn of(pipeline: &gst::Pipeline) -> Self {
        let clock = TestClock::new();
        pipeline.use_clock(Some(&clock));
        let over = Arc::new(AtomicBool::new(false));
        let running = Arc::new(AtomicBool::new(false));
        let waiters = Arc::new(AtomicU32::new(1));
        let (driven, stop, run) = (clock.clone(), over.clone(), running.clone());
        let wanted = waiters.clone();
        let driver = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // Whoever waits for the earliest time is woken at just that time. The others get a moment to wait again,
                // so that time does not run away from them.
                if run.load(Ordering::Relaxed)
                    && driven.peek_id_count() >= wanted.load(Ordering::Relaxed)
                {
                    step(&driven);
                }
                thread::sleep(Duration::from_micros(50));
            }
        });
        Self {
            clock,
            over,
            running,
            waiters,
            driver: Some(driver),
        }
    }

    /// Time passes from now on.
    pub fn run(&self) {
        self.running.store(true, Ordering::Relaxed);
    }

    /// Time stands still.
    pub fn stop(&self) {
        self.running.store(false, Ordering::Relaxed);
    }

    /// Time passes only while so many wait for it: where that is everybody, nobody is ever late.
    pub fn wait_for(&self, waiters: u32) {
        self.waiters.store(waiters, Ordering::Relaxed);
    }

    /// Time passes by that much.
    pub fn pass(&self, time: gst::ClockTime) {
        let end = self.clock.time() + time;
        self.run();
        while self.clock.time() < end {
            thread::sleep(Duration::from_micros(100));
        }
    }
}

/// As `crank`, which cannot bear that somebody stops waiting meanwhile.
fn step(clock: &TestClock) {
    let Some(next) = clock.peek_next_pending_id() else {
        return;
    };
    clock.set_time(next.time().max(clock.time()));
    clock.process_next_clock_id();
}

impl Drop for FastClock {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(driver) = self.driver.take() {
            driver.join().unwrap();
        }
        // Whoever still waits does so no longer than that.
        self.clock.advance_time(1_000_000_000_000);
    }
}
