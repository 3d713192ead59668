// SPDX-License-Identifier: MPL-2.0

//! Endpoints that fail: each is a sentence with what to do, and the caller is not left in silence.

use std::{net::TcpListener, time::Instant};

use gst::prelude::*;
use serde_json::json;

use crate::{
    rig::{Out, Talk, joined},
    server::{Exchange, Server},
};

const SORRY: &str = "I am sorry, I cannot answer just now.";

/// What the endpoint does, the properties beside its address, what the sentence has to say.
fn fails(
    answer: impl Fn(&mut Exchange) + Send + Sync + 'static,
    more: &str,
    says: &[&str],
) -> (Talk, Server) {
    let server = Server::start(answer);
    let mut talk = Talk::with(&server.chat(&format!("retries=0 {more}")));
    talk.turn("hello");
    let warning = talk.warning();
    for word in says {
        assert!(warning.contains(word), "{word} is not in: {warning}");
    }
    assert!(!warning.contains("sk-secret"), "{warning}");
    (talk, server)
}

fn fails_and_says_sorry(
    answer: impl Fn(&mut Exchange) + Send + Sync + 'static,
    more: &str,
    says: &[&str],
) {
    let (mut talk, _server) = fails(answer, more, says);
    assert_eq!(talk.answer().1, SORRY);
    assert_eq!(talk.stats().get::<u64>("failures"), Ok(1));
}

#[test]
fn nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut talk = Talk::with(&format!(
        "chatllm uri=http://{free}/v1 retries=1 fallback-text=\"No luck.\""
    ));
    talk.turn("hello");
    let warning = talk.warning();
    assert!(
        warning.contains(&format!("Nobody listens at http://{free}/v1")),
        "{warning}"
    );
    assert_eq!(talk.answer().1, "No luck.");
    assert_eq!(talk.stats().get::<u64>("retries"), Ok(1));
}

#[test]
fn there_is_no_such_host() {
    let mut talk = Talk::with("chatllm uri=http://no-such-host.invalid/v1 retries=0");
    talk.turn("hello");
    assert!(talk.warning().contains("cannot be reached"));
    assert_eq!(talk.answer().1, SORRY);
}

#[test]
fn without_a_text_for_it_nothing_is_said_and_the_next_turn_is_answered() {
    let server = Server::start(|exchange| match exchange.n {
        0 => exchange.fail("500 Internal Server Error", "", "oops"),
        _ => exchange.say(&["Here."]),
    });
    let mut talk = Talk::with(&server.chat("retries=0 fallback-text=\"\""));
    talk.turn("hello");
    assert!(talk.warning().contains("oops"));
    assert_eq!(talk.asked("hello?"), "Here.");
    assert_eq!(joined(&talk.out()), "Here.");
}

#[test]
fn refusals_say_what_to_set() {
    let refuse = |status: &'static str, message: &'static str| {
        move |exchange: &mut Exchange| match exchange.head.starts_with("GET") {
            true => exchange.respond(
                "200 OK",
                "content-type: application/json\r\n",
                &json!({"data": [{"id": "small"}, {"id": "large"}]}).to_string(),
            ),
            false => exchange.fail(status, "", message),
        }
    };
    fails_and_says_sorry(
        refuse("401 Unauthorized", "no key"),
        "",
        &["wants an API key (401)", "set api-key", "no key"],
    );
    fails_and_says_sorry(
        refuse("401 Unauthorized", "sk-secret is wrong"),
        "api-key=sk-secret",
        &["does not accept the API key (401)", "… is wrong"],
    );
    fails_and_says_sorry(
        refuse("404 Not Found", "unknown model"),
        "model=huge",
        &["no model `huge`", "set model", "it has `small`, `large`"],
    );
    fails_and_says_sorry(
        refuse("400 Bad Request", "too long"),
        "",
        &["refuses the request (400)", "too long"],
    );
    fails_and_says_sorry(
        refuse("429 Too Many Requests", "slow down"),
        "",
        &["no more requests for now (429)"],
    );
    fails_and_says_sorry(
        refuse("503 Service Unavailable", "busy"),
        "",
        &["fails (503)", "busy"],
    );
    fails_and_says_sorry(
        |exchange| {
            exchange.respond(
                "301 Moved Permanently",
                "location: http://elsewhere/\r\n",
                "",
            )
        },
        "",
        &["has moved (301)", "http://elsewhere/"],
    );
    // A page of a proxy, megabytes of it, is not repeated.
    fails_and_says_sorry(
        |exchange| {
            exchange.respond(
                "502 Bad Gateway",
                "",
                &format!("<html>{}", "x".repeat(3_000_000)),
            )
        },
        "",
        &["fails (502): see what its log says"],
    );
}

#[test]
fn what_passes_is_tried_again() {
    let server = Server::start(|exchange| match exchange.n {
        0 => exchange.fail("500 Internal Server Error", "", "oops"),
        // Hangs up before its first token.
        1 => exchange.begin(),
        _ => exchange.say(&["At last."]),
    });
    let mut talk = Talk::with(&server.chat(""));
    assert_eq!(talk.asked("hello"), "At last.");
    assert_eq!(talk.stats().get::<u64>("retries"), Ok(2));
    assert_eq!(talk.stats().get::<u64>("failures"), Ok(0));
}

#[test]
fn who_asks_for_patience_gets_it_as_far_as_the_caller_has_some() {
    let patience = |seconds: &'static str| {
        Server::start(move |exchange| match exchange.n {
            0 => exchange.fail(
                "429 Too Many Requests",
                &format!("retry-after: {seconds}\r\n"),
                "slow down",
            ),
            _ => exchange.say(&["Now."]),
        })
    };
    let server = patience("1");
    let mut talk = Talk::with(&server.chat(""));
    let asked = Instant::now();
    assert_eq!(talk.asked("hello"), "Now.");
    assert!(
        asked.elapsed().as_millis() >= 1_000,
        "{:?}",
        asked.elapsed()
    );
    let server = patience("3600");
    let mut talk = Talk::with(&server.chat(""));
    talk.turn("hello");
    assert!(talk.warning().contains("asks for 3600 s of patience"));
    assert_eq!(talk.answer().1, SORRY);
    assert_eq!(server.requests(1).len(), 1);
}

#[test]
fn silence_ends_somewhen() {
    let silent = |exchange: &mut Exchange| {
        exchange.hangs_up();
    };
    fails_and_says_sorry(
        silent,
        "first-token-timeout=150000000",
        &["gives no token within 150 ms", "first-token-timeout"],
    );
    // It sends comments, and no tokens.
    let chatter = |exchange: &mut Exchange| {
        exchange.begin();
        while exchange.raw(": still here\n\n") {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    fails_and_says_sorry(
        chatter,
        "first-token-timeout=150000000",
        &["gives no token within 150 ms"],
    );
    let halfway = |exchange: &mut Exchange| {
        exchange.begin();
        exchange.token("Once ");
        exchange.hangs_up();
    };
    let (mut talk, _server) = fails(
        halfway,
        "timeout=150000000",
        &["falls silent in mid-answer for 150 ms"],
    );
    assert_eq!(talk.answer().1, "Once ");
}

#[test]
fn what_was_said_before_a_failure_stays_and_is_not_said_twice() {
    let (mut talk, server) = fails(
        |exchange| {
            exchange.begin();
            exchange.token("Once upon ");
        },
        "retries=5",
        &["hangs up in mid-answer"],
    );
    let (id, text) = talk.answer();
    assert_eq!(text, "Once upon ");
    assert_eq!(talk.out().last(), Some(&Out::End(id)));
    assert_eq!(server.requests(1).len(), 1);
    let (mut talk, _server) = fails(
        |exchange| {
            exchange.begin();
            exchange.token("Once ");
            exchange.event(&json!({"error": {"message": "out of memory, sk-secret"}}));
        },
        "api-key=sk-secret",
        &["fails in its answer", "out of memory, …"],
    );
    assert_eq!(talk.answer().1, "Once ");
}

#[test]
fn what_is_no_completion_is_told_apart() {
    fails_and_says_sorry(
        |exchange| {
            exchange.raw("SSH-2.0-OpenSSH_9.2\r\n");
        },
        "",
        &["is lost"],
    );
    fails_and_says_sorry(
        |exchange| {
            exchange.begin();
            exchange.raw("data: {\"choices\": [{\n\n");
        },
        "",
        &["is no JSON", "check uri"],
    );
    fails_and_says_sorry(
        |exchange| exchange.respond("200 OK", "content-type: application/json\r\n", "<html>"),
        "",
        &["is no JSON"],
    );
    fails_and_says_sorry(
        |exchange| {
            exchange.respond(
                "200 OK",
                "content-type: text/html\r\n",
                "<html>hello</html>",
            )
        },
        "",
        &["hangs up"],
    );
}

#[test]
fn characters_may_be_cut_and_an_endpoint_need_not_stream() {
    let server = Server::start(|exchange| {
        if exchange.n == 1 {
            let whole = json!({"choices": [{"message": {"role": "assistant", "content": "Alles außer Äpfeln"}, "finish_reason": "stop"}]});
            return exchange.respond(
                "200 OK",
                "content-type: application/json\r\n",
                &whole.to_string(),
            );
        }
        let text = "data: {\"choices\":[{\"delta\":{\"content\":\"Grüße 漢字 👩‍👩‍👧\"}}]}\r\n\r\ndata: [DONE]\r\n\r\n";
        exchange.raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
        for byte in text.as_bytes() {
            exchange.raw("1\r\n");
            exchange.raw([*byte]);
            exchange.raw("\r\n");
        }
        exchange.raw("0\r\n\r\n");
    });
    let mut talk = Talk::with(&server.chat(""));
    assert_eq!(talk.asked("hello"), "Grüße 漢字 👩‍👩‍👧");
    assert_eq!(talk.asked("hello"), "Alles außer Äpfeln");
}

#[test]
fn nothing_is_endless() {
    let line = |exchange: &mut Exchange| {
        exchange.begin();
        exchange.raw("data: ");
        while exchange.raw([b'x'; 65_536]) {}
    };
    fails_and_says_sorry(line, "", &["a line longer than 1048576 bytes"]);
    let (mut talk, _server) = fails(
        |exchange| {
            exchange.begin();
            while exchange.token("and so on ") {}
        },
        "",
        &["does not end", "32000 characters", "max-tokens"],
    );
    let (_, text) = talk.answer();
    assert_eq!(text.len(), 32_000);
    // Calls that never end are not made again and again either.
    let server = Server::start(|exchange| {
        exchange.begin();
        let call =
            json!([{"index": 0, "id": "c", "function": {"name": "again", "arguments": "{}"}}]);
        exchange.event(
            &json!({"choices": [{"delta": {"tool_calls": call}, "finish_reason": "tool_calls"}]}),
        );
    });
    let mut talk = Talk::with(&server.chat(""));
    talk.turn("go");
    for _ in 0..8 {
        talk.expect("tool-call", |_| true);
        talk.chat
            .emit_by_name::<()>("tool-result", &[&"c", &"done"]);
    }
    assert!(talk.warning().contains("again and again"));
    assert_eq!(talk.answer().1, SORRY);
    assert_eq!(server.requests(8).len(), 8);
}

#[test]
fn settings_that_cannot_work_are_errors_from_the_start() {
    crate::rig::init();
    for (name, value, says) in [
        (
            "uri",
            "localhost:8000",
            "looks like http://127.0.0.1:8000/v1",
        ),
        ("tools", "{}", "tools is no array"),
        ("api-key", "sk-secret\n1", "api-key holds characters"),
    ] {
        let chat = gst::ElementFactory::make("chatllm")
            .property(name, value)
            .build()
            .unwrap();
        let bus = gst::Bus::new();
        chat.set_bus(Some(&bus));
        assert!(chat.set_state(gst::State::Paused).is_err());
        let message = bus
            .pop_filtered(&[gst::MessageType::Error])
            .expect("an error");
        let gst::MessageView::Error(error) = message.view() else {
            unreachable!()
        };
        let told = error.error().to_string();
        assert!(told.contains(says) && !told.contains("sk-secret"), "{told}");
        chat.set_state(gst::State::Null).unwrap();
    }
}
