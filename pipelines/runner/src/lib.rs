// SPDX-License-Identifier: MPL-2.0

//! Declarative pipelines for gst-duplex, and what the `duplex` command is made of.
//!
//! A description (`pipelines/*.yaml`) is read once by [`load`], checked as a whole by [`check::check`], and the resulting
//! [`plan::Plan`] makes one [`gst::Pipeline`] per session. No plugin is linked: elements are found by name, as
//! `gst-launch-1.0` finds them.

pub mod check;
pub mod description;
pub mod graph;
pub mod inspect;
pub mod launch_line;
pub mod logging;
pub mod models;
pub mod output;
pub mod packages;
pub mod plan;
pub mod registry;
pub mod run;
pub mod say;
pub mod serve;
pub mod timeline;
pub mod value;

use std::path::Path;

pub use check::Session;
pub use duplex_yaml::Report;

/// Reads a description file and checks its form.
pub fn load(path: &Path) -> (Option<description::Loaded>, Report) {
    match duplex_yaml::Source::read(path, &description::FORM) {
        Ok(source) => {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            description::read(source, folder.unwrap_or(Path::new(".")))
        }
        Err(report) => (None, report),
    }
}

/// Reads a description file and runs every rule. `Ok` is a plan that can be built; the error holds everything that is
/// wrong. GStreamer has to be initialised.
pub fn check_file(path: &Path, session: &Session) -> Result<plan::Plan, Report> {
    let (loaded, mut report) = load(path);
    let plan = match &loaded {
        Some(loaded) => check::check(loaded, session, &mut report),
        None => plan::Plan::default(),
    };
    if report.is_empty() {
        Ok(plan)
    } else {
        Err(report)
    }
}
