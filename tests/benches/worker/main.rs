// SPDX-License-Identifier: MPL-2.0

//! The figures of duplex-worker, both ends on this machine, beside a naive server in the same run.
//!
//! `cargo bench -p duplex-tests --bench worker -- --only paced --seconds 20`.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod first_audio;
mod paced;

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use duplex_tests::{
    load,
    measure::{self, Percentiles},
    plugins,
    report::{self, Report, p99},
    worker::{BENCH, Worker},
};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Text → first frame, short and long text.
    FirstAudio,
    /// PAUSE and STOP under load.
    Control,
    /// How many sessions are on time, beside the naive server; processor and memory.
    Paced,
}

/// Measures the worker, and prints a table.
#[derive(Parser)]
struct Arguments {
    /// Measure these alone.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Subject>,
    /// Seconds that each measurement over time takes, after its warm-up.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seconds of each step in the search for how many sessions are on time.
    #[arg(long, default_value_t = 10)]
    step_seconds: u64,
    /// Trials of each measurement that counts trials.
    #[arg(long, default_value_t = 300)]
    trials: usize,
    /// What cargo bench adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Built with the bench's own profile, beside it.
fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own
        .parent()
        .and_then(|deps| deps.parent())
        .context("a bench lies in a folder of target")?;
    Ok(folder.join(name))
}

/// Our worker, or the naive one.
fn start(name: &str) -> Result<Worker> {
    if name == "duplex-worker" {
        return Ok(Worker::with(BENCH));
    }
    Ok(Worker::of(Command::new(program(name)?)))
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--release",
            "-p",
            "duplex-worker",
            "-p",
            "duplex-tests",
        ])
        .args(["--bin", "duplex-worker", "--bin", "naive-worker"])
        .current_dir(plugins::source())
        .status()?;
    ensure!(built.success(), "the workers do not build");
    println!("{}\n", measure::machine());
    let clients = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut report = Report::default();
    let wanted = |subject| arguments.only.is_empty() || arguments.only.contains(&subject);
    if wanted(Subject::FirstAudio) {
        report.on_the_clock("first audio from a worker", 1, |report| {
            let worker = start("duplex-worker")?;
            clients.block_on(first_audio::measure(
                report,
                &worker.uri(),
                arguments.trials,
            ))
        })?;
    }
    if wanted(Subject::Control) {
        let length = Duration::from_secs(arguments.seconds);
        report.on_the_clock("control", 100, |report| {
            clients.block_on(control(report, length))
        })?;
    }
    if wanted(Subject::Paced) {
        let (step, seconds) = (arguments.step_seconds, arguments.seconds);
        report.on_the_clock("paced sessions", 100, |report| {
            clients.block_on(paced::measure(report, step, seconds))
        })?;
    }
    println!("{report}");
    println!("{}", measure::machine());
    Ok(())
}

async fn control(report: &mut Report, length: Duration) -> Result<()> {
    let worker = start("duplex-worker")?;
    let seen = load::control(&worker.http(), "tone", 100, length).await?;
    ensure!(
        seen.failed == 0,
        "{} sessions failed: {:?}",
        seen.failed,
        seen.first_error
    );
    report.row(
        "100 sessions: Control sent → last frame at the client",
        "ms",
        &Percentiles::of(&seen.last_frame),
        &[p99(25.0, 20.0)],
    );
    report.note(
        "  Control sent → reply",
        format!("{} ms", Percentiles::of(&seen.reply)),
    );
    // As the client's tasks see it: the one that reads may run after the one that asked, though what
    // it reads came before. The order on the wire has a test of its own.
    report.row(
        "  frames that are read after the reply",
        "",
        &Percentiles::of(&seen.after_reply),
        &[p99(1.0, 0.0)],
    );
    Ok(())
}
