// SPDX-License-Identifier: MPL-2.0

//! What counts where several say it, and files of the system that came before.

use std::fs;

use duplex_proto::ListModelsRequest;

use super::rig::{Folder, Worker, command, open, run, speak, text};

/// A file of that system, every key that it had.
const OLD: &str = "\
worker:
  name: \"tts-worker-0\"
  grpc_host: \"0.0.0.0\"
  grpc_port: 7002
  capabilities:
    streaming: true
    zero_shot: true
    lora: false
    cpu_ok: false
    languages: [\"en\", \"zh\"]
    emotive_zero_prompt: true
    max_concurrent_sessions: 3
model_manager:
  default_model_id: \"cosyvoice2-en-base\"
  preload_model_ids: [\"piper-de-thorsten-medium\"]
  ttl_ms: 600000
  min_residency_ms: 120000
  evict_check_interval_ms: 30000
  resident_cap: 3
  max_parallel_loads: 1
  warmup_enabled: true
  warmup_text: \"This is a warmup test.\"
audio:
  output_sample_rate: 48000
  frame_duration_ms: 20
  loudness_target_lufs: -16.0
  normalization_enabled: true
redis:
  url: \"redis://localhost:6379\"
  registration_ttl_seconds: 30
  heartbeat_interval_seconds: 10
metrics:
  enabled: true
  prometheus_port: 9090
  track_latency: true
  track_rtf: true
  track_queue_depth: true
logging:
  level: \"INFO\"
  format: \"text\"
  include_session_id: true
";

#[tokio::test]
async fn a_file_of_the_old_system_serves_its_clients() {
    let folder = Folder::new();
    folder.write("old.yaml", OLD);
    let mut old = command(
        &folder,
        &[
            "--config",
            "old.yaml",
            "--port",
            "0",
            "--adapter",
            "cosyvoice2",
        ],
    );
    old.env("ADAPTER_TYPE", "piper");
    let worker = Worker::spawn(old);
    assert!(worker.address.ip().is_unspecified(), "{}", worker.address);

    // Old orchestrators ask for this one, whatever there is.
    let mut client = worker.client().await;
    for (session, model) in [
        ("a", ""),
        ("b", "piper-en-us-lessac-medium"),
        ("c", "piper-de-thorsten-medium"),
    ] {
        let reply = open(&mut client, session, model).await.unwrap();
        assert!(reply.success, "{model}: {}", reply.message);
        assert!(speak(&mut client, session, "Hello.").await.unwrap() > 4_800);
    }
    // max_concurrent_sessions is more than an advertisement.
    let refused = open(&mut client, "d", "").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(refused.message().contains("has 3 sessions"), "{refused}");

    let models = client.list_models(ListModelsRequest {}).await.unwrap();
    let german = models
        .into_inner()
        .models
        .into_iter()
        .find(|model| model.model_id == "piper-de-thorsten-medium");
    let german = german.unwrap();
    assert_eq!(
        (german.family.as_str(), german.languages),
        ("espeak", vec!["de".to_owned()])
    );

    worker.logs("anybody").await;
    let log = worker.log();
    let warnings: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once(" WARN ").map(|(_, sentence)| sentence))
        .collect();
    let port = worker.address.port();
    assert_eq!(
        warnings,
        [
            "old.yaml:6:16: streaming, zero_shot, lora, cpu_ok, languages, emotive_zero_prompt of worker.capabilities \
             have no effect: a worker tells what its voices can do",
            "old.yaml:14:21: default_model_id: `cosyvoice2-en-base` is spoken by espeak here; \
             model_manager.aliases gives it another voice",
            "old.yaml:15:23: preload_model_ids: `piper-de-thorsten-medium` is spoken by espeak here; \
             model_manager.aliases gives it another voice",
            "old.yaml:26:25: loudness_target_lufs and normalization_enabled of audio have no effect yet: \
             each voice keeps its own loudness",
            "old.yaml:29:3: redis has no effect yet: workers will register there in a later version; \
             name this one to its orchestrator (routing.static_worker_addr)",
            "old.yaml:33:3: metrics has no effect yet: all figures are measured, and GetCapabilities tells them; \
             a port for Prometheus comes in a later version",
            "--adapter cosyvoice2 has no effect: the model chooses its engine (--model, model_manager.aliases)",
            "ADAPTER_TYPE piper has no effect: the model chooses its engine (--model, model_manager.aliases)",
            &format!(
                "anybody who reaches 0.0.0.0:{port} can use this worker: set api_key or DUPLEX_WORKER_API_KEY, \
                 or listen on 127.0.0.1"
            ),
        ],
    );
}

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let folder = Folder::new();
    let aliases = "worker: {name: w, grpc_host: localhost, grpc_port: 7100}\n\
        model_manager:\n  default_model_id: ${DUPLEX_MODEL:-in-file}\n  aliases:\n    \
        in-file: {engine: tone}\n    by-id: {engine: tone}\n    by-name: {engine: tone}\n    by-hand: {engine: tone}\n    \
        put-in: {engine: tone}\n";
    folder.write("w.yaml", aliases);
    type Row = (
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
        &'static str,
        &'static str,
    );
    const FILE: &[&str] = &["--config", "w.yaml"];
    let table: [Row; 11] = [
        (&[], &[], "127.0.0.1:7001", "espeak"),
        (FILE, &[], "localhost:7100", "in-file"),
        (
            FILE,
            &[("DUPLEX_MODEL", "put-in")],
            "localhost:7100",
            "put-in",
        ),
        (
            FILE,
            &[("DEFAULT_MODEL", "by-name")],
            "localhost:7100",
            "by-name",
        ),
        (
            FILE,
            &[("DEFAULT_MODEL", "by-name"), ("DEFAULT_MODEL_ID", "by-id")],
            "localhost:7100",
            "by-id",
        ),
        (FILE, &[("DEFAULT_MODEL", "")], "localhost:7100", "in-file"),
        (
            &["--config", "w.yaml", "--model", "by-hand"],
            &[("DEFAULT_MODEL", "by-name"), ("DEFAULT_MODEL_ID", "by-id")],
            "localhost:7100",
            "by-hand",
        ),
        (
            &["--config", "w.yaml", "--default-model", "by-hand"],
            &[],
            "localhost:7100",
            "by-hand",
        ),
        (
            &["--config", "w.yaml", "--port", "7200"],
            &[],
            "localhost:7200",
            "in-file",
        ),
        (
            &["--config", "w.yaml", "--listen", "[::1]:0"],
            &[],
            "[::1]:0",
            "in-file",
        ),
        (&["--model", "tone"], &[], "127.0.0.1:7001", "tone"),
    ];
    for (arguments, environment, listen, model) in table {
        let mut check = command(&folder, arguments);
        check.arg("--check").env_remove("DUPLEX_MODEL");
        let output = run(check.envs(environment.iter().copied()));
        let name = if arguments.contains(&"--config") {
            "w"
        } else {
            "duplex-worker"
        };
        assert_eq!(
            text(&output.stdout),
            format!(
                "the configuration is good: {name} would listen on {listen} and speak with {model}\n"
            ),
            "{arguments:?} {environment:?}: {output:?}"
        );
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert!(output.status.success());
    }
}

/// What was loaded at the start, and how much is said of it.
#[tokio::test]
async fn models_of_the_command_line_are_loaded_in_place_of_those_of_the_file() {
    let folder = Folder::new();
    folder.write(
        "w.yaml",
        "worker: {name: w}\nmodel_manager: {default_model_id: tone, preload_model_ids: [a], aliases: {a: {engine: tone}, b: {engine: tone}}}\n\
         logging: {level: INFO}\n",
    );
    for (arguments, loaded) in [
        (&["--config", "w.yaml"][..], ["a", "tone"]),
        (
            &[
                "--config",
                "w.yaml",
                "--preload",
                "b",
                "--log-level",
                "error",
            ],
            ["b", "tone"],
        ),
    ] {
        let mut worker = Worker::start(&folder, arguments);
        let reply = worker
            .client()
            .await
            .list_models(ListModelsRequest {})
            .await
            .unwrap();
        let models = reply
            .into_inner()
            .models
            .into_iter()
            .filter(|model| model.is_loaded);
        let ids: Vec<String> = models.map(|model| model.model_id).collect();
        assert_eq!(ids, loaded);
        worker.signal("TERM");
        let (_, log) = worker.ended();
        let is_quiet = arguments.contains(&"error");
        assert_eq!(log.contains("serving"), !is_quiet, "{log}");
    }
}

#[test]
fn the_configuration_that_is_installed_is_good_and_tells_of_every_key() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../configs/worker.yaml");
    let folder = Folder::new();
    let output = run(&mut command(&folder, &["--config", shipped, "--check"]));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        text(&output.stderr),
        "",
        "it is to have no effect on nothing"
    );

    // Where one is wrong all are named.
    let wrong = format!(
        "x: 1\nworker: {{name: a, x: 1, capabilities: {{x: 1}}}}\nmodel_manager: {{default_model_id: tone, x: 1, \
         aliases: {{a: {{x: 1}}}}}}\n{}",
        ["session", "tls", "logging", "audio", "redis", "metrics"]
            .map(|section| format!("{section}: {{x: 1}}\n"))
            .concat()
    );
    folder.write("wrong.yaml", wrong);
    let output = run(&mut command(&folder, &["--config", "wrong.yaml"]));
    let told = text(&output.stderr);
    let lists: Vec<&str> = told
        .lines()
        .filter_map(|line| line.split_once(", which has "))
        .map(|(_, keys)| keys)
        .collect();
    assert_eq!(lists.len(), 11, "{told}");
    let text = fs::read_to_string(shipped).unwrap();
    for key in lists.iter().flat_map(|keys| keys.split(", ")) {
        assert!(
            text.contains(&format!("{key}:")),
            "configs/worker.yaml does not tell of {key}"
        );
    }
}

#[test]
fn the_version_names_the_licences() {
    let output = run(&mut command(&Folder::new(), &["--version"]));
    let told = text(&output.stdout);
    for part in ["duplex-worker ", "GPL-3.0-or-later", "eSpeak NG", "MPL-2.0"] {
        assert!(told.contains(part), "{told}");
    }
}
