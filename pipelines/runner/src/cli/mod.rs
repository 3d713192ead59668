// SPDX-License-Identifier: MPL-2.0

//! Subcommands of `duplex`. Exit status: 0 all is well, 1 something failed while it ran, 2 a bad description or command line.

mod check;
mod launch_line;
mod model;
mod run;
mod say;
mod serve;
mod session;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use duplex_runner::check::Session;
use duplex_runner::logging;

const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Full-duplex voice for GStreamer: runs, checks and explains pipeline descriptions.
///
/// A description is a YAML file that names elements, their properties and how they are linked. One description serves a
/// microphone and speakers, files, and every transport.
#[derive(Parser)]
#[command(name = "duplex", version, long_version = concat!(env!("CARGO_PKG_VERSION"), "\nLicence: MPL-2.0. The espeak plugin that it may load is GPL-3.0-or-later."))]
#[command(after_help = "Examples:
  duplex run pipelines/say.yaml
  duplex run pipelines/barge-in.yaml voice=fr --caller caller.wav --heard heard.wav
  duplex serve --listen 127.0.0.1:8080
  duplex check pipelines/*.yaml
  duplex launch-line pipelines/listen.yaml
  echo 'Good morning.' | duplex say
  duplex model list")]
struct Cli {
    /// Log more: warnings, details (-vv), debugging of our elements (-vvv); none of it shows what is said. GST_DEBUG, set by
    /// hand, does what it does everywhere: GStreamer's own debugging may show what callers say
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// How log lines are written to standard error
    #[arg(long, value_enum, default_value = "text", global = true)]
    log_format: logging::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    Check(check::Args),
    LaunchLine(launch_line::Args),
    Say(say::Args),
    Serve(serve::Args),
    Model(model::Args),
    /// Print the JSON schema of a description, which pipelines/schema.json holds
    #[command(hide = true)]
    Schema,
}

/// Parses the command line and does what it asks for.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) if err.use_stderr() => return usage(&one_sentence(&err)),
        Err(err) => {
            let _ = err.print();
            return ExitCode::SUCCESS;
        }
    };
    if matches!(cli.command, Command::Schema) {
        print(&duplex_runner::description::schema());
        return ExitCode::SUCCESS;
    }
    // Models need no GStreamer, and no log.
    if let Command::Model(args) = &cli.command {
        return ExitCode::from(model::main(args));
    }
    if let Err(err) = gst::init() {
        return failed(&format!("GStreamer cannot be started: {err}"));
    }
    // A server is told by its configuration, too, how much to log.
    if !matches!(cli.command, Command::Serve(_)) {
        logging::start(cli.log_format, cli.verbose);
    }
    let code = match cli.command {
        Command::Run(args) => run::main(&args),
        Command::Check(args) => check::main(&args),
        Command::LaunchLine(args) => launch_line::main(&args),
        Command::Say(args) => say::main(&args),
        Command::Serve(args) => serve::main(&args, cli.log_format, cli.verbose),
        Command::Model(_) | Command::Schema => 0,
    };
    ExitCode::from(code)
}

/// The first paragraph of clap's message as one sentence, and where to read on.
fn one_sentence(err: &clap::Error) -> String {
    let text = err.to_string();
    let first = text.split("\n\n").next().unwrap_or("");
    let first = first.strip_prefix("error: ").unwrap_or(first);
    // `duplex` alone prints its help as an error.
    if first.contains("Full-duplex voice") {
        return "a subcommand is missing: run, serve, check, launch-line, say or model; `duplex --help` explains them".into();
    }
    let words: Vec<&str> = first.split_whitespace().collect();
    format!("{}; `duplex --help` explains", words.join(" "))
}

fn usage(sentence: &str) -> ExitCode {
    complain(sentence);
    ExitCode::from(USAGE)
}

fn failed(sentence: &str) -> ExitCode {
    complain(sentence);
    ExitCode::from(FAILED)
}

/// Writes to standard output; a reader that went away is no error.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a sentence to standard error.
fn complain(sentence: &str) {
    let _ = writeln!(std::io::stderr().lock(), "duplex: {sentence}");
}

/// Writes a report of a description to standard error.
fn report(report: &duplex_runner::Report) {
    let _ = write!(std::io::stderr().lock(), "{report}");
}

/// `name=value` of the command line.
fn values(settings: &[String], complete: bool) -> Result<Session, String> {
    let mut values = BTreeMap::new();
    for setting in settings {
        let Some((name, value)) = setting.split_once('=') else {
            return Err(format!(
                "`{setting}` is no parameter; write name=value, such as voice=fr"
            ));
        };
        if values.insert(name.to_string(), value.to_string()).is_some() {
            return Err(format!("the parameter `{name}` is given twice"));
        }
    }
    Ok(Session {
        values,
        complete,
        folder: std::env::current_dir().unwrap_or_default(),
    })
}
