// SPDX-License-Identifier: MPL-2.0

//! What a step costs, learned from the steps that were made.
//!
//! A step of `n` slots takes `fixed + each × n`. Both are fitted to the measured steps, older ones counting less and less.
//! While all steps had the same size, nothing tells the two apart; then all of it is taken for the slots' own, which promises
//! less than there is. No clock here.

use std::time::Duration;

/// How much of the estimate a new step makes up, at least.
const NEWEST: f64 = 0.03;
/// Less variance in the sizes of steps tells nothing of their slope.
const TELLING: f64 = 0.05;
/// A step that takes so many times what was expected is an accident of the machine, and counts as no more.
const ACCIDENT: f64 = 4.0;
/// From so many steps on accidents can be told.
const SETTLED: u64 = 8;

/// The running estimate of one thread's steps.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    seen: u64,
    size: f64,
    seconds: f64,
    variance: f64,
    covariance: f64,
}

impl Cost {
    /// A step of this many slots took so long.
    pub fn add(&mut self, slots: usize, took: Duration) {
        if slots == 0 {
            return;
        }
        let size = slots as f64;
        let mut seconds = took.as_secs_f64();
        if self.seen >= SETTLED {
            seconds = seconds.min(ACCIDENT * self.seconds_of(size));
        }
        self.seen += 1;
        let share = (1.0 / self.seen as f64).max(NEWEST);
        let (off_size, off_seconds) = (size - self.size, seconds - self.seconds);
        self.size += share * off_size;
        self.seconds += share * off_seconds;
        self.variance = (1.0 - share) * (self.variance + share * off_size * off_size);
        self.covariance = (1.0 - share) * (self.covariance + share * off_size * off_seconds);
    }

    /// Whether anything was measured.
    pub fn known(&self) -> bool {
        self.seen > 0
    }

    /// What each slot adds to a step, in seconds.
    pub fn each(&self) -> f64 {
        if self.seen == 0 {
            return 0.0;
        }
        let most = self.seconds / self.size;
        if self.variance < TELLING {
            return most;
        }
        (self.covariance / self.variance).clamp(0.0, most)
    }

    /// What a step costs whatever its size, in seconds.
    pub fn fixed(&self) -> f64 {
        (self.seconds - self.each() * self.size).max(0.0)
    }

    /// What a step of this many slots will take.
    pub fn of(&self, slots: usize) -> Duration {
        Duration::from_secs_f64(self.seconds_of(slots as f64))
    }

    fn seconds_of(&self, size: f64) -> f64 {
        self.fixed() + self.each() * size
    }

    /// What a frame for each of so many streams takes, in steps of at most `max_batch`. Streams count by their speed.
    pub fn round(&self, streams: f64, max_batch: usize) -> Duration {
        let steps = (streams / max_batch as f64).ceil();
        Duration::from_secs_f64(steps * self.fixed() + streams * self.each())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 0.05 * expected.max(1e-4)
    }

    #[test]
    fn the_fixed_and_the_slots_own_cost_are_told_apart() {
        let mut cost = Cost::default();
        for round in 0..200 {
            let slots = 1 + round % 7;
            cost.add(slots, Duration::from_micros(2000 + 300 * slots as u64));
        }
        assert!(near(cost.fixed(), 0.002), "{}", cost.fixed());
        assert!(near(cost.each(), 0.0003), "{}", cost.each());
        assert!(near(cost.of(64).as_secs_f64(), 0.0212));
        // 100 streams in steps of 32: four steps.
        assert!(near(cost.round(100.0, 32).as_secs_f64(), 0.038));
    }

    #[test]
    fn steps_of_one_size_promise_nothing_for_larger_ones() {
        let mut cost = Cost::default();
        for _ in 0..50 {
            cost.add(1, Duration::from_millis(10));
        }
        assert_eq!(cost.fixed(), 0.0);
        assert!(near(cost.of(4).as_secs_f64(), 0.04));
    }

    #[test]
    fn a_hiccup_moves_it_little_and_a_lasting_change_moves_it() {
        let mut cost = Cost::default();
        for _ in 0..50 {
            cost.add(1, Duration::from_millis(10));
        }
        cost.add(1, Duration::from_secs(5));
        assert!(cost.of(1) < Duration::from_millis(12), "{:?}", cost.of(1));
        for _ in 0..200 {
            cost.add(1, Duration::from_millis(20));
        }
        assert!(cost.of(1) > Duration::from_millis(19), "{:?}", cost.of(1));
    }
}
