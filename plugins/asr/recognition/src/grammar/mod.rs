// SPDX-License-Identifier: MPL-2.0

//! Grammars: what may be said, in the form of JSGF, the Java Speech Grammar Format.
//!
//! A grammar without a header is the right side of one rule, so `stop | tell me a story` is one. Words are compared in
//! lower case. Imports are not supported: a recogniser reads no files but those that it was given.

mod matcher;
mod reader;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

/// Rules within rules, and groups within groups, at most.
const MAX_DEPTH: usize = 64;
/// Characters of a grammar at most.
const MAX_LENGTH: usize = 1 << 20;

/// What a grammar is made of.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Word(String),
    Rule(String),
    Sequence(Vec<Node>),
    /// Each with its weight, where it has one.
    Choice(Vec<(Option<String>, Node)>),
    Optional(Box<Node>),
    /// `*` without `true`, `+` with.
    Repeated(Box<Node>, bool),
}

/// A grammar that was read, and whose rules are all there.
#[derive(Debug, Clone, PartialEq)]
pub struct Grammar {
    rules: BTreeMap<String, Node>,
    public: Vec<String>,
}

/// What is wrong with a grammar, and where: lines and columns count from 1, in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

impl Grammar {
    /// Every word that may be said, once.
    pub fn words(&self) -> BTreeSet<String> {
        fn collect(node: &Node, words: &mut BTreeSet<String>) {
            match node {
                Node::Word(word) => {
                    words.insert(word.clone());
                }
                Node::Rule(_) => {}
                Node::Sequence(items) => items.iter().for_each(|item| collect(item, words)),
                Node::Choice(ways) => ways.iter().for_each(|(_, way)| collect(way, words)),
                Node::Optional(node) | Node::Repeated(node, _) => collect(node, words),
            }
        }
        let mut words = BTreeSet::new();
        self.rules
            .values()
            .for_each(|node| collect(node, &mut words));
        words
    }

    /// As one JSGF text with one public rule, `also` being further phrases that may be said.
    pub fn to_jsgf<'a>(&self, also: impl IntoIterator<Item = &'a [String]>) -> String {
        let mut text = "#JSGF V1.0;\ngrammar said;\n".to_owned();
        // Names of our own, so that none of theirs has a meaning.
        let names: BTreeMap<&str, usize> = self
            .rules
            .keys()
            .enumerate()
            .map(|(n, name)| (name.as_str(), n))
            .collect();
        let mut ways: Vec<String> = (self.public.iter())
            .map(|name| format!("<r{}>", names[name.as_str()]))
            .collect();
        ways.extend(also.into_iter().map(|phrase| phrase.join(" ")));
        let _ = writeln!(text, "public <said> = {};", ways.join(" | "));
        for (name, node) in &self.rules {
            let _ = write!(text, "<r{}> = ", names[name.as_str()]);
            write_node(node, &names, &mut text);
            text.push_str(";\n");
        }
        text
    }
}

fn write_node(node: &Node, names: &BTreeMap<&str, usize>, text: &mut String) {
    match node {
        Node::Word(word) => text.push_str(word),
        Node::Rule(name) => {
            let _ = match names.get(name.as_str()) {
                Some(n) => write!(text, "<r{n}>"),
                None => write!(text, "<{name}>"),
            };
        }
        Node::Sequence(items) => {
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    text.push(' ');
                }
                write_node(item, names, text);
            }
        }
        Node::Choice(ways) => {
            text.push('(');
            for (n, (weight, way)) in ways.iter().enumerate() {
                if n > 0 {
                    text.push_str(" | ");
                }
                if let Some(weight) = weight {
                    let _ = write!(text, "/{weight}/ ");
                }
                write_node(way, names, text);
            }
            text.push(')');
        }
        Node::Optional(node) => {
            text.push('[');
            write_node(node, names, text);
            text.push(']');
        }
        Node::Repeated(node, at_least_once) => {
            text.push('(');
            write_node(node, names, text);
            text.push(')');
            text.push(if *at_least_once { '+' } else { '*' });
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Phrase;

    const STORY: &str = "#JSGF V1.0 utf-8 en;
        grammar demo;
        // What may be asked for.
        public <ask> = [please] <want> {ask} | /0.5/ stop | Count to <number>;
        <want> = tell me (a | another) story [about <thing>+];
        <number> = three | five; /* more
        later */
        <thing> = cats | dogs and <thing>;
    ";

    #[test]
    fn phrases_are_complete_or_open() {
        let grammar = Grammar::parse(STORY).unwrap();
        for (text, phrase) in [
            ("stop", Phrase::Complete),
            ("Stop", Phrase::Complete),
            ("please tell me a story", Phrase::Complete),
            ("tell me another story about cats cats", Phrase::Complete),
            ("tell me a story about dogs and cats", Phrase::Complete),
            ("tell me a story about", Phrase::Open),
            ("tell me a story about dogs", Phrase::Open),
            ("tell me", Phrase::Open),
            ("count to five", Phrase::Complete),
            ("count to", Phrase::Open),
            ("five", Phrase::Open),
            ("", Phrase::Open),
        ] {
            assert_eq!(grammar.phrase(text), phrase, "{text}");
        }
        assert!(grammar.words().contains("another") && grammar.words().contains("count"));
        assert!(!grammar.words().contains("public"));
    }

    #[test]
    fn a_list_of_phrases_is_a_grammar() {
        let grammar = Grammar::parse("front left | front right").unwrap();
        assert_eq!(grammar.phrase("front right"), Phrase::Complete);
        assert_eq!(grammar.phrase("front"), Phrase::Open);
        assert!(grammar.has("Front left!") && !grammar.has("front"));
        let mhm = ["uh-huh".to_owned()];
        let jsgf = grammar.to_jsgf([mhm.as_slice()]);
        assert!(jsgf.contains("public <said> = <r0> | uh-huh;"), "{jsgf}");
        // What is written reads back as the same.
        let again = Grammar::parse(&jsgf).unwrap();
        assert_eq!(again.phrase("front left"), Phrase::Complete);
        assert_eq!(again.phrase("uh-huh"), Phrase::Complete);
        let story = Grammar::parse(STORY).unwrap();
        let again = Grammar::parse(&story.to_jsgf([])).unwrap();
        assert_eq!(again.words(), story.words());
        assert_eq!(
            again.phrase("tell me a story about dogs and cats"),
            Phrase::Complete
        );
    }

    #[test]
    fn faults_say_where_and_what() {
        for (text, expect) in [
            ("", "1:1: the grammar is empty"),
            ("   // nothing\n", "1:1: the grammar is empty"),
            ("yes |", "1:6: expected a word, found the end"),
            ("yes | | no", "1:7: expected a word, found `|`"),
            ("(yes", "1:5: expected `)` after a group, found the end"),
            ("yes ) no", "1:5: `)` has no place here"),
            (
                "[yes",
                "1:5: expected `]` after what is optional, found the end",
            ),
            ("<yes", "1:1: this rule's name has no closing `>`"),
            ("<>", "1:1: a rule needs a name between `<` and `>`"),
            ("say <what>", "1:5: there is no rule `<what>`"),
            (
                "/x/ yes",
                "1:1: a weight is a number between slashes, not `x`",
            ),
            (
                "yes /2/ no",
                "1:5: a weight stands at the beginning of a choice",
            ),
            (
                "#JSGF V1.0;\n<a> = b;",
                "1:1: no rule is public: write `public` before those that may be said",
            ),
            (
                "public <a> = b",
                "1:15: expected `;` after the rule `<a>`, found the end",
            ),
            (
                "public <a> = b;\n<a> = c;",
                "2:1: the rule `<a>` is there twice",
            ),
            (
                "public a = b;",
                "1:8: expected a rule's name after `public`, as `<name>`",
            ),
            (
                "import <x.y>; public <a> = b;",
                "1:1: imports are not supported: write the rules into this grammar",
            ),
            (
                "public <a> = <a> b;",
                "1:14: the rule `<a>` begins with itself: only its end may be itself",
            ),
            (
                "public <a> = [x] <b>; <b> = <a>;",
                "1:29: the rule `<a>` begins with itself: only its end may be itself",
            ),
            (
                "public <a> = <NULL>;",
                "1:1: there is no word in the grammar",
            ),
            ("a }", "1:3: `}` has no place here"),
        ] {
            assert_eq!(
                Grammar::parse(text).unwrap_err().to_string(),
                expect,
                "{text}"
            );
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "(".repeat(100_000) + "a";
        assert!(Grammar::parse(&deep).unwrap_err().what.contains("nested"));
        let long = "a ".repeat(MAX_LENGTH);
        assert!(Grammar::parse(&long).is_err());
    }
}
