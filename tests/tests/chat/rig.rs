// SPDX-License-Identifier: MPL-2.0

//! A pipeline with a chat element, text pushed into it as a recogniser does, and what comes out.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use duplex_tests::{plugins, standins, tonetts, watchdog::Watchdog};
use duplex_textpad::events::{UtteranceBegin, UtteranceEnd};
use gst::prelude::*;

/// Longest that any one thing in these tests may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One thing that left a chat element.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    Begin(String),
    Text(String),
    End(String),
    FlushStop,
    Eos,
    Other(String),
}

type Shared = Arc<(Mutex<Vec<Out>>, Condvar)>;

pub struct Talk {
    pub pipeline: gst::Pipeline,
    pub chat: gst::Element,
    /// The recogniser's pad, linked to the chat element.
    pub text: gst::Pad,
    out: Shared,
    /// Messages that were taken off the bus and that nobody has asked for yet.
    seen: VecDeque<gst::Message>,
    _watchdog: Watchdog,
}

pub fn init() {
    plugins::init();
    tonetts::register();
    standins::register();
}

fn out_of(buffer: &gst::BufferRef) -> Out {
    let map = buffer.map_readable().unwrap();
    Out::Text(String::from_utf8(map.to_vec()).expect("whole characters"))
}

fn out_of_event(event: &gst::EventRef) -> Option<Out> {
    if let Some(begin) = UtteranceBegin::from_event(event) {
        return Some(Out::Begin(begin.utterance_id));
    }
    if let Some(end) = UtteranceEnd::from_event(event) {
        return Some(Out::End(end.utterance_id));
    }
    match event.type_() {
        gst::EventType::Eos => Some(Out::Eos),
        gst::EventType::FlushStop => Some(Out::FlushStop),
        gst::EventType::CustomDownstream | gst::EventType::CustomDownstreamOob => {
            Some(Out::Other(event.structure()?.name().to_string()))
        }
        _ => None,
    }
}

impl Talk {
    /// A line that names its chat element `chat`, whose sink pad is free. It stays in NULL.
    pub fn new(line: &str) -> Self {
        init();
        let pipeline = gst::parse::launch(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let pipeline = pipeline
            .downcast::<gst::Pipeline>()
            .expect("a line of several elements");
        let chat = pipeline
            .by_name("chat")
            .expect("the line names its chat element");
        let text = gst::Pad::builder(gst::PadDirection::Src)
            .name("recogniser")
            .build();
        text.link(&chat.static_pad("sink").unwrap()).unwrap();
        let out = Shared::default();
        let seen = out.clone();
        let types = gst::PadProbeType::BUFFER
            | gst::PadProbeType::EVENT_DOWNSTREAM
            | gst::PadProbeType::EVENT_FLUSH;
        chat.static_pad("src")
            .unwrap()
            .add_probe(types, move |_, info| {
                let one = match &info.data {
                    Some(gst::PadProbeData::Buffer(buffer)) => Some(out_of(buffer)),
                    Some(gst::PadProbeData::Event(event)) => out_of_event(event),
                    _ => None,
                };
                seen.0.lock().unwrap().extend(one);
                seen.1.notify_all();
                gst::PadProbeReturn::Ok
            });
        Self {
            pipeline,
            chat,
            text,
            out,
            seen: VecDeque::new(),
            _watchdog: Watchdog::new(line, Duration::from_secs(150)),
        }
    }

    /// Builds it and plays, with a stream of phrases announced.
    pub fn playing(line: &str) -> Self {
        let this = Self::new(line);
        this.play();
        this
    }

    /// The element alone, an appsink behind it.
    pub fn with(element: &str) -> Self {
        Self::playing(&format!(
            "{element} name=chat ! fakesink name=out sync=false async=false"
        ))
    }

    pub fn play(&self) {
        self.pipeline.set_state(gst::State::Playing).unwrap();
        let (result, state, _) = self.pipeline.state(gst::ClockTime::from_seconds(5));
        assert!(
            result.is_ok() && state == gst::State::Playing,
            "{result:?} in {state:?}"
        );
        self.text.set_active(true).unwrap();
        self.announce(gst::Format::Time);
    }

    pub fn announce(&self, format: gst::Format) {
        let caps = gst::Caps::builder("text/x-raw")
            .field("format", "utf8")
            .build();
        let mut segment = gst::Segment::new();
        segment.set_format(format);
        for event in [
            gst::event::StreamStart::new("recogniser"),
            gst::event::Caps::new(&caps),
            gst::event::Segment::new(&segment),
        ] {
            self.text.push_event(event);
        }
    }

    pub fn push(&self, bytes: impl AsRef<[u8]>) -> Result<gst::FlowSuccess, gst::FlowError> {
        let buffer = gst::Buffer::from_slice(bytes.as_ref().to_vec());
        self.text.push(buffer)
    }

    pub fn end_of_turn(&self, confidence: Option<f64>) {
        let structure = gst::Structure::builder("voice/end-of-turn")
            .field("text", "")
            .field("language", "en")
            .field("speech-end", 0u64)
            .field_if_some("confidence", confidence)
            .build();
        self.text
            .push_event(gst::event::CustomDownstream::new(structure));
    }

    pub fn likely(&self, text: &str) {
        let structure = gst::Structure::builder("voice/likely-end-of-turn")
            .field("text", text)
            .build();
        self.text
            .push_event(gst::event::CustomDownstream::new(structure));
    }

    /// A whole turn, as a recogniser gives it.
    pub fn turn(&self, text: &str) {
        self.push(text).unwrap();
        self.end_of_turn(None);
    }

    pub fn ask(&self, text: &str) {
        self.chat.emit_by_name::<()>("ask", &[&text]);
    }

    /// What a mouth says when it was stopped.
    pub fn interrupt(&self, id: &str, heard: &str, unheard: &str) {
        let told = duplex_textpad::events::Interrupted {
            utterance_id: id.into(),
            heard_text: heard.into(),
            unheard_text: unheard.into(),
            unheard_characters: unheard.chars().count() as u64,
            reason: "action".into(),
            ..Default::default()
        };
        let src = self.chat.static_pad("src").unwrap();
        let peer = src.peer().expect("something follows");
        peer.push_event(told.to_event());
    }

    /// Everything that has left so far.
    pub fn out(&self) -> Vec<Out> {
        self.out.0.lock().unwrap().clone()
    }

    /// Waits until what has left fits.
    pub fn wait_out(&self, what: &str, fits: impl Fn(&[Out]) -> bool) -> Vec<Out> {
        let end = Instant::now() + PATIENCE;
        let mut out = self.out.0.lock().unwrap();
        while !fits(&out) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not leave: {out:?}");
            out = self.out.1.wait_timeout(out, left).unwrap().0;
        }
        out.clone()
    }

    /// Takes messages until one fits; the others are kept for later. `None` after `limit`.
    pub fn wait_for(
        &mut self,
        limit: Duration,
        fits: impl Fn(&gst::MessageRef) -> bool,
    ) -> Option<gst::Message> {
        if let Some(at) = self.seen.iter().position(|message| fits(message)) {
            return self.seen.remove(at);
        }
        let bus = self.pipeline.bus().unwrap();
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let message = bus.timed_pop(gst::ClockTime::from_nseconds(left.as_nanos() as u64))?;
            if fits(&message) {
                return Some(message);
            }
            if let gst::MessageView::Error(error) = message.view() {
                panic!("{} ({:?})", error.error(), error.debug());
            }
            self.seen.push_back(message);
        }
    }

    /// The next element message of this name that fits. Panics where it does not come.
    pub fn expect(
        &mut self,
        name: &str,
        fits: impl Fn(&gst::StructureRef) -> bool,
    ) -> gst::Structure {
        let found = self.wait_for(PATIENCE, |message| {
            message
                .structure()
                .is_some_and(|s| s.name() == name && fits(s))
        });
        let message = found.unwrap_or_else(|| panic!("no {name}; {:?}", self.names()));
        message.structure().unwrap().to_owned()
    }

    /// The next answer that is complete: its utterance and its text.
    pub fn answer(&mut self) -> (String, String) {
        let told = self.expect("chat-answer", |s| {
            s.get::<bool>("final").unwrap() && !s.get::<bool>("interrupted").unwrap()
        });
        (told.get("utterance-id").unwrap(), told.get("text").unwrap())
    }

    /// Asks, and gives the answer.
    pub fn asked(&mut self, text: &str) -> String {
        self.turn(text);
        self.answer().1
    }

    /// The sentence of the next warning.
    pub fn warning(&mut self) -> String {
        let found = self.wait_for(PATIENCE, |m| m.type_() == gst::MessageType::Warning);
        match found
            .unwrap_or_else(|| panic!("no warning; {:?}", self.names()))
            .view()
        {
            gst::MessageView::Warning(warning) => warning.error().to_string(),
            _ => unreachable!(),
        }
    }

    pub fn expect_eos(&mut self) {
        let found = self.wait_for(PATIENCE, |m| m.type_() == gst::MessageType::Eos);
        assert!(found.is_some(), "no EOS; {:?}", self.names());
    }

    fn names(&self) -> Vec<String> {
        self.seen
            .iter()
            .filter_map(|message| match message.view() {
                gst::MessageView::Element(element) => Some(element.structure()?.to_string()),
                gst::MessageView::Warning(warning) => Some(warning.error().to_string()),
                _ => None,
            })
            .collect()
    }

    pub fn stats(&self) -> gst::Structure {
        self.chat.property("stats")
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
        let _ = self.text.set_active(false);
    }
}

/// The texts of what left, joined.
pub fn joined(out: &[Out]) -> String {
    let texts = out.iter().filter_map(|one| match one {
        Out::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}
