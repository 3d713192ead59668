// SPDX-License-Identifier: MPL-2.0

//! Everything that is wrong, where it stands, in the words that people read.

use super::rig::{Folder, LEAST, Worker, command, run, text};

/// What the program says of a file with this text; it ends with status 1 and has listened nowhere.
fn told(folder: &Folder, yaml: &str) -> String {
    folder.write("w.yaml", yaml);
    let output = run(&mut command(
        folder,
        &["--config", "w.yaml", "--listen", "127.0.0.1:0"],
    ));
    assert_eq!(output.status.code(), Some(1), "{yaml}: {output:?}");
    assert_eq!(text(&output.stdout), "", "{yaml}");
    text(&output.stderr)
}

/// The lines with places, without those that show the text.
fn sentences(told: &str) -> Vec<&str> {
    told.lines()
        .filter(|line| line.starts_with("w.yaml"))
        .collect()
}

#[test]
fn each_broken_configuration_is_told_where_it_is_broken() {
    let folder = Folder::new();
    folder.write("no.pem", "hello\n");
    let whole = [
        (
            "",
            "w.yaml: is empty; configs/worker.yaml is one to start from",
        ),
        (
            "- a\n",
            "w.yaml:1:1: a configuration is a mapping of names to values, not a list",
        ),
        (
            "worker: {name: a}\n",
            "w.yaml:1:1: a configuration has no `model_manager`",
        ),
        (
            "worker: {}\nmodel_manager: {default_model_id: tone}\n",
            "w.yaml:1:9: `worker` has no `name`",
        ),
        (
            "worker: {name: a}\nmodel_manager: {resident_cap: 2}\n",
            "w.yaml:2:16: `model_manager` has no `default_model_id`",
        ),
        (
            "worker: {name: a}\nmodel_manager: {default_model_id: tine}\n",
            "w.yaml:2:35: `default_model_id`: no model `tine`: this worker has espeak, tone, piper-en-us-lessac-medium, \
             and what model_manager.aliases names; did you mean `tone`?",
        ),
        (
            "worker: {name: a, nmae: b}\nmodel_manager: {default_model_id: tone}\n",
            "w.yaml:1:19: unknown key `nmae` in `worker`, which has name, grpc_host, grpc_port, capabilities; \
             did you mean `name`?",
        ),
        (
            "worker: {name: \"\"}\nmodel_manager: {default_model_id: tone}\n",
            "w.yaml:1:16: `name`: a name has 1 to 100 characters, not 0",
        ),
        (
            "worker: {name: a, grpc_port: 80}\nmodel_manager: {default_model_id: tone}\n",
            "w.yaml:1:30: `grpc_port`: `80` is out of range: 1024 to 65535",
        ),
        (
            "worker: {name: a, grpc_host: \"0.0.0.0:7001\"}\nmodel_manager: {default_model_id: tone}\n",
            "w.yaml:1:30: `grpc_host`: `0.0.0.0:7001` is neither an address nor the name of a host; \
             the port stands in grpc_port",
        ),
        (
            "worker: {name: a, capabilities: {languages: []}}\nmodel_manager: {default_model_id: tone}\n",
            "w.yaml:1:45: `languages` is empty; it names one at least",
        ),
        (
            "worker: {name: a, capabilities: {max_concurrent_sessions: 0}}\nmodel_manager: {default_model_id: tone}\n",
            "w.yaml:1:59: `max_concurrent_sessions`: `0` is out of range: 1 to 2147483647",
        ),
        (
            "worker: {name: \"${nmae}\"}\nmodel_manager: {default_model_id: tone}\n",
            "w.yaml:1:17: there are no parameters here; write `${ENV:-default}` or `${ENV:?message}`",
        ),
        (
            "worker: {name: a}\nmodel_manager: {default_model_id: tone, aliases: {x: {engine: ton}}}\n",
            "w.yaml:2:63: `engine`: `ton` is not one of espeak, tone; did you mean `tone`?",
        ),
        (
            "worker: {name: a}\nmodel_manager: {default_model_id: tone, aliases: {tone: {engine: espeak}}}\n",
            "w.yaml:2:51: `tone` is an engine of this worker; choose another name",
        ),
    ];
    // Each of these stands below what a configuration has to have, in line 3.
    let added = [
        (
            "wroker: {}",
            "3:1: unknown key `wroker` in a configuration, which has worker, model_manager, session, \
             graceful_shutdown_timeout_s, tls, api_key, logging, audio, redis, metrics; did you mean `worker`?",
        ),
        (
            "api_key: \"\"",
            "3:10: `api_key`: the key is empty; leave it out to serve without a key",
        ),
        (
            "api_key: a b",
            "3:10: `api_key`: the key has characters other than letters, digits and signs of ASCII; \
             leave it out to serve without a key",
        ),
        (
            "api_key: ${DUPLEX_NONE:?set it}",
            "3:10: the environment variable DUPLEX_NONE is not set: set it",
        ),
        ("tls: {certificate: no.pem}", "3:6: `tls` has no `key`"),
        (
            "tls: {key: none.pem, certificate: none.pem}",
            "3:12: `key`: none.pem: there is no such file",
        ),
        (
            "tls: {key: no.pem, certificate: no.pem}",
            "3:12: `key`: no.pem holds no private key in PEM, which begins with -----BEGIN",
        ),
        (
            "graceful_shutdown_timeout_s: 0",
            "3:30: `graceful_shutdown_timeout_s`: `0` is out of range: 1 to 3600",
        ),
        (
            "session: {idle_timeout_seconds: 5}",
            "3:33: `idle_timeout_seconds`: `5` is out of range: 10 to 86400",
        ),
        (
            "audio: {output_sample_rate: 16000}",
            "3:29: `output_sample_rate`: 16000 is not 48000, which clients get \
             unless they ask for something else (TextChunk.sample_rate)",
        ),
        (
            "audio: {frame_duration_ms: 10}",
            "3:28: `frame_duration_ms`: 10 is not 20, which clients get \
             unless they ask for something else (TextChunk.piece_ms)",
        ),
        (
            "audio: {loudness_target_lufs: -9}",
            "3:31: `loudness_target_lufs`: `-9` is out of range: -23 to -12",
        ),
        (
            "redis: {url: \"http://r\"}",
            "3:14: `url`: `http://r` begins neither with redis:// nor with rediss://",
        ),
        (
            "redis: {heartbeat_interval_seconds: 301}",
            "3:37: `heartbeat_interval_seconds`: `301` is out of range: 1 to 300",
        ),
        (
            "redis: {registration_ttl_seconds: 4}",
            "3:35: `registration_ttl_seconds`: `4` is out of range: 5 to 3600",
        ),
        (
            "metrics: {enabled: yes}",
            "3:20: `enabled`: `yes` is not a boolean; write true or false",
        ),
        (
            "logging: {level: INFOO}",
            "3:18: `level`: `INFOO` is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL; \
             did you mean `INFO`?",
        ),
        (
            "logging: {format: jsno}",
            "3:19: `format`: `jsno` is not one of json, text; did you mean `json`?",
        ),
        (
            "logging: [",
            "4:1: this is not YAML: while parsing a node, did not find expected node content",
        ),
    ];
    let whole = whole.map(|(yaml, expected)| (yaml.to_owned(), expected.to_owned()));
    let added =
        added.map(|(line, expected)| (format!("{LEAST}{line}\n"), format!("w.yaml:{expected}")));
    for (yaml, expected) in whole.into_iter().chain(added) {
        let told = told(&folder, &yaml);
        assert_eq!(sentences(&told).first(), Some(&expected.as_str()), "{yaml}");
    }
}

#[test]
fn all_problems_are_told_at_once_each_with_its_line() {
    let folder = Folder::new();
    let told = told(
        &folder,
        "worker:\n  grpc_port: 80\nmodel_manager:\n  default_model_id: tine\n  ttl_ms: 0\nfoo: 1\n",
    );
    let places: Vec<&str> = sentences(&told)
        .iter()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "w.yaml:2:3",
            "w.yaml:2:14",
            "w.yaml:4:21",
            "w.yaml:5:11",
            "w.yaml:6:1"
        ]
    );
    assert!(
        told.contains("    2 |   grpc_port: 80\n      |              ^^\n"),
        "{told}"
    );
}

#[test]
fn voices_that_an_engine_lacks_are_told_before_anything_starts() {
    let folder = Folder::new();
    let told = told(
        &folder,
        "worker: {name: a}\nmodel_manager:\n  default_model_id: tone\n  aliases: {old: {engine: espeak, voice: xx-nobody}}\n",
    );
    assert!(
        told.starts_with(
            "w.yaml:4:42: the alias `old`: no voice `xx-nobody`: the nearest voices are "
        ),
        "{told}"
    );
}

/// One sentence on standard error, status 1, nothing on standard output.
#[test]
fn what_else_is_wrong_is_one_sentence() {
    let folder = Folder::new();
    folder.write("least.yaml", LEAST);
    let other = Worker::start(&folder, &["--model", "tone"]);
    let taken = other.address.to_string();
    let in_use = format!(
        "duplex-worker: {taken} is in use by another program; stop that, or choose another port with --listen 127.0.0.1:0\n"
    );
    let known = "this worker has espeak, tone, piper-en-us-lessac-medium, and what model_manager.aliases names";
    type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], String);
    let table: [Row; 8] = [
        (&["--model", "tone", "--listen", &taken], &[], in_use),
        (
            &["--config", "none.yaml"],
            &[],
            "none.yaml: there is no such file\n".into(),
        ),
        (
            &["--config", "."],
            &[],
            ".: is a directory; name a .yaml file inside it\n".into(),
        ),
        (
            &["--model", "tine"],
            &[],
            format!("duplex-worker: --model: no model `tine`: {known}; did you mean `tone`?\n"),
        ),
        (
            &["--preload", "tone", "nothing"],
            &[],
            format!("duplex-worker: --preload: no model `nothing`: {known}\n"),
        ),
        (
            &["--config", "least.yaml"],
            &[("DEFAULT_MODEL", "espaek")],
            format!("duplex-worker: DEFAULT_MODEL: no model `espaek`: {known}; did you mean `espeak`?\n"),
        ),
        (
            &["--config", "least.yaml"],
            &[("DUPLEX_WORKER_API_KEY", "")],
            "duplex-worker: DUPLEX_WORKER_API_KEY: the key is empty; unset it to serve without a key\n".into(),
        ),
        (
            &["--model", "tone", "--listen", "nobody.invalid:0"],
            &[],
            "duplex-worker: `nobody.invalid` is the name of no machine; listen on 127.0.0.1 for this machine alone, \
             or 0.0.0.0 for all\n"
                .into(),
        ),
    ];
    for (arguments, environment, expected) in table {
        let output = run(command(&folder, arguments).envs(environment.iter().copied()));
        assert_eq!(text(&output.stderr), expected, "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
}
