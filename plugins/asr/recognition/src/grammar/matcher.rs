// SPDX-License-Identifier: MPL-2.0

//! How far words are from a phrase of a grammar.

use std::collections::BTreeSet;

use super::{Grammar, MAX_DEPTH, Node};
use crate::{backchannel, engine::Phrase};

impl Grammar {
    /// How far `text` is from a phrase of the grammar.
    pub fn phrase(&self, text: &str) -> Phrase {
        let said: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let ends = |name: &String| {
            let from = BTreeSet::from([0]);
            self.reach(&Node::Rule(name.clone()), &said, &from, 0)
                .contains(&said.len())
        };
        if !said.is_empty() && self.public.iter().any(ends) {
            Phrase::Complete
        } else {
            Phrase::Open
        }
    }

    /// Up to which words a node can have been said, where it began after `from`.
    fn reach(
        &self,
        node: &Node,
        said: &[String],
        from: &BTreeSet<usize>,
        depth: usize,
    ) -> BTreeSet<usize> {
        if from.is_empty() || depth > MAX_DEPTH + said.len() {
            return BTreeSet::new();
        }
        match node {
            Node::Word(word) => (from.iter())
                .filter(|at| said.get(**at).is_some_and(|w| w == word))
                .map(|at| at + 1)
                .collect(),
            Node::Rule(name) => match self.rules.get(name) {
                Some(node) => self.reach(node, said, from, depth + 1),
                None if name == "NULL" => from.clone(),
                None => BTreeSet::new(),
            },
            Node::Sequence(items) => {
                let mut at = from.clone();
                for item in items {
                    at = self.reach(item, said, &at, depth + 1);
                }
                at
            }
            Node::Choice(ways) => (ways.iter())
                .flat_map(|(_, way)| self.reach(way, said, from, depth + 1))
                .collect(),
            Node::Optional(node) => &self.reach(node, said, from, depth + 1) | from,
            Node::Repeated(node, at_least_once) => {
                let mut all = self.reach(node, said, from, depth + 1);
                let mut new = all.clone();
                while !new.is_empty() {
                    new = &self.reach(node, said, &new, depth + 1) - &all;
                    all.extend(&new);
                }
                if *at_least_once { all } else { &all | from }
            }
        }
    }

    /// Whether a phrase of backchannels could be said in this grammar as well: there it is an answer.
    pub fn has(&self, phrase: &str) -> bool {
        self.phrase(&backchannel::words(phrase).join(" ")) == Phrase::Complete
    }
}
