// SPDX-License-Identifier: MPL-2.0

//! Recorded phrases, recognised with a grammar that has them.

use std::time::Duration;

use crate::rig::{Line, Out, PLACES, alsa, events, speech, texts};

const NAMES: [&str; 8] = [
    "Front_Center",
    "Front_Left",
    "Front_Right",
    "Rear_Center",
    "Rear_Left",
    "Rear_Right",
    "Side_Left",
    "Side_Right",
];

fn said(name: &str) -> String {
    name.replace('_', " ").to_lowercase()
}

/// Both modes of the ears, the recordings' own 48 kHz and two channels.
#[test]
fn every_phrase_is_understood_in_both_modes() {
    for mode in ["annotate", "gate"] {
        for name in NAMES {
            let (samples, rate) = alsa(name);
            let mut line = Line::new(
                rate,
                2,
                &format!("mode={mode}"),
                &format!("grammar=\"{PLACES}\""),
            );
            line.push(&samples);
            line.pause(Duration::from_secs(2));
            let out = line.end();
            assert_eq!(texts(&out), [said(name)], "{mode}: {out:#?}");
        }
    }
}

/// One text and one event per turn, in this order, with the times of the speech.
#[test]
fn a_turn_is_a_text_an_event_and_messages() {
    let mut line = Line::new(
        16_000,
        1,
        "",
        &format!("grammar=\"{PLACES}\" partial-interval=100000000"),
    );
    for name in ["Front_Left", "Rear_Right"] {
        line.say(&speech(name, Duration::from_secs(1)));
    }
    let out = line.end();
    assert_eq!(texts(&out), ["front left", "rear right"], "{out:#?}");
    let order: Vec<&str> = (out.iter())
        .filter_map(|one| match one {
            Out::Text(..) => Some("text"),
            Out::Event(name, _) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let turns: Vec<&str> = (order.iter())
        .filter(|what| ["text", "voice/end-of-turn"].contains(what))
        .copied()
        .collect();
    assert_eq!(turns, ["text", "voice/end-of-turn"].repeat(2), "{out:#?}");
    let speech: Vec<&str> = (order.iter())
        .take_while(|what| **what != "text")
        .filter(|what| **what != "voice/likely-end-of-turn")
        .copied()
        .collect();
    let begin = [
        "voice/onset-of-speech",
        "voice/start-of-speech",
        "voice/end-of-speech",
    ];
    assert_eq!(speech, begin);
    assert!(order.contains(&"voice/likely-end-of-turn"), "{order:?}");
    for (text, event) in ["front left", "rear right"]
        .iter()
        .zip(events(&out, "voice/end-of-turn"))
    {
        assert_eq!(event.get::<&str>("text").unwrap(), *text);
        assert_eq!(event.get::<&str>("language").unwrap(), "en-US");
    }
    let Some(Out::Text(_, pts, duration)) = out.iter().find(|one| matches!(one, Out::Text(..)))
    else {
        panic!("{out:#?}");
    };
    assert!(
        (900..1150).contains(pts),
        "speech begins after a second: {pts}"
    );
    assert!((700..1500).contains(duration), "{duration}");
    let end = events(&out, "voice/end-of-turn")[0]
        .get::<u64>("speech-end")
        .unwrap()
        / 1_000_000;
    assert_eq!(end, pts + duration);

    let transcripts = line.transcripts();
    let last: Vec<bool> = transcripts
        .iter()
        .map(|t| t.get("final").unwrap())
        .collect();
    assert_eq!(last.iter().filter(|last| **last).count(), 2);
    assert!(
        !last[0] && *last.last().unwrap(),
        "partial results come before the final one: {last:?}"
    );
    for transcript in transcripts.iter().filter(|t| t.get("final").unwrap()) {
        let words = transcript.get::<gst::Array>("words").unwrap();
        assert_eq!(words.len(), 2, "{transcript}");
        let mut before = transcript.get::<u64>("stream-time").unwrap() - 250_000_000;
        for word in words.iter() {
            let word = word.get::<gst::Structure>().unwrap();
            let start = word.get::<u64>("start").unwrap();
            assert!(start >= before, "{transcript}");
            before = start + word.get::<u64>("duration").unwrap();
        }
        assert!(
            before < transcript.get::<u64>("speech-end").unwrap() + 500_000_000,
            "{transcript}"
        );
    }
}
