// SPDX-License-Identifier: MPL-2.0

//! Pauses, resumes, interruptions and flushes, and what is told of them.

use std::sync::Arc;

use super::{Content, Core, RISE, Told};
use crate::{
    interruption::{Drop, Input},
    playout::{
        Interrupted, Nanos, Notice, Paused, Reason, Resumed,
        heard::{self, Progress},
        nanos,
        timeline::{nanos_in, samples_in},
    },
};

impl Core {
    /// A flush begins: speech is dropped unless it already was.
    pub fn flush_start(&mut self, now: Nanos) {
        if !self.gate_closed {
            if !self.utterances.is_empty() || !self.texts.is_empty() {
                let drop = Drop {
                    reason: Reason::Flush,
                    decided_at: now,
                    committed_at: now,
                };
                self.interrupt(drop);
            }
            self.gate_closed = true;
        }
        self.eos = false;
    }

    /// A flush ends: what arrives from now on is played. Text handed over since the interruption is given back, by
    /// utterance, since its sound was dropped and nobody was told of it.
    pub fn flush_stop(&mut self) -> Vec<(Arc<str>, String)> {
        let late = self.texts.drain();
        self.gate_closed = false;
        self.named = false;
        self.eos = false;
        self.eos_told = false;
        late
    }

    /// Something was heard or asked for at `at`; `now` is the present.
    pub fn input(&mut self, at: Nanos, now: Nanos, input: Input) {
        let at = at.min(now);
        if let Some(drop) = self.policy.tick(at) {
            self.interrupt(drop);
        }
        self.settle(at, now);
        let playing = self.playing();
        if let Some(drop) = self.policy.input(at, input, playing) {
            self.interrupt(drop);
        }
        self.settle(at, now);
    }

    /// The ear is gone.
    pub fn forget_ear(&mut self, now: Nanos) {
        self.policy.forget_ear();
        self.settle(now, now);
    }

    /// An utterance has begun to sound and is not over, or follows right on one that has. What has not begun cannot be
    /// interrupted: it is held.
    pub(super) fn playing(&self) -> bool {
        !self.paused
            && self.utterances.front().is_some_and(|u| {
                if u.started {
                    !u.exhausted() || !(u.closed || u.anonymous)
                } else {
                    self.sounding && !u.exhausted()
                }
            })
    }

    /// Carries out what the policy says about pausing. `at`: when it was decided.
    pub(super) fn settle(&mut self, at: Nanos, now: Nanos) {
        let paused = self.policy.paused();
        if paused == self.paused {
            return;
        }
        self.paused = paused;
        if paused {
            self.pause(at);
        } else {
            self.resume(now);
        }
    }

    pub(super) fn pause(&mut self, at: Nanos) {
        self.paused_at = (self.left, at);
        let Some(front) = self.utterances.front().filter(|u| u.started) else {
            return; // Nothing sounds: what comes is held, and there is nothing to tell.
        };
        let (cut_word, fraction) = front.word_at(front.pos).map_or((String::new(), 0.0), |m| {
            let left = (front.pos - m.start) as f64;
            (m.text.to_string(), left / m.samples as f64)
        });
        let told = Told::Paused(Paused {
            id: front.id.clone(),
            decided_at: at,
            left_at: 0,
            sounds_until: 0,
            position: nanos_in(front.pos, self.rate),
            cut_word,
            fraction,
            by_ear: self.policy.paused_by_ear(),
        });
        self.fade();
        self.told.push_back(told);
        self.stats.pauses += 1;
    }

    pub(super) fn resume(&mut self, now: Nanos) {
        let rise = samples_in(nanos(RISE.min(self.config.fade_duration)), self.rate);
        let tail = (self.tail.len() / self.channels) as u64;
        let Some(front) = self.utterances.front_mut().filter(|u| u.started) else {
            return;
        };
        let word = front.rewind(usize::try_from(rise).unwrap_or(0));
        self.told.push_back(Told::Resumed(Resumed {
            id: front.id.clone(),
            from_word: word.map_or(String::new(), |w| w.text.to_string()),
            position: nanos_in(front.pos, self.rate),
            running_time: self.timeline.at(tail).max(now) + self.latency,
        }));
        self.stats.resumes += 1;
    }

    /// What sounds now fades. The queue stays as it is.
    pub(super) fn fade(&mut self) {
        let length = samples_in(nanos(self.config.fade_duration), self.rate);
        if self.sounding
            && self.tail.is_empty()
            && let Some(front) = self.utterances.front()
        {
            front.fade(length, &mut self.tail);
        }
    }

    /// Drops everything and closes the gate.
    pub(super) fn interrupt(&mut self, drop: Drop) {
        // Nothing is told of an utterance after its interruption: what has left but is still to be rendered is told now,
        // each with its own time.
        self.notices.extend(self.due.drain(..).map(|(_, n)| n));
        let was_paused = self.paused;
        let before_fade = if was_paused {
            self.paused_at.0
        } else {
            self.left
        };
        if !was_paused {
            self.fade();
        }
        let started = self.utterances.front().is_some_and(|u| u.started);
        let mut report = Interrupted {
            id: "".into(),
            heard_text: String::new(),
            cut_word: String::new(),
            cut_word_fraction: 0.0,
            unheard_text: String::new(),
            unheard_characters: 0,
            marks_exact: true,
            position: 0,
            heard_at: if started {
                before_fade.until + self.latency
            } else {
                drop.decided_at
            },
            decided_at: drop.decided_at,
            committed_at: drop.committed_at,
            // Filled in when the tail has left; where nothing sounded there is nothing to wait for.
            left_at: if started { 0 } else { drop.decided_at },
            sounds_until: if started { 0 } else { drop.decided_at },
            reason: drop.reason,
            also_unheard: Vec::new(),
        };
        let mut utterances = std::mem::take(&mut self.utterances).into_iter();
        if let Some(front) = utterances.next() {
            let text = if front.anonymous {
                self.texts.take_all()
            } else {
                self.texts.take(&front.id).unwrap_or_default()
            };
            let progress = Progress {
                left: front.heard,
                arrived: front.end(),
                complete: front.closed,
                text_from: front.text_from(),
                rate: self.rate,
            };
            let heard = heard::account(&text, front.marks(), progress);
            report.id = front.id;
            report.position = nanos_in(front.heard, self.rate);
            report.heard_text = heard.heard_text;
            report.cut_word = heard.cut_word;
            report.cut_word_fraction = heard.cut_word_fraction;
            report.unheard_text = heard.unheard_text;
            report.unheard_characters = heard.unheard_characters;
            report.marks_exact = heard.marks_exact;
        }
        for behind in utterances {
            let text = self.texts.take(&behind.id).unwrap_or_default();
            let unheard = heard::unheard(behind.id.clone(), &text, behind.marks());
            report.also_unheard.push(unheard);
        }
        // Text whose sound has not even begun to arrive.
        report.also_unheard.extend(self.texts.drain_unheard());
        if report.id.is_empty() && !report.also_unheard.is_empty() {
            let first = report.also_unheard.remove(0);
            report.id = first.id;
            report.unheard_text = first.text;
            report.unheard_characters = first.characters;
        }
        self.told.push_back(Told::Interrupted(Box::new(report)));
        self.gate_closed = true;
        self.eos = false;
        // The queue is empty: that the policy goes on holding, or lets go, is no pause and no resume.
        self.paused = self.policy.paused();
        self.stats.interruptions += 1;
    }

    /// Stops and resumes are told of when the tail has left.
    pub(super) fn tell(&mut self) {
        if !self.tail.is_empty() {
            return;
        }
        let left_at = self.left.at;
        let sounds_until = self.left.until + self.latency;
        while let Some(told) = self.told.pop_front() {
            self.notices.push_back(match told {
                Told::Paused(mut paused) => {
                    paused.left_at = left_at;
                    paused.sounds_until = sounds_until;
                    self.stats.stopped(paused.decided_at, left_at);
                    Notice::Paused(paused)
                }
                Told::Resumed(resumed) => Notice::Resumed(resumed),
                Told::Interrupted(mut report) => {
                    if report.left_at == 0 {
                        report.left_at = left_at;
                        report.sounds_until = sounds_until;
                        self.stats.stopped(report.decided_at, left_at);
                    }
                    Notice::Interrupted(report)
                }
            });
        }
    }

    /// Tells of stops although their fade will never leave: there is nobody to hear it.
    pub fn tell_without_sound(&mut self) {
        self.tail.clear();
        self.tell();
    }

    pub(super) fn tell_due(&mut self, now: Nanos) {
        while let Some((time, _)) = self.due.front() {
            if self.config.sync && *time > now {
                break;
            }
            self.notices
                .extend(self.due.pop_front().map(|(_, notice)| notice));
        }
    }

    /// Utterances of which nothing is left to play.
    /// Lets utterances go of which all has left; `filled` samples of the next frame are in place.
    pub(super) fn finish_exhausted(&mut self, filled: u64) {
        while !self.paused
            && let Some(front) = self.utterances.pop_front_if(|u| u.closed && u.exhausted())
        {
            let until = if front.started {
                front.left_until
            } else {
                self.timeline.cursor()
            };
            let time = until + self.latency;
            if !front.started {
                self.note_start(&front.id, time);
            }
            self.texts.take(&front.id);
            self.spoken = None;
            self.pass(filled, Content::End(front.id.clone()));
            self.stats.finished += 1;
            self.due.push_back((
                time,
                Notice::Finished {
                    id: front.id.clone(),
                    samples: front.end(),
                    words: front.words(),
                    running_time: time,
                },
            ));
        }
    }

    pub(super) fn note_start(&mut self, id: &Arc<str>, running_time: Nanos) {
        self.stats.started += 1;
        self.due.push_back((
            running_time,
            Notice::Started {
                id: id.clone(),
                running_time,
            },
        ));
    }
}
