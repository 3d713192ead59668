// SPDX-License-Identifier: MPL-2.0

//! `cudattsynth` with the small voice that is built in, and with small models of made-up weights: all that a neural voice does
//! but speak sense.

mod compact;
mod devices;
mod growth;
mod loading;
mod measured;
mod odd;
mod sharing;
mod speech;
mod trained;
mod understood;
mod worker;

use duplex_neural_small::SmallModel;
use duplex_tests::{
    plugins,
    speaking::{Out, Rig},
};
use duplex_textpad::events::{UtteranceBegin, UtteranceEnd};
use gst::prelude::*;

const RATE: i32 = 24_000;

const SENTENCE: &str = "We were told that the harbour lies behind the hill. ";

/// The element with this model, in NULL.
fn voice(model: &SmallModel) -> Rig {
    plugins::init();
    let rig = Rig::new("cudattsynth");
    rig.element
        .set_property("model", model.path().to_str().unwrap());
    rig
}

/// The same, in PLAYING.
fn playing(model: &SmallModel) -> Rig {
    let rig = voice(model);
    rig.start();
    rig.begin_bytes();
    rig
}

/// Pushes an utterance of its own.
fn say(rig: &Rig, id: &str, text: &str) {
    rig.event(UtteranceBegin::new(id).to_event());
    rig.push(text).unwrap();
    rig.event(UtteranceEnd::of_text(id).to_event());
}

/// Waits until so many utterances have ended.
fn ended(rig: &Rig, count: usize) -> Vec<Out> {
    rig.wait_for("the end", |out| {
        out.iter().filter(|out| matches!(out, Out::End(..))).count() >= count
    })
}

fn stat(rig: &Rig, name: &str) -> u64 {
    let stats: gst::Structure = rig.element.property("stats");
    stats
        .get(name)
        .unwrap_or_else(|error| panic!("{name}: {error} in {stats}"))
}

/// Waits for what the engine's threads bring about.
fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{what} did not come in 30 s");
}

fn bus(rig: &Rig) -> gst::Bus {
    let bus = gst::Bus::new();
    rig.element.set_bus(Some(&bus));
    bus
}

/// The errors on a bus, each with its kind.
fn errors(bus: &gst::Bus) -> Vec<(gst::glib::Error, String)> {
    bus.iter_filtered(&[gst::MessageType::Error])
        .map(|message| match message.view() {
            gst::MessageView::Error(error) => (error.error(), error.error().to_string()),
            _ => unreachable!(),
        })
        .collect()
}
