// SPDX-License-Identifier: MPL-2.0

//! What a server counts, under the names of the system before it, in Prometheus's text format and as a summary.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use prometheus::{Encoder, Histogram, HistogramOpts, IntCounter, IntGauge, Registry, TextEncoder};
use serde_json::{Value, json};

use super::session::happening::Place;

/// Upper ends of the buckets of all histograms; `+Inf` follows by itself.
const BUCKETS: [f64; 13] = [
    0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0,
];
/// Figures that are kept for percentiles.
const KEPT: usize = 512;
/// First sound this late after its text breaks what is promised.
const PROMISED: f64 = 0.3;

/// All figures of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Texts that were given to a voice.
    pub synthesis_total: IntCounter,
    /// Of these, those whose voice failed.
    pub synthesis_errors: IntCounter,
    /// Answers that were asked of workers.
    pub worker_tasks: IntCounter,
    /// Of these, those that failed.
    pub worker_errors: IntCounter,
    /// Answers whose first sound was late.
    pub sla_violations: IntCounter,
    /// Utterances that sound.
    pub synthesis_active: IntGauge,
    /// Clients that were let go because they did not read.
    pub slow_clients: IntCounter,
    /// Connections that were turned away.
    pub refused: IntCounter,
    /// Sessions.
    pub sessions_active: IntGauge,
    sla_percent: IntGauge,
    utilization: IntGauge,
    workers_active: IntGauge,
    workers_idle: IntGauge,
    /// Texts that wait for a voice.
    pub queue_depth: IntGauge,
    synthesis_latency: Histogram,
    /// How long sessions last.
    pub session_duration: Histogram,
    /// How many texts they have.
    pub session_messages: Histogram,
    /// How often their callers interrupt.
    pub session_barge_ins: Histogram,
    barge_in_latency: Histogram,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    first_audio: VecDeque<f64>,
    barge_in: VecDeque<f64>,
    /// Answers so far, and those in time.
    answers: (u64, u64),
}

impl Metrics {
    /// Zeros.
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let histogram = |name: &str, help: &str| -> Result<Histogram, prometheus::Error> {
            let options = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
            let histogram = Histogram::with_opts(options)?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        let metrics = Metrics {
            synthesis_total: counter("synthesis_total", "Texts given to a voice")?,
            synthesis_errors: counter("synthesis_errors_total", "Voices that failed")?,
            worker_tasks: counter("worker_tasks_total", "Sessions that needed a worker")?,
            worker_errors: counter("worker_errors_total", "Workers that failed a session")?,
            sla_violations: counter(
                "sla_violations_total",
                "Answers whose first sound came later than 300 ms after the text",
            )?,
            synthesis_active: gauge("synthesis_active", "Utterances that sound now")?,
            slow_clients: counter(
                "slow_clients_total",
                "Clients let go because they did not read",
            )?,
            refused: counter("connections_refused_total", "Connections turned away")?,
            sessions_active: gauge("sessions_active", "Open sessions")?,
            sla_percent: gauge("sla_compliance_percent", "Answers that were in time")?,
            utilization: gauge(
                "worker_utilization_percent",
                "Sessions of those admitted at most",
            )?,
            workers_active: gauge("workers_active", "Workers that speak for a session")?,
            workers_idle: gauge("workers_idle", "Workers that speak for none")?,
            queue_depth: gauge("synthesis_queue_depth", "Texts that wait for a voice")?,
            synthesis_latency: histogram(
                "synthesis_latency_seconds",
                "From a text to the first sound of its answer",
            )?,
            session_duration: histogram("session_duration_seconds", "How long sessions lasted")?,
            session_messages: histogram("session_messages", "Texts per session")?,
            session_barge_ins: histogram("session_barge_ins", "Interruptions per session")?,
            barge_in_latency: histogram(
                "barge_in_latency_seconds",
                "From the caller's voice to the agent's silence",
            )?,
            recent: Mutex::default(),
            registry,
        };
        metrics.sla_percent.set(100);
        Ok(metrics)
    }

    fn recent<T>(&self, act: impl FnOnce(&mut Recent) -> T) -> T {
        act(&mut self.recent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The first sound of an answer leaves, so many seconds after its text.
    pub fn first_audio(&self, seconds: f64) {
        self.synthesis_latency.observe(seconds);
        if seconds > PROMISED {
            self.sla_violations.inc();
        }
        let percent = self.recent(|recent| {
            push(&mut recent.first_audio, seconds);
            recent.answers.0 += 1;
            recent.answers.1 += u64::from(seconds <= PROMISED);
            recent.answers.1 * 100 / recent.answers.0
        });
        self.sla_percent.set(i64::try_from(percent).unwrap_or(0));
    }

    /// The agent fell silent so many seconds after the caller's voice was heard.
    pub fn barge_in(&self, seconds: f64) {
        self.barge_in_latency.observe(seconds);
        self.recent(|recent| push(&mut recent.barge_in, seconds));
    }

    /// A session failed.
    pub fn failed(&self, place: Place) {
        match place {
            Place::Worker => {
                self.worker_errors.inc();
                self.synthesis_errors.inc();
            }
            Place::Mouth => self.synthesis_errors.inc(),
            Place::Elsewhere => {}
        }
    }

    /// Takes the figures that are read only when somebody asks.
    pub fn refresh(&self, limit: usize, workers: usize) {
        let sessions = self.sessions_active.get();
        let percent = sessions * 100 / i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
        self.utilization.set(percent);
        let workers = i64::try_from(workers).unwrap_or(0);
        let active = workers.min(self.synthesis_active.get());
        self.workers_active.set(active);
        self.workers_idle.set(workers - active);
    }

    /// In Prometheus's text format, and its content type.
    pub fn text(&self) -> (String, String) {
        let encoder = TextEncoder::new();
        let mut text = Vec::new();
        // Fails only where a family has no metric.
        let _ = encoder.encode(&self.registry.gather(), &mut text);
        (
            String::from_utf8_lossy(&text).into_owned(),
            encoder.format_type().to_owned(),
        )
    }

    /// The figures that people look at.
    pub fn summary(&self) -> Value {
        let (first_audio, barge_in) = self.recent(|recent| {
            let milliseconds = |times: &VecDeque<f64>| {
                let mut times: Vec<f64> = times.iter().map(|time| time * 1e3).collect();
                times.sort_by(f64::total_cmp);
                times
            };
            (
                milliseconds(&recent.first_audio),
                milliseconds(&recent.barge_in),
            )
        });
        json!({
            "synthesis_total": self.synthesis_total.get(),
            "synthesis_errors": self.synthesis_errors.get(),
            "synthesis_active": self.synthesis_active.get(),
            "synthesis_queue_depth": self.queue_depth.get(),
            "synthesis_latency_p50_ms": percentile(&first_audio, 0.5),
            "synthesis_latency_p95_ms": percentile(&first_audio, 0.95),
            "synthesis_latency_p99_ms": percentile(&first_audio, 0.99),
            "workers_active": self.workers_active.get(),
            "workers_idle": self.workers_idle.get(),
            "worker_utilization_percent": self.utilization.get(),
            "worker_tasks_total": self.worker_tasks.get(),
            "worker_errors": self.worker_errors.get(),
            "sessions_active": self.sessions_active.get(),
            "session_barge_in_p95_ms": percentile(&barge_in, 0.95),
            "sla_violations": self.sla_violations.get(),
        })
    }
}

fn push(times: &mut VecDeque<f64>, time: f64) {
    if times.len() == KEPT {
        times.pop_front();
    }
    times.push_back(time);
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_their_old_names() {
        let metrics = Metrics::new().unwrap();
        metrics.first_audio(0.004);
        metrics.first_audio(0.4);
        metrics.sessions_active.inc();
        metrics.queue_depth.set(3);
        metrics.refresh(50, 1);
        let (text, kind) = metrics.text();
        assert_eq!(kind, "text/plain; version=0.0.4");
        for line in [
            "# TYPE synthesis_total counter",
            "sla_violations_total 1",
            "sla_compliance_percent 50",
            "worker_utilization_percent 2",
            "synthesis_queue_depth 3",
            "synthesis_latency_seconds_bucket{le=\"0.005\"} 1",
            "synthesis_latency_seconds_bucket{le=\"+Inf\"} 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        let summary = metrics.summary();
        assert_eq!(summary["synthesis_latency_p50_ms"], 4.0);
        assert_eq!(summary["synthesis_latency_p95_ms"], 400.0);
    }
}
