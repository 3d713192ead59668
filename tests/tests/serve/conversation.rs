// SPDX-License-Identifier: MPL-2.0

//! Clients that send `configure`: sound both ways, captions, interruptions and what was heard.

use std::time::Duration;

use duplex_tests::recordings::{self, RATE};
use duplex_tests::serving::{Client, Server, run, tones};
use duplex_tests::watchdog::Watchdog;
use duplex_tests::{plugins, worker::Worker};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

const TEXT: &str = "one two three four five six seven eight nine ten, eleven twelve thirteen fourteen fifteen \
                    sixteen seventeen eighteen nineteen twenty. Twenty-one twenty-two twenty-three twenty-four \
                    twenty-five, twenty-six twenty-seven twenty-eight twenty-nine thirty.";

/// 20 ms of sound as a client sends them.
fn frame(samples: &[f32]) -> Vec<u8> {
    let scaled = samples.iter().map(|s| (s * 32_767.0) as i16);
    scaled.flat_map(i16::to_le_bytes).collect()
}

/// A client with a microphone and a loudspeaker.
struct Caller {
    client: Client,
    /// How far its loudspeaker is behind what has come, in ms, where it reports that.
    behind: Option<f64>,
    /// Milliseconds of sound that have come of the utterance.
    received: f64,
    utterance: Value,
    words: Vec<(String, f64, f64)>,
    others: Vec<Value>,
}

impl Caller {
    async fn new(server: &Server, behind: Option<f64>) -> Caller {
        Caller {
            client: server.configured(RATE).await,
            behind,
            received: 0.0,
            utterance: Value::Null,
            words: Vec::new(),
            others: Vec::new(),
        }
    }

    fn cleared(&self) -> bool {
        self.others.iter().any(|message| message["type"] == "clear")
    }

    fn take(&mut self, message: Value) {
        match message["type"].as_str().unwrap() {
            "audio" => {
                assert!(!self.cleared(), "sound after `clear`");
                self.received += 20.0;
                self.utterance = message["utterance_id"].clone();
            }
            "word" => self.words.push((
                message["text"].as_str().unwrap().to_owned(),
                message["start_ms"].as_f64().unwrap(),
                message["duration_ms"].as_f64().unwrap(),
            )),
            _ => self.others.push(message),
        }
    }

    async fn report(&mut self) {
        let Some(behind) = self.behind.filter(|behind| self.received > *behind) else {
            return;
        };
        let played = self.received - behind;
        let report =
            json!({"type": "playout", "utterance_id": self.utterance, "played_ms": played});
        self.client.send(report).await;
    }

    /// Sends these samples in real time, and takes what comes meanwhile, up to `clear`.
    async fn speak(&mut self, samples: &[f32]) {
        use base64::Engine;

        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for (n, samples) in samples.chunks_exact(RATE as usize / 50).enumerate() {
            ticks.tick().await;
            // Both ways in which sound may come.
            if n % 2 == 0 {
                self.client.raw(Message::binary(frame(samples))).await;
            } else {
                let pcm = base64::engine::general_purpose::STANDARD.encode(frame(samples));
                self.client.send(json!({"type": "audio", "pcm": pcm})).await;
            }
            if n % 10 == 9 {
                self.report().await;
            }
            while let Some(message) = self.client.within(Duration::from_millis(1)).await {
                self.take(message);
                if self.cleared() {
                    return self.report().await;
                }
            }
        }
    }
}

#[test]
fn a_caller_interrupts_and_the_client_knows_what_was_heard() {
    let _watchdog = Watchdog::new("barge-in", Duration::from_secs(120));
    let worker = Worker::start();
    let (server, folder) = tones(&worker, "");
    let recordings = recordings::speaker_tests().expect("recordings");
    let voice = recordings.first().expect("a recording");
    run(async {
        for behind in [None, Some(300.0)] {
            let mut caller = Caller::new(&server, behind).await;
            caller.client.text(TEXT).await;
            caller.speak(&vec![0.0; RATE as usize * 3 / 2]).await;
            assert!(caller.received > 1_000.0, "{} ms came", caller.received);
            let mut speech = voice.samples.clone();
            speech.extend(vec![0.0; RATE as usize * 2]);
            caller.speak(&speech).await;
            assert!(
                caller.cleared(),
                "nobody was interrupted: {:?}",
                caller.others
            );
            let told = loop {
                let message = caller.client.next().await;
                if message["type"] == "utterance" {
                    break message;
                }
                caller.take(message);
            };
            assert_eq!(told["state"], "interrupted");
            assert_eq!(told["utterance_id"], caller.utterance);
            let heard = told["heard"].as_str().unwrap();
            let unheard = told["unheard"].as_str().unwrap();
            assert_eq!(format!("{heard} {unheard}"), TEXT);
            let words = &caller.words;
            let count = |until: f64| {
                let played =
                    |(_, start, length): &&(String, f64, f64)| start + length / 2.0 < until;
                words.iter().filter(played).count()
            };
            let said = heard.split_whitespace().count();
            match behind {
                Some(behind) => {
                    assert_eq!(told["basis"], "playout");
                    assert_eq!(said, count(caller.received - behind), "{heard}: {words:?}");
                }
                None => {
                    assert_eq!(told["basis"], "sent");
                    let sent = count(caller.received);
                    assert!(said.abs_diff(sent) <= 1, "{heard}: {words:?}");
                }
            }
        }
        server.expect("sessions_active", 0).await;
        let summary = server.json("/metrics/summary").await;
        let p95 = summary["metrics"]["session_barge_in_p95_ms"]
            .as_f64()
            .unwrap();
        assert!(p95 > 0.0, "{summary}");
    });
    std::fs::remove_dir_all(folder).unwrap();
}

/// Everything in its order: started before its sound, words as they sound, finished behind its last frame.
#[test]
fn an_utterance_is_told_from_its_start_to_its_end() {
    let _watchdog = Watchdog::new("captions", Duration::from_secs(120));
    let worker = Worker::start();
    let (server, folder) = tones(&worker, "");
    run(async {
        let mut client = server.configured(48_000).await;
        client.text("alpha bravo charlie.").await;
        let mut kinds: Vec<String> = Vec::new();
        let (mut words, mut frames) = (Vec::new(), 0);
        loop {
            let message = client.next().await;
            let kind = match message["type"].as_str().unwrap() {
                "audio" => {
                    frames += 1;
                    "audio".to_owned()
                }
                "word" => {
                    words.push(message["text"].as_str().unwrap().to_owned());
                    // Its sound has left by now, or does so.
                    let start = message["start_ms"].as_u64().unwrap();
                    assert!(start < frames * 20 + 40, "{start} ms after {frames} frames");
                    continue;
                }
                // Figures for the page.
                "latency" => continue,
                kind => format!("{kind} {}", message["state"].as_str().unwrap_or_default()),
            };
            if kinds.last() != Some(&kind) {
                kinds.push(kind.clone());
            }
            if kind == "turn listening" {
                break;
            }
        }
        assert_eq!(words, ["alpha", "bravo", "charlie"]);
        let order = [
            "turn thinking",
            "utterance started",
            "turn speaking",
            "audio",
            "utterance finished",
            "turn listening",
        ];
        assert_eq!(kinds, order);
    });
    std::fs::remove_dir_all(folder).unwrap();
}

/// The predecessor's handler died of it.
#[test]
fn text_while_interrupted_is_answered() {
    let _watchdog = Watchdog::new("text while interrupted", Duration::from_secs(120));
    let worker = Worker::start();
    let (server, folder) = tones(&worker, "");
    let recordings = recordings::speaker_tests().expect("recordings");
    let voice = recordings.first().expect("a recording");
    run(async {
        let mut caller = Caller::new(&server, None).await;
        caller.client.text(TEXT).await;
        let first = caller.client.until("audio").await;
        caller.take(first);
        let mut speech = voice.samples.clone();
        speech.extend(vec![0.0; RATE as usize]);
        caller.speak(&speech).await;
        assert!(caller.cleared(), "nobody was interrupted");
        // The caller still speaks, as far as the server knows.
        let mut client = caller.client;
        for text in ["after all.", "and again."] {
            client.text(text).await;
            while client.until("audio").await["is_final"] != true {}
        }
    });
    std::fs::remove_dir_all(folder).unwrap();
}

/// A typed STOP: the client is silent before anything else.
#[test]
fn stop_clears_first() {
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        let mut client = server.configured(16_000).await;
        client
            .text("This goes on for quite a while, and then some more of it comes.")
            .await;
        for _ in 0..10 {
            client.until("audio").await;
        }
        client.control("STOP").await;
        client.until("clear").await;
        let told = loop {
            let message = client.next().await;
            assert_ne!(message["type"], "audio", "sound after `clear`");
            if message["type"] == "utterance" {
                break message;
            }
        };
        assert_eq!(told["state"], "interrupted");
        assert!(!told["unheard"].as_str().unwrap().is_empty(), "{told}");
    });
}

#[test]
fn configure_chooses_and_what_it_may_not_is_refused() {
    let config =
        "parameters: { voice: en-gb }\ndescriptions: { other: ../../pipelines/speak.yaml }\n";
    // The file lies in a folder for temporary files: an absolute path is one, too.
    let speak = plugins::source().join("pipelines/speak.yaml");
    let config = config.replace("../../pipelines/speak.yaml", speak.to_str().unwrap());
    let server = Server::with(&["pipelines/speak.yaml"], &config, &[]);
    run(async {
        let mut client = server.client().await;
        client
            .send(json!({"type": "configure", "description": "other", "parameters": {"voice": "de", "rate": 2}}))
            .await;
        client.until("turn").await;
        client.text("Guten Morgen, wie geht es Ihnen heute?").await;
        client.utterance().await;
        // Once it is chosen it stays.
        client
            .send(json!({"type": "configure", "parameters": {"voice": "fr"}}))
            .await;
        assert_eq!(client.until("error").await["code"], "INVALID_MESSAGE");
        client.text("Noch da.").await;
        client.utterance().await;
        for (wrong, word) in [
            (json!({"description": "othr"}), "did you mean `other`?"),
            (
                json!({"parameters": {"voic": "fr"}}),
                "did you mean `voice`?",
            ),
            (json!({"parameters": {"rate": "quick"}}), "rate=quick"),
            (
                json!({"parameters": {"voice": "fr ! filesink location=x"}}),
                "",
            ),
        ] {
            let mut client = server.client().await;
            let mut message = wrong.clone();
            message["type"] = json!("configure");
            client.send(message).await;
            let error = client.until("error").await;
            assert!(
                error["message"].as_str().unwrap().contains(word),
                "{wrong}: {error}"
            );
            let (reason, _) = client.end().await;
            assert!(reason.is_some(), "{wrong}");
        }
        // Sound without a format is not taken.
        let mut client = server.client().await;
        client.raw(Message::binary(vec![0; 640])).await;
        assert_eq!(client.until("error").await["code"], "INVALID_MESSAGE");
    });
}

/// What becomes an element's text or a file's name is not a client's to set.
#[test]
fn no_client_writes_a_pipeline() {
    let folder = plugins::temporary("injection").unwrap();
    std::fs::write(
        folder.join("it.yaml"),
        "parameters:
  engine: { type: string, default: espeaktts }
  voice: { type: string, default: en-us }
  story: { type: file, default: it.yaml }
elements:
  mouth: { factory: ttssink, synthesizer: \"${engine}\", voice: \"${voice}\", audio-sink: caller.audio }
  story: { factory: filesrc, location: \"${story}\" }
  nowhere: { factory: fakesink }
links: [ story -> nowhere, caller.text -> mouth ]
",
    )
    .unwrap();
    let server = Server::start(&[folder.join("it.yaml").to_str().unwrap()]);
    run(async {
        for (name, value) in [
            ("engine", "espeaktts ! filesink location=/tmp/x"),
            ("story", "/etc/passwd"),
        ] {
            let mut client = server.client().await;
            client
                .send(json!({"type": "configure", "parameters": {name: value}}))
                .await;
            let error = client.until("error").await;
            assert!(
                error["message"]
                    .as_str()
                    .unwrap()
                    .contains("not for clients"),
                "{error}"
            );
        }
    });
    std::fs::remove_dir_all(folder).unwrap();
}

/// A worker that is gone is told of in words that a client can use, and without its address.
#[test]
fn a_worker_that_is_gone_is_told() {
    let _watchdog = Watchdog::new("a worker that is gone", Duration::from_secs(120));
    let worker = Worker::start();
    let (server, folder) = tones(&worker, "");
    run(async {
        let mut client = server.client().await;
        client
            .text("One two three four five six seven eight nine ten eleven twelve.")
            .await;
        client.until("audio").await;
        assert_eq!(server.json("/health").await["worker"], true);
        let address = worker.kill();
        client.text("One two three four.").await;
        let error = client.until("error").await;
        assert_eq!(error["code"], "WORKER_UNAVAILABLE", "{error}");
        assert!(
            !error["message"]
                .as_str()
                .unwrap()
                .contains(&address.to_string())
        );
        assert_eq!(client.end().await.0.as_deref(), Some("error"));
        // An answer of the worker counts for a moment.
        let health = loop {
            let health = server.json("/health").await;
            if health["worker"] == false {
                break health;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        assert_eq!(health["status"], "unhealthy");
        assert_eq!(server.get("/readiness", "").await.0, 503);
        assert_eq!(server.get("/liveness", "").await.0, 200);
    });
    std::fs::remove_dir_all(folder).unwrap();
}

/// The description that is served where none is named: it greets, answers what is typed, and is interrupted by it.
#[test]
fn what_is_typed_is_answered() {
    let _watchdog = Watchdog::new("a typed conversation", Duration::from_secs(120));
    let server = Server::start(&[]);
    run(async {
        let mut client = server.configured(16_000).await;
        client.utterance().await;
        client.text("tell me a story").await;
        assert_eq!(client.until("turn").await["state"], "listening");
        assert_eq!(client.until("turn").await["state"], "thinking");
        assert_eq!(client.until("turn").await["state"], "speaking");
        for _ in 0..30 {
            client.until("audio").await;
        }
        client.text("help").await;
        let cleared = client.until("clear").await;
        let story = cleared["utterance_id"].clone();
        let mut told = false;
        loop {
            let message = client.next().await;
            told |= message["utterance_id"] == story && message["state"] == "interrupted";
            if message["type"] == "audio" {
                assert_ne!(message["utterance_id"], story, "sound after `clear`");
                if message["is_final"] == true {
                    break;
                }
            }
        }
        assert!(told, "nobody told what was heard of the story");
        // A client of old is not greeted, and is said what it sends.
        let mut old = server.client().await;
        old.text("Hi.").await;
        let heard = old.utterance().await;
        assert!(heard.frames < 60, "{}", heard.frames);
        assert_eq!(old.within(Duration::from_millis(500)).await, None);
    });
}
