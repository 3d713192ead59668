// SPDX-License-Identifier: MPL-2.0

//! When the next frame leaves, and what is in it.

use super::{Content, Core, Frame, HOLE, LATE, Left, Passage, RESYNC, Step};
use crate::playout::{
    FRAME, Nanos, Notice, format, nanos,
    timeline::{nanos_in, samples_in},
};

impl Core {
    /// The stream goes on at `now` after a pause of the pipeline: where the base time is new the timestamps go on at
    /// the new running time.
    pub fn rebase(&mut self, now: Nanos) {
        if !self.config.sync || !self.timeline.started() {
            return;
        }
        let cursor = self.timeline.cursor();
        let ahead = nanos(self.config.lead) + 2 * nanos(FRAME);
        if cursor <= now.saturating_add(ahead) && now <= cursor.saturating_add(2 * nanos(FRAME)) {
            return;
        }
        self.timeline.restart(now);
        let moved = |time: &mut Nanos| *time = time.saturating_sub(cursor).saturating_add(now);
        for (time, _) in &mut self.due {
            moved(time);
        }
        self.policy.shift(cursor, now);
    }

    /// What to do at `now`. Call it again after each push, and when the time it gave has come or anything changed.
    pub fn step(&mut self, now: Nanos) -> Step {
        if let Some(drop) = self.policy.tick(now) {
            self.interrupt(drop);
        }
        self.settle(now, now);
        self.start_timeline(now);
        self.finish_exhausted(0);
        self.tell();
        self.tell_due(now);
        self.hungry = false;

        if self.eos_told {
            return Step::Wait(None);
        }
        if !self.tail.is_empty() {
            return self.build(now);
        }
        if self.eos && self.utterances.is_empty() {
            return match self.due.front() {
                Some((time, _)) => Step::Wait(Some(*time)),
                None => {
                    self.eos_told = true;
                    Step::Eos
                }
            };
        }

        let cursor = self.timeline.cursor();
        let speech = !self.paused && self.utterances.iter().any(|u| !u.exhausted());
        if !self.config.sync {
            // Nothing to fill: an incomplete frame waits for the rest of its utterance.
            if speech && self.ready() {
                return self.build(now);
            }
            self.hungry = !self.paused;
            return Step::Wait(self.policy.deadline());
        }
        if speech && self.ready() {
            // The frame's end is at most `lead` ahead, and a frame that is due never waits.
            let lead = nanos(self.config.lead).saturating_sub(nanos(FRAME));
            let earliest = cursor.saturating_sub(lead);
            if now < earliest {
                return self.wait(now, earliest);
            }
            return self.build(now);
        }
        if now >= cursor {
            return self.build(now);
        }
        self.hungry = !self.paused;
        self.wait(now, cursor)
    }

    /// Until then, or until a notice or the policy is due; but no more than one wake-up per frame for these.
    pub(super) fn wait(&self, now: Nanos, until: Nanos) -> Step {
        let notice = self.due.front().map(|(time, _)| *time);
        let other = [notice, self.policy.deadline()].into_iter().flatten().min();
        let other = other.map_or(until, |other| other.max(now.saturating_add(nanos(FRAME))));
        Step::Wait(Some(until.min(other)))
    }

    /// There is a whole frame, or as much as there will be.
    pub(super) fn ready(&self) -> bool {
        let mut wanted = self.timeline.frame_len() as u64;
        for utterance in &self.utterances {
            let available = utterance.available();
            if available >= wanted {
                return true;
            }
            if !utterance.closed {
                return false;
            }
            wanted -= available;
        }
        self.utterances.iter().any(|u| !u.exhausted())
    }

    pub(super) fn start_timeline(&mut self, now: Nanos) {
        if !self.config.sync {
            if !self.timeline.started() {
                self.timeline.restart(0);
            }
            return;
        }
        let cursor = self.timeline.cursor();
        let stalled = now.saturating_sub(cursor.saturating_add(self.latency)) > HOLE;
        if stalled && self.sounding {
            self.stats.resynced(now - cursor - self.latency);
        }
        if !self.timeline.started() || stalled {
            self.timeline.restart(now);
        }
    }

    /// Makes the next frame: what fades, then speech, then silence.
    pub(super) fn build(&mut self, now: Nanos) -> Step {
        self.frame.clear();
        let length = self.timeline.frame_len();
        let tail = (length * self.channels).min(self.tail.len());
        self.frame.extend(self.tail.drain(..tail));
        let mut speech = tail > 0;
        let mut ends_in_speech = tail == length * self.channels;
        let mut begins_at = 0;
        if speech {
            self.left = Left {
                at: now,
                until: self.timeline.at((tail / self.channels) as u64),
            };
        }
        if !self.paused {
            self.align(now, length);
            if tail == 0 {
                begins_at = (self.frame.len() / self.channels) as u64;
            }
            let filled = self.fill(now, length);
            ends_in_speech |= filled;
            speech |= filled;
        }
        let open = self
            .utterances
            .front()
            .is_some_and(|u| u.started && !u.closed && !u.anonymous);
        let missing = self.frame.len() < length * self.channels;
        if open && missing && !self.paused && tail == 0 {
            self.stats.underruns += 1;
        }
        self.sounding = ends_in_speech && !missing;
        if missing && let Some((id, _)) = self.spoken.take() {
            let filled = (self.frame.len() / self.channels) as u64;
            self.pass(filled, Content::Silence(id));
        }
        self.frame.resize(length * self.channels, 0);
        let late = now.saturating_sub(self.timeline.at(begins_at) + self.latency);

        let (pts, duration, discont) = self.timeline.advance(length as u64);
        self.stats.frames += 1;
        if !speech {
            self.stats.silent_frames += 1;
        } else if self.config.sync && late > LATE {
            self.stats.late += 1;
            self.stats.max_late = self.stats.max_late.max(late);
        }
        Step::Push(Frame {
            pts,
            duration,
            discont,
            speech,
            rms_db: if speech {
                format::rms_db(&self.frame)
            } else {
                format::FLOOR_DB
            },
        })
    }

    /// Speech that begins after its frame was due begins inside it, so that its first samples are not late; speech
    /// that is far behind waits for the clock.
    pub(super) fn align(&mut self, now: Nanos, length: usize) {
        if !self.config.sync
            || !self.tail.is_empty()
            || !self.utterances.iter().any(|u| !u.exhausted())
        {
            return;
        }
        let filled = self.frame.len() / self.channels;
        let render = self.timeline.at(filled as u64) + self.latency;
        let behind = now.saturating_sub(render);
        let begins = !self.sounding && filled == 0;
        if behind == 0 || !(begins || behind > RESYNC) {
            return;
        }
        if !begins {
            self.stats.resynced(behind);
        }
        let silence = usize::try_from(samples_in(behind, self.rate)).unwrap_or(length);
        let to = (filled + silence).min(length);
        self.frame.resize(to * self.channels, 0);
        // What follows does not follow on what was said before.
        self.spoken = None;
    }

    /// Fills the frame with speech. Returns whether there was any.
    pub(super) fn fill(&mut self, now: Nanos, length: usize) -> bool {
        let history = samples_in(nanos(self.config.history), self.rate);
        let mut filled = self.frame.len() / self.channels;
        let mut any = false;
        while filled < length {
            self.finish_exhausted(filled as u64);
            let Some(front) = self.utterances.front_mut() else {
                break;
            };
            let (from, first) = (front.pos, !front.started);
            let taken = front.take((length - filled) as u64, &mut self.frame, history);
            if taken == 0 {
                break;
            }
            any = true;
            let id = front.id.clone();
            if self.spoken.as_ref() != Some(&(id.clone(), from)) {
                let position = nanos_in(from, self.rate);
                self.passages.push(Passage {
                    offset: nanos_in(filled as u64, self.rate),
                    content: Content::Speech(id.clone(), position),
                });
            }
            self.spoken = Some((id, from + taken));
            let at = self.timeline.at(filled as u64) + self.latency;
            filled += usize::try_from(taken).unwrap_or(0);
            front.left_until = self.timeline.at(filled as u64);
            self.left = Left {
                at: now,
                until: front.left_until,
            };
            if first {
                self.stats.started += 1;
                let notice = Notice::Started {
                    id: front.id.clone(),
                    running_time: at,
                };
                self.due.push_back((at, notice));
            }
            let (id, reached) = (front.id.clone(), from + taken);
            while let Some(mark) = front.announce(reached) {
                let time = at + nanos_in(mark.start.saturating_sub(from), self.rate);
                let notice = Notice::Word {
                    id: id.clone(),
                    text: mark.text.clone(),
                    start: nanos_in(mark.start, self.rate),
                    duration: nanos_in(mark.samples, self.rate),
                    running_time: time,
                    exact: mark.exact,
                };
                self.due.push_back((time, notice));
            }
        }
        self.finish_exhausted(filled as u64);
        any
    }
}
