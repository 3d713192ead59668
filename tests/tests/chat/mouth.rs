// SPDX-License-Identifier: MPL-2.0

//! A mouth behind the chat element: what it tells of what was heard is what the conversation knows.

use gst::prelude::*;

use crate::rig::{PATIENCE, Talk};

const MOUTH: &str = "ttssink name=mouth synthesizer=tonetts audio-sink=\"fakesink sync=true\"";

fn words_until(talk: &mut Talk, count: usize) {
    for _ in 0..count {
        talk.expect("ttssink/word", |_| true);
    }
}

#[test]
fn a_story_that_is_interrupted_aloud_goes_on_behind_the_last_word_that_was_heard() {
    let mut talk = Talk::playing(&format!("chateliza name=chat ! {MOUTH}"));
    let mouth = talk.pipeline.by_name("mouth").unwrap();
    talk.turn("tell me a story");
    let (id, story) = talk.answer();
    words_until(&mut talk, 14);
    mouth.emit_by_name::<()>("interrupt", &[]);
    let stopped = talk.expect("ttssink/interrupted", |_| true);
    assert_eq!(stopped.get::<String>("utterance-id").unwrap(), id);
    let heard: String = stopped.get("heard-text").unwrap();
    let told = talk.expect("chat-answer", |s| s.get::<bool>("interrupted").unwrap());
    assert_eq!(told.get::<String>("text").unwrap(), heard);
    let count = heard.split_whitespace().count();
    assert!(count > 0, "{heard}");
    // The next answer begins where the words of the story stop that were heard.
    talk.turn("go on");
    let begun = story.find("There was").unwrap();
    let ahead = story[..begun].split_whitespace().count();
    let rest: Vec<&str> = story.split(' ').skip(count.max(ahead)).collect();
    let (next, text) = talk.answer();
    assert_eq!(text, rest.join(" "));
    // And it is spoken, although the mouth dropped the rest of the one before.
    talk.expect("ttssink/utterance-started", |s| {
        s.get::<String>("utterance-id").unwrap() == next
    });
    let word = talk.expect("ttssink/word", |s| {
        s.get::<String>("utterance-id").unwrap() == next
    });
    let plain = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    assert_eq!(plain(word.get::<&str>("text").unwrap()), plain(rest[0]));
}

#[test]
fn a_greeting_is_spoken_and_eos_waits_for_the_last_word() {
    let mut talk = Talk::playing(&format!(
        "chateliza name=chat greeting=\"Good day to you.\" ! {MOUTH}"
    ));
    let last = |id: &str| {
        let id = id.to_owned();
        move |s: &gst::StructureRef| s.get::<String>("utterance-id").unwrap() == id
    };
    let (greeting, text) = talk.answer();
    assert_eq!(text, "Good day to you.");
    talk.expect("ttssink/utterance-finished", last(&greeting));
    talk.push("count to three").unwrap();
    assert!(talk.text.push_event(gst::event::Eos::new()));
    let (count, _) = talk.answer();
    let done = talk.expect("ttssink/utterance-finished", last(&count));
    assert_eq!(done.get::<u64>("words"), Ok(3));
    talk.expect_eos();
}

/// The line of the README, by elements alone: nobody stands between the ear and the conversation.
#[test]
fn an_ear_interrupts_and_the_conversation_knows() {
    let mut talk = Talk::playing(&format!(
        "testear name=ear ! fakesink async=false chateliza name=chat ! {MOUTH} interrupted-by=ear"
    ));
    let ear = talk
        .pipeline
        .by_name("ear")
        .unwrap()
        .downcast::<duplex_tests::standins::TestEar>()
        .unwrap();
    talk.ask("tell me a story");
    talk.answer();
    words_until(&mut talk, 5);
    ear.hear("speech-onset");
    ear.hear("speech-started");
    let told = talk.wait_for(PATIENCE, |message| {
        message
            .structure()
            .is_some_and(|s| s.name() == "chat-answer" && s.get::<bool>("interrupted").unwrap())
    });
    assert!(told.is_some());
    ear.hear("speech-ended");
    let offer = talk.asked("hold on");
    assert!(offer.starts_with("You stopped me"), "{offer}");
}
