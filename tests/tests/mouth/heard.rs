// SPDX-License-Identifier: MPL-2.0

//! What is reported as heard is what left, decoded from the sound itself.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use duplex_synthesis::tone;
use duplex_tests::random::Random;
use gst::prelude::*;

use crate::{
    clock::FastClock,
    line::{self, Line},
};

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

/// Samples that left at full level and are not of silence: without a fade those are all that were heard. A tone passes
/// through zero, but not twice in a row.
fn left(samples: &[i16]) -> u64 {
    let sounds = |n: usize| samples[n] != 0 || (n > 0 && samples[n - 1] != 0);
    let end = (0..samples.len()).filter(|n| sounds(*n)).count() as u64;
    // The sample behind the last one.
    end.saturating_sub(1)
}

#[test]
fn heard_words_are_exact_at_five_hundred_random_cuts() {
    let words: Vec<&str> = "to be or not that is the question whether it"
        .split(' ')
        .cycle()
        .take(14)
        .collect();
    let text = words.join(" ");
    let ends: Vec<u64> = words
        .iter()
        .scan(0, |end, word| {
            *end += tone::samples_of(word, 1.0, RATE);
            Some(*end)
        })
        .collect();
    let mut random = Random::new(7);
    let mut line = line();
    line.mouth.set_property("fade-duration", 0u64);
    let samples = recorded(&line);
    let clock = FastClock::of(&line.pipeline);
    clock.run();
    line.play();
    let (mut cuts, mut inside) = (0, 0);
    while cuts < 500 {
        let underruns = line.stat("underruns");
        samples.lock().unwrap().clear();
        let id = line.say(&text).unwrap();
        let begun = line.expect("ttssink/utterance-started");
        assert_eq!(begun.get::<String>("utterance-id").unwrap(), id);
        clock.pass(random.below(1_700) as u64 * gst::ClockTime::MSECOND);
        line.act("interrupt");
        let told = line.wait_for(line::PATIENCE, |message| {
            message.structure().is_some_and(|s| {
                ["ttssink/interrupted", "ttssink/utterance-finished"].contains(&s.name().as_str())
            })
        });
        let told = told.expect("an end").structure().unwrap().to_owned();
        if told.name() == "ttssink/utterance-finished" {
            continue;
        }
        assert_eq!(told.get::<String>("utterance-id").unwrap(), id);
        // What has left is in the appsink once silence follows.
        clock.pass(60 * gst::ClockTime::MSECOND);
        line.words();
        if line.stat("underruns") > underruns {
            continue; // A busy machine: there are holes between the samples.
        }
        cuts += 1;
        let left = left(&samples.lock().unwrap());
        let heard: Vec<&str> = told
            .get::<&str>("heard-text")
            .unwrap()
            .split_whitespace()
            .collect();
        let unheard = told.get::<&str>("unheard-text").unwrap();
        assert_eq!(heard, words[..heard.len()], "cut {cuts}");
        assert_eq!(
            format!("{} {}", heard.join(" "), unheard.trim()).trim(),
            text,
            "cut {cuts}"
        );
        // A word is heard when at least half of it left.
        let half = |n: usize| {
            let begin = n.checked_sub(1).map_or(0, |before| ends[before]);
            (begin + ends[n]).div_ceil(2)
        };
        let position = told.get::<u64>("position").unwrap();
        let position = (position * u64::from(RATE) + 500_000_000) / 1_000_000_000;
        // The last sample of all may be one at which the tone passes through zero.
        assert!(position.abs_diff(left) <= 1, "cut {cuts}: {left}, {told}");
        let expected = (0..words.len()).filter(|n| position >= half(*n)).count();
        assert_eq!(heard.len(), expected, "cut {cuts}: {told}");
        inside += usize::from(!told.get::<&str>("cut-word").unwrap().is_empty());
    }
    assert!(inside > 300, "only {inside} cuts were inside a word");
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
