// SPDX-License-Identifier: MPL-2.0

//! Whose turn it is: when a caller's turn is over, and what is meant by what is said while an agent speaks.
//!
//! A plain state machine without clocks and threads: [`TurnTaking::input`] and [`TurnTaking::tick`] give the actions to
//! carry out. All times are running times in nanoseconds, on whatever clock the caller chooses.
//!
//! - **The end of a turn** is decided after a delay that counts from where speech ended: `min_delay` where the phrase is
//!   complete (a final state of the grammar, final punctuation), `max_delay` where more has to come or nothing was
//!   understood, a third of the way between where nobody knows. Speech that begins before it has run out joins the turn.
//! - **Over the agent's speech** words decide as soon as they are heard: backchannels alone dismiss (the agent goes
//!   on), anything else commits (the agent stops). A dismissed turn that goes on with other words commits after all.
//!   Partial results change their mind, so words count once two in a row agree on what they come to, or four where they are
//!   so few that they may become a backchannel. A speech that ends without a word was a noise, and is dismissed.
//! - A turn of backchannels over the agent's speech is none. While the agent is silent they are an answer.

use crate::{
    backchannel::{self, Backchannels, Kind},
    engine::Phrase,
};

/// Nanoseconds of running time.
pub type Nanos = u64;

/// A turn is cut after so long, whoever still speaks.
pub const LONGEST: Nanos = 60_000_000_000;
/// A complete phrase after which nothing was heard for so long is probably all.
pub const LIKELY: Nanos = 120_000_000;
/// So many partial results in a row must agree.
const AGREE: u32 = 2;
/// So many where few words would take the turn: a backchannel is often something else before it is complete. The agent is
/// silent meanwhile, so nobody waits for it.
const AGREE_ON_FEW: u32 = 4;
/// Words that no backchannel has.
const MANY: usize = 3;

/// What the policy goes by. May change at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// How long after a complete phrase the turn is over.
    pub min_delay: Nanos,
    /// How long after any other.
    pub max_delay: Nanos,
    /// What is said without wanting the floor.
    pub backchannels: Backchannels,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// Somebody may speak since `onset`; [`Input::SpeechStarted`] or [`Input::SpeechCancelled`] follows. Ears that say
    /// nothing of it are as good, but slower.
    SpeechSuspected {
        /// Where it began.
        onset: Nanos,
        /// The agent was speaking then.
        over_agent: bool,
    },
    /// It was nothing.
    SpeechCancelled,
    /// Somebody speaks since `onset`; `over_agent`: the agent was speaking then.
    SpeechStarted {
        /// Where it began.
        onset: Nanos,
        /// The agent was speaking then.
        over_agent: bool,
    },
    /// Nobody does since `end`.
    SpeechEnded {
        /// Where it ended.
        end: Nanos,
    },
    /// What the turn sounds like so far.
    Partial {
        /// The words.
        text: &'a str,
        /// Whether they can stand by themselves.
        phrase: Phrase,
        /// Where the last of them ended, if the engine tells.
        heard_until: Option<Nanos>,
    },
    /// The answer to [`Action::Finish`].
    Final {
        /// The words.
        text: &'a str,
    },
    /// The engine has given the turn up.
    Failed,
    /// A flush, or a stop: forget it all.
    Cancel,
    /// The stream is over.
    End,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Begin to recognise, from `onset` on and somewhat before.
    Start {
        /// Where speech began.
        onset: Nanos,
    },
    /// There was nothing to recognise after all.
    Abandon,
    /// The caller takes the turn from the agent.
    Commit,
    /// He does not: it was a backchannel or a noise.
    Dismiss,
    /// The turn is probably over.
    LikelyEnd {
        /// Its words so far.
        text: String,
    },
    /// The turn is over: ask the engine what it was, and answer by [`Input::Final`] or [`Input::Failed`].
    Finish,
    /// Hand the turn on.
    Deliver,
    /// The turn was none.
    Discard {
        /// It had words, but only backchannels.
        backchannel: bool,
    },
}

impl Action {
    /// What is to be done, without a word of the caller's: for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Abandon => "abandon",
            Self::Commit => "commit",
            Self::Dismiss => "dismiss",
            Self::LikelyEnd { .. } => "likely end",
            Self::Finish => "finish",
            Self::Deliver => "deliver",
            Self::Discard { .. } => "discard",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Open,
    Dismissed,
    Committed,
}

#[derive(Debug, Clone)]
struct Turn {
    onset: Nanos,
    /// Where speech ended; `None` while somebody speaks.
    ended: Option<Nanos>,
    /// Speech goes on, it seems, or begins.
    tentative: bool,
    /// All there is was only suspected.
    unsure: bool,
    over_agent: bool,
    decision: Decision,
    text: String,
    phrase: Phrase,
    /// What partial results came to, and how many in a row.
    kind: Kind,
    agreed: u32,
    /// For which words the end was called likely.
    likely: String,
    finishing: bool,
}

/// The policy. One per stream.
#[derive(Debug, Default)]
pub struct TurnTaking {
    config: Config,
    turn: Option<Turn>,
}

impl TurnTaking {
    /// A policy with a silent caller.
    pub fn new(config: Config) -> Self {
        Self { config, turn: None }
    }

    /// Changes the settings, also of the open turn.
    pub fn configure(&mut self, config: Config) {
        self.config = config;
    }

    /// Whether a turn is open.
    pub fn is_open(&self) -> bool {
        self.turn.is_some()
    }

    /// Whether the open turn still matters to an agent that speaks: then partial results are wanted soon.
    pub fn is_urgent(&self) -> bool {
        (self.turn.as_ref())
            .is_some_and(|turn| turn.over_agent && turn.decision != Decision::Committed)
    }

    /// When [`TurnTaking::tick`] next has something to do.
    pub fn deadline(&self) -> Option<Nanos> {
        let turn = self.turn.as_ref().filter(|turn| !turn.finishing)?;
        if turn.unsure {
            return None;
        }
        let longest = turn.onset.saturating_add(LONGEST);
        Some(match turn.ended {
            None => longest,
            Some(_) if turn.tentative => longest,
            Some(ended) => ended.saturating_add(self.delay(turn)).min(longest),
        })
    }

    fn delay(&self, turn: &Turn) -> Nanos {
        let (min, max) = (
            self.config.min_delay,
            self.config.max_delay.max(self.config.min_delay),
        );
        match turn.phrase {
            _ if turn.text.is_empty() => max,
            Phrase::Complete => min,
            Phrase::Open => max,
            Phrase::Unknown => min + (max - min) / 3,
        }
    }

    /// Time passes.
    pub fn tick(&mut self, now: Nanos) -> Vec<Action> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        if let Some(turn) = &mut self.turn {
            turn.finishing = true;
        }
        vec![Action::Finish]
    }

    fn begin(&mut self, onset: Nanos, over_agent: bool, unsure: bool) -> Action {
        self.turn = Some(Turn {
            onset,
            ended: None,
            tentative: unsure,
            unsure,
            over_agent,
            decision: Decision::Open,
            text: String::new(),
            phrase: Phrase::Unknown,
            kind: Kind::Nothing,
            agreed: 0,
            likely: String::new(),
            finishing: false,
        });
        Action::Start { onset }
    }

    /// Something happened at `now`.
    pub fn input(&mut self, now: Nanos, input: &Input<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        match *input {
            Input::SpeechSuspected { onset, over_agent } => match &mut self.turn {
                None => actions.push(self.begin(onset, over_agent, true)),
                Some(turn) => turn.tentative = true,
            },
            Input::SpeechCancelled => {
                let Some(turn) = &mut self.turn else {
                    return actions;
                };
                turn.tentative = false;
                if turn.unsure {
                    self.turn = None;
                    actions.push(Action::Abandon);
                } else {
                    actions.extend(self.tick(now));
                }
            }
            Input::SpeechStarted { onset, over_agent } => match &mut self.turn {
                None => actions.push(self.begin(onset, over_agent, false)),
                Some(turn) => {
                    turn.ended = None;
                    turn.tentative = false;
                    turn.unsure = false;
                    if over_agent && !turn.over_agent {
                        turn.over_agent = true;
                        turn.decision = Decision::Open;
                    }
                }
            },
            Input::SpeechEnded { end } => {
                let Some(turn) = self.turn.as_mut().filter(|turn| turn.ended.is_none()) else {
                    return actions;
                };
                turn.ended = Some(end);
                let kind = self.config.backchannels.judge(&turn.text);
                settle(turn, kind, &mut actions);
                let wanted = wanted(turn, kind);
                if wanted && turn.likely != turn.text {
                    turn.likely.clone_from(&turn.text);
                    actions.push(Action::LikelyEnd {
                        text: turn.text.clone(),
                    });
                }
                actions.extend(self.tick(now));
                // An end that follows at once is not only likely.
                if actions.contains(&Action::Finish) {
                    actions.retain(|action| !matches!(action, Action::LikelyEnd { .. }));
                }
            }
            Input::Partial {
                text,
                phrase,
                heard_until,
            } => {
                let Some(turn) = self.turn.as_mut().filter(|turn| !turn.finishing) else {
                    return actions;
                };
                text.clone_into(&mut turn.text);
                turn.phrase = phrase;
                let kind = self.config.backchannels.judge(text);
                turn.agreed = if kind == turn.kind {
                    turn.agreed + 1
                } else {
                    1
                };
                turn.kind = kind;
                // Where the agent goes on already, somebody does wait.
                let few = turn.decision == Decision::Open && backchannel::words(text).len() < MANY;
                let clear = match kind {
                    Kind::Words if few => turn.agreed >= AGREE_ON_FEW,
                    Kind::Words | Kind::Backchannel => turn.agreed >= AGREE,
                    Kind::Nothing | Kind::Beginning => false,
                };
                if clear {
                    settle(turn, kind, &mut actions);
                }
                let silent = heard_until.is_some_and(|until| now.saturating_sub(until) >= LIKELY);
                let wanted = wanted(turn, kind);
                if phrase == Phrase::Complete && silent && wanted && turn.likely != text {
                    text.clone_into(&mut turn.likely);
                    actions.push(Action::LikelyEnd {
                        text: text.to_owned(),
                    });
                }
            }
            Input::Final { text } => {
                let Some(mut turn) = self.turn.take() else {
                    return actions;
                };
                let kind = self.config.backchannels.judge(text);
                settle(&mut turn, kind, &mut actions);
                actions.push(match kind {
                    Kind::Nothing => Action::Discard { backchannel: false },
                    Kind::Backchannel
                        if turn.over_agent && turn.decision != Decision::Committed =>
                    {
                        Action::Discard { backchannel: true }
                    }
                    _ => Action::Deliver,
                });
                if turn.ended.is_none() && now >= turn.onset.saturating_add(LONGEST) {
                    // Whoever speaks on begins another turn.
                    let over_agent = false;
                    actions.extend(self.input(
                        now,
                        &Input::SpeechStarted {
                            onset: now,
                            over_agent,
                        },
                    ));
                }
            }
            Input::Failed => {
                if let Some(mut turn) = self.turn.take() {
                    settle(&mut turn, Kind::Nothing, &mut actions);
                    actions.push(Action::Discard { backchannel: false });
                }
            }
            Input::Cancel => self.turn = None,
            Input::End if self.turn.as_ref().is_some_and(|turn| turn.unsure) => {
                self.turn = None;
                actions.push(Action::Abandon);
            }
            Input::End => {
                if let Some(turn) = self.turn.as_mut().filter(|turn| !turn.finishing) {
                    turn.finishing = true;
                    turn.ended.get_or_insert(now);
                    actions.push(Action::Finish);
                }
            }
        }
        actions
    }
}

/// Whether a turn of such words would be handed on.
fn wanted(turn: &Turn, kind: Kind) -> bool {
    match kind {
        Kind::Nothing => false,
        Kind::Backchannel => !turn.over_agent,
        Kind::Beginning | Kind::Words => true,
    }
}

/// Tells the agent what was meant, where that is news.
fn settle(turn: &mut Turn, kind: Kind, actions: &mut Vec<Action>) {
    if !turn.over_agent {
        return;
    }
    match kind {
        Kind::Words | Kind::Beginning if turn.decision != Decision::Committed => {
            turn.decision = Decision::Committed;
            actions.push(Action::Commit);
        }
        Kind::Nothing | Kind::Backchannel if turn.decision == Decision::Open => {
            turn.decision = Decision::Dismissed;
            actions.push(Action::Dismiss);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
