// SPDX-License-Identifier: MPL-2.0

//! Locks: `state` only, never held over a push, an event, a message or a hook.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Condvar, LazyLock, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use duplex_textpad::events::{UtteranceBegin, UtteranceEnd};
use gst::{glib, prelude::*, subclass::prelude::*};

use super::{
    Config, Hooks,
    decode::{Decoder, pieces},
    policy::{Action, AfterInterruption, Discarded, Dropped, Policy},
};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "ttssink-text",
        gst::DebugColorFlags::empty(),
        Some("Text queue of ttssink"),
    )
});

/// Names utterances across all mouths of the process.
static NEXT_UTTERANCE: AtomicU64 = AtomicU64::new(1);

struct State {
    policy: Policy<gst::Event>,
    decoder: Decoder,
    segment: gst::Segment,
    limit: usize,
    /// The sink pad takes nothing: upstream flushes, or the pad is inactive.
    sink_flushing: bool,
    /// The source pad is active.
    running: bool,
    /// Nothing is handed over while this is not 0: one for each interruption that was asked for and is not carried out yet.
    holds: u32,
    /// A flush is on its way downstream.
    flushing: bool,
    /// The task is outside, pushing.
    pushing: bool,
    /// What downstream last said; an error stops the task.
    flow: Result<gst::FlowSuccess, gst::FlowError>,
    /// STREAM_START and CAPS were sent.
    started: bool,
    /// SEGMENT was sent.
    segment_sent: bool,
    playing: bool,
    /// Text was replaced because it was no UTF-8, and that was said.
    warned: bool,
    /// The wait for a cue, with its absolute clock time.
    alarm: Option<(gst::ClockTime, gst::SingleShotClockId)>,
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
            decoder: Decoder::default(),
            segment: gst::Segment::new(),
            limit: 0,
            sink_flushing: true,
            running: false,
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
    srcpad: gst::Pad,
    state: Mutex<State>,
    changed: Condvar,
    hooks: OnceLock<Hooks>,
    config: Mutex<Config>,
    epoch: Instant,
}

type Guard<'a> = MutexGuard<'a, State>;

impl TextQueue {
    fn state(&self) -> Guard<'_> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn wait<'a>(&self, state: Guard<'a>) -> Guard<'a> {
        self.changed.wait(state).unwrap_or_else(|e| e.into_inner())
    }

    fn now(&self) -> Duration {
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
        *self.config.lock().unwrap_or_else(|e| e.into_inner()) = config;
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
        if state.policy.bytes() >= state.limit {
            return Err(format!(
                "{} bytes of text wait already; text-queue-size allows {}",
                state.policy.bytes(),
                state.limit
            ));
        }
        let id = state.policy.say(text);
        drop(state);
        self.changed.notify_all();
        Ok(id)
    }

    pub(super) fn interrupt(&self, flush: bool, hold: bool) -> Dropped {
        let mut state = self.state();
        let mut discarded = None;
        let dropped = if flush {
            discarded = state.policy.boundary();
            state.policy.flush()
        } else {
            let now = self.running_time(&state);
            state.policy.interrupt(now)
        };
        state.holds += u32::from(hold);
        drop(state);
        self.changed.notify_all();
        self.tell(discarded);
        dropped
    }

    pub(super) fn flush_downstream(&self, release: bool) {
        let mut state = self.state();
        while state.flushing {
            state = self.wait(state);
        }
        if !state.running {
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
        state.holds = state.holds.saturating_sub(u32::from(release));
        state.segment_sent = false;
        drop(state);
        self.changed.notify_all();
    }

    /// True while the pads are active.
    pub(super) fn is_running(&self) -> bool {
        self.state().running
    }

    fn running_time(&self, state: &State) -> Option<Duration> {
        if !state.playing {
            return None;
        }
        self.obj().current_running_time().map(Into::into)
    }

    fn tell(&self, discarded: Option<Discarded>) {
        if let (Some(hooks), Some(discarded)) = (self.hooks.get(), discarded) {
            (hooks.discarded)(discarded);
        }
    }

    // The task

    fn iterate(&self) {
        let mut state = self.state();
        let action = loop {
            if !state.running || state.flow.is_err() {
                drop(state);
                let _ = self.srcpad.pause_task();
                return;
            }
            if state.holds > 0 || state.flushing {
                state = self.wait(state);
                continue;
            }
            let running = self.running_time(&state);
            let now = self.now();
            match state.policy.next(running, now) {
                Action::Wait { running, idle } => {
                    self.set_alarm(&mut state, running);
                    state = match idle {
                        None => self.wait(state),
                        Some(at) => {
                            self.changed
                                .wait_timeout(state, at.saturating_sub(now))
                                .unwrap_or_else(|e| e.into_inner())
                                .0
                        }
                    };
                }
                action => break action,
            }
        };
        state.pushing = true;
        let start = !std::mem::replace(&mut state.started, true);
        let segment = !std::mem::replace(&mut state.segment_sent, true);
        drop(state);
        self.changed.notify_all();

        let result = self.hand_over(action, start, segment);

        let mut state = self.state();
        state.pushing = false;
        let stopped = match result {
            Ok(_) => None,
            // Our own flush: the next text starts anew.
            Err(_) if state.flushing => None,
            Err(error) => {
                state.flow = Err(error);
                (state.running && error != gst::FlowError::Flushing).then_some(error)
            }
        };
        drop(state);
        self.changed.notify_all();
        if let Some(error) = stopped {
            self.stopped(error);
        }
    }

    /// Downstream takes nothing more. Upstream may not exist, so this is told from here.
    fn stopped(&self, error: gst::FlowError) {
        match error {
            gst::FlowError::Eos => {
                gst::info!(CAT, imp = self, "The synthesizer takes no more text");
            }
            gst::FlowError::NotNegotiated | gst::FlowError::NotSupported => {
                gst::element_imp_error!(
                    self,
                    gst::StreamError::Format,
                    ("The synthesizer and the audio sink have no audio format in common"),
                    ["flow {error}"]
                )
            }
            _ => gst::element_imp_error!(
                self,
                gst::StreamError::Failed,
                ("The synthesizer stopped taking text ({error})")
            ),
        }
    }

    fn hand_over(
        &self,
        action: Action<gst::Event>,
        start: bool,
        segment: bool,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if start {
            let id = format!("{}/text", self.obj().path_string());
            self.srcpad.push_event(gst::event::StreamStart::new(&id));
            self.srcpad.push_event(gst::event::Caps::new(&text_caps()));
        }
        if segment {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            self.srcpad.push_event(gst::event::Segment::new(&segment));
        }
        match action {
            Action::Begin(id) => {
                gst::debug!(CAT, imp = self, "Utterance {id} begins");
                self.srcpad.push_event(UtteranceBegin::new(id).to_event());
            }
            Action::Text(id, text) => {
                gst::log!(CAT, imp = self, "Utterance {id}: {text:?}");
                if let Some(hooks) = self.hooks.get() {
                    (hooks.text)(&id, &text);
                }
                let mut buffer = gst::Buffer::from_slice(text.into_bytes());
                if let Some(buffer) = buffer.get_mut() {
                    // Foreign synthesizers want a time; without a duration it makes no cue of it.
                    buffer.set_pts(self.obj().current_running_time());
                }
                return self.srcpad.push(buffer);
            }
            Action::End(id) => {
                gst::debug!(CAT, imp = self, "Text of utterance {id} is complete");
                self.srcpad.push_event(UtteranceEnd::of_text(id).to_event());
            }
            Action::Other(event) => {
                self.srcpad.push_event(event);
            }
            Action::Eos => {
                gst::debug!(CAT, imp = self, "End of the text");
                self.srcpad.push_event(gst::event::Eos::new());
            }
            Action::Wait { .. } => {}
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Has the clock wake the task when a cue is due.
    fn set_alarm(&self, state: &mut State, at: Option<Duration>) {
        let target = at.filter(|_| state.playing).and_then(|at| {
            let base = self.obj().base_time()?;
            let at = gst::ClockTime::try_from(at).ok()?;
            Some((self.obj().clock()?, base + at))
        });
        let Some((clock, target)) = target else {
            if let Some((_, alarm)) = state.alarm.take() {
                alarm.unschedule();
            }
            return;
        };
        if state.alarm.as_ref().is_some_and(|(at, _)| *at == target) {
            return;
        }
        if let Some((_, alarm)) = state.alarm.take() {
            alarm.unschedule();
        }
        let alarm = clock.new_single_shot_id(target);
        let weak = self.obj().downgrade();
        let armed = alarm.wait_async(move |_, _, _| {
            if let Some(queue) = weak.upgrade() {
                // Taken and given back, so that the task cannot be just about to wait.
                drop(queue.imp().state());
                queue.imp().changed.notify_all();
            }
        });
        if armed.is_ok() {
            state.alarm = Some((target, alarm));
        }
    }

    fn run(&self) {
        if catch_unwind(AssertUnwindSafe(|| self.iterate())).is_ok() {
            return;
        }
        let mut state = self.state();
        state.pushing = false;
        state.flow = Err(gst::FlowError::Error);
        drop(state);
        self.changed.notify_all();
        gst::element_imp_error!(self, gst::LibraryError::Failed, ("The text queue panicked"));
        let _ = self.srcpad.pause_task();
    }

    // The sink pad

    fn room<'a>(&self, mut state: Guard<'a>) -> Result<Guard<'a>, gst::FlowError> {
        loop {
            if state.sink_flushing {
                return Err(gst::FlowError::Flushing);
            }
            state.flow?;
            if state.policy.bytes() < state.limit || state.policy.discarding() {
                return Ok(state);
            }
            state = self.wait(state);
        }
    }

    fn sink_chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let map = buffer.map_readable().map_err(|_| {
            gst::element_imp_error!(
                self,
                gst::ResourceError::Read,
                ("A text buffer cannot be read")
            );
            gst::FlowError::Error
        })?;
        let mut state = self.room(self.state())?;
        let cue = state
            .segment
            .downcast_ref::<gst::ClockTime>()
            .zip(buffer.pts().zip(buffer.duration()))
            .map(|(segment, (pts, duration))| {
                segment
                    .clip(pts, pts + duration)
                    .and_then(|(start, _)| segment.to_running_time(start))
            });
        let mut discarded = None;
        if let Some(at) = cue {
            let mut decoder = Decoder::default();
            let mut text = decoder.push(&map);
            text += decoder.finish();
            let invalid = decoder.take_first_invalid();
            // Outside of the segment: a seek left it behind.
            if let Some(at) = at {
                discarded = state.policy.cue(&text, at.into());
            }
            drop(state);
            self.changed.notify_all();
            self.warn_invalid(invalid);
            self.tell(discarded);
            return Ok(gst::FlowSuccess::Ok);
        }
        if buffer.flags().contains(gst::BufferFlags::DISCONT) {
            let rest = state.decoder.finish();
            state.policy.push(rest, self.now());
            discarded = state.policy.discont();
        }
        let text = state.decoder.push(&map);
        let invalid = state.decoder.take_first_invalid();
        let mut pushed = Ok(());
        for piece in pieces(&text) {
            state = match self.room(state) {
                Ok(state) => state,
                Err(error) => {
                    pushed = Err(error);
                    state = self.state();
                    break;
                }
            };
            state.policy.push(piece, self.now());
            self.changed.notify_all();
        }
        drop(state);
        self.warn_invalid(invalid);
        self.tell(discarded);
        pushed.map(|()| gst::FlowSuccess::Ok)
    }

    fn warn_invalid(&self, at: Option<u64>) {
        let Some(at) = at else { return };
        if std::mem::replace(&mut self.state().warned, true) {
            return;
        }
        gst::element_imp_warning!(
            self,
            gst::StreamError::Decode,
            ("The text is not UTF-8 at byte {at}; what cannot be read is replaced by U+FFFD")
        );
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        use gst::EventView as V;
        gst::log!(CAT, imp = self, "{event:?}");
        match event.view() {
            V::FlushStart(_) => {
                let mut state = self.state();
                state.sink_flushing = true;
                state.decoder.restart();
                drop(state);
                self.changed.notify_all();
                if let Some(hooks) = self.hooks.get() {
                    (hooks.flush)();
                }
                true
            }
            V::FlushStop(_) => {
                let mut state = self.state();
                state.sink_flushing = false;
                state.segment = gst::Segment::new();
                true
            }
            V::StreamStart(_) => {
                let mut state = self.state();
                let rest = state.decoder.finish();
                state.policy.push(rest, self.now());
                let discarded = if state.policy.at_eos() {
                    state.started = false;
                    state.segment_sent = false;
                    state.policy.restart()
                } else {
                    state.policy.boundary()
                };
                state.decoder.restart();
                state.warned = false;
                drop(state);
                self.changed.notify_all();
                self.tell(discarded);
                true
            }
            V::Segment(segment) => self.sink_segment(segment.segment()),
            V::Eos(_) => {
                let mut state = self.state();
                let rest = state.decoder.finish();
                state.policy.push(rest, self.now());
                let invalid = state.decoder.take_first_invalid();
                let discarded = state.policy.eos();
                drop(state);
                self.changed.notify_all();
                self.warn_invalid(invalid);
                self.tell(discarded);
                true
            }
            V::CustomDownstream(_) => {
                if let Some(begin) = UtteranceBegin::from_event(&event) {
                    let mut state = self.state();
                    let discarded = state.policy.begin(&begin.utterance_id);
                    drop(state);
                    self.changed.notify_all();
                    self.tell(discarded);
                } else if UtteranceEnd::from_event(&event).is_some() {
                    let mut state = self.state();
                    let rest = state.decoder.finish();
                    state.policy.push(rest, self.now());
                    let discarded = state.policy.boundary();
                    drop(state);
                    self.changed.notify_all();
                    self.tell(discarded);
                } else {
                    self.state().policy.other(event);
                    self.changed.notify_all();
                }
                true
            }
            V::CustomDownstreamSticky(_) | V::SinkMessage(_) => {
                self.state().policy.other(event);
                self.changed.notify_all();
                true
            }
            V::CustomDownstreamOob(_) => self.srcpad.push_event(event),
            // The queue makes caps, segments and everything else of its own stream itself.
            _ => true,
        }
    }

    fn sink_segment(&self, segment: &gst::Segment) -> bool {
        if (segment.rate() - 1.0).abs() > f64::EPSILON {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                (
                    "Text cannot be spoken at playback rate {}: seek with rate 1, and set the property `rate` for faster or slower speech",
                    segment.rate()
                )
            );
            return false;
        }
        self.state().segment = segment.clone();
        true
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
        let config = self
            .config
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .clone();
        let mut state = self.state();
        let fresh = State {
            sink_flushing: state.sink_flushing,
            playing: state.playing,
            // A flush that is on its way ends by itself.
            flushing: state.flushing,
            pushing: state.pushing,
            running: active,
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
    state
        .policy
        .configure(config.after_interruption, config.max_delay);
}

fn text_caps() -> gst::Caps {
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
