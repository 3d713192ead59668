// SPDX-License-Identifier: MPL-2.0

//! What a worker has measured of itself.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Times of first audio that are kept for their percentiles.
const KEPT: usize = 512;

/// Over so long the real-time factor is taken.
const WINDOW: Duration = Duration::from_secs(60);

/// Counters, all of them since the start unless they say otherwise.
#[derive(Default)]
pub struct Metrics {
    running: AtomicU64,
    utterances: AtomicU64,
    frames: AtomicU64,
    late_frames: AtomicU64,
    sound_ms: AtomicU64,
    computing_ns: AtomicU64,
    slow: Mutex<Slow>,
}

#[derive(Default)]
struct Slow {
    first_audio: VecDeque<Duration>,
    /// (when, sound in ms, computing in ns), the oldest within the window first.
    marks: VecDeque<(Instant, u64, u64)>,
}

impl Metrics {
    fn slow(&self) -> MutexGuard<'_, Slow> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call has begun.
    pub fn call_began(&self) {
        self.running.fetch_add(1, Relaxed);
        self.utterances.fetch_add(1, Relaxed);
    }

    /// A call is over.
    pub fn call_ended(&self) {
        self.running.fetch_sub(1, Relaxed);
    }

    /// A frame of so many ms has left, late or not.
    pub fn frame(&self, ms: u64, late: bool) {
        self.frames.fetch_add(1, Relaxed);
        self.sound_ms.fetch_add(ms, Relaxed);
        if late {
            self.late_frames.fetch_add(1, Relaxed);
        }
    }

    /// A call's task has worked for so long.
    pub fn computed(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.computing_ns.fetch_add(time, Relaxed);
    }

    /// From the first text to the first frame.
    pub fn first_audio(&self, time: Duration) {
        let mut slow = self.slow();
        if slow.first_audio.len() == KEPT {
            slow.first_audio.pop_front();
        }
        slow.first_audio.push_back(time);
    }

    /// All figures by their names in GetCapabilities.
    pub fn report(&self, sessions: usize) -> HashMap<String, f64> {
        let (sound, computing) = (self.sound_ms.load(Relaxed), self.computing_ns.load(Relaxed));
        let mut slow = self.slow();
        let now = Instant::now();
        slow.marks.push_back((now, sound, computing));
        while slow
            .marks
            .front()
            .is_some_and(|(at, ..)| now.saturating_duration_since(*at) > WINDOW)
            && slow.marks.len() > 2
        {
            slow.marks.pop_front();
        }
        // Asked for often, it keeps no more than one mark a second.
        if let [.., before, _] = slow.marks.make_contiguous()
            && now.saturating_duration_since(before.0) < Duration::from_secs(1)
            && slow.marks.len() > 2
        {
            slow.marks.pop_back();
        }
        let (_, sound_then, computing_then) = match slow.marks.front() {
            Some(mark) if slow.marks.len() > 1 => *mark,
            _ => (now, 0, 0),
        };
        let made = (sound - sound_then.min(sound)) as f64 / 1e3;
        let took = (computing - computing_then.min(computing)) as f64 / 1e9;
        let rtf = if made > 0.0 { took / made } else { 0.0 };
        let mut times: Vec<Duration> = slow.first_audio.iter().copied().collect();
        drop(slow);
        times.sort_unstable();
        let percentile = |share: f64| {
            let place = (times.len() as f64 * share).ceil() as usize;
            times
                .get(place.saturating_sub(1))
                .map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        let count = |counter: &AtomicU64| counter.load(Relaxed) as f64;
        [
            ("rtf", rtf),
            ("queue_depth", count(&self.running)),
            ("sessions", sessions as f64),
            ("utterances_total", count(&self.utterances)),
            ("frames_total", count(&self.frames)),
            ("late_frames_total", count(&self.late_frames)),
            ("first_audio_p50_ms", percentile(0.5)),
            ("first_audio_p95_ms", percentile(0.95)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_measured() {
        let metrics = Metrics::default();
        assert_eq!(metrics.report(0)["rtf"], 0.0);
        metrics.call_began();
        for ms in 1..=100 {
            metrics.first_audio(Duration::from_millis(ms));
            metrics.frame(20, ms > 90);
            metrics.computed(Duration::from_millis(1));
        }
        for _ in 0..5 {
            let report = metrics.report(3);
            assert!((report["rtf"] - 0.05).abs() < 1e-9, "{}", report["rtf"]);
        }
        metrics.call_ended();
        let report = metrics.report(3);
        for (name, value) in [
            ("queue_depth", 0.0),
            ("sessions", 3.0),
            ("utterances_total", 1.0),
            ("frames_total", 100.0),
            ("late_frames_total", 10.0),
            ("first_audio_p50_ms", 50.0),
            ("first_audio_p95_ms", 95.0),
        ] {
            assert_eq!(report[name], value, "{name}");
        }
    }
}
