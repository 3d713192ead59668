// SPDX-License-Identifier: MPL-2.0

//! What callers say while the agent speaks, with the whole line in real time: ears, recogniser and mouth.

#![allow(clippy::print_stdout)] // figures

use std::{
    thread,
    time::{Duration, Instant},
};

use duplex_tests::{
    listeners::{self, level, spoken},
    plugins,
    random::Random,
    recordings::RATE,
    signal,
};
use gst::prelude::*;

use crate::rig::speech;

/// What may be said to the agent.
const GRAMMAR: &str = "stop | stop it | wait | wait a minute | tell me [another] story | count to (three | five | ten) \
    | (front | rear | side) (left | right | center) | what time is it | yes | no | hello | goodbye | thank you";

/// As a conversation sets them.
const EARS: &str = "min-silence-duration=300000000";
const MOUTH: &str = "commit-duration=800000000";

const STORY: &str = "once there was a miller who had three sons and a mill and an ass and a cat and when he died the \
    eldest had the mill and the second had the ass and the third had nothing but the cat and he was sad and said my \
    brothers can work together and live well but what shall I do with a cat when I have eaten him I must starve and the \
    cat heard it all and said do not be sad only give me a bag and a pair of boots and you will see that you are not so \
    badly off as you think and the master had seen the cat play many tricks to catch rats and mice and so he did as the \
    cat wished";

/// What one sound of a caller came to.
#[derive(Debug)]
struct Heard {
    what: String,
    interrupted: bool,
    silence: Duration,
    /// From the sound's beginning to the interruption.
    after: Option<Duration>,
}

/// Sounds to be made over the agent's speech, and how long after one another.
fn over_the_agent(sounds: &[(String, Vec<f32>)]) -> (Vec<Heard>, Vec<String>) {
    const EACH: Duration = Duration::from_millis(3200);
    const FIRST: Duration = Duration::from_millis(1500);
    plugins::init();
    let line = format!(
        "appsrc name=caller is-live=true format=time caps=audio/x-raw,format=S16LE,layout=interleaved,rate=16000,channels=1 \
         ! clocksync ! vad name=ears post-messages=false {EARS} ! sphinxasr name=asr grammar=\"{GRAMMAR}\" \
         ! ttssink name=mouth synthesizer=espeaktts interrupted-by=ears {MOUTH} audio-sink=\"fakesink sync=true\""
    );
    let pipeline = gst::parse::launch(&line).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    // What is understood is not for the mouth.
    let text = pipeline.by_name("asr").unwrap().static_pad("src").unwrap();
    text.add_probe(gst::PadProbeType::BUFFER, |_, _| gst::PadProbeReturn::Drop);
    let mouth = pipeline.by_name("mouth").unwrap();
    let source: gst_app::AppSrc = pipeline.by_name("caller").unwrap().downcast().unwrap();

    // A room is never silent.
    let mut random = Random::new(7);
    let length = FIRST + EACH * sounds.len() as u32;
    let mut caller: Vec<f32> = (0..(length.as_secs_f64() * f64::from(RATE)) as usize)
        .map(|_| (random.normal() * 0.0005) as f32)
        .collect();
    for (n, (_, samples)) in sounds.iter().enumerate() {
        let at = FIRST + EACH * n as u32;
        signal::add(
            &mut caller,
            samples,
            (at.as_secs_f64() * f64::from(RATE)) as usize,
        );
    }
    let caller = signal::resample(&caller, RATE, 16_000);
    pipeline.set_state(gst::State::Playing).unwrap();
    mouth.emit_by_name::<Option<String>>("say", &[&STORY]);
    for (n, piece) in signal::to_s16(&caller).chunks(160).enumerate() {
        let bytes: Vec<u8> = piece
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let mut buffer = gst::Buffer::from_slice(bytes);
        // A microphone delivers what it heard, not what it will hear.
        let time = gst::ClockTime::from_mseconds(10) * (n as u64 + 1);
        buffer.get_mut().unwrap().set_pts(time);
        source.push_buffer(buffer).unwrap();
    }
    let mut heard: Vec<Heard> = (sounds.iter())
        .map(|(what, _)| Heard {
            what: what.clone(),
            interrupted: false,
            silence: Duration::ZERO,
            after: None,
        })
        .collect();
    let mut words = Vec::new();
    let mut paused = None;
    let limit = Instant::now() + length + Duration::from_secs(30);
    let bus = pipeline.bus().unwrap();
    let end = length.as_nanos() as u64;
    loop {
        assert!(Instant::now() < limit, "the line hangs");
        let Some(message) = bus.timed_pop(gst::ClockTime::from_mseconds(100)) else {
            if mouth
                .current_running_time()
                .is_some_and(|now| now.nseconds() > end)
            {
                break;
            }
            continue;
        };
        if let gst::MessageView::Error(error) = message.view() {
            panic!("{error:?}");
        }
        let Some(told) = message
            .structure()
            .filter(|s| s.name().starts_with("ttssink/"))
        else {
            continue;
        };
        let at = Duration::from_nanos(told.get::<u64>("running-time").unwrap_or(0));
        let n = (at.saturating_sub(FIRST).as_nanos() / EACH.as_nanos()) as usize;
        let Some(one) = heard.get_mut(n) else {
            continue;
        };
        match told.name().as_str() {
            "ttssink/paused" => paused = Some(told.get::<u64>("left-at").unwrap()),
            "ttssink/resumed" => {
                if let Some(since) = paused.take() {
                    one.silence += at.saturating_sub(Duration::from_nanos(since));
                }
            }
            "ttssink/word" => words.push(told.get::<String>("text").unwrap()),
            "ttssink/interrupted" => {
                one.interrupted = true;
                one.after = Some(at.saturating_sub(FIRST + EACH * n as u32));
                paused = None;
                // The next finds an agent who speaks.
                mouth.emit_by_name::<Option<String>>("say", &[&STORY]);
            }
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    (heard, words)
}

fn all_over_the_agent(sounds: Vec<(String, Vec<f32>)>) -> Vec<Heard> {
    // Several callers at once, so that it does not take minutes.
    let lines: Vec<_> = sounds
        .chunks(5)
        .map(|sounds| {
            let sounds = sounds.to_vec();
            thread::spawn(move || over_the_agent(&sounds).0)
        })
        .collect();
    let heard: Vec<Heard> = lines
        .into_iter()
        .flat_map(|line| line.join().unwrap())
        .collect();
    for one in &heard {
        println!(
            "{:32} {:>4} ms of silence{}",
            one.what,
            one.silence.as_millis(),
            one.after.map_or(String::new(), |after| format!(
                ", interrupted after {} ms",
                after.as_millis()
            ))
        );
    }
    heard
}

/// Backchannels, coughs and noises let the agent go on.
#[test]
fn who_only_listens_does_not_interrupt() {
    let sounds = listeners::known().unwrap().into_iter();
    let sounds = sounds.map(|sound| (sound.what, sound.samples)).collect();
    let heard = all_over_the_agent(sounds);
    let resumed = heard.iter().filter(|one| !one.interrupted).count();
    let short = heard
        .iter()
        .filter(|one| !one.interrupted && one.silence <= Duration::from_millis(400))
        .count();
    println!(
        "{resumed} of {} resumed, {short} within 400 ms",
        heard.len()
    );
    assert!(
        resumed * 10 >= heard.len() * 9,
        "{resumed} of {}",
        heard.len()
    );
}

/// Commands stop him, and short words stop him before they are over.
#[test]
fn who_wants_the_floor_gets_it() {
    let mut sounds = Vec::new();
    for voice in ["en-us", "en-gb", "en-us+f3"] {
        for text in [
            "stop",
            "wait a minute",
            "tell me another story",
            "what time is it",
        ] {
            sounds.push((format!("{text} ({voice})"), level(spoken(text, voice))));
        }
    }
    for name in ["Front_Left", "Rear_Right", "Side_Left"] {
        sounds.push((name.into(), level(speech(name, Duration::ZERO))));
    }
    let heard = all_over_the_agent(sounds);
    let interrupted = heard.iter().filter(|one| one.interrupted).count();
    println!("{interrupted} of {} interrupted", heard.len());
    assert!(
        interrupted * 10 >= heard.len() * 9,
        "{interrupted} of {}",
        heard.len()
    );
}
