// SPDX-License-Identifier: MPL-2.0

//! The figures of ears and mouth, measured on the elements as an application uses them.
//!
//! `make bench`, or `cargo bench -p duplex-tests --bench mouth -- --only first-audio --seconds 20`.
//! Nothing here is a test: it prints what it finds, beside what the machine could do at all.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod first_audio;
mod line;
mod many;
mod monitor;
mod onset;
mod stop;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use duplex_tests::{
    measure, plugins,
    report::{self, Report},
};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Text buffer → first audible sample, short and long text.
    FirstAudio,
    /// Decision → the last sample leaves, and sounds.
    Stop,
    /// Decision → silence on a PulseAudio monitor.
    Monitor,
    /// Labelled onset → the last sample leaves; noise alone.
    Onset,
    /// Many pipelines at once: lateness, threads, memory.
    Many,
}

/// Measures ears and mouth, and prints a table.
#[derive(Parser)]
struct Arguments {
    /// Measure these alone.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Subject>,
    /// Seconds that each measurement over time takes, after its warm-up.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Trials of each measurement that counts trials.
    #[arg(long, default_value_t = 200)]
    trials: usize,
    /// Pipelines that speak at once; several are measured one after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [150, 400])]
    pipelines: Vec<usize>,
    /// What cargo bench adds.
    #[arg(long, hide = true)]
    bench: bool,
    /// The part of the monitor's measurement that runs with another environment.
    #[arg(long, hide = true)]
    monitor_child: bool,
    /// The same on the system's clock.
    #[arg(long, hide = true)]
    forced_clock: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    plugins::init();
    if arguments.monitor_child {
        return monitor::child(arguments.trials, arguments.forced_clock);
    }
    println!("{}\n", measure::machine());
    let mut report = Report::default();
    let wanted = |subject| arguments.only.is_empty() || arguments.only.contains(&subject);
    if wanted(Subject::FirstAudio) {
        first_audio::measure(&mut report, arguments.trials)?;
    }
    if wanted(Subject::Stop) {
        stop::measure(&mut report, arguments.trials)?;
    }
    if wanted(Subject::Monitor) {
        monitor::measure(&mut report, arguments.trials.min(60))?;
    }
    if wanted(Subject::Onset) {
        onset::measure(&mut report, arguments.seconds)?;
    }
    if wanted(Subject::Many) {
        many::measure(&mut report, &arguments.pipelines, arguments.seconds)?;
    }
    println!("{report}");
    println!("{}", measure::machine());
    Ok(())
}
