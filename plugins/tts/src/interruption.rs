// SPDX-License-Identifier: MPL-2.0

//! Who may speak: the two-stage policy of interruption, without clocks, threads or GStreamer.
//!
//! An *onset*, the ear's first guess, pauses speech at once. When the caller has then spoken for
//! `commit_duration` and the ear has confirmed that it was speech, the pause becomes an interruption and the
//! speech is dropped; when the ear takes it back, or the caller stops, speech goes on at the cut word. An ear
//! tells only some time after a sound that it was too short to be speech, so one that has not confirmed by
//! then is given [`CONFIRM`] more before its silence counts as consent.
//!
//! Before the onset there may be a *suspicion*, of an ear that heard something but cannot tell yet what. It pauses
//! speech that plays, and does nothing else: `commit_duration` counts from the onset, and where none follows speech
//! goes on.
//!
//! Three rules where the two meet in unusual order:
//! - **The mouth does not begin over a caller.** Speech that arrives while the caller speaks is held, whole,
//!   until the ear reports the end (or `hold_limit` has passed since the onset, in case it never does). It was not
//!   interrupted, since nobody heard it; so it is not dropped however long the caller speaks.
//! - **Actions win over ears.** A pause by action is not undone by an ear, and an onset during it changes nothing.
//!   A resume by action also ends a pause by the ear, and the rest of that stretch of speech is ignored.
//! - **One stretch of speech interrupts once.** After a commit the same stretch only holds, it never interrupts again.

use std::time::Duration;

use crate::playout::{Nanos, Reason, nanos};

/// For so long after `commit_duration` an ear may still confirm or take back what it guessed; for no longer
/// than `commit_duration` itself. More than vad takes to call a sound off (64 ms) and a hop of its detector.
pub const CONFIRM: Duration = Duration::from_millis(100);

/// What an ear may do to the speech.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: ears are ignored.
    None,
    /// Pause at the onset, drop once the caller has spoken for `commit_duration`.
    #[default]
    PauseThenCommit,
    /// Drop at the onset.
    Immediate,
}

/// What an ear says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarEvent {
    /// It grew louder: perhaps somebody speaks. An onset or a cancellation follows soon.
    Suspected,
    /// Speech may have begun.
    Onset,
    /// Speech has begun, the ear is sure. From an ear without onsets this is the onset.
    Started,
    /// What began was no speech.
    Cancelled,
    /// Speech has ended.
    Ended,
}

/// What an application, or a recogniser, asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Fall silent and keep everything.
    Pause,
    /// Go on, whatever the ear hears.
    Resume,
    /// Fall silent and drop everything.
    Interrupt,
    /// What the caller says is meant as an interruption: do not wait for `commit_duration`, also where he was dismissed
    /// before.
    Commit,
    /// What the caller says is no interruption ("mhm"): go on, and ignore the rest of it, up to a commit.
    Dismiss,
}

/// What goes into the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// From the ear.
    Ear(EarEvent),
    /// From the application.
    Command(Command),
}

/// An interruption to carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop {
    /// Why.
    pub reason: Reason,
    /// The decision that silenced speech: the onset, or the action.
    pub decided_at: Nanos,
    /// When it was made final.
    pub committed_at: Nanos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ear {
    /// The caller is silent.
    Quiet,
    /// Something was heard, speech was paused for it.
    Suspected { since: Nanos },
    /// The caller speaks, speech was paused for it and is dropped at the commit. `silenced`: when it was paused, by
    /// the onset or a suspicion before.
    Tentative {
        since: Nanos,
        silenced: Nanos,
        confirmed: bool,
    },
    /// The caller speaks; nothing was playing when that began, or it was dropped.
    Holding { since: Nanos },
    /// The caller speaks and does not matter: dismissed, overruled by a resume, or for longer than the limit.
    Ignored,
}

/// A suspicion that the ear never resolves is over after this long.
const SUSPICION_LIMIT: Nanos = 500_000_000;

/// The policy. [`Interruption::input`] and [`Interruption::tick`] change it; afterwards [`Interruption::paused`]
/// says whether speech may sound.
#[derive(Debug)]
pub struct Interruption {
    mode: Mode,
    commit: Nanos,
    hold_limit: Nanos,
    ear: Ear,
    manual: bool,
}

impl Interruption {
    /// A policy with a silent caller.
    pub fn new(mode: Mode, commit_duration: Duration, hold_limit: Duration) -> Self {
        Self {
            mode,
            commit: nanos(commit_duration),
            hold_limit: nanos(hold_limit),
            ear: Ear::Quiet,
            manual: false,
        }
    }

    /// Changes the settings. A pause in progress is measured by the new ones; `Mode::None` ends it.
    pub fn configure(&mut self, mode: Mode, commit_duration: Duration, hold_limit: Duration) {
        self.mode = mode;
        self.commit = nanos(commit_duration);
        self.hold_limit = nanos(hold_limit);
        if mode == Mode::None {
            self.ear = Ear::Quiet;
        }
    }

    /// True while speech must not sound.
    pub fn paused(&self) -> bool {
        self.manual || self.paused_by_ear()
    }

    /// True while an ear is what keeps speech from sounding.
    pub fn paused_by_ear(&self) -> bool {
        matches!(
            self.ear,
            Ear::Suspected { .. } | Ear::Tentative { .. } | Ear::Holding { .. }
        )
    }

    /// When [`Interruption::tick`] next has something to do.
    pub fn deadline(&self) -> Option<Nanos> {
        match self.ear {
            Ear::Suspected { since } => Some(since.saturating_add(SUSPICION_LIMIT)),
            Ear::Tentative {
                since, confirmed, ..
            } => Some(self.committing(since, confirmed)),
            Ear::Holding { since } => Some(since.saturating_add(self.hold_limit)),
            Ear::Quiet | Ear::Ignored => None,
        }
    }

    /// Time passes. Call it with the time of each input before that input.
    pub fn tick(&mut self, now: Nanos) -> Option<Drop> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match self.ear {
            Ear::Suspected { .. } => {
                self.ear = Ear::Quiet;
                None
            }
            Ear::Tentative {
                since,
                silenced,
                confirmed,
            } => {
                let committed_at = self.committing(since, confirmed);
                self.ear = Ear::Holding { since };
                // A hold limit shorter than the commit has passed as well.
                let drop = self.drop(Reason::OnsetCommit, silenced, committed_at);
                self.tick(now);
                Some(drop)
            }
            Ear::Holding { .. } => {
                self.ear = Ear::Ignored;
                None
            }
            Ear::Quiet | Ear::Ignored => None,
        }
    }

    /// Something happened at `at`. `playing`: an utterance has begun to sound and is not over.
    pub fn input(&mut self, at: Nanos, input: Input, playing: bool) -> Option<Drop> {
        match input {
            Input::Ear(_) if self.mode == Mode::None => None,
            Input::Ear(EarEvent::Suspected) => {
                if self.ear == Ear::Quiet && playing && !self.manual {
                    self.ear = Ear::Suspected { since: at };
                }
                None
            }
            Input::Ear(EarEvent::Onset) => self.onset(at, playing, false),
            Input::Ear(EarEvent::Started) => match self.ear {
                Ear::Tentative {
                    since, silenced, ..
                } if at >= since.saturating_add(self.commit) => {
                    self.ear = Ear::Holding { since };
                    Some(self.drop(Reason::OnsetCommit, silenced, at))
                }
                Ear::Tentative {
                    since, silenced, ..
                } => {
                    self.ear = Ear::Tentative {
                        since,
                        silenced,
                        confirmed: true,
                    };
                    None
                }
                Ear::Quiet | Ear::Suspected { .. } => self.onset(at, playing, true),
                Ear::Holding { .. } | Ear::Ignored => None,
            },
            Input::Ear(EarEvent::Cancelled | EarEvent::Ended) => {
                self.ear = Ear::Quiet;
                None
            }
            Input::Command(Command::Pause) => {
                self.manual = true;
                None
            }
            Input::Command(Command::Resume) => {
                self.manual = false;
                self.ignore();
                None
            }
            Input::Command(Command::Dismiss) => {
                self.ignore();
                None
            }
            Input::Command(Command::Commit) => match self.ear {
                Ear::Tentative {
                    since, silenced, ..
                } => {
                    self.ear = Ear::Holding { since };
                    Some(self.drop(Reason::OnsetCommit, silenced, at))
                }
                // It did not seem to matter, and now it does ("mhm … but wait").
                Ear::Ignored if playing && self.mode != Mode::None => {
                    self.ear = Ear::Holding { since: at };
                    Some(self.drop(Reason::OnsetCommit, at, at))
                }
                _ => None,
            },
            Input::Command(Command::Interrupt) => {
                // What silenced speech is the onset, where a pause went before.
                let decided_at = match self.ear {
                    Ear::Tentative {
                        since, silenced, ..
                    } => {
                        self.ear = Ear::Holding { since };
                        silenced
                    }
                    Ear::Suspected { since } => since,
                    _ => at,
                };
                Some(self.drop(Reason::Action, decided_at, at))
            }
        }
    }

    /// Running time made a jump by that much (a new base time).
    pub fn shift(&mut self, from: Nanos, to: Nanos) {
        let shift = |time: &mut Nanos| {
            *time = if to >= from {
                time.saturating_add(to - from)
            } else {
                time.saturating_sub(from - to)
            };
        };
        match &mut self.ear {
            Ear::Suspected { since } | Ear::Holding { since } => shift(since),
            Ear::Tentative {
                since, silenced, ..
            } => {
                shift(since);
                shift(silenced);
            }
            Ear::Quiet | Ear::Ignored => {}
        }
    }

    /// The ear is gone or starts anew: nobody speaks.
    pub fn forget_ear(&mut self) {
        self.ear = Ear::Quiet;
    }

    /// When a tentative onset becomes an interruption.
    fn committing(&self, since: Nanos, confirmed: bool) -> Nanos {
        let wait = if confirmed {
            0
        } else {
            nanos(CONFIRM).min(self.commit)
        };
        since.saturating_add(self.commit).saturating_add(wait)
    }

    fn onset(&mut self, at: Nanos, playing: bool, confirmed: bool) -> Option<Drop> {
        match (self.ear, playing && !self.manual) {
            // A second onset within one stretch of speech, or from a second ear.
            (Ear::Tentative { .. }, _) => None,
            (Ear::Suspected { since }, _) if self.mode == Mode::Immediate => {
                self.ear = Ear::Holding { since: at };
                Some(self.drop(Reason::OnsetCommit, since, at))
            }
            (Ear::Suspected { since }, _) => {
                self.ear = Ear::Tentative {
                    since: at,
                    silenced: since,
                    confirmed,
                };
                self.tick(at)
            }
            (Ear::Holding { .. }, _) => {
                self.ear = Ear::Holding { since: at };
                None
            }
            (Ear::Quiet | Ear::Ignored, false) => {
                self.ear = Ear::Holding { since: at };
                None
            }
            (Ear::Quiet | Ear::Ignored, true) if self.mode == Mode::Immediate => {
                self.ear = Ear::Holding { since: at };
                Some(self.drop(Reason::OnsetCommit, at, at))
            }
            (Ear::Quiet | Ear::Ignored, true) => {
                self.ear = Ear::Tentative {
                    since: at,
                    silenced: at,
                    confirmed,
                };
                self.tick(at)
            }
        }
    }

    fn ignore(&mut self) {
        if self.ear != Ear::Quiet {
            self.ear = Ear::Ignored;
        }
    }

    /// A pause by action was a pause of what is now dropped.
    fn drop(&mut self, reason: Reason, decided_at: Nanos, committed_at: Nanos) -> Drop {
        self.manual = false;
        Drop {
            reason,
            decided_at,
            committed_at,
        }
    }
}

#[cfg(test)]
mod tests;
