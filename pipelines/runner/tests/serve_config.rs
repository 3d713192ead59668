// SPDX-License-Identifier: MPL-2.0

//! The configuration of `duplex serve`: every key and variable, old and new, by a row of a table.

use std::path::PathBuf;
use std::time::Duration;

use duplex_runner::serve::config::{self, Level, Told, Wrong};

/// A folder that is gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "duplex-config-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("it.yaml"), "elements: {}\n").unwrap();
        std::fs::write(folder.join("index.html"), "").unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn read(text: &str, environment: &[(&str, &str)]) -> Result<Told, String> {
    let folder = Folder::new();
    let path = folder.0.join("serve.yaml");
    std::fs::write(&path, text).unwrap();
    let variable = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    config::read(Some(&path), variable).map_err(|wrong| match wrong {
        Wrong::File(report) => report.to_string(),
        Wrong::Elsewhere(sentences) => sentences.join("\n"),
    })
}

/// What a key or a variable does.
enum Does {
    /// It sets something.
    Sets(fn(&Told) -> bool),
    /// It is told of, with these words.
    Tells(&'static str),
    /// It sets a property of elements: factory, property, value.
    Overrides(&'static str, &'static str, &'static str),
}
use Does::{Overrides, Sets, Tells};

fn holds(told: &Told, does: &Does) -> bool {
    match does {
        Sets(check) => check(told),
        Tells(words) => told.notices.iter().any(|notice| notice.contains(words)),
        Overrides(factory, property, value) => told
            .overrides
            .iter()
            .any(|o| o.factories.contains(factory) && o.property == *property && o.value == *value),
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn every_key_has_its_effect_or_is_told_of() {
    let table: &[(&str, Does)] = &[
        // Ours.
        (
            "listen: 0.0.0.0:9000",
            Sets(|t| t.config.listen() == "0.0.0.0:9000"),
        ),
        (
            "listen: \"[::1]:0\"",
            Sets(|t| t.config.listen() == "[::1]:0"),
        ),
        (
            "description: it.yaml",
            Sets(|t| {
                t.description
                    .as_ref()
                    .is_some_and(|p| p.ends_with("it.yaml"))
            }),
        ),
        (
            "descriptions: { a: it.yaml }",
            Sets(|t| t.descriptions["a"].ends_with("it.yaml")),
        ),
        (
            "parameters: { voice: fr }",
            Sets(|t| t.parameters["voice"] == "fr"),
        ),
        (
            "token: abc",
            Sets(|t| t.config.token.as_deref() == Some("abc")),
        ),
        (
            "origins: [ \"https://a.example\", \"*\" ]",
            Sets(|t| t.config.origins.len() == 2),
        ),
        ("web: .", Sets(|t| t.config.web.is_some())),
        (
            "health_port: 8081",
            Sets(|t| t.config.health_port == Some(8081)),
        ),
        ("tls: self-signed", Sets(|t| t.config.tls.is_some())),
        (
            "limits: { sessions: 7 }",
            Sets(|t| {
                t.config.allowance.sessions == 7 && t.config.allowance.sessions_of_address == 7
            }),
        ),
        (
            "limits: { sessions_per_address: 7 }",
            Sets(|t| t.config.allowance.sessions_of_address == 7),
        ),
        (
            "limits: { starts_per_second: 7 }",
            Sets(|t| t.config.allowance.starts_per_second.get() == 7),
        ),
        (
            "limits: { messages_per_second: 7 }",
            Sets(|t| t.config.allowance.messages_per_second.get() == 7),
        ),
        (
            "limits: { idle: 7s }",
            Sets(|t| t.config.limits.idle == seconds(7)),
        ),
        (
            "limits: { duration: 7s }",
            Sets(|t| t.config.limits.duration == seconds(7)),
        ),
        (
            "limits: { messages: 7 }",
            Sets(|t| t.config.limits.messages == 7),
        ),
        (
            "limits: { ping_interval: 7s }",
            Sets(|t| t.config.ping == seconds(7)),
        ),
        (
            "limits: { ping_timeout: 7s }",
            Sets(|t| t.config.pong == seconds(7)),
        ),
        (
            "webrtc: { stun: \"stun://h:1\" }",
            Sets(|t| t.config.webrtc.stun.as_deref() == Some("stun://h:1")),
        ),
        (
            "webrtc: { turn: [ \"turn://u:p@h:1\" ] }",
            Sets(|t| t.config.webrtc.turn == ["turn://u:p@h:1"]),
        ),
        (
            "webrtc: { ports: 40000-40100 }",
            Sets(|t| t.config.webrtc.ports == Some((40_000, 40_100))),
        ),
        (
            "webrtc: { announced_address: 203.0.113.7 }",
            Sets(|t| t.config.webrtc.announced.is_some()),
        ),
        ("log_level: warning", Sets(|t| t.level == Level::Warning)),
        (
            "graceful_shutdown_timeout_s: 7",
            Sets(|t| t.config.drain == seconds(7)),
        ),
        // The predecessor's.
        (
            "transport: { websocket: { host: 0.0.0.0 } }",
            Sets(|t| t.config.host == "0.0.0.0"),
        ),
        (
            "transport: { websocket: { port: 9000 } }",
            Sets(|t| t.config.port == 9000),
        ),
        (
            "transport: { websocket: { port: 9000 } }",
            Tells("this machine alone is served"),
        ),
        (
            "transport: { websocket: { max_connections: 7 } }",
            Sets(|t| t.config.allowance.sessions == 7),
        ),
        (
            "transport: { websocket: { enabled: false } }",
            Tells("WebSocket is always served"),
        ),
        (
            "transport: { websocket: { frame_queue_size: 50 } }",
            Tells("frame_queue_size: it has no effect"),
        ),
        (
            "transport: { livekit: { enabled: true, url: \"http://h:1\", api_key: a, api_secret: b, room_prefix: c } }",
            Tells("publish-livekit.yaml"),
        ),
        (
            "transport: { livekit: { enabled: false, url: \"http://h:1\" } }",
            Sets(|t| t.notices.is_empty()),
        ),
        (
            "redis: { url: \"redis://h:1\", db: 0, worker_key_prefix: \"w:\", worker_ttl_seconds: 30, connection_pool_size: 10 }",
            Tells("Redis is not asked"),
        ),
        (
            "routing: { static_worker_addr: \"localhost:7001\" }",
            Sets(|t| t.wishes[0].value == "grpc://localhost:7001"),
        ),
        (
            "routing: { prefer_resident_models: true }",
            Tells("prefer_resident_models: it has no effect"),
        ),
        (
            "routing: { load_balance_strategy: queue_depth }",
            Tells("load_balance_strategy: it has no effect"),
        ),
        (
            "session: { idle_timeout_seconds: 10 }",
            Sets(|t| t.config.limits.idle == seconds(10)),
        ),
        (
            "session: { max_session_duration_seconds: 60 }",
            Sets(|t| t.config.limits.duration == seconds(60)),
        ),
        (
            "session: { max_messages_per_session: 1000 }",
            Sets(|t| t.config.limits.messages == 1000),
        ),
        (
            "vad: { enabled: false }",
            Overrides("ttssink", "interruption", "none"),
        ),
        (
            "vad: { enabled: true }",
            Sets(|t| t.overrides.is_empty() && t.notices.is_empty()),
        ),
        (
            "vad: { min_speech_duration_ms: 80 }",
            Overrides("vadsrc", "min-speech-duration", "80ms"),
        ),
        (
            "vad: { min_speech_duration_ms: 80 }",
            Overrides("ttssink", "commit-duration", "80ms"),
        ),
        (
            "vad: { min_silence_duration_ms: 300 }",
            Overrides("vad", "min-silence-duration", "300ms"),
        ),
        (
            "vad: { aggressiveness: 1 }",
            Tells("aggressiveness of vad have no effect"),
        ),
        ("vad: { sample_rate: 16000 }", Tells("sample_rate of vad")),
        (
            "vad: { frame_duration_ms: 20 }",
            Tells("frame_duration_ms of vad"),
        ),
        (
            "vad: { state_aware_gating: true }",
            Tells("state_aware_gating of vad"),
        ),
        (
            "vad: { speaking_threshold_multiplier: 2.5 }",
            Tells("speaking_threshold_multiplier of vad"),
        ),
        (
            "vad: { listening_threshold_multiplier: 1.0 }",
            Tells("listening_threshold_multiplier of vad"),
        ),
        (
            "vad: { barged_in_threshold_multiplier: 1.2 }",
            Tells("barged_in_threshold_multiplier of vad"),
        ),
        (
            "vad: { noise_gate: { enabled: true, window_size: 100, percentile: 0.25, threshold_multiplier: 3.0, min_threshold: 200, update_interval_frames: 10 } }",
            Tells("noise_gate of vad"),
        ),
        (
            "asr: { enabled: true }",
            Tells("asr.enabled: whether words are recognised"),
        ),
        (
            "asr: { adapter: whisper }",
            Tells("asr.adapter: `whisper` is an element"),
        ),
        (
            "asr: { model_size: small }",
            Tells("whisperasr model=ggml-small.bin"),
        ),
        (
            "asr: { language: en }",
            Overrides("sphinxasr", "language", "en"),
        ),
        (
            "asr: { device: cuda:0 }",
            Overrides("whisperasr", "device", "cuda:0"),
        ),
        ("asr: { compute_type: float32 }", Tells("asr.compute_type")),
        (
            "asr: { model_path: /m.bin }",
            Overrides("whisperasr", "model", "/m.bin"),
        ),
        (
            "asr: { model_path: null }",
            Sets(|t| t.overrides.is_empty()),
        ),
        (
            "asr: { buffer_max_duration_s: 30 }",
            Tells("asr.buffer_max_duration_s"),
        ),
    ];
    for (text, does) in table {
        let told = read(text, &[]).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
        assert!(holds(&told, does), "{text}: {told:#?}");
    }
}

#[test]
fn the_environment_goes_before_the_file() {
    let table: &[(&str, &str, &str, Does)] = &[
        (
            "ORCHESTRATOR_WS_PORT",
            "9001",
            "listen: 127.0.0.1:9000",
            Sets(|t| t.config.port == 9001),
        ),
        (
            "ORCHESTRATOR_WS_PORT",
            "",
            "listen: 127.0.0.1:9000",
            Sets(|t| t.config.port == 9000),
        ),
        (
            "DUPLEX_SERVE_TOKEN",
            "env",
            "token: file",
            Sets(|t| t.config.token.as_deref() == Some("env")),
        ),
        (
            "LOG_LEVEL",
            "ERROR",
            "log_level: DEBUG",
            Sets(|t| t.level == Level::Error),
        ),
        (
            "REDIS_URL",
            "redis://h:1",
            "origins: []",
            Tells("REDIS_URL: Redis is not asked"),
        ),
        (
            "LIVEKIT_URL",
            "ws://h:1",
            "origins: []",
            Tells("LIVEKIT_URL: rooms of LiveKit"),
        ),
        (
            "LIVEKIT_API_KEY",
            "k",
            "origins: []",
            Tells("LIVEKIT_API_KEY: rooms of LiveKit"),
        ),
        (
            "LIVEKIT_API_SECRET",
            "s",
            "origins: []",
            Tells("LIVEKIT_API_SECRET: rooms of LiveKit"),
        ),
        (
            "ASR_ENABLED",
            "yes",
            "asr: { enabled: false }",
            Tells(
                "ASR_ENABLED: whether words are recognised is the description's matter: pipelines/conversation.yaml",
            ),
        ),
        (
            "ASR_ENABLED",
            "0",
            "asr: { enabled: true }",
            Tells("pipelines/speak.yaml has no recogniser"),
        ),
        (
            "ASR_ADAPTER",
            "whisperx",
            "asr: { adapter: whisper }",
            Tells("ASR_ADAPTER: `whisperx`"),
        ),
        (
            "ASR_MODEL_SIZE",
            "tiny",
            "asr: { model_size: small }",
            Tells("ASR_MODEL_SIZE: `tiny`"),
        ),
        (
            "ASR_LANGUAGE",
            "de",
            "asr: { language: en }",
            Overrides("whisperasr", "language", "de"),
        ),
        (
            "ASR_DEVICE",
            "auto",
            "asr: { device: cpu }",
            Overrides("whisperasr", "device", "auto"),
        ),
        (
            "ASR_COMPUTE_TYPE",
            "int8",
            "asr: { compute_type: float16 }",
            Tells("ASR_COMPUTE_TYPE: `int8`"),
        ),
        (
            "OPENAI_API_KEY",
            "k",
            "origins: []",
            Overrides("chatllm", "api-key", "k"),
        ),
        (
            "OPENAI_BASE_URL",
            "http://h/v1",
            "origins: []",
            Overrides("chatllm", "uri", "http://h/v1"),
        ),
        (
            "OPENAI_MODEL",
            "m",
            "origins: []",
            Overrides("chatllm", "model", "m"),
        ),
    ];
    for (name, value, text, does) in table {
        let told = read(text, &[(name, value)]).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        assert!(holds(&told, does), "{name}={value}: {told:#?}");
    }
    // Without a file, too; and every wrong one at once.
    let bad = [
        ("ORCHESTRATOR_WS_PORT", "80"),
        ("ASR_DEVICE", "gpu"),
        ("ASR_ADAPTER", "wisper"),
        ("LOG_LEVEL", "LOUD"),
        ("DUPLEX_SERVE_TOKEN", "a b"),
    ];
    let wrong = read("origins: []\n", &bad).unwrap_err();
    for (name, _) in bad {
        assert!(wrong.contains(name), "{name}: {wrong}");
    }
    assert!(wrong.contains("did you mean `whisper`?"), "{wrong}");
}

#[test]
fn what_is_wrong_is_told_with_its_place_all_at_once() {
    let table: &[(&str, &str)] = &[
        ("lisen: 1", "serve.yaml:1:1: unknown key `lisen`"),
        ("listen: 8080", "`listen`: `8080` is no address with a port"),
        ("description: none.yaml", "there is no description"),
        ("origins: [ page.example ]", "is no origin"),
        ("web: none", "there is no"),
        ("token: \"a b\"", "characters other than"),
        ("tls: maybe", "`tls` is `self-signed`"),
        ("tls: { certificate: none.pem }", "has no `key`"),
        ("limits: { sesions: 1 }", "did you mean `sessions`?"),
        ("limits: { idle: 5 }", "is not a duration"),
        ("webrtc: { ports: 1-2 }", "is no range of ports"),
        ("webrtc: { stun: \"h:1\" }", "does not begin with stun://"),
        ("transport: { websocket: { port: 80 } }", "1024 to 65535"),
        (
            "transport: { websocket: { max_conections: 80 } }",
            "did you mean `max_connections`?",
        ),
        ("transport: { livekit: { room: x } }", "unknown key `room`"),
        (
            "redis: { url: \"http://h\" }",
            "neither with redis:// nor with rediss://",
        ),
        ("redis: { db: 16 }", "0 to 15"),
        (
            "routing: { static_worker_addr: \"\" }",
            "no worker's address",
        ),
        (
            "routing: { static_worker_addr: \"h:1 ! filesink\" }",
            "no worker's address",
        ),
        ("session: { idle_timeout_seconds: 9 }", "10 to 3600"),
        ("session: { max_messages_per_session: 0 }", "1 to 1000"),
        ("vad: { aggressiveness: 4 }", "0 to 3"),
        (
            "vad: { sample_rate: 44100 }",
            "is not one of 8000, 16000, 32000, 48000",
        ),
        ("vad: { noise_gate: { percentile: 1 } }", "0.01 to 0.99"),
        (
            "asr: { language: english }",
            "neither a language's two letters nor auto",
        ),
        (
            "asr: { model_size: huge }",
            "is not one of tiny, base, small, medium, large",
        ),
        ("log_level: LOUD", "is not one of DEBUG"),
        ("graceful_shutdown_timeout_s: 0", "1 to 3600"),
        ("", "is empty; configs/serve.yaml"),
    ];
    for (text, words) in table {
        let wrong = read(text, &[]).expect_err(text);
        assert!(wrong.contains(words), "{text}: {wrong}");
    }
    let all = read(
        "lisen: 1\nlimits: { idle: soon }\nvad: { aggressiveness: 9 }\n",
        &[],
    )
    .unwrap_err();
    for place in ["serve.yaml:1:1:", "serve.yaml:2:17:", "serve.yaml:3:24:"] {
        assert!(all.contains(place), "{place}: {all}");
    }
}

/// The file that the predecessor shipped with all its keys, and what is told of it: once each.
#[test]
fn a_file_of_the_predecessor_is_taken_as_it_is() {
    let text = "transport:
  websocket: { enabled: true, host: 0.0.0.0, port: 8080, max_connections: 100, frame_queue_size: 50 }
  livekit: { enabled: true, url: http://localhost:7880, api_key: devkey, api_secret: secret, room_prefix: tts-session }
redis: { url: redis://localhost:6379, db: 0, worker_key_prefix: \"worker:\", worker_ttl_seconds: 30, connection_pool_size: 10 }
routing: { static_worker_addr: grpc://localhost:7001, prefer_resident_models: true, load_balance_strategy: queue_depth }
session: { idle_timeout_seconds: 300, max_session_duration_seconds: 3600, max_messages_per_session: 100 }
vad:
  enabled: true
  aggressiveness: 1
  sample_rate: 16000
  frame_duration_ms: 20
  min_speech_duration_ms: 80
  min_silence_duration_ms: 300
  state_aware_gating: true
  speaking_threshold_multiplier: 2.5
  listening_threshold_multiplier: 1.0
  barged_in_threshold_multiplier: 1.2
  noise_gate: { enabled: true, window_size: 100, percentile: 0.25, threshold_multiplier: 3.0, min_threshold: 200.0, update_interval_frames: 10 }
asr: { enabled: false, adapter: whisper, model_size: small, language: en, device: cpu, compute_type: float32, model_path: null, buffer_max_duration_s: 30 }
log_level: INFO
graceful_shutdown_timeout_s: 10
";
    let told = read(text, &[]).unwrap();
    assert_eq!(told.config.listen(), "0.0.0.0:8080");
    let mut notices = told.notices.clone();
    notices.sort();
    notices.dedup();
    assert_eq!(
        notices.len(),
        told.notices.len(),
        "told twice: {:#?}",
        told.notices
    );
    assert_eq!(told.notices.len(), 11, "{:#?}", told.notices);
}

#[test]
fn the_configuration_that_we_ship_says_the_defaults() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/serve.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let told = read(&text, &[]).unwrap();
    let default = Told::default();
    assert_eq!(
        format!("{:?}", told.config),
        format!("{:?}", default.config)
    );
    assert_eq!(told.level, default.level);
    assert!(config::is_configuration(path.as_ref()));
    let description = concat!(env!("CARGO_MANIFEST_DIR"), "/../speak.yaml");
    assert!(!config::is_configuration(description.as_ref()));
}
