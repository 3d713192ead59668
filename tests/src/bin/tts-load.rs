// SPDX-License-Identifier: MPL-2.0

//! Puts load on a `tts.TTSService` worker, ours or another's, and prints what its clients saw.

#![allow(clippy::print_stdout)]

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use duplex_tests::{
    load::{self, Load, Reader},
    measure::{Percentiles, machine},
};

/// Puts load on a text-to-speech worker (tts.TTSService over gRPC).
#[derive(Parser)]
struct Arguments {
    /// Where the worker is, such as http://127.0.0.1:7001.
    uri: String,
    /// Model of the sessions; without it the worker's default.
    #[arg(long, default_value = "")]
    model: String,
    /// Sessions that speak at the same time.
    #[arg(long, default_value_t = 100)]
    sessions: usize,
    /// Ask for frames of so many ms, as only workers of gst-duplex know them.
    #[arg(long, value_name = "MS")]
    pieces: Option<u32>,
    /// One in so many sessions reads slowly.
    #[arg(long, default_value_t = 0, value_name = "N")]
    slow: usize,
    /// Pause, resume and stop at random instead.
    #[arg(long)]
    control: bool,
    /// Seconds that count, after a warm-up of 5.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// The worker's process, for its processor time and memory.
    #[arg(long)]
    pid: Option<u32>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    println!("{}", machine());
    let length = Duration::from_secs(arguments.seconds);
    let failure = if arguments.control {
        let seen =
            load::control(&arguments.uri, &arguments.model, arguments.sessions, length).await?;
        println!(
            "control sent → last frame: {} ms",
            Percentiles::of(&seen.last_frame)
        );
        println!(
            "control sent → reply:      {} ms",
            Percentiles::of(&seen.reply)
        );
        println!(
            "frames after the reply:    {}",
            Percentiles::of(&seen.after_reply)
        );
        (seen.failed, seen.first_error)
    } else {
        let load = Load {
            uri: arguments.uri,
            model: arguments.model,
            sessions: arguments.sessions,
            reader: arguments.pieces.map_or(Reader::Old, Reader::Pieces),
            slow: arguments.slow,
            warm_up: Duration::from_secs(5),
            length,
        };
        let seen = load::run(load, arguments.pid).await?;
        println!("lateness of frames: {} ms", Percentiles::of(&seen.late));
        println!("frames lost: {}, sound: {:.0} s", seen.lost, seen.sound);
        println!(
            "processor, clients: {:.3} ms per second of sound",
            seen.client_cpu * 1e3 / seen.sound
        );
        if arguments.pid.is_some() {
            println!(
                "processor, worker:  {:.3} ms per second of sound",
                seen.worker_cpu * 1e3 / seen.sound
            );
            println!(
                "memory, worker:     {:.1} MiB",
                seen.worker_memory as f64 / 1024.0
            );
        }
        (seen.failed, seen.first_error)
    };
    ensure!(
        failure.0 == 0,
        "{} sessions failed: {}",
        failure.0,
        failure.1.unwrap_or_default()
    );
    Ok(())
}
