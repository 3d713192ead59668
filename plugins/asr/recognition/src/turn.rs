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
//!   Results of which the engine is unsure count for nothing, whichever words they have: a mouth that waits for no word stops
//!   by itself after a while. A burst of sound that was short, and that the engine makes nothing of, is dismissed as soon as it
//!   is over, and is no turn.
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
/// How sure words must be to take the turn, and how sure a backchannel to let the agent go on, where the engine tells.
const SURE: f64 = 0.35;
const SURE_BACKCHANNEL: f64 = 0.2;
/// Sound that is shorter, and of which nothing is sure, is no turn.
const BRIEF: Nanos = 600_000_000;
/// It is over where it was silent for so long.
const OVER: Nanos = 100_000_000;
/// A backchannel that sure needs no second result.
const PLAIN: f64 = 0.5;
/// What may be the beginning of another word is not plain.
const PLAIN_AFTER: Nanos = 180_000_000;

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
#[derive(Debug, Clone, PartialEq)]
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
        /// Where the last sound of a voice ended, of words or not, if the engine tells.
        voiced_until: Option<Nanos>,
        /// How sure they are, 0 to 1, if the engine tells.
        confidence: Option<f64>,
    },
    /// The answer to [`Action::Finish`].
    Final {
        /// The words.
        text: &'a str,
        /// How sure they are, 0 to 1, if the engine tells.
        confidence: Option<f64>,
    },
    /// The agent was stopped, by whomever. A caller whom he has made room for is answered.
    Interrupted,
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
    /// The engine stands by the latest of them.
    sure: bool,
    /// So many in a row were of words, sure or not.
    words: u32,
    /// It was dismissed as a burst that ended there: what is found out about it afterwards is not to be believed.
    over: Option<Nanos>,
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
            sure: false,
            words: 0,
            over: None,
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
                let kind = turn.meant(self.config.backchannels.judge(&turn.text), end);
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
                voiced_until,
                confidence,
            } => {
                let Some(turn) = self.turn.as_mut().filter(|turn| !turn.finishing) else {
                    return actions;
                };
                text.clone_into(&mut turn.text);
                turn.phrase = phrase;
                let kind = self.config.backchannels.judge(text);
                turn.over = (turn.over)
                    .filter(|over| voiced_until.is_none_or(|until| until <= *over + OVER));
                let many = backchannel::words(text).len() >= MANY;
                // The beginning of a phrase may be anything, and so may what was found in silence.
                let half = phrase == Phrase::Open && !many && confidence.is_some();
                turn.sure = sure(kind, confidence) && !half && turn.over.is_none();
                turn.agreed = match (turn.sure, kind == turn.kind) {
                    (false, _) => 0,
                    (true, true) => turn.agreed + 1,
                    (true, false) => 1,
                };
                turn.kind = kind;
                turn.words = if kind == Kind::Words {
                    turn.words + 1
                } else {
                    0
                };
                // Where the agent goes on already, somebody does wait.
                let few = turn.decision == Decision::Open && !many;
                let plain = now.saturating_sub(turn.onset) >= PLAIN_AFTER
                    && confidence.is_some_and(|confidence| confidence >= PLAIN);
                let clear = match kind {
                    Kind::Words if few => turn.agreed >= AGREE_ON_FEW,
                    Kind::Backchannel if plain => turn.sure,
                    Kind::Words | Kind::Backchannel => turn.agreed >= AGREE,
                    Kind::Nothing | Kind::Beginning => false,
                };
                if clear {
                    settle(turn, kind, &mut actions);
                }
                if let Some(until) = voiced_until.filter(|_| turn.over_agent) {
                    if !turn.is_brief(until) {
                        // What began as a backchannel and went on is something else, also where nobody knows what.
                        if turn.decision == Decision::Dismissed && turn.words >= AGREE {
                            settle(turn, Kind::Words, &mut actions);
                        }
                    } else if now.saturating_sub(until) >= OVER
                        && turn.decision == Decision::Open
                        && (!turn.sure || phrase == Phrase::Open)
                    {
                        turn.over = Some(until);
                        turn.sure = false;
                        settle(turn, Kind::Nothing, &mut actions);
                    }
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
            Input::Final { text, confidence } => {
                let Some(mut turn) = self.turn.take() else {
                    return actions;
                };
                let kind = self.config.backchannels.judge(text);
                turn.sure = sure(kind, confidence) && turn.over.is_none();
                let kind = turn.meant(kind, turn.ended.unwrap_or(now));
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
            Input::Interrupted => {
                if let Some(turn) = self.turn.as_mut().filter(|turn| turn.over_agent) {
                    turn.decision = Decision::Committed;
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

impl Turn {
    /// Whether it is too short up to `end` to be believed without words.
    fn is_brief(&self, end: Nanos) -> bool {
        end.saturating_sub(self.onset) < BRIEF
    }

    /// What its words come to, if it ends there: over the agent's speech words that are not sure are none where the sound
    /// was short and the agent was told so, and no backchannel where it was long.
    fn meant(&self, kind: Kind, end: Nanos) -> Kind {
        match kind {
            Kind::Nothing => kind,
            _ if self.sure || !self.over_agent => kind,
            Kind::Backchannel if self.decision == Decision::Dismissed => kind,
            _ if self.is_brief(end) && self.decision != Decision::Committed => Kind::Nothing,
            _ => Kind::Words,
        }
    }
}

/// Whether the engine stands by such words.
fn sure(kind: Kind, confidence: Option<f64>) -> bool {
    let least = match kind {
        Kind::Nothing => return false,
        Kind::Backchannel => SURE_BACKCHANNEL,
        Kind::Beginning | Kind::Words => SURE,
    };
    confidence.is_none_or(|confidence| confidence >= least)
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
