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
    /// A sink inside has another latency than before.
    Latency,
}

/// Jobs that may wait. Only applications whose handlers wait themselves let so many come together.
const MAX_WAITING: usize = 16_384;

#[derive(Default)]
struct Jobs {
    /// Each with the run of the text queue that it is of.
    waiting: VecDeque<(u64, Job)>,
    /// A thread works on them.
    busy: bool,
    /// Words that were not told because too much waits.
    untold: u64,
}

/// An interruption that was asked for and that playout has not reported yet. Meanwhile the text queue holds.
struct Pending {
    run: u64,
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
        let mut jobs = lock(&self.jobs);
        jobs.waiting.clear();
        jobs.untold = 0;
        drop(jobs);
        *lock(&self.pending) = None;
        *lock(&self.open) = None;
    }
}

impl TtsSink {
    /// Queues something to do. From any thread; never blocks.
    pub(super) fn enqueue(&self, job: Job) {
        let run = self.queue.run();
        let mut jobs = lock(&self.control.jobs);
        // Everything else comes once per utterance at most, and each of those waits for the one before.
        if jobs.waiting.len() >= MAX_WAITING && matches!(job, Job::Notice(Notice::Word { .. })) {
            jobs.untold += 1;
            if jobs.untold == 1 {
                drop(jobs);
                gst::element_imp_warning!(
                    self,
                    gst::ResourceError::Busy,
                    ("{MAX_WAITING} notices wait for the application's handlers; words are spoken without being \
                         told until there is room")
                );
            }
            return;
        }
        let known = matches!(job, Job::Latency)
            && (jobs.waiting.iter()).any(|(_, waiting)| matches!(waiting, Job::Latency));
        if known {
            return;
        }
        jobs.waiting.push_back((run, job));
        let idle = !std::mem::replace(&mut jobs.busy, true);
        drop(jobs);
        if idle {
            self.obj().call_async(|element| element.imp().work());
        }
    }

    fn work(&self) {
        loop {
            let mut jobs = lock(&self.control.jobs);
            let Some((run, job)) = jobs.waiting.pop_front() else {
                jobs.busy = false;
                return;
            };
            drop(jobs);
            if catch_unwind(AssertUnwindSafe(|| self.carry_out(run, job))).is_err() {
                gst::element_imp_error!(
                    self,
                    gst::LibraryError::Failed,
                    ("Telling what was played panicked; this is a fault of the program, please report it")
                );
            }
        }
    }

    fn carry_out(&self, run: u64, job: Job) {
        match job {
            Job::Notice(notice) => self.notice(run, notice),
            Job::Discarded(discarded) => self.discarded(discarded),
            Job::Message(message) => self.parent_handle_message(message),
            Job::Latency => {
                self.send_latency();
            }
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
        let run = self.queue.run();
        let Some(dropped) = self.queue.interrupt(run, flush, pending.is_none()) else {
            return;
        };
        if let Some(pending) = &mut *pending {
            // The text queue holds since then, so nothing more is under way than what is stopped already.
            pending.dropped.merge(dropped);
            return;
        }
        *pending = Some(Pending {
            run,
            reason,
            dropped,
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

    fn notice(&self, run: u64, notice: Notice) {
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
            Notice::Interrupted(report) => self.interrupted(run, *report),
            Notice::Error(sentence) => gst::debug!(CAT, imp = self, "Playout: {sentence}"),
        }
    }

    fn interrupted(&self, run: u64, report: playout::Interrupted) {
        let asked = report.reason != Reason::OnsetCommit;
        let mut slot = lock(&self.control.pending);
        let (reason, dropped, release) = match &mut *slot {
            Some(pending) if pending.run != run => return, // Of a run that is over.
            // The ear was faster than what was asked for, which is reported next.
            Some(pending) if !asked => (report.reason, std::mem::take(&mut pending.dropped), false),
            Some(_) => match slot.take() {
                Some(pending) => (pending.reason, pending.dropped, true),
                None => return,
            },
            None => match self.queue.interrupt(run, false, true) {
                Some(dropped) => (report.reason, dropped, true),
                None => return, // That run is over, and with it all that was queued in it.
            },
        };
        drop(slot);

        self.queue.flush_downstream(run);
        // What the text queue was handing over when speech had stopped already.
        let late: Vec<(String, String)> = (self.playout.take_late_texts().into_iter())
            .map(|(id, text)| (id.to_string(), text))
            .collect();
        let requeued = reason != Reason::Flush && self.queue.requeue(run, &late);
        if release {
            self.queue.release(run);
        }

        let mut unheard = Unheard::default();
        unheard.merge(&Unheard {
            text: report.unheard_text,
            characters: report.unheard_characters,
        });
        let mut last = report.id.clone();
        for later in &report.also_unheard {
            join(&mut unheard, &later.text, later.characters);
            last = later.id.clone();
        }
        for (id, text) in late.iter().filter(|_| !requeued) {
            let characters = text.chars().count() as u64;
            if **id == *last {
                unheard.push(text);
            } else {
                join(&mut unheard, text, characters);
            }
        }
        let also = report.also_unheard.into_iter().next();
        let id = [
            Some(report.id.to_string()),
            also.map(|utterance| utterance.id.to_string()),
            late.first().filter(|_| !requeued).map(|(id, _)| id.clone()),
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
            marks_exact: report.marks_exact,
            is_final: dropped.open.is_none(),
        };
        unheard.merge(&dropped.unheard);
        told.unheard_text = unheard.text;
        told.unheard_characters = unheard.characters;
        if let Some(open) = dropped.open {
            *lock(&self.control.open) = Some((open, told.clone()));
        }
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
            pending.dropped.unheard.merge(&discarded.unheard);
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
