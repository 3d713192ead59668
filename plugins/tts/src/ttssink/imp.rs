// SPDX-License-Identifier: MPL-2.0

/**
 * SECTION:element-ttssink
 *
 * Speaks the text it is given, and stops when the element named by #ttssink:interrupted-by hears somebody speak.
 *
 * |[
 * gst-launch-1.0 filesrc location=story.txt ! text/x-raw,format=utf8 ! ttssink
 * ]| Reads a story aloud.
 * |[
 * gst-launch-1.0 vadsrc name=ears ! fakesink filesrc location=story.txt ! text/x-raw,format=utf8 ! ttssink interrupted-by=ears
 * ]| Reads a story aloud until somebody speaks up.
 *
 * A recogniser upstream knows from the words what is meant: its event `voice/interruption` with `decision` (`commit` or
 * `dismiss`) does what the action signals of those names do.
 */
// Locks: `settings`, `chain` and `ears` are each taken for copying in or out, never one inside another, and never
// over a call into another element. Those of control.rs and of the text queue are described there.
use std::sync::{LazyLock, Mutex, MutexGuard};

use duplex_textpad::events::Decision;
use gst::{glib, prelude::*, subclass::prelude::*};

use super::{
    chain::{Chain, Fault},
    control::{Control, Job},
    ears::Ears,
    settings::{self, Settings},
    textqueue::{Hooks, TextQueue},
};
use crate::{
    playout::{Command, Reason, element::Playout},
    sync::lock,
};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "ttssink",
        gst::DebugColorFlags::empty(),
        Some("Interruptible speech sink"),
    )
});

/// The element.
pub struct TtsSink {
    pub(super) queue: TextQueue,
    pub(super) playout: Playout,
    pub(super) control: Control,
    settings: Mutex<Settings>,
    chain: Mutex<Chain>,
    ears: Mutex<Ears>,
}

impl TtsSink {
    pub(super) fn settings(&self) -> Settings {
        lock(&self.settings).clone()
    }

    pub(super) fn chain(&self) -> MutexGuard<'_, Chain> {
        lock(&self.chain)
    }

    pub(super) fn ears(&self) -> MutexGuard<'_, Ears> {
        lock(&self.ears)
    }

    fn configure(&self) {
        let settings = self.settings();
        self.playout.set_config(settings.playout());
        self.queue.configure(settings.text_queue());
    }

    fn fail(&self, fault: Fault) {
        match fault {
            Fault::Missing(sentence) => {
                gst::element_imp_error!(self, gst::CoreError::MissingPlugin, ("{sentence}"));
            }
            Fault::Settings(sentence) => {
                gst::element_imp_error!(self, gst::LibraryError::Settings, ("{sentence}"));
            }
            Fault::Device(sentence) => {
                gst::element_imp_error!(self, gst::ResourceError::NotFound, ("{sentence}"));
            }
        }
    }

    fn prepare(&self) -> Result<(), Fault> {
        self.control.clear();
        self.configure();
        self.playout.set_preferred_rate(self.native_rate());
        self.connect_ears().map_err(Fault::Settings)?;
        match self.ear() {
            Some(ear) => self.probe_for(&ear),
            None => Ok(()),
        }
    }

    /// Tells the sinks inside what they need. Nobody else does where the application leaves LATENCY messages alone, or
    /// adds a mouth to a pipeline that plays already.
    pub(super) fn send_latency(&self) -> bool {
        let latency = self.own_latency().unwrap_or(gst::ClockTime::ZERO);
        gst::debug!(CAT, imp = self, "Own latency: {latency}");
        self.parent_send_event(gst::event::Latency::new(latency))
    }

    /// Whether a message is of the audio sink or of something in it.
    fn comes_from_sink(&self, message: &gst::Message) -> bool {
        let sink = self.chain().audio_sink.clone();
        let (Some(sink), Some(from)) = (sink, message.src()) else {
            return false;
        };
        from == sink.upcast_ref::<gst::Object>() || from.has_as_ancestor(&sink)
    }

    /// What the sinks inside need, without what the rest of the pipeline needs.
    fn own_latency(&self) -> Option<gst::ClockTime> {
        let mut query = gst::query::Latency::new();
        self.query(&mut query).then(|| query.result().1)
    }

    fn set(&self, value: &glib::Value, pspec: &glib::ParamSpec) {
        let result = lock(&self.settings).set(pspec.name(), value);
        if let Err(error) = result {
            gst::error!(CAT, imp = self, "{}: {error}", pspec.name());
            return;
        }
        match pspec.name() {
            "voice" | "language" | "rate" | "max-delay" => {
                self.configure();
                self.forward_live();
            }
            "interruption" | "commit-duration" | "hold-limit" | "after-interruption"
            | "fade-duration" | "lead" | "prefetch" | "sync" | "text-queue-size" => {
                self.configure()
            }
            _ => {}
        }
    }

    fn get(&self, pspec: &glib::ParamSpec) -> glib::Value {
        let name = pspec.name();
        let unset = {
            let settings = lock(&self.settings);
            match name {
                "voice" => settings.voice.is_none(),
                "language" => settings.language.is_none(),
                "rate" => settings.rate.is_none(),
                _ => false,
            }
        };
        if unset
            && let Some(value) = self
                .synthesizers(name)
                .and_then(|value| value.transform_with_type(pspec.value_type()).ok())
        {
            return value;
        }
        match name {
            "stats" => self.stats().to_value(),
            _ => lock(&self.settings)
                .get(name)
                .unwrap_or_else(|| glib::Value::from_type(pspec.value_type())),
        }
    }

    fn say(&self, text: &str) -> Option<String> {
        match self.queue.say(text) {
            Ok(id) => Some(id),
            Err(why) => {
                gst::element_imp_warning!(
                    self,
                    gst::ResourceError::Busy,
                    ("Not said, since {why}")
                );
                None
            }
        }
    }

    fn stats(&self) -> gst::Structure {
        let (bytes, dropped) = self.queue.level();
        let mut stats = self.playout.stats();
        stats.set("text-bytes", bytes as u64);
        stats.set("text-dropped-characters", dropped);
        stats.set(
            "ear",
            self.ear()
                .map_or_else(String::new, |ear| ear.path_string().to_string()),
        );
        stats.set_name("ttssink-stats");
        stats
    }
}

#[glib::object_subclass]
impl ObjectSubclass for TtsSink {
    const NAME: &'static str = "GstDuplexTtsSink";
    type Type = super::TtsSink;
    type ParentType = gst::Bin;

    fn new() -> Self {
        Self {
            queue: TextQueue::new(),
            playout: Playout::new(),
            control: Control::default(),
            settings: Mutex::default(),
            chain: Mutex::default(),
            ears: Mutex::default(),
        }
    }
}

impl ObjectImpl for TtsSink {
    fn properties() -> &'static [glib::ParamSpec] {
        settings::specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        // These are called by C, which no panic may cross.
        self.catch_panic(|| (), |this| this.set(value, pspec));
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        self.catch_panic(
            || glib::Value::from_type(pspec.value_type()),
            |this| this.get(pspec),
        )
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            use glib::subclass::Signal;
            fn action(
                name: &'static str,
                act: impl Fn(&TtsSink) + Send + Sync + 'static,
            ) -> Signal {
                Signal::builder(name)
                    .action()
                    .run_last()
                    .class_handler(move |values| {
                        if let Ok(element) = values[0].get::<super::TtsSink>() {
                            element.imp().catch_panic(|| (), &act);
                        }
                        None
                    })
                    .build()
            }
            vec![
                // What happens. From a thread of GStreamer's pool, in order.
                Signal::builder("utterance-started")
                    .param_types([String::static_type()])
                    .build(),
                Signal::builder("word")
                    .param_types([
                        String::static_type(),
                        String::static_type(),
                        u64::static_type(),
                    ])
                    .build(),
                Signal::builder("utterance-finished")
                    .param_types([String::static_type()])
                    .build(),
                Signal::builder("interrupted")
                    .param_types([gst::Structure::static_type()])
                    .build(),
                // What may be asked for, from any thread.
                action("interrupt", |this| this.interrupt(Reason::Action)),
                action("pause", |this| this.playout.command(Command::Pause)),
                action("resume", |this| this.playout.command(Command::Resume)),
                // A recogniser knows from the words what the caller means: an interruption, sooner than after
                // commit-duration, or none (`mhm`), whatever else is heard of it.
                action("commit", |this| this.playout.command(Command::Commit)),
                action("dismiss", |this| this.playout.command(Command::Dismiss)),
                Signal::builder("say")
                    .action()
                    .run_last()
                    .param_types([String::static_type()])
                    .return_type::<Option<String>>()
                    .class_handler(|values| {
                        let id = values[0]
                            .get::<super::TtsSink>()
                            .ok()
                            .zip(values[1].get::<Option<String>>().ok().flatten())
                            .and_then(|(element, text)| {
                                element.imp().catch_panic(|| None, |this| this.say(&text))
                            });
                        Some(id.to_value())
                    })
                    .build(),
            ]
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        element.set_suppressed_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
        element.set_element_flags(gst::ElementFlags::SINK);
        element.set_property("async-handling", false);
        element.set_property("message-forward", false);

        let weak = element.downgrade();
        element.connect_deep_element_added(move |_, _, child| {
            if let Some(element) = weak.upgrade() {
                element.imp().tame(child);
            }
        });

        let weak = element.downgrade();
        let playout = self.playout.downgrade();
        let ended = playout.clone();
        let decided = playout.clone();
        let flush = weak.clone();
        let discarded = weak.clone();
        self.queue.set_hooks(Hooks {
            text: Box::new(move |id, text| {
                if let Some(playout) = playout.upgrade() {
                    playout.utterance_text(id, text);
                }
            }),
            text_end: Box::new(move |id| {
                if let Some(playout) = ended.upgrade() {
                    playout.utterance_text_end(id);
                }
            }),
            flush: Box::new(move || {
                if let Some(element) = flush.upgrade() {
                    element.imp().interrupt(Reason::Flush);
                }
            }),
            discarded: Box::new(move |rest| {
                if let Some(element) = discarded.upgrade() {
                    element.imp().enqueue(Job::Discarded(rest));
                }
            }),
            decided: Box::new(move |decision| {
                if let Some(playout) = decided.upgrade() {
                    playout.command(match decision {
                        Decision::Commit => Command::Commit,
                        Decision::Dismiss => Command::Dismiss,
                    });
                }
            }),
        });
        self.playout
            .set_listener(Some(std::sync::Arc::new(move |notice| {
                if let Some(element) = weak.upgrade() {
                    element.imp().enqueue(Job::Notice(notice));
                }
            })));

        // None of these can fail: the bin is empty and its one pad unnamed yet.
        let _ = element.add(&self.queue);
        let _ = element.add(&self.playout);
        if let (Some(template), Some(target)) =
            (element.pad_template("sink"), self.queue.static_pad("sink"))
            && let Ok(pad) = gst::GhostPad::from_template_with_target(&template, &target)
        {
            let _ = element.add_pad(&pad);
        }
        self.configure();
    }
}

impl GstObjectImpl for TtsSink {}

impl ElementImpl for TtsSink {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Interruptible speech sink",
                "Sink/Audio/Text",
                "Speaks text as it arrives, and falls silent when somebody else speaks. Example: gst-launch-1.0 \
                 vadsrc name=ears ! fakesink filesrc location=story.txt ! text/x-raw,format=utf8 ! ttssink \
                 interrupted-by=ears",
                "gst-duplex developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst::Caps::builder("text/x-raw")
                .field("format", "utf8")
                .build();
            gst::PadTemplate::new(
                "sink",
                gst::PadDirection::Sink,
                gst::PadPresence::Always,
                &caps,
            )
            .into_iter()
            .collect()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        use gst::{StateChange as C, StateChangeSuccess as S};
        gst::debug!(CAT, imp = self, "{transition:?}");
        let prepared = match transition {
            C::NullToReady => self.build(),
            C::ReadyToPaused => self.prepare(),
            _ => Ok(()),
        };
        if let Err(fault) = prepared {
            if transition == C::ReadyToPaused {
                self.disconnect_ears();
                self.remove_probe();
            }
            self.fail(fault);
            return Err(gst::StateChangeError);
        }
        let mut result = self.parent_change_state(transition);
        if transition == C::NullToReady
            && result.is_ok()
            && let Err(fault) = self.check_device()
        {
            self.fail(fault);
            result = Err(gst::StateChangeError);
        }
        let success = match result {
            Ok(success) => success,
            Err(error) => {
                match transition {
                    C::NullToReady => {
                        self.take_apart();
                        for element in [
                            self.queue.upcast_ref::<gst::Element>(),
                            self.playout.upcast_ref(),
                        ] {
                            let _ = element.set_state(gst::State::Null);
                        }
                    }
                    C::ReadyToPaused => {
                        self.disconnect_ears();
                        self.remove_probe();
                    }
                    _ => {}
                }
                return Err(error);
            }
        };
        gst::debug!(CAT, imp = self, "{transition:?}: {success:?} inside");
        if transition == C::PausedToPlaying {
            self.send_latency();
        }
        Ok(match transition {
            // A mouth speaks into the present, whatever its sink: nobody waits for its first buffer.
            C::ReadyToPaused | C::PlayingToPaused => S::NoPreroll,
            C::PausedToReady => {
                self.disconnect_ears();
                self.remove_probe();
                self.control.clear();
                S::Success
            }
            C::ReadyToNull => {
                self.take_apart();
                S::Success
            }
            _ => S::Success,
        })
    }

    fn query(&self, query: &mut gst::QueryRef) -> bool {
        if query.type_() == gst::QueryType::Latency && self.opens_device() {
            return false;
        }
        self.parent_query(query)
    }

    fn send_event(&self, event: gst::Event) -> bool {
        match event.type_() {
            // One latency for all sinks of the pipeline would make the mouth as slow as its ears.
            gst::EventType::Latency => self.send_latency(),
            // A seek is for where the text comes from.
            kind if kind.is_upstream() => self.queue.send_upstream(event),
            _ => self
                .obj()
                .static_pad("sink")
                .is_some_and(|pad| pad.send_event(event)),
        }
    }
}

impl BinImpl for TtsSink {
    fn handle_message(&self, message: gst::Message) {
        match message.type_() {
            // Whatever a sink inside is waiting for, the mouth is not.
            gst::MessageType::AsyncStart | gst::MessageType::AsyncDone => {}
            // Behind the notices of what was played before.
            gst::MessageType::Eos => self.enqueue(Job::Message(message)),
            // What comes before playout has no part in the sink's latency; and asked while it is being
            // set up, which is what a converter's new caps lead to, an audio sink answers nonsense.
            gst::MessageType::Latency if !self.comes_from_sink(&message) => {}
            gst::MessageType::Latency => {
                // From under locks of the sink, which the query for it would want.
                self.enqueue(Job::Latency);
                self.parent_handle_message(message);
            }
            _ => self.parent_handle_message(message),
        }
    }
}
