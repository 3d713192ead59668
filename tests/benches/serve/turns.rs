// SPDX-License-Identifier: MPL-2.0

//! The caller's last word → the first sample of the answer, with what is embedded: ears, recogniser, partner and voice.
//!
//! A frame of the caller leaves when its last sample would have been recorded, as from a microphone. The speech ends, as
//! labelled, with its last millisecond above −40 dBFS; the answer begins with the frame that has its first sample above
//! −50 dBFS, when that is here.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use duplex_tests::measure::{Percentiles, ms};
use duplex_tests::random::Random;
use duplex_tests::serving::{Server, pcm};
use duplex_tests::{signal, spoken};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

use crate::report::{Report, p50, p95};

const RATE: u32 = 16_000;
const FRAME: usize = 320;
/// What is said; each is a whole phrase of the grammar that the description names.
const PHRASES: [&str; 6] = [
    "what time is it",
    "I want to hear a story",
    "what can you do",
    "who are you",
    "spell my name",
    "repeat after me the sky is blue",
];
/// How long an answer may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(5);

struct Phrase {
    samples: Vec<i16>,
    /// The sample with which it ends.
    end: usize,
}

fn phrases() -> Result<Vec<Phrase>> {
    PHRASES
        .iter()
        .map(|phrase| {
            let spoken = spoken::caller(&[(0.0, (*phrase).to_owned())], RATE)?;
            let (_, end, _) = &spoken.phrases[0];
            let samples = &spoken.samples[..(end * f64::from(RATE)) as usize];
            let end = signal::last_audible(samples, RATE, -40.0).unwrap_or(samples.len());
            Ok(Phrase {
                samples: signal::to_s16(samples),
                end,
            })
        })
        .collect()
}

/// Sends the room's noise in real time, and what is to be said over it; answers when a phrase has ended.
async fn caller(
    sink: mpsc::Sender<Message>,
    mut wanted: mpsc::Receiver<(Vec<i16>, usize, oneshot::Sender<Instant>)>,
) {
    let mut random = Random::new(5);
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut saying: Option<(Vec<i16>, usize, oneshot::Sender<Instant>)> = None;
    let mut at = 0;
    loop {
        ticks.tick().await;
        if saying.is_none() {
            saying = match wanted.try_recv() {
                Ok(phrase) => Some(phrase),
                Err(mpsc::error::TryRecvError::Empty) => None,
                Err(mpsc::error::TryRecvError::Disconnected) => return,
            };
            at = 0;
        }
        let mut frame: Vec<i16> = (0..FRAME)
            .map(|_| (random.normal() * 15.0) as i16)
            .collect();
        if let Some((samples, end, _)) = &saying {
            let part = &samples[at.min(samples.len())..(at + FRAME).min(samples.len())];
            for (sample, said) in frame.iter_mut().zip(part) {
                *sample = sample.saturating_add(*said);
            }
            let over = at < *end && *end <= at + FRAME;
            at += FRAME;
            if (over || at >= samples.len())
                && let Some((_, _, told)) = saying.take_if(|_| over)
            {
                let _ = told.send(Instant::now());
            }
        }
        let bytes: Vec<u8> = frame.into_iter().flat_map(i16::to_le_bytes).collect();
        if sink.send(Message::binary(bytes)).await.is_err() {
            return;
        }
    }
}

pub async fn measure(report: &mut Report, server: &Server, trials: usize) -> Result<()> {
    let phrases = phrases()?;
    let client = server.configured(RATE).await;
    let (sink, mut stream) = client.socket.split();
    let (say, wanted) = mpsc::channel(1);
    let (control, mut controls) = mpsc::channel::<Message>(4);
    // One task writes: sound, and what is told beside it.
    let (both, mut outgoing) = mpsc::channel::<Message>(64);
    let writer = tokio::spawn(async move {
        let mut sink = sink;
        while let Some(message) =
            tokio::select! { m = outgoing.recv() => m, m = controls.recv() => m }
        {
            if sink.send(message).await.is_err() {
                return;
            }
        }
    });
    let caller = tokio::spawn(caller(both, wanted));
    let mut next = async || -> Option<Value> {
        loop {
            match tokio::time::timeout(PATIENCE, stream.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => return serde_json::from_str(&text).ok(),
                Ok(Some(Ok(_))) => {}
                _ => return None,
            }
        }
    };
    // The greeting first.
    while let Some(message) = next().await {
        if message["type"] == "turn" && message["state"] == "listening" {
            break;
        }
    }
    let (mut times, mut ends, mut missed) = (Vec::new(), Vec::new(), 0);
    for trial in 0..trials {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let phrase = &phrases[trial % phrases.len()];
        let (told, ended) = oneshot::channel();
        say.send((phrase.samples.clone(), phrase.end, told)).await?;
        let ended = ended.await?;
        let mut heard = None;
        while let Some(message) = next().await {
            if message["type"] == "latency"
                && let Some(stage) = message["stages"]
                    .as_array()
                    .and_then(|stages| stages.iter().find(|s| s["name"] == "end of turn"))
            {
                ends.extend(stage["ms"].as_f64());
            }
            if message["type"] == "audio" && heard.is_none() {
                let samples: Vec<f32> = pcm(&message)
                    .chunks_exact(2)
                    .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0)
                    .collect();
                if signal::first_audible(&samples, 48_000, -50.0).is_some() {
                    heard = Some(Instant::now());
                    control
                        .send(Message::text(
                            json!({"type": "control", "command": "STOP"}).to_string(),
                        ))
                        .await?;
                }
            }
            if heard.is_some()
                && message["type"] == "utterance"
                && message["state"] == "interrupted"
            {
                break;
            }
        }
        match heard {
            Some(heard) => times.push(ms(heard.saturating_duration_since(ended))),
            None => missed += 1,
        }
    }
    drop((say, control));
    caller.abort();
    writer.abort();
    ensure!(
        missed * 10 < trials,
        "{missed} of {trials} turns were not answered"
    );
    report.row(
        "end of the caller's speech → answer, WebSocket",
        "ms",
        &Percentiles::of(&times),
        &[p50(700.0, 450.0), p95(1100.0, 700.0)],
    );
    report.row(
        "of that, the end of the turn",
        "ms",
        &Percentiles::of(&ends),
        &[],
    );
    report.note("turns not answered", format!("{missed} of {trials}"));
    Ok(())
}
