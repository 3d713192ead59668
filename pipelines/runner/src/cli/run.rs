// SPDX-License-Identifier: MPL-2.0

//! `duplex run`

use std::path::PathBuf;
use std::time::Duration;

use duplex_runner::run::capture::Capture;
use duplex_runner::run::feeder::Sound;
use duplex_runner::run::lanes;
use duplex_runner::run::{Ending, LocalBindings, Observer, Options};
use duplex_runner::value;

/// Run a description, with microphone and speakers or with files
///
/// It ends when everything that ends has ended, or with Ctrl-C; a description with a microphone ends with Ctrl-C only.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  duplex run pipelines/barge-in.yaml
  duplex run pipelines/barge-in.yaml voice=fr --timeline
  duplex run pipelines/barge-in.yaml --caller caller.wav --quiet --heard heard.wav --html timeline.html
  duplex run pipelines/say.yaml --text story.txt")]
pub struct Args {
    /// The description
    file: PathBuf,
    /// Values of its parameters
    #[arg(value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// A WAV file is the caller, in real time, instead of the microphone
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
    /// End by itself after this time, such as 20s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    value::duration(text)
        .map(Duration::from_nanos)
        .ok_or_else(|| "write a time such as 500ms, 20s or 2min".to_string())
}

pub fn main(args: &Args) -> u8 {
    let session = match super::values(&args.settings, true) {
        Ok(session) => session,
        Err(sentence) => {
            super::complain(&sentence);
            return super::USAGE;
        }
    };
    let plan = match duplex_runner::check_file(&args.file, &session) {
        Ok(plan) => plan,
        Err(report) => {
            super::report(&report);
            return super::USAGE;
        }
    };
    let mut bindings = LocalBindings {
        quiet: args.quiet,
        text: args.text.clone(),
        ..LocalBindings::default()
    };
    if let Some(path) = &args.caller {
        match Sound::read(path) {
            Ok(sound) => bindings.caller = Some(sound),
            Err(sentence) => {
                super::complain(&sentence);
                return super::FAILED;
            }
        }
    }
    let options = Options {
        duration: args.duration,
    };
    let mut follower = match Follower::new(args) {
        Ok(follower) => follower,
        Err(sentence) => {
            super::complain(&sentence);
            return super::FAILED;
        }
    };
    let ending = duplex_runner::run::run(&plan, bindings, &options, &mut follower);
    let finished = follower.heard.finish();
    match (ending, finished) {
        (Ending::Eos | Ending::Stopped, Ok(_)) => 0,
        (Ending::Failed(sentence), _) | (_, Err(sentence)) => {
            super::complain(&sentence);
            super::FAILED
        }
    }
}

/// What is kept of a session: what was heard.
struct Follower {
    heard: Capture,
}

impl Follower {
    fn new(args: &Args) -> Result<Follower, String> {
        Ok(Follower {
            heard: match &args.heard {
                Some(path) => Capture::with_file(path)?,
                None => Capture::new(),
            },
        })
    }
}

impl Observer<LocalBindings> for Follower {
    fn ready(&mut self, pipeline: &gst::Pipeline, bindings: &LocalBindings) {
        if let Some(pad) = lanes::heard(pipeline, bindings) {
            self.heard.attach(&pad);
        }
    }
}
