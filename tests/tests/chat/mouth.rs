// SPDX-License-Identifier: MPL-2.0

//! A mouth behind the chat element: what it tells of what was heard is what the conversation knows.

use gst::prelude::*;

use crate::{
    rig::{PATIENCE, Talk},
    server::{Server, messages},
};

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

/// The rest of an answer is still being written when it is interrupted aloud.
#[test]
fn a_model_is_told_the_words_that_sounded() {
    let (hung_up, seen) = std::sync::mpsc::channel();
    let hung_up = std::sync::Mutex::new(hung_up);
    let server = Server::start(move |exchange| match exchange.n {
        0 => {
            exchange.begin();
            let text = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa ";
            for word in text.split_inclusive(' ') {
                exchange.token(word);
            }
            hung_up.lock().unwrap().send(exchange.hangs_up()).unwrap();
        }
        _ => exchange.say(&["Yes."]),
    });
    let chat = server.chat("name=chat system-prompt=\"\"");
    let mut talk = Talk::playing(&format!("{chat} ! {MOUTH}"));
    let mouth = talk.pipeline.by_name("mouth").unwrap();
    talk.turn("letters");
    words_until(&mut talk, 4);
    mouth.emit_by_name::<()>("interrupt", &[]);
    assert!(
        seen.recv_timeout(PATIENCE).unwrap().is_some(),
        "the connection is dropped"
    );
    let stopped = talk.expect("ttssink/interrupted", |_| true);
    let heard: String = stopped.get("heard-text").unwrap();
    assert!(heard.starts_with("alpha bravo"), "{heard}");
    talk.expect("chat-answer", |s| s.get::<bool>("interrupted").unwrap());
    talk.asked("go on");
    let request = server.requests(2).pop().unwrap();
    let expected = [
        ("user", "letters"),
        ("assistant", heard.as_str()),
        ("user", "go on"),
    ];
    let expected = expected.map(|(role, text)| (role.to_owned(), text.to_owned()));
    assert_eq!(messages(&request), expected);
}
