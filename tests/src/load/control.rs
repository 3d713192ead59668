// SPDX-License-Identifier: MPL-2.0

//! PAUSE, RESUME and STOP at random, and what still comes after them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use duplex_proto::{
    ControlCommand, ControlRequest, TextChunk, tts_service_client::TtsServiceClient,
};
use tonic::transport::Channel;

use super::{connect, open, text_of};
use crate::{measure::ms, random::Random};

/// What was seen of control.
#[derive(Clone, Debug, Default)]
pub struct ControlOutcome {
    /// Of each PAUSE and STOP, in ms: sent → the last frame with sound came. 0 where none came.
    pub last_frame: Vec<f64>,
    /// Frames with sound that came after the reply.
    pub after_reply: Vec<f64>,
    /// Sent → replied, in ms.
    pub reply: Vec<f64>,
    /// Sessions that failed, with the first error.
    pub failed: usize,
    /// See there.
    pub first_error: Option<String>,
}

/// So many sessions speak, and each is paused, resumed and stopped at random, for so long.
pub async fn control(
    uri: &str,
    model: &str,
    sessions: usize,
    length: Duration,
) -> Result<ControlOutcome> {
    let clients = connect(uri, sessions).await?;
    let end = Instant::now() + length;
    let tasks: Vec<_> = (0..sessions)
        .map(|n| {
            let client = clients[n / super::SESSIONS_OF_A_CONNECTION].clone();
            let model = model.to_owned();
            tokio::spawn(session(client, model, n, end))
        })
        .collect();
    let mut outcome = ControlOutcome::default();
    for task in tasks {
        match task.await? {
            Ok(seen) => {
                outcome.last_frame.extend(seen.last_frame);
                outcome.after_reply.extend(seen.after_reply);
                outcome.reply.extend(seen.reply);
            }
            Err(error) => {
                outcome.failed += 1;
                outcome
                    .first_error
                    .get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
    Ok(outcome)
}

/// Frames of a call as they come.
#[derive(Default)]
struct Stream {
    frames: AtomicU64,
    /// ns since the test began.
    last: AtomicU64,
    ended: AtomicBool,
}

async fn session(
    mut client: TtsServiceClient<Channel>,
    model: String,
    number: usize,
    end: Instant,
) -> Result<ControlOutcome> {
    let mut random = Random::new(number as u64 + 1);
    let id = format!("control-{number}");
    open(&mut client, &id, &model).await?;
    let origin = Instant::now();
    let mut outcome = ControlOutcome::default();
    while Instant::now() < end {
        let chunk = TextChunk {
            session_id: id.clone(),
            text: text_of(Duration::from_secs(30)),
            is_final: true,
            ..TextChunk::default()
        };
        let mut frames = client
            .synthesize(tokio_stream::once(chunk))
            .await?
            .into_inner();
        let stream = Arc::new(Stream::default());
        let seen = stream.clone();
        let reading = tokio::spawn(async move {
            while let Ok(Some(frame)) = frames.message().await {
                if !frame.audio_data.is_empty() {
                    let now = origin.elapsed().as_nanos() as u64;
                    seen.last.store(now, Ordering::SeqCst);
                    seen.frames.fetch_add(1, Ordering::SeqCst);
                }
            }
            seen.ended.store(true, Ordering::SeqCst);
        });
        let pauses = random.below(3);
        for n in 0..=pauses {
            tokio::time::sleep(Duration::from_secs_f64(random.between(0.2, 0.8))).await;
            let stop = n == pauses;
            let command = if stop {
                ControlCommand::Stop
            } else {
                ControlCommand::Pause
            };
            let sent = Instant::now();
            let reply = command_of(&mut client, &id, command).await?;
            let replied = Instant::now();
            let at_reply = stream.frames.load(Ordering::SeqCst);
            ensure!(reply, "{command:?} was refused");
            // Whatever is still on its way has come by then.
            tokio::time::sleep(Duration::from_millis(150)).await;
            let last = stream.last.load(Ordering::SeqCst);
            let sent_at = (sent - origin).as_nanos() as u64;
            outcome
                .last_frame
                .push(last.saturating_sub(sent_at) as f64 / 1e6);
            let after = stream.frames.load(Ordering::SeqCst) - at_reply;
            outcome.after_reply.push(after as f64);
            outcome.reply.push(ms(replied - sent));
            if !stop {
                command_of(&mut client, &id, ControlCommand::Resume).await?;
            }
        }
        // A worker that never ends a stopped call would keep us for ever.
        tokio::time::timeout(Duration::from_secs(2), reading).await??;
        ensure!(
            stream.ended.load(Ordering::SeqCst),
            "a stopped call did not end"
        );
    }
    Ok(outcome)
}

async fn command_of(
    client: &mut TtsServiceClient<Channel>,
    id: &str,
    command: ControlCommand,
) -> Result<bool> {
    let request = ControlRequest {
        session_id: id.to_owned(),
        command: command.into(),
        utterance_id: String::new(),
    };
    Ok(client.control(request).await?.into_inner().success)
}
