// SPDX-License-Identifier: MPL-2.0

//! What `duplex run` and `duplex launch-line` are both told: a description, and who talks to it through what.

use std::path::PathBuf;

use duplex_runner::plan::Plan;

#[derive(clap::Args)]
pub struct SessionArgs {
    /// The description
    pub file: PathBuf,
    /// Values of its parameters
    #[arg(value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// A WAV file is the caller, in real time, instead of the microphone
    #[arg(long, value_name = "FILE.wav")]
    pub caller: Option<PathBuf>,
    /// Write what is heard to a WAV file
    #[arg(long, value_name = "FILE.wav")]
    pub heard: Option<PathBuf>,
    /// Use no sound device
    #[arg(long)]
    pub quiet: bool,
    /// A file is the text that is read, instead of standard input
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
}

impl SessionArgs {
    /// Checks the description. `Err` is the exit status; what is wrong has been said.
    pub fn plan(&self) -> Result<Plan, u8> {
        let session = super::values(&self.settings, true).map_err(|sentence| {
            super::complain(&sentence);
            super::USAGE
        })?;
        duplex_runner::check_file(&self.file, &session).map_err(|report| {
            super::report(&report);
            super::USAGE
        })
    }
}
