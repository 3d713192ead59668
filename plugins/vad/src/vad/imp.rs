// SPDX-License-Identifier: MPL-2.0
//! Implementation of `vad`.
//!
//! Locks, each held for moments and never over a push, a post, a query or a signal:
//! `settings`, `inbox` and `reference` are leaves, taken alone or under `state`; `state` is
//! taken by the streaming thread, by state changes and to read `stats`.

/**
 * SECTION:element-vad
 * @title: vad
 *
 * Finds speech in audio of any rate and channel count, which passes through untouched.
 *
 * For every decision it emits a signal from its streaming thread, `speech-onset`,
 * `speech-started`, `speech-cancelled` or `speech-ended`, and posts an element message
 * `voice-activity`. Confirmed speech is also announced downstream, by the serialized events
 * `voice/start-of-speech` and `voice/end-of-speech`.
 *
 * The signals' arguments: running time (ns) at which the deciding audio ends, running time (ns)
 * at which the speech is taken to have begun, probability (0-1). An onset is resolved by exactly
 * one of `speech-started` and `speech-cancelled`, a start by `speech-ended`, whatever the stream
 * does: gaps, flushes, EOS and a stop count as silence. A handler may read and set atomics and
 * wake others, but not wait: the audio waits for it.
 *
 * The messages have webrtcdsp's fields `stream-time` (guint64, ns, where the deciding audio ends)
 * and `stream-has-voice` (gboolean, true from the onset until cancelled or ended), and `state`
 * (string: tentative, started, cancelled, ended), `probability` (gdouble), `running-time` and
 * `onset-stream-time` (guint64, ns).
 *
 * With `mode=gate` only confirmed speech passes, from `prefix-padding` before its onset to
 * `min-silence-duration` after its end, with GAP events between.
 *
 * What an agent plays meanwhile is told by the action signal `far-end` (a structure with
 * `running-time` and `duration`, guint64, ns, and `rms-db`, gdouble, dBFS; from any thread), as
 * ttssink does, or by linking it to the request pad `reference`, which measures and drops. Then
 * only what is louder than the agent's echo counts as speech.
 *
 * ## Example
 *
 * ```shell
 * gst-launch-1.0 -m filesrc location=caller.wav ! wavparse ! vad ! fakesink
 * ```
 *
 * prints a `voice-activity` message wherever somebody begins or ceases to speak.
 */
use std::collections::VecDeque;
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock};

use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::gate::{Gate, Out};
use super::reference::Reference;
use crate::ear::Ear;
use crate::echo::FarFrame;
use crate::samples;
use crate::segmenter::{Event, Phase};
use crate::settings::{self, Mode, Settings};
use crate::voice::{self, Decision};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "vad",
        gst::DebugColorFlags::empty(),
        Some("Voice activity detection"),
    )
});

/// Far-end reports that wait for the next buffer at most: 10 s of 10 ms frames.
const INBOX: usize = 1000;

/// What a stopped element starts from, and what is rebuilt in READY.
struct State {
    segment: gst::FormattedSegment<gst::ClockTime>,
    info: Option<gst_audio::AudioInfo>,
    ear: Ear,
    mode: Mode,
    gate: Gate,
    /// Settings changed since they were last looked at.
    changed: bool,
    /// Stream time less running time of the latest buffer.
    stream_offset: i64,
    /// Emptied by every buffer, kept for their memory.
    samples: Vec<f32>,
    reports: VecDeque<FarFrame>,
    events: Vec<Event>,
}

impl State {
    fn new(settings: &Settings) -> Self {
        let mut gate = Gate::default();
        gate.configure(settings.prefix_padding, settings.delay());
        Self {
            segment: gst::FormattedSegment::new(),
            info: None,
            ear: Ear::new(settings),
            mode: settings.mode,
            gate,
            changed: false,
            stream_offset: 0,
            samples: Vec::new(),
            reports: VecDeque::new(),
            events: Vec::new(),
        }
    }

    /// Hands over what was decided, in the terms of the stream.
    fn decisions(&mut self) -> Vec<Decision> {
        let stream_offset = self.stream_offset;
        (self.events.drain(..))
            .map(|event| Decision {
                event,
                stream_offset,
            })
            .collect()
    }
}

/// What one buffer or event came to.
#[derive(Default)]
struct Outcome {
    decisions: Vec<Decision>,
    out: Vec<Out>,
}

pub struct Vad {
    sinkpad: gst::Pad,
    srcpad: gst::Pad,
    settings: Mutex<Settings>,
    state: Mutex<State>,
    /// Far-end reports that the streaming thread has not seen yet.
    inbox: Mutex<VecDeque<FarFrame>>,
    reference: Mutex<Option<(gst::Pad, Reference)>>,
}

/// Locks; a panic elsewhere has already become an ERROR message and must not spread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Vad {
    /// Takes a far-end report: any thread, one short lock.
    pub fn far_end(&self, report: &gst::StructureRef) {
        match voice::far_frame(report) {
            Ok(frame) => self.deliver(frame),
            Err(err) => gst::warning!(CAT, imp = self, "Ignoring far-end report: {err}"),
        }
    }

    fn deliver(&self, frame: FarFrame) {
        let mut inbox = lock(&self.inbox);
        if inbox.len() >= INBOX {
            inbox.pop_front();
        }
        inbox.push_back(frame);
    }

    /// Emits and posts what was decided. The caller holds no lock.
    fn announce(&self, decisions: &[Decision]) {
        if decisions.is_empty() {
            return;
        }
        let post = lock(&self.settings).post_messages;
        let obj = self.obj();
        for decision in decisions {
            let event = &decision.event;
            gst::debug!(CAT, imp = self, "{event:?}");
            obj.emit_by_name::<()>(
                decision.signal(),
                &[&event.at, &event.onset, &f64::from(event.probability)],
            );
            if post {
                let message = gst::message::Element::builder(decision.message())
                    .src(&*obj)
                    .build();
                // False where there is no bus: nobody asked.
                let _ = obj.post_message(message);
            }
        }
    }

    /// Announces, then pushes. The caller holds no lock.
    fn deliver_outcome(&self, outcome: Outcome) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.announce(&outcome.decisions);
        let mut flow = Ok(gst::FlowSuccess::Ok);
        for out in outcome.out {
            match out {
                Out::Buffer(buffer) => flow = flow.and(self.srcpad.push(buffer)),
                Out::Event(event) => {
                    self.srcpad.push_event(event);
                }
            }
        }
        flow
    }

    fn take_changes(&self, state: &mut State) {
        if std::mem::take(&mut state.changed) {
            let settings = *lock(&self.settings);
            state.ear.configure(&settings);
            state
                .gate
                .configure(settings.prefix_padding, settings.delay());
        }
        std::mem::swap(&mut *lock(&self.inbox), &mut state.reports);
        while let Some(frame) = state.reports.pop_front() {
            state.ear.far(frame);
        }
    }

    fn sink_chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut outcome = Outcome::default();
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        self.take_changes(state);
        let Some(info) = state.info.clone() else {
            drop(guard);
            gst::element_imp_error!(
                self,
                gst::CoreError::Negotiation,
                ("No audio format before the audio")
            );
            return Err(gst::FlowError::NotNegotiated);
        };

        let mut time = None;
        if let Some(pts) = buffer.pts() {
            time = state.segment.to_running_time_full(pts).map(|t| match t {
                gst::Signed::Positive(t) => t.nseconds(),
                gst::Signed::Negative(_) => 0,
            });
            if let (Some(running), Some(stream)) = (time, state.segment.to_stream_time(pts)) {
                state.stream_offset = stream.nseconds() as i64 - running as i64;
            }
        }
        // Audio without timestamps follows what came before.
        let time = time.or(state.ear.next()).unwrap_or(0);
        if state.ear.is_jump(time) {
            gst::debug!(
                CAT,
                imp = self,
                "Jump from {:?} to {time}",
                state.ear.next()
            );
        }
        if buffer.flags().contains(gst::BufferFlags::GAP) {
            let frames = buffer.size() as u64 / u64::from(info.bpf().max(1));
            let duration = frames.mul_div_floor(1_000_000_000, u64::from(info.rate()));
            state
                .ear
                .skip(time, duration.unwrap_or(0), &mut state.events);
        } else {
            let Ok(map) = buffer.map_readable() else {
                drop(guard);
                gst::element_imp_error!(
                    self,
                    gst::ResourceError::Read,
                    ("Cannot read an audio buffer")
                );
                return Err(gst::FlowError::Error);
            };
            state.samples.clear();
            samples::convert(info.format(), &map, &mut state.samples);
            let (ear, samples) = (&mut state.ear, &state.samples);
            ear.listen(time, samples, &mut state.events);
        }
        outcome.decisions = state.decisions();
        match state.mode {
            Mode::Annotate => {
                outcome.out.extend(
                    outcome
                        .decisions
                        .iter()
                        .filter_map(|d| d.downstream())
                        .map(Out::Event),
                );
                drop(guard);
                // The usual case, without a vector.
                self.deliver_outcome(outcome)?;
                self.srcpad.push(buffer)
            }
            Mode::Gate => {
                state.gate.audio(buffer, time, &info);
                for decision in &outcome.decisions {
                    state.gate.decide(decision, &mut outcome.out);
                }
                let now = state.ear.next().unwrap_or(time);
                state.gate.advance(now, &mut outcome.out);
                drop(guard);
                self.deliver_outcome(outcome)
            }
        }
    }

    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        gst::trace!(CAT, obj = pad, "{event:?}");
        let mut outcome = Outcome::default();
        match event.view() {
            gst::EventView::FlushStart(_) => return self.srcpad.push_event(event),
            gst::EventView::FlushStop(_) => {
                {
                    let mut state = lock(&self.state);
                    let state = &mut *state;
                    state.ear.finish(&mut state.events);
                    outcome.decisions = state.decisions();
                    state.ear.reset();
                    state.segment.reset();
                    let settings = *lock(&self.settings);
                    state.gate = Gate::default();
                    state
                        .gate
                        .configure(settings.prefix_padding, settings.delay());
                }
                // Whoever listens downstream starts afresh: nothing is pushed but the flush.
                self.announce(&outcome.decisions);
                return self.srcpad.push_event(event);
            }
            gst::EventView::Caps(caps) => {
                let info = match gst_audio::AudioInfo::from_caps(caps.caps()) {
                    Ok(info) if settings::INPUT_RATES.contains(&info.rate()) => info,
                    _ => {
                        gst::error!(CAT, obj = pad, "Cannot listen to {}", caps.caps());
                        return false;
                    }
                };
                let mut state = lock(&self.state);
                state.ear.set_format(info.rate(), info.channels() as usize);
                state.info = Some(info);
            }
            gst::EventView::Segment(segment) => {
                let mut state = lock(&self.state);
                state.segment = (segment.segment().clone())
                    .downcast()
                    .unwrap_or_else(|other| {
                        gst::debug!(CAT, obj = pad, "Counting samples: no times in {other:?}");
                        gst::FormattedSegment::new()
                    });
            }
            gst::EventView::Gap(gap) => {
                let mut state = lock(&self.state);
                let state = &mut *state;
                self.take_changes(state);
                let (start, duration) = gap.get();
                if let Some(time) = state.segment.to_running_time(start) {
                    let duration = duration.map_or(0, |d| d.nseconds());
                    state.ear.skip(time.nseconds(), duration, &mut state.events);
                }
                outcome.decisions = state.decisions();
            }
            gst::EventView::Eos(_) => {
                let mut state = lock(&self.state);
                let state = &mut *state;
                state.ear.finish(&mut state.events);
                outcome.decisions = state.decisions();
            }
            _ => {}
        }
        if !event.is_serialized() {
            return self.srcpad.push_event(event);
        }
        {
            let mut state = lock(&self.state);
            let state = &mut *state;
            match state.mode {
                Mode::Annotate => outcome.out.extend(
                    outcome
                        .decisions
                        .iter()
                        .filter_map(|d| d.downstream())
                        .map(Out::Event),
                ),
                Mode::Gate => {
                    for decision in &outcome.decisions {
                        state.gate.decide(decision, &mut outcome.out);
                    }
                    if event.type_() == gst::EventType::Eos {
                        state.gate.drain(&mut outcome.out);
                    }
                    state.gate.event(event.clone(), &mut outcome.out);
                    if let Some(now) = state.ear.next() {
                        state.gate.advance(now, &mut outcome.out);
                    }
                    if outcome.out.is_empty() && outcome.decisions.is_empty() {
                        // It waits its turn behind audio.
                        return true;
                    }
                }
            }
        }
        let annotate = lock(&self.state).mode == Mode::Annotate;
        if annotate {
            let _ = self.deliver_outcome(outcome);
            self.srcpad.push_event(event)
        } else {
            self.deliver_outcome(outcome).is_ok()
        }
    }

    fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if query.type_() == gst::QueryType::Allocation && lock(&self.state).mode == Mode::Gate {
            // Audio waits here: downstream's pool would run dry.
            return false;
        }
        gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }

    fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        };
        let mut upstream = gst::query::Latency::new();
        if !self.sinkpad.peer_query(&mut upstream) {
            return false;
        }
        let (live, min, max) = upstream.result();
        let delay = gst::ClockTime::from_nseconds(lock(&self.settings).delay());
        latency.set(live, min + delay, max.map(|max| max + delay));
        true
    }

    fn links(&self, pad: &gst::Pad) -> gst::Iterator<gst::Pad> {
        // The reference pad leads nowhere.
        if *pad == self.sinkpad {
            gst::Iterator::from_vec(vec![self.srcpad.clone()])
        } else if *pad == self.srcpad {
            gst::Iterator::from_vec(vec![self.sinkpad.clone()])
        } else {
            gst::Iterator::from_vec(Vec::new())
        }
    }

    fn reference_chain(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        match &mut *lock(&self.reference) {
            Some((_, reference)) => reference.buffer(buffer, |frame| self.deliver(frame)),
            None => Err(gst::FlowError::Flushing),
        }
    }

    fn reference_event(&self, event: &gst::Event) -> bool {
        match &mut *lock(&self.reference) {
            Some((_, reference)) => reference.event(event),
            None => false,
        }
    }

    /// Ends open speech, for those who wait for it, when the element stops.
    fn stop(&self) {
        let decisions = {
            let mut state = lock(&self.state);
            let state = &mut *state;
            state.ear.finish(&mut state.events);
            state.decisions()
        };
        self.announce(&decisions);
        lock(&self.inbox).clear();
    }

    fn stats(&self) -> gst::Structure {
        let state = lock(&self.state);
        let c = &state.ear.counters;
        let echo = state.ear.echo();
        let per_10ms = match c.analysed {
            0 => 0.0,
            analysed => c.analysis.as_secs_f64() * 1e6 / (analysed as f64 / 1e7),
        };
        gst::Structure::builder("vad-stats")
            .field("speech-time", c.speech_time)
            .field("silence-time", c.silence_time)
            .field("onsets", c.onsets)
            .field("started", c.started)
            .field("cancelled", c.cancelled)
            .field("ended", c.ended)
            .field("echo-rejected", c.echo_rejected)
            .field("analysis-time", per_10ms)
            .field(
                "state",
                match state.ear.phase() {
                    Phase::Silence => "silence",
                    Phase::Tentative => "tentative",
                    Phase::Speech => "speech",
                },
            )
            .field("echo-return-loss", f64::from(echo.return_loss()))
            .field("echo-delay", echo.delay().unwrap_or(0))
            .build()
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Vad {
    const NAME: &'static str = "GstDuplexVad";
    type Type = super::Vad;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let template = |name| {
            class
                .pad_template(name)
                .unwrap_or_else(|| unreachable!("{name} is a template of ours"))
        };
        let sinkpad = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|_pad, parent, buffer| {
                Vad::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |vad| vad.sink_chain(buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Vad::catch_panic_pad_function(parent, || false, |vad| vad.sink_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Vad::catch_panic_pad_function(parent, || false, |vad| vad.sink_query(pad, query))
            })
            .iterate_internal_links_function(|pad, parent| {
                Vad::catch_panic_pad_function(
                    parent,
                    || gst::Iterator::from_vec(Vec::new()),
                    |vad| vad.links(pad),
                )
            })
            .flags(gst::PadFlags::PROXY_CAPS | gst::PadFlags::PROXY_ALLOCATION)
            .build();
        let srcpad = gst::Pad::builder_from_template(&template("src"))
            .query_function(|pad, parent, query| {
                Vad::catch_panic_pad_function(parent, || false, |vad| vad.src_query(pad, query))
            })
            .iterate_internal_links_function(|pad, parent| {
                Vad::catch_panic_pad_function(
                    parent,
                    || gst::Iterator::from_vec(Vec::new()),
                    |vad| vad.links(pad),
                )
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        let settings = Settings::default();
        Self {
            sinkpad,
            srcpad,
            settings: Mutex::new(settings),
            state: Mutex::new(State::new(&settings)),
            inbox: Mutex::default(),
            reference: Mutex::default(),
        }
    }
}

impl ObjectImpl for Vad {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::properties);
        &PROPERTIES
    }

    fn signals() -> &'static [Signal] {
        static SIGNALS: OnceLock<Vec<Signal>> = OnceLock::new();
        voice::signals::<super::Vad>(&SIGNALS)
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let delay_changed = {
            let mut settings = lock(&self.settings);
            let before = settings.delay();
            settings.set(pspec.name(), value);
            before != settings.delay()
        };
        let mut state = lock(&self.state);
        state.changed = true;
        drop(state);
        if delay_changed {
            let obj = self.obj();
            let _ = obj.post_message(gst::message::Latency::builder().src(&*obj).build());
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == "stats" {
            return self.stats().to_value();
        }
        (lock(&self.settings).get(pspec.name())).unwrap_or_else(|| pspec.default_value().clone())
    }

    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        // Failing would mean that the templates clash.
        let _ = obj.add_pad(&self.sinkpad);
        let _ = obj.add_pad(&self.srcpad);
    }
}

impl GstObjectImpl for Vad {}

impl ElementImpl for Vad {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Voice activity detector",
                "Filter/Analyzer/Audio",
                "Finds speech in audio of any rate and channel count, which passes untouched: \
                 signals, messages and serialized events for onset, start, cancellation and end. \
                 Example: gst-launch-1.0 -m filesrc location=caller.wav ! wavparse ! vad ! \
                 fakesink",
                "The gst-duplex developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = samples::template_caps();
            [
                ("sink", gst::PadDirection::Sink, gst::PadPresence::Always),
                ("src", gst::PadDirection::Src, gst::PadPresence::Always),
                (
                    "reference",
                    gst::PadDirection::Sink,
                    gst::PadPresence::Request,
                ),
            ]
            .into_iter()
            .filter_map(|(name, direction, presence)| {
                gst::PadTemplate::new(name, direction, presence, &caps).ok()
            })
            .collect()
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        if lock(&self.reference).is_some() {
            gst::warning!(
                CAT,
                imp = self,
                "There is one reference pad, and it is taken"
            );
            return None;
        }
        let pad = gst::Pad::builder_from_template(template)
            .name("reference")
            .chain_function(|_pad, parent, buffer| {
                Vad::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |vad| vad.reference_chain(&buffer),
                )
            })
            .event_function(|_pad, parent, event| {
                Vad::catch_panic_pad_function(parent, || false, |vad| vad.reference_event(&event))
            })
            .iterate_internal_links_function(|pad, parent| {
                Vad::catch_panic_pad_function(
                    parent,
                    || gst::Iterator::from_vec(Vec::new()),
                    |vad| vad.links(pad),
                )
            })
            .build();
        *lock(&self.reference) = Some((pad.clone(), Reference::default()));
        pad.set_active(true).ok()?;
        self.obj().add_pad(&pad).ok()?;
        Some(pad)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let ours = lock(&self.reference).take_if(|(reference, _)| reference == pad);
        if ours.is_some() {
            let _ = pad.set_active(false);
            let _ = self.obj().remove_pad(pad);
        }
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            let settings = *lock(&self.settings);
            *lock(&self.state) = State::new(&settings);
        }
        let result = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToReady {
            self.stop();
        }
        Ok(result)
    }
}
