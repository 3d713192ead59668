// SPDX-License-Identifier: MPL-2.0

//! Clients that vanish, do not read, send too much or nothing that makes sense.

use std::time::{Duration, Instant};

use duplex_tests::process;
use duplex_tests::random::Random;
use duplex_tests::serving::{Server, run};
use duplex_tests::watchdog::Watchdog;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Error, Message};

const LONG: &str = "This is a sentence that goes on for a while, and then for a while longer, and it does not end.";

#[test]
fn who_vanishes_in_mid_utterance_leaves_nothing() {
    let _watchdog = Watchdog::new("vanishing", Duration::from_secs(120));
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        for round in 0..5 {
            let mut client = server.client().await;
            client.text(LONG).await;
            client.until("audio").await;
            server.expect("sessions_active", 1).await;
            if round % 2 == 0 {
                // A reset: what was not read is thrown away.
                let MaybeTlsStream::Plain(stream) = client.socket.get_ref() else {
                    panic!("plain");
                };
                stream.set_zero_linger().unwrap();
            }
            drop(client);
            server.expect("sessions_active", 0).await;
            server.expect("synthesis_active", 0).await;
        }
        let mut client = server.client().await;
        client.text("Still there.").await;
        client.utterance().await;
    });
}

#[test]
fn a_message_has_one_mebibyte() {
    let _watchdog = Watchdog::new("long messages", Duration::from_secs(120));
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        // Exactly as long as may be: blanks, which are not spoken.
        let frame = json!({"type": "text", "text": ""}).to_string();
        let text = format!(
            r#"{{"type":"text","text":"{}"}}"#,
            " ".repeat(1024 * 1024 - frame.len())
        );
        assert_eq!(text.len(), 1024 * 1024);
        let mut client = server.client().await;
        client.raw(Message::text(text.clone())).await;
        client.text("Fine.").await;
        client.utterance().await;
        // One byte more, and many more, are refused with the code for it.
        for length in [1024 * 1024 + 1, 5 * 1024 * 1024, 40 * 1024 * 1024] {
            for binary in [false, true] {
                let mut client = server.client().await;
                let message = match binary {
                    false => Message::text(" ".repeat(length)),
                    true => Message::binary(vec![0; length]),
                };
                // Whoever sends so much may be stopped before its end.
                let _ = futures_util::SinkExt::send(&mut client.socket, message).await;
                let (_, code) = client.end().await;
                assert_eq!(code, Some(1009), "{length} bytes, binary: {binary}");
            }
        }
        server.expect("sessions_active", 1).await;
    });
}

/// A text of megabytes' worth of sound is spoken as it is taken; memory stays as it was.
#[test]
fn who_does_not_read_is_let_go_and_costs_nothing() {
    let _watchdog = Watchdog::new("slow readers", Duration::from_secs(180));
    let server = Server::with(
        &["pipelines/speak.yaml"],
        "limits: { ping_interval: 2s, ping_timeout: 2s }\n",
        &[],
    );
    run(async {
        let mut client = server.client().await;
        client.text("One.").await;
        client.utterance().await;
        let before = process::rss_kib_of(server.pid());
        client.text(&LONG.repeat(200)).await;
        let began = Instant::now();
        // It reads nothing; what the system takes for it is bounded, and so is what the server keeps.
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            let summary = server.json("/metrics/summary").await;
            if summary["metrics"]["sessions_active"] == 0 {
                break;
            }
            assert!(Instant::now() < until, "it is still there: {summary}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let grown = process::rss_kib_of(server.pid()).saturating_sub(before);
        assert!(grown < 16 * 1024, "{grown} KiB in {:?}", began.elapsed());
    });
}

/// One that reads again after all is told why there is nothing more.
#[test]
fn who_reads_too_late_is_told() {
    let _watchdog = Watchdog::new("late readers", Duration::from_secs(120));
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = socket.connect(server.address).await.unwrap();
        let url = format!("ws://{}/", server.address);
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let text = json!({"type": "text", "text": LONG.repeat(200)}).to_string();
        futures_util::SinkExt::send(&mut socket, Message::text(text))
            .await
            .unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while server.json("/metrics/summary").await["metrics"]["synthesis_active"] != 1 {}
        while server.json("/metrics/summary").await["metrics"]["synthesis_active"] == 1 {
            assert!(Instant::now() < until, "it still speaks");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut last = None;
        while let Some(Ok(message)) = futures_util::StreamExt::next(&mut socket).await {
            if let Message::Text(text) = message {
                last = Some(text.to_string());
            }
        }
        let last = last.unwrap();
        assert!(
            last.contains("session_end") && last.contains("slow_client"),
            "{last}"
        );
    });
}

#[test]
fn garbage_breaks_nothing() {
    let _watchdog = Watchdog::new("garbage", Duration::from_secs(180));
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        let mut random = Random::new(7);
        let mut client = server.configured(16_000).await;
        for _ in 0..300 {
            let length = random.below(200);
            let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
            let message = match random.below(3) {
                0 => Message::text(String::from_utf8_lossy(&bytes).into_owned()),
                1 => Message::binary(bytes),
                _ => {
                    let kinds = ["text", "audio", "configure", "control", "playout", "x"];
                    let kind = kinds[random.below(6)];
                    let values = [
                        json!(null),
                        json!(-1),
                        json!({}),
                        json!([]),
                        json!("x"),
                        json!(1e300),
                    ];
                    let value = &values[random.below(6)];
                    Message::text(
                        json!({"type": kind, "text": value, "pcm": value, "audio": value, "command": value,
                            "utterance_id": value, "played_ms": value, "parameters": value})
                        .to_string(),
                    )
                }
            };
            if futures_util::SinkExt::send(&mut client.socket, message)
                .await
                .is_err()
            {
                client = server.configured(16_000).await;
            }
        }
        drop(client);
        // What is no HTTP, no WebSocket, or half of one.
        for bytes in [
            b"\0\0\0\0".as_slice(),
            b"GET / HTTP/1.1\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"\x16\x03\x01\x02\0\x01\0",
            b"GET /x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        ] {
            let mut stream = tokio::net::TcpStream::connect(server.address)
                .await
                .unwrap();
            stream.write_all(bytes).await.unwrap();
            let mut answer = [0; 256];
            let _ =
                tokio::time::timeout(Duration::from_millis(100), stream.read(&mut answer)).await;
        }
        // An unmasked frame breaks the protocol of WebSocket.
        let mut client = server.client().await;
        let MaybeTlsStream::Plain(stream) = client.socket.get_mut() else {
            panic!("plain");
        };
        stream.write_all(b"\x81\x02hi").await.unwrap();
        client.end().await;
        let mut client = server.client().await;
        client.text("Still there.").await;
        client.utterance().await;
    });
}

/// A peer that has gone without a word: nobody sees it on the socket.
#[test]
fn half_open_sockets_are_noticed() {
    let _watchdog = Watchdog::new("half-open sockets", Duration::from_secs(120));
    let server = Server::with(
        &["pipelines/speak.yaml"],
        "limits: { ping_interval: 300ms, ping_timeout: 300ms }\n",
        &[],
    );
    run(async {
        let silent = server.client().await;
        let mut lively = server.client().await;
        server.expect("sessions_active", 2).await;
        // The lively one answers pings by being read.
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            lively.within(Duration::from_millis(100)).await;
            let summary = server.json("/metrics/summary").await;
            if summary["metrics"]["sessions_active"] == 1 {
                break;
            }
            assert!(Instant::now() < until, "{summary}");
        }
        drop(silent);
        lively.text("Here.").await;
        lively.utterance().await;
    });
}

#[test]
fn who_speaks_other_things_is_told() {
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        for path in ["/v1/realtime", "/v1/realtime?model=x"] {
            match server.connect(path, &[]).await.map(drop) {
                Err(Error::Http(response)) => assert_eq!(response.status(), 501, "{path}"),
                other => panic!("{path}: {other:?}"),
            }
        }
        server.expect("sessions_active", 0).await;
    });
}
