// SPDX-License-Identifier: MPL-2.0

//! Locks: `state` is the queue and all that goes with it, `listeners` is who is told, and the waker has one of its own.
//! None is taken while another is held, and none is held over a push, a query, a wait or a call of a listener.

use std::sync::{Arc, Condvar, LazyLock, Mutex};

use gst::{glib, prelude::*, subclass::prelude::*};

use super::{FrameListener, Listener, mailbox::Mailbox, pads, waker::Waker};
use crate::{
    interruption::Input,
    playout::{Config, Core, Nanos},
    sync::lock,
};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "ttsplayout",
        gst::DebugColorFlags::empty(),
        Some("Playout of ttssink"),
    )
});

/// What PLAYING is measured by.
#[derive(Clone, Debug)]
pub(super) struct Clocking {
    pub clock: gst::Clock,
    pub base_time: gst::ClockTime,
}

impl Clocking {
    pub fn now(&self) -> Nanos {
        self.clock
            .time()
            .nseconds()
            .saturating_sub(self.base_time.nseconds())
    }
}

pub(super) struct State {
    pub core: Core,
    /// The format of both pads, once downstream was asked.
    pub info: Option<gst_audio::AudioInfo>,
    pub pool: Option<gst::BufferPool>,
    pub preferred_rate: Option<u32>,
    /// In PLAYING.
    pub clocking: Option<Clocking>,
    /// The running time last seen, for whoever has no clock.
    pub now: Nanos,
    /// PLAYING was entered and the core does not know yet.
    pub rebase: bool,
    /// The sink pad is flushing or inactive.
    pub flushing: bool,
    /// What downstream said last; the task rests on anything but success.
    pub flow: Result<gst::FlowSuccess, gst::FlowError>,
    /// Events that go downstream before the next frame.
    pub begin_stream: bool,
    /// The first frame is on its way: the format stands.
    pub running: bool,
    pub begin_format: bool,
    pub begin_segment: bool,
    pub passing: Vec<gst::Event>,
    /// A stream has begun after the end of one, and nothing has come of it yet.
    pub another_stream: bool,
    /// The segment upstream is in counts time.
    pub timed: bool,
    /// Text that was handed over between an interruption and the flush behind it; nobody has fetched it yet.
    pub late_texts: Vec<(Arc<str>, String)>,
    /// Rate and channels of what comes in: for a moment not ours, when ours has just changed.
    pub input: Option<(u32, usize)>,
}

impl State {
    fn new(config: Config, preferred_rate: Option<u32>) -> Self {
        Self {
            core: Core::new(config, 48_000, 1),
            info: None,
            pool: None,
            preferred_rate,
            clocking: None,
            now: 0,
            rebase: false,
            flushing: true,
            flow: Ok(gst::FlowSuccess::Ok),
            begin_stream: true,
            running: false,
            begin_format: true,
            begin_segment: true,
            passing: Vec::new(),
            another_stream: false,
            timed: false,
            late_texts: Vec::new(),
            input: None,
        }
    }
}

impl State {
    /// Sound goes out again, where downstream was flushed because it `ended`.
    pub fn revive(&mut self, ended: bool) {
        if ended {
            self.flow = Ok(gst::FlowSuccess::Ok);
            self.begin_segment = true;
        }
    }
}

#[derive(Default)]
pub(super) struct Listeners {
    pub notices: Option<Listener>,
    pub frames: Option<FrameListener>,
}

pub struct Playout {
    pub(super) sinkpad: gst::Pad,
    pub(super) srcpad: gst::Pad,
    pub(super) state: Mutex<State>,
    /// The queue has room, or flushes.
    pub(super) room: Condvar,
    pub(super) waker: Waker,
    pub(super) mailbox: Mailbox,
    pub(super) listeners: Mutex<Listeners>,
}

#[glib::object_subclass]
impl ObjectSubclass for Playout {
    const NAME: &'static str = "GstDuplexTtsPlayout";
    type Type = super::Playout;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let templates = Self::pad_templates();
        // Both exist: they are made right there.
        let template = |name: &str| {
            class
                .pad_template(name)
                .unwrap_or_else(|| templates[0].clone())
        };
        Self {
            sinkpad: pads::sink(&template("sink")),
            srcpad: pads::src(&template("src")),
            state: Mutex::new(State::new(Config::default(), None)),
            room: Condvar::new(),
            waker: Waker::default(),
            mailbox: Mailbox::default(),
            listeners: Mutex::default(),
        }
    }
}

impl ObjectImpl for Playout {
    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        // Pads of a new element: neither name is taken.
        for pad in [&self.sinkpad, &self.srcpad] {
            if let Err(err) = element.add_pad(pad) {
                gst::error!(CAT, imp = self, "{err}");
            }
        }
    }
}

impl GstObjectImpl for Playout {}

impl ElementImpl for Playout {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Speech playout",
                "Filter/Audio",
                "Paces speech on the clock, fills the pauses and stops at once",
                "gst-duplex developers",
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = pads::template_caps();
            [
                ("sink", gst::PadDirection::Sink),
                ("src", gst::PadDirection::Src),
            ]
            .into_iter()
            .filter_map(|(name, direction)| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
            })
            .collect()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::ReadyToPaused => {
                self.forget_format();
                lock(&self.state).core.zero_stats();
            }
            gst::StateChange::PausedToPlaying => self.enter_playing(),
            gst::StateChange::PlayingToPaused => {
                lock(&self.state).clocking = None;
                self.waker.wake();
            }
            _ => {}
        }
        let mut success = self.parent_change_state(transition)?;
        match transition {
            gst::StateChange::ReadyToPaused | gst::StateChange::PlayingToPaused => {
                success = gst::StateChangeSuccess::NoPreroll;
            }
            gst::StateChange::PausedToReady => self.reset(),
            _ => {}
        }
        Ok(success)
    }
}

impl Playout {
    pub fn set_config(&self, config: Config) {
        let mut state = lock(&self.state);
        let now = state.now;
        state.core.configure(now, config);
        drop(state);
        self.room.notify_all();
        self.waker.wake();
    }

    pub fn config(&self) -> Config {
        lock(&self.state).core.config().clone()
    }

    pub fn set_preferred_rate(&self, rate: Option<u32>) {
        let rate = rate.filter(|&rate| rate > 0);
        let mut state = lock(&self.state);
        let changes = !state.running && state.preferred_rate != rate;
        state.preferred_rate = rate;
        drop(state);
        if changes {
            self.forget_format();
        }
    }

    /// Nothing was pushed yet: what was found out about downstream is asked again. A link that is made in NULL asks too
    /// early, when the sink cannot know its device.
    fn forget_format(&self) {
        let mut state = lock(&self.state);
        let known = state.info.take().is_some();
        let pool = state.pool.take();
        drop(state);
        if let Some(pool) = pool {
            let _ = pool.set_active(false);
        }
        if known {
            self.sinkpad.push_event(gst::event::Reconfigure::new());
        }
    }

    pub fn set_latency(&self, latency: gst::ClockTime) {
        gst::debug!(
            CAT,
            imp = self,
            "the sink renders {latency} after the timestamp"
        );
        lock(&self.state).core.set_latency(latency.nseconds());
    }

    /// Called from the ears' streaming threads: an atomic and a wake, no lock that a push could hold.
    pub fn post(&self, input: Input) {
        let now = self.obj().current_running_time();
        self.mailbox
            .post(input, now.map_or(0, |now| now.nseconds()));
        self.waker.wake();
    }

    pub fn forget_ear(&self) {
        let mut state = lock(&self.state);
        let now = state.now;
        state.core.forget_ear(now);
        drop(state);
        self.waker.wake();
    }

    pub fn set_listener(&self, listener: Option<Listener>) {
        lock(&self.listeners).notices = listener;
    }

    pub fn set_frame_listener(&self, listener: Option<FrameListener>) {
        lock(&self.listeners).frames = listener;
    }

    pub fn utterance_text(&self, id: &str, text: &str) {
        lock(&self.state).core.text(id, text);
    }

    pub fn utterance_text_end(&self, id: &str) {
        lock(&self.state).core.text_end(id);
    }

    pub fn take_late_texts(&self) -> Vec<(Arc<str>, String)> {
        std::mem::take(&mut lock(&self.state).late_texts)
    }

    pub fn is_gated(&self) -> bool {
        lock(&self.state).core.is_gated()
    }

    pub fn stats(&self) -> gst::Structure {
        let state = lock(&self.state);
        let stats = state.core.stats();
        let current = state.core.current();
        gst::Structure::builder("playout-stats")
            .field("frames", stats.frames)
            .field("silent-frames", stats.silent_frames)
            .field("underruns", stats.underruns)
            .field("late", stats.late)
            .field("max-late", stats.max_late)
            .field("resyncs", stats.resyncs)
            .field("utterances-started", stats.started)
            .field("utterances-finished", stats.finished)
            .field("pauses", stats.pauses)
            .field("resumes", stats.resumes)
            .field("interruptions", stats.interruptions)
            .field("stray-samples", stats.stray_samples)
            .field("last-stop", stats.last_stop)
            .field("max-stop", stats.max_stop)
            .field("queued", state.core.queued())
            .field("latency", state.core.latency())
            .field("paused", state.core.is_paused())
            .field("gated", state.core.is_gated())
            .field("utterance-id", current.map_or("", |(id, _)| &**id))
            .field("position", current.map_or(0, |(_, position)| position))
            .build()
    }

    fn enter_playing(&self) {
        let element = self.obj();
        let clock = element.clock().unwrap_or_else(gst::SystemClock::obtain);
        let base_time = element.base_time().unwrap_or_else(|| clock.time());
        let mut state = lock(&self.state);
        state.clocking = Some(Clocking { clock, base_time });
        state.rebase = true;
        drop(state);
        self.waker.wake();
    }

    /// Pads are inactive: neither the chain nor the task runs.
    fn reset(&self) {
        let mut state = lock(&self.state);
        state.core.reset();
        let pool = state.pool.take();
        let latency = state.core.latency();
        let mut fresh = State::new(state.core.config().clone(), state.preferred_rate);
        std::mem::swap(&mut fresh.core, &mut state.core);
        fresh.core.set_latency(latency);
        *state = fresh;
        drop(state);
        if let Some(pool) = pool {
            let _ = pool.set_active(false);
        }
        self.mailbox.take().for_each(drop);
    }
}
