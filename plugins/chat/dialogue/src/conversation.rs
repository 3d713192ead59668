// SPDX-License-Identifier: MPL-2.0

//! Who has the floor: when a turn is over, when its answer begins, and what of an answer may still leave.
//!
//! A turn is what arrives until its end is told, or, where nobody ever tells, until nothing arrives for a while. A new
//! turn takes the floor from the answer of the last one: nothing of that leaves any more. On a likely end of a turn the
//! answer may be thought of ahead of time; it is kept back until the turn is over, and dropped where the turn was another.

use std::{collections::VecDeque, time::Duration};

use crate::history::{Entry, History, Limits, Role, ToolCall};

/// Longest turn, in bytes. What is said beyond it is left out.
const LONGEST_TURN: usize = 16 * 1024;
/// Foreign events that may wait for their turn to leave.
const MOST_OTHERS: usize = 1_024;

/// What may be set. Times are spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Silence that ends a turn where the end is not told.
    pub turn_delay: Duration,
    /// Think of the answer at a likely end already.
    pub preemptive: bool,
    /// How much is remembered.
    pub history: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            turn_delay: Duration::from_millis(500),
            preemptive: false,
            history: Limits::default(),
        }
    }
}

/// Something that a caller said, whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// What.
    pub text: String,
    /// How sure the recogniser is, 0 to 1, where it tells.
    pub confidence: Option<f64>,
    /// In which language, where it tells; else empty.
    pub language: String,
}

/// An answer that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Names the answer in [`Conversation::piece`].
    pub number: u64,
    /// The utterance that the answer will be.
    pub id: String,
    /// What was said before.
    pub history: Vec<Entry>,
    /// What is to be answered.
    pub turn: Turn,
}

/// What whoever thinks of an answer gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// More of it.
    Text(String),
    /// It is complete.
    Done,
    /// A tool is to be called before it goes on.
    Call(ToolCall),
    /// What was exchanged with tools, for the history.
    Aside(Entry),
    /// Something went wrong, in a sentence.
    Failed(String),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Action<E> {
    /// Nothing, until that time or until something arrives.
    Wait(Option<Duration>),
    /// A turn is over.
    Turn(String),
    /// Think of an answer.
    Think(Request),
    /// An answer begins.
    Begin(String),
    /// More of the answer of that utterance.
    Text(String, String),
    /// Nothing more of that answer follows.
    End(String),
    /// What there is of an answer now.
    Answer {
        /// Its utterance.
        id: String,
        /// All of it so far.
        text: String,
        /// Nothing follows.
        is_final: bool,
        /// This is what was heard of it when it was stopped.
        interrupted: bool,
    },
    /// Call a tool.
    Call(ToolCall),
    /// Say that something went wrong.
    Failed(String),
    /// Pass on what is nobody's here.
    Other(E),
    /// Everything was answered, and nothing follows.
    Eos,
}

/// What a mouth tells of speech that was stopped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard<'a> {
    /// The first utterance of which something was not heard; empty where the mouth knows of none.
    pub id: &'a str,
    /// What was heard of it.
    pub heard: &'a str,
    /// What was not, of it and of all behind it; may be capped.
    pub unheard: &'a str,
    /// The part above is not all.
    pub capped: bool,
}

#[derive(Debug)]
struct Answer {
    number: u64,
    id: String,
    pieces: VecDeque<Piece>,
    begun: bool,
    text: String,
    /// Bytes of the text that were told of.
    told: usize,
    /// What it answers, where anything.
    turn: Option<Turn>,
}

impl Answer {
    fn new(number: u64, id: String, turn: Option<Turn>) -> Self {
        Self {
            number,
            id,
            turn,
            pieces: VecDeque::new(),
            begun: false,
            text: String::new(),
            told: 0,
        }
    }
}

#[derive(Debug)]
struct Guess {
    answer: Answer,
    turn: String,
}

/// See the module. `E` is what passes through.
pub struct Conversation<E> {
    config: Config,
    new_id: Box<dyn FnMut() -> String + Send>,
    history: History,
    /// What arrived of the open turn.
    open: String,
    /// When the last of it did.
    open_since: Duration,
    /// Upstream tells where turns end.
    told_ends: bool,
    answer: Option<Answer>,
    guess: Option<Guess>,
    next_number: u64,
    outbox: VecDeque<Action<E>>,
    others: usize,
    eos: bool,
    eos_sent: bool,
}

impl<E> Conversation<E> {
    /// Nothing was said yet. `new_id` names utterances.
    pub fn new(config: Config, new_id: impl FnMut() -> String + Send + 'static) -> Self {
        Self {
            config,
            new_id: Box::new(new_id),
            history: History::new(config.history),
            open: String::new(),
            open_since: Duration::ZERO,
            told_ends: false,
            answer: None,
            guess: None,
            next_number: 1,
            outbox: VecDeque::new(),
            others: 0,
            eos: false,
            eos_sent: false,
        }
    }

    /// Takes effect with the next thing that happens.
    pub fn configure(&mut self, config: Config) {
        self.config = config;
        self.history.set_limits(config.history);
        if !config.preemptive {
            self.guess = None;
        }
    }

    /// What was said so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Whether that answer is still wanted.
    pub fn wants(&self, number: u64) -> bool {
        let answer = self.answer.as_ref().map(|answer| answer.number);
        let guess = self.guess.as_ref().map(|guess| guess.answer.number);
        answer == Some(number) || guess == Some(number)
    }

    /// After the end nothing is taken.
    pub fn ended(&self) -> bool {
        self.eos
    }

    /// More of the caller's turn. `phrase` where it stands for itself, so that a space belongs before it. False
    /// where it was too much and is left out.
    pub fn text(&mut self, now: Duration, text: &str, phrase: bool) -> bool {
        if text.is_empty() {
            return true;
        }
        if self.open.len() + text.len() > LONGEST_TURN {
            return false;
        }
        let touch = self.open.ends_with(|c: char| !c.is_whitespace())
            && text.starts_with(|c: char| !c.is_whitespace());
        if phrase && touch {
            self.open.push(' ');
        }
        self.open.push_str(text);
        self.open_since = now;
        true
    }

    /// The turn is over: of what has arrived, with what else is known of it.
    pub fn end_of_turn(&mut self, confidence: Option<f64>, language: &str) {
        self.told_ends = true;
        self.close(confidence, language);
    }

    /// The turn is probably over, and this is what was said in it.
    pub fn likely_end_of_turn(&mut self, text: &str) {
        let known = |guess: &Guess| agree(&guess.turn, text);
        if !self.config.preemptive
            || normal(text).is_empty()
            || self.guess.as_ref().is_some_and(known)
        {
            return;
        }
        let turn = Turn {
            text: text.trim().to_owned(),
            ..Turn::default()
        };
        let answer = self.think(turn);
        self.guess = Some(Guess {
            answer,
            turn: text.to_owned(),
        });
    }

    /// A whole turn from elsewhere: typed.
    pub fn ask(&mut self, text: &str) {
        self.turn(Turn {
            text: text.to_owned(),
            ..Turn::default()
        });
    }

    /// Says something that nobody asked for.
    pub fn say(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let mut answer = self.new_answer(None);
        answer.pieces = text
            .split_inclusive(' ')
            .map(|word| Piece::Text(word.to_owned()))
            .collect();
        answer.pieces.push_back(Piece::Done);
        self.stop_answer();
        self.answer = Some(answer);
    }

    /// Something to pass on in its place. False where too much of the kind waits.
    pub fn other(&mut self, other: E) -> bool {
        if self.others >= MOST_OTHERS {
            return false;
        }
        self.others += 1;
        self.outbox.push_back(Action::Other(other));
        true
    }

    /// A piece of an answer. False where that answer is not wanted any more.
    pub fn piece(&mut self, number: u64, piece: Piece) -> bool {
        let guess = self.guess.as_mut().map(|guess| &mut guess.answer);
        let all = self.answer.as_mut().into_iter().chain(guess);
        match all.into_iter().find(|answer| answer.number == number) {
            Some(answer) => {
                answer.pieces.push_back(piece);
                true
            }
            None => false,
        }
    }

    /// Speech was stopped: the history keeps what was heard, and what is still being written of it ends. Gives the
    /// answers that were cut, each with what was heard of it.
    pub fn interrupted(&mut self, told: Heard<'_>) -> Vec<(String, String)> {
        let mut answers: Vec<(String, String)> = Vec::new();
        for entry in self.history.entries() {
            if entry.role == Role::Agent && !entry.id.is_empty() {
                match answers.last_mut().filter(|(id, _)| *id == entry.id) {
                    Some((_, text)) => text.push_str(&entry.text),
                    None => answers.push((entry.id.clone(), entry.text.clone())),
                }
            }
        }
        let known = match told.id {
            "" => answers.len().checked_sub(1),
            id => answers.iter().position(|(answer, _)| answer == id),
        };
        let mut cut = Vec::new();
        if let Some(known) = known {
            let id = answers[known].0.clone();
            self.history.heard(&id, told.heard);
            cut.push((id, told.heard.to_owned()));
        }
        // What waited behind it went with it, unless it came after the stop. Where somebody else's utterance was stopped,
        // only the last answer can have waited.
        let first = known.map_or(answers.len().saturating_sub(1), |known| known + 1);
        let unheard = normal(told.unheard);
        let later = answers
            .split_off(first)
            .into_iter()
            .map(|(id, text)| (id, normal(&text)));
        for (id, text) in later {
            if !text.is_empty() && (unheard.contains(&text) || told.capped) {
                self.history.heard(&id, "");
                cut.push((id, String::new()));
            }
        }
        for (id, heard) in &cut {
            if self.answer.as_ref().is_some_and(|answer| answer.id == *id) {
                self.stop_answer();
            }
            self.outbox.push_back(Action::Answer {
                id: id.clone(),
                text: heard.clone(),
                is_final: true,
                interrupted: true,
            });
        }
        if !cut.is_empty() {
            self.think_again();
        }
        cut
    }

    /// No more turns come. The open one is answered.
    pub fn end(&mut self) {
        self.close(None, "");
        self.eos = true;
    }

    /// A new stream of text begins. True where the one before had ended, and its end was passed on.
    pub fn restart(&mut self) -> bool {
        self.eos = false;
        std::mem::take(&mut self.eos_sent)
    }

    /// Everything that is under way is dropped; what was said stays known.
    pub fn flush(&mut self) {
        self.open.clear();
        self.answer = None;
        self.guess = None;
        self.outbox.clear();
        self.others = 0;
        self.eos = false;
        self.eos_sent = false;
    }

    /// The next thing to do.
    pub fn next(&mut self, now: Duration) -> Action<E> {
        let due = self.due();
        if due.is_some_and(|due| due <= now) {
            self.close(None, "");
        }
        if let Some(action) = self.outbox.pop_front() {
            if matches!(action, Action::Other(_)) {
                self.others -= 1;
            }
            return action;
        }
        if let Some(action) = self.answer_on() {
            return action;
        }
        if self.eos && self.answer.is_none() && !self.eos_sent {
            self.eos_sent = true;
            return Action::Eos;
        }
        Action::Wait(self.due())
    }

    /// When the open turn ends by itself.
    fn due(&self) -> Option<Duration> {
        let waits = !self.told_ends && !normal(&self.open).is_empty();
        waits.then(|| self.open_since + self.config.turn_delay)
    }

    fn close(&mut self, confidence: Option<f64>, language: &str) {
        let text = std::mem::take(&mut self.open);
        self.turn(Turn {
            text,
            confidence,
            language: language.to_owned(),
        });
    }

    fn turn(&mut self, mut turn: Turn) {
        turn.text = turn.text.trim().to_owned();
        if normal(&turn.text).is_empty() {
            return;
        }
        self.stop_answer();
        self.outbox.push_back(Action::Turn(turn.text.clone()));
        let guess = self.guess.take();
        let answer = match guess.filter(|guess| agree(&guess.turn, &turn.text)) {
            Some(guess) => guess.answer,
            None => {
                // What would be thought of for nothing need not be.
                self.outbox
                    .retain(|action| !matches!(action, Action::Think(_)));
                self.think(turn.clone())
            }
        };
        self.history.push(Entry::new(Role::Caller, "", turn.text));
        self.answer = Some(answer);
    }

    fn new_answer(&mut self, turn: Option<Turn>) -> Answer {
        let number = self.next_number;
        self.next_number += 1;
        Answer::new(number, (self.new_id)(), turn)
    }

    fn think(&mut self, turn: Turn) -> Answer {
        let answer = self.new_answer(Some(turn.clone()));
        self.outbox.push_back(Action::Think(Request {
            number: answer.number,
            id: answer.id.clone(),
            history: self.history.entries().cloned().collect(),
            turn,
        }));
        answer
    }

    /// What is being thought of, and has not begun, is thought of again with what the history holds now.
    fn think_again(&mut self) {
        if let Some(guess) = self.guess.take() {
            self.likely_end_of_turn(&guess.turn);
        }
        let fresh = |answer: &mut Answer| !answer.begun && answer.pieces.is_empty();
        let Some(turn) = self.answer.take_if(fresh).map(|answer| answer.turn) else {
            return;
        };
        let mut before: Vec<Entry> = self.history.entries().cloned().collect();
        // The turn itself is what is answered.
        if before
            .last()
            .is_some_and(|entry| entry.role == Role::Caller)
        {
            before.pop();
        }
        let answer = self.new_answer(turn.clone());
        self.outbox.push_back(Action::Think(Request {
            number: answer.number,
            id: answer.id.clone(),
            history: before,
            turn: turn.unwrap_or_default(),
        }));
        self.answer = Some(answer);
    }

    /// Nothing more of the answer leaves.
    fn stop_answer(&mut self) {
        let Some(answer) = self.answer.take() else {
            return;
        };
        if answer.begun {
            self.outbox.push_back(Action::End(answer.id));
        }
    }

    fn answer_on(&mut self) -> Option<Action<E>> {
        let answer = self.answer.as_mut()?;
        let piece = answer.pieces.front()?;
        let speaks = matches!(piece, Piece::Text(text) if !text.is_empty());
        if speaks && !answer.begun {
            answer.begun = true;
            return Some(Action::Begin(answer.id.clone()));
        }
        match answer.pieces.pop_front()? {
            Piece::Text(text) => {
                if text.is_empty() {
                    return self.answer_on();
                }
                self.history.append(&answer.id, &text);
                answer.text.push_str(&text);
                // As often as somebody who reads along needs it.
                let clause = |text: &str| text.ends_with(['.', ',', ';', ':', '!', '?', '\n']);
                if clause(text.trim_end_matches(' ')) && answer.text.len() > answer.told {
                    answer.told = answer.text.len();
                    self.outbox.push_back(Action::Answer {
                        id: answer.id.clone(),
                        text: answer.text.clone(),
                        is_final: false,
                        interrupted: false,
                    });
                }
                Some(Action::Text(answer.id.clone(), text))
            }
            Piece::Call(call) => Some(Action::Call(call)),
            Piece::Failed(sentence) => Some(Action::Failed(sentence)),
            Piece::Aside(entry) => {
                self.history.push(entry);
                self.answer_on()
            }
            Piece::Done => {
                let answer = self.answer.take()?;
                if !answer.begun {
                    return None;
                }
                self.outbox.push_back(Action::Answer {
                    id: answer.id.clone(),
                    text: answer.text,
                    is_final: true,
                    interrupted: false,
                });
                Some(Action::End(answer.id))
            }
        }
    }
}

/// What of a text counts: its words, without case and punctuation.
fn normal(text: &str) -> String {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '\''));
    let words: Vec<String> = (words.map(|word| word.trim_matches('\'').to_lowercase()))
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

fn agree(a: &str, b: &str) -> bool {
    normal(a) == normal(b)
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
