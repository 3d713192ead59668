// SPDX-License-Identifier: MPL-2.0

//! Runs a command, then prints how long it took and how much memory it and all that it started
//! used at the same time. Compilers count as nobody: it is tests that are measured.

#![allow(clippy::print_stderr, clippy::disallowed_methods)]

use std::{
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Parser;
use duplex_tests::process;

/// Runs a command and prints its wall time and its peak memory.
#[derive(Parser)]
struct Arguments {
    /// Fails where the peak is higher than so many MiB.
    #[arg(long)]
    limit_mb: Option<u64>,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true)]
    command: Vec<String>,
}

/// Names of what builds: at most 15 characters, as /proc has them.
const BUILDERS: [&str; 19] = [
    "cargo",
    "rustc",
    "rustdoc",
    "clippy-driver",
    "rustfmt",
    "ld",
    "rust-lld",
    "collect2",
    "cc",
    "cc1",
    "gcc",
    "meson",
    "ninja",
    "gdb",
    // Go's, which builds the LiveKit server.
    "go",
    "compile",
    "asm",
    "cgo",
    "link",
];

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let start = Instant::now();
    let mut child = Command::new(&arguments.command[0])
        .args(&arguments.command[1..])
        .spawn()
        .with_context(|| format!("cannot start {}", arguments.command[0]))?;
    let mut peak = (0, Vec::new());
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let using: Vec<(u64, String)> = process::family(child.id())
            .into_iter()
            .filter(|p| !BUILDERS.contains(&p.name.as_str()))
            .map(|p| (process::pss_kib_of(p.pid), p.name))
            .collect();
        let sum: u64 = using.iter().map(|(kib, _)| kib).sum();
        if sum > peak.0 {
            peak = (sum, using);
        }
        thread::sleep(Duration::from_millis(250));
    };
    let (kib, mut using) = peak;
    using.sort_unstable_by_key(|(kib, _)| std::cmp::Reverse(*kib));
    let largest: Vec<String> = using
        .iter()
        .take(3)
        .map(|(kib, name)| format!("{name} {} MiB", kib / 1024))
        .collect();
    eprintln!(
        "tests: {} s, peak resident memory {} MiB ({})",
        start.elapsed().as_secs(),
        kib / 1024,
        largest.join(", ")
    );
    if let Some(limit) = arguments.limit_mb.filter(|limit| kib / 1024 > *limit) {
        eprintln!("tests: that is more than the {limit} MiB they may use");
        return Ok(ExitCode::FAILURE);
    }
    Ok(match status.code() {
        Some(code) => ExitCode::from(code.clamp(0, 255) as u8),
        None => {
            eprintln!("tests: {status}");
            ExitCode::FAILURE
        }
    })
}
