// SPDX-License-Identifier: MPL-2.0

//! Locks: `state` only, never held over a push, an event, a message or a hook.

use std::{
    sync::{
        Condvar, LazyLock, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use duplex_textpad::Utf8Decoder;
use gst::{glib, prelude::*, subclass::prelude::*};

use super::{
    Config, Hooks,
    policy::{AfterInterruption, Discarded, Dropped, Policy},
};
use crate::sync::lock;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "ttssink-text",
        gst::DebugColorFlags::empty(),
        Some("Text queue of ttssink"),
    )
});

/// Names utterances across all mouths of the process.
static NEXT_UTTERANCE: AtomicU64 = AtomicU64::new(1);

pub(super) struct State {
    pub policy: Policy<gst::Event>,
    pub decoder: Utf8Decoder,
    pub segment: gst::Segment,
    pub limit: usize,
    pub after: AfterInterruption,
    /// The sink pad takes nothing: upstream flushes, or the pad is inactive.
    pub sink_flushing: bool,
    /// The source pad is active.
    pub running: bool,
    /// Counts how often it became so.
    pub run: u64,
    /// Nothing is handed over while this is not 0: one for each interruption that was asked for and is not carried out yet.
    pub holds: u32,
    /// A flush is on its way downstream.
    pub flushing: bool,
    /// The task is outside, pushing.
    pub pushing: bool,
    /// What downstream last said; an error stops the task.
    pub flow: Result<gst::FlowSuccess, gst::FlowError>,
    /// STREAM_START and CAPS were sent.
    pub started: bool,
    /// SEGMENT was sent.
    pub segment_sent: bool,
    pub playing: bool,
    /// Text was replaced because it was no UTF-8, and that was said.
    pub warned: bool,
    /// The wait for a cue, with its absolute clock time.
    pub alarm: Option<(gst::ClockTime, gst::SingleShotClockId)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            policy: Policy::new(|| {
                format!(
                    "utterance-{}",
                    NEXT_UTTERANCE.fetch_add(1, Ordering::Relaxed)
                )
            }),
            decoder: Utf8Decoder::default(),
            segment: gst::Segment::new(),
            limit: 0,
            after: AfterInterruption::default(),
            sink_flushing: true,
            running: false,
            run: 0,
            holds: 0,
            flushing: false,
            pushing: false,
            flow: Ok(gst::FlowSuccess::Ok),
            started: false,
            segment_sent: false,
            playing: false,
            warned: false,
            alarm: None,
        }
    }
}

pub struct TextQueue {
    sinkpad: gst::Pad,
    pub(super) srcpad: gst::Pad,
    state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) hooks: OnceLock<Hooks>,
    config: Mutex<Config>,
    epoch: Instant,
}

pub(super) type Guard<'a> = MutexGuard<'a, State>;

impl TextQueue {
    pub(super) fn state(&self) -> Guard<'_> {
        lock(&self.state)
    }

    pub(super) fn wait<'a>(&self, state: Guard<'a>) -> Guard<'a> {
        self.changed.wait(state).unwrap_or_else(|e| e.into_inner())
    }

    pub(super) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    pub(super) fn sinkpad(&self) -> &gst::Pad {
        &self.sinkpad
    }

    pub(super) fn srcpad(&self) -> &gst::Pad {
        &self.srcpad
    }

    pub(super) fn set_hooks(&self, hooks: Hooks) {
        let _ = self.hooks.set(hooks);
    }

    pub(super) fn configure(&self, config: Config) {
        let mut state = self.state();
        apply(&mut state, &config);
        drop(state);
        *lock(&self.config) = config;
        self.changed.notify_all();
    }

    pub(super) fn level(&self) -> (usize, u64) {
        let state = self.state();
        (state.policy.bytes(), state.policy.dropped_characters())
    }

    pub(super) fn say(&self, text: &str) -> Result<String, String> {
        let mut state = self.state();
        if !state.running {
            return Err("the mouth is not running: set it to PAUSED or PLAYING first".into());
        }
        if state.policy.past_eos() {
            return Err("its text stream has ended: nothing can be said after EOS".into());
        }
        if state.policy.load() >= state.limit {
            return Err(format!(
                "too much waits already, {} bytes of text among it; text-queue-size allows {}",
                state.policy.bytes(),
                state.limit
            ));
        }
        let id = state.policy.say(text);
        drop(state);
        self.changed.notify_all();
        Ok(id)
    }

    pub(super) fn run_number(&self) -> u64 {
        self.state().run
    }

    pub(super) fn interrupt(&self, run: u64, flush: bool, hold: bool) -> Option<Dropped> {
        let mut state = self.state();
        if state.run != run {
            return None;
        }
        let mut discarded = None;
        let dropped = if flush {
            discarded = state.policy.boundary();
            state.policy.flush()
        } else {
            let running = self.running_time(&state);
            state.policy.interrupt(running, self.now())
        };
        state.holds += u32::from(hold);
        drop(state);
        self.changed.notify_all();
        self.tell(discarded);
        Some(dropped)
    }

    pub(super) fn requeue(&self, run: u64, texts: &[(String, String)]) -> bool {
        let mut state = self.state();
        if state.run != run || state.after != AfterInterruption::Continue {
            return false;
        }
        state.policy.requeue(texts.to_vec());
        true
    }

    pub(super) fn release(&self, run: u64) {
        let mut state = self.state();
        if state.run == run {
            state.holds = state.holds.saturating_sub(1);
        }
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn flush_downstream(&self, run: u64) {
        let mut state = self.state();
        while state.flushing {
            state = self.wait(state);
        }
        if !state.running || state.run != run {
            return;
        }
        state.flushing = true;
        drop(state);
        self.changed.notify_all();
        self.srcpad.push_event(gst::event::FlushStart::new());
        let mut state = self.state();
        while state.pushing {
            state = self.wait(state);
        }
        drop(state);
        self.srcpad.push_event(gst::event::FlushStop::new(true));
        let mut state = self.state();
        state.flushing = false;
        state.segment_sent = false;
        drop(state);
        self.changed.notify_all();
    }

    /// True while the pads are active.
    pub(super) fn is_running(&self) -> bool {
        self.state().running
    }

    pub(super) fn running_time(&self, state: &State) -> Option<Duration> {
        if !state.playing {
            return None;
        }
        self.obj().current_running_time().map(Into::into)
    }

    pub(super) fn tell(&self, discarded: Option<Discarded>) {
        if let (Some(hooks), Some(discarded)) = (self.hooks.get(), discarded) {
            (hooks.discarded)(discarded);
        }
    }

    fn src_event(&self, event: gst::Event) -> bool {
        match event.type_() {
            // About audio, and nothing that whoever makes the text could act on.
            gst::EventType::Qos | gst::EventType::Latency | gst::EventType::Reconfigure => true,
            _ => self.sinkpad.push_event(event),
        }
    }

    fn src_query(&self, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Latency(latency) => {
                latency.set(true, gst::ClockTime::ZERO, gst::ClockTime::NONE);
                true
            }
            _ => gst::Pad::query_default(&self.srcpad, Some(&*self.obj()), query),
        }
    }

    fn sink_query(&self, query: &mut gst::QueryRef) -> bool {
        match query.type_() {
            // Nothing is answered from behind the queue.
            gst::QueryType::Allocation | gst::QueryType::Drain => false,
            _ => gst::Pad::query_default(&self.sinkpad, Some(&*self.obj()), query),
        }
    }

    fn activate_sink(&self, active: bool) {
        self.state().sink_flushing = !active;
        self.changed.notify_all();
    }

    fn activate_src(&self, active: bool) -> Result<(), gst::LoggableError> {
        let config = lock(&self.config).clone();
        let mut state = self.state();
        // A flush of the run before ends by itself, and soon: the pads were inactive meanwhile.
        while active && state.flushing {
            state = self.wait(state);
        }
        let fresh = State {
            sink_flushing: state.sink_flushing,
            playing: state.playing,
            flushing: state.flushing,
            pushing: state.pushing,
            running: active,
            run: state.run + u64::from(active),
            ..State::default()
        };
        let old = std::mem::replace(&mut *state, fresh);
        apply(&mut state, &config);
        drop(state);
        if let Some((_, alarm)) = old.alarm {
            alarm.unschedule();
        }
        self.changed.notify_all();
        if active {
            let weak = self.obj().downgrade();
            self.srcpad.start_task(move || {
                if let Some(queue) = weak.upgrade() {
                    queue.imp().run();
                }
            })?;
        } else {
            self.srcpad.stop_task()?;
        }
        Ok(())
    }
}

fn apply(state: &mut State, config: &Config) {
    state.limit = config.limit.max(1);
    state.after = config.after_interruption;
    state
        .policy
        .configure(config.after_interruption, config.max_delay);
}

pub(super) fn text_caps() -> gst::Caps {
    gst::Caps::builder("text/x-raw")
        .field("format", "utf8")
        .build()
}

#[glib::object_subclass]
impl ObjectSubclass for TextQueue {
    const NAME: &'static str = "GstDuplexTtsTextQueue";
    type Type = super::TextQueue;
    type ParentType = gst::Element;

    fn with_class(klass: &Self::Class) -> Self {
        let templ = klass.pad_template("sink").expect("installed in class_init");
        let sinkpad = gst::Pad::builder_from_template(&templ)
            .chain_function(|_, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |this| this.sink_chain(buffer),
                )
            })
            .event_function(|_, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |this| this.sink_event(event))
            })
            .query_function(|_, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |this| this.sink_query(query))
            })
            .activatemode_function(|_, parent, _, active| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(CAT, "panicked")),
                    |this| {
                        this.activate_sink(active);
                        Ok(())
                    },
                )
            })
            .build();
        let templ = klass.pad_template("src").expect("installed in class_init");
        let srcpad = gst::Pad::builder_from_template(&templ)
            .event_function(|_, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |this| this.src_event(event))
            })
            .query_function(|_, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |this| this.src_query(query))
            })
            .activatemode_function(|_, parent, _, active| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(CAT, "panicked")),
                    |this| this.activate_src(active),
                )
            })
            .build();
        Self {
            sinkpad,
            srcpad,
            state: Mutex::default(),
            changed: Condvar::new(),
            hooks: OnceLock::new(),
            config: Mutex::new(Config {
                limit: 64 * 1024,
                after_interruption: AfterInterruption::default(),
                max_delay: None,
            }),
            epoch: Instant::now(),
        }
    }
}

impl ObjectImpl for TextQueue {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        // Both pads are installed by the class, so this cannot fail.
        let _ = obj.add_pad(&self.sinkpad);
        let _ = obj.add_pad(&self.srcpad);
    }
}

impl GstObjectImpl for TextQueue {}

impl ElementImpl for TextQueue {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Text queue of ttssink",
                "Generic/Text",
                "Cuts text into utterances and hands them to a synthesizer",
                "gst-duplex developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            [
                ("sink", gst::PadDirection::Sink),
                ("src", gst::PadDirection::Src),
            ]
            .into_iter()
            .filter_map(|(name, direction)| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &text_caps()).ok()
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
            gst::StateChange::PlayingToPaused | gst::StateChange::PausedToReady => {
                self.state().playing = false;
                self.changed.notify_all();
            }
            _ => {}
        }
        let result = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToPlaying {
            self.state().playing = true;
            self.changed.notify_all();
        }
        Ok(result)
    }
}
