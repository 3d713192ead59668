// SPDX-License-Identifier: MPL-2.0

//! A text is sent → the first frame with sound is there.

use std::time::{Duration, Instant};

use anyhow::Result;
use duplex_tests::measure::{Percentiles, ms};
use duplex_tests::serving::{Client, Server};

use crate::report::{Report, p95};

/// Short enough to be over soon, and said by the same voice each time.
const TEXT: &str = "Good morning.";
/// Each session is heard for a while between its texts, as people are.
const PAUSE: Duration = Duration::from_millis(500);

/// One text, once all of the one before was heard.
async fn trial(client: &mut Client) -> f64 {
    let sent = Instant::now();
    client.text(TEXT).await;
    client.until("audio").await;
    let after = ms(sent.elapsed());
    while client.until("audio").await["is_final"] != true {}
    after
}

pub async fn measure(
    report: &mut Report,
    server: &Server,
    sessions: usize,
    trials: usize,
) -> Result<()> {
    let each = (trials / sessions).max(3);
    let mut clients = Vec::new();
    for _ in 0..sessions {
        let mut client = server.client().await;
        trial(&mut client).await;
        clients.push(client);
    }
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
        &format!("WebSocket text in → first audio, {sessions} sessions"),
        "ms",
        &Percentiles::of(&times),
        &[p95(must, aim)],
    );
    Ok(())
}
