// SPDX-License-Identifier: MPL-2.0

//! How a server starts badly, and how it ends.

use std::time::{Duration, Instant};

use duplex_tests::plugins;
use duplex_tests::serving::{Server, run};
use duplex_tests::watchdog::Watchdog;
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

#[test]
fn what_cannot_start_says_why_in_a_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = plugins::temporary("bad").unwrap();
    let file = |text: &str| {
        std::fs::write(folder.join("bad.yaml"), text).unwrap();
        folder.join("bad.yaml").display().to_string()
    };
    let run = |words: &[&str]| {
        let mut command = plugins::command(plugins::built("duplex"));
        let output = command
            .current_dir(plugins::source())
            .arg("serve")
            .args(words)
            .output()
            .unwrap();
        (output.status.code(), plugins::told(&output))
    };
    for (words, status, sentence) in [
        (
            vec!["--listen", &address],
            1,
            "is in use by another program",
        ),
        (
            vec!["--listen", "203.0.113.1:0"],
            1,
            "is no address of this machine",
        ),
        (vec!["--listen", "nowhere"], 2, "is no address with a port"),
        (
            vec!["--listen", "no.such.host.invalid:1"],
            1,
            "is no address to listen on",
        ),
        (vec!["none.yaml"], 2, "there is no such file"),
        (
            vec!["pipelines/speak.yaml", "voic=fr"],
            2,
            "did you mean `voice`?",
        ),
        (vec!["a.yaml", "b.yaml"], 2, "one description is served"),
        (vec!["--config", "none.yaml"], 2, "there is no such file"),
    ] {
        let (code, told) = run(&words);
        assert_eq!(code, Some(status), "{words:?}: {told}");
        assert!(told.contains(sentence), "{words:?}: {told}");
        assert_eq!(
            told.trim()
                .lines()
                .filter(|l| l.starts_with("duplex: ") || l.contains(".yaml"))
                .count(),
            1,
            "{told}"
        );
    }
    // Every problem of a file at once.
    let bad = file(
        "lisen: 127.0.0.1:1\nlimits: { sessions: 0, idle: soon }\nsession: { idle_timeout_seconds: 5 }\n",
    );
    let (code, told) = run(&["--config", &bad]);
    assert_eq!(code, Some(2));
    for part in [
        "bad.yaml:1:1: unknown key `lisen`",
        "did you mean `listen`?",
        "`sessions`",
        "`idle`",
        "10 to 3600",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_turn_that_runs_is_finished_and_no_new_one_begins() {
    let _watchdog = Watchdog::new("draining", Duration::from_secs(60));
    let mut server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        let mut quiet = server.client().await;
        let mut busy = server.client().await;
        busy.text("This sentence takes some seconds to be said, since it has many words in it.")
            .await;
        busy.until("audio").await;
        server.terminate();
        let (reason, code) = quiet.end().await;
        assert_eq!((reason.as_deref(), code), (Some("shutdown"), Some(1000)));
        // Whoever comes now is turned away, with a reason.
        let refused = server.connect("/", &[]).await.map(drop).unwrap_err();
        match refused {
            Error::Http(response) => {
                assert_eq!(response.status(), 503);
                let body = response.body().clone().unwrap_or_default();
                assert!(String::from_utf8_lossy(&body).contains("shutting down"));
            }
            other => panic!("{other}"),
        }
        assert_eq!(server.json("/health").await["draining"], true);
        busy.text("Not this one.").await;
        let mut refused = false;
        let frames = loop {
            let message = busy.next().await;
            refused |= message["type"] == "error" && message["code"] == "LIMIT_EXCEEDED";
            if message["is_final"] == true {
                break message["sequence"].as_u64().unwrap();
            }
        };
        assert!(frames > 100, "cut off after {frames} frames");
        assert!(refused, "a new turn was taken");
        assert_eq!(busy.end().await.0.as_deref(), Some("shutdown"));
    });
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_turn_that_does_not_end_is_cut_off() {
    let _watchdog = Watchdog::new("a long drain", Duration::from_secs(60));
    let mut server = Server::with(
        &["pipelines/speak.yaml"],
        "graceful_shutdown_timeout_s: 1\n",
        &[],
    );
    run(async {
        let mut busy = server.client().await;
        busy.text(&"This goes on and on. ".repeat(100)).await;
        busy.until("audio").await;
        let began = Instant::now();
        server.terminate();
        assert_eq!(busy.end().await.0.as_deref(), Some("shutdown"));
        assert!(began.elapsed() >= Duration::from_secs(1));
    });
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_second_signal_does_not_wait() {
    let _watchdog = Watchdog::new("two signals", Duration::from_secs(60));
    let mut server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        let mut busy = server.client().await;
        busy.send(json!({"type": "text", "text": "This goes on and on. ".repeat(100)}))
            .await;
        busy.until("audio").await;
        server.terminate();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.signal("INT");
    });
    assert_eq!(server.ended().code(), Some(130));
}
