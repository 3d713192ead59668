// SPDX-License-Identifier: MPL-2.0

//! What all chat elements do the same way: pads, turns in, answers out by a task of their own.
//!
//! Locks: `settings`; then `state`. Neither is held over a push, an event, a message or a call of the brain.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use duplex_dialogue::{Config, Conversation, Heard, Piece, Request};
use duplex_textpad::{Utf8Decoder, events::Interrupted};
use gst::{glib, prelude::*, subclass::prelude::*};

use crate::settings::Settings;

/// Names answers across all elements of the process.
static NEXT_ANSWER: AtomicU64 = AtomicU64::new(1);

/// A panic elsewhere does not make what it held unusable: it has become an ERROR message.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an element adds: somebody who thinks of answers.
pub trait Brain: Default + Send + Sync + 'static {
    /// Its own properties; those that all have are not among them.
    fn properties() -> Vec<glib::ParamSpec> {
        Vec::new()
    }

    /// Its own signals.
    fn signals<T: Host<Brain = Self>>() -> Vec<glib::subclass::Signal> {
        Vec::new()
    }

    /// Sets one of its properties.
    fn set_property(&self, _name: &str, _value: &glib::Value) {}

    /// Reads one of them.
    fn property(&self, _name: &str) -> Option<glib::Value> {
        None
    }

    /// Puts what it wants of the conversation into the configuration.
    fn configure(&self, _config: &mut Config) {}

    /// From READY to PAUSED: a conversation begins, and nothing is known of any before.
    fn begin(&self, _element: &gst::Element) -> Result<(), gst::ErrorMessage> {
        Ok(())
    }

    /// Thinks of an answer, and writes it with the pen, at once or by and by from another thread. What is returned ends that when it is dropped.
    fn think(&self, request: Request, pen: Pen) -> Thought;

    /// Of the answer of that utterance only this was heard.
    fn heard(&self, _id: &str, _heard: &str) {}

    /// Adds to `stats`.
    fn stats(&self, _stats: &mut gst::StructureRef) {}
}

/// Thinking that goes on elsewhere, and ends when this is dropped. Dropping never blocks.
pub type Thought = Option<Box<dyn Send>>;

/// What an answer is written with.
#[derive(Clone)]
pub struct Pen {
    shared: Weak<Shared>,
    number: u64,
}

impl Pen {
    /// Writes a piece of the answer. False once that is not wanted any more.
    pub fn write(&self, piece: Piece) -> bool {
        let Some(shared) = self.shared.upgrade() else {
            return false;
        };
        let taken = shared.state().talk.piece(self.number, piece);
        shared.changed.notify_all();
        taken
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub turns: u64,
    pub answers: u64,
    pub interruptions: u64,
    pub failures: u64,
    /// From the end of the last turn to the first text of its answer.
    pub first_text: Option<Duration>,
}

pub struct State {
    pub talk: Conversation<gst::Event>,
    pub decoder: Utf8Decoder,
    /// Text comes in phrases, each with its time, and not as bytes.
    pub phrases: bool,
    /// The sink pad takes nothing: upstream flushes, or the pad is inactive.
    pub sink_flushing: bool,
    /// The source pad is active.
    pub running: bool,
    /// A flush is on its way downstream.
    pub flushing: bool,
    /// The task is outside, pushing or asking the brain.
    pub outside: bool,
    /// What downstream last said; an error stops the task.
    pub flow: Result<gst::FlowSuccess, gst::FlowError>,
    /// STREAM_START and CAPS were sent.
    pub started: bool,
    /// SEGMENT was sent.
    pub segment_sent: bool,
    /// What was warned of once.
    pub warned_utf8: bool,
    pub warned_long: bool,
    pub warned_others: bool,
    pub thoughts: Vec<(u64, Thought)>,
    pub counts: Counts,
    /// When the turn that is being answered ended.
    pub turn_at: Option<Instant>,
}

impl State {
    fn new() -> Self {
        let new_id = || format!("answer-{}", NEXT_ANSWER.fetch_add(1, Ordering::Relaxed));
        Self {
            talk: Conversation::new(Config::default(), new_id),
            decoder: Utf8Decoder::default(),
            phrases: true,
            sink_flushing: true,
            running: false,
            flushing: false,
            outside: false,
            flow: Ok(gst::FlowSuccess::Ok),
            started: false,
            segment_sent: false,
            warned_utf8: false,
            warned_long: false,
            warned_others: false,
            thoughts: Vec::new(),
            counts: Counts::default(),
            turn_at: None,
        }
    }

    /// Takes out the thoughts that nobody waits for any more, to be dropped without the lock.
    #[must_use]
    pub fn unwanted(&mut self) -> Vec<(u64, Thought)> {
        let thoughts = std::mem::take(&mut self.thoughts);
        let (wanted, unwanted) = (thoughts.into_iter())
            .partition(|(number, _)| self.running && self.talk.wants(*number));
        self.thoughts = wanted;
        unwanted
    }
}

/// What the task, the pads and whoever thinks share.
pub struct Shared {
    state: Mutex<State>,
    pub changed: Condvar,
}

impl Shared {
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        for_: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match for_ {
            None => (self.changed.wait(state)).unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                let waited = self.changed.wait_timeout(state, time);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

/// An element with a brain in it.
pub struct Core<B> {
    pub cat: gst::DebugCategory,
    pub sinkpad: gst::Pad,
    pub srcpad: gst::Pad,
    pub shared: Arc<Shared>,
    pub settings: Mutex<Settings>,
    pub brain: B,
    epoch: Instant,
}

/// The implementation of an element that holds a [`Core`].
pub trait Host: ElementImpl + ObjectSubclass<Type: IsA<gst::Element>> {
    type Brain: Brain;

    fn core(&self) -> &Core<Self::Brain>;
}

impl<B: Brain> Core<B> {
    /// With pads of these templates, whose functions are those of `T`.
    pub fn new<T>(cat: gst::DebugCategory, sink: &gst::PadTemplate, src: &gst::PadTemplate) -> Self
    where
        T: Host<Brain = B>,
    {
        let sinkpad = gst::Pad::builder_from_template(sink)
            .chain_function(|_, parent, buffer| {
                T::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |this| this.core().sink_chain(this.obj().upcast_ref(), &buffer),
                )
            })
            .event_function(|_, parent, event| {
                T::catch_panic_pad_function(
                    parent,
                    || false,
                    |this| this.core().sink_event(this.obj().upcast_ref(), event),
                )
            })
            .query_function(|pad, parent, query| {
                T::catch_panic_pad_function(
                    parent,
                    || false,
                    |this| match query.type_() {
                        // Nothing is answered from behind the task.
                        gst::QueryType::Allocation | gst::QueryType::Drain => false,
                        _ => gst::Pad::query_default(pad, Some(&*this.obj()), query),
                    },
                )
            })
            .activatemode_function(|_, parent, _, active| {
                T::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(gst::CAT_RUST, "panicked")),
                    |this| {
                        this.core().shared.state().sink_flushing = !active;
                        Ok(())
                    },
                )
            })
            .build();
        let srcpad = gst::Pad::builder_from_template(src)
            .event_function(|_, parent, event| {
                T::catch_panic_pad_function(
                    parent,
                    || false,
                    |this| this.core().src_event(this.obj().upcast_ref(), event),
                )
            })
            .query_function(|pad, parent, query| {
                T::catch_panic_pad_function(
                    parent,
                    || false,
                    |this| src_query(this.core(), pad, this.obj().upcast_ref(), query),
                )
            })
            .activatemode_function(|_, parent, _, active| {
                T::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(gst::CAT_RUST, "panicked")),
                    |this| {
                        this.core()
                            .activate_src::<T>(this.obj().upcast_ref(), active)
                    },
                )
            })
            .build();
        Self {
            cat,
            sinkpad,
            srcpad,
            shared: Arc::new(Shared {
                state: Mutex::new(State::new()),
                changed: Condvar::new(),
            }),
            settings: Mutex::default(),
            brain: B::default(),
            epoch: Instant::now(),
        }
    }

    /// Once, when the element is made.
    pub fn add_pads(&self, element: &gst::Element) {
        // Both are installed by the class, so this cannot fail.
        let _ = element.add_pad(&self.sinkpad);
        let _ = element.add_pad(&self.srcpad);
    }

    pub fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    pub fn pen(&self, number: u64) -> Pen {
        Pen {
            shared: Arc::downgrade(&self.shared),
            number,
        }
    }

    /// Properties were set: the conversation learns of it.
    pub fn reconfigure(&self) {
        let config = self.config();
        let mut state = self.shared.state();
        state.talk.configure(config);
        let unwanted = state.unwanted();
        drop(state);
        drop(unwanted);
        self.shared.changed.notify_all();
    }

    fn config(&self) -> Config {
        let mut config = Config {
            turn_delay: lock(&self.settings).turn_delay.into(),
            ..Config::default()
        };
        self.brain.configure(&mut config);
        config
    }

    /// Changes the conversation, and has the task see to what follows.
    pub fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.shared.state();
        let result = change(&mut state);
        let unwanted = state.unwanted();
        drop(state);
        drop(unwanted);
        self.shared.changed.notify_all();
        result
    }

    /// A turn of the application's.
    pub fn ask(&self, element: &gst::Element, text: &str) {
        let refused = self.with(|state| {
            if !state.running {
                return Some("it is not running: set it to PAUSED or PLAYING first");
            }
            if state.talk.ended() {
                return Some("its text stream has ended");
            }
            state.talk.ask(text);
            None
        });
        if let Some(why) = refused {
            gst::element_warning!(
                element,
                gst::CoreError::StateChange,
                ("{} cannot be asked: {why}", element.name())
            );
        }
    }

    /// A mouth tells what was heard.
    fn interrupted(&self, element: &gst::Element, told: &Interrupted) {
        gst::debug!(self.cat, obj = element, "{} was stopped", told.utterance_id);
        let capped = told.unheard_text.chars().count() as u64;
        let capped = told.unheard_characters > capped;
        let cut = self.with(|state| {
            let cut = state.talk.interrupted(Heard {
                id: &told.utterance_id,
                heard: &told.heard_text,
                unheard: &told.unheard_text,
                capped,
            });
            state.counts.interruptions += u64::from(!cut.is_empty());
            cut
        });
        for (id, heard) in cut {
            self.brain.heard(&id, &heard);
        }
    }

    fn src_event(&self, element: &gst::Element, event: gst::Event) -> bool {
        match event.type_() {
            // Nothing that whoever talks could act on.
            gst::EventType::Qos | gst::EventType::Reconfigure => return true,
            gst::EventType::CustomUpstream => {
                if let Some(told) = Interrupted::from_event(&event) {
                    self.interrupted(element, &told);
                    // Whoever else wants to know; there may be nobody.
                    self.sinkpad.push_event(event);
                    return true;
                }
            }
            _ => {}
        }
        self.sinkpad.push_event(event)
    }

    fn activate_src<T>(
        &self,
        element: &gst::Element,
        active: bool,
    ) -> Result<(), gst::LoggableError>
    where
        T: Host<Brain = B>,
    {
        if !active {
            self.with(|state| {
                state.running = false;
                state.talk.flush();
            });
            self.srcpad.stop_task()?;
            return Ok(());
        }
        let greeting = lock(&self.settings).greeting.clone();
        let config = self.config();
        let mut state = self.shared.state();
        *state = State {
            sink_flushing: state.sink_flushing,
            running: true,
            ..State::new()
        };
        state.talk.configure(config);
        state.talk.say(&greeting.unwrap_or_default());
        drop(state);
        let weak = element.downgrade();
        self.srcpad.start_task(move || {
            if let Some(element) = weak.upgrade()
                && let Some(host) = element.downcast_ref::<T::Type>()
            {
                host.imp().core().run(&element);
            }
        })?;
        Ok(())
    }
}

fn src_query<B: Brain>(
    core: &Core<B>,
    pad: &gst::Pad,
    element: &gst::Element,
    query: &mut gst::QueryRef,
) -> bool {
    // Answers come when they come: there is nothing to wait for, whatever upstream is.
    if let gst::QueryViewMut::Latency(latency) = query.view_mut()
        && !core.sinkpad.is_linked()
    {
        latency.set(true, gst::ClockTime::ZERO, gst::ClockTime::NONE);
        return true;
    }
    gst::Pad::query_default(pad, Some(element), query)
}
