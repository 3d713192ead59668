// SPDX-License-Identifier: MPL-2.0

//! What was said so far, bounded, and of the agent's part only what was heard.

use std::collections::VecDeque;

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person who is talked with.
    Caller,
    /// The one who answers.
    Agent,
    /// What a tool gave, for the agent.
    Tool,
}

/// A tool that the agent wants to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// Names this call among others.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// What it is given, as JSON.
    pub arguments: String,
}

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// By whom.
    pub role: Role,
    /// What.
    pub text: String,
    /// The utterance of an agent's answer, the call of a tool's result; else empty.
    pub id: String,
    /// What the agent asked of its tools here.
    pub calls: Vec<ToolCall>,
}

impl Entry {
    /// Something said.
    pub fn new(role: Role, id: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            role,
            text: text.into(),
            id: id.into(),
            calls: Vec::new(),
        }
    }

    fn characters(&self) -> usize {
        let of_call = |call: &ToolCall| call.name.len() + call.arguments.len();
        self.text.chars().count() + self.calls.iter().map(of_call).sum::<usize>()
    }
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Turns of the caller, with all that answers them.
    pub turns: usize,
    /// Characters of all entries together. The last turn stays, however long it is.
    pub characters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            turns: 50,
            characters: 32_000,
        }
    }
}

/// The entries, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    entries: VecDeque<Entry>,
    limits: Limits,
}

impl History {
    /// Empty.
    pub fn new(limits: Limits) -> Self {
        Self {
            entries: VecDeque::new(),
            limits,
        }
    }

    /// Bounds it anew.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.trim();
    }

    /// Oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Adds an entry; the oldest turns go where there are too many.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
        self.trim();
    }

    /// More of an answer: goes to its last entry, which is made where there is none behind the last turn.
    pub fn append(&mut self, id: &str, text: &str) {
        let open = self.entries.back_mut();
        let open = open.filter(|e| e.role == Role::Agent && e.id == id && e.calls.is_empty());
        match open {
            Some(entry) => {
                entry.text.push_str(text);
                self.trim();
            }
            None => self.push(Entry::new(Role::Agent, id, text)),
        }
    }

    /// The answer of that utterance becomes exactly what was heard; one of which nothing was heard goes. An answer
    /// may lie in several entries, where tools were called in between. False where there is no such answer.
    pub fn heard(&mut self, id: &str, heard: &str) -> bool {
        let is_part = |e: &Entry| e.role == Role::Agent && e.id == id;
        let parts: Vec<usize> = (0..self.entries.len())
            .filter(|n| is_part(&self.entries[*n]))
            .collect();
        let Some((last, before)) = parts.split_last() else {
            return false;
        };
        // What is heard fills the parts in their order.
        let mut rest = heard;
        for n in before {
            let part = &mut self.entries[*n].text;
            match rest.trim_start().strip_prefix(part.trim()) {
                Some(after) => rest = after,
                None => *part = std::mem::take(&mut rest).trim().to_owned(),
            }
        }
        self.entries[*last].text = rest.trim_start().to_owned();
        (self.entries).retain(|e| !is_part(e) || !e.text.is_empty() || !e.calls.is_empty());
        true
    }

    fn trim(&mut self) {
        loop {
            let turns = self.entries.iter().filter(|e| e.role == Role::Caller);
            let turns = turns.count();
            let characters: usize = self.entries.iter().map(Entry::characters).sum();
            let fits = turns <= self.limits.turns.max(1) && characters <= self.limits.characters;
            // Whole turns go: an answer without its question, or a result without its call, means nothing.
            let mut later = self.entries.iter().enumerate().skip(1);
            let next = later.find(|(_, e)| e.role == Role::Caller).map(|(n, _)| n);
            match next.filter(|_| !fits) {
                Some(next) => drop(self.entries.drain(..next)),
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(history: &History) -> Vec<&str> {
        history.entries().map(|e| e.text.as_str()).collect()
    }

    fn said(history: &mut History, n: usize) {
        history.push(Entry::new(Role::Caller, "", format!("question {n}")));
        history.append(&format!("a-{n}"), "answer ");
        history.append(&format!("a-{n}"), &n.to_string());
    }

    #[test]
    fn tokens_make_one_answer_and_the_oldest_turns_go_whole() {
        let mut history = History::new(Limits {
            turns: 2,
            characters: 1_000,
        });
        (1..=4).for_each(|n| said(&mut history, n));
        assert_eq!(
            texts(&history),
            ["question 3", "answer 3", "question 4", "answer 4"]
        );
        history.set_limits(Limits {
            turns: 2,
            characters: 20,
        });
        assert_eq!(texts(&history), ["question 4", "answer 4"]);
        // The last turn stays although it is too long.
        history.append("a-4", &"x".repeat(100));
        assert_eq!(history.entries().count(), 2);
    }

    #[test]
    fn an_answer_becomes_what_was_heard() {
        let mut history = History::default();
        said(&mut history, 1);
        assert!(history.heard("a-1", "answer"));
        assert_eq!(texts(&history), ["question 1", "answer"]);
        assert!(!history.heard("a-7", "nobody"));
        assert!(history.heard("a-1", ""));
        assert_eq!(texts(&history), ["question 1"]);
    }

    #[test]
    fn an_answer_around_a_tool_is_cut_where_it_was() {
        let mut history = History::default();
        history.push(Entry::new(Role::Caller, "", "weather?"));
        history.append("a", "Let me look. ");
        history.push(Entry {
            calls: vec![ToolCall {
                id: "c".into(),
                name: "weather".into(),
                arguments: "{}".into(),
            }],
            ..Entry::new(Role::Agent, "", "")
        });
        history.push(Entry::new(Role::Tool, "c", "rain"));
        history.append("a", "It rains all day.");
        let mut early = history.clone();
        assert!(history.heard("a", "Let me look. It rains"));
        assert_eq!(
            texts(&history),
            ["weather?", "Let me look. ", "", "rain", "It rains"]
        );
        assert!(early.heard("a", "Let me"));
        assert_eq!(texts(&early), ["weather?", "Let me", "", "rain"]);
    }
}
