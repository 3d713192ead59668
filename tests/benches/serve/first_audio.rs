// SPDX-License-Identifier: MPL-2.0

//! A text is sent → the first frame with sound is there.

use std::time::{Duration, Instant};

use anyhow::Result;
use duplex_tests::measure::{Percentiles, ms};
use duplex_tests::serving::{Client, Server};

use crate::report::{Report, p95};

/// Said by the same voice each time.
const TEXT: &str = "Good morning.";
/// Between two texts of a session.
const PAUSE: Duration = Duration::from_millis(500);

/// One text, when nothing is left of the one before.
async fn trial(client: &mut Client) -> f64 {
    let sent = Instant::now();
    client.text(TEXT).await;
    client.until("audio").await;
    let after = ms(sent.elapsed());
    client.control("STOP").await;
    while client.until("audio").await["is_final"] != true {}
    after
}

pub async fn measure(
    report: &mut Report,
    server: &Server,
    voice: &str,
    sessions: usize,
    trials: usize,
) -> Result<()> {
    let each = (trials / sessions).max(3);
    let starting = (0..sessions).map(|_| async {
        let mut client = server.client().await;
        trial(&mut client).await;
        client
    });
    let clients = futures_util::future::join_all(starting).await;
    let running: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(n, mut client)| {
            tokio::spawn(async move {
                // Nobody speaks in step with others.
                let step = PAUSE * u32::try_from(n % 100).unwrap_or(0) / 33;
                tokio::time::sleep(step).await;
                let mut times = Vec::new();
                for _ in 0..each {
                    times.push(trial(&mut client).await);
                    tokio::time::sleep(PAUSE).await;
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for session in running {
        times.extend(session.await?);
    }
    let (must, aim) = if sessions == 1 {
        (15.0, 5.0)
    } else {
        (40.0, 20.0)
    };
    report.row(
        &format!("WebSocket text in → first audio, {voice}, sessions: {sessions}"),
        "ms",
        &Percentiles::of(&times),
        &[p95(must, aim)],
    );
    Ok(())
}
