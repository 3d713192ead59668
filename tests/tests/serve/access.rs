// SPDX-License-Identifier: MPL-2.0

//! Tokens, origins and TLS.

use std::sync::Arc;
use std::time::Duration;

use duplex_tests::plugins;
use duplex_tests::serving::{Server, run};
use duplex_tests::watchdog::Watchdog;
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

const SECRET: &str = "s3cr3t-t0ken";

/// The status with which a WebSocket is refused; 101 where it is not.
async fn upgrade(server: &Server, path: &str, headers: &[(&'static str, &str)]) -> u16 {
    match server.connect(path, headers).await.map(drop) {
        Ok(()) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{path}: {other}"),
    }
}

#[test]
fn a_token_is_asked_for_everywhere() {
    let _watchdog = Watchdog::new("tokens", Duration::from_secs(120));
    for (config, environment) in [
        (format!("token: {SECRET}\n"), None),
        (
            "token: another-one\n".to_owned(),
            Some(("DUPLEX_SERVE_TOKEN", SECRET)),
        ),
    ] {
        let environment: Vec<_> = environment.into_iter().collect();
        let server = Server::with(&["pipelines/speak.yaml"], &config, &environment);
        let bearer = format!("Bearer {SECRET}");
        let query = format!("?token={SECRET}");
        run(async {
            for path in [
                "/",
                "/health",
                "/readiness",
                "/liveness",
                "/metrics",
                "/metrics/summary",
                "/none",
            ] {
                let status = if path == "/none" { 404 } else { 200 };
                assert_eq!(server.get(path, "").await.0, 401, "{path}");
                assert_eq!(
                    server.get(&format!("{path}?token=wrong"), "").await.0,
                    401,
                    "{path}"
                );
                assert_eq!(
                    server.get(path, "Authorization: Bearer wrong\r\n").await.0,
                    401,
                    "{path}"
                );
                let header = format!("Authorization: {bearer}\r\n");
                assert_eq!(server.get(path, &header).await.0, status, "{path}");
                assert_eq!(
                    server.get(&format!("{path}{query}"), "").await.0,
                    status,
                    "{path}"
                );
                let cookie = format!("Cookie: a=b; duplex_token={SECRET}\r\n");
                assert_eq!(server.get(path, &cookie).await.0, status, "{path}");
            }
            let (_, page) = server.get(&format!("/{query}"), "").await;
            assert!(page.to_ascii_lowercase().contains("httponly"), "{page}");
            assert_eq!(
                upgrade(&server, "/", &[("authorization", &bearer)]).await,
                101
            );
            assert_eq!(upgrade(&server, &format!("/{query}"), &[]).await, 101);
            assert_eq!(upgrade(&server, "/?token=wrong", &[]).await, 401);
            assert_eq!(
                upgrade(&server, "/", &[("authorization", "Bearer wrong")]).await,
                401
            );
            assert_eq!(upgrade(&server, "/signalling", &[]).await, 401);
            // Without one, the first message has to bring it.
            let mut client = server.client().await;
            client
                .send(json!({"type": "configure", "token": SECRET}))
                .await;
            client.until("turn").await;
            client.text("Good.").await;
            client.utterance().await;
            for message in [
                json!({"type": "configure", "token": "wrong"}),
                json!({"type": "configure"}),
                json!({"type": "text", "text": "Let me in."}),
            ] {
                let mut client = server.client().await;
                client.send(message).await;
                assert_eq!(client.until("error").await["code"], "UNAUTHORIZED");
                assert_eq!(client.end().await.0.as_deref(), Some("unauthorized"));
            }
        });
        assert!(!server.said().contains(SECRET), "the log holds the token");
    }
}

#[test]
fn pages_of_other_origins_are_refused() {
    let server = Server::with(
        &["pipelines/speak.yaml"],
        "origins: [ \"https://page.example\" ]\n",
        &[],
    );
    run(async {
        let own = format!("http://{}", server.address);
        for (origin, status) in [
            (own.as_str(), 101),
            ("https://page.example", 101),
            ("https://evil.example", 403),
            ("http://127.0.0.1", 403),
            ("null", 403),
        ] {
            assert_eq!(
                upgrade(&server, "/", &[("origin", origin)]).await,
                status,
                "{origin}"
            );
        }
    });
}

/// Nothing that callers say, and no secret, is in the log, even of what is wrong with it; see also [`crate::logs`].
#[test]
fn the_log_holds_no_words_of_callers() {
    let server = Server::with(
        &["-vv", "pipelines/speak.yaml"],
        &format!("token: {SECRET}\nlog_level: DEBUG\n"),
        &[],
    );
    run(async {
        let mut client = server
            .connect(&format!("/?token={SECRET}"), &[])
            .await
            .unwrap();
        client.text("Rumpelstiltskin is my name.").await;
        client.utterance().await;
        client
            .send(json!({"type": "text", "text": ["Rumpelstiltskin"]}))
            .await;
        client.until("error").await;
    });
    let said = server.said();
    assert!(said.contains("session opened"), "{said}");
    assert!(!said.contains(SECRET), "the token is in the log");
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("Rumpelstiltskin"))
        .collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

#[test]
fn tls_is_spoken() {
    let _watchdog = Watchdog::new("TLS", Duration::from_secs(60));
    let folder = plugins::temporary("tls").unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    std::fs::write(folder.join("it.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("it.key"), made.signing_key.serialize_pem()).unwrap();
    let file = |name: &str| folder.join(name).display().to_string();
    let config = format!(
        "tls: {{ certificate: {}, key: {} }}\n",
        file("it.pem"),
        file("it.key")
    );
    let server = Server::with(&["pipelines/speak.yaml"], &config, &[]);
    run(async {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let mut roots = tokio_rustls::rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = tokio_rustls::rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let name = "localhost".try_into().unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        let url = format!("wss://localhost:{}/", server.address.port());
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        use futures_util::{SinkExt, StreamExt};
        let text = json!({"type": "text", "text": "Safe."}).to_string();
        socket.send(text.into()).await.unwrap();
        let mut sound = false;
        while !sound {
            let message = socket.next().await.unwrap().unwrap();
            sound = message.to_text().unwrap().contains("\"audio\"");
        }
        // Who speaks plainly gets nothing, and stops nobody.
        let (status, _) = server.get("/health", "").await;
        assert_ne!(status, 200);
    });
    std::fs::remove_dir_all(folder).unwrap();
    let server = Server::start(&["--tls", "self-signed", "pipelines/speak.yaml"]);
    let said = server.said();
    let print = said
        .lines()
        .find_map(|line| line.strip_prefix("certificate fingerprint (SHA-256): "));
    assert_eq!(print.map(str::len), Some(95), "{said}");
}
