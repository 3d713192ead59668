// SPDX-License-Identifier: MPL-2.0

//! `duplex check`

use std::path::PathBuf;

/// Say everything that is wrong with descriptions, before anything is built
///
/// Each problem is one line `file:line:col: what`, with the nearest name where one was misspelt, and the line with a caret. Exit
/// status 0 when nothing is wrong, 2 otherwise.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  duplex check pipelines/*.yaml
  duplex check conversation.yaml voice=fr")]
pub struct Args {
    /// Descriptions, and values of their parameters as name=value
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
        match duplex_runner::check_file(&PathBuf::from(file), &session) {
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
