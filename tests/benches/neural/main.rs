// SPDX-License-Identifier: MPL-2.0

//! The figures of the neural engine, beside the PyTorch reference on the same weights, text and voice in the same run.
//!
//! The voice that cudattsynth comes with is always measured. Of the others:
//! `make bench`, or `cargo bench -p duplex-tests --bench neural -- --model FOLDER --only cost`. FOLDER is what
//! `plugins/cudatts/engine/tests/parity/reference.py published english OUT` wrote: published shapes, weights that no training made,
//! which take as long as any others.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod compact;
mod cost;
mod engine;
mod reference;
mod streams;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use duplex_neural::{
    Precision,
    pocket::{Files, Pocket},
};
use duplex_tests::report::Report;

/// What everybody speaks.
const TEXT: &str =
    "We were told that the harbour lies behind the hill, and that the boats come in with the tide.";

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// The voice that cudattsynth comes with: cost, loading, streams, marks.
    Compact,
    /// What 80 ms of sound cost one thread, by streams at once.
    Cost,
    /// Text → first sound.
    FirstAudio,
    /// The most memory that a process with the model ever had.
    Memory,
    /// Steps until a cancelled utterance's slot is free.
    Cancel,
    /// How many streams are in time, and whether they stay so when ten times more ask.
    Streams,
    /// Only for ourselves: load the model, speak a sentence, print the memory.
    #[value(hide = true)]
    OwnMemory,
}

/// Measures the neural engine, and prints a table.
#[derive(Parser)]
struct Arguments {
    /// Folder of the model.
    #[arg(long)]
    model: Option<PathBuf>,
    /// A Python that has PyTorch and pocket-tts.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Measure these alone.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Subject>,
    /// Seconds of the streams.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What cargo bench adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn open(folder: &Path, precision: Precision) -> Result<Pocket> {
    let tokenizer = ["tokenizer.json", "tokenizer.model"]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.exists());
    let files = Files {
        config: folder.join("config.yaml").into(),
        weights: folder.join("model.safetensors"),
        tokenizer: tokenizer.context("the model has a tokenizer")?,
        voices: vec![("stored".into(), folder.join("voice.safetensors"))],
    };
    Ok(Pocket::open(files, precision)?)
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let (Some(folder), [Subject::OwnMemory]) = (&arguments.model, &arguments.only[..]) {
        return engine::own_memory(folder);
    }
    let mut report = Report::default();
    if arguments.asks_for(Subject::Compact) {
        compact::measure(&mut report, arguments.seconds)?;
    }
    match &arguments.model {
        Some(folder) => published(&mut report, folder, &arguments)?,
        None => println!(
            "NOT MEASURED: Pocket TTS; --model names the folder of a model, which `make parity` makes"
        ),
    }
    println!("{report}");
    Ok(())
}

impl Arguments {
    fn asks_for(&self, subject: Subject) -> bool {
        self.only.is_empty() || self.only.contains(&subject)
    }
}

/// Rows of a model in published shapes.
fn published(report: &mut Report, folder: &Path, arguments: &Arguments) -> Result<()> {
    let asked = |subject| arguments.asks_for(subject);
    let reference = match &arguments.python {
        Some(python) if asked(Subject::Cost) || asked(Subject::FirstAudio) => {
            Some(reference::measure(python, folder)?)
        }
        Some(_) => None,
        None => {
            println!(
                "NOT MEASURED: the PyTorch reference; --python names a Python that has torch and pocket-tts"
            );
            None
        }
    };
    if asked(Subject::Cost) {
        report.on_the_clock("the cost of sound", 1, |report| {
            cost::measure(report, folder, reference.as_ref())
        })?;
    }
    if asked(Subject::FirstAudio) {
        report.on_the_clock("first audio", 1, |report| {
            engine::first_audio(report, folder, reference.as_ref())
        })?;
    }
    if asked(Subject::Memory) {
        engine::memory(report, folder)?;
    }
    if asked(Subject::Cancel) {
        engine::cancel(report, folder)?;
    }
    if asked(Subject::Streams) {
        report.on_the_clock("streams", 1, |report| {
            streams::measure(report, folder, arguments.seconds)
        })?;
    }
    for what in [
        "H200: step time, 1 / 64 / 256 streams",
        "H200: first audio at 256 streams",
        "H200: streams in time",
    ] {
        report.note(what, "not measured here: make gpu-check");
    }
    Ok(())
}
