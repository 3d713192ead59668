// SPDX-License-Identifier: MPL-2.0

//! Somebody types, or talks, and hears the answer.

use std::{net::SocketAddr, time::Duration};

use duplex_tests::{
    browser::Browser,
    plugins,
    serving::{self, Server},
    signal, spoken,
    watchdog::Watchdog,
};

pub const SOON: Duration = Duration::from_secs(20);

/// The browser on the page of a server at this address, or the reason why there is none, said aloud.
pub fn open(
    address: SocketAddr,
    query: &str,
    microphone: Option<&std::path::Path>,
    more: &[&str],
) -> Option<Browser> {
    let url = format!("http://{address}/{query}");
    match Browser::open(&url, microphone, more) {
        Ok(browser) => Some(browser),
        Err(error) if format!("{error:#}").contains("apt-get install") => {
            println!("SKIPPED: THE PAGE IS NOT TESTED: {error:#}");
            None
        }
        Err(error) => panic!("{error:#}"),
    }
}

pub fn type_text(browser: &mut Browser, text: &str) {
    let line = format!(
        "document.getElementById('say').value = {}",
        serde_json::json!(text)
    );
    browser.evaluate(&line).unwrap();
    browser
        .evaluate("document.getElementById('typed').requestSubmit()")
        .unwrap();
}

/// Waits for something on the page, and shows the server's side where it does not come.
#[track_caller]
pub fn until(browser: &mut Browser, server: &Server, what: &str, expression: &str) {
    if let Err(error) = browser.until(what, SOON, expression) {
        panic!("{error:#}\n{}", server.said());
    }
}

/// Over both transports: the words are shown, each is heard, and the time of the turn is told up to the loudspeaker.
#[test]
fn a_typed_sentence_is_answered_aloud() {
    let _watchdog = Watchdog::new("typed sentence", Duration::from_secs(180));
    for transport in ["websocket", "webrtc"] {
        let server = Server::start(&["pipelines/speak.yaml"]);
        let query = format!("?transport={transport}");
        let Some(mut browser) = open(server.address, &query, None, &[]) else {
            return;
        };
        type_text(&mut browser, "Hello there, my friend.");
        until(
            &mut browser,
            &server,
            "the answer is not heard to its end",
            "[...document.querySelectorAll('.it .heard')].map(e => e.textContent).join('') === 'Hello there my friend'",
        );
        until(
            &mut browser,
            &server,
            "the agent does not listen again",
            "document.getElementById('state').dataset.state === 'listening'",
        );
        let transports = browser
            .evaluate("document.getElementById('transport').value")
            .unwrap();
        assert_eq!(transports, transport, "{}", server.said());
        until(
            &mut browser,
            &server,
            "no time is told",
            "!document.getElementById('latency').hidden",
        );
        let label = browser
            .evaluate("document.getElementById('latency').getAttribute('aria-label')")
            .unwrap();
        let last = if transport == "webrtc" {
            "jitter buffer"
        } else {
            "loudspeaker"
        };
        assert!(
            label
                .as_str()
                .is_some_and(|text| text.contains("voice") && text.contains(last)),
            "{label}"
        );
        let parts = browser
            .evaluate("document.getElementById('parts').innerText")
            .unwrap();
        assert!(
            parts
                .as_str()
                .is_some_and(|text| text.contains("espeaktts")),
            "{parts}"
        );
        assert_eq!(
            browser
                .evaluate("document.getElementById('notice').hidden")
                .unwrap(),
            true
        );
        // It says goodbye, and the session's place is free.
        browser
            .evaluate("document.getElementById('connect').click()")
            .unwrap();
        until(
            &mut browser,
            &server,
            "the page is still connected",
            "document.getElementById('state').dataset.state === 'off'",
        );
        serving::run(server.expect("sessions_active", 0));
    }
}

/// The button stops it in the middle: what was heard is dark, what was not is struck out.
#[test]
fn a_stop_shows_what_was_heard() {
    let _watchdog = Watchdog::new("stop", Duration::from_secs(180));
    for transport in ["websocket", "webrtc"] {
        let server = Server::start(&["pipelines/speak.yaml"]);
        let query = format!("?transport={transport}");
        let Some(mut browser) = open(server.address, &query, None, &[]) else {
            return;
        };
        let words = ["one two three four five six seven"; 12].join(", ");
        type_text(&mut browser, &format!("{words}."));
        until(
            &mut browser,
            &server,
            "nothing is heard",
            "document.querySelectorAll('.it .heard').length >= 4",
        );
        browser
            .evaluate("document.getElementById('stop').click()")
            .unwrap();
        until(
            &mut browser,
            &server,
            "what was not heard is not shown",
            "!!document.querySelector('.it .cut')?.textContent",
        );
        let part = |browser: &mut Browser, class: &str| {
            let text = browser
                .evaluate(&format!(
                    "document.querySelector('.it .{class}').textContent"
                ))
                .unwrap();
            text.as_str().unwrap().split_whitespace().count()
        };
        let (heard, cut) = (part(&mut browser, "heard"), part(&mut browser, "cut"));
        assert_eq!(heard + cut, 84, "every word is one or the other");
        assert!(
            (3..40).contains(&heard),
            "{transport}: {heard} words heard: {}\n{}",
            browser.text().unwrap(),
            server.said()
        );
    }
}

/// A WAV file of a caller who says each phrase after so many seconds.
fn caller(phrases: &[(f32, &str)]) -> std::path::PathBuf {
    const RATE: u32 = 48_000;
    let phrases: Vec<(f32, String)> = phrases.iter().map(|(s, p)| (*s, (*p).to_owned())).collect();
    let wav = plugins::temporary("page-caller")
        .unwrap()
        .join("caller.wav");
    let spoken = spoken::caller(&phrases, RATE).unwrap();
    signal::write_wav(&wav, &spoken.samples, RATE).unwrap();
    wav
}

/// The whole of it: a person asks for a story by voice, interrupts it, and sees what was heard of it.
#[test]
fn a_story_is_asked_for_and_interrupted_by_voice() {
    let _watchdog = Watchdog::new("story", Duration::from_secs(240));
    let wav = caller(&[(5.0, "I want to hear a story"), (6.0, "wait a moment")]);
    for transport in ["websocket", "webrtc"] {
        let server = Server::start(&["pipelines/conversation.yaml"]);
        let query = format!("?transport={transport}");
        let Some(mut browser) = open(server.address, &query, Some(&wav), &[]) else {
            return;
        };
        // A microphone without a room has no noise to be taken out, and a synthetic voice suffers from it.
        browser
            .evaluate(
                "const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices); \
                 navigator.mediaDevices.getUserMedia = () => open({ audio: { channelCount: 1, echoCancellation: false, \
                 noiseSuppression: false, autoGainControl: false } })",
            )
            .unwrap();
        browser
            .evaluate("document.getElementById('connect').click()")
            .unwrap();
        until(
            &mut browser,
            &server,
            "the greeting is not heard",
            "document.querySelector('.it')?.textContent.includes('Hello')",
        );
        until(
            &mut browser,
            &server,
            "what was asked is not shown",
            "[...document.querySelectorAll('.you:not(.partial)')].some(e => e.textContent.includes('story'))",
        );
        until(
            &mut browser,
            &server,
            "the story is not interrupted",
            "[...document.querySelectorAll('.it .cut')].some(e => e.textContent.split(' ').length > 10)",
        );
        let shot = plugins::folder()
            .parent()
            .unwrap()
            .join(format!("page-{transport}.png"));
        browser.screenshot(&shot).unwrap();
        let heard = "[...document.querySelectorAll('.it .heard')].at(-1).textContent";
        println!("{transport}: heard {}", browser.evaluate(heard).unwrap());
        println!("{}", browser.text().unwrap());
        until(
            &mut browser,
            &server,
            "it does not ask whether to go on",
            "document.getElementById('captions').textContent.includes('Shall I go on')",
        );
    }
    std::fs::remove_dir_all(wav.parent().unwrap()).unwrap();
}
