// SPDX-License-Identifier: MPL-2.0

//! A grammar takes whatever is said for one of its phrases: how sure it is of that tells the two apart.

use std::time::Duration;

use duplex_tests::{
    listeners::{level, spoken},
    plugins,
    random::Random,
    recordings::{self, RATE},
};

use crate::rig::{Line, events};

/// Below, chateliza asks whether that was said.
const UNSURE: f64 = 0.35;

/// None of these voices, and hardly a phrase, was looked at when the measure was set.
const VOICES: [&str; 2] = ["en-us+f2", "en-gb-x-rp+m3"];

const INSIDE: [&str; 10] = [
    "could you tell me a story",
    "count from two to eight",
    "repeat after me to be or not to be",
    "what is the time",
    "spell elizabeth please",
    "what is your name",
    "keep going",
    "be quiet",
    "no thanks",
    "good evening",
];

const OUTSIDE: [&str; 10] = [
    "I lost my wallet yesterday",
    "do you know a good restaurant",
    "I am looking for a new apartment",
    "could you lower the volume",
    "tell me about yourself",
    "count my money",
    "I forgot my password",
    "find me a hotel",
    "banana",
    "how do I cook rice",
];

/// A sentence that the grammar does not have, and is asked about, once.
#[test]
fn chateliza_asks_once_about_what_was_not_said() {
    let grammar = plugins::source().join("pipelines/conversation.gram");
    let mut line = Line::described(
        16_000,
        1,
        &format!(
            "vad name=ears min-silence-duration=300000000 ! sphinxasr name=asr grammar={} ! chateliza name=chat \
             ! fakesink name=out sync=false async=false",
            grammar.display()
        ),
    );
    let said = level(spoken("could you lower the volume", VOICES[0]));
    let room = |seconds: f32| vec![0.0; (seconds * RATE as f32) as usize];
    let mut asked = Vec::new();
    // The second answer is to what was understood, however unsure.
    for turn in 1..=2 {
        line.say(&[room(0.5), said.clone(), room(1.8)].concat());
        line.wait("an answer", |out| {
            events(out, "voice/end-of-utterance").len() >= turn
        });
        let texts = crate::rig::texts(&line.out()).concat();
        asked.push(texts.matches("Did you say").count());
    }
    assert_eq!(asked, [1, 1], "{:?}", line.out());
}

/// What was understood of each: nothing, or words and how sure they are.
fn understood(said: &[Vec<f32>], noise: f32) -> Vec<Option<(String, f64)>> {
    let grammar = plugins::source().join("pipelines/conversation.gram");
    let asr = format!("grammar={}", grammar.display());
    let mut line = Line::new(16_000, 1, "min-silence-duration=300000000", &asr);
    let mut random = Random::new(11);
    let mut room = |seconds: f32| -> Vec<f32> {
        (0..(seconds * RATE as f32) as usize)
            .map(|_| random.normal() as f32 * noise)
            .collect()
    };
    let (mut at, mut windows) = (Duration::ZERO, Vec::new());
    for samples in said {
        let mut samples = level(samples.clone());
        for (sample, noise) in samples.iter_mut().zip(room(10.0)) {
            *sample += noise;
        }
        let whole = [room(0.5), samples, room(1.5)].concat();
        line.say(&whole);
        let end = at + Duration::from_secs_f64(whole.len() as f64 / f64::from(RATE));
        windows.push(at..end);
        at = end;
    }
    let out = line.end();
    let turns = events(&out, "voice/end-of-turn");
    let ended = |turn: &gst::Structure| Duration::from_nanos(turn.get("speech-end").unwrap());
    (windows.iter())
        .map(|window| {
            let turn = turns.iter().find(|turn| window.contains(&ended(turn)))?;
            Some((
                turn.get("text").unwrap(),
                turn.get("confidence")
                    .expect("a grammar tells how sure it is"),
            ))
        })
        .collect()
}

#[test]
fn what_the_grammar_does_not_have_is_noticed() {
    let (mut right, mut believed, mut noticed, mut outside) = (0, 0, 0, 0);
    for (n, voice) in VOICES.into_iter().enumerate() {
        // A quiet room, and one with a hiss of some 20 dB below the voice.
        let noise = [0.0005, 0.006][n];
        let inside: Vec<_> = INSIDE.iter().map(|text| spoken(text, voice)).collect();
        for (text, found) in INSIDE.iter().zip(understood(&inside, noise)) {
            println!("{voice}: {text}: {found:?}");
            if let Some((_, sure)) = found.filter(|(found, _)| found == text) {
                right += 1;
                believed += u32::from(sure >= UNSURE);
            }
        }
        let mut said: Vec<_> = OUTSIDE.iter().map(|text| spoken(text, voice)).collect();
        if n == 0 {
            let prompts = recordings::prompts(10).unwrap_or_default();
            said.extend(prompts.iter().map(|prompt| prompt.speech().to_vec()));
        }
        for (n, found) in understood(&said, noise).into_iter().enumerate() {
            println!(
                "{voice}: {}: {found:?}",
                OUTSIDE.get(n).unwrap_or(&"a prompt")
            );
            outside += 1;
            noticed += u32::from(found.is_none_or(|(_, sure)| sure < UNSURE));
        }
    }
    println!("{believed} of {right} phrases believed, {noticed} of {outside} others noticed");
    assert!(right >= 14, "{right} of 20 are understood");
    assert!(believed * 10 >= right * 9, "{believed} of {right} believed");
    assert!(
        noticed * 10 >= outside * 8,
        "{noticed} of {outside} noticed"
    );
}
