// SPDX-License-Identifier: MPL-2.0

//! `duplex check`

use std::path::{Path, PathBuf};

use duplex_runner::serve::config::{self, Wrong};
use duplex_runner::serve::designs;

/// Say everything that is wrong with descriptions and configurations, before anything is built
///
/// Each problem is one line `file:line:col: what`, with the nearest name where one was misspelt, and the line with a caret. Exit
/// status 0 when nothing is wrong, 2 otherwise.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  duplex check pipelines/*.yaml
  duplex check conversation.yaml voice=fr
  duplex check configs/serve.yaml")]
pub struct Args {
    /// Descriptions, configurations of `duplex serve`, and values of parameters as name=value
    #[arg(required = true, value_name = "FILE|NAME=VALUE")]
    files: Vec<String>,
}

pub fn main(args: &Args) -> u8 {
    let (settings, files): (Vec<String>, Vec<String>) = args
        .files
        .iter()
        .cloned()
        .partition(|word| word.contains('=') && !PathBuf::from(word).exists());
    if files.is_empty() {
        super::complain("there is no description to check; name a .yaml file");
        return super::USAGE;
    }
    let session = match super::values(&settings, false) {
        Ok(session) => session,
        Err(sentence) => {
            super::complain(&sentence);
            return super::USAGE;
        }
    };
    let mut code = 0;
    for file in &files {
        let path = PathBuf::from(file);
        if config::is_configuration(&path) {
            code = code.max(configuration(&path, &settings));
            continue;
        }
        match duplex_runner::check_file(&path, &session) {
            Ok(plan) => super::print(&format!(
                "{file}: good: {} elements, {} links\n",
                plan.elements.len(),
                plan.links.len()
            )),
            Err(report) => {
                super::report(&report);
                code = super::USAGE;
            }
        }
    }
    code
}

/// A configuration of `duplex serve`, and the descriptions that it names.
fn configuration(path: &Path, settings: &[String]) -> u8 {
    let mut told = match config::read(Some(path), |name| std::env::var(name).ok()) {
        Ok(told) => told,
        Err(Wrong::File(report)) => {
            super::report(&report);
            return super::USAGE;
        }
        Err(Wrong::Elsewhere(sentences)) => {
            sentences
                .iter()
                .for_each(|sentence| super::complain(sentence));
            return super::USAGE;
        }
    };
    let session = match super::values(settings, true) {
        Ok(session) => session,
        Err(sentence) => {
            super::complain(&sentence);
            return super::USAGE;
        }
    };
    let description = told.description.take().or_else(designs::default);
    if let Err(report) = designs::all(description.as_deref(), session, &mut told) {
        super::report(&report);
        return super::USAGE;
    }
    for notice in &told.notices {
        super::complain(notice);
    }
    super::print(&format!(
        "{}: good: it would listen on {}\n",
        path.display(),
        told.config.listen()
    ));
    0
}
