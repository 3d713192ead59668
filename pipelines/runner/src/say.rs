// SPDX-License-Identifier: MPL-2.0

//! Speaking a text without a description: `duplex say`. It writes a description of its own and runs that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::check::{self, Session};
use crate::description;
use crate::launch_line;
use crate::output::Output;
use crate::plan::{Bindings, Plan};
use crate::run::{Ending, LocalBindings, Options, Started, run};
use duplex_yaml::Source;

/// What to say, and how.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The text; standard input when there is none.
    pub text: Option<String>,
    /// Voice of the synthesizer.
    pub voice: Option<String>,
    /// Language of the synthesizer.
    pub language: Option<String>,
    /// Speed, 1 is normal.
    pub rate: Option<f64>,
    /// A WAV file to write, instead of speaking.
    pub output: Option<PathBuf>,
    /// Factory of the synthesizer.
    pub synthesizer: String,
}

/// Speaks; the error is one sentence.
pub fn say(request: &Request) -> Result<(), String> {
    if request
        .text
        .as_ref()
        .is_some_and(|text| text.trim().is_empty())
    {
        return Err("there is nothing to say".into());
    }
    if let Some(rate) = request.rate
        && !(rate.is_finite() && rate > 0.0)
    {
        return Err(format!(
            "the rate is {rate}, but speech has one above 0: 1 is normal, 2 twice as fast"
        ));
    }
    let output = request.output.as_deref().map(Output::create).transpose()?;
    let plan = plan(request, output.as_ref().map(Output::part))?;
    let bindings = SayBindings {
        text: request.text.clone(),
        local: LocalBindings::default(),
    };
    match run(&plan, bindings, &Options::default(), &mut ()) {
        Ending::Eos | Ending::Stopped => output.map_or(Ok(()), Output::keep),
        // What the mouth advises cannot be set from here.
        Ending::Failed(sentence) if sentence.contains("no sound device") => Err(
            "no sound device: start PulseAudio or PipeWire, or write a file with -o FILE.wav"
                .into(),
        ),
        Ending::Failed(sentence) => Err(sentence),
    }
}

fn plan(request: &Request, output: Option<&Path>) -> Result<Plan, String> {
    // JSON is YAML, and serde_json does the quoting.
    let mut options = serde_json::Map::new();
    if let Some(voice) = &request.voice {
        options.insert("voice".into(), literal(voice).into());
    }
    if let Some(language) = &request.language {
        options.insert("language".into(), literal(language).into());
    }
    if let Some(rate) = request.rate {
        options.insert("rate".into(), rate.into());
    }
    let mut elements = serde_json::Map::new();
    // A bin, such as `espeaktts voice=fr`, can be a property only: the mouth speaks into the file, without waiting.
    let bin = gst::ElementFactory::find(request.synthesizer.trim()).is_none();
    let links = match output {
        Some(path) if bin => {
            let path = launch_line::quote_location(path);
            let mut mouth = options;
            mouth.insert("factory".into(), "ttssink".into());
            mouth.insert("synthesizer".into(), literal(&request.synthesizer).into());
            mouth.insert("sync".into(), false.into());
            let sink = format!("audioconvert ! wavenc ! filesink sync=false location={path}");
            mouth.insert("audio-sink".into(), literal(&sink).into());
            elements.insert("mouth".into(), mouth.into());
            "caller.text -> mouth"
        }
        Some(path) => {
            let mut engine = options;
            engine.insert("factory".into(), request.synthesizer.clone().into());
            elements.insert("engine".into(), engine.into());
            elements.insert(
                "convert".into(),
                serde_json::json!({ "factory": "audioconvert" }),
            );
            elements.insert("wav".into(), serde_json::json!({ "factory": "wavenc" }));
            let path = literal(&path.display().to_string());
            elements.insert(
                "file".into(),
                serde_json::json!({ "factory": "filesink", "location": path, "sync": false }),
            );
            "caller.text -> engine -> convert -> wav -> file"
        }
        None => {
            let mut mouth = options;
            mouth.insert("factory".into(), "ttssink".into());
            mouth.insert("synthesizer".into(), literal(&request.synthesizer).into());
            elements.insert("mouth".into(), mouth.into());
            "caller.text -> mouth"
        }
    };
    let text = serde_json::json!({ "elements": elements, "links": [links] }).to_string();
    let source = Source {
        name: "say".into(),
        text,
    };
    let (loaded, mut report) = description::read(source, Path::new("."));
    let session = Session {
        values: BTreeMap::new(),
        complete: true,
        folder: PathBuf::new(),
    };
    let plan = loaded.map(|loaded| check::check(&loaded, &session, &mut report));
    match report.problems().next() {
        Some(problem) => Err(problem.message.clone()),
        // Without a name, errors do not point at lines that nobody has written.
        None => plan
            .map(|plan| Plan {
                name: String::new(),
                ..plan
            })
            .ok_or_else(|| "there is nothing to say".to_string()),
    }
}

/// A value in which `${` stands for itself.
fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

struct SayBindings {
    text: Option<String>,
    local: LocalBindings,
}

impl Bindings for SayBindings {
    fn audio_source(&mut self, factory: Option<&str>) -> Result<Option<gst::Element>, String> {
        self.local.audio_source(factory)
    }

    fn audio_sink(&mut self, factory: Option<&str>) -> Result<Option<gst::Element>, String> {
        self.local.audio_sink(factory)
    }

    fn text_source(&mut self) -> Result<gst::Element, String> {
        let Some(text) = self.text.take() else {
            return self.local.text_source();
        };
        use gst::prelude::*;
        let caps = gst::Caps::builder("text/x-raw")
            .field("format", "utf8")
            .build();
        let source = gst_app::AppSrc::builder()
            .caps(&caps)
            .format(gst::Format::Bytes)
            .build();
        // Queued here already: an appsrc keeps what it gets before it runs, up to its limit of bytes.
        source.set_max_bytes(0);
        source
            .push_buffer(gst::Buffer::from_slice(text.into_bytes()))
            .and_then(|_| source.end_of_stream())
            .map_err(|err| format!("the text cannot be queued: {err}"))?;
        Ok(source.upcast())
    }

    fn text_sink(&mut self) -> Result<gst::Element, String> {
        self.local.text_sink()
    }

    fn devices(&self) -> bool {
        self.local.devices()
    }
}

impl Started for SayBindings {
    fn start(&mut self) {
        self.local.start();
    }

    fn stop(&mut self) {
        self.local.stop();
    }
}
