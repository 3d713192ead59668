// SPDX-License-Identifier: MPL-2.0

//! The parts of a text-to-audio element that both of its pads share.
//!
//! Two threads work here. The upstream streaming thread opens utterances at the engine and pushes
//! their text ([`crate::sink`]); it waits where the engine has enough of it, which is the element's
//! back-pressure. The source pad's task takes the utterances one after another, pulls their sound
//! and pushes it ([`crate::src`]). Flushes and state changes come from any thread: they set
//! `flushing`, cancel what is open and wake both.
//!
//! Lock order: `feed`, then `state`. `settings` and `stats` are taken last and alone. `feed` is held while text is handed
//! to the engine, which may block: only serialized events and buffers take it, the text timer only
//! tries to, and what cancels never needs it. No other lock is held over an engine call, and none
//! over a push, post or query.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::ThreadId,
    time::Instant,
};

use duplex_synthesis::{AudioHalf, Cancel, Engine, Error, Request};
use gst::{glib, prelude::*, subclass::prelude::*};

use crate::{
    feed::Feed,
    loading::Loading,
    pads::{sink_pad, src_pad},
    settings::Settings,
    stats::Stats,
};

/// Utterances open at a time: the one that is spoken, and the next, so that it can be prepared.
pub(crate) const MAX_OPEN: usize = 2;
/// Items in the queue that are no utterances: serialized events on their way through.
pub(crate) const MAX_ITEMS: usize = 64;

/// What a plugin adds to the common behaviour: its engine, and its own properties.
///
/// Called from any thread, with no lock held.
pub trait Speaker: Default + Send + Sync + 'static {
    /// ParamSpecs beyond those of [`crate::properties`].
    fn properties() -> Vec<glib::ParamSpec> {
        Vec::new()
    }

    /// Sets one of [`Speaker::properties`].
    fn set_property(&self, name: &str, value: &glib::Value) {
        let _ = (name, value);
    }

    /// Reads one of [`Speaker::properties`]; `None` reads as the default.
    fn property(&self, name: &str) -> Option<glib::Value> {
        let _ = name;
        None
    }

    /// Adds fields to `stats`.
    fn stats(&self, stats: &mut gst::StructureRef) {
        let _ = stats;
    }

    /// The engine, in NULL→READY; let go of in READY→NULL. May block, and tells how far it has come where that takes more than
    /// moments. [`Engine::prepare`] follows.
    fn engine(&self, settings: &Settings, loading: &Loading<'_>) -> Result<Arc<dyn Engine>, Error>;
}

/// The GObject class that [`crate::text_to_audio_element!`] stamps.
pub trait Host: ElementImpl {
    /// What it adds.
    type Speaker: Speaker;

    /// Its behaviour.
    fn core(&self) -> &Core<Self::Speaker>;
}

/// The behaviour of one element.
pub struct Core<S> {
    /// What the plugin adds.
    pub speaker: S,
    pub(crate) cat: gst::DebugCategory,
    pub(crate) sinkpad: gst::Pad,
    pub(crate) srcpad: gst::Pad,
    /// Calls [`Core::text_paused`] of an element; its type is known to `new` alone.
    pub(crate) text_paused: fn(&gst::Element, u64),
    settings: Mutex<Settings>,
    stats: Mutex<Stats>,
    pub(crate) feed: Mutex<Feed>,
    state: Mutex<State>,
    /// Wakes the task, the streaming thread that waits for room, and a FLUSH_STOP that waits for
    /// the task to let go.
    pub(crate) changed: Condvar,
}

/// What the streaming thread hands to the task.
pub(crate) enum Item {
    Speech(Box<Speech>),
    /// A serialized event that keeps its place.
    Event(gst::Event),
    /// Upstream began a new stream; its group.
    StreamStart(Option<gst::GroupId>),
    /// No text before this running time.
    Gap(gst::ClockTime),
    /// The pipeline plays, and sinks wait for whatever comes first.
    Playing,
    Eos(gst::Event),
}

/// An utterance on its way out.
pub(crate) struct Speech {
    pub id: String,
    /// Identifies the utterance in [`State::open`].
    pub key: u64,
    pub audio: Box<dyn AudioHalf>,
    /// The running time of a timed cue.
    pub at: Option<gst::ClockTime>,
    pub opened: Instant,
    pub arrivals: Arc<Arrivals>,
}

/// When text of an utterance arrived.
pub(crate) struct Arrivals {
    origin: Instant,
    /// Nanoseconds since `origin`, plus 1; 0 for never.
    first: AtomicU64,
    last: AtomicU64,
}

impl Arrivals {
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            first: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    /// Text arrives now.
    pub fn note(&self) {
        let now = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX - 1) + 1;
        let _ = self
            .first
            .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        self.last.store(now, Ordering::Relaxed);
    }

    pub fn first(&self) -> Option<Instant> {
        self.instant(&self.first)
    }

    pub fn last(&self) -> Option<Instant> {
        self.instant(&self.last)
    }

    fn instant(&self, time: &AtomicU64) -> Option<Instant> {
        let time = time.load(Ordering::Relaxed);
        (time > 0).then(|| self.origin + std::time::Duration::from_nanos(time - 1))
    }
}

pub(crate) struct State {
    pub items: VecDeque<Item>,
    /// Everything opened whose sound is not complete, the oldest first.
    pub open: VecDeque<(u64, Cancel)>,
    next_key: u64,
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
    /// Running time at which the last sound ends.
    pub end: gst::ClockTime,
    pub engine: Option<Arc<dyn Engine>>,
    /// From upstream's last answer to a LATENCY query.
    pub live: bool,
}

impl<S: Speaker> Core<S> {
    /// The behaviour of a `T`, with pads of these templates.
    pub fn new<T: Host<Speaker = S>>(
        cat: gst::DebugCategory,
        sink: &gst::PadTemplate,
        src: &gst::PadTemplate,
    ) -> Self {
        Self {
            speaker: S::default(),
            cat,
            sinkpad: sink_pad::<T>(sink),
            srcpad: src_pad::<T>(src),
            text_paused: |element, generation| {
                if let Some(host) = element.downcast_ref::<T::Type>() {
                    host.imp().core().text_paused(element, generation);
                }
            },
            settings: Mutex::default(),
            stats: Mutex::default(),
            feed: Mutex::default(),
            state: Mutex::new(State {
                items: VecDeque::new(),
                open: VecDeque::new(),
                next_key: 0,
                flushing: true,
                stopping: true,
                busy: false,
                task: None,
                epoch: 0,
                flow: Ok(gst::FlowSuccess::Ok),
                end: gst::ClockTime::ZERO,
                engine: None,
                live: false,
            }),
            changed: Condvar::new(),
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
        lock(&self.stats).to_structure()
    }

    pub(crate) fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// NULL→READY: gets the engine and loads the voice.
    pub(crate) fn open_engine(&self, element: &gst::Element) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings().clone();
        let request = settings.request("");
        let loading = Loading::new(element);
        let engine = self.speaker.engine(&settings, &loading);
        let engine = engine.and_then(|engine| engine.prepare(&request).map(|()| engine));
        loading.ended(engine.as_ref().err());
        self.state().engine = Some(engine.map_err(message)?);
        Ok(())
    }

    /// READY→NULL.
    pub(crate) fn close_engine(&self) {
        let engine = self.state().engine.take();
        drop(engine);
    }

    pub(crate) fn engine(&self) -> Option<Arc<dyn Engine>> {
        self.state().engine.clone()
    }

    pub(crate) fn request(&self, utterance_id: &str) -> Request {
        self.settings().request(utterance_id)
    }

    /// The pads become active: nothing of an earlier run remains.
    pub(crate) fn start(&self) {
        *lock(&self.stats) = Stats::default();
        lock(&self.feed).reset();
        let mut state = self.state();
        state.reset();
        state.flushing = false;
        state.stopping = false;
        state.busy = false;
        state.end = gst::ClockTime::ZERO;
        state.live = false;
    }

    /// PAUSED→PLAYING. Where text comes live, sinks are told that there is none yet: otherwise the
    /// pipeline would not be in PLAYING before somebody writes.
    pub(crate) fn playing(&self) {
        if !self.ask_latency().0 {
            return;
        }
        let mut state = self.state();
        if !state.flushing && state.items.len() < MAX_ITEMS {
            state.items.push_back(Item::Playing);
        }
        drop(state);
        self.changed.notify_all();
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

    /// The pads are inactive: lets go of the text's side too.
    pub(crate) fn stopped(&self) {
        lock(&self.feed).reset();
    }

    /// The task was joined: whoever waits for it to let go need not.
    pub(crate) fn task_ended(&self) {
        self.state().busy = false;
        self.changed.notify_all();
    }

    /// Cancels everything and refuses what comes, until [`Core::flush_done`]; never blocks.
    pub(crate) fn flush_start(&self, stopping: bool) {
        let (open, items) = {
            let mut state = self.state();
            state.flushing = true;
            state.stopping |= stopping;
            state.epoch += 1;
            let items = std::mem::take(&mut state.items);
            (std::mem::take(&mut state.open), items)
        };
        for (_, cancel) in &open {
            cancel.cancel();
        }
        self.changed.notify_all();
        self.count(|stats| stats.cancelled += open.len() as u64);
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
    pub(crate) fn flush_done(&self, end: Option<gst::ClockTime>) {
        lock(&self.feed).reset();
        let mut state = self.state();
        if state.stopping {
            return;
        }
        state.reset();
        state.flushing = false;
        if let Some(end) = end {
            state.end = end;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Queues for the task, once there is room.
    pub(crate) fn enqueue(&self, item: Item) -> Result<(), gst::FlowError> {
        let mut state = self.state();
        while !state.flushing && state.flow.is_ok() && state.items.len() >= MAX_ITEMS {
            state = self.wait(state);
        }
        if state.flushing {
            return Err(gst::FlowError::Flushing);
        }
        if !matches!(
            (&item, state.flow),
            (Item::Eos(_), Err(gst::FlowError::Eos))
        ) {
            state.flow?;
        }
        state.items.push_back(item);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits until fewer utterances than so many are open.
    pub(crate) fn wait_room(&self, most: usize) -> Result<(), gst::FlowError> {
        let mut state = self.state();
        while !state.flushing && state.flow.is_ok() && state.open.len() >= most {
            state = self.wait(state);
        }
        if state.flushing {
            return Err(gst::FlowError::Flushing);
        }
        state.flow.map(|_| ())
    }

    /// Makes an opened utterance known, so that flushes cancel it, and queues its sound.
    pub(crate) fn enqueue_speech(
        &self,
        mut speech: Speech,
        cancel: Cancel,
    ) -> Result<(), gst::FlowError> {
        let mut state = self.state();
        if state.flushing {
            drop(state);
            cancel.cancel();
            return Err(gst::FlowError::Flushing);
        }
        state.next_key += 1;
        let key = state.next_key;
        speech.key = key;
        state.open.push_back((key, cancel));
        state.items.push_back(Item::Speech(Box::new(speech)));
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// The sound of an utterance is complete or given up.
    pub(crate) fn close_speech(&self, key: u64) {
        let mut state = self.state();
        state.open.retain(|(open, _)| *open != key);
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing can be pushed any more: gives everything up, and tells upstream at its next buffer.
    pub(crate) fn give_up(&self, flow: gst::FlowError) {
        let (open, items) = {
            let mut state = self.state();
            if state.flow.is_ok() {
                state.flow = Err(flow);
            }
            // The end of the stream still counts: a sink that had enough of it waits for EOS.
            let (kept, items) = std::mem::take(&mut state.items)
                .into_iter()
                .partition(|item| flow == gst::FlowError::Eos && matches!(item, Item::Eos(_)));
            state.items = kept;
            let items: VecDeque<Item> = items;
            (std::mem::take(&mut state.open), items)
        };
        for (_, cancel) in &open {
            cancel.cancel();
        }
        self.changed.notify_all();
        drop(items);
    }

    /// An engine failed: says so on the bus and stops.
    pub(crate) fn fail(&self, element: &gst::Element, error: Error) {
        gst::error!(self.cat, obj = element, "{error}");
        element.post_error_message(message(error));
        self.give_up(gst::FlowError::Error);
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
                gst::error!(self.cat, obj = element, "panicked: {what}");
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

    /// The pipeline's running time, where one passes.
    pub(crate) fn now(&self, element: &gst::Element) -> Option<gst::ClockTime> {
        (element.current_state() == gst::State::Playing)
            .then(|| element.current_running_time())
            .flatten()
    }
}

impl State {
    fn reset(&mut self) {
        self.items.clear();
        self.open.clear();
        self.epoch += 1;
        self.flow = Ok(gst::FlowSuccess::Ok);
    }
}

/// An engine's error as a message for the bus.
pub(crate) fn message(error: Error) -> gst::ErrorMessage {
    let text = error.to_string();
    match error {
        Error::NoSuchVoice { .. } | Error::BadRequest(_) => {
            gst::error_msg!(gst::ResourceError::Settings, ("{text}"))
        }
        Error::Unavailable(_) => gst::error_msg!(gst::ResourceError::NotFound, ("{text}")),
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
