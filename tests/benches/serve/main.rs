// SPDX-License-Identifier: MPL-2.0

//! The figures of `duplex serve`, both ends on this machine.
//!
//! `cargo bench -p duplex-tests --bench serve -- --only first-audio --trials 100`. With `--profile dev` it measures what
//! `cargo build` has built.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod answers;
mod backchannels;
mod conversations;
mod first_audio;
mod memory;
mod page;
mod turns;

use std::process::Command;
use std::sync::Arc;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use duplex_tests::serving::Server;
use duplex_tests::worker::{BENCH, Worker};
use duplex_tests::{
    measure, plugins,
    report::{self, Report},
};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Text → first audio, 1 and 100 sessions.
    FirstAudio,
    /// End of the caller's speech → answer, with what is embedded.
    Turns,
    /// Backchannels, coughs and noises while the agent speaks.
    Backchannels,
    /// Sentences while the agent speaks.
    Interruptions,
    /// Both with the sounds that thresholds were looked for on; only where it is named.
    KnownBackchannels,
    /// In Chromium: onset in the microphone → silence at the page.
    Page,
    /// Messages answered at 100 sessions, and across quick reconnects.
    Answers,
    /// Memory per session.
    Memory,
    /// How many conversations are on time: sound in, ears, speech out.
    Conversations,
}

/// Measures the server, and prints a table.
#[derive(Parser)]
struct Arguments {
    /// Measure these alone.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Subject>,
    /// Seconds of each step in the search for how many conversations are on time.
    #[arg(long, default_value_t = 10)]
    step_seconds: u64,
    /// Seconds for which the most conversations that were on time have to be so once more.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Search for how many conversations are on time with these ears alone: silero, earshot.
    #[arg(long)]
    engine: Option<String>,
    /// Conversations with which the search begins.
    #[arg(long, default_value_t = 25)]
    from: usize,
    /// Trials of each measurement that counts trials.
    #[arg(long, default_value_t = 200)]
    trials: usize,
    /// What cargo bench adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// More than this machine can have.
const CONFIG: &str = "log_level: WARNING
limits: { sessions: 5000, messages: 1000000, starts_per_second: 5000, messages_per_second: 100000 }
";

/// A server whose callers are heard by `engine` and spoken to by `synthesizer`; nobody understands them.
fn server(engine: &str, synthesizer: &str) -> Result<(Server, std::path::PathBuf)> {
    let folder = plugins::temporary("serve-bench")?;
    let file = folder.join("bench.yaml");
    std::fs::write(
        &file,
        format!(
            "elements:
  ears: {{ factory: vadsrc, audio-source: caller.audio, engine: {engine} }}
  nowhere: {{ factory: fakesink, async: false }}
  mouth: {{ factory: ttssink, synthesizer: \"{synthesizer}\", interrupted-by: ears, audio-sink: caller.audio }}
links: [ ears -> nowhere, caller.text -> mouth ]
"
        ),
    )?;
    let server = Server::with(&[&file.display().to_string()], CONFIG, &[]);
    Ok((server, folder))
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let build = |arguments: &[&str]| -> Result<()> {
        let mut build = Command::new(env!("CARGO"));
        build
            .arg("build")
            .args(arguments)
            .current_dir(plugins::source());
        if !plugins::folder().ends_with("debug") {
            build.arg("--release");
        }
        ensure!(build.status()?.success(), "cargo build {arguments:?} fails");
        Ok(())
    };
    // What runs in this process is linked into it.
    let here = [
        Subject::Backchannels,
        Subject::Interruptions,
        Subject::KnownBackchannels,
    ];
    if arguments.only.is_empty() || arguments.only.iter().any(|one| !here.contains(one)) {
        build(&[
            "--package=duplex-runner",
            "--package=duplex-worker",
            "--package=gst-plugin-duplextts",
            "--package=gst-plugin-duplexvad",
            "--package=gst-plugin-duplexasr",
            "--package=gst-plugin-duplexchat",
            "--package=gst-plugin-duplexespeak",
        ])?;
    }
    if arguments.only.is_empty() || arguments.only.contains(&Subject::Page) {
        let folder = plugins::folder();
        let target = folder.parent().unwrap_or(&folder);
        let target = format!("--target-dir={}", target.display());
        build(&[
            "--manifest-path=plugins/webrtc/Cargo.toml",
            &target,
            "--package=gst-plugin-webrtc",
        ])?;
    }
    println!("{}\n", measure::machine());
    let clients = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut report = Report::default();
    let wanted = |subject| arguments.only.is_empty() || arguments.only.contains(&subject);
    if wanted(Subject::FirstAudio) {
        // The tone engine has no element of its own: a worker speaks with it.
        let worker = Worker::with(BENCH);
        let tone = format!("grpctts uri={}", worker.uri());
        for (voice, synthesizer) in [
            ("a worker's tone engine", &*tone),
            ("espeaktts", "espeaktts"),
        ] {
            for sessions in [1, 100] {
                report.on_the_clock("first audio", sessions, |report| {
                    let (server, folder) = server("silero", synthesizer)?;
                    let trials = arguments.trials;
                    let measured = first_audio::measure(report, &server, voice, sessions, trials);
                    clients.block_on(measured)?;
                    Ok(std::fs::remove_dir_all(folder)?)
                })?;
            }
        }
    }
    if wanted(Subject::Turns) {
        report.on_the_clock("turns", 1, |report| {
            let server = Server::with(&["pipelines/conversation.yaml"], CONFIG, &[]);
            clients.block_on(turns::measure(report, &server, arguments.trials.min(60)))
        })?;
    }
    if wanted(Subject::Backchannels) {
        report.on_the_clock("backchannels", 1, |report| {
            backchannels::measure(report, false)
        })?;
    }
    if wanted(Subject::Interruptions) {
        report.on_the_clock("interruptions", 1, |report| {
            backchannels::sentences(report, false)
        })?;
    }
    if arguments.only.contains(&Subject::KnownBackchannels) {
        backchannels::measure(&mut report, true)?;
        backchannels::sentences(&mut report, true)?;
    }
    if wanted(Subject::Page) {
        report.on_the_clock("the page", 1, |report| {
            let server = Server::with(&["pipelines/speak.yaml"], CONFIG, &[]);
            page::measure(report, &server, arguments.trials.min(24))
        })?;
    }
    if wanted(Subject::Answers) {
        let (server, folder) = server("silero", "espeaktts")?;
        clients.block_on(answers::measure(&mut report, &Arc::new(server)))?;
        std::fs::remove_dir_all(folder)?;
    }
    if wanted(Subject::Memory) {
        let (server, folder) = server("silero", "espeaktts")?;
        clients.block_on(memory::measure(&mut report, &server))?;
        std::fs::remove_dir_all(folder)?;
    }
    if wanted(Subject::Conversations) {
        let engines = [("silero", 100, 200), ("earshot", 150, 300)];
        let engines = engines.into_iter().filter(|(engine, ..)| {
            arguments
                .engine
                .as_deref()
                .is_none_or(|only| only == *engine)
        });
        for (engine, must, aim) in engines {
            report.on_the_clock("conversations", 100, |report| {
                let (server, folder) = server(engine, "espeaktts")?;
                let (from, step) = (arguments.from, arguments.step_seconds);
                let found = conversations::search(&server, from, step, arguments.seconds);
                let found = clients.block_on(found)?;
                conversations::tell(report, engine, must, aim, &found);
                Ok(std::fs::remove_dir_all(folder)?)
            })?;
        }
    }
    println!("{report}");
    println!("{}", measure::machine());
    Ok(())
}
