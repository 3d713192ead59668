// SPDX-License-Identifier: MPL-2.0

//! What is reported as heard is what left, decoded from the sound itself.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use duplex_synthesis::tone;
use duplex_tests::random::Random;
use gst::prelude::*;

use crate::line::Line;

type Samples = Arc<Mutex<Vec<i16>>>;

fn recorded(line: &Line) -> Samples {
    let all = Samples::default();
    // The mouth takes its sink in from NULL to READY.
    line.pipeline.set_state(gst::State::Ready).unwrap();
    let sink = line.pipeline.by_name("out").unwrap();
    let sink = sink.downcast::<gst_app::AppSink>().unwrap();
    let heard = all.clone();
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let map = sample.buffer().unwrap().map_readable().unwrap();
                let mut heard = heard.lock().unwrap();
                heard.extend(
                    map.chunks_exact(2)
                        .map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])),
                );
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    all
}

const RATE: u32 = 24_000;

fn line() -> Line {
    Line::new(&format!(
        "ttssink name=mouth synthesizer=\"tonetts sample-rate={RATE}\" \
         audio-sink=\"capsfilter caps=audio/x-raw,rate={RATE},channels=1,format=S16LE ! appsink name=out sync=true\""
    ))
}

/// How much of each word of the text sounds, 0 to 1, told by its pitch alone.
fn sounding(samples: &[i16], words: &[String]) -> Vec<f64> {
    let window = (RATE / 200) as usize; // 5 ms
    let mut found = vec![0.0; words.len()];
    let mut at = 0;
    for chunk in samples.chunks_exact(window) {
        // The words come in order: a pitch belongs to this word, or to the next that has it.
        if let Some(class) = tone::word_at(chunk, RATE) {
            while at < words.len() && at % tone::PITCHES != class {
                at += 1;
            }
            if let Some(found) = found.get_mut(at) {
                *found += window as f64;
            }
        }
    }
    for (found, word) in found.iter_mut().zip(words) {
        *found /= tone::samples_of(word, 1.0, RATE) as f64;
    }
    found
}

#[test]
fn heard_words_are_exact_at_random_cuts() {
    let words: Vec<String> = [
        "to", "be", "or", "not", "that", "is", "the", "question", "whether", "it",
    ]
    .iter()
    .cycle()
    .take(30)
    .map(|word| (*word).to_owned())
    .collect();
    let text = words.join(" ");
    let mut random = Random::new(7);
    let mut line = line();
    let samples = recorded(&line);
    line.play();
    for cut in 0..40 {
        samples.lock().unwrap().clear();
        let id = line.say(&text).unwrap();
        let begun = line.expect("ttssink/utterance-started");
        assert_eq!(begun.get::<String>("utterance-id").unwrap(), id);
        std::thread::sleep(Duration::from_millis(random.below(1500) as u64));
        line.act("interrupt");
        let told = line.expect("ttssink/interrupted");
        assert_eq!(told.get::<String>("utterance-id").unwrap(), id);
        // What left is in the appsink once its latency has passed.
        std::thread::sleep(Duration::from_millis(80));
        let left = samples.lock().unwrap().clone();
        let sounding = sounding(&left, &words);
        let heard: Vec<&str> = told
            .get::<&str>("heard-text")
            .unwrap()
            .split_whitespace()
            .collect();
        let unheard = told.get::<&str>("unheard-text").unwrap();
        assert_eq!(heard, words[..heard.len()], "cut {cut}");
        assert_eq!(
            format!("{} {}", heard.join(" "), unheard.trim()).trim(),
            text,
            "cut {cut}"
        );
        let fraction = told.get::<f64>("cut-word-fraction").unwrap();
        // The fade and the windows of 5 ms blur the edge by less than a fifth of the shortest word; a word
        // whose half lies within that may be told either way.
        for (n, part) in sounding.iter().enumerate() {
            let counted = n < heard.len();
            let blur = 0.2;
            assert!(
                if counted {
                    *part > 0.5 - blur
                } else {
                    *part < 0.5 + blur
                },
                "cut {cut}, word {n}: {part:.2} of it sounds, heard: {counted}; {fraction:.2} of the cut word; {sounding:.2?}"
            );
        }
    }
    assert_eq!(line.stat("interruptions"), 40);
}

#[test]
fn nothing_of_a_stopped_utterance_sounds_after_its_end() {
    let mut line = line();
    let samples = recorded(&line);
    line.play();
    line.say(&"alpha bravo charlie delta ".repeat(10));
    line.expect_word("delta");
    line.act("interrupt");
    line.expect("ttssink/interrupted");
    std::thread::sleep(Duration::from_millis(100));
    samples.lock().unwrap().clear();
    std::thread::sleep(Duration::from_millis(400));
    let after = samples.lock().unwrap().clone();
    assert!(
        after.len() > RATE as usize / 5,
        "silence goes on: {}",
        after.len()
    );
    assert!(after.iter().all(|sample| *sample == 0));
}
