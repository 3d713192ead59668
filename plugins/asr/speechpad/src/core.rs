// SPDX-License-Identifier: MPL-2.0

//! The parts of a speech-to-text element that both of its pads share.
//!
//! Two threads work here. The ears' streaming thread queues what comes ([`crate::sink`]) and goes on: where a live source
//! brings more than the recogniser can take, audio is dropped, with a warning. The source pad's task takes it, feeds the
//! engine and pushes what comes of it ([`crate::worker`]). Flushes and state changes come from any thread: they set
//! `flushing`, cancel the open turn and wake both.
//!
//! Locks: `settings`, `state`, `stats`, each taken alone and for moments. None is held over an engine call, a push, a
//! post or a query.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::ThreadId,
};

use duplex_recognition::{Cancel, Engine, Error};
use gst::{glib, prelude::*, subclass::prelude::*};

use crate::{
    pads::{sink_pad, src_pad},
    settings::Settings,
    stats::Stats,
};

/// Events that may wait; they are never dropped before.
pub(crate) const MAX_EVENTS: usize = 1024;

/// What a plugin adds to the common behaviour: its engine, and its own properties.
///
/// Called from any thread, with no lock held.
pub trait Listener: Default + Send + Sync + 'static {
    /// What `gst-inspect-1.0` says of `language`.
    const LANGUAGE_BLURB: &'static str;
    /// And of `stats`.
    const STATS_BLURB: &'static str;

    /// ParamSpecs beyond those of [`crate::properties`].
    fn properties() -> Vec<glib::ParamSpec> {
        Vec::new()
    }

    /// Sets one of [`Listener::properties`].
    fn set_property(&self, name: &str, value: &glib::Value) {
        let _ = (name, value);
    }

    /// Reads one of [`Listener::properties`]; `None` reads as the default.
    fn property(&self, name: &str) -> Option<glib::Value> {
        let _ = name;
        None
    }

    /// Adds fields to `stats`.
    fn stats(&self, stats: &mut gst::StructureRef) {
        let _ = stats;
    }

    /// The language that is recognised with these settings, where it is known beforehand.
    fn language(&self, settings: &Settings) -> Option<String>;

    /// The engine: in NULL→READY, and before the next turn once a property has changed. [`Engine::prepare`] follows.
    fn engine(&self, settings: &Settings) -> Result<Arc<dyn Engine>, Error>;
}

/// The GObject class that [`crate::speech_to_text_element!`] stamps.
pub trait Host: ElementImpl {
    /// What it adds.
    type Listener: Listener;

    /// Its behaviour.
    fn core(&self) -> &Core<Self::Listener>;
}

/// The behaviour of one element.
pub struct Core<L> {
    /// What the plugin adds.
    pub listener: L,
    pub(crate) cat: gst::DebugCategory,
    pub(crate) sinkpad: gst::Pad,
    pub(crate) srcpad: gst::Pad,
    settings: Mutex<Settings>,
    stats: Mutex<Stats>,
    state: Mutex<State>,
    /// Wakes the task, a streaming thread that waits for room, and a flush that waits for the task to let go.
    pub(crate) changed: Condvar,
    /// Settings changed that the task has not looked at: any, and those that make another engine.
    pub(crate) dirty: AtomicBool,
    /// The mouth told that it was interrupted; the task takes note of it.
    pub(crate) interrupted: AtomicBool,
    pub(crate) reload: AtomicBool,
}

/// What the streaming thread hands to the task.
pub(crate) enum Item {
    Format(Box<gst_audio::AudioInfo>),
    Segment(gst::Event),
    Audio(gst::Buffer),
    Gap(gst::ClockTime, Option<gst::ClockTime>),
    /// A serialized event that keeps its place.
    Event(gst::Event),
    Eos(gst::Event),
}

pub(crate) struct State {
    pub items: VecDeque<Item>,
    /// Nanoseconds of audio among them.
    pub waiting: u64,
    /// The format of what comes, to tell how long it is.
    pub info: Option<gst_audio::AudioInfo>,
    /// Audio was dropped, and that was said.
    pub dropping: bool,
    /// From FLUSH_START to FLUSH_STOP, and while the pads are inactive.
    pub flushing: bool,
    /// The task is to end.
    pub stopping: bool,
    /// The task works on an item.
    pub busy: bool,
    pub task: Option<ThreadId>,
    /// Counts flushes: what an older epoch began is dropped.
    pub epoch: u64,
    /// What downstream last said; an error stays until a flush or restart.
    pub flow: Result<gst::FlowSuccess, gst::FlowError>,
    pub engine: Option<Arc<dyn Engine>>,
    /// Of the open turn.
    pub cancel: Option<Cancel>,
    /// From upstream's last answer to a LATENCY query.
    pub live: bool,
    /// Whether the element is in PLAYING, and how often it came there.
    pub playing: bool,
    pub played: u64,
}

impl<L: Listener> Core<L> {
    /// The behaviour of a `T`, with pads of these templates.
    pub fn new<T: Host<Listener = L>>(
        cat: gst::DebugCategory,
        sink: &gst::PadTemplate,
        src: &gst::PadTemplate,
    ) -> Self {
        Self {
            listener: L::default(),
            cat,
            sinkpad: sink_pad::<T>(sink),
            srcpad: src_pad::<T>(src),
            settings: Mutex::default(),
            stats: Mutex::default(),
            state: Mutex::new(State {
                items: VecDeque::new(),
                waiting: 0,
                info: None,
                dropping: false,
                flushing: true,
                stopping: true,
                busy: false,
                task: None,
                epoch: 0,
                flow: Ok(gst::FlowSuccess::Ok),
                engine: None,
                cancel: None,
                live: false,
                playing: false,
                played: 0,
            }),
            changed: Condvar::new(),
            dirty: AtomicBool::new(true),
            interrupted: AtomicBool::new(false),
            reload: AtomicBool::new(false),
        }
    }

    /// Adds the pads to the element; for `constructed`.
    pub fn add_pads(&self, element: &gst::Element) {
        for pad in [&self.sinkpad, &self.srcpad] {
            if let Err(error) = element.add_pad(pad) {
                gst::error!(
                    self.cat,
                    obj = element,
                    "cannot add {}: {error}",
                    pad.name()
                );
            }
        }
    }

    pub(crate) fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.settings)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut lock(&self.stats));
    }

    pub(crate) fn stats(&self) -> gst::Structure {
        let mut stats = lock(&self.stats).to_structure();
        stats.set("waiting", self.state().waiting);
        stats
    }

    pub(crate) fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed_settings(&self, reload: bool) {
        self.reload.fetch_or(reload, Ordering::AcqRel);
        self.dirty.store(true, Ordering::Release);
    }

    fn make_engine(&self) -> Result<Arc<dyn Engine>, Error> {
        let settings = self.settings().clone();
        let engine = self.listener.engine(&settings)?;
        engine.prepare()?;
        Ok(engine)
    }

    /// NULL→READY: gets the engine and loads what it needs.
    pub(crate) fn open_engine(&self) -> Result<(), gst::ErrorMessage> {
        self.reload.store(false, Ordering::Release);
        let engine = self.make_engine().map_err(message)?;
        self.state().engine = Some(engine);
        Ok(())
    }

    /// READY→NULL.
    pub(crate) fn close_engine(&self) {
        let engine = self.state().engine.take();
        drop(engine);
    }

    /// The engine for the next turn. Where settings that changed since cannot be met, the one before stays.
    pub(crate) fn engine(&self, element: &gst::Element) -> Option<Arc<dyn Engine>> {
        if self.reload.swap(false, Ordering::AcqRel) {
            match self.make_engine() {
                Ok(engine) => self.state().engine = Some(engine),
                Err(error) => gst::element_warning!(
                    element,
                    gst::LibraryError::Settings,
                    ("What was set is not used: {error}")
                ),
            }
        }
        self.state().engine.clone()
    }

    /// The pads become active: nothing of an earlier run remains.
    pub(crate) fn start(&self) {
        *lock(&self.stats) = Stats::default();
        self.dirty.store(true, Ordering::Release);
        let mut state = self.state();
        state.reset();
        state.flushing = false;
        state.stopping = false;
        state.busy = false;
        state.live = false;
        state.info = None;
    }

    /// Upstream's LATENCY: live or not, minimum, maximum. Not live where upstream does not know.
    pub(crate) fn ask_latency(&self) -> (bool, gst::ClockTime, Option<gst::ClockTime>) {
        let mut query = gst::query::Latency::new();
        let answer = if self.sinkpad.peer_query(&mut query) {
            query.result()
        } else {
            (false, gst::ClockTime::ZERO, None)
        };
        self.state().live = answer.0;
        answer
    }

    /// In PLAYING or no longer: where the pipeline pauses, so does the machine's time.
    pub(crate) fn playing(&self, playing: bool) {
        let mut state = self.state();
        state.playing = playing;
        state.played += u64::from(playing);
        drop(state);
        self.changed.notify_all();
    }

    /// The task was joined: whoever waits for it to let go need not.
    pub(crate) fn task_ended(&self) {
        self.state().busy = false;
        self.changed.notify_all();
    }

    /// Cancels everything and refuses what comes, until [`Core::flush_done`]; never blocks.
    pub(crate) fn flush_start(&self, stopping: bool) {
        let (items, cancel) = {
            let mut state = self.state();
            state.flushing = true;
            state.stopping |= stopping;
            state.epoch += 1;
            state.waiting = 0;
            (std::mem::take(&mut state.items), state.cancel.take())
        };
        if let Some(cancel) = cancel {
            cancel.cancel();
            self.count(|stats| stats.cancelled += 1);
        }
        self.changed.notify_all();
        drop(items);
    }

    /// Waits until the task has let go of what was cancelled. Not from the task itself.
    pub(crate) fn wait_idle(&self) {
        let mut state = self.state();
        while state.busy && state.task != Some(std::thread::current().id()) {
            state = self.wait(state);
        }
    }

    /// Takes work again.
    pub(crate) fn flush_done(&self) {
        let mut state = self.state();
        if state.stopping {
            return;
        }
        state.reset();
        state.flushing = false;
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing can be pushed any more: gives everything up, and tells upstream at its next buffer.
    pub(crate) fn give_up(&self, flow: gst::FlowError) {
        let mut state = self.state();
        if state.flow.is_ok() {
            state.flow = Err(flow);
        }
        // The end of the stream still counts: a sink that had enough of it waits for EOS.
        state
            .items
            .retain(|item| flow == gst::FlowError::Eos && matches!(item, Item::Eos(_)));
        state.waiting = 0;
        drop(state);
        self.changed.notify_all();
    }

    /// Runs code that calls an engine: a panic there becomes an ERROR message.
    pub(crate) fn guard<R>(
        &self,
        element: &gst::Element,
        fallback: R,
        code: impl FnOnce() -> R,
    ) -> R {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(code)) {
            Ok(result) => result,
            Err(panic) => {
                let what = panic
                    .downcast_ref::<&str>()
                    .map(|what| (*what).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_default();
                gst::element_error!(
                    element,
                    gst::LibraryError::Failed,
                    ("Panicked: {what}; this is a fault of the program, please report it")
                );
                self.give_up(gst::FlowError::Error);
                fallback
            }
        }
    }
}

impl State {
    fn reset(&mut self) {
        self.items.clear();
        self.waiting = 0;
        self.dropping = false;
        self.cancel = None;
        self.flow = Ok(gst::FlowSuccess::Ok);
    }
}

/// An engine's error as a message.
pub(crate) fn message(error: Error) -> gst::ErrorMessage {
    let text = error.to_string();
    match error {
        Error::Settings(_) => gst::error_msg!(gst::LibraryError::Settings, ("{text}")),
        Error::Resource(_) => gst::error_msg!(gst::ResourceError::NotFound, ("{text}")),
        Error::Busy(_) => gst::error_msg!(gst::ResourceError::Busy, ("{text}")),
        Error::Cancelled | Error::Failed(_) => {
            gst::error_msg!(gst::StreamError::Failed, ("{text}"))
        }
    }
}

/// A mutex whose owner panicked holds what it last held: the panic has been reported.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
