// SPDX-License-Identifier: MPL-2.0

//! Load for any `tts.TTSService` worker, ours or another's, and what its clients see of it.
//!
//! Sessions are tasks of one runtime, a hundred to a connection, as a server that speaks for many
//! callers has them. A figure is taken where a frame has been decoded, so it holds the client's own
//! share too; [`Outcome::client_cpu`] says how much that was.

mod control;
mod session;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use duplex_proto::{StartSessionRequest, tts_service_client::TtsServiceClient};
use tonic::transport::{Channel, Endpoint};

use crate::process;
pub use control::{ControlOutcome, control};

/// Sessions that share a connection.
const SESSIONS_OF_A_CONNECTION: usize = 100;

/// How sessions take their sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// As old clients do: paced frames of 20 ms.
    Old,
    /// Paced frames of so many ms, for workers that know them.
    Pieces(u32),
}

/// A load.
#[derive(Clone, Debug)]
pub struct Load {
    /// `http://host:port`.
    pub uri: String,
    /// As the worker calls it; empty for its default.
    pub model: String,
    /// How many speak at the same time.
    pub sessions: usize,
    /// How they take their sound.
    pub reader: Reader,
    /// One in so many reads a frame only each 200 ms; 0 for none.
    pub slow: usize,
    /// Not counted.
    pub warm_up: Duration,
    /// Counted.
    pub length: Duration,
}

/// What the clients saw.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Of each frame, in ms: how long after the moment it was due for playout it came; the first
    /// begins the count. Early is 0.
    pub late: Vec<f64>,
    /// Frames that the numbering says there were and that never came.
    pub lost: u64,
    /// Sessions that ended with an error or too early, with the first such error.
    pub failed: usize,
    /// See there.
    pub first_error: Option<String>,
    /// Seconds of sound that came while it was counted.
    pub sound: f64,
    /// Processor seconds of the clients in that time.
    pub client_cpu: f64,
    /// The same of the worker, where its process is known.
    pub worker_cpu: f64,
    /// Memory of the worker at the end of it, in KiB.
    pub worker_memory: u64,
}

/// Connections for so many sessions.
pub async fn connect(uri: &str, sessions: usize) -> Result<Vec<TtsServiceClient<Channel>>> {
    let mut clients = Vec::new();
    for _ in 0..sessions.div_ceil(SESSIONS_OF_A_CONNECTION) {
        let endpoint = Endpoint::from_shared(uri.to_owned())?
            .tcp_nodelay(true)
            .initial_stream_window_size(256 * 1024)
            .initial_connection_window_size(16 * 1024 * 1024);
        let channel = endpoint
            .connect()
            .await
            .with_context(|| format!("no worker answers at {uri}"))?;
        clients.push(TtsServiceClient::new(channel));
    }
    Ok(clients)
}

/// Opens a session of this name.
pub async fn open(client: &mut TtsServiceClient<Channel>, id: &str, model: &str) -> Result<()> {
    let request = StartSessionRequest {
        session_id: id.to_owned(),
        model_id: model.to_owned(),
        options: Default::default(),
    };
    let answer = client.start_session(request).await?.into_inner();
    if !answer.success {
        bail!("the worker refuses session {id}: {}", answer.message);
    }
    Ok(())
}

/// A text that the tone engine speaks for at least so long.
pub fn text_of(length: Duration) -> String {
    // Eight letters: 220 ms.
    let words = length.as_millis() / 220 + 2;
    "absolute ".repeat(words as usize)
}

/// Puts the load on a worker; `pid` is its process, for what it uses.
pub async fn run(load: Load, pid: Option<u32>) -> Result<Outcome> {
    let clients = connect(&load.uri, load.sessions).await?;
    let load = Arc::new(load);
    let ramp = load.warm_up / 2;
    let begin = Instant::now() + Duration::from_millis(50);
    let counting = begin + load.warm_up;
    let end = counting + load.length;
    let tasks: Vec<_> = (0..load.sessions)
        .map(|n| {
            let client = clients[n / SESSIONS_OF_A_CONNECTION].clone();
            let start = begin + ramp.mul_f64(n as f64 / load.sessions as f64);
            let session = session::Session {
                load: load.clone(),
                client,
                number: n,
                start,
                counting,
                end,
            };
            tokio::spawn(session.run())
        })
        .collect();
    tokio::time::sleep_until(counting.into()).await;
    let own = process::cpu_seconds();
    let theirs = pid.map_or(0.0, process::cpu_seconds_of);
    tokio::time::sleep_until(end.into()).await;
    let mut outcome = Outcome {
        client_cpu: process::cpu_seconds() - own,
        worker_cpu: pid.map_or(0.0, process::cpu_seconds_of) - theirs,
        worker_memory: pid.map_or(0, process::pss_kib_of),
        ..Outcome::default()
    };
    for task in tasks {
        match task.await? {
            Ok(seen) => {
                outcome.late.extend(seen.late);
                outcome.lost += seen.lost;
                outcome.sound += seen.sound;
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
