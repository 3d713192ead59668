// SPDX-License-Identifier: MPL-2.0

//! Every bound, hit.

use std::time::Duration;

use duplex_tests::serving::{Client, Server, run};
use duplex_tests::watchdog::Watchdog;
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

/// The predecessor's socket went silent and stayed open.
async fn ended(client: &mut Client, reason: &str) {
    let error = client.until("error").await;
    assert_eq!(error["code"], "LIMIT_EXCEEDED", "{error}");
    let (told, code) = client.end().await;
    assert_eq!((told.as_deref(), code), (Some(reason), Some(1000)));
}

#[test]
fn a_session_that_lasts_too_long_is_ended_with_a_reason() {
    let _watchdog = Watchdog::new("limits of a session", Duration::from_secs(120));
    let server = Server::with(
        &["pipelines/speak.yaml"],
        "limits: { idle: 1s, duration: 4s, messages: 3 }\n",
        &[],
    );
    run(async {
        let mut idle = server.client().await;
        ended(&mut idle, "idle_timeout").await;

        let mut busy = server.client().await;
        for _ in 0..3 {
            busy.text("One.").await;
        }
        busy.text("  ").await;
        for _ in 0..3 {
            busy.utterance().await;
        }
        busy.text("One more.").await;
        ended(&mut busy, "max_messages").await;

        let mut long = server.client().await;
        long.text("This is a long text that takes a while. It goes on, and on, and on. It does not end, and does not end.").await;
        ended(&mut long, "max_duration").await;
        server.expect("sessions_active", 0).await;
    });
}

#[test]
fn no_more_sessions_than_may_be() {
    let _watchdog = Watchdog::new("limits of the server", Duration::from_secs(120));
    for (config, sentence) in [
        (
            "limits: { sessions: 2 }\n",
            "as many sessions as it may have",
        ),
        (
            "limits: { sessions: 9, sessions_per_address: 2 }\n",
            "your address has as many",
        ),
        (
            "transport: { websocket: { host: 127.0.0.1, max_connections: 2 } }\n",
            "as many sessions as it may have",
        ),
    ] {
        let server = Server::with(&["pipelines/speak.yaml"], config, &[]);
        run(async {
            let one = server.client().await;
            let mut two = server.client().await;
            let refused = server.connect("/", &[]).await.map(drop).unwrap_err();
            let Error::Http(response) = refused else {
                panic!("{refused}");
            };
            assert_eq!(response.status(), 503, "{config}");
            let body = response.body().clone().unwrap_or_default();
            let body = String::from_utf8_lossy(&body).into_owned();
            assert!(body.contains(sentence), "{config}: {body}");
            // Whoever is in is not disturbed, health is answered, and a place that is free is taken.
            two.text("Fine.").await;
            two.utterance().await;
            assert_eq!(server.get("/health", "").await.0, 200);
            drop(one);
            server.expect("sessions_active", 1).await;
            let mut three = loop {
                match server.connect("/", &[]).await {
                    Ok(client) => break client,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            };
            three.text("Here.").await;
            three.utterance().await;
        });
    }
}

#[test]
fn an_address_that_comes_too_often_is_slowed_down() {
    let _watchdog = Watchdog::new("rates", Duration::from_secs(120));
    let server = Server::with(
        &["pipelines/speak.yaml"],
        "limits: { starts_per_second: 1, messages_per_second: 5 }\n",
        &[],
    );
    run(async {
        let mut refused = 0;
        for _ in 0..20 {
            match server.connect("/", &[]).await.map(drop) {
                Ok(()) => {}
                Err(Error::Http(response)) => {
                    assert_eq!(response.status(), 429);
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!(refused > 0, "nobody was refused");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        // Messages wait and are not lost: 50 at once, then five a second.
        let mut client = server.client().await;
        let began = std::time::Instant::now();
        for _ in 0..60 {
            client.send(json!({"type": "text", "text": ""})).await;
        }
        for _ in 0..60 {
            client.until("error").await;
        }
        assert!(
            began.elapsed() > Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
    });
}

/// More text than may wait is refused, and told; what waits is kept.
#[test]
fn text_that_waits_is_bounded() {
    let _watchdog = Watchdog::new("waiting text", Duration::from_secs(120));
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        let mut client = server.client().await;
        let text = "Much to say about this, and more of it. ".repeat(5_000);
        let mut told = None;
        for _ in 0..12 {
            client.text(&text).await;
        }
        while told.is_none() {
            let message = client.next().await;
            if message["type"] == "error" {
                told = Some(message);
            }
        }
        assert_eq!(told.unwrap()["code"], "LIMIT_EXCEEDED");
        client.until("audio").await;
        client.control("STOP").await;
        client.utterance().await;
        client.text("Done.").await;
        client.utterance().await;
    });
}
