// SPDX-License-Identifier: MPL-2.0

//! `chateliza` as a recogniser and an application see it.

use std::time::Duration;

use gst::prelude::*;

use crate::rig::{Out, Talk, joined};

#[test]
fn a_turn_is_answered_word_by_word_within_one_utterance() {
    let mut talk = Talk::with("chateliza");
    talk.push("count").unwrap();
    talk.push("to three").unwrap();
    talk.end_of_turn(Some(0.9));
    let turn = talk.expect("chat-turn", |_| true);
    assert_eq!(turn.get::<&str>("text").unwrap(), "count to three");
    let (id, text) = talk.answer();
    assert_eq!(text, "One, two, three.");
    let expected = [
        Out::Begin(id.clone()),
        Out::Text("One, ".into()),
        Out::Text("two, ".into()),
        Out::Text("three.".into()),
        Out::End(id),
    ];
    assert_eq!(talk.wait_out("the answer", |out| out.len() == 5), expected);
    let stats = talk.stats();
    assert_eq!(stats.get::<u64>("turns"), Ok(1));
    assert_eq!(stats.get::<u64>("answers"), Ok(1));
    assert!(stats.get::<u64>("first-text").unwrap() < 1_000_000_000);
}

#[test]
fn whoever_types_is_answered_like_whoever_speaks() {
    let mut talk = Talk::with("chateliza");
    talk.ask("Count to two, please!");
    assert_eq!(talk.answer().1, "One, two.");
    let turn = talk.expect("chat-turn", |_| true);
    assert_eq!(turn.get::<&str>("text").unwrap(), "Count to two, please!");
    talk.ask("  \n ");
    talk.ask("count to one");
    assert_eq!(talk.answer().1, "One.");
    assert_eq!(talk.stats().get::<u64>("turns"), Ok(2));
}

#[test]
fn where_nobody_tells_of_turns_silence_ends_them_and_bytes_may_be_cut_anywhere() {
    let mut talk = Talk::with("chateliza turn-delay=50000000");
    talk.announce(gst::Format::Bytes);
    let bytes = "repeat after me héllo wörld".as_bytes();
    for byte in bytes {
        talk.push([*byte]).unwrap();
    }
    assert_eq!(talk.answer().1, "Héllo wörld.");
    // What is no UTF-8 is said once, and the rest is taken.
    talk.push(b"repeat after me caf\xe9 noir").unwrap();
    assert!(talk.warning().contains("not UTF-8"));
    assert_eq!(talk.answer().1, "Caf\u{fffd} noir.");
}

#[test]
fn the_last_turn_is_answered_ahead_of_eos() {
    let mut talk = Talk::with("chateliza greeting=\"Good day.\"");
    assert_eq!(talk.answer().1, "Good day.");
    talk.push("count to three").unwrap();
    assert!(talk.text.push_event(gst::event::Eos::new()));
    talk.expect_eos();
    let out = talk.out();
    assert_eq!(joined(&out), "Good day.One, two, three.");
    assert_eq!(out.last(), Some(&Out::Eos));
    // Nothing can be asked any more.
    talk.ask("hello");
    assert!(talk.warning().contains("has ended"));
    assert_eq!(talk.push("hello"), Err(gst::FlowError::Eos));
}

/// From files, by elements that know nothing of turns.
#[test]
fn an_appsrc_and_a_file_talk_too() {
    let line = "appsrc name=in format=bytes caps=text/x-raw,format=utf8 ! chateliza ! appsink name=out sync=false";
    crate::rig::init();
    let pipeline = gst::parse::launch(line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let source = pipeline
        .by_name("in")
        .unwrap()
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    let sink = pipeline
        .by_name("out")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    source
        .push_buffer(gst::Buffer::from_slice("what are you?\n"))
        .unwrap();
    source.end_of_stream().unwrap();
    let mut text = String::new();
    while let Ok(sample) = sink.pull_sample() {
        let map = sample.buffer().unwrap().map_readable().unwrap();
        text.push_str(std::str::from_utf8(&map).unwrap());
        assert_eq!(
            sample.caps().unwrap().to_string(),
            "text/x-raw, format=(string)utf8"
        );
    }
    assert!(text.starts_with("I am a small program"), "{text}");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn events_that_are_nobodys_pass_in_both_directions_and_in_their_order() {
    let talk = Talk::with("chateliza");
    let custom = |name: &str| gst::Structure::new_empty(name);
    // What a recogniser tells whoever answers ends here; it has answers at once, and needs no start.
    talk.likely("hello");
    assert!(
        talk.text
            .push_event(gst::event::CustomDownstream::new(custom(
                "voice/start-of-speech"
            )))
    );
    assert!(
        talk.text
            .push_event(gst::event::CustomDownstream::new(custom("somebody/else")))
    );
    let out = talk.wait_out("both", |out| out.len() == 2);
    let expected = ["voice/start-of-speech", "somebody/else"];
    assert_eq!(out, expected.map(|name| Out::Other(name.into())));
    // A decision about who speaks is no matter of turns: it overtakes them.
    assert!(
        talk.text
            .push_event(gst::event::CustomDownstreamOob::new(custom(
                "voice/interruption"
            )))
    );
    assert_eq!(
        talk.out().last(),
        Some(&Out::Other("voice/interruption".into()))
    );
    let (send, receive) = std::sync::mpsc::channel();
    talk.text
        .add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            if let Some(name) = info
                .event()
                .and_then(|event| Some(event.structure()?.name().to_string()))
            {
                let _ = send.send(name);
            }
            gst::PadProbeReturn::Ok
        });
    let peer = talk.chat.static_pad("src").unwrap().peer().unwrap();
    peer.push_event(gst::event::CustomUpstream::new(custom("somebody/asks")));
    assert_eq!(
        receive.recv_timeout(Duration::from_secs(5)).unwrap(),
        "somebody/asks"
    );
}

#[test]
fn what_was_heard_of_a_story_is_where_it_goes_on() {
    let mut talk = Talk::with("chateliza");
    talk.turn("tell me a story");
    let (id, story) = talk.answer();
    let words: Vec<&str> = story.split(' ').collect();
    talk.interrupt(&id, &words[..30].join(" "), &words[30..].join(" "));
    let told = talk.expect("chat-answer", |s| s.get::<bool>("interrupted").unwrap());
    assert_eq!(told.get::<String>("utterance-id").unwrap(), id);
    assert_eq!(told.get::<String>("text").unwrap(), words[..30].join(" "));
    let offer = talk.asked("wait");
    assert!(offer.starts_with("You stopped me at: "), "{offer}");
    assert_eq!(talk.asked("yes"), words[30..].join(" "));
    assert_eq!(talk.stats().get::<u64>("interruptions"), Ok(1));
}

#[test]
fn it_asks_when_the_recogniser_is_not_sure() {
    let mut talk = Talk::with("chateliza");
    talk.push("count to two").unwrap();
    talk.end_of_turn(Some(0.05));
    assert!(talk.answer().1.ends_with("Did you say: count to two?"));
    assert_eq!(talk.asked("yes"), "One, two.");
    talk.chat.set_property("min-confidence", 0.0);
    talk.push("count to three").unwrap();
    talk.end_of_turn(Some(0.05));
    assert_eq!(talk.answer().1, "One, two, three.");
}

#[test]
fn two_of_them_are_two_conversations_and_a_seed_makes_other_ones() {
    let mut one = Talk::with("chateliza");
    let mut two = Talk::with("chateliza");
    let mut other = Talk::with("chateliza seed=1");
    let story = one.asked("tell me a story");
    one.asked("spell my name");
    assert_eq!(two.asked("tell me a story"), story);
    assert_ne!(other.asked("tell me a story"), story);
    assert_eq!(one.asked("Peter"), "Peter: P, E, T, E, R.");
    assert!(!two.asked("Peter").contains("P, E"));
    // A conversation begins anew with the stream.
    one.pipeline.set_state(gst::State::Ready).unwrap();
    one.play();
    assert_eq!(one.asked("tell me a story"), story);
}

#[test]
fn a_turn_without_end_is_cut_and_that_is_said_once() {
    let mut talk = Talk::with("chateliza");
    for _ in 0..40 {
        talk.push("x".repeat(1_000)).unwrap();
    }
    assert!(talk.warning().contains("16384"));
    talk.end_of_turn(None);
    talk.answer();
    assert!(
        talk.wait_for(Duration::ZERO, |m| m.type_() == gst::MessageType::Warning)
            .is_none()
    );
}
