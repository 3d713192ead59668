// SPDX-License-Identifier: MPL-2.0

//! What the page says was heard, against a recording of what it played, through a network that is late by 0 to 150 ms.

use std::time::Duration;

use base64::Engine;
use duplex_synthesis::tone;
use duplex_tests::{
    browser::Browser, jitter::Jitter, random::Random, serving, watchdog::Watchdog, worker::Worker,
};

use crate::talk::open;

const RATE: u32 = 48_000;
const LATE: Duration = Duration::from_millis(150);
/// How often the agent is stopped.
const STOPS: usize = 46;
/// So many of them say something.
const COUNT: usize = 40;
/// Of one word, in ms: 60, and 20 for each of its letters.
const WORD: f64 = 60.0 + 20.0 * 14.0;
/// Words of a text: fewer than there are pitches, so that each has its own.
const WORDS: usize = 30;
/// So much of a recording is looked at, at a time: 5 ms.
const LOOK: usize = RATE as usize / 200;
/// So many samples of nothing are a gap, and no part of a tone.
const GAP: usize = 8;
/// A word that was stopped so close to its middle, in ms, may count as heard or not: times are told in whole ms.
const UNDECIDED: f64 = 2.0;

/// Prepares a page: it has no microphone, what it plays is kept, and `stopped(ms)` lets it be stopped so long after its
/// first word and gives what was heard, by its own account and as sound.
const PAGE: &str = r#"
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('not wanted'));
    const $ = (id) => document.getElementById(id);
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const until = async (what, ready) => {
        for (let n = 0; n < 2000; n++, await sleep(10)) if (ready()) return;
        throw new Error(`${what}: ${document.body.innerText}`);
    };
    const tap = URL.createObjectURL(new Blob([`
        registerProcessor('tap', class extends AudioWorkletProcessor {
            constructor() {
                super();
                this.kept = [];
                this.port.onmessage = () => this.port.postMessage(Int16Array.from(this.kept.splice(0)));
            }
            process([input]) {
                const samples = input[0] ?? new Float32Array(128);
                for (const sample of samples) this.kept.push(Math.round(sample * 32767));
                return true;
            }
        })`], { type: 'text/javascript' }));
    let worklet;
    const connect = AudioNode.prototype.connect;
    const listen = async (context, node) => {
        await context.audioWorklet.addModule(tap);
        worklet = new AudioWorkletNode(context, 'tap', { numberOfOutputs: 0 });
        connect.call(node, worklet);
    };
    AudioNode.prototype.connect = function (to, ...rest) {
        if (to instanceof AudioDestinationNode) listen(to.context, this);
        return connect.call(this, to, ...rest);
    };
    const recorded = () => new Promise((resolve) => {
        worklet.port.onmessage = ({ data }) => resolve(new Uint8Array(data.buffer));
        worklet.port.postMessage('all');
    });
    window.stopped = async (text, after) => {
        const before = document.querySelectorAll('.it').length;
        $('say').value = text;
        $('typed').requestSubmit();
        const line = () => document.querySelectorAll('.it')[before];
        await until('nothing is heard', () => line()?.querySelector('.heard'));
        await sleep(after);
        $('stop').click();
        await until('it is not stopped', () => line().querySelector('.cut'));
        const heard = line().querySelector('.heard').textContent;
        // It may have been told sooner than the sound has faded.
        await sleep(100);
        const sound = await recorded();
        let bytes = '';
        for (let n = 0; n < sound.length; n += 8192) bytes += String.fromCharCode(...sound.subarray(n, n + 8192));
        return { heard, sound: btoa(bytes), transport: $('transport').value };
    };"#;

/// Prepares the page. Its own rules let no script in but its own.
fn prepare(browser: &mut Browser) {
    let bypass = serde_json::json!({ "enabled": true });
    browser.call("Page.setBypassCSP", bypass).unwrap();
    browser.call("Page.reload", serde_json::json!({})).unwrap();
    let ready = "document.readyState === 'complete' && !!document.querySelector('#parts dt')";
    browser
        .until("the page is loaded again", Duration::from_secs(30), ready)
        .unwrap();
    browser.evaluate(PAGE).unwrap();
}

/// What was played by a recording: the last word of which half was, counted from 1, and how far that was from being decided
/// otherwise, in ms. `None` where its length and its pitches do not agree.
fn last_word(sound: &[i16]) -> Option<(usize, f64)> {
    // A late network leaves gaps, which no word counts.
    let played: Vec<i16> = sound
        .chunk_by(|a, b| (*a == 0) == (*b == 0))
        .filter(|run| run[0] != 0 || run.len() < GAP)
        .flatten()
        .copied()
        .collect();
    let words = played.len() as f64 * 1e3 / f64::from(RATE) / WORD;
    // The end fades.
    let before = played.len().checked_sub(2 * LOOK)?;
    let last = tone::word_at(&played[before..before + LOOK], RATE)?;
    let from = before as f64 * 1e3 / f64::from(RATE) / WORD;
    if last != from as usize {
        return None;
    }
    let middle = words.fract() - 0.5;
    Some((words.round() as usize, middle.abs() * WORD))
}

/// Interrupts often, and counts the times at which the page was right.
fn account(browser: &mut Browser, transport: &str, server: &serving::Server) {
    let text: Vec<String> = (0..WORDS).map(|n| format!("abcdefghijkl{n:02}")).collect();
    let text = text.join(" ");
    let mut random = Random::new(4);
    let (mut right, mut all, mut wrong) = (0, 0, Vec::new());
    let (mut close, mut unclear) = (0, 0);
    for _ in 0..STOPS {
        let after = random.between(0.0, 700.0);
        let line = format!("window.stopped({}, {after})", serde_json::json!(text));
        let told = browser
            .evaluate(&line)
            .unwrap_or_else(|error| panic!("{error:#}\n{}", server.said()));
        assert_eq!(told["transport"], transport, "{}", server.said());
        let sound = base64::engine::general_purpose::STANDARD
            .decode(told["sound"].as_str().unwrap())
            .unwrap();
        let (samples, _) = sound.as_chunks();
        let sound: Vec<i16> = samples.iter().map(|s| i16::from_le_bytes(*s)).collect();
        let heard = told["heard"].as_str().unwrap().split_whitespace().count();
        let Some((played, margin)) = last_word(&sound) else {
            unclear += 1;
            continue;
        };
        if margin < UNDECIDED {
            close += 1;
            continue;
        }
        all += 1;
        right += usize::from(heard == played);
        if heard != played {
            wrong.push(format!("{heard} heard, {played} played, by {margin} ms"));
        }
    }
    println!(
        "{transport}: {right} of {all} right, {close} too close to tell, {unclear} not clearly recorded: {wrong:?}"
    );
    assert!(
        all >= COUNT,
        "{all} interruptions; {unclear} were not clearly recorded"
    );
    assert!(right * 100 >= all * 95, "{right} of {all} right: {wrong:?}");
}

#[test]
fn what_was_heard_is_what_was_played_over_the_websocket() {
    let _watchdog = Watchdog::new("jitter", Duration::from_secs(300));
    let worker = Worker::start();
    let (server, folder) = serving::tones(&worker, "");
    let jitter = Jitter::new(1, LATE);
    let Some(mut browser) = open(
        jitter.tcp(server.address),
        "?transport=websocket",
        None,
        &[],
    ) else {
        return;
    };
    prepare(&mut browser);
    account(&mut browser, "websocket", &server);
    std::fs::remove_dir_all(folder).unwrap();
}
