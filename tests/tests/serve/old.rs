// SPDX-License-Identifier: MPL-2.0

//! Clients of the system before, which know nothing of `configure`.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use duplex_tests::plugins;
use duplex_tests::serving::{Server, run};
use duplex_tests::watchdog::Watchdog;
use serde_json::json;

const SHORT: &str = "One two three.";
const LONG: &str = "This is a sentence that goes on for a while. And here is another one, which does not end \
                    soon either. The third one is the last of them, and it says nothing at all.";

/// What the loudest sample is.
fn peak(pcm: &[u8]) -> i16 {
    let samples = pcm
        .chunks_exact(2)
        .map(|b| i16::from_le_bytes([b[0], b[1]]));
    samples.map(|s| s.saturating_abs()).max().unwrap_or(0)
}

/// The predecessor answered the first, and lost others at load.
#[test]
fn messages_of_a_session_are_answered_one_after_the_other() {
    let _watchdog = Watchdog::new("messages", Duration::from_secs(120));
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        let mut client = server.client().await;
        assert_eq!(client.id.len(), 15, "{}", client.id);
        assert!(client.id.starts_with("ws-"));
        let mut sequence = 0;
        for text in [SHORT, "Good morning.", "Ü ñ 你好.", "x"] {
            client.text(text).await;
            let heard = client.utterance().await;
            assert!(heard.frames > 5, "{text}: {} frames", heard.frames);
            assert!(peak(&heard.pcm) > 3_000, "{text} is silent");
            sequence += heard.frames as u64;
            assert_eq!(heard.sequence, sequence, "numbers go on");
        }
        // Several at once wait for each other.
        for text in [SHORT, SHORT, SHORT] {
            client.text(text).await;
        }
        let mut frames = Vec::new();
        for _ in 0..3 {
            frames.push(client.utterance().await.frames);
        }
        assert!(
            frames.iter().all(|n| n.abs_diff(frames[0]) <= 1),
            "{frames:?}"
        );
    });
}

/// Old clients are sent the messages that they know, and `audio` with two fields more.
#[test]
fn old_clients_are_sent_what_they_know() {
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        let mut client = server.connect("/any/path?x=1", &[]).await.unwrap();
        client.text(SHORT).await;
        let first = client.next().await;
        let keys: Vec<&str> = first
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let known = [
            "type",
            "pcm",
            "sample_rate",
            "frame_ms",
            "sequence",
            "utterance_id",
            "is_final",
        ];
        assert_eq!(keys, known);
        assert_eq!(
            (
                &first["sample_rate"],
                &first["frame_ms"],
                &first["sequence"]
            ),
            (&json!(48_000), &json!(20), &json!(1))
        );
        let mut frames = 1;
        loop {
            let message = client.next().await;
            assert_eq!(message["type"], "audio", "{message}");
            frames += 1;
            if message["is_final"] == true {
                break;
            }
        }
        assert!(frames > 30);
        assert_eq!(client.within(Duration::from_millis(300)).await, None);
        // What is wrong is told; what is unknown, or blank, is not.
        for (message, begins) in [
            ("{", "Invalid JSON: "),
            ("[1]", "Message processing error: "),
            (r#"{"type":"text","text":""}"#, "Message processing error: "),
            (
                r#"{"type":"control","command":"RELOAD"}"#,
                "Message processing error: ",
            ),
        ] {
            client
                .raw(tokio_tungstenite::tungstenite::Message::text(message))
                .await;
            let error = client.next().await;
            assert_eq!(
                (&error["type"], &error["code"]),
                (&json!("error"), &json!("INVALID_MESSAGE"))
            );
            assert!(
                error["message"].as_str().unwrap().starts_with(begins),
                "{error}"
            );
        }
        client.send(json!({"type": "dance"})).await;
        client.text("  \n ").await;
        assert_eq!(client.within(Duration::from_millis(300)).await, None);
        client.text(SHORT).await;
        client.utterance().await;
    });
}

/// The predecessor never read it.
#[test]
fn control_acts_at_once_while_speaking() {
    let _watchdog = Watchdog::new("control", Duration::from_secs(120));
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        let mut client = server.client().await;
        client.text(LONG).await;
        for _ in 0..20 {
            client.until("audio").await;
        }
        client.control("PAUSE").await;
        let mut after = 0;
        while let Some(message) = client.within(Duration::from_millis(500)).await {
            assert_ne!(message["is_final"], true, "a pause ends nothing");
            after += 1;
        }
        // What was under way, and the fade.
        assert!(after <= 10, "{after} frames after a pause");
        client.control("RESUME").await;
        client.until("audio").await;
        // STOP drops that and what waits, and the last frame says so.
        client.text(LONG).await;
        client.control("STOP").await;
        let began = Instant::now();
        let rest = client.utterance().await;
        assert!(
            rest.frames <= 10,
            "{} frames after STOP, for {:?}",
            rest.frames,
            began.elapsed()
        );
        assert_eq!(client.within(Duration::from_millis(500)).await, None);
        // And nothing is poisoned.
        client.text(SHORT).await;
        assert!(client.utterance().await.frames > 30);
        // Where nothing is said, it does nothing.
        for command in ["STOP", "PAUSE", "RESUME", "STOP"] {
            client.control(command).await;
        }
        client.text(SHORT).await;
        assert!(client.utterance().await.frames > 30);
    });
}

/// One session's control is nobody else's.
#[test]
fn a_stop_is_for_one_session() {
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        let (mut one, mut other) = (server.client().await, server.client().await);
        other.text(LONG).await;
        one.text(LONG).await;
        one.until("audio").await;
        one.control("STOP").await;
        one.utterance().await;
        let heard = other.utterance().await;
        assert!(heard.frames > 300, "{}", heard.frames);
    });
}

/// The predecessor's clients are Python: the protocol message by message, with the library that they use.
#[test]
fn clients_from_before_us_are_served() {
    let Some(python) = python() else { return };
    let _watchdog = Watchdog::new("old clients", Duration::from_secs(240));
    let server = Server::start(&["pipelines/speak.yaml"]);
    let output = Command::new(python)
        .current_dir(plugins::source().join("tests/compat"))
        .args(["-m", "unittest", "-v", "test_websocket"])
        .env("SERVER", format!("ws://{}", server.address))
        // Nothing is written into the source tree.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUNBUFFERED", "1")
        .output()
        .unwrap();
    let told = plugins::told(&output);
    let ran = told.contains("\nOK") && !told.contains("Ran 0 tests");
    assert!(output.status.success() && ran, "{told}");
}

/// A Python that has the library, made below target/ the first time. `None`, said aloud, where it cannot be had.
fn python() -> Option<PathBuf> {
    const PACKAGE: &str = "websockets==15.0.1";
    // Not beside the plugins: that folder is scanned for them, with all in it.
    let folder = plugins::folder()
        .parent()
        .expect("target/")
        .join("websocket-venv");
    let python = folder.join("bin/python");
    // Whole only where its last step is done.
    let mark = folder.join(PACKAGE);
    if mark.exists() {
        return Some(python);
    }
    let _ = std::fs::remove_dir_all(&folder);
    let made = Command::new("/usr/bin/python3")
        .args(["-m", "venv"])
        .arg(&folder)
        .output();
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        PACKAGE,
    ];
    let installed = made.and_then(|_| Command::new(&python).args(pip).output());
    match installed {
        Ok(output) if output.status.success() => {
            std::fs::write(mark, "").unwrap();
            Some(python)
        }
        Ok(output) => {
            println!(
                "SKIPPED: Python's websockets cannot be had: {}",
                plugins::told(&output)
            );
            None
        }
        Err(error) => {
            println!("SKIPPED: Python's websockets cannot be had: {error}");
            None
        }
    }
}

/// Sound begins as early for a long text, and comes as it is spoken.
#[test]
fn a_long_text_is_streamed() {
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        let mut client = server.client().await;
        client.text(SHORT).await;
        client.utterance().await;
        let text = LONG.repeat(300);
        let began = Instant::now();
        client.text(&text).await;
        client.until("audio").await;
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
        client.control("STOP").await;
        client.utterance().await;
    });
}
