// SPDX-License-Identifier: MPL-2.0

//! Words, with a real model that WHISPER_MODEL names, and the ears in front.

#![allow(clippy::print_stdout)] // a test tells what it skips and what it heard

use std::path::{Path, PathBuf};

use gst::prelude::*;

const RECORDINGS: &str = "/usr/share/sounds/alsa";
/// Of eight recordings so many must be right: the smallest models are not better.
const RIGHT: usize = 6;

fn model() -> Option<PathBuf> {
    let model = std::env::var_os("WHISPER_MODEL").filter(|model| !model.is_empty());
    if model.is_none() {
        println!(
            "SKIPPED: WORDS ARE NOT TESTED without a real model: make test WHISPER_MODEL=ggml-base.bin"
        );
    }
    model.map(PathBuf::from)
}

/// The final transcript of a recording.
fn heard(recording: &Path, model: &Path, language: &str) -> gst::Structure {
    let line = format!(
        "filesrc location={} ! wavparse ! vad ! whisperasr name=asr language={language} ! fakesink",
        recording.display()
    );
    let pipeline = gst::parse::launch(&line).unwrap_or_else(|error| {
        panic!("{error}: GST_PLUGIN_PATH has to name the folder of libgstduplexvad.so")
    });
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let asr = pipeline.by_name("asr").unwrap();
    asr.set_property("model", model.to_str().unwrap());
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut last = None;
    for message in bus.iter_timed(gst::ClockTime::from_seconds(300)) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{} {:?}", error.error(), error.debug()),
            gst::MessageView::Element(_) => {
                let structure = message.structure().unwrap();
                if structure.name() == "transcript" && structure.get("final") == Ok(true) {
                    last = Some(structure.to_owned());
                }
            }
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    last.unwrap_or_else(|| panic!("{} has no words", recording.display()))
}

#[test]
fn a_real_model_hears_the_words_of_recordings() {
    let Some(model) = model() else { return };
    gst::init().unwrap();
    gstduplexwhisper::plugin_register_static().unwrap();
    let mut right = 0;
    for place in ["Front", "Rear", "Side"] {
        for side in ["Left", "Right", "Center"] {
            let path = Path::new(RECORDINGS).join(format!("{place}_{side}.wav"));
            if !path.exists() {
                continue;
            }
            let transcript = heard(&path, &model, "en");
            let text: String = transcript.get("text").unwrap();
            let words: Vec<String> = text
                .split_whitespace()
                .map(|word| {
                    word.trim_matches(|c: char| !c.is_alphanumeric())
                        .to_lowercase()
                })
                .collect();
            println!("{place} {side}: {text}");
            let expected = [place.to_lowercase(), side.to_lowercase()];
            if words != expected {
                continue;
            }
            right += 1;
            // The recordings say their two words within a second and a half, with a gap between them.
            let times = transcript.get::<gst::Array>("words").unwrap();
            let times: Vec<(u64, u64)> = times
                .iter()
                .map(|word| word.get::<gst::Structure>().unwrap())
                .map(|word| (word.get("start").unwrap(), word.get("duration").unwrap()))
                .collect();
            let [(first, spoken), (second, last)] = times[..] else {
                panic!("{times:?}");
            };
            assert!(first < 500_000_000, "{times:?}");
            assert!(first + spoken <= second + 50_000_000, "{times:?}");
            assert!((400_000_000..1_500_000_000).contains(&second), "{times:?}");
            assert!(second + last < 2_500_000_000, "{times:?}");
        }
    }
    assert!(right >= RIGHT, "{right} of 8 are right");
}

#[test]
fn a_real_model_finds_the_language_out() {
    let Some(model) = model() else { return };
    gst::init().unwrap();
    let _ = gstduplexwhisper::plugin_register_static();
    let transcript = heard(
        &Path::new(RECORDINGS).join("Front_Center.wav"),
        &model,
        "auto",
    );
    assert_eq!(
        transcript.get::<&str>("language").unwrap(),
        "en",
        "{transcript:?}"
    );
}
