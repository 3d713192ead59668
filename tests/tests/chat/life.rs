// SPDX-License-Identifier: MPL-2.0

//! States, flushes and ends.

use std::time::Duration;

use duplex_tests::process;
use gst::prelude::*;

use crate::rig::{Out, Talk, joined};

#[test]
fn a_flush_drops_what_is_under_way_and_the_conversation_goes_on() {
    let mut talk = Talk::with("chateliza");
    talk.asked("tell me a story");
    talk.push("count").unwrap();
    assert!(talk.text.push_event(gst::event::FlushStart::new()));
    assert_eq!(talk.push("to"), Err(gst::FlowError::Flushing));
    assert!(talk.text.push_event(gst::event::FlushStop::new(true)));
    let mut segment = gst::Segment::new();
    segment.set_format(gst::Format::Time);
    assert!(talk.text.push_event(gst::event::Segment::new(&segment)));
    let before = talk.out().len();
    assert_eq!(talk.asked("repeat after me this"), "This.");
    assert_eq!(
        joined(&talk.wait_out("the answer", |out| out.len() == before + 3)[before..]),
        "This."
    );
    // It is the same conversation.
    assert_ne!(talk.asked("go on"), "");
}

/// Downstream takes nothing: the pad is blocked as by a mouth that is full.
#[test]
fn a_blocked_downstream_holds_up_nobody_and_a_new_turn_replaces_the_old_answer() {
    let mut talk = Talk::with("chateliza");
    let src = talk.chat.static_pad("src").unwrap();
    let (send, reached) = std::sync::mpsc::channel();
    let probe = src.add_probe(
        gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER,
        move |_, _| {
            let _ = send.send(());
            gst::PadProbeReturn::Ok
        },
    );
    talk.turn("tell me a story");
    reached.recv_timeout(Duration::from_secs(10)).unwrap();
    // The recogniser is not held up, whatever it has to say.
    for _ in 0..100 {
        talk.turn("repeat after me no");
    }
    talk.turn("count to two");
    src.remove_probe(probe.unwrap());
    let (id, text) = talk.answer();
    assert_eq!(text, "One, two.");
    let out = talk.wait_out("the end", |out| out.contains(&Out::End(id.clone())));
    // One word of the story was on its way already; nothing of it follows, and its utterance is ended.
    let begins = out
        .iter()
        .filter(|one| matches!(one, Out::Begin(_)))
        .count();
    let ends = out.iter().filter(|one| matches!(one, Out::End(_))).count();
    assert_eq!((begins, ends), (2, 2), "{out:?}");
    assert_eq!(joined(&out), "Here One, two.");
    // Events that nobody takes are not kept without bound; stopping does not wait for anybody.
    let (send, reached) = std::sync::mpsc::channel();
    src.add_probe(
        gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER,
        move |_, _| {
            let _ = send.send(());
            gst::PadProbeReturn::Ok
        },
    );
    talk.turn("tell me a story");
    reached.recv_timeout(Duration::from_secs(10)).unwrap();
    for _ in 0..2_000 {
        let other = gst::Structure::new_empty("somebody/else");
        talk.text
            .push_event(gst::event::CustomDownstream::new(other));
    }
    assert!(talk.warning().contains("1024 events"));
    talk.pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn questions_to_an_element_that_does_not_run_are_refused_in_a_sentence() {
    let mut talk = Talk::new("chateliza name=chat ! appsink sync=false async=false");
    talk.pipeline.set_state(gst::State::Ready).unwrap();
    talk.ask("hello");
    assert!(talk.warning().contains("not running"));
}

#[test]
fn answers_that_nobody_takes_are_an_error_that_says_what_to_do() {
    crate::rig::init();
    let chat = gst::ElementFactory::make("chateliza").build().unwrap();
    let bus = gst::Bus::new();
    chat.set_bus(Some(&bus));
    chat.set_state(gst::State::Playing).unwrap();
    chat.emit_by_name::<()>("ask", &[&"hello"]);
    let message =
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Error]);
    let message = message.expect("an error");
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    assert!(
        error.error().to_string().contains("link the pad `src`"),
        "{}",
        error.error()
    );
    chat.set_state(gst::State::Null).unwrap();
}

#[test]
fn six_hundred_conversations_leave_nothing_behind() {
    if process::alone() {
        return;
    }
    let mut figures = Vec::new();
    for n in 0..600 {
        let mut talk = Talk::with("chateliza greeting=hello");
        match n % 3 {
            0 => drop(talk.asked("tell me a story")),
            1 => talk.turn("tell me a story"),
            _ => {}
        }
        // Once more with the same element.
        talk.pipeline.set_state(gst::State::Null).unwrap();
        talk.play();
        drop(talk);
        if [200, 400, 599].contains(&n) {
            figures.push((process::threads(), process::fds(), process::rss_kib()));
        }
    }
    let (before, after) = (figures[1], figures[2]);
    // GLib keeps some threads that have nothing to do for a while.
    assert!(after.0 <= before.0 + 10, "threads: {figures:?}");
    assert!(after.1 <= before.1, "fds: {figures:?}");
    assert!(after.2 <= before.2 + 1_024, "memory: {figures:?}");
}
