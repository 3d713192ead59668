// SPDX-License-Identifier: MPL-2.0

//! Whether every message is answered: many sessions at once, and many one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use duplex_tests::serving::Server;

use crate::report::Report;

const SESSIONS: usize = 100;
const MESSAGES: usize = 30;
const RECONNECTS: usize = 1_000;
const LANES: usize = 10;

pub async fn measure(report: &mut Report, server: &Server) -> Result<()> {
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = Vec::new();
    for _ in 0..SESSIONS {
        clients.push(server.client().await);
    }
    let running: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let answered = answered.clone();
            tokio::spawn(async move {
                for _ in 0..MESSAGES {
                    client.text("Yes.").await;
                }
                for _ in 0..MESSAGES {
                    client.utterance().await;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for session in running {
        // One that fails has answered less, which is what is counted.
        let _ = session.await;
    }
    let lost = SESSIONS * MESSAGES - answered.swap(0, Ordering::Relaxed);
    report.single(
        &format!("{SESSIONS} sessions × {MESSAGES} messages: not answered"),
        "",
        lost as f64,
        0.0,
        0.0,
    );
    let lanes = (0..LANES).map(|_| async {
        for _ in 0..RECONNECTS / LANES {
            let mut client = server.client().await;
            client.text("Yes.").await;
            client.until("audio").await;
            answered.fetch_add(1, Ordering::Relaxed);
        }
    });
    futures_util::future::join_all(lanes).await;
    let lost = RECONNECTS - answered.load(Ordering::Relaxed);
    report.single(
        &format!("{RECONNECTS} quick reconnects: not answered"),
        "",
        lost as f64,
        0.0,
        0.0,
    );
    Ok(())
}
