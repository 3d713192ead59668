// SPDX-License-Identifier: MPL-2.0

//! What every text-to-audio element does, shown on the tone engine.

#![allow(clippy::print_stderr)]

mod caps;
mod failure;
mod flush;
mod order;
mod text;
mod time;

use duplex_tests::{
    speaking::{Out, Rig, words},
    tonetts,
};
use gst::prelude::*;

const RATE: u32 = 22_050;

fn init() {
    gst::init().unwrap();
    tonetts::register();
}

fn texts(out: &[Out]) -> Vec<String> {
    words(out).into_iter().map(|word| word.text).collect()
}

fn bus(rig: &Rig) -> gst::Bus {
    let bus = gst::Bus::new();
    rig.element.set_bus(Some(&bus));
    bus
}

fn errors(bus: &gst::Bus) -> Vec<String> {
    bus.iter_filtered(&[gst::MessageType::Error])
        .map(|message| match message.view() {
            gst::MessageView::Error(error) => error.error().to_string(),
            _ => unreachable!(),
        })
        .collect()
}

fn utterances_begun(out: &[Out]) -> usize {
    out.iter()
        .filter(|out| matches!(out, Out::Begin(_)))
        .count()
}

fn ends(out: &[Out]) -> usize {
    out.iter().filter(|out| matches!(out, Out::End(..))).count()
}
