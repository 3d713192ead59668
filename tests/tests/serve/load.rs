// SPDX-License-Identifier: MPL-2.0

//! Many clients at once, and one after the other.

use std::sync::Arc;
use std::time::Duration;

use duplex_tests::serving::{Server, run};
use duplex_tests::watchdog::Watchdog;

/// The predecessor answered 185 of 300.
#[test]
fn every_message_of_a_hundred_sessions_is_answered() {
    let _watchdog = Watchdog::new("a hundred sessions", Duration::from_secs(240));
    let server = Arc::new(Server::start(&["pipelines/speak.yaml", "rate=3"]));
    run(async {
        let sessions: Vec<_> = (0..100)
            .map(|_| {
                let server = server.clone();
                tokio::spawn(async move {
                    let mut client = server.client().await;
                    // Three at once, then one after the other.
                    for _ in 0..3 {
                        client.text("Yes.").await;
                    }
                    let mut sequence = 0;
                    for n in 0..5 {
                        if n >= 3 {
                            client.text("No.").await;
                        }
                        let heard = client.utterance().await;
                        sequence += heard.frames as u64;
                        assert_eq!(heard.sequence, sequence);
                    }
                    5
                })
            })
            .collect();
        let mut answered = 0;
        for session in sessions {
            answered += session.await.unwrap();
        }
        assert_eq!(answered, 500);
        server.expect("synthesis_total", 500).await;
        server.expect("sessions_active", 0).await;
        server.expect("synthesis_active", 0).await;
    });
}

#[test]
fn a_thousand_quick_reconnects_are_all_answered() {
    let _watchdog = Watchdog::new("a thousand reconnects", Duration::from_secs(240));
    let server = Arc::new(Server::start(&["pipelines/speak.yaml", "rate=4"]));
    run(async {
        let lanes: Vec<_> = (0..10)
            .map(|_| {
                let server = server.clone();
                tokio::spawn(async move {
                    for _ in 0..100 {
                        let mut client = server.client().await;
                        client.text("Hi.").await;
                        client.until("audio").await;
                    }
                })
            })
            .collect();
        for lane in lanes {
            lane.await.unwrap();
        }
        server.expect("synthesis_total", 1_000).await;
        server.expect("sessions_active", 0).await;
    });
}
