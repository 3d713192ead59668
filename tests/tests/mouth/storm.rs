// SPDX-License-Identifier: MPL-2.0

//! Everything that can happen to a mouth, in any order and from several threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use duplex_tests::random::Random;
use duplex_textpad::events::{UtteranceBegin, UtteranceEnd};
use gst::prelude::*;

use crate::line::Line;

/// What the bus says must make sense: nothing of an utterance comes after it was stopped.
struct Witness {
    stopped: std::collections::HashSet<String>,
    interruptions: u64,
}

impl Witness {
    fn look(&mut self, message: &gst::MessageRef) {
        if let gst::MessageView::Error(error) = message.view() {
            panic!("{}", error.error());
        }
        let Some(structure) = message.structure() else {
            return;
        };
        let name = structure.name().as_str();
        if !name.starts_with("ttssink/") {
            return;
        }
        let id = structure.get::<String>("utterance-id").unwrap();
        if name == "ttssink/interrupted" {
            // Told once more when all its text has come.
            let new = self.stopped.insert(id);
            self.interruptions += u64::from(new);
        } else {
            assert!(!self.stopped.contains(&id), "{structure} after its end");
        }
    }
}

#[test]
fn two_thousand_interruptions_among_everything_else() {
    let mut line = Line::playing(
        "audiotestsrc is-live=true samplesperbuffer=441 ! testear name=ears ! fakesink \
         appsrc name=text caps=text/x-raw,format=utf8 format=time max-bytes=2000 leaky-type=upstream \
         ! ttssink name=mouth synthesizer=tonetts interrupted-by=ears audio-sink=\"fakesink sync=true\" \
         commit-duration=20000000",
    );
    let ear = line.ear("ears");
    let source = line.pipeline.by_name("text").unwrap();
    let source = source.downcast::<gst_app::AppSrc>().unwrap();
    let running = Arc::new(AtomicBool::new(true));

    // Somebody else speaks now and then.
    let hearing = {
        let running = running.clone();
        thread::spawn(move || {
            let mut random = Random::new(3);
            while running.load(Ordering::Relaxed) {
                ear.hear("speech-onset");
                thread::sleep(Duration::from_millis(random.below(60) as u64));
                ear.hear(["speech-cancelled", "speech-ended"][random.below(2)]);
                thread::sleep(Duration::from_millis(random.below(100) as u64));
            }
        })
    };
    // And somebody writes.
    let writing = {
        let running = running.clone();
        let source = source.clone();
        thread::spawn(move || {
            let mut random = Random::new(4);
            let mut n = 0;
            while running.load(Ordering::Relaxed) {
                n += 1;
                let id = format!("answer-{n}");
                source.send_event(UtteranceBegin::new(&id).to_event());
                for _ in 0..random.below(8) {
                    let text = ["token, ", "and ", "another. "][random.below(3)];
                    let _ = source.push_buffer(gst::Buffer::from_slice(text.as_bytes()));
                }
                if random.below(3) > 0 {
                    source.send_event(UtteranceEnd::of_text(&id).to_event());
                }
                thread::sleep(Duration::from_millis(random.below(40) as u64));
            }
        })
    };

    let mut random = Random::new(5);
    let mut witness = Witness {
        stopped: Default::default(),
        interruptions: 0,
    };
    let bus = line.pipeline.bus().unwrap();
    let mut asked = 0;
    while asked < 2000 {
        match random.below(100) {
            0..50 => {
                line.act("interrupt");
                asked += 1;
            }
            50..75 => {
                line.say("said, at once");
            }
            75..85 => {
                source.send_event(gst::event::FlushStart::new());
                source.send_event(gst::event::FlushStop::new(random.below(2) == 0));
                asked += 1;
            }
            85..91 => {
                line.act("pause");
                thread::sleep(Duration::from_millis(random.below(10) as u64));
                line.act("resume");
            }
            91..95 => {
                line.pipeline.set_state(gst::State::Paused).unwrap();
                line.act("interrupt");
                line.say("said in PAUSED");
                line.pipeline.set_state(gst::State::Playing).unwrap();
            }
            95..97 => {
                line.pipeline.set_state(gst::State::Ready).unwrap();
                line.pipeline.set_state(gst::State::Playing).unwrap();
            }
            _ => thread::sleep(Duration::from_millis(random.below(120) as u64)),
        }
        thread::sleep(Duration::from_millis(random.below(20) as u64));
        while let Some(message) = bus.pop() {
            witness.look(&message);
        }
    }
    running.store(false, Ordering::Relaxed);
    hearing.join().unwrap();
    writing.join().unwrap();
    assert!(witness.interruptions > 100, "{}", witness.interruptions);

    // After all that it speaks as if nothing had been.
    line.act("interrupt");
    line.say("alpha bravo charlie");
    for word in ["alpha", "bravo", "charlie"] {
        line.expect_word(word);
    }
}
