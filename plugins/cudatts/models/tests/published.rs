// SPDX-License-Identifier: MPL-2.0

//! The published models.

use std::{collections::BTreeMap, path::Path};

use duplex_models::{Catalogue, Digest};
use serde_json::Value;

/// Keys in the order of names, without spaces, nothing where there is nothing: as reference.py writes it.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> =
                map.iter().filter(|(_, value)| !value.is_null()).collect();
            let entries = sorted.iter().map(|(key, value)| {
                format!("{}:{}", Value::String((*key).clone()), canonical(value))
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

/// reference.txt holds, by name, the first half of the SHA-256 of what the reference reads of its own files, defaults put in.
#[test]
fn each_configuration_has_the_values_of_the_reference() {
    let reference = include_str!("reference.txt");
    let expected: BTreeMap<&str, &str> = reference
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    assert_eq!(expected.len(), 27);
    let found: BTreeMap<&str, String> = Catalogue::published()
        .models()
        .iter()
        .map(|model| {
            let value: Value = serde_json::from_str(&model.configuration).unwrap();
            let mut digest = Digest::named(&"0".repeat(64), 0).unwrap();
            digest.update(canonical(&value).as_bytes());
            (model.name.as_str(), digest.finish())
        })
        .collect();
    assert_eq!(found.len(), 27, "each name stands once");
    for (name, expected) in expected {
        let found = found
            .get(name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(&found[..32], expected, "{name}");
    }
}

#[test]
fn each_model_has_its_files_and_voices() {
    for model in Catalogue::published().models() {
        let name = &model.name;
        assert_eq!(model.voices.len(), 27, "{name}");
        assert!(model.voices.contains_key(&model.voice), "{name}");
        assert_eq!(model.licence, "CC-BY-4.0");
        assert_eq!(
            model.weights.repository,
            "kyutai/pocket-tts-without-voice-cloning"
        );
        let cloning = model.cloning_weights.as_ref().unwrap();
        assert_eq!(cloning.repository, "kyutai/pocket-tts");
        assert_eq!(cloning.path, model.weights.path);
        assert!(model.weights.path.contains(&format!("/{name}/")), "{name}");
        let voice = &model.voices[&model.voice];
        assert_eq!(
            voice.path,
            format!("languages/{name}/embeddings/{}.safetensors", model.voice)
        );
        assert!(
            model.parameters > 1_900_000 && model.parameters < 400_000_000,
            "{name}"
        );
    }
    let languages: std::collections::BTreeSet<&str> = Catalogue::published()
        .models()
        .iter()
        .map(|model| model.language.as_str())
        .collect();
    assert_eq!(languages.len(), 7);
}

#[test]
fn names_that_are_near_are_offered() {
    let catalogue = Catalogue::published();
    assert!(catalogue.model("englsh").is_none());
    assert_eq!(catalogue.nearest("englsh"), "; did you mean `english`?");
    assert_eq!(catalogue.nearest("klingon"), "");
}

fn written(text: &str) -> (tempfile::TempDir, Result<Catalogue, String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    std::fs::write(&path, text).unwrap();
    let read = Catalogue::read(Path::new(&path)).map_err(|report| report.to_string());
    (folder, read)
}

const MINE: &str = "\
publisher: Me
licence: CC0-1.0
licence-page: https://example.org/licence
page: https://example.org
configuration:
  narrow: { flow_lm: { transformer: { num_layers: 2 } } }
voices:
  mine: { place: 'hf://me/voices/{model}/{voice}.safetensors@0123456789012345678901234567890123456789', names: [ada, bob] }
models:
  tiny:
    language: en
    parameters: 1000
    configuration: [base, narrow]
    weights: hf://me/models/{model}.safetensors@0123456789012345678901234567890123456789
    tokenizer: hf://me/models/tokenizer.json@0123456789012345678901234567890123456789
    voices: mine
    voice: bob
";

#[test]
fn a_catalogue_of_ones_own_stands_beside_the_published_one() {
    let (_folder, catalogue) = written(MINE);
    let catalogue = catalogue.unwrap();
    assert_eq!(catalogue.models().len(), 28);
    let tiny = catalogue.model("tiny").unwrap();
    assert_eq!(tiny.weights.path, "tiny.safetensors");
    assert_eq!(
        (tiny.cloning_weights.as_ref(), tiny.licence.as_str()),
        (None, "CC0-1.0")
    );
    assert_eq!(tiny.voices["ada"].path, "tiny/ada.safetensors");
    let value: Value = serde_json::from_str(&tiny.configuration).unwrap();
    assert_eq!(value["flow_lm"]["transformer"]["num_layers"], 2);
    assert_eq!(value["flow_lm"]["transformer"]["d_model"], 1024);
}

#[test]
fn what_is_wrong_with_one_is_told_at_its_place() {
    for (right, wrong, told) in [
        (
            "language: en\n",
            "langage: en\n",
            "unknown key `langage` in `tiny`",
        ),
        ("    language: en\n", "", "`tiny` has no `language`"),
        (
            "[base, narrow]",
            "[base, narow]",
            "there is no piece of a configuration `narow`; there are 18m",
        ),
        (
            "voice: bob",
            "voice: bop",
            "there is no voice `bop`; there are ada, bob; did you mean `bob`?",
        ),
        (
            "voices: mine",
            "voices: yours",
            "there is no collection of voices `yours`; there are kyutai, mine",
        ),
        (
            "{model}.safetensors@0123",
            "{model}.safetensors@123",
            "names no commit of forty hexadecimal digits",
        ),
        (
            "names: [ada, bob]",
            "names: [../ada, bob]",
            "`../ada` is no name of a voice",
        ),
        ("  tiny:", "  ../tiny:", "a name is made of letters"),
        ("/{voice}.", "/one.", "`place` has no {voice}"),
    ] {
        let text = MINE.replace(right, wrong);
        assert_ne!(text, MINE, "{right}");
        let (_folder, catalogue) = written(&text);
        let report = catalogue.unwrap_err();
        assert!(report.contains(told), "{told} in {report}");
    }
    assert!(written("").1.unwrap_err().contains("is empty"));
}
