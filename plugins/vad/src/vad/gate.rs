// SPDX-License-Identifier: MPL-2.0
//! The delay line of `mode=gate`: audio waits until it is known whether it is speech.
//!
//! Times are running times in nanoseconds. What waits is cut at sample positions without
//! copying; what does not pass becomes GAP events of the same extent, so that downstream's
//! timeline has no holes.

use std::collections::VecDeque;

use gst::prelude::*;

use crate::segmenter::Kind;
use crate::voice::Decision;

/// GST_BUFFER_OFFSET_NONE.
const NO_OFFSET: u64 = u64::MAX;

/// What is to be pushed downstream, in order.
#[derive(Debug)]
pub(super) enum Out {
    Buffer(gst::Buffer),
    Event(gst::Event),
}

/// A stretch of audio that waits.
#[derive(Debug)]
struct Audio {
    buffer: gst::Buffer,
    running_time: u64,
    frames: u64,
    bytes_per_frame: usize,
    rate: u64,
}

impl Audio {
    fn time_of(&self, frames: u64) -> u64 {
        frames
            .mul_div_round(1_000_000_000, self.rate)
            .unwrap_or(u64::MAX)
    }

    fn end(&self) -> u64 {
        self.running_time + self.time_of(self.frames)
    }

    /// Cuts off what lies before running time `at`.
    fn split(&mut self, at: u64) -> Option<Audio> {
        let frames = at
            .saturating_sub(self.running_time)
            .mul_div_round(self.rate, 1_000_000_000)?
            .min(self.frames);
        if frames == 0 {
            return None;
        }
        let cut = frames as usize * self.bytes_per_frame;
        let time = self.time_of(frames);
        let part = |range: std::ops::Range<usize>, skip: u64, duration: u64| {
            let mut part = self
                .buffer
                .copy_region(gst::BufferCopyFlags::all(), range)
                .ok()?;
            let buffer = part.get_mut()?;
            let skip_frames = if skip > 0 { frames } else { 0 };
            buffer.set_pts(
                self.buffer
                    .pts()
                    .map(|t| t + gst::ClockTime::from_nseconds(skip)),
            );
            buffer.set_dts(gst::ClockTime::NONE);
            buffer.set_duration(gst::ClockTime::from_nseconds(duration));
            if self.buffer.offset() != NO_OFFSET {
                buffer.set_offset(self.buffer.offset() + skip_frames);
                buffer.set_offset_end(NO_OFFSET);
            }
            Some(part)
        };
        let size = self.buffer.size();
        let head = part(0..cut, 0, time)?;
        let mut tail = part(
            cut..size,
            time,
            self.time_of(self.frames).saturating_sub(time),
        )?;
        tail.get_mut()?
            .unset_flags(gst::BufferFlags::DISCONT | gst::BufferFlags::RESYNC);
        let head = Audio {
            buffer: head,
            running_time: self.running_time,
            frames,
            ..*self
        };
        self.buffer = tail;
        self.running_time += time;
        self.frames -= frames;
        Some(head)
    }
}

#[derive(Debug)]
enum Item {
    Audio(Audio),
    Event(gst::Event),
}

/// The delay line.
#[derive(Debug, Default)]
pub(super) struct Gate {
    queue: VecDeque<Item>,
    open: bool,
    /// Where a tentative onset's speech would have to begin to pass.
    tentative: Option<u64>,
    /// The next buffer follows audio that did not pass.
    after_gap: bool,
    padding: u64,
    delay: u64,
}

impl Gate {
    /// Sets pre-roll and delay, in nanoseconds.
    pub fn configure(&mut self, padding: u64, delay: u64) {
        self.padding = padding;
        self.delay = delay;
    }

    /// Audio that waits from now on.
    pub fn audio(&mut self, buffer: gst::Buffer, running_time: u64, info: &gst_audio::AudioInfo) {
        let bytes_per_frame = info.bpf() as usize;
        let frames = (buffer.size() / bytes_per_frame.max(1)) as u64;
        self.queue.push_back(Item::Audio(Audio {
            buffer,
            running_time,
            frames,
            bytes_per_frame,
            rate: u64::from(info.rate()),
        }));
    }

    /// A serialized event that keeps its place among the audio.
    pub fn event(&mut self, event: gst::Event, out: &mut Vec<Out>) {
        if self.queue.is_empty() {
            out.push(Out::Event(event));
        } else {
            self.queue.push_back(Item::Event(event));
        }
    }

    /// A decision, with the audio that decided it waiting in the line.
    pub fn decide(&mut self, decision: &Decision, out: &mut Vec<Out>) {
        let event = &decision.event;
        self.advance(event.at, out);
        match event.kind {
            Kind::Suspected => {}
            Kind::Onset => {
                out.extend(decision.downstream().map(Out::Event));
                self.tentative = Some(event.onset.saturating_sub(self.padding));
            }
            Kind::Cancelled => {
                out.extend(decision.downstream().map(Out::Event));
                self.tentative = None;
            }
            Kind::Started => {
                self.drop_until(event.onset.saturating_sub(self.padding), true, out);
                out.extend(decision.downstream().map(Out::Event));
                self.tentative = None;
                self.open = true;
                self.pass_until(event.at, out);
            }
            Kind::Ended => {
                out.extend(decision.downstream().map(Out::Event));
                self.open = false;
            }
        }
    }

    /// All audio up to `now` has been judged.
    pub fn advance(&mut self, now: u64, out: &mut Vec<Out>) {
        if self.open {
            self.pass_until(now, out);
        } else {
            let due = now.saturating_sub(self.delay);
            self.drop_until(due.min(self.tentative.unwrap_or(due)), false, out);
        }
    }

    /// Nothing more will be decided about what waits.
    pub fn drain(&mut self, out: &mut Vec<Out>) {
        if self.open {
            self.pass_until(u64::MAX, out);
        } else {
            self.drop_until(u64::MAX, false, out);
        }
    }

    fn pass_until(&mut self, until: u64, out: &mut Vec<Out>) {
        while let Some(item) = self.queue.front_mut() {
            match item {
                Item::Event(_) => {}
                Item::Audio(audio) if audio.end() <= until => {}
                Item::Audio(audio) => {
                    if let Some(head) = audio.split(until) {
                        self.pass(head, out);
                    }
                    return;
                }
            }
            match self.queue.pop_front() {
                Some(Item::Audio(audio)) => self.pass(audio, out),
                Some(Item::Event(event)) => out.push(Out::Event(event)),
                None => {}
            }
        }
    }

    /// Turns audio before `until` into gaps; `exact` cuts the buffer in which `until` lies.
    fn drop_until(&mut self, until: u64, exact: bool, out: &mut Vec<Out>) {
        while let Some(item) = self.queue.front_mut() {
            match item {
                Item::Event(_) => {}
                Item::Audio(audio) if audio.end() <= until => {}
                Item::Audio(audio) => {
                    if exact && let Some(head) = audio.split(until) {
                        self.gap(&head, out);
                    }
                    return;
                }
            }
            match self.queue.pop_front() {
                Some(Item::Audio(audio)) => self.gap(&audio, out),
                Some(Item::Event(event)) => out.push(Out::Event(event)),
                None => {}
            }
        }
    }

    fn pass(&mut self, audio: Audio, out: &mut Vec<Out>) {
        let mut buffer = audio.buffer;
        if std::mem::take(&mut self.after_gap) {
            buffer
                .make_mut()
                .set_flags(gst::BufferFlags::DISCONT | gst::BufferFlags::RESYNC);
        }
        out.push(Out::Buffer(buffer));
    }

    fn gap(&mut self, audio: &Audio, out: &mut Vec<Out>) {
        self.after_gap = true;
        if let Some(pts) = audio.buffer.pts() {
            let duration = gst::ClockTime::from_nseconds(audio.time_of(audio.frames));
            out.push(Out::Event(
                gst::event::Gap::builder(pts).duration(duration).build(),
            ));
        }
    }
}
