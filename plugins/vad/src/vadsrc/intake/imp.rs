// SPDX-License-Identifier: MPL-2.0
//! Implementation of the private intake element.
//!
//! `state` is held for moments only. Either the caller's streaming thread or the filler (a task
//! on the source pad) pushes, never both: the caller's thread pauses the task and waits for its
//! last round before it pushes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::super::Pace;
use super::filler::SILENCE;
use super::waiter::{Flushing, Playing, Waiter};
use crate::samples::frames_to_time;
use crate::segmenter::MS;
use crate::sync::lock;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "vadsrc-intake",
        gst::DebugColorFlags::empty(),
        Some("Pacing and silence of vadsrc"),
    )
});

/// Paced audio is released in pieces of this length.
const PIECE: u64 = 10 * MS;
/// A paced source that is later than this has not been heard on time; it goes on from now, as a
/// microphone would.
pub(super) const LATE: u64 = 100 * MS;

#[derive(Debug, Default, Clone, Copy)]
struct Settings {
    pace: Pace,
    /// Callers come and go: silence between them, and none of them ends the stream.
    callers: bool,
}

#[derive(Debug)]
pub(super) struct State {
    segment: gst::FormattedSegment<gst::ClockTime>,
    info: Option<gst_audio::AudioInfo>,
    /// Whether the source is to be paced; unknown until it was asked.
    paced: Option<bool>,
    /// Added to the source's running time, in nanoseconds.
    shift: u64,
    /// The source's position in nanoseconds of its segment, for buffers without timestamp.
    position: u64,
    /// A caller's buffers flow; his events have been forwarded.
    pub caller: bool,
    /// The next buffer follows a break.
    discont: bool,
    pub stream_started: bool,
    /// Running time at which the next piece of silence begins.
    pub silence: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            segment: gst::FormattedSegment::new(),
            info: None,
            paced: None,
            shift: 0,
            position: 0,
            caller: false,
            discont: false,
            stream_started: false,
            silence: 0,
        }
    }
}

pub struct Intake {
    pub(super) sinkpad: gst::Pad,
    pub(super) srcpad: gst::Pad,
    settings: Mutex<Settings>,
    pub(super) state: Mutex<State>,
    waiter: Waiter,
    /// Cuts the filler's waits short, and only those.
    pub(super) filler: Waiter,
    pub(super) filling: AtomicBool,
}

impl From<Flushing> for gst::FlowError {
    fn from(_: Flushing) -> Self {
        gst::FlowError::Flushing
    }
}

impl Intake {
    pub fn configure(&self, pace: Pace, callers: bool) {
        *lock(&self.settings) = Settings { pace, callers };
    }

    pub(super) fn callers(&self) -> bool {
        lock(&self.settings).callers
    }

    /// Whether what comes upstream is live by itself.
    fn upstream_live(&self) -> bool {
        let mut query = gst::query::Latency::new();
        self.sinkpad.peer_query(&mut query) && query.result().0
    }

    fn paced(&self) -> bool {
        if let Some(paced) = lock(&self.state).paced {
            return paced;
        }
        let pace = lock(&self.settings).pace;
        let paced = match pace {
            Pace::Auto => !self.upstream_live(),
            Pace::Always => true,
            Pace::Never => false,
        };
        gst::debug!(CAT, imp = self, "Paced: {paced}");
        lock(&self.state).paced = Some(paced);
        paced
    }

    // The caller.

    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        if self.callers() {
            self.welcome();
        }
        if !self.paced() {
            let discont = std::mem::take(&mut lock(&self.state).discont);
            return self.srcpad.push(flagged(buffer, discont));
        }
        let (info, mut position) = {
            let mut state = lock(&self.state);
            let Some(info) = state.info.clone() else {
                return Err(gst::FlowError::NotNegotiated);
            };
            if let Some(pts) = buffer.pts() {
                state.position = pts.nseconds();
            }
            (info, state.position)
        };
        let frames_per_piece = (u64::from(info.rate()) * PIECE).div_ceil(1000 * MS).max(1) as usize;
        let (size, bpf) = (buffer.size(), info.bpf().max(1) as usize);
        let start = position;
        let mut at = 0;
        while at < size {
            let end = (at + frames_per_piece * bpf).min(size);
            let next = start + frames_to_time((end / bpf) as u64, info.rate().into());
            let mut piece = buffer
                .copy_region(gst::BufferCopyFlags::all(), at..end)
                .map_err(|_| gst::FlowError::Error)?;
            {
                let piece = piece.make_mut();
                piece.set_pts(gst::ClockTime::from_nseconds(position));
                piece.set_dts(gst::ClockTime::NONE);
                piece.set_duration(gst::ClockTime::from_nseconds(next - position));
                if at > 0 {
                    piece.unset_flags(gst::BufferFlags::DISCONT | gst::BufferFlags::RESYNC);
                }
            }
            self.release(piece, position, next)?;
            (at, position) = (end, next);
            lock(&self.state).position = next;
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Pushes a piece when it is over, as a microphone would: it lasts from `start` to `end` of
    /// the source's segment.
    fn release(&self, piece: gst::Buffer, start: u64, end: u64) -> Result<(), gst::FlowError> {
        let now = self.waiter.playing()?.now();
        let (due, segment, discont) = {
            let mut state = lock(&self.state);
            let running = |t| {
                (state
                    .segment
                    .to_running_time(gst::ClockTime::from_nseconds(t)))
                .map(|t| t.nseconds())
            };
            let (Some(start), Some(end)) = (running(start), running(end)) else {
                // Outside of the segment: not to be heard.
                return Ok(());
            };
            let mut segment = None;
            if start + state.shift + LATE < now {
                state.shift = now - start;
                state.discont = true;
                segment = Some(shifted(&state));
            }
            (
                end + state.shift,
                segment,
                std::mem::take(&mut state.discont),
            )
        };
        if let Some(segment) = segment {
            gst::debug!(CAT, imp = self, "Late: going on from running time {now}");
            self.srcpad.push_event(gst::event::Segment::new(&segment));
        }
        self.waiter.until(due)?;
        self.srcpad.push(flagged(piece, discont)).map(|_| ())
    }

    /// Makes the filler give way to a caller who speaks.
    fn welcome(&self) {
        if lock(&self.state).caller {
            return;
        }
        self.stop_filler();
        let (segment, first) = {
            let mut state = lock(&self.state);
            state.caller = true;
            state.discont = true;
            let first = !std::mem::replace(&mut state.stream_started, true);
            (shifted(&state), first)
        };
        gst::debug!(CAT, imp = self, "A caller");
        let mut events = Vec::new();
        self.sinkpad.sticky_events_foreach(|event| {
            events.push(event.clone());
            std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
        });
        for event in events {
            let event = match event.type_() {
                gst::EventType::StreamStart if !first => continue,
                gst::EventType::Eos => continue,
                gst::EventType::Segment => gst::event::Segment::new(&segment),
                _ => event,
            };
            self.srcpad.push_event(event);
        }
        self.tell_latency();
    }

    /// A caller's latency is his own, and silence has another.
    fn tell_latency(&self) {
        let obj = self.obj();
        let _ = obj.post_message(gst::message::Latency::builder().src(&*obj).build());
    }

    /// The caller has gone.
    fn farewell(&self) {
        {
            let mut state = lock(&self.state);
            state.caller = false;
            state.paced = None;
            state.position = 0;
            state.segment.reset();
        }
        gst::debug!(CAT, imp = self, "The caller has gone");
        self.start_filler();
        self.tell_latency();
    }

    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        let callers = self.callers();
        match event.view() {
            gst::EventView::FlushStart(_) => {
                self.waiter.set_flushing(true);
                return self.srcpad.push_event(event);
            }
            gst::EventView::FlushStop(_) => {
                self.waiter.set_flushing(false);
                let mut state = lock(&self.state);
                state.segment.reset();
                state.position = 0;
            }
            gst::EventView::Caps(caps) => {
                lock(&self.state).info = gst_audio::AudioInfo::from_caps(caps.caps()).ok();
            }
            gst::EventView::Segment(segment) => {
                let segment = {
                    let mut state = lock(&self.state);
                    // Bytes (a raw file) become time by counting.
                    state.segment = (segment.segment().clone())
                        .downcast()
                        .unwrap_or_else(|_| gst::FormattedSegment::new());
                    state.position = state.segment.start().map_or(0, |t| t.nseconds());
                    shifted(&state)
                };
                if callers && !lock(&self.state).caller {
                    return true;
                }
                let event = gst::event::Segment::builder(&segment)
                    .seqnum(event.seqnum())
                    .build();
                return self.srcpad.push_event(event);
            }
            gst::EventView::Gap(gap) if self.paced() => {
                // Waiting for it keeps the timeline of a file with holes.
                let (start, duration) = gap.get();
                let end = start.saturating_add(duration.unwrap_or(gst::ClockTime::ZERO));
                let due = {
                    let mut state = lock(&self.state);
                    state.position = end.nseconds();
                    (state.segment.to_running_time(end)).map(|t| t.nseconds() + state.shift)
                };
                if let Some(due) = due
                    && self.waiter.until(due).is_err()
                {
                    return false;
                }
            }
            gst::EventView::Eos(_) if callers && !self.paced() => {
                gst::debug!(CAT, obj = pad, "This caller's end is not the stream's");
                self.farewell();
                return true;
            }
            gst::EventView::Eos(_) if callers => self.stop_filler(),
            _ => {}
        }
        // Before a caller's first buffer the filler pushes. What is sticky waits on the pad until
        // then, and what is not (a gap) says no more than the silence that flows.
        if callers
            && event.is_serialized()
            && event.type_() != gst::EventType::Eos
            && !lock(&self.state).caller
        {
            return true;
        }
        if event.type_() == gst::EventType::StreamStart {
            lock(&self.state).stream_started = true;
        }
        self.srcpad.push_event(event)
    }

    fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
            let callers = self.callers();
            if callers && !self.sinkpad.is_linked() {
                latency.set(true, gst::ClockTime::from_nseconds(SILENCE), None);
                return true;
            }
            if self.paced() {
                latency.set(true, gst::ClockTime::from_nseconds(PIECE), None);
                return true;
            }
        }
        gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }
}

/// The source's segment, later by the shift.
fn shifted(state: &State) -> gst::FormattedSegment<gst::ClockTime> {
    let mut segment = state.segment.clone();
    let base = segment.base().unwrap_or(gst::ClockTime::ZERO);
    segment.set_base(base + gst::ClockTime::from_nseconds(state.shift));
    segment
}

fn flagged(mut buffer: gst::Buffer, discont: bool) -> gst::Buffer {
    if discont {
        buffer
            .make_mut()
            .set_flags(gst::BufferFlags::DISCONT | gst::BufferFlags::RESYNC);
    }
    buffer
}

#[glib::object_subclass]
impl ObjectSubclass for Intake {
    const NAME: &'static str = "GstDuplexVadSrcIntake";
    type Type = super::Intake;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let template = |name| {
            class
                .pad_template(name)
                .unwrap_or_else(|| unreachable!("{name} is a template of ours"))
        };
        let sinkpad = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|_pad, parent, buffer| {
                Intake::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |intake| intake.chain(buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Intake::catch_panic_pad_function(parent, || false, |i| i.sink_event(pad, event))
            })
            .flags(gst::PadFlags::PROXY_CAPS | gst::PadFlags::PROXY_ALLOCATION)
            .build();
        let srcpad = gst::Pad::builder_from_template(&template("src"))
            .query_function(|pad, parent, query| {
                Intake::catch_panic_pad_function(parent, || false, |i| i.src_query(pad, query))
            })
            .activatemode_function(|pad, parent, mode, active| {
                Intake::catch_panic_pad_function(
                    parent,
                    || {
                        Err(gst::loggable_error!(
                            CAT,
                            "panicked while a pad was activated"
                        ))
                    },
                    |intake| {
                        if !active && mode == gst::PadMode::Push {
                            intake.filler.set_flushing(true);
                            let _ = pad.stop_task();
                        }
                        Ok(())
                    },
                )
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        Self {
            sinkpad,
            srcpad,
            settings: Mutex::default(),
            state: Mutex::default(),
            waiter: Waiter::default(),
            filler: Waiter::default(),
            filling: AtomicBool::new(false),
        }
    }
}

impl ObjectImpl for Intake {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        let _ = obj.add_pad(&self.sinkpad);
        let _ = obj.add_pad(&self.srcpad);
        let this = self.downgrade();
        self.sinkpad.connect_unlinked(move |_pad, _peer| {
            let Some(this) = this.upgrade() else { return };
            this.catch_panic(
                || (),
                |this| {
                    // Pads are active from PAUSED on; later the element is on its way down.
                    if this.callers() && this.srcpad.mode() == gst::PadMode::Push {
                        this.farewell();
                    }
                },
            );
        });
    }
}

impl GstObjectImpl for Intake {}

impl ElementImpl for Intake {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Intake of vadsrc",
                "Filter/Audio",
                "Paces files on the clock and sends silence while there is no caller",
                "gst-duplex developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst_audio::AudioCapsBuilder::new_interleaved().build();
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
                *lock(&self.state) = State::default();
                self.waiter.set_flushing(false);
                self.filler.set_flushing(false);
            }
            gst::StateChange::PausedToPlaying => {
                let playing = self.obj().clock().zip(self.obj().base_time());
                let playing = playing.map(|(clock, base_time)| Playing { clock, base_time });
                self.waiter.set_playing(playing.clone());
                self.filler.set_playing(playing);
            }
            gst::StateChange::PlayingToPaused => {
                self.waiter.set_playing(None);
                self.filler.set_playing(None);
            }
            gst::StateChange::PausedToReady => {
                self.waiter.set_flushing(true);
                self.filler.set_flushing(true);
            }
            _ => {}
        }
        let result = self.parent_change_state(transition)?;
        let Settings { pace, callers } = *lock(&self.settings);
        match transition {
            gst::StateChange::ReadyToPaused | gst::StateChange::PlayingToPaused => {
                if transition == gst::StateChange::ReadyToPaused {
                    self.start_filler();
                }
                // A live source says so itself where nothing is paced.
                if callers || pace != Pace::Never {
                    return Ok(gst::StateChangeSuccess::NoPreroll);
                }
            }
            gst::StateChange::PausedToReady => self.filling.store(false, Ordering::SeqCst),
            _ => {}
        }
        Ok(result)
    }
}
