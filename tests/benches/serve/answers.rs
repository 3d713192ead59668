// SPDX-License-Identifier: MPL-2.0

//! Whether every message is answered: many sessions at once, and many one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use duplex_tests::process;
use duplex_tests::serving::Server;

use crate::report::Report;

const SESSIONS: usize = 100;
const MESSAGES: usize = 30;
const RECONNECTS: usize = 1_000;
const LANES: usize = 10;
/// Longer than a thread of a pool waits for work.
const IDLE: Duration = Duration::from_secs(17);
/// What the allocator may keep of a thousand callers, in MB: a leak of a session's worth would be a hundred times that.
const GROWTH: f64 = 4.0;
/// Threads and connections that happen to be there.
const SLACK: f64 = 4.0;

pub async fn measure(report: &mut Report, server: &Arc<Server>) -> Result<()> {
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
    // What is kept for good is there after these.
    reconnect(server, RECONNECTS / 10).await;
    let before = Uses::of(server).await;
    let began = Instant::now();
    let answered = reconnect(server, RECONNECTS).await;
    let took = began.elapsed();
    let after = Uses::of(server).await;
    report.single(
        &format!("{RECONNECTS} quick reconnects: not answered"),
        "",
        (RECONNECTS - answered) as f64,
        0.0,
        0.0,
    );
    report.note("  all of them, ten at a time", format!("{took:.1?}"));
    report.single(
        "  growth of memory",
        "MB",
        (after.kib - before.kib) / 1024.0,
        GROWTH,
        0.0,
    );
    report.single(
        "  growth of threads and file descriptors",
        "",
        (after.threads - before.threads).max(after.fds - before.fds),
        SLACK,
        0.0,
    );
    Ok(())
}

/// Callers that come, are answered and go, one after the other in each of [`LANES`]; how many were answered.
async fn reconnect(server: &Arc<Server>, callers: usize) -> usize {
    let mut lanes = tokio::task::JoinSet::new();
    let answered = Arc::new(AtomicUsize::new(0));
    for _ in 0..LANES {
        let (server, answered) = (server.clone(), answered.clone());
        lanes.spawn(async move {
            for _ in 0..callers / LANES {
                let (server, answered) = (server.clone(), answered.clone());
                let caller = tokio::spawn(async move {
                    let mut client = server.client().await;
                    client.text("Yes.").await;
                    client.until("audio").await;
                    answered.fetch_add(1, Ordering::Relaxed);
                });
                // One that fails is not counted.
                let _ = caller.await;
            }
        });
    }
    lanes.join_all().await;
    answered.load(Ordering::Relaxed)
}

/// What the server uses when nobody is there.
struct Uses {
    kib: f64,
    threads: f64,
    fds: f64,
}

impl Uses {
    async fn of(server: &Server) -> Uses {
        server.expect("sessions_active", 0).await;
        // Threads that wait for work go after some seconds.
        tokio::time::sleep(IDLE).await;
        let pid = server.pid();
        Uses {
            kib: process::pss_kib_of(pid) as f64,
            threads: process::threads_of(pid) as f64,
            fds: process::fds_of(pid) as f64,
        }
    }
}
