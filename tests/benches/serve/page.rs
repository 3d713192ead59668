// SPDX-License-Identifier: MPL-2.0

//! In Chromium, over WebRTC on loopback: the caller's voice in the microphone → the agent's silence at the page.
//!
//! The page's microphone plays recorded speech, a phrase each few seconds, and the page types a long text whenever the agent
//! listens. Both streams are looked at in the browser, on one clock, in blocks of 256 samples (5.3 ms); what the page has
//! muted counts as silent, since nobody hears it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use duplex_tests::browser::Browser;
use duplex_tests::measure::Percentiles;
use duplex_tests::serving::Server;
use duplex_tests::{plugins, recordings, signal};

use crate::report::{Report, p95};

const RATE: u32 = 48_000;
/// From one phrase of the caller to the next, in seconds.
const STEP: f32 = 5.0;
/// A block of this many samples has one level.
const BLOCK: f64 = 256.0;
/// Louder than this is a voice, in either stream.
const LOUD: f64 = 0.005;
/// So long without sound is silence and no pause between words, in blocks.
const SILENT: usize = 40;

/// Keeps the levels of what the page hears and sends, block by block.
const RECORDER: &str = "
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async () => (window.mic = await open({ audio: {
        channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false } }));
    const play = HTMLMediaElement.prototype.play;
    HTMLMediaElement.prototype.play = function () { window.out = this; return play.call(this); };
    window.levels = { mic: [], out: [] };
    window.record = () => {
        const context = new AudioContext({ sampleRate: 48000 });
        const merger = context.createChannelMerger(2);
        context.createMediaStreamSource(window.mic).connect(merger, 0, 0);
        context.createMediaStreamSource(window.out.srcObject).connect(merger, 0, 1);
        const look = context.createScriptProcessor(256, 2, 1);
        look.onaudioprocess = ({ inputBuffer }) => {
            const rms = (n) => Math.sqrt(inputBuffer.getChannelData(n).reduce((sum, x) => sum + x * x, 0) / 256);
            window.levels.mic.push(rms(0));
            window.levels.out.push(window.out.muted ? 0 : rms(1));
        };
        merger.connect(look);
        look.connect(context.destination);
        window.look = look;
    };
    window.text = 'One of the many things that a voice can say without a pause is that it goes on and on, while nobody at all \
        wants to hear any of it, and so it goes on some more until the day is over and everybody has left the room.';
    setInterval(() => {
        if (document.getElementById('state').dataset.state !== 'listening') return;
        document.getElementById('say').value = window.text;
        document.getElementById('typed').requestSubmit();
    }, 400);";

fn caller(seconds: f32) -> Result<std::path::PathBuf> {
    let phrases = recordings::speaker_tests()?;
    let mut samples = vec![0.0; (seconds * RATE as f32) as usize];
    let mut at = 4.0;
    for n in 0.. {
        let place = (at * RATE as f32) as usize;
        let phrase = &phrases[n % phrases.len()];
        let sound = signal::resample(phrase.speech(), recordings::RATE, RATE);
        if place + sound.len() > samples.len() {
            break;
        }
        signal::add(&mut samples, &sound, place);
        at += STEP;
    }
    let wav = plugins::temporary("page-bench")?.join("caller.wav");
    signal::write_wav(&wav, &samples, RATE)?;
    Ok(wav)
}

/// Where somebody begins to speak after a silence.
fn onsets(levels: &[f64]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut quiet = 0;
    for (n, level) in levels.iter().enumerate() {
        if *level < LOUD {
            quiet += 1;
            continue;
        }
        if quiet > 2 * SILENT {
            found.push(n);
        }
        quiet = 0;
    }
    found
}

pub fn measure(report: &mut Report, server: &Server, trials: usize) -> Result<()> {
    let seconds = 6.0 + STEP * trials as f32;
    let wav = caller(seconds)?;
    let url = format!("http://{}/?transport=webrtc", server.address);
    let mut browser = Browser::open(&url, Some(&wav), &[])?;
    browser.evaluate(RECORDER)?;
    browser.evaluate("document.getElementById('connect').click()")?;
    browser.until(
        "the page listens",
        Duration::from_secs(20),
        "!!window.mic && !!window.out?.srcObject",
    )?;
    browser.evaluate("window.record()")?;
    std::thread::sleep(Duration::from_secs_f32(seconds));
    let levels = browser.evaluate("window.levels")?;
    let transport = browser.evaluate("document.getElementById('transport').value")?;
    ensure!(transport == "webrtc", "the page fell back to {transport}");
    let of = |name: &str| -> Result<Vec<f64>> {
        let list = levels[name].as_array().context("levels")?;
        Ok(list.iter().filter_map(serde_json::Value::as_f64).collect())
    };
    let (mic, out) = (of("mic")?, of("out")?);
    let mut times = Vec::new();
    let mut left_out = 0;
    for onset in onsets(&mic) {
        let before = onset.saturating_sub(20);
        let spoke = out[before..onset].iter().any(|level| *level >= LOUD);
        let rest = &out[onset..];
        // The first silence that is long enough, and where it began.
        let silent = (0..rest.len().saturating_sub(SILENT))
            .find(|n| rest[*n..n + SILENT].iter().all(|level| *level < LOUD));
        match silent {
            Some(silent) if spoke => times.push(silent as f64 * BLOCK / f64::from(RATE) * 1e3),
            _ => left_out += 1,
        }
    }
    std::fs::remove_dir_all(wav.parent().context("a folder")?)?;
    ensure!(
        times.len() * 2 > trials,
        "only {} of {trials} interruptions were seen",
        times.len()
    );
    report.row(
        "Chromium: onset in the microphone → silence at the page",
        "ms",
        &Percentiles::of(&times),
        &[p95(350.0, 220.0)],
    );
    report.note("onsets while the agent did not speak, left out", left_out);
    Ok(())
}
