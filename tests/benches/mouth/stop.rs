// SPDX-License-Identifier: MPL-2.0

//! Decision → the last audible sample leaves, and sounds. The decision is the emission of an
//! ear's signal, here of a vad without sound of its own, so that the moment is known exactly.

use std::time::Duration;

use anyhow::{Context, Result};
use duplex_tests::{
    measure::{Percentiles, ms},
    random::Random,
};
use gst::prelude::*;

use crate::{
    line::Mouth,
    report::{Report, p99},
};

/// No mark at which a voice would pause by itself.
const TEXT: &str = "one of the many things that a voice can say without a pause is that it goes on \
    and on and on while nobody wants to hear any of it at all and so it goes on some more";

pub fn measure(report: &mut Report, trials: usize) -> Result<()> {
    report.on_the_clock("the stops", 1, |report| stops(report, trials))
}

fn stops(report: &mut Report, trials: usize) -> Result<()> {
    let mouth = Mouth::new("espeaktts")?;
    let ear = ear(&mouth)?;
    mouth.element.set_property("interrupter", &ear);
    mouth.play()?;
    let lead = mouth.element.property::<u64>("lead") as f64 / 1e6;
    let mut random = Random::new(11);
    let (mut leaves, mut sounds) = (Vec::new(), Vec::new());
    for _ in 0..trials {
        let (l, s) = trial(&mouth, &ear, &mut random)?;
        leaves.push(l);
        sounds.push(s);
    }
    report.row(
        "decision → last audible sample leaves",
        "ms",
        &Percentiles::of(&leaves),
        &[p99(12.0, 10.0)],
    );
    report.row(
        "decision → last audible sample sounds",
        "ms",
        &Percentiles::of(&sounds),
        &[p99(lead + 20.0, 30.0)],
    );
    Ok(())
}

/// A vad that hears silence, beside the mouth.
pub fn ear(mouth: &Mouth) -> Result<gst::Element> {
    let source = gst::ElementFactory::make("audiotestsrc")
        .property("is-live", true)
        .property_from_str("wave", "silence")
        .build()?;
    let ear = gst::ElementFactory::make("vad").build()?;
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("async", false)
        .build()?;
    mouth.pipeline.add_many([&source, &ear, &sink])?;
    gst::Element::link_many([&source, &ear, &sink])?;
    Ok(ear)
}

fn trial(mouth: &Mouth, ear: &gst::Element, random: &mut Random) -> Result<(f64, f64)> {
    mouth.frames.clear();
    mouth.speak("trial", TEXT)?;
    mouth
        .frames
        .wait(Duration::from_secs(5), |f| f.first_audible.is_some())
        .context("nothing is heard")?;
    std::thread::sleep(Duration::from_micros(
        random.between(200_000.0, 700_000.0) as u64
    ));
    let decided = mouth.now();
    let arguments: [&dyn ToValue; 3] = [&decided.nseconds(), &decided.nseconds(), &0.9f64];
    ear.emit_by_name::<()>("speech-onset", &arguments);
    // What leaves within this long after is of the fade; what leaves later would be a fault.
    std::thread::sleep(Duration::from_millis(120));
    let frames = mouth.frames.all();
    let last = frames
        .iter()
        .rfind(|f| f.last_audible.is_some())
        .context("nothing was heard")?;
    let sounds = last.last_audible.context("this frame is audible")? + mouth.latency();
    mouth.element.emit_by_name::<()>("interrupt", &[]);
    mouth
        .message("ttssink/interrupted", Duration::from_secs(5))
        .context("the mouth does not stop")?;
    ear.emit_by_name::<()>("speech-ended", &arguments);
    std::thread::sleep(Duration::from_millis(50));
    let after = |t: gst::ClockTime| ms(Duration::from_nanos(t.saturating_sub(decided).nseconds()));
    Ok((after(last.pushed), after(sounds)))
}
