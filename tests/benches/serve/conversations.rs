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
const STEPS: [usize; 10] = [25, 50, 75, 100, 125, 150, 200, 250, 300, 400];
/// Before it counts.
const WARM_UP: Duration = Duration::from_secs(3);
/// Of the client's sound: 20 ms at 16 kHz.
const SAMPLES: usize = 320;

/// Some seconds of speech.
const TEXT: &str = "This is a text of some length that is said to whoever listens, while sound comes from there as well. \
                    It goes on for a while, and when it is over it is said once more, so that there is no silence.";

/// One step that was measured.
pub struct Found {
    sessions: usize,
    late: Percentiles,
    cores: f64,
}

impl Found {
    fn on_time(&self) -> bool {
        self.late.n > 0 && self.late.p95 <= LATE
    }
}

/// Soft noise, in which there is no speech.
fn noise() -> Vec<u8> {
    let mut random = Random::new(3);
    let samples = (0..SAMPLES).map(|_| (random.normal() * 20.0) as i16);
    samples.flat_map(i16::to_le_bytes).collect()
}

/// Holds one conversation until `stop`; how late each frame was that came after `counts`.
async fn converse(client: Client, counts: Instant, stop: Arc<AtomicBool>) -> Vec<f64> {
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
    let mut late = Vec::new();
    // When each frame of the utterance came, less its place in it.
    let mut arrivals: Vec<(Instant, f64)> = Vec::new();
    let began = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let next = tokio::time::timeout(Duration::from_secs(1), stream.next()).await;
        let Ok(Some(Ok(Message::Text(text)))) = next else {
            continue;
        };
        // Reading all of the JSON would measure the client.
        if !text.starts_with("{\"type\":\"audio\"") {
            continue;
        }
        let now = Instant::now();
        let place = arrivals.len() as f64 * 20.0;
        arrivals.push((now, ms(now - began) - place));
        if text.ends_with("\"is_final\":true}") {
            let earliest = arrivals.iter().map(|(_, at)| *at).fold(f64::MAX, f64::min);
            let counted = arrivals.iter().filter(|(at, _)| *at >= counts);
            late.extend(counted.map(|(_, at)| at - earliest));
            arrivals.clear();
            let _ = texts.try_send(());
        }
    }
    let earliest = arrivals.iter().map(|(_, at)| *at).fold(f64::MAX, f64::min);
    let counted = arrivals.iter().filter(|(at, _)| *at >= counts);
    late.extend(counted.map(|(_, at)| at - earliest));
    sending.abort();
    late
}

/// Finds how many are on time.
pub async fn search(server: &Server, seconds: u64) -> Result<Vec<Found>> {
    let mut found: Vec<Found> = Vec::new();
    for sessions in STEPS {
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
        stop.store(true, Ordering::Relaxed);
        let mut late = Vec::new();
        for client in running {
            late.extend(client.await?);
        }
        server.expect("sessions_active", 0).await;
        let step = Found {
            sessions,
            late: Percentiles::of(&late),
            cores,
        };
        println!(
            "  {sessions} conversations: late {} ms, {cores:.2} cores of the server",
            step.late
        );
        let good = step.on_time();
        found.push(step);
        if !good {
            break;
        }
    }
    Ok(found)
}

/// The row of an engine.
pub fn tell(report: &mut Report, engine: &str, must: usize, aim: usize, found: &[Found]) {
    let best = found.iter().rev().find(|step| step.on_time());
    let most = best.map_or(0, |step| step.sessions);
    let missed = if most < must { "MISSED: " } else { "" };
    report.note(
        &format!(
            "conversations on time (frames p95 ≤ {LATE} ms), {engine}: must {must}, aim {aim}"
        ),
        format!("{missed}{most}"),
    );
    for step in found {
        report.note(
            &format!("  {} of them", step.sessions),
            format!("late {} ms, {:.2} cores", step.late, step.cores),
        );
    }
}
