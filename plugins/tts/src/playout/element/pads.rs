// SPDX-License-Identifier: MPL-2.0

//! What the pads of playout do with buffers, events and queries, and how its format is chosen.

use std::sync::MutexGuard;

use gst::{prelude::*, subclass::prelude::*};

use duplex_textpad::events;

use super::imp::{CAT, Playout, State};
use crate::{
    playout::{FRAME, Frame, Mark, yields},
    sync::lock,
};

/// Where neither downstream nor the synthesizer has a wish.
const DEFAULT_RATE: u32 = 48_000;
/// Foreign events that wait for a frame to travel with.
const MAX_PASSING: usize = 64;

pub(super) fn template_caps() -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("layout", "interleaved")
        .field("rate", gst::IntRange::new(1_000, 384_000))
        .field("channels", gst::IntRange::new(1, 64))
        .build()
}

pub(super) fn sink(template: &gst::PadTemplate) -> gst::Pad {
    gst::Pad::builder_from_template(template)
        .chain_function(|_, parent, buffer| {
            Playout::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |playout| chain(playout, &buffer),
            )
        })
        .event_function(|_, parent, event| {
            Playout::catch_panic_pad_function(
                parent,
                || false,
                |playout| sink_event(playout, event),
            )
        })
        .query_function(|pad, parent, query| {
            Playout::catch_panic_pad_function(
                parent,
                || false,
                |playout| sink_query(playout, pad, query),
            )
        })
        .activatemode_function(|_, parent, _mode, active| {
            Playout::catch_panic_pad_function(
                parent,
                || {
                    Err(gst::loggable_error!(
                        CAT,
                        "panicked while a pad was activated"
                    ))
                },
                |playout| {
                    lock(&playout.state).flushing = !active;
                    playout.room.notify_all();
                    Ok(())
                },
            )
        })
        .build()
}

pub(super) fn src(template: &gst::PadTemplate) -> gst::Pad {
    gst::Pad::builder_from_template(template)
        .event_function(|_, parent, event| {
            Playout::catch_panic_pad_function(parent, || false, |playout| src_event(playout, event))
        })
        .query_function(|pad, parent, query| {
            Playout::catch_panic_pad_function(
                parent,
                || false,
                |playout| src_query(playout, pad, query),
            )
        })
        .activatemode_function(|_, parent, _mode, active| {
            Playout::catch_panic_pad_function(
                parent,
                || {
                    Err(gst::loggable_error!(
                        CAT,
                        "panicked while a pad was activated"
                    ))
                },
                |playout| {
                    if active {
                        playout.start_task()
                    } else {
                        playout.stop_task()
                    }
                    .map_err(|err| gst::loggable_error!(CAT, "the playout task: {err}"))
                },
            )
        })
        .build()
}

/// The queue, once it takes more.
fn room(playout: &Playout) -> Result<MutexGuard<'_, State>, gst::FlowError> {
    let mut state = lock(&playout.state);
    loop {
        if state.flushing {
            return Err(gst::FlowError::Flushing);
        }
        state.flow?;
        if state.core.has_room() {
            return Ok(state);
        }
        state = playout.room.wait(state).unwrap_or_else(|e| e.into_inner());
    }
}

fn chain(playout: &Playout, buffer: &gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
    let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
    renew(playout);
    let mut state = room(playout)?;
    let position = buffer
        .pts()
        .filter(|_| state.timed)
        .map(|pts| pts.nseconds());
    match state.input {
        Some(input) => state.core.samples_of(input, &map, position),
        None => state.core.samples(&map, position),
    }
    let wake = state.core.take_hunger();
    drop(state);
    yields::point();
    if wake {
        playout.waker.wake();
    }
    Ok(gst::FlowSuccess::Ok)
}

fn sink_event(playout: &Playout, event: gst::Event) -> bool {
    use gst::EventView;

    // Not what is in it: that may be what somebody said.
    gst::log!(CAT, imp = playout, "{:?}", event.type_());
    match event.view() {
        EventView::FlushStart(_) => {
            let mut state = lock(&playout.state);
            state.flushing = true;
            let now = state.clocking.as_ref().map_or(state.now, |c| c.now());
            // An interruption that was asked for before is of what is flushed, not of what comes after.
            playout.read_mailbox(&mut state, now);
            state.core.flush_start(now);
            drop(state);
            playout.room.notify_all();
            playout.waker.wake();
        }
        EventView::FlushStop(_) => {
            let ended = flush_ended(playout);
            let mut state = lock(&playout.state);
            let late = state.core.flush_stop();
            state.late_texts.extend(late);
            state.another_stream = false;
            state.flushing = false;
            state.revive(ended);
            drop(state);
            playout.waker.wake();
        }
        EventView::StreamStart(_) => {
            let mut state = lock(&playout.state);
            state.another_stream = state.core.at_eos();
        }
        EventView::Caps(caps) => {
            let Ok(info) = gst_audio::AudioInfo::from_caps(caps.caps()) else {
                return false;
            };
            let input = (info.rate(), info.channels() as usize);
            lock(&playout.state).input = Some(input);
            return caps.caps().is_subset(&template_caps());
        }
        EventView::Segment(segment) => {
            lock(&playout.state).timed = segment.segment().format() == gst::Format::Time;
        }
        EventView::Gap(gap) => {
            if let (_, Some(duration)) = gap.get() {
                let Ok(mut state) = room(playout) else {
                    return false;
                };
                state.core.gap(duration.nseconds());
            }
        }
        EventView::Eos(_) => {
            renew(playout);
            lock(&playout.state).core.eos();
            playout.waker.wake();
        }
        EventView::CustomDownstream(_) => return custom(playout, event),
        EventView::CustomDownstreamOob(_) => return playout.srcpad.push_event(event),
        // The stream that goes out is ours: it begins and ends once, whatever comes in.
        _ => {}
    }
    true
}

/// Another text may follow on the end of one: what comes of it is heard, whether or not that end was reached yet.
fn renew(playout: &Playout) {
    let mut state = lock(&playout.state);
    if !std::mem::take(&mut state.another_stream) {
        return;
    }
    state.core.restart();
    drop(state);
    let ended = flush_ended(playout);
    lock(&playout.state).revive(ended);
    playout.waker.wake();
}

/// Downstream that has got EOS is reached by what follows only after a flush of its own. Whether that was so.
fn flush_ended(playout: &Playout) -> bool {
    let ended = lock(&playout.state).flow == Err(gst::FlowError::Eos);
    if ended {
        playout.srcpad.push_event(gst::event::FlushStart::new());
        playout.srcpad.push_event(gst::event::FlushStop::new(false));
    }
    ended
}

/// False where it came too late for the stream it is of.
fn custom(playout: &Playout, event: gst::Event) -> bool {
    if let Some(begin) = events::UtteranceBegin::from_event(&event) {
        renew(playout);
        let Ok(mut state) = room(playout) else {
            return false;
        };
        state.core.begin(&begin.utterance_id);
        return hurry(playout, state);
    }
    let mut state = lock(&playout.state);
    if let Some(word) = events::Word::from_event(&event) {
        let bytes = word.text_start as usize..word.text_end as usize;
        let mark = Mark {
            text: word.text.into(),
            start: 0,
            samples: 0,
            bytes: (!bytes.is_empty()).then_some(bytes),
            exact: word.exact,
        };
        let (start, duration) = (word.start.nseconds(), word.duration.nseconds());
        state.core.word(&word.utterance_id, mark, start, duration);
    } else if events::UtteranceEnd::from_event(&event).is_some() {
        state.core.end();
    } else if state.passing.len() < MAX_PASSING {
        state.passing.push(event);
        return true;
    } else {
        gst::warning!(
            CAT,
            imp = playout,
            "{MAX_PASSING} events wait for a frame already: dropped {:?}",
            event.type_()
        );
    }
    hurry(playout, state)
}

/// Wakes the task where it waits for what has come.
fn hurry(playout: &Playout, mut state: MutexGuard<'_, State>) -> bool {
    let wake = state.core.take_hunger();
    drop(state);
    if wake {
        playout.waker.wake();
    }
    true
}

fn sink_query(playout: &Playout, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
    use gst::QueryViewMut;

    match query.view_mut() {
        QueryViewMut::Caps(query) => {
            let caps = input_caps(playout);
            let caps = match query.filter() {
                Some(filter) => filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
                None => caps,
            };
            query.set_result(&caps);
            true
        }
        QueryViewMut::AcceptCaps(query) => {
            let accepted = query.caps().is_subset(&input_caps(playout));
            query.set_result(accepted);
            true
        }
        // Buffers are copied into the queue: nobody downstream has a say in how they are made.
        QueryViewMut::Allocation(_) | QueryViewMut::Drain(_) => false,
        _ => gst::Pad::query_default(pad, Some(&*playout.obj()), query),
    }
}

fn src_event(playout: &Playout, event: gst::Event) -> bool {
    use gst::EventView;

    // Not what is in it: that may be what somebody said.
    gst::log!(CAT, imp = playout, "{:?}", event.type_());
    match event.view() {
        EventView::Latency(latency) => {
            playout.set_latency(latency.latency());
            true
        }
        EventView::Qos(_) | EventView::Reconfigure(_) => true,
        // A live stream cannot be sought; what the text's side can do, the mouth does.
        EventView::Seek(_) => false,
        _ => playout.sinkpad.push_event(event),
    }
}

fn src_query(playout: &Playout, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
    use gst::QueryViewMut;

    match query.view_mut() {
        QueryViewMut::Latency(query) => {
            query.set(true, gst::ClockTime::ZERO, gst::ClockTime::NONE);
            true
        }
        QueryViewMut::Position(query) if query.format() == gst::Format::Time => {
            query.set(gst::ClockTime::from_nseconds(lock(&playout.state).now));
            true
        }
        QueryViewMut::Seeking(query) => {
            let format = query.format();
            query.set(
                false,
                gst::GenericFormattedValue::none_for_format(format),
                gst::GenericFormattedValue::none_for_format(format),
            );
            true
        }
        QueryViewMut::Caps(query) => {
            let state = lock(&playout.state);
            let caps = state.info.as_ref().and_then(|info| info.to_caps().ok());
            drop(state);
            // Before the choice, and for who asks what else we could do: anything.
            let caps = caps
                .filter(|_| !pad.needs_reconfigure())
                .unwrap_or_else(template_caps);
            let caps = match query.filter() {
                Some(filter) => filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
                None => caps,
            };
            query.set_result(&caps);
            true
        }
        QueryViewMut::Duration(_) | QueryViewMut::Allocation(_) | QueryViewMut::Drain(_) => false,
        _ => gst::Pad::query_default(pad, Some(&*playout.obj()), query),
    }
}

/// Exactly the format that goes out, so that the converters before us do the work.
fn input_caps(playout: &Playout) -> gst::Caps {
    let known = |playout: &Playout| {
        let state = lock(&playout.state);
        state.info.as_ref().and_then(|info| info.to_caps().ok())
    };
    known(playout)
        .or_else(|| (playout.srcpad.is_linked() && negotiate(playout)).then(|| known(playout))?)
        .unwrap_or_else(template_caps)
}

/// What downstream would take, as near to the synthesizer's own rate and to mono as it can.
fn choose(playout: &Playout) -> Option<gst_audio::AudioInfo> {
    let rate = lock(&playout.state).preferred_rate.unwrap_or(DEFAULT_RATE);
    let template = template_caps();
    yields::point();
    let caps = playout
        .srcpad
        .peer_query_caps(Some(&template))
        .intersect(&template);
    // Converters offer what they pass through first; the nearest is what costs least and loses nothing.
    (0..caps.size())
        .filter_map(|i| {
            let mut caps = gst::Caps::builder_full()
                .structure(caps.structure(i)?.to_owned())
                .build();
            let structure = caps.get_mut()?.structure_mut(0)?;
            structure.fixate_field_nearest_int("rate", i32::try_from(rate).ok()?);
            structure.fixate_field_nearest_int("channels", 1);
            caps.fixate();
            gst_audio::AudioInfo::from_caps(&caps).ok()
        })
        .min_by_key(|info| (info.channels(), info.rate().abs_diff(rate)))
}

fn make_pool(info: &gst_audio::AudioInfo) -> Option<gst::BufferPool> {
    let samples = u64::from(info.rate()) * u64::try_from(FRAME.as_millis()).ok()? / 1_000 + 1;
    let size = u32::try_from(samples).ok()? * info.bpf();
    let pool = gst::BufferPool::new();
    let mut config = pool.config();
    config.set_params(info.to_caps().ok().as_ref(), size, 2, 0);
    pool.set_config(config).ok()?;
    pool.set_active(true).ok()?;
    Some(pool)
}

/// Asks downstream for a format, unless that was done. False where there is none.
pub(super) fn negotiate(playout: &Playout) -> bool {
    let Some(info) = choose(playout) else {
        return false;
    };
    let pool = make_pool(&info);
    let mut state = lock(&playout.state);
    if state.info.is_none() {
        gst::info!(
            CAT,
            imp = playout,
            "playing {} Hz, {} channels",
            info.rate(),
            info.channels()
        );
        state.core.set_format(info.rate(), info.channels() as usize);
        state.info = Some(info);
        state.pool = pool;
    } else if let Some(pool) = pool {
        drop(state);
        let _ = pool.set_active(false);
    }
    true
}

/// Downstream has changed: keep the format where it is still taken, otherwise convert what is queued.
pub(super) fn renegotiate(playout: &Playout) -> bool {
    let Some(old) = lock(&playout.state).info.clone() else {
        return true;
    };
    let Ok(caps) = old.to_caps() else {
        return true;
    };
    if playout.srcpad.peer_query_accept_caps(&caps) {
        return true;
    }
    let Some(new) = choose(playout) else {
        return false;
    };
    gst::info!(
        CAT,
        imp = playout,
        "now playing {} Hz, {} channels",
        new.rate(),
        new.channels()
    );
    let pool = make_pool(&new);
    let mut state = lock(&playout.state);
    state.core.set_format(new.rate(), new.channels() as usize);
    let old_pool = std::mem::replace(&mut state.pool, pool);
    state.info = Some(new);
    state.begin_format = true;
    drop(state);
    if let Some(pool) = old_pool {
        let _ = pool.set_active(false);
    }
    playout.sinkpad.push_event(gst::event::Reconfigure::new());
    true
}

/// A frame as a buffer, from the pool where there is one.
pub(super) fn buffer(
    frame: Frame,
    samples: &[i16],
    pool: Option<&gst::BufferPool>,
) -> Option<gst::Buffer> {
    let size = std::mem::size_of_val(samples);
    let mut buffer = match pool {
        Some(pool) => pool.acquire_buffer(None).ok()?,
        None => gst::Buffer::with_size(size).ok()?,
    };
    let writable = buffer.get_mut()?;
    writable.set_size(size);
    writable.set_pts(gst::ClockTime::from_nseconds(frame.pts));
    writable.set_duration(gst::ClockTime::from_nseconds(frame.duration));
    if frame.discont {
        writable.set_flags(gst::BufferFlags::DISCONT | gst::BufferFlags::RESYNC);
    }
    let mut map = writable.map_writable().ok()?;
    for (bytes, sample) in map.chunks_exact_mut(2).zip(samples) {
        bytes.copy_from_slice(&sample.to_le_bytes());
    }
    drop(map);
    Some(buffer)
}
