// SPDX-License-Identifier: MPL-2.0

//! What an engine measures of itself.

use std::{collections::VecDeque, time::Duration};

/// Steps that the percentile looks at.
const KEPT: usize = 512;
/// How much of a running mean the newest value makes up.
const NEWEST: f64 = 0.02;

/// The times of one thread's steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepTimes {
    /// The last one.
    pub last: Duration,
    /// The mean of the last 512.
    pub mean: Duration,
    /// 99 of 100 of the last 512 took no longer.
    pub p99: Duration,
    /// How many there were since the engine began.
    pub count: u64,
}

/// A snapshot of an engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Steps of the generator.
    pub generator: StepTimes,
    /// Steps of the decoder.
    pub decoder: StepTimes,
    /// Slots of the last step.
    pub batch: usize,
    /// Slots of a step, in the mean of late.
    pub mean_batch: f64,
    /// Utterances that are open and still have something to be made.
    pub open: usize,
    /// Of these, with a chunk in a slot.
    pub speaking: usize,
    /// Of these, ready to begin a chunk.
    pub queued: usize,
    /// From the first text of an utterance to its first sound, in the mean of late.
    pub first_audio: Duration,
    /// Seconds that the busier thread works for a second of sound, of late. Under 1.0, or nobody is served in real time.
    pub real_time_factor: f64,
    /// Sound made since the engine began.
    pub sound: Duration,
    /// Utterances that were refused for want of time or slots.
    pub refused: u64,
    /// How often a consumer waited in the middle of speech.
    pub underruns: u64,
    /// How often the model failed, which ends all utterances that are open.
    pub failures: u64,
}

/// Keeps the times of steps.
#[derive(Debug, Default)]
pub struct Times {
    kept: VecDeque<Duration>,
    count: u64,
}

impl Times {
    pub fn add(&mut self, took: Duration) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(took);
        self.count += 1;
    }

    pub fn snapshot(&self) -> StepTimes {
        let Some(last) = self.kept.back() else {
            return StepTimes::default();
        };
        let mut sorted: Vec<Duration> = self.kept.iter().copied().collect();
        sorted.sort_unstable();
        StepTimes {
            last: *last,
            mean: sorted.iter().sum::<Duration>() / sorted.len() as u32,
            p99: sorted[(sorted.len() * 99).div_ceil(100) - 1],
            count: self.count,
        }
    }
}

/// A mean in which older values count less and less.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    value: f64,
    count: u64,
}

impl Mean {
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let share = (1.0 / self.count as f64).max(NEWEST);
        self.value += share * (value - self.value);
    }

    pub fn value(&self) -> f64 {
        self.value
    }
}

/// Seconds of work and of sound, older ones counting less and less.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    generator: f64,
    decoder: f64,
    sound: f64,
}

impl Load {
    pub fn generated(&mut self, took: Duration) {
        self.generator += took.as_secs_f64();
    }

    pub fn decoded(&mut self, took: Duration, sound: Duration) {
        self.decoder += took.as_secs_f64();
        self.sound += sound.as_secs_f64();
        for value in [&mut self.generator, &mut self.decoder, &mut self.sound] {
            *value *= 1.0 - NEWEST;
        }
    }

    pub fn real_time_factor(&self) -> f64 {
        if self.sound == 0.0 {
            return 0.0;
        }
        self.generator.max(self.decoder) / self.sound
    }
}

/// All that the threads measure.
#[derive(Debug, Default)]
pub struct Meters {
    pub generator: Times,
    pub decoder: Times,
    pub batch: usize,
    pub batches: Mean,
    pub first_audio: Mean,
    pub load: Load,
    pub sound: Duration,
    pub failures: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_of_the_late_steps() {
        let mut times = Times::default();
        assert_eq!(times.snapshot(), StepTimes::default());
        times.add(Duration::from_secs(9));
        for ms in 0..KEPT as u64 {
            times.add(Duration::from_millis(ms % 100));
        }
        let found = times.snapshot();
        assert_eq!(found.p99, Duration::from_millis(98));
        assert_eq!(found.last, Duration::from_millis(11));
        assert_eq!(found.count, 513);
    }

    #[test]
    fn the_busier_thread_gives_the_real_time_factor() {
        let mut load = Load::default();
        for _ in 0..100 {
            load.generated(Duration::from_millis(10));
            load.decoded(Duration::from_millis(20), Duration::from_millis(80));
        }
        assert!((load.real_time_factor() - 0.25).abs() < 0.01);
    }
}
