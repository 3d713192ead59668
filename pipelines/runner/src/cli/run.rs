// SPDX-License-Identifier: MPL-2.0

//! `duplex run`

use std::path::{Path, PathBuf};
use std::time::Duration;

use duplex_runner::output;
use duplex_runner::run::feeder::Sound;
use duplex_runner::run::follower::{Follower, Keep};
use duplex_runner::run::{Ending, LocalBindings, Options};

use super::session::SessionArgs;

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
    #[command(flatten)]
    session: SessionArgs,
    /// Print what ears and mouth do as it happens, and the latencies; =FILE writes it to a file as well
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    timeline: Option<PathBuf>,
    /// Draw the same as one page
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
    /// When the caller of --caller really speaks: JSON, [{"start": 8.0, "end": 9.4, "text": "hello"}] in seconds
    #[arg(long, value_name = "FILE.json")]
    labels: Option<PathBuf>,
    /// End by itself after this time, such as 20s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    duplex_yaml::duration::duration(text)
        .map(Duration::from_nanos)
        .ok_or_else(|| "write a time such as 500ms, 20s or 2min".to_string())
}

pub fn main(args: &Args) -> u8 {
    let session = &args.session;
    let plan = match session.plan() {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    let to_file = args.timeline.clone().filter(|path| path.as_os_str() != "-");
    let read = [
        ("the description", Some(&session.file)),
        ("--caller", session.caller.as_ref()),
        ("--text", session.text.as_ref()),
        ("--labels", args.labels.as_ref()),
    ];
    let written = [
        ("--heard", session.heard.as_ref()),
        ("--timeline", to_file.as_ref()),
        ("--html", args.html.as_ref()),
    ];
    if let Err(sentence) = output::distinct(&given(&read), &given(&written)) {
        super::complain(&sentence);
        return super::USAGE;
    }
    if session.heard.is_some() && !plan.sounds() {
        super::complain(&format!(
            "--heard keeps nothing: no element of {} gives the caller sound",
            session.file.display()
        ));
    }
    let mut bindings = LocalBindings {
        quiet: session.quiet,
        text: session.text.clone(),
        ..LocalBindings::default()
    };
    if let Some(path) = &session.caller {
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
    let keep = Keep {
        heard: session.heard.clone(),
        lines: args
            .timeline
            .is_some()
            .then(|| Box::new(std::io::stdout()) as Box<dyn std::io::Write>),
        lines_file: to_file,
        html: args.html.clone(),
        labels: args.labels.clone(),
        title: session.file.display().to_string(),
        about: about(&session.file),
    };
    let mut follower = match Follower::new(keep) {
        Ok(follower) => follower,
        Err(sentence) => {
            super::complain(&sentence);
            return super::FAILED;
        }
    };
    let ending = duplex_runner::run::run(&plan, bindings, &options, &mut follower);
    let finished = follower.finish();
    match (ending, finished) {
        (Ending::Eos | Ending::Stopped, Ok(())) => 0,
        (Ending::Failed(sentence), _) | (_, Err(sentence)) => {
            super::complain(&sentence);
            super::FAILED
        }
    }
}

/// Those that were named on the command line.
fn given<'a>(files: &[(&'a str, Option<&'a PathBuf>)]) -> Vec<(&'a str, &'a Path)> {
    let named = files.iter();
    named
        .filter_map(|(name, path)| Some((*name, path.as_ref()?.as_path())))
        .collect()
}

/// What the description says it is for.
fn about(file: &Path) -> String {
    let (loaded, _) = duplex_runner::load(file);
    loaded
        .and_then(|loaded| loaded.description.description)
        .map(|about| about.value.split_whitespace().collect::<Vec<_>>().join(" "))
        .unwrap_or_default()
}
