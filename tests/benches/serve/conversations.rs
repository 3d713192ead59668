// SPDX-License-Identifier: MPL-2.0

//! How many conversations are on time: each client sends sound all the time and is spoken to all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use duplex_tests::measure::{Percentiles, ms};
use duplex_tests::process;
use duplex_tests::random::Random;
use duplex_tests::serving::{Client, Server};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::report::Report;

/// A frame is this late at most at p95.
const LATE: f64 = 10.0;
/// Conversations that are tried, one after the other.
const STEPS: [usize; 13] = [25, 50, 75, 100, 125, 150, 175, 200, 225, 250, 300, 350, 400];
/// Before it counts.
const WARM_UP: Duration = Duration::from_secs(5);
/// Between one frame of speech and the next.
const FRAME: f64 = 20.0;
/// Of the frames that speech without a pause has, so many come at least: who falls behind between utterances is late as well.
const ENOUGH: f64 = 0.95;
/// Of the client's sound: 20 ms at 16 kHz.
const SAMPLES: usize = 320;

/// Some seconds of speech.
const TEXT: &str = "This is a text of some length that is said to whoever listens, while sound comes from there as well. \
                    It goes on for a while, and when it is over it is said once more, so that there is no silence.";

/// So many conversations, and what became of them.
#[derive(Clone, Copy)]
pub struct Found {
    sessions: usize,
    late: Percentiles,
    late_of_earliest: Percentiles,
    /// Of the frames that were due.
    came: f64,
    /// Conversations that the server ended.
    failed: usize,
    cores: f64,
}

impl Found {
    fn on_time(&self) -> bool {
        self.failed == 0 && self.came >= ENOUGH && self.late.p95 <= LATE
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "late {} ms ({} ms against the earliest frame), {:.1} % of the frames, {} failed, server {:.2} cores",
            self.late,
            self.late_of_earliest,
            self.came * 100.0,
            self.failed,
            self.cores
        )
    }
}

/// Soft noise, in which there is no speech.
fn noise() -> Vec<u8> {
    let mut random = Random::new(3);
    let samples = (0..SAMPLES).map(|_| (random.normal() * 20.0) as i16);
    samples.flat_map(i16::to_le_bytes).collect()
}

/// How late frames were, in milliseconds.
#[derive(Default)]
struct Late {
    /// Against the first frame of their utterance.
    first: Vec<f64>,
    /// Against the earliest so far: what is gained once, as the mouth builds up its lead, may not be lost again.
    earliest: Vec<f64>,
}

impl Late {
    /// Counts the frames of an utterance that came after `counts`, from when each came, less its place in it.
    fn count(&mut self, arrivals: &mut Vec<(Instant, f64)>, counts: Instant) {
        let first = arrivals.first().map_or(0.0, |(_, at)| *at);
        let mut earliest = f64::MAX;
        for (came, at) in arrivals.drain(..) {
            earliest = earliest.min(at);
            if came >= counts {
                self.first.push((at - first).max(0.0));
                self.earliest.push(at - earliest);
            }
        }
    }
}

/// Holds one conversation until `stop`; how late each frame was that came after `counts`. `None` where the server ended it.
async fn converse(client: Client, counts: Instant, stop: Arc<AtomicBool>) -> Option<Late> {
    let (mut sink, mut stream) = client.socket.split();
    let (texts, mut wanted) = tokio::sync::mpsc::channel::<()>(4);
    let sending = tokio::spawn({
        let stop = stop.clone();
        async move {
            let noise = noise();
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            while !stop.load(Ordering::Relaxed) {
                tokio::select! {
                    _ = ticks.tick() => {
                        if sink.send(Message::binary(noise.clone())).await.is_err() {
                            return;
                        }
                    }
                    Some(()) = wanted.recv() => {
                        let text = json!({"type": "text", "text": TEXT}).to_string();
                        if sink.send(Message::text(text)).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    });
    let _ = texts.send(()).await;
    let _ = texts.send(()).await;
    let mut late = Late::default();
    // When each frame of the utterance came, less its place in it.
    let mut arrivals: Vec<(Instant, f64)> = Vec::new();
    let began = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let text = match tokio::time::timeout(Duration::from_secs(1), stream.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => text,
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) | Err(_) => continue,
            Ok(_) => return None,
        };
        // Reading all of the JSON would measure the client.
        if !text.starts_with("{\"type\":\"audio\"") {
            continue;
        }
        let now = Instant::now();
        arrivals.push((now, ms(now - began) - arrivals.len() as f64 * FRAME));
        if text.ends_with("\"is_final\":true}") {
            late.count(&mut arrivals, counts);
            let _ = texts.try_send(());
        }
    }
    late.count(&mut arrivals, counts);
    sending.abort();
    Some(late)
}

async fn hold(server: &Server, sessions: usize, seconds: u64) -> Result<Found> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..sessions {
        clients.push(server.configured(16_000).await);
    }
    let counts = Instant::now() + WARM_UP;
    let mut running = Vec::new();
    for client in clients {
        running.push(tokio::spawn(converse(client, counts, stop.clone())));
        // Nobody speaks in step with others.
        tokio::time::sleep(WARM_UP / u32::try_from(sessions * 2).unwrap_or(1)).await;
    }
    tokio::time::sleep(counts.saturating_duration_since(Instant::now())).await;
    let (cpu, began) = (process::cpu_seconds_of(server.pid()), Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let cores = (process::cpu_seconds_of(server.pid()) - cpu) / began.elapsed().as_secs_f64();
    let due = sessions as f64 * ms(counts.elapsed()) / FRAME;
    stop.store(true, Ordering::Relaxed);
    let (mut late, mut failed) = (Late::default(), 0);
    for client in running {
        match client.await? {
            Some(of_one) => {
                late.first.extend(of_one.first);
                late.earliest.extend(of_one.earliest);
            }
            None => failed += 1,
        }
    }
    server.expect("sessions_active", 0).await;
    let found = Found {
        sessions,
        came: late.first.len() as f64 / due,
        late: Percentiles::of(&late.first),
        late_of_earliest: Percentiles::of(&late.earliest),
        failed,
        cores,
    };
    println!("  {sessions} conversations, {seconds} s: {found}");
    Ok(found)
}

/// Finds how many are on time: in steps of `step` seconds, and the most of them for `seconds`, which is the last that is given.
pub async fn search(server: &Server, from: usize, step: u64, seconds: u64) -> Result<Vec<Found>> {
    let mut found: Vec<Found> = Vec::new();
    for sessions in STEPS.into_iter().filter(|sessions| *sessions >= from) {
        let step = hold(server, sessions, step).await?;
        found.push(step);
        if !step.on_time() {
            break;
        }
    }
    let good: Vec<Found> = found.iter().copied().filter(Found::on_time).collect();
    for step in good.into_iter().rev() {
        let held = hold(server, step.sessions, seconds).await?;
        found.push(held);
        if held.on_time() {
            break;
        }
    }
    Ok(found)
}

/// The row of an engine.
pub fn tell(report: &mut Report, engine: &str, must: usize, aim: usize, found: &[Found]) {
    let most = found.last().filter(|held| held.on_time());
    let most = most.map_or(0, |held| held.sessions);
    let missed = if most < must { "MISSED: " } else { "" };
    report.note(
        &format!(
            "conversations on time (frames p95 ≤ {LATE} ms), {engine}: must {must}, aim {aim}"
        ),
        format!("{missed}{most}"),
    );
    for step in found {
        report.note(&format!("  {} of them", step.sessions), step);
    }
}
