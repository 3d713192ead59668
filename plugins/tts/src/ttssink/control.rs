// SPDX-License-Identifier: MPL-2.0

//! What playout and the text queue report, carried out in order: messages, signals, the flush of the
//! synthesizer, the event upstream.
//!
//! There is no thread for it: a thread of GStreamer's pool works off what there is and goes, never two at once.
//! Locks: `pending`, then the text queue's own or `jobs`; `jobs` and `open`, then nothing. None is held while anything is posted,
//! emitted, flushed or pushed.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

use duplex_textpad::events::Interrupted;
use gst::{prelude::*, subclass::prelude::*};

use super::{
    imp::{CAT, TtsSink},
    textqueue::policy::{Discarded, Dropped, Unheard},
};
use crate::{
    playout::{self, Command, Notice, Reason},
    sync::lock,
};

/// Something to do, in its turn.
pub enum Job {
    /// From playout.
    Notice(Notice),
    /// From the text queue.
    Discarded(Discarded),
    /// A message of an inner element that has to keep its place behind what was reported before it.
    Message(gst::Message),
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    /// A thread works on them.
    busy: bool,
}

/// An interruption that was asked for and that playout has not reported yet. Meanwhile the text queue holds.
struct Pending {
    reason: Reason,
    dropped: Dropped,
}

/// See the module.
#[derive(Default)]
pub struct Control {
    jobs: Mutex<Jobs>,
    pending: Mutex<Option<Pending>>,
    /// Told, but not final: the text of this utterance still arrives, and is discarded.
    open: Mutex<Option<(String, Interrupted)>>,
}

fn time(nanos: playout::Nanos) -> Option<gst::ClockTime> {
    (nanos != u64::MAX).then(|| gst::ClockTime::from_nseconds(nanos))
}

impl Control {
    /// Forgets everything that was not carried out.
    pub fn clear(&self) {
        lock(&self.jobs).waiting.clear();
        *lock(&self.pending) = None;
        *lock(&self.open) = None;
    }
}

impl TtsSink {
    /// Queues something to do. From any thread; never blocks.
    pub(super) fn enqueue(&self, job: Job) {
        let mut jobs = lock(&self.control.jobs);
        jobs.waiting.push_back(job);
        let idle = !std::mem::replace(&mut jobs.busy, true);
        drop(jobs);
        if idle {
            self.obj().call_async(|element| element.imp().work());
        }
    }

    fn work(&self) {
        loop {
            let mut jobs = lock(&self.control.jobs);
            let Some(job) = jobs.waiting.pop_front() else {
                jobs.busy = false;
                return;
            };
            drop(jobs);
            if catch_unwind(AssertUnwindSafe(|| self.carry_out(job))).is_err() {
                gst::element_imp_error!(
                    self,
                    gst::LibraryError::Failed,
                    ("Telling what was played panicked; this is a fault of the program, please report it")
                );
            }
        }
    }

    fn carry_out(&self, job: Job) {
        match job {
            Job::Notice(notice) => self.notice(notice),
            Job::Discarded(discarded) => self.discarded(discarded),
            Job::Message(message) => self.parent_handle_message(message),
        }
    }

    /// Stops speech and drops its text, as an application or a flush asks for.
    pub(super) fn interrupt(&self, reason: Reason) {
        let flush = reason == Reason::Flush;
        if !self.queue.is_running() {
            gst::debug!(CAT, imp = self, "Nothing to interrupt: not running");
            return;
        }
        let mut pending = lock(&self.control.pending);
        if let Some(pending) = &mut *pending {
            // The text queue holds since then, so nothing more is under way than what is stopped already.
            pending.dropped.merge(self.queue.interrupt(flush, false));
            return;
        }
        *pending = Some(Pending {
            reason,
            dropped: self.queue.interrupt(flush, true),
        });
        drop(pending);
        self.playout.command(Command::Interrupt);
    }

    fn post(&self, structure: gst::Structure) {
        let element = self.obj();
        let message = gst::message::Element::builder(structure)
            .src(&*element)
            .build();
        // Fails only where there is no bus any more.
        let _ = element.post_message(message);
    }

    fn notice(&self, notice: Notice) {
        let element = self.obj();
        let named = |name: &str, id: &str| gst::Structure::builder(name).field("utterance-id", id);
        match notice {
            Notice::Started { id, running_time } => {
                self.post(
                    named("ttssink/utterance-started", &id)
                        .field("running-time", running_time)
                        .build(),
                );
                element.emit_by_name::<()>("utterance-started", &[&&*id]);
            }
            Notice::Word {
                id,
                text,
                start,
                duration,
                running_time,
                exact,
            } => {
                self.post(
                    named("ttssink/word", &id)
                        .field("running-time", running_time)
                        .field("text", &*text)
                        .field("start", start)
                        .field("duration", duration)
                        .field("exact", exact)
                        .build(),
                );
                element.emit_by_name::<()>("word", &[&&*id, &&*text, &running_time]);
            }
            Notice::Finished {
                id,
                samples,
                words,
                running_time,
            } => {
                self.post(
                    named("ttssink/utterance-finished", &id)
                        .field("running-time", running_time)
                        .field("samples", samples)
                        .field("words", words)
                        .build(),
                );
                element.emit_by_name::<()>("utterance-finished", &[&&*id]);
            }
            Notice::Paused(paused) => self.post(
                named("ttssink/paused", &paused.id)
                    .field("running-time", paused.left_at)
                    .field("decided-at", paused.decided_at)
                    .field("left-at", paused.left_at)
                    .field("sounds-until", paused.sounds_until)
                    .field("position", paused.position)
                    .field("cut-word", &paused.cut_word)
                    .field("fraction", paused.fraction)
                    .field("by-ear", paused.by_ear)
                    .build(),
            ),
            Notice::Resumed(resumed) => self.post(
                named("ttssink/resumed", &resumed.id)
                    .field("running-time", resumed.running_time)
                    .field("from-word", &resumed.from_word)
                    .field("position", resumed.position)
                    .build(),
            ),
            Notice::Interrupted(report) => self.interrupted(*report),
            Notice::Error(sentence) => gst::debug!(CAT, imp = self, "Playout: {sentence}"),
        }
    }

    fn interrupted(&self, report: playout::Interrupted) {
        let asked = report.reason != Reason::OnsetCommit;
        let mut slot = lock(&self.control.pending);
        let (reason, dropped, release) = match &mut *slot {
            // The ear was faster than what was asked for, which is reported next.
            Some(pending) if !asked => (report.reason, std::mem::take(&mut pending.dropped), false),
            Some(_) => match slot.take() {
                Some(pending) => (pending.reason, pending.dropped, true),
                None => return,
            },
            None => (report.reason, self.queue.interrupt(false, true), true),
        };
        drop(slot);

        self.queue.flush_downstream(release);

        let mut unheard = Unheard::default();
        unheard.merge(&Unheard {
            text: report.unheard_text,
            characters: report.unheard_characters,
        });
        for later in &report.also_unheard {
            join(&mut unheard, &later.text, later.characters);
        }
        let also = report.also_unheard.into_iter().next();
        let id = [
            Some(report.id.to_string()),
            also.map(|utterance| utterance.id.to_string()),
            dropped.first.clone(),
            dropped.open.clone(),
        ]
        .into_iter()
        .flatten()
        .find(|id| !id.is_empty());
        let Some(utterance_id) = id else {
            gst::debug!(CAT, imp = self, "There was nothing to interrupt");
            return;
        };
        let mut told = Interrupted {
            utterance_id,
            running_time: time(report.committed_at),
            heard_text: report.heard_text,
            cut_word: report.cut_word,
            cut_word_fraction: report.cut_word_fraction,
            unheard_text: String::new(),
            unheard_characters: 0,
            position: gst::ClockTime::from_nseconds(report.position),
            heard_at: time(report.heard_at),
            decided_at: time(report.decided_at),
            left_at: time(report.left_at),
            sounds_until: time(report.sounds_until),
            reason: reason.as_str().to_owned(),
            is_final: dropped.open.is_none(),
        };
        let mut all = unheard.clone();
        all.merge(&dropped.unheard);
        if let Some(open) = dropped.open {
            let mut base = told.clone();
            base.unheard_text = unheard.text;
            base.unheard_characters = unheard.characters;
            *lock(&self.control.open) = Some((open, base));
        }
        told.unheard_text = all.text;
        told.unheard_characters = all.characters;
        self.tell(&told);
        if reason != Reason::Flush {
            let taken = self.queue.send_upstream(told.to_event());
            gst::debug!(CAT, imp = self, "voice/interrupted was taken: {taken}");
        }
    }

    /// The rest of a stopped utterance has arrived: now it is known how much was not heard.
    fn discarded(&self, discarded: Discarded) {
        if let Some(pending) = &mut *lock(&self.control.pending)
            && pending.dropped.open.as_ref() == Some(&discarded.id)
        {
            // Before the interruption itself was reported: then that is complete.
            pending.dropped.open = None;
            pending.dropped.unheard = discarded.unheard;
            return;
        }
        let told = lock(&self.control.open).take();
        let Some((_, mut told)) = told.filter(|(id, _)| *id == discarded.id) else {
            return;
        };
        let mut unheard = Unheard {
            text: told.unheard_text,
            characters: told.unheard_characters,
        };
        unheard.merge(&discarded.unheard);
        told.unheard_text = unheard.text;
        told.unheard_characters = unheard.characters;
        told.is_final = true;
        self.tell(&told);
    }

    fn tell(&self, told: &Interrupted) {
        let structure = told.to_structure("ttssink/interrupted");
        self.post(structure.clone());
        self.obj().emit_by_name::<()>("interrupted", &[&structure]);
    }
}

/// Adds another utterance's text, with a space where the two would touch.
fn join(all: &mut Unheard, text: &str, characters: u64) {
    let touch = all.text.ends_with(|c: char| !c.is_whitespace())
        && text.starts_with(|c: char| !c.is_whitespace());
    if touch {
        all.push(" ");
    }
    all.merge(&Unheard {
        text: text.to_owned(),
        characters,
    });
}
