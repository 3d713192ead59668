// SPDX-License-Identifier: MPL-2.0

//! From a hub into `cudattsynth`: a small model with made-up weights is published, fetched, and speaks by its name.

// Each file has a use for a part of these.
#[allow(dead_code)]
#[path = "../../pipelines/runner/tests/model/hub.rs"]
mod hub;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use duplex_neural_small as small;
use duplex_tests::plugins;
use hub::{COMMIT, Hub, REPOSITORY};

/// The configuration of the small model as a piece of a catalogue, and the rest of that.
fn catalogue(small: &Path) -> String {
    let configuration = fs::read_to_string(small.join("config.yaml")).unwrap();
    let lines = configuration.lines();
    // Where the tokenizer is, the catalogue says below.
    let piece = lines
        .filter(|line| !line.contains("tokenizer_path"))
        .map(|line| format!("    {line}\n"));
    let place = |path: &str| format!("'hf://{REPOSITORY}/{{model}}/{path}@{COMMIT}'");
    format!(
        "publisher: Nobody\nlicence: CC0-1.0\nlicence-page: https://example.org/cc0\npage: https://example.org\n\
         configuration:\n  small:\n{}voices:\n  nobody:\n    place: {}\n    names: [anna]\nmodels:\n  small-talk:\n    \
         language: en\n    parameters: 400000\n    configuration: [small]\n    weights: {}\n    tokenizer: {}\n    \
         voices: nobody\n    voice: anna\n",
        piece.collect::<String>(),
        place("embeddings/{voice}.safetensors"),
        place("model.safetensors"),
        place("tokenizer.json"),
    )
}

struct Person {
    hub: Hub,
    home: PathBuf,
}

impl Person {
    fn new() -> Person {
        let home = plugins::temporary("models").unwrap();
        let small = plugins::source().join("plugins/cudatts/engine/tests/parity/small/lsd");
        fs::write(home.join("catalogue.yaml"), catalogue(&small)).unwrap();
        let shapes = fs::read(small.join("shapes.json")).unwrap();
        let made = home.join("made.safetensors");
        small::models::make_weights(&serde_json::from_slice(&shapes).unwrap(), &made);
        let hub = Hub::start();
        for (path, from) in [
            ("model.safetensors", made),
            ("tokenizer.json", small.join("tokenizer.json")),
            (
                "embeddings/anna.safetensors",
                small.join("voice.safetensors"),
            ),
        ] {
            hub.publish(&format!("small-talk/{path}"), fs::read(from).unwrap());
        }
        Person { hub, home }
    }

    fn types(&self, command: &mut Command) -> Output {
        command
            .current_dir(&self.home)
            .env("HOME", &self.home)
            .env("HF_HUB_CACHE", self.home.join("hub"))
            .env("HF_ENDPOINT", &self.hub.endpoint)
            .env("DUPLEX_CATALOGUE", self.home.join("catalogue.yaml"))
            .env_remove("HF_HUB_OFFLINE")
            .output()
            .unwrap()
    }

    fn speaks(&self, model: &str) -> Output {
        fs::write(self.home.join("story.txt"), "Hello there.").unwrap();
        let line = format!(
            "filesrc location=story.txt ! text/x-raw,format=utf8 ! cudattsynth model={model} ! wavenc ! filesink location=said.wav"
        );
        self.types(plugins::command("gst-launch-1.0").args(line.split(' ')))
    }

    fn fetches(&self) {
        let mut duplex = plugins::command(plugins::built("duplex"));
        let output = self.types(duplex.args(["model", "fetch", "small-talk", "--accept-licence"]));
        assert!(output.status.success(), "{}", plugins::told(&output));
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.home);
    }
}

#[test]
fn what_was_fetched_speaks_by_its_name() {
    let person = Person::new();
    let output = person.speaks("small-talk");
    assert!(!output.status.success());
    let told = plugins::told(&output);
    let sentence = "the model `small-talk` is not in ";
    assert!(told.contains(sentence), "{told}");
    let remedy = "fetch it with: duplex model fetch small-talk";
    assert!(told.contains(remedy), "{told}");
    assert!(
        person.hub.asked().is_empty(),
        "an element downloads nothing"
    );

    person.fetches();
    let before = person.hub.asked().len();
    let output = person.speaks("small-talk");
    assert!(output.status.success(), "{}", plugins::told(&output));
    let said = hound::WavReader::open(person.home.join("said.wav")).unwrap();
    assert_eq!(said.spec().sample_rate, 24_000);
    let seconds = said.duration() as f64 / 24_000.0;
    // Made-up weights say nothing, and for as long as a text of this length may take.
    assert!(seconds > 0.4 && seconds < 10.0, "{seconds} s");
    assert_eq!(person.hub.asked().len(), before);
}

#[test]
fn a_name_that_is_none_is_told_with_the_nearest() {
    let person = Person::new();
    for (name, sentence) in [
        (
            "small-tlak",
            "`small-tlak` is neither a folder nor a published model; did you mean `small-talk`?",
        ),
        (
            "englsh",
            "`englsh` is neither a folder nor a published model; did you mean `english`?",
        ),
        ("./english", "./english is no folder with a model"),
    ] {
        let output = person.speaks(name);
        assert!(!output.status.success());
        let told = plugins::told(&output);
        assert!(told.contains(sentence), "{told}");
    }
    fs::write(person.home.join("catalogue.yaml"), "models: 3\n").unwrap();
    let told = plugins::told(&person.speaks("english"));
    assert!(told.contains("catalogue.yaml:1:"), "{told}");
}
