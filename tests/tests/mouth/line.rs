// SPDX-License-Identifier: MPL-2.0

//! A pipeline with a mouth in it, and what its bus says.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use duplex_tests::{plugins, standins, tonetts, watchdog::Watchdog};
use gst::prelude::*;

/// Made from a gst-launch line that names its mouth `mouth`.
pub struct Line {
    pub pipeline: gst::Pipeline,
    pub mouth: gst::Element,
    /// Messages that were taken off the bus and that nobody has asked for yet.
    seen: VecDeque<gst::Message>,
    _watchdog: Watchdog,
}

/// Longest that any one thing in these tests may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn init() {
    plugins::init();
    tonetts::register();
    standins::register();
}

impl Line {
    /// Builds the line; it stays in NULL.
    pub fn new(line: &str) -> Self {
        init();
        let pipeline = gst::parse::launch(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let pipeline = pipeline
            .downcast::<gst::Pipeline>()
            .unwrap_or_else(|single| {
                let pipeline = gst::Pipeline::new();
                pipeline.add(&single).unwrap();
                pipeline
            });
        let mouth = pipeline.by_name("mouth").expect("the line names its mouth");
        Self {
            pipeline,
            mouth,
            seen: VecDeque::new(),
            _watchdog: Watchdog::new(line, Duration::from_secs(120)),
        }
    }

    /// Builds and plays it, and sees that it does so within a second (of a machine that is not busy).
    pub fn playing(line: &str) -> Self {
        let mut this = Self::new(line);
        this.play();
        this
    }

    pub fn play(&mut self) {
        self.pipeline.set_state(gst::State::Playing).unwrap();
        let (result, state, _) = self.pipeline.state(gst::ClockTime::from_seconds(5));
        assert!(
            result.is_ok() && state == gst::State::Playing,
            "{result:?} in {state:?}: {:?}",
            self.error()
        );
    }

    /// The sentence of the first error, where there is one.
    pub fn error(&self) -> Option<String> {
        let bus = self.pipeline.bus().unwrap();
        bus.pop_filtered(&[gst::MessageType::Error])
            .and_then(|message| match message.view() {
                gst::MessageView::Error(error) => Some(error.error().to_string()),
                _ => None,
            })
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
            let left = gst::ClockTime::from_nseconds(left.as_nanos() as u64);
            let message = bus.timed_pop(left)?;
            if fits(&message) {
                return Some(message);
            }
            if let gst::MessageView::Error(error) = message.view() {
                panic!("{}", error.error());
            }
            self.seen.push_back(message);
        }
    }

    /// The next message of the mouth of this name. Panics where it does not come.
    pub fn expect(&mut self, name: &str) -> gst::Structure {
        let found = self.wait_for(PATIENCE, |message| {
            message.structure().is_some_and(|s| s.name() == name)
        });
        let message = found.unwrap_or_else(|| panic!("no {name}; {:?}", self.names()));
        message.structure().unwrap().to_owned()
    }

    /// The mouth says this word.
    pub fn expect_word(&mut self, word: &str) -> gst::Structure {
        loop {
            let said = self.expect("ttssink/word");
            if said.get::<&str>("text").unwrap() == word {
                return said;
            }
        }
    }

    /// EOS comes.
    pub fn expect_eos(&mut self) {
        let found = self.wait_for(PATIENCE, |m| m.type_() == gst::MessageType::Eos);
        assert!(found.is_some(), "no EOS; {:?}", self.names());
    }

    /// No such message within this time.
    pub fn expect_no(&mut self, name: &str, within: Duration) {
        let found = self.wait_for(within, |message| {
            message.structure().is_some_and(|s| s.name() == name)
        });
        assert!(found.is_none(), "{found:?}");
    }

    /// All words that were said and not asked for.
    pub fn words(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(message) = self.wait_for(Duration::ZERO, |message| {
            message
                .structure()
                .is_some_and(|s| s.name() == "ttssink/word")
        }) {
            let structure = message.structure().unwrap();
            words.push(structure.get::<String>("text").unwrap());
        }
        words
    }

    fn names(&self) -> Vec<String> {
        self.seen
            .iter()
            .filter_map(|message| match message.type_() {
                gst::MessageType::StateChanged | gst::MessageType::StreamStatus => None,
                gst::MessageType::Element => Some(message.structure()?.to_string()),
                other => Some(format!("{other:?}")),
            })
            .collect()
    }

    pub fn say(&self, text: &str) -> Option<String> {
        self.mouth.emit_by_name("say", &[&text])
    }

    pub fn act(&self, action: &str) {
        self.mouth.emit_by_name::<()>(action, &[]);
    }

    pub fn ear(&self, name: &str) -> standins::TestEar {
        let ear = self.pipeline.by_name(name).expect("the line has that ear");
        ear.downcast().expect("it is a testear")
    }

    pub fn stat(&self, name: &str) -> u64 {
        let stats = self.mouth.property::<gst::Structure>("stats");
        stats
            .get::<u64>(name)
            .unwrap_or_else(|error| panic!("{name}: {error} in {stats}"))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// A file of this text, gone with the value.
pub struct Story(pub std::path::PathBuf);

impl Story {
    pub fn new(text: impl AsRef<[u8]>) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "mouth-{}-{}.txt",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub fn line(&self) -> String {
        format!("filesrc location={}", self.0.display())
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
