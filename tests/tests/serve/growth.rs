// SPDX-License-Identifier: MPL-2.0

//! What must not grow: memory, threads and file descriptors over two thousand sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use duplex_tests::process;
use duplex_tests::serving::{Server, run};
use duplex_tests::watchdog::Watchdog;

/// Sessions of every kind: silent, heard, cut off, told to stop, with sound.
async fn sessions(server: &Arc<Server>, count: usize) {
    let lanes: Vec<_> = (0..8)
        .map(|lane| {
            let server = server.clone();
            tokio::spawn(async move {
                for n in 0..count / 8 {
                    match (lane + n) % 4 {
                        0 => drop(server.client().await),
                        1 => {
                            let mut client = server.client().await;
                            client.text("Hi there.").await;
                            client.until("audio").await;
                        }
                        2 => {
                            let mut client = server.configured(16_000).await;
                            client.text("Hello, this is a text that takes its time. It is not heard to its end.").await;
                            client.raw(vec![0u8; 640].into()).await;
                            client.until("audio").await;
                            client.control("STOP").await;
                            client.until("clear").await;
                        }
                        _ => {
                            let mut client = server.client().await;
                            client.text("Hi.").await;
                            let _ = client.socket.close(None).await;
                        }
                    }
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.unwrap();
    }
    server.expect("sessions_active", 0).await;
}

/// Threads, file descriptors and memory, once what is kept for a moment is gone.
async fn settled(pid: u32, wanted: Option<(u64, usize)>) -> (u64, usize, u64) {
    let until = Instant::now() + Duration::from_secs(if wanted.is_some() { 30 } else { 3 });
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = (
            process::threads_of(pid),
            process::fds_of(pid),
            process::rss_kib_of(pid),
        );
        let good = wanted.is_some_and(|(threads, fds)| now.0 <= threads && now.1 <= fds);
        if good || Instant::now() > until {
            return now;
        }
    }
}

#[test]
fn two_thousand_sessions_leave_nothing() {
    let _watchdog = Watchdog::new("two thousand sessions", Duration::from_secs(400));
    let server = Arc::new(Server::start(&["pipelines/speak.yaml", "rate=4"]));
    run(async {
        sessions(&server, 400).await;
        let before = settled(server.pid(), None).await;
        sessions(&server, 2_000).await;
        let after = settled(server.pid(), Some((before.0, before.1))).await;
        println!("threads, fds, KiB: {before:?}, then {after:?}");
        assert!(after.0 <= before.0, "threads: {before:?}, {after:?}");
        assert!(
            after.1 <= before.1,
            "file descriptors: {before:?}, {after:?}"
        );
        let grown = after.2.saturating_sub(before.2);
        assert!(grown < 8 * 1024, "{grown} KiB more");
    });
}
