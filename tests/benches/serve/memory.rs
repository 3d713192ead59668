// SPDX-License-Identifier: MPL-2.0

//! What a session costs: memory of a hundred of them that have spoken and listen.

use std::time::Duration;

use anyhow::Result;
use duplex_tests::process;
use duplex_tests::serving::Server;

use crate::report::Report;

const SESSIONS: usize = 100;

pub async fn measure(report: &mut Report, server: &Server) -> Result<()> {
    let mut first = server.configured(16_000).await;
    first.text("Good morning.").await;
    first.utterance().await;
    let base = process::pss_kib_of(server.pid());
    let mut clients = Vec::new();
    for _ in 0..SESSIONS {
        clients.push(server.configured(16_000).await);
    }
    for client in &mut clients {
        client
            .text("This is a sentence of some length, as they are.")
            .await;
        client.raw(vec![0u8; 640].into()).await;
    }
    for client in &mut clients {
        client.utterance().await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let all = process::pss_kib_of(server.pid());
    let each = all.saturating_sub(base) as f64 / SESSIONS as f64 / 1024.0;
    report.single("memory per WebSocket session", "MB", each, 3.0, 1.0);
    let base = base as f64 / 1024.0;
    report.note("  the server with one session", format!("{base:.0} MB"));
    drop(first);
    Ok(())
}
