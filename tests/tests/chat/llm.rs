// SPDX-License-Identifier: MPL-2.0

//! `chatllm`: what it asks, what it remembers, and when it hangs up.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use duplex_tests::{plugins, process};
use gst::prelude::*;
use serde_json::json;

use crate::{
    rig::{Out, PATIENCE, Talk, joined},
    server::{Exchange, Server, messages},
};

fn said(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter()
        .map(|(role, text)| ((*role).to_owned(), (*text).to_owned()))
        .collect()
}

#[test]
fn tokens_leave_as_they_come_and_the_conversation_is_remembered() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let server = Server::start(move |exchange| {
        exchange.begin();
        exchange.token("Well, ");
        // The rest is written only once the first token was seen.
        wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        exchange.token("hello.");
        exchange.finish("stop");
    });
    let mut talk = Talk::with(
        &server.chat("model=m system-prompt=Brief. temperature=0.5 max-tokens=77 api-key=k-1"),
    );
    talk.turn("Hi there");
    talk.wait_out("the first token", |out| joined(out) == "Well, ");
    go.send(()).unwrap();
    let (id, text) = talk.answer();
    assert_eq!(text, "Well, hello.");
    let expected = [
        Out::Begin(id.clone()),
        Out::Text("Well, ".into()),
        Out::Text("hello.".into()),
        Out::End(id),
    ];
    assert_eq!(talk.wait_out("the answer", |out| out.len() == 4), expected);
    go.send(()).unwrap();
    talk.asked("And you?");
    let requests = server.requests(2);
    assert_eq!(requests[0]["model"], "m");
    assert_eq!(requests[0]["stream"], true);
    assert_eq!(requests[0]["temperature"], 0.5);
    assert_eq!(requests[0]["max_tokens"], 77);
    assert!(requests[0].get("tools").is_none());
    assert_eq!(
        messages(&requests[0]),
        said(&[("system", "Brief."), ("user", "Hi there")])
    );
    assert_eq!(
        messages(&requests[1]),
        said(&[
            ("system", "Brief."),
            ("user", "Hi there"),
            ("assistant", "Well, hello."),
            ("user", "And you?")
        ])
    );
    let head = server.heads()[0].to_lowercase();
    assert!(
        head.starts_with("post /v1/chat/completions") && head.contains("authorization: bearer k-1"),
        "{head}"
    );
    let stats = talk.stats();
    assert_eq!(stats.get::<u64>("requests"), Ok(2));
    assert!(stats.get::<u64>("tokens").unwrap() >= 4);
    assert!(stats.get::<u64>("first-token").unwrap() > 0);
}

#[test]
fn an_interrupted_answer_hangs_up_and_is_remembered_as_it_was_heard() {
    let (hung_up, seen) = mpsc::channel();
    let hung_up = Mutex::new(hung_up);
    let server = Server::start(move |exchange| match exchange.n {
        0 => {
            exchange.begin();
            exchange.token("One two three ");
            hung_up.lock().unwrap().send(exchange.hangs_up()).unwrap();
        }
        _ => exchange.say(&["Yes."]),
    });
    let mut talk = Talk::with(&server.chat("system-prompt=\"\""));
    talk.turn("count");
    let out = talk.wait_out("the first words", |out| !joined(out).is_empty());
    let Out::Begin(id) = out[0].clone() else {
        panic!("{out:?}")
    };
    talk.interrupt(&id, "One two", "three");
    assert!(
        seen.recv_timeout(PATIENCE).unwrap().is_some(),
        "the connection is dropped"
    );
    let told = talk.expect("chat-answer", |s| s.get::<bool>("interrupted").unwrap());
    assert_eq!(told.get::<&str>("text").unwrap(), "One two");
    assert_eq!(talk.asked("stop"), "Yes.");
    let requests = server.requests(2);
    assert_eq!(
        messages(&requests[1]),
        said(&[
            ("user", "count"),
            ("assistant", "One two"),
            ("user", "stop")
        ])
    );
    // What was not heard at all was not said.
    let (id, _) = {
        talk.turn("again");
        talk.answer()
    };
    talk.interrupt(&id, "", "Yes.");
    talk.asked("so");
    let last = &server.requests(4)[3];
    assert_eq!(
        messages(last),
        said(&[
            ("user", "count"),
            ("assistant", "One two"),
            ("user", "stop"),
            ("assistant", "Yes."),
            ("user", "again\nso")
        ])
    );
}

/// A new turn, a flush, READY: each ends the request.
#[test]
fn whatever_ends_an_answer_ends_its_request() {
    let (hung_up, seen) = mpsc::channel();
    let hung_up = Mutex::new(hung_up);
    let server = Server::start(move |exchange| {
        exchange.begin();
        exchange.token("Endless ");
        let gone = exchange.hangs_up().is_some();
        let _ = hung_up.lock().unwrap().send(gone);
    });
    let talk = Talk::with(&server.chat(""));
    let asked = |n: usize| {
        talk.turn("go");
        server.requests(n);
        talk.wait_out("tokens", |out| {
            out.iter().filter(|one| matches!(one, Out::Text(_))).count() == n
        });
    };
    let ended = || {
        assert_eq!(
            seen.recv_timeout(PATIENCE),
            Ok(true),
            "the connection is dropped"
        )
    };
    asked(1);
    asked(2);
    ended();
    assert!(talk.text.push_event(gst::event::FlushStart::new()));
    ended();
    assert!(talk.text.push_event(gst::event::FlushStop::new(true)));
    talk.announce(gst::Format::Time);
    asked(3);
    talk.pipeline.set_state(gst::State::Ready).unwrap();
    ended();
}

#[test]
fn eos_waits_for_the_answer_that_is_being_written() {
    let server = Server::start(|exchange| {
        exchange.begin();
        for token in ["a ", "b ", "c"] {
            std::thread::sleep(Duration::from_millis(50));
            exchange.token(token);
        }
        exchange.finish("stop");
    });
    let mut talk = Talk::with(&server.chat(""));
    talk.push("go").unwrap();
    assert!(talk.text.push_event(gst::event::Eos::new()));
    talk.expect_eos();
    let out = talk.out();
    assert_eq!(
        (joined(&out).as_str(), out.last()),
        ("a b c", Some(&Out::Eos))
    );
}

#[test]
fn a_likely_turn_is_asked_about_ahead_and_nothing_of_it_leaves_before_it_is_certain() {
    let (hung_up, seen) = mpsc::channel();
    let hung_up = Mutex::new(hung_up);
    let server = Server::start(move |exchange| {
        let (_, last) = messages(&exchange.body).pop().unwrap();
        if last == "wrong" {
            exchange.begin();
            exchange.token("Never ");
            hung_up.lock().unwrap().send(exchange.hangs_up()).unwrap();
        } else {
            exchange.say(&["Right."]);
        }
    });
    let mut talk = Talk::with(&server.chat("preemptive=true"));
    talk.likely("what time is it");
    server.requests(1);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(talk.out(), []);
    assert_eq!(talk.asked("What time is it?"), "Right.");
    assert_eq!(server.requests(1).len(), 1, "it was asked once");
    talk.likely("wrong");
    server.requests(2);
    assert_eq!(talk.asked("wrong guess"), "Right.");
    assert!(
        seen.recv_timeout(PATIENCE).unwrap().is_some(),
        "the connection is dropped"
    );
    assert_eq!(joined(&talk.out()), "Right.Right.");
    // The guess is no part of what was said.
    let last = server.requests(3).pop().unwrap();
    let turns: Vec<String> = messages(&last)
        .into_iter()
        .filter(|(role, _)| role == "user")
        .map(|(_, text)| text)
        .collect();
    assert_eq!(turns, ["What time is it?", "wrong guess"]);
    // Who did not ask for it does not pay for it.
    talk.chat.set_property("preemptive", false);
    talk.likely("what else");
    talk.asked("what else");
    assert_eq!(server.requests(4).len(), 4);
}

fn call(exchange: &mut Exchange) {
    let part = |delta: serde_json::Value| json!({"choices": [{"index": 0, "delta": delta}]});
    exchange.begin();
    exchange.token("Let me look. ");
    exchange.event(&part(
        json!({"tool_calls": [{"index": 0, "id": "call_7", "type": "function",
        "function": {"name": "weather", "arguments": "{\"ci"}}]}),
    ));
    exchange.event(&part(
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "ty\":\"Bonn\"}"}}]}),
    ));
    exchange.finish("tool_calls");
}

const TOOLS: &str =
    r#"[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]"#;

#[test]
fn tools_are_called_by_messages_and_their_results_go_on_with_the_answer() {
    let server = Server::start(|exchange| match exchange.n {
        0 => call(exchange),
        _ => exchange.say(&["It rains."]),
    });
    let mut talk = Talk::new(&format!(
        "{} name=chat ! fakesink sync=false async=false",
        server.chat("system-prompt=\"\"")
    ));
    talk.chat.set_property("tools", TOOLS);
    talk.play();
    talk.turn("Weather?");
    let asked = talk.expect("tool-call", |_| true);
    assert_eq!(asked.get::<&str>("name").unwrap(), "weather");
    assert_eq!(
        asked.get::<&str>("arguments").unwrap(),
        "{\"city\":\"Bonn\"}"
    );
    talk.chat
        .emit_by_name::<()>("tool-result", &[&"another", &"x"]);
    assert!(talk.warning().contains("`another`"));
    talk.chat.emit_by_name::<()>(
        "tool-result",
        &[&asked.get::<&str>("id").unwrap(), &"rain, 7 degrees"],
    );
    let (id, text) = talk.answer();
    assert_eq!(text, "Let me look. It rains.");
    let begins = talk
        .out()
        .iter()
        .filter(|one| matches!(one, Out::Begin(_)))
        .count();
    assert_eq!(begins, 1, "one answer, one utterance");
    // Only a part of it is heard: the exchange with the tool is known all the same.
    talk.interrupt(&id, "Let me look. It", "rains.");
    talk.asked("thanks");
    let requests = server.requests(3);
    assert_eq!(requests[0]["tools"].to_string(), TOOLS);
    let expected = json!([
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [
            {"id": "call_7", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Bonn\"}"}}]},
        {"role": "tool", "tool_call_id": "call_7", "content": "rain, 7 degrees"},
    ]);
    assert_eq!(requests[1]["messages"], expected);
    let mut expected = expected.as_array().unwrap().clone();
    expected.push(json!({"role": "assistant", "content": "It"}));
    expected.push(json!({"role": "user", "content": "thanks"}));
    assert_eq!(requests[2]["messages"], json!(expected));
}

#[test]
fn a_tool_that_gives_no_result_is_told_of_and_the_model_goes_on_without() {
    let server = Server::start(|exchange| match exchange.n {
        0 => call(exchange),
        _ => exchange.say(&["I do not know."]),
    });
    let mut talk = Talk::with(&server.chat("timeout=100000000"));
    talk.turn("Weather?");
    assert!(talk.warning().contains("weather gave no result"));
    assert_eq!(talk.answer().1, "Let me look. I do not know.");
    let last = server.requests(2)[1]["messages"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(last["content"], "The tool gave no result.");
}

#[test]
fn a_history_is_bounded_and_each_element_has_its_own() {
    let server = Server::saying(&["Yes."]);
    let mut one = Talk::with(&server.chat("history-turns=2 system-prompt=\"\""));
    let mut two = Talk::with(&server.chat("system-prompt=\"\""));
    for turn in ["a", "b", "c"] {
        one.asked(turn);
    }
    two.asked("other");
    let requests = server.requests(4);
    assert_eq!(
        messages(&requests[2]),
        said(&[
            ("user", "a"),
            ("assistant", "Yes."),
            ("user", "b"),
            ("assistant", "Yes."),
            ("user", "c")
        ])[..]
    );
    assert_eq!(messages(&requests[3]), said(&[("user", "other")]));
    one.asked("d");
    assert_eq!(
        messages(&server.requests(5)[4]),
        said(&[
            ("user", "b"),
            ("assistant", "Yes."),
            ("user", "c"),
            ("assistant", "Yes."),
            ("user", "d")
        ])
    );
}

/// The environment names the endpoint; nothing of the key is written anywhere.
#[test]
fn the_environment_is_picked_up_and_announced_and_the_key_stays_secret() {
    let server =
        Server::start(|exchange| exchange.fail("401 Unauthorized", "", "wrong key sk-very-secret"));
    let folder = plugins::temporary("chat").unwrap();
    let (file, said) = (folder.join("turn.txt"), folder.join("said.txt"));
    std::fs::write(&file, "Hello?").unwrap();
    let output = plugins::command("gst-launch-1.0")
        .args(["-m", "filesrc", &format!("location={}", file.display())])
        .args("! text/x-raw,format=utf8 ! chatllm ! filesink".split(' '))
        .arg(format!("location={}", said.display()))
        .env("OPENAI_BASE_URL", format!("http://{}/v1", server.address))
        .env("OPENAI_API_KEY", "sk-very-secret")
        .env("GST_DEBUG", "chatllm:9,GST_EVENT:5,*:4")
        .env("GST_DEBUG_NO_COLOR", "1")
        .output()
        .unwrap();
    let told = plugins::told(&output);
    assert!(
        told.contains("chat-endpoint") && told.contains("address from OPENAI_BASE_URL"),
        "{told}"
    );
    assert!(told.contains("does not accept the API key (401)"), "{told}");
    let said = std::fs::read_to_string(said).unwrap();
    assert_eq!(said, "I am sorry, I cannot answer just now.");
    assert!(!told.contains("sk-very-secret"), "the key is told");
    assert!(
        server.heads()[0]
            .to_lowercase()
            .contains("authorization: bearer sk-very-secret")
    );
    std::fs::remove_dir_all(folder).unwrap();
    crate::rig::init();
    let chat = gst::ElementFactory::make("chatllm")
        .property("api-key", "x")
        .build()
        .unwrap();
    let key = chat.find_property("api-key").unwrap();
    assert!(!key.flags().contains(gst::glib::ParamFlags::READABLE));
}

#[test]
fn three_hundred_starts_leave_nothing_behind() {
    if process::alone() {
        return;
    }
    let silent = Arc::new(Server::start(|exchange| {
        exchange.begin();
        exchange.token("a ");
        exchange.hangs_up();
    }));
    let quick = Server::saying(&["b"]);
    let mut figures = Vec::new();
    for n in 0..300 {
        let mut talk = Talk::with(&if n % 2 == 0 {
            silent.chat("")
        } else {
            quick.chat("")
        });
        if n % 2 == 0 {
            talk.turn("go");
            silent.requests(n / 2 + 1);
        } else {
            talk.asked("go");
        }
        drop(talk);
        if [100, 200, 299].contains(&n) {
            // The server's side of a connection ends a moment later.
            let end = std::time::Instant::now() + Duration::from_secs(10);
            while process::fds() > figures.first().map_or(0, |(_, fds, _)| *fds)
                && std::time::Instant::now() < end
            {
                std::thread::sleep(Duration::from_millis(20));
                if figures.is_empty() {
                    std::thread::sleep(Duration::from_millis(500));
                    break;
                }
            }
            figures.push((process::threads(), process::fds(), process::rss_kib()));
        }
    }
    let (before, after) = (figures[1], figures[2]);
    assert!(after.0 <= before.0 + 10, "threads: {figures:?}");
    assert!(after.1 <= before.1 + 2, "fds: {figures:?}");
    assert!(after.2 <= before.2 + 2_048, "memory: {figures:?}");
}
