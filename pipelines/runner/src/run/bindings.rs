// SPDX-License-Identifier: MPL-2.0

//! The caller of a session on this machine: microphone and speakers, or files.

use std::path::PathBuf;

use crate::check::bins;
use crate::plan::Bindings;
use crate::run::feeder::{Feeder, Sound};
use crate::run::session::Started;

/// Microphone and speakers, files instead of them where those are given, and nothing that needs a device when quiet.
#[derive(Default)]
pub struct LocalBindings {
    /// A WAV file that is the caller, instead of the microphone.
    pub caller: Option<Sound>,
    /// A text file that is read, instead of standard input.
    pub text: Option<PathBuf>,
    /// No sound device: silence instead of a microphone, and nowhere instead of the speakers.
    pub quiet: bool,
    /// Feeders of what was bound, to be started when the pipeline plays.
    pub feeders: Vec<Feeder>,
    /// Elements whose sound goes to the caller.
    pub sinks: Vec<gst::Element>,
    /// Elements whose sound comes from the caller.
    pub sources: Vec<gst::Element>,
}

fn make(text: &str) -> Result<gst::Element, String> {
    bins::make(text).map_err(|err| err.message().to_string())
}

impl Bindings for LocalBindings {
    fn audio_source(&mut self, factory: Option<&str>) -> Result<Option<gst::Element>, String> {
        let element = if let Some(sound) = &self.caller {
            let (feeder, element) = Feeder::new(sound.clone())?;
            self.feeders.push(feeder);
            element
        } else if self.quiet {
            make(
                "audiotestsrc is-live=true wave=silence samplesperbuffer=160 ! capsfilter caps=audio/x-raw,format=S16LE,rate=16000,channels=1",
            )?
        } else if factory == Some("vadsrc") {
            // It opens a microphone with the short buffers that listening needs.
            return Ok(None);
        } else {
            make("autoaudiosrc ! audioconvert ! audioresample")?
        };
        self.sources.push(element.clone());
        Ok(Some(element))
    }

    fn audio_sink(&mut self, factory: Option<&str>) -> Result<Option<gst::Element>, String> {
        let element = if self.quiet {
            make("fakesink sync=true")?
        } else if factory == Some("ttssink") {
            // It opens the speakers with the short buffers that a quick stop needs.
            return Ok(None);
        } else {
            make("audioconvert ! audioresample ! autoaudiosink")?
        };
        self.sinks.push(element.clone());
        Ok(Some(element))
    }

    fn text_source(&mut self) -> Result<gst::Element, String> {
        match &self.text {
            Some(path) => {
                let source = make("filesrc name=file ! capsfilter caps=text/x-raw,format=utf8")?;
                set_location(&source, path)?;
                Ok(source)
            }
            None => make("fdsrc fd=0 ! capsfilter caps=text/x-raw,format=utf8"),
        }
    }

    fn text_sink(&mut self) -> Result<gst::Element, String> {
        make("fdsink fd=1 sync=true")
    }

    fn devices(&self) -> bool {
        !self.quiet
    }
}

impl Started for LocalBindings {
    fn start(&mut self) {
        for feeder in &mut self.feeders {
            feeder.start();
        }
    }

    fn stop(&mut self) {
        self.feeders.clear();
    }
}

fn set_location(bin: &gst::Element, path: &std::path::Path) -> Result<(), String> {
    use gst::prelude::*;
    if !path.is_file() {
        return Err(format!("there is no text file {}", path.display()));
    }
    let file = bin
        .downcast_ref::<gst::Bin>()
        .and_then(|bin| bin.by_name("file"))
        .ok_or("the text file has no source")?;
    file.set_property("location", path);
    Ok(())
}
