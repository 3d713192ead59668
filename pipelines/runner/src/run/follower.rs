// SPDX-License-Identifier: MPL-2.0

//! What is kept of a session while it runs: its timeline, printed and drawn, and what was heard.

use std::io::Write;
use std::path::PathBuf;

use crate::output::Output;
use crate::run::bindings::LocalBindings;
use crate::run::capture::Capture;
use crate::run::lanes;
use crate::run::session::Observer;
use crate::timeline::html::{self, Page};
use crate::timeline::labels::{self, Label};
use crate::timeline::text::{self, Printer};
use crate::timeline::{Timeline, latency};
use gst::prelude::*;

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
    html: Option<Output>,
    lines_file: Option<Output>,
    played: bool,
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
        let create = |path: &Option<PathBuf>| path.as_deref().map(Output::create).transpose();
        let mut writers: Vec<Box<dyn Write>> = keep.lines.into_iter().collect();
        let lines_file = create(&keep.lines_file)?;
        if let Some(output) = &lines_file {
            let path = output.part();
            let file = std::fs::OpenOptions::new().write(true).open(path);
            let file =
                file.map_err(|err| format!("{} cannot be written: {err}", path.display()))?;
            writers.push(Box::new(file));
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
            html: create(&keep.html)?,
            lines_file,
            played: false,
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

    /// Writes what is left to write, and ends the files. Those of a session that never played are not kept: what had their
    /// names before is there still.
    pub fn finish(mut self) -> Result<(), String> {
        let mut lines = self.printer.flush();
        lines.extend(text::table(&latency::rows(&self.timeline, &self.labels)));
        self.print(&lines);
        let heard = self.heard.finish(self.played);
        if !self.played {
            return heard;
        }
        self.writers.clear();
        if let Some(output) = self.lines_file.take() {
            output.keep()?;
        }
        if let Some(output) = self.html.take() {
            let page = Page {
                title: std::mem::take(&mut self.title),
                about: std::mem::take(&mut self.about),
                caller: self.caller.peaks(),
                mouth: self.heard.peaks(),
                labels: std::mem::take(&mut self.labels),
            };
            let path = output.part().to_path_buf();
            std::fs::write(&path, html::render(&self.timeline, &page))
                .map_err(|err| format!("{} cannot be written: {err}", path.display()))?;
            output.keep()?;
        }
        heard
    }
}

impl Observer<LocalBindings> for Follower {
    fn ready(&mut self, pipeline: &gst::Pipeline, bindings: &LocalBindings) {
        // A vadsrc has a vad inside, which does not speak for itself.
        let top = |factories: &[&str]| {
            let children = pipeline.children().into_iter();
            let ours = children.filter(|element| {
                let factory = element.factory();
                factory.is_some_and(|factory| factories.contains(&factory.name().as_str()))
            });
            ours.map(|element| element.name().to_string()).collect()
        };
        self.printer = Printer::with(top(&["vad", "vadsrc"]), top(&["ttssink"]));
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
        self.played |= match message.view() {
            gst::MessageView::StateChanged(change) => {
                change.current() == gst::State::Playing
                    && message
                        .src()
                        .is_some_and(|source| source.is::<gst::Pipeline>())
            }
            gst::MessageView::Eos(_) => true,
            _ => false,
        };
        if let Some(added) = self.timeline.message(message, now) {
            let lines = self.printer.add(&added);
            self.print(&lines);
        }
    }
}
