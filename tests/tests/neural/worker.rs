// SPDX-License-Identifier: MPL-2.0

//! `duplex-worker-neural`, and `grpctts` that speaks with it.

use std::{
    cell::{Cell, RefCell},
    process::{Command, Output},
};

use duplex_neural_small::SmallModel;
use duplex_proto::{StartSessionRequest, TextChunk, tts_service_client::TtsServiceClient};
use duplex_tests::{
    plugins,
    speaking::{Out, Rig, samples, utterances, words},
    worker::Worker,
};
use gst::prelude::*;

use crate::{
    RATE, SENTENCE, bus,
    compact::{places, small, speak},
    ended, errors, playing, say, until,
};

fn command(model: &SmallModel, more: &[&str]) -> Command {
    let mut command = Command::new(plugins::built("duplex-worker-neural"));
    command
        .args(["--listen", "127.0.0.1:0", "--model"])
        .arg(model.path())
        .args(more);
    clean(&mut command);
    command
}

/// Without what the environment of whoever runs the tests says.
fn clean(command: &mut Command) {
    for name in ["DEFAULT_MODEL_ID", "DEFAULT_MODEL", "DUPLEX_WORKER_API_KEY"] {
        command.env_remove(name);
    }
}

fn worker(model: &SmallModel, more: &[&str]) -> Worker {
    Worker::of(command(model, more))
}

/// A voice of these workers, in PLAYING.
fn client(uri: &str) -> Rig {
    plugins::init();
    let rig = Rig::new("grpctts");
    rig.element.set_property("uri", uri);
    rig.start();
    rig.begin_bytes();
    rig
}

#[test]
fn a_worker_streams_what_the_element_speaks() {
    let model = SmallModel::new("lsd");
    let worker = worker(&model, &["--seed", "9"]);
    let rig = client(&worker.uri());
    rig.push(SENTENCE.repeat(3)).unwrap();
    let out = rig.drain();
    assert_eq!(utterances(&out).len(), 1);
    let words = words(&out);
    assert_eq!(words.len(), 30);
    assert!(words.iter().all(|word| !word.exact), "{words:?}");
    // In process it sounds the same, sample by sample.
    let near = playing(&model);
    near.element.set_property("seed", 9_u64);
    near.stop();
    near.clear();
    near.start();
    near.begin_bytes();
    near.push(SENTENCE.repeat(3)).unwrap();
    let there = samples(&out);
    let here = samples(&near.drain());
    assert!(there.len() > RATE as usize, "{} samples", there.len());
    assert!(
        there == here,
        "{} samples there, {} here",
        there.len(),
        here.len()
    );
    // Voices are asked for by name.
    let rig = Rig::new("grpctts");
    rig.element.set_property("uri", worker.uri());
    rig.element.set_property("voice", "clara");
    let told = bus(&rig);
    assert!(rig.element.set_state(gst::State::Ready).is_err());
    let errors = errors(&told);
    assert!(
        errors[0].1.contains("`clara`") && errors[0].1.contains("anna, bert"),
        "{errors:?}"
    );
}

#[test]
fn a_worker_that_is_told_no_model_speaks_with_the_one_that_is_built_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.dict");
    std::fs::write(&path, "told g uh d b ay\n").unwrap();
    let of = |more: &[&str]| {
        let mut command = Command::new(plugins::built("duplex-worker-neural"));
        command.args(["--listen", "127.0.0.1:0", "--seed", "9"]);
        clean(command.args(more));
        let worker = Worker::of(command);
        let rig = client(&worker.uri());
        rig.push(SENTENCE).unwrap();
        let out = rig.drain();
        (samples(&out), words(&out))
    };
    let (there, marks) = of(&[]);
    assert_eq!(marks.len(), 10);
    assert!(marks.iter().all(|word| word.exact), "{marks:?}");
    let near = small();
    near.element.set_property("seed", 9_u64);
    assert!(there == speak(&near, SENTENCE).0);
    let (other, _) = of(&["--dictionary", path.to_str().unwrap()]);
    assert!(other != there, "the dictionary was not read");
    let (higher, higher_marks) = of(&["--pitch", "1.3"]);
    assert_eq!(places(&higher, &higher_marks), places(&there, &marks));
    assert!(higher != there);
}

#[test]
fn a_full_worker_refuses_and_a_flush_makes_room() {
    let model = SmallModel::new("pointwise");
    let worker = worker(&model, &["--max-batch", "1"]);
    let first = client(&worker.uri());
    first.credit(Some(1));
    first.push(SENTENCE.repeat(40)).unwrap();
    first.wait_for("the first sound", |out| !samples(out).is_empty());
    let second = client(&worker.uri());
    let told = bus(&second);
    // The text is on its way when the worker says no.
    let _ = second.push(SENTENCE);
    let refusal = RefCell::new(Vec::new());
    until("a refusal", || {
        refusal.borrow_mut().extend(errors(&told));
        !refusal.borrow().is_empty()
    });
    let refusal = refusal.into_inner();
    assert!(
        refusal[0].0.matches(gst::ResourceError::Busy),
        "{refusal:?}"
    );
    assert!(
        refusal[0].1.contains("has no room")
            && refusal[0].1.contains("all of its 1 slots are taken"),
        "{refusal:?}"
    );
    // What the wire says.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let status = runtime.block_on(async {
        let mut client = TtsServiceClient::connect(worker.http()).await.unwrap();
        let start = StartSessionRequest {
            session_id: "third".into(),
            ..StartSessionRequest::default()
        };
        assert!(
            client
                .start_session(start)
                .await
                .unwrap()
                .into_inner()
                .success
        );
        let chunk = TextChunk {
            session_id: "third".into(),
            text: "Hello.".into(),
            is_final: true,
            ..TextChunk::default()
        };
        client
            .synthesize(tokio_stream::once(chunk))
            .await
            .unwrap_err()
    });
    assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
    // Who lets go makes room.
    first.event(gst::event::FlushStart::new());
    first.event(gst::event::FlushStop::new(true));
    until("room", || {
        let third = client(&worker.uri());
        let told = bus(&third);
        let _ = third.push(SENTENCE);
        third.event(gst::event::Eos::new());
        let refused = Cell::new(false);
        until("an end", || {
            refused.set(!errors(&told).is_empty());
            refused.get() || third.out().contains(&Out::Eos)
        });
        !refused.get() && words(&third.out()).len() == 10
    });
}

/// A client opens the next utterance ahead of its time, and has to wait for none but itself.
#[test]
fn one_slot_is_enough_for_one_client() {
    let model = SmallModel::new("lsd");
    let worker = worker(&model, &["--max-batch", "1"]);
    let rig = client(&worker.uri());
    for number in 0..6 {
        say(&rig, &format!("u{number}"), SENTENCE);
    }
    assert_eq!(words(&ended(&rig, 6)).len(), 60);
}

/// A worker that has no session left is passed over.
#[test]
fn another_worker_takes_whom_a_full_one_refuses() {
    let folder = plugins::temporary("neural-worker").unwrap();
    let config = folder.join("worker.yaml");
    std::fs::write(
        &config,
        "worker: { name: small, capabilities: { max_concurrent_sessions: 1 } }\n\
         model_manager: { default_model_id: neural, aliases: { bert: { engine: neural, voice: bert } } }\n",
    )
    .unwrap();
    let model = SmallModel::new("lsd");
    let more = ["--config", config.to_str().unwrap()];
    let (full, free) = (worker(&model, &more), worker(&model, &more));
    let held = client(&full.uri());
    let uri = format!("{},{}", full.uri(), free.uri());
    let rig = client(&uri);
    say(&rig, "u", SENTENCE);
    assert_eq!(words(&ended(&rig, 1)).len(), 10);
    let stats: gst::Structure = rig.element.property("stats");
    assert_eq!(stats.get::<String>("worker").unwrap(), free.uri());
    // Now both are full.
    let last = Rig::new("grpctts");
    last.element.set_property("uri", &uri);
    let told = bus(&last);
    assert!(last.element.set_state(gst::State::Ready).is_err());
    let refusal = errors(&told);
    assert!(
        refusal[0].0.matches(gst::ResourceError::Busy),
        "{refusal:?}"
    );
    for worker in [&full, &free] {
        assert!(
            refusal[0].1.contains(&worker.address.to_string()),
            "{refusal:?}"
        );
    }
    drop(held);
    std::fs::remove_dir_all(folder).unwrap();
}

fn fails(command: &mut Command) -> String {
    let output: Output = command.output().unwrap();
    let told = plugins::told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    told
}

#[test]
fn a_model_that_is_wrong_ends_the_worker_with_a_sentence() {
    let model = SmallModel::new("lsd");
    std::fs::remove_file(model.path().join("tokenizer.json")).unwrap();
    let told = fails(&mut command(&model, &[]));
    assert!(
        told.contains("model `neural` cannot be loaded") && told.contains("has no tokenizer.json"),
        "{told}"
    );
    let model = SmallModel::new("lsd");
    let told = fails(&mut command(
        &model,
        &["--max-batch", "1", "--default-model", "nural"],
    ));
    assert!(
        told.contains("no model `nural`") && told.contains("`neural`"),
        "{told}"
    );
}

#[test]
fn the_licence_is_that_of_what_is_linked() {
    let model = SmallModel::new("lsd");
    let output = command(&model, &["--version"]).output().unwrap();
    let told = plugins::told(&output);
    assert!(output.status.success() && !told.contains("GPL"), "{told}");
    let output = command(&model, &["--help"]).output().unwrap();
    let told = plugins::told(&output);
    for option in [
        "--model",
        "--dictionary",
        "--pitch",
        "--max-batch",
        "--quantization",
        "--config",
        "--listen",
    ] {
        assert!(told.contains(option), "{told}");
    }
}
