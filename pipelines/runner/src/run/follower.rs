// SPDX-License-Identifier: MPL-2.0

//! What is kept of a session while it runs: its timeline, printed and drawn, and what was heard.

use std::io::Write;
use std::path::PathBuf;

use crate::run::bindings::LocalBindings;
use crate::run::capture::Capture;
use crate::run::lanes;
use crate::run::session::Observer;
use crate::timeline::html::{self, Page};
use crate::timeline::labels::{self, Label};
use crate::timeline::text::{self, Printer};
use crate::timeline::{Timeline, latency};

/// What to keep.
#[derive(Default)]
pub struct Keep {
    /// A WAV file of what was heard.
    pub heard: Option<PathBuf>,
    /// Where lines are printed as it happens, if at all.
    pub lines: Option<Box<dyn Write>>,
    /// A file of the same lines.
    pub lines_file: Option<PathBuf>,
    /// A page that draws it.
    pub html: Option<PathBuf>,
    /// When the caller really spoke.
    pub labels: Option<PathBuf>,
    /// Heading of the page.
    pub title: String,
    /// A sentence under it.
    pub about: String,
}

/// Keeps it.
pub struct Follower {
    timeline: Timeline,
    printer: Printer,
    writers: Vec<Box<dyn Write>>,
    labels: Vec<Label>,
    heard: Capture,
    caller: Capture,
    html: Option<PathBuf>,
    title: String,
    about: String,
}

impl Follower {
    /// Opens every file, so that what cannot be written is an error before anything sounds; the error is one sentence.
    pub fn new(keep: Keep) -> Result<Follower, String> {
        let labels = match &keep.labels {
            Some(path) => labels::read(path)?,
            None => Vec::new(),
        };
        let create = |path: &PathBuf| {
            std::fs::File::create(path)
                .map_err(|err| format!("{} cannot be written: {err}", path.display()))
        };
        let mut writers: Vec<Box<dyn Write>> = keep.lines.into_iter().collect();
        if let Some(path) = &keep.lines_file {
            writers.push(Box::new(create(path)?));
        }
        if let Some(path) = &keep.html {
            create(path)?;
        }
        Ok(Follower {
            timeline: Timeline::default(),
            printer: Printer::default(),
            writers,
            labels,
            heard: match &keep.heard {
                Some(path) => Capture::with_file(path)?,
                None => Capture::new(),
            },
            caller: Capture::new(),
            html: keep.html,
            title: keep.title,
            about: keep.about,
        })
    }

    /// What happened so far.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    fn print(&mut self, lines: &[String]) {
        for writer in &mut self.writers {
            for line in lines {
                // A reader that went away is no error.
                let _ = writeln!(writer, "{line}");
            }
            let _ = writer.flush();
        }
    }

    /// Writes what is left to write, and ends the files.
    pub fn finish(mut self) -> Result<(), String> {
        let mut lines = self.printer.flush();
        lines.extend(text::table(&latency::rows(&self.timeline, &self.labels)));
        self.print(&lines);
        let heard = self.heard.finish();
        if let Some(path) = &self.html {
            let page = Page {
                title: std::mem::take(&mut self.title),
                about: std::mem::take(&mut self.about),
                caller: self.caller.peaks(),
                mouth: self.heard.peaks(),
                labels: std::mem::take(&mut self.labels),
            };
            std::fs::write(path, html::render(&self.timeline, &page))
                .map_err(|err| format!("{} cannot be written: {err}", path.display()))?;
        }
        heard.map(|_| ())
    }
}

impl Observer<LocalBindings> for Follower {
    fn ready(&mut self, pipeline: &gst::Pipeline, bindings: &LocalBindings) {
        if let Some(pad) = lanes::heard(pipeline, bindings) {
            self.heard.attach(&pad);
        }
        if self.html.is_some()
            && let Some(pad) = lanes::caller(pipeline, bindings)
        {
            self.caller.attach(&pad);
        }
    }

    fn message(&mut self, message: &gst::Message, now: gst::ClockTime) {
        if let Some(added) = self.timeline.message(message, now) {
            let lines = self.printer.add(&added);
            self.print(&lines);
        }
    }
}
