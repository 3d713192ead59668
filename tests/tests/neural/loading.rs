// SPDX-License-Identifier: MPL-2.0

//! A model that loads, and all that may be wrong with one: each gets a sentence to act on.

use std::{fs, path::Path, thread};

use duplex_neural_small::{SmallModel, committed, models::make_weights, shapes};
use duplex_tests::{
    plugins,
    speaking::{Rig, samples, words},
};
use gst::prelude::*;
use serde_json::{Value, json};

use crate::{SENTENCE, bus, errors, playing, voice};

/// What the bus says where the element does not come to READY.
fn refusal(rig: &Rig) -> String {
    let bus = bus(rig);
    assert!(rig.element.set_state(gst::State::Ready).is_err());
    let errors = errors(&bus);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(rig.element.current_state(), gst::State::Null);
    errors[0].1.clone()
}

/// What it says of a model that was spoilt.
fn spoilt(spoil: impl FnOnce(&Path)) -> String {
    let model = SmallModel::new("lsd");
    spoil(model.path());
    let said = refusal(&voice(&model));
    // The folder of this run is no part of what is compared.
    said.replace(
        &model.path().canonicalize().unwrap().display().to_string(),
        "MODEL",
    )
}

fn replaced(path: &Path, what: &str, by: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(what));
    fs::write(path, text.replacen(what, by, 1)).unwrap();
}

#[test]
fn a_folder_that_is_none_or_lacks_a_file_is_named() {
    plugins::init();
    let rig = Rig::new("cudattsynth");
    rig.element.set_property("model", "/nowhere/at-all");
    let said = refusal(&rig);
    assert!(said.contains("/nowhere/at-all"), "{said}");
    for (file, needed) in [
        ("config.yaml", "config.yaml"),
        ("model.safetensors", "model.safetensors"),
        ("tokenizer.json", "tokenizer.json or tokenizer.model"),
    ] {
        let said = spoilt(|folder| fs::remove_file(folder.join(file)).unwrap());
        assert!(said.contains(&format!("MODEL has no {needed}")), "{said}");
    }
    let said = spoilt(|folder| fs::remove_dir_all(folder.join("voices")).unwrap());
    assert!(
        said.contains("MODEL has no voices") && said.contains("NAME.safetensors"),
        "{said}"
    );
}

#[test]
fn a_wrong_configuration_is_told_by_line_and_key() {
    let said = spoilt(|folder| {
        replaced(
            &folder.join("config.yaml"),
            "num_layers: 3",
            "num_layers: many",
        );
    });
    assert!(
        said.contains("config.yaml:") && said.contains("num_layers"),
        "{said}"
    );
    let line = fs::read_to_string(committed().join("lsd/config.yaml"))
        .unwrap()
        .lines()
        .position(|line| line.contains("num_layers: 3"))
        .unwrap();
    assert!(
        said.contains(&format!("config.yaml:{}:", line + 1)),
        "{said}"
    );
    // The configuration of another model.
    let said = spoilt(|folder| {
        replaced(
            &folder.join("config.yaml"),
            "hidden_scale: 2",
            "hidden_scale: 4",
        );
    });
    assert!(
        said.contains("tensor `flow_lm.transformer.layers.0.linear1.weight` has shape [128, 64]")
            && said.contains("needs [256, 64]"),
        "{said}"
    );
}

#[test]
fn weights_that_are_cut_or_spoilt_are_told_so() {
    let cut = |to: u64| {
        spoilt(|folder| {
            let file = fs::File::options()
                .write(true)
                .open(folder.join("model.safetensors"))
                .unwrap();
            file.set_len(to).unwrap();
        })
    };
    let said = cut(500_000);
    assert!(
        said.contains("model.safetensors is cut off: it has 500000 bytes of"),
        "{said}"
    );
    let said = cut(4);
    assert!(said.contains("too short for a header"), "{said}");
    let said = spoilt(|folder| {
        fs::write(folder.join("model.safetensors"), "<html>Not found</html>").unwrap()
    });
    assert!(
        said.contains("model.safetensors is no file of weights"),
        "{said}"
    );
    let others = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut shapes = shapes("lsd");
        change(shapes.as_object_mut().unwrap());
        spoilt(|folder| make_weights(&shapes, &folder.join("model.safetensors")))
    };
    let said = others(&|shapes| {
        shapes.remove("flow_lm.out_norm.bias").unwrap();
    });
    assert!(
        said.contains("no tensor `flow_lm.out_norm.bias` of shape [64]"),
        "{said}"
    );
    let said = others(&|shapes| shapes["flow_lm.input_linear.weight"] = json!([8, 64]));
    assert!(
        said.contains("tensor `flow_lm.input_linear.weight` has shape [8, 64]")
            && said.contains("needs [64, 8]"),
        "{said}"
    );
    let said =
        spoilt(|folder| fs::write(folder.join("voices/anna.safetensors"), [0; 100]).unwrap());
    assert!(said.contains("voices/anna.safetensors"), "{said}");
}

#[test]
fn an_unknown_voice_is_answered_with_those_there_are() {
    let model = SmallModel::new("lsd");
    let rig = voice(&model);
    rig.element.set_property("voice", "anne");
    let said = refusal(&rig);
    assert!(
        said.contains("no voice `anne`") && said.contains("anna, bert") && said.contains("`anna`"),
        "{said}"
    );
    rig.element.set_property("voice", "bert");
    rig.start();
}

#[test]
fn numbers_of_32_bits_speak_too_and_are_another_engine() {
    let model = SmallModel::new("lsd");
    let (quantized, exact) = (voice(&model), voice(&model));
    exact.element.set_property_from_str("quantization", "none");
    let sounds = [&quantized, &exact].map(|rig| {
        rig.element.set_property("seed", 3_u64);
        rig.start();
        rig.begin_bytes();
        rig.push(SENTENCE).unwrap();
        let out = rig.drain();
        assert_eq!(words(&out).len(), 10);
        samples(&out)
    });
    assert!(sounds[0] != sounds[1]);
}

/// PROGRESS messages: their kind, code, text and percent.
fn progress(bus: &gst::Bus) -> Vec<(gst::ProgressType, String, String, i32)> {
    bus.iter_filtered(&[gst::MessageType::Progress])
        .map(|message| {
            let percent = message.structure().unwrap().get("percent").unwrap();
            let gst::MessageView::Progress(progress) = message.view() else {
                unreachable!()
            };
            let (kind, code, text) = progress.get();
            (kind, code.to_owned(), text.to_owned(), percent)
        })
        .collect()
}

#[test]
fn the_bus_hears_how_a_load_goes() {
    use gst::ProgressType::{Complete, Continue, Error, Start};
    let model = SmallModel::new("pointwise");
    let rig = voice(&model);
    let told = bus(&rig);
    rig.element.set_state(gst::State::Ready).unwrap();
    let heard = progress(&told);
    let kinds: Vec<_> = heard.iter().map(|(kind, ..)| *kind).collect();
    let (first, rest) = kinds.split_first().unwrap();
    let (last, between) = rest.split_last().unwrap();
    assert_eq!((*first, *last), (Start, Complete), "{heard:?}");
    assert!(
        between.len() > 10 && between.iter().all(|kind| *kind == Continue),
        "{heard:?}"
    );
    assert!(
        heard.iter().all(|(_, code, ..)| code == "load"),
        "{heard:?}"
    );
    assert!(heard[0].2.starts_with("reading /"), "{heard:?}");
    assert!(
        heard.is_sorted_by_key(|(.., percent)| *percent),
        "{heard:?}"
    );
    assert_eq!((heard[0].3, heard.last().unwrap().3), (0, 100));
    // What is loaded already takes no time.
    let second = voice(&model);
    let told = bus(&second);
    second.element.set_state(gst::State::Ready).unwrap();
    assert_eq!(progress(&told), []);
    // A load that fails ends, too.
    let broken = SmallModel::new("pointwise");
    fs::write(broken.path().join("model.safetensors"), "").unwrap();
    let rig = voice(&broken);
    let told = bus(&rig);
    assert!(rig.element.set_state(gst::State::Ready).is_err());
    let heard = progress(&told);
    assert_eq!(
        (heard[0].0, heard.last().unwrap().0),
        (Start, Error),
        "{heard:?}"
    );
}

#[test]
fn elements_that_start_at_once_load_once_and_all_hear_of_it() {
    let model = SmallModel::new("lsd");
    let rigs: Vec<Rig> = (0..6).map(|_| voice(&model)).collect();
    let told: Vec<gst::Bus> = rigs.iter().map(bus).collect();
    thread::scope(|scope| {
        for rig in &rigs {
            scope.spawn(move || rig.element.set_state(gst::State::Ready).unwrap());
        }
    });
    for bus in told {
        let heard = progress(&bus);
        // Whoever comes when all is over hears nothing.
        if let Some((kind, .., percent)) = heard.last() {
            assert_eq!(
                (*kind, *percent),
                (gst::ProgressType::Complete, 100),
                "{heard:?}"
            );
        }
    }
    for rig in rigs {
        rig.start();
        rig.begin_bytes();
        rig.push(SENTENCE).unwrap();
        assert_eq!(words(&rig.drain()).len(), 10);
    }
}

#[test]
fn a_batch_that_no_memory_holds_is_refused_with_a_sentence() {
    let model = SmallModel::new("lsd");
    // A line as people type it, in a process that may not have more than so much.
    let launch = |kib: u64, more: &str| {
        let line = format!(
            "ulimit -v {kib}; exec gst-launch-1.0 -q filesrc location={}/config.yaml ! text/x-raw,format=utf8 ! \
             cudattsynth model={} {more} ! fakesink num-buffers=1",
            model.path().display(),
            model.path().display()
        );
        plugins::command("sh").args(["-c", &line]).output().unwrap()
    };
    let gib = 1024 * 1024;
    let output = launch(gib * 3 / 2, "");
    assert!(output.status.success(), "{}", plugins::told(&output));
    let output = launch(gib * 3 / 2, "max-batch=4096");
    let told = plugins::told(&output);
    // It has ended by itself, not by a signal.
    assert!(
        !output.status.success() && output.status.code().is_some(),
        "{told}"
    );
    assert!(
        told.contains("4096 utterances at once would take up to")
            && told.contains("lower max-batch"),
        "{told}"
    );
}

#[test]
fn a_model_that_no_memory_holds_is_refused_with_a_sentence() {
    let model = SmallModel::new("lsd");
    // A table of tokens of 64 GB: a hole in the file, which takes no room on the disk.
    let weights = model.path().join("model.safetensors");
    let mut header = serde_json::Map::new();
    let mut at = 0;
    for (name, shape) in shapes("lsd").as_object().unwrap() {
        let mut shape: Vec<u64> = serde_json::from_value(shape.clone()).unwrap();
        if name == "flow_lm.conditioner.embed.weight" {
            shape[0] = 250_000_000;
        }
        let bytes = shape.iter().product::<u64>() * 4;
        let tensor = json!({"dtype": "F32", "shape": shape, "data_offsets": [at, at + bytes]});
        header.insert(name.clone(), tensor);
        at += bytes;
    }
    let mut bytes = Vec::new();
    let header = serde_json::to_vec(&header).unwrap();
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&header);
    fs::write(&weights, &bytes).unwrap();
    let file = fs::File::options().write(true).open(&weights).unwrap();
    file.set_len(bytes.len() as u64 + at).unwrap();
    let said = refusal(&voice(&model));
    assert!(
        said.contains("model.safetensors takes 192.") && said.contains("GB of memory"),
        "{said}"
    );
    drop(playing(&SmallModel::new("lsd")));
}
