// SPDX-License-Identifier: MPL-2.0

//! What the log tells, and what it never does.

use super::rig::{Folder, Speaking, Worker, command, open};

/// One session that says something, and another with a wrong key.
async fn log(logging: &str) -> String {
    let folder = Folder::new();
    folder.write(
        "w.yaml",
        format!(
            "worker: {{name: w}}\nmodel_manager: {{default_model_id: tone}}\nlogging: {logging}\n"
        ),
    );
    let listen = ["--listen", "127.0.0.1:0", "--config", "w.yaml"];
    let mut worker = command(&folder, &listen);
    worker.env("DUPLEX_WORKER_API_KEY", "opensesame");
    let mut worker = Worker::spawn(worker);
    let channel = worker.channel().await;
    for key in ["opensesame", "wrongkey"] {
        let header: tonic::metadata::MetadataValue<_> = format!("Bearer {key}").parse().unwrap();
        let mut client = duplex_proto::tts_service_client::TtsServiceClient::with_interceptor(
            channel.clone(),
            move |mut request: tonic::Request<()>| {
                request
                    .metadata_mut()
                    .insert("authorization", header.clone());
                Ok(request)
            },
        );
        let request = duplex_proto::StartSessionRequest {
            session_id: "caller-7\nforged".into(),
            ..Default::default()
        };
        if client.start_session(request).await.is_err() {
            continue;
        }
        let chunk = duplex_proto::TextChunk {
            session_id: "caller-7\nforged".into(),
            text: "confidential words".into(),
            is_final: true,
            credit_ms: Some(60_000),
            ..Default::default()
        };
        let mut frames = client
            .synthesize(tokio_stream::iter([chunk]))
            .await
            .unwrap()
            .into_inner();
        while frames.message().await.unwrap().is_some() {}
    }
    worker.signal("TERM");
    worker.ended().1
}

#[tokio::test]
async fn text_and_keys_stand_in_no_line_and_ids_are_quoted() {
    for (logging, has_ids, is_json) in [
        ("{level: DEBUG, format: text}", true, false),
        ("{level: DEBUG, format: json}", true, true),
        (
            "{level: debug, format: json, include_session_id: false}",
            false,
            true,
        ),
        ("{include_session_id: false}", false, false),
    ] {
        let log = log(logging).await;
        for secret in ["confidential", "words", "opensesame", "wrongkey"] {
            assert!(!log.contains(secret), "{logging}: {log}");
        }
        assert_eq!(
            log.contains(r"caller-7\nforged"),
            has_ids,
            "{logging}: {log}"
        );
        assert_eq!(log.contains("session_id"), has_ids, "{logging}: {log}");
        for line in log.lines() {
            assert!(!line.starts_with("forged"), "{log}");
            let object = serde_json::from_str::<serde_json::Value>(line);
            assert_eq!(object.is_ok(), is_json, "{logging}: {line}");
            if let Ok(object) = object {
                assert!(
                    object["timestamp"].is_string() && object["message"].is_string(),
                    "{line}"
                );
            }
        }
        assert!(
            log.contains("session opened") && log.contains("shutting down"),
            "{log}"
        );
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_any_more_ends_nothing() {
    use std::process::Stdio;

    let folder = Folder::new();
    let mut command = command(&folder, &["--listen", "127.0.0.1:0", "--model", "tone"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    drop((stdout, child.stderr.take()));
    let address = line.trim_end().strip_prefix("listening on ").unwrap();
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client =
        duplex_proto::tts_service_client::TtsServiceClient::new(channel.connect().await.unwrap());
    assert!(open(&mut client, "a", "").await.unwrap().success);
    let speaking = Speaking::begin(&mut client, "a", "Still there.")
        .await
        .unwrap();
    let spoken = speaking.finish().await;
    let _ = child.kill();
    let _ = child.wait();
    assert!(spoken.unwrap() > 0);
}
