// SPDX-License-Identifier: MPL-2.0

//! States, flushes and ends.

use std::time::Duration;

use duplex_tests::process;
use gst::prelude::*;

use crate::{
    rig::{Out, Talk, joined},
    server::Server,
};

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

/// Everything at once, from several threads, again and again; then it answers as if nothing had been.
fn storm(element: &str, answer: &str) {
    let mut talk = Talk::with(element);
    for seed in 0..12 {
        let ids: Vec<String> = (talk.out().into_iter().rev())
            .filter_map(|one| match one {
                Out::Begin(id) => Some(id),
                _ => None,
            })
            .take(3)
            .collect();
        std::thread::scope(|scope| {
            let talk = &talk;
            scope.spawn(move || {
                for n in 0..60 {
                    if (n + seed) % 15 == 0 {
                        talk.text.push_event(gst::event::FlushStart::new());
                        talk.text.push_event(gst::event::FlushStop::new(true));
                        talk.announce(gst::Format::Time);
                    }
                    if (n + seed) % 4 == 0 {
                        talk.likely("tell me a story");
                    }
                    let _ = talk.push("tell me a story");
                    talk.end_of_turn(None);
                }
            });
            scope.spawn(move || {
                for n in 0..60 {
                    talk.ask(["count to ten", "go on", "what is this"][n % 3]);
                    std::thread::yield_now();
                }
            });
            scope.spawn(move || {
                for n in 0..60 {
                    let id = ids.get(n % 3).map_or("", String::as_str);
                    talk.interrupt(id, "Here is", "a story");
                    talk.chat.set_property("turn-delay", n as u64 * 1_000_000);
                    talk.stats();
                }
            });
            scope.spawn(move || {
                for _ in 0..3 {
                    std::thread::sleep(Duration::from_millis(3));
                    if seed % 3 == 0 {
                        talk.chat.set_state(gst::State::Ready).unwrap();
                        talk.chat.sync_state_with_parent().unwrap();
                        talk.announce(gst::Format::Time);
                    }
                }
            });
        });
        if seed % 3 == 0 {
            talk.announce(gst::Format::Time);
        }
    }
    talk.chat.emit_by_name::<()>("ask", &[&"count to three"]);
    talk.expect("chat-answer", |s| {
        s.get::<bool>("final").unwrap() && s.get::<&str>("text").unwrap() == answer
    });
    // No utterance goes on in another, whatever happened.
    let mut open = None;
    for one in talk.out() {
        match one {
            Out::Begin(id) => open = Some(id),
            Out::Text(_) => assert!(open.is_some()),
            Out::End(id) => assert_eq!(open.take(), Some(id)),
            Out::FlushStop => open = None,
            _ => {}
        }
    }
}

#[test]
fn a_storm_of_turns_interruptions_and_flushes_passes() {
    storm("chateliza", "One, two, three.");
    let server = Server::start(|exchange| {
        exchange.begin();
        for token in ["Uno, ", "due, "] {
            exchange.token(token);
            std::thread::yield_now();
        }
        exchange.token("tre.");
        exchange.finish("stop");
    });
    storm(&server.chat("preemptive=true"), "Uno, due, tre.");
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
