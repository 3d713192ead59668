// SPDX-License-Identifier: MPL-2.0

//! Speaks ten sentences with each voice of a synthesizer, has them recognised, and prints how many words were heard wrong and how
//! long the speaking took: `make listen MODEL=…`.
//!
//!     cargo run -p duplex-tests --bin listen -- "cudattsynth model=english" --voice alba --keep out/listen

#![allow(clippy::print_stdout)]

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use duplex_tests::{hearing, plugins, signal};
use gst::prelude::*;

/// Everyday English that the recogniser has all words of.
const SENTENCES: [&str; 10] = [
    "The train to the city leaves every morning at seven.",
    "Please close the window before the rain comes in.",
    "She has lived in this house since she was a child.",
    "We are going to the market to buy some bread and fruit.",
    "Tell me the name of the street and the number of the house.",
    "The doctor will call you back later this afternoon.",
    "He put the letter on the table and left the room.",
    "There was a long line of people waiting at the door.",
    "I would like to change the time of our next meeting.",
    "The children played in the garden until it was dark.",
];

/// Speaks, recognises, counts.
#[derive(Parser)]
struct Arguments {
    /// A synthesizer and its properties, as gst-launch has them.
    synthesizer: String,
    /// Voices; the synthesizer's default where none is named.
    #[arg(long)]
    voice: Vec<String>,
    /// A folder that the recordings are kept in.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// Speaks into a file, and gives how long that took and how long it lasts.
fn speak(synthesizer: &gst::Element, text: &str, wav: &Path) -> Result<(Duration, f64)> {
    let pipeline = gst::Pipeline::new();
    let source = gst_app::AppSrc::builder()
        .caps(
            &gst::Caps::builder("text/x-raw")
                .field("format", "utf8")
                .build(),
        )
        .build();
    let convert = plugins::make("audioconvert")?;
    let encode = plugins::make("wavenc")?;
    let sink = plugins::make("filesink")?;
    sink.set_property("location", wav);
    let chain = [source.upcast_ref(), synthesizer, &convert, &encode, &sink];
    pipeline.add_many(chain)?;
    gst::Element::link_many(chain)?;
    // Models load on the way to PAUSED.
    pipeline.set_state(gst::State::Paused)?;
    let begun = Instant::now();
    pipeline.set_state(gst::State::Playing)?;
    source.push_buffer(gst::Buffer::from_slice(text.to_owned().into_bytes()))?;
    source.end_of_stream()?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &ends);
    let took = begun.elapsed();
    pipeline.set_state(gst::State::Null)?;
    pipeline.remove(synthesizer)?;
    let end = end.context("it does not end within two minutes")?;
    if let gst::MessageView::Error(error) = end.view() {
        bail!("{}", error.error());
    }
    let (samples, rate) = signal::read_wav(wav)?;
    ensure!(!samples.is_empty(), "it spoke nothing");
    Ok((took, samples.len() as f64 / f64::from(rate)))
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    plugins::init();
    let folder = match &arguments.keep {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            folder.clone()
        }
        None => plugins::temporary("listen")?,
    };
    let voices: Vec<Option<&str>> = match arguments.voice.as_slice() {
        [] => vec![None],
        named => named.iter().map(|voice| Some(voice.as_str())).collect(),
    };
    let mut all = Vec::new();
    for voice in voices {
        let synthesizer = gst::parse::bin_from_description(&arguments.synthesizer, false)
            .with_context(|| format!("`{}` is a synthesizer", arguments.synthesizer))?;
        let element = synthesizer.iterate_elements().next().ok().flatten();
        let element = element.context("a synthesizer is an element")?;
        synthesizer.remove(&element)?;
        if let Some(voice) = voice {
            element.set_property("voice", voice);
        }
        let name = voice.unwrap_or("default");
        let (mut errors, mut factors) = (Vec::new(), Vec::new());
        for (number, sentence) in SENTENCES.iter().enumerate() {
            let wav = folder.join(format!("{name}-{}.wav", number + 1));
            let (took, length) = speak(&element, sentence, &wav)?;
            let heard = hearing::recognise(&wav)?;
            let error = hearing::word_errors(sentence, &heard);
            let factor = took.as_secs_f64() / length;
            println!(
                "{name}: {} of {} wrong, {factor:.3} of real time: {heard}",
                error.0, error.1
            );
            errors.push(error);
            factors.push(factor);
        }
        println!(
            "{name}: {:.1} % of words wrong, {:.3} of real time",
            hearing::error_rate(errors.iter().copied())?,
            factors.iter().sum::<f64>() / factors.len() as f64
        );
        all.extend(errors);
    }
    println!(
        "all voices: {:.1} % of words wrong",
        hearing::error_rate(all)?
    );
    if arguments.keep.is_none() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}
