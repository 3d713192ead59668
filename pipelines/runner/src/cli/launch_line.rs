// SPDX-License-Identifier: MPL-2.0

//! `duplex launch-line`

use std::path::PathBuf;

use duplex_runner::launch_line::{self, CallerParts};

/// Print the gst-launch-1.0 command that does the same
#[derive(clap::Args)]
#[command(after_help = "Examples:
  duplex launch-line pipelines/barge-in.yaml
  duplex launch-line pipelines/barge-in.yaml --caller caller.wav --quiet
  sh -c \"$(duplex launch-line pipelines/say.yaml)\"")]
pub struct Args {
    /// The description
    file: PathBuf,
    /// Values of its parameters
    #[arg(value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// A WAV file is the caller, instead of the microphone
    #[arg(long, value_name = "FILE.wav")]
    caller: Option<PathBuf>,
    /// Write what is heard to a WAV file
    #[arg(long, value_name = "FILE.wav")]
    heard: Option<PathBuf>,
    /// Use no sound device
    #[arg(long)]
    quiet: bool,
    /// A file is the text that is read, instead of standard input
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
}

pub fn main(args: &Args) -> u8 {
    let session = match super::values(&args.settings, true) {
        Ok(session) => session,
        Err(sentence) => {
            super::complain(&sentence);
            return super::USAGE;
        }
    };
    match duplex_runner::check_file(&args.file, &session) {
        Ok(plan) => {
            super::print(&format!("{}\n", launch_line::command(&plan, &parts(args))));
            0
        }
        Err(report) => {
            super::report(&report);
            super::USAGE
        }
    }
}

fn parts(args: &Args) -> CallerParts {
    let mut parts = CallerParts {
        devices: args.caller.is_none() && args.heard.is_none() && !args.quiet,
        ..CallerParts::default()
    };
    if let Some(file) = &args.caller {
        // A buffer leaves when its last sample has been spoken, as from a microphone: 10 ms after its timestamp.
        parts.audio_source = format!(
            "filesrc location={} ! wavparse ! audioconvert ! audiobuffersplit output-buffer-duration=1/100 ! clocksync ts-offset=10000000",
            launch_line::quote_location(file)
        );
    } else if args.quiet {
        parts.audio_source =
            "audiotestsrc is-live=true wave=silence ! audioconvert ! audioresample".into();
    }
    let device = if args.quiet {
        "fakesink sync=true"
    } else {
        "autoaudiosink"
    };
    parts.audio_sink = match &args.heard {
        Some(file) => format!(
            "audioconvert ! audioresample ! tee name=heard ! queue ! {device} heard. ! queue ! audioconvert ! wavenc ! filesink location={}",
            launch_line::quote_location(file)
        ),
        None => format!("audioconvert ! audioresample ! {device}"),
    };
    if let Some(file) = &args.text {
        parts.text_source = format!(
            "filesrc location={} ! text/x-raw,format=utf8",
            launch_line::quote_location(file)
        );
    }
    parts
}
