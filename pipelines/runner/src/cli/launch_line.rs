// SPDX-License-Identifier: MPL-2.0

//! `duplex launch-line`

use duplex_runner::launch_line::{self, CallerParts};

use super::session::SessionArgs;

/// Print the gst-launch-1.0 command that does the same
#[derive(clap::Args)]
#[command(after_help = "Examples:
  duplex launch-line pipelines/barge-in.yaml
  duplex launch-line pipelines/barge-in.yaml --caller caller.wav --quiet
  sh -c \"$(duplex launch-line pipelines/say.yaml)\"")]
pub struct Args {
    #[command(flatten)]
    session: SessionArgs,
}

pub fn main(args: &Args) -> u8 {
    match args.session.plan() {
        Ok(plan) => {
            let parts = parts(&args.session);
            super::print(&format!("{}\n", launch_line::command(&plan, &parts)));
            0
        }
        Err(status) => status,
    }
}

fn parts(args: &SessionArgs) -> CallerParts {
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
    if args.quiet {
        parts.audio_sink = "fakesink sync=true".into();
    }
    parts.heard = args.heard.clone();
    if let Some(file) = &args.text {
        parts.text_source = format!(
            "filesrc location={} ! text/x-raw,format=utf8",
            launch_line::quote_location(file)
        );
    }
    parts
}
