// SPDX-License-Identifier: MPL-2.0

//! Locks: `state` is the queue and all that goes with it, `listeners` is who is told, and the waker has one of its own.
//! None is taken while another is held, and none is held over a push, a query, a wait or a call of a listener.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Condvar, LazyLock, Mutex},
};

use gst::{glib, prelude::*, subclass::prelude::*};

use super::{FrameListener, Listener, mailbox::Mailbox, pads, waker::Waker};
use crate::{
    interruption::Input,
    playout::{Config, Core, Frame, Nanos, Notice, Step, yields},
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
    /// The segment upstream is in counts time.
    pub timed: bool,
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
            timed: false,
            input: None,
        }
    }
}

#[derive(Default)]
pub(super) struct Listeners {
    notices: Option<Listener>,
    frames: Option<FrameListener>,
}

/// What the task keeps from frame to frame.
#[derive(Default)]
struct Task {
    frame: Vec<i16>,
    notices: Vec<Notice>,
    clock_id: Option<gst::SingleShotClockId>,
}

pub struct Playout {
    pub(super) sinkpad: gst::Pad,
    pub(super) srcpad: gst::Pad,
    pub(super) state: Mutex<State>,
    /// The queue has room, or flushes.
    pub(super) room: Condvar,
    pub(super) waker: Waker,
    mailbox: Mailbox,
    listeners: Mutex<Listeners>,
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
                "gst-duplex",
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
            gst::StateChange::ReadyToPaused => self.forget_format(),
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

    /// The task's function. A panic is an ERROR, and frees whoever waits for room.
    fn run(&self, task: &mut Task) {
        if catch_unwind(AssertUnwindSafe(|| self.iterate(task))).is_ok() {
            return;
        }
        lock(&self.state).flow = Err(gst::FlowError::Error);
        self.room.notify_all();
        gst::element_imp_error!(self, gst::LibraryError::Failed, ("Playout panicked"));
        let _ = self.srcpad.pause_task();
    }

    /// One frame, or one wait. `task` is the task's own.
    fn iterate(&self, task: &mut Task) {
        if self.waker.is_stopped() {
            let _ = self.srcpad.pause_task();
            return;
        }
        let mut state = lock(&self.state);
        let (clocking, rest) = (state.clocking.clone(), state.flow.is_err());
        let known = state.info.is_some();
        if let Some(clocking) = clocking.as_ref().filter(|_| rest) {
            // Nothing goes out any more, but whoever asks for an interruption is waiting for the answer.
            let now = clocking.now();
            self.read_mailbox(&mut state, now);
            state.core.tell_without_sound();
            while let Some(notice) = state.core.pop_notice() {
                task.notices.push(notice);
            }
        }
        drop(state);
        self.tell(&mut task.notices);
        let Some(clocking) = clocking.filter(|_| !rest) else {
            return self.waker.wait();
        };
        if !known && !pads::negotiate(self) {
            return self.fail("downstream takes no raw 16-bit audio: put audioconvert before it");
        }
        if self.srcpad.check_reconfigure() && known && !pads::renegotiate(self) {
            return self
                .fail("downstream takes no raw 16-bit audio any more: put audioconvert before it");
        }

        let now = clocking.now();
        let mut state = lock(&self.state);
        if state.info.is_none() {
            return; // Forgotten meanwhile: ask again.
        }
        state.now = now;
        if std::mem::take(&mut state.rebase) {
            state.core.rebase(now);
        }
        self.read_mailbox(&mut state, now);
        let step = state.core.step(now);
        while let Some(notice) = state.core.pop_notice() {
            task.notices.push(notice);
        }
        let latency = state.core.latency();
        if matches!(step, Step::Push(_)) {
            state.running = true;
            state.core.swap_frame(&mut task.frame);
        }
        let gated = state.core.is_gated();
        let room = gated || state.core.has_room();
        let bare = state.begin_stream && !state.core.config().sync;
        state.running |= bare || step == Step::Eos;
        let pool = state.pool.clone();
        drop(state);
        if room {
            self.room.notify_all();
        }
        self.tell(&mut task.notices);

        if bare {
            // No silence will come: a gap lets the sink reach PLAYING before there is any text.
            self.begin();
            let gap = gst::event::Gap::builder(gst::ClockTime::ZERO).build();
            self.srcpad.push_event(gap);
        }
        match step {
            Step::Push(frame) => self.push(frame, &task.frame, latency, pool),
            Step::Wait(Some(time)) => {
                let time = clocking.base_time + gst::ClockTime::from_nseconds(time);
                self.waker
                    .wait_until(&clocking.clock, time, &mut task.clock_id);
            }
            Step::Wait(None) => self.waker.wait(),
            Step::Eos => self.end(),
        }
    }

    /// What was asked for before something else happens to the queue.
    pub(super) fn read_mailbox(&self, state: &mut State, now: Nanos) {
        for (at, input) in self.mailbox.take() {
            // Before the first PLAYING there was no running time.
            let at = if at == 0 { now } else { at };
            state.core.input(at, now, input);
        }
    }

    fn tell(&self, notices: &mut Vec<Notice>) {
        if notices.is_empty() {
            return;
        }
        let listener = lock(&self.listeners).notices.clone();
        for notice in notices.drain(..) {
            gst::debug!(CAT, imp = self, "{notice:?}");
            if let Some(listener) = &listener {
                listener(notice);
            }
        }
    }

    fn push(&self, frame: Frame, samples: &[i16], latency: Nanos, pool: Option<gst::BufferPool>) {
        let listener = lock(&self.listeners).frames.clone();
        if let Some(listener) = listener {
            listener(
                gst::ClockTime::from_nseconds(frame.pts + latency),
                gst::ClockTime::from_nseconds(frame.duration),
                frame.rms_db,
            );
        }
        let Some(buffer) = pads::buffer(frame, samples, pool.as_ref()) else {
            return self.rest(gst::FlowError::Flushing); // The pool is going down with the pads.
        };
        self.begin();
        yields::point();
        gst::trace!(CAT, imp = self, "pushing {frame:?}");
        if let Err(err) = self.srcpad.push(buffer) {
            self.rest(err);
        }
    }

    /// What has to go before a frame, or before the end.
    fn begin(&self) {
        let mut state = lock(&self.state);
        let begin_stream = std::mem::take(&mut state.begin_stream);
        let begin_format = std::mem::take(&mut state.begin_format);
        let begin_segment = std::mem::take(&mut state.begin_segment);
        if !(begin_stream || begin_format || begin_segment) && state.passing.is_empty() {
            return;
        }
        let passing = std::mem::take(&mut state.passing);
        let info = state.info.clone();
        drop(state);
        if begin_stream {
            let id = self.srcpad.create_stream_id(&*self.obj(), Some("speech"));
            self.srcpad.push_event(gst::event::StreamStart::new(&id));
        }
        let info = info.filter(|_| begin_format);
        if let Some(caps) = info.and_then(|info| info.to_caps().ok()) {
            self.srcpad.push_event(gst::event::Caps::new(&caps));
        }
        if begin_segment {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            self.srcpad.push_event(gst::event::Segment::new(&segment));
        }
        for event in passing {
            self.srcpad.push_event(event);
        }
    }

    fn end(&self) {
        gst::debug!(CAT, imp = self, "everything was played");
        self.begin();
        lock(&self.state).flow = Err(gst::FlowError::Eos);
        self.room.notify_all();
        self.srcpad.push_event(gst::event::Eos::new());
    }

    /// Downstream takes no more.
    fn rest(&self, err: gst::FlowError) {
        if err == gst::FlowError::Flushing && !self.waker.is_stopped() {
            // Somebody flushes downstream by himself: that passes. It has forgotten the segment.
            lock(&self.state).begin_segment = true;
            std::thread::sleep(std::time::Duration::from_millis(1));
            return;
        }
        gst::debug!(CAT, imp = self, "downstream answered {err:?}");
        lock(&self.state).flow = Err(err);
        self.room.notify_all();
        if !matches!(err, gst::FlowError::Flushing | gst::FlowError::Eos) {
            self.fail(match err {
                gst::FlowError::NotLinked => "nothing is linked after the mouth: set audio-sink",
                gst::FlowError::NotNegotiated => {
                    "the audio sink does not take the format it asked for"
                }
                _ => "the audio sink failed",
            });
        }
    }

    fn fail(&self, sentence: &str) {
        let flow = gst::FlowError::Error;
        let mut state = lock(&self.state);
        if state.flow.is_ok() {
            state.flow = Err(flow);
        }
        drop(state);
        self.room.notify_all();
        gst::element_imp_error!(self, gst::StreamError::Failed, ("{sentence}"));
        self.tell(&mut vec![Notice::Error(sentence.to_owned())]);
        self.srcpad.push_event(gst::event::Eos::new());
    }

    pub(super) fn start_task(&self) -> Result<(), glib::BoolError> {
        self.waker.start();
        let weak = self.obj().downgrade();
        let mut task = Task::default();
        self.srcpad.start_task(move || {
            if let Some(element) = weak.upgrade() {
                element.imp().run(&mut task);
            }
        })
    }

    pub(super) fn stop_task(&self) -> Result<(), glib::BoolError> {
        self.waker.stop();
        self.srcpad.stop_task()
    }
}
