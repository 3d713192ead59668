// SPDX-License-Identifier: MPL-2.0

//! How a worker ends: what runs goes on, what comes is sent away, and a second signal does not wait.

use std::time::Duration;

use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::rig::{Folder, Speaking, Worker, open, speak};

async fn health(worker: &Worker, service: &str) -> ServingStatus {
    let request = HealthCheckRequest {
        service: service.into(),
    };
    let reply = HealthClient::new(worker.channel().await)
        .check(request)
        .await;
    reply.unwrap().into_inner().status()
}

#[tokio::test]
async fn a_running_utterance_is_spoken_to_its_end_and_nothing_new_begins() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::new();
        let mut worker = Worker::start(&folder, &["--model", "tone"]);
        for service in ["", "tts.TTSService"] {
            assert_eq!(health(&worker, service).await, ServingStatus::Serving);
        }
        let mut client = worker.client().await;
        assert!(open(&mut client, "a", "").await.unwrap().success);
        let mut speaking = Speaking::begin(&mut client, "a", "One two three. ")
            .await
            .unwrap();
        assert!(speaking.frames.message().await.unwrap().is_some());

        worker.signal(signal);
        worker.logs("shutting down").await;
        for service in ["", "tts.TTSService"] {
            assert_eq!(health(&worker, service).await, ServingStatus::NotServing);
        }
        // On an old connection and on a new one.
        for client in [&mut client, &mut worker.client().await] {
            let refused = [
                open(client, "b", "").await.map(drop).unwrap_err(),
                speak(client, "a", "Four.").await.map(drop).unwrap_err(),
            ];
            for status in refused {
                assert_eq!(status.code(), tonic::Code::Unavailable);
                assert_eq!(
                    status.message(),
                    "this worker is shutting down; try another one"
                );
            }
        }
        assert!(worker.is_running());
        let samples = speaking.finish().await.unwrap();
        assert!(samples > 4_800, "{samples}");
        let (status, log) = worker.ended();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(!log.contains("cut off"), "{log}");
    }
}

#[tokio::test]
async fn an_utterance_that_does_not_end_is_cut_off_in_time() {
    let folder = Folder::new();
    folder.write(
        "w.yaml",
        "worker: {name: w}\nmodel_manager: {default_model_id: tone}\ngraceful_shutdown_timeout_s: 1\n",
    );
    let mut worker = Worker::start(&folder, &["--config", "w.yaml"]);
    let mut client = worker.client().await;
    open(&mut client, "a", "").await.unwrap();
    let mut speaking = Speaking::begin(&mut client, "a", "One. ").await.unwrap();
    worker.signal("TERM");
    let (status, log) = worker.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("calls are cut off calls=1"), "{log}");
    // The client learns of it.
    loop {
        match speaking.frames.message().await {
            Ok(Some(frame)) => assert!(!frame.is_final),
            Ok(None) => panic!("ended well"),
            Err(_) => break,
        }
    }
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let folder = Folder::new();
    folder.write(
        "w.yaml",
        "worker: {name: w}\nmodel_manager: {default_model_id: tone}\ngraceful_shutdown_timeout_s: 3600\n",
    );
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut worker = Worker::start(&folder, &["--config", "w.yaml"]);
        let mut client = worker.client().await;
        open(&mut client, "a", "").await.unwrap();
        let _speaking = Speaking::begin(&mut client, "a", "One. ").await.unwrap();
        worker.signal("TERM");
        worker.logs("shutting down").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(worker.is_running(), "{}", worker.log());
        worker.signal(signal);
        let (status, log) = worker.ended();
        assert_eq!(status.code(), Some(code), "{log}");
        assert!(log.contains("ended at once by a second signal"), "{log}");
    }
}
