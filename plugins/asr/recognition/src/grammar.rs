// SPDX-License-Identifier: MPL-2.0

//! Grammars: what may be said, in the form of JSGF, the Java Speech Grammar Format.
//!
//! A grammar without a header is the right side of one rule, so `stop | tell me a story` is one. Words are compared in
//! lower case. Imports are not supported: a recogniser reads no files but those that it was given.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

use crate::{backchannel, engine::Phrase};

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

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Rule(String),
    Weight(String),
    /// One of `= ; | ( ) [ ] * +`.
    Sign(char),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(word) => write!(f, "`{word}`"),
            Token::Rule(name) => write!(f, "`<{name}>`"),
            Token::Weight(weight) => write!(f, "`/{weight}/`"),
            Token::Sign(sign) => write!(f, "`{sign}`"),
        }
    }
}

type Place = (usize, usize);

fn fault((line, column): Place, what: impl Into<String>) -> Fault {
    Fault {
        line,
        column,
        what: what.into(),
    }
}

struct Characters<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    place: Place,
}

impl Characters<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.place = if c == '\n' {
            (self.place.0 + 1, 1)
        } else {
            (self.place.0, self.place.1 + 1)
        };
        Some(c)
    }

    /// Everything up to `end`, which is taken too.
    fn until(&mut self, end: char, what: &str, from: Place) -> Result<String, Fault> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some(c) if c == end => return Ok(text),
                Some(c) => text.push(c),
                None => return Err(fault(from, format!("{what} has no closing `{end}`"))),
            }
        }
    }
}

fn tokens(text: &str) -> Result<Vec<(Place, Token)>, Fault> {
    let mut found = Vec::new();
    let mut input = Characters {
        rest: text.chars().peekable(),
        place: (1, 1),
    };
    while let Some(&c) = input.rest.peek() {
        let place = input.place;
        if c.is_whitespace() {
            input.next();
            continue;
        }
        match c {
            '=' | ';' | '|' | '(' | ')' | '[' | ']' | '*' | '+' => {
                input.next();
                found.push((place, Token::Sign(c)));
            }
            '<' => {
                input.next();
                let name = input.until('>', "this rule's name", place)?;
                let name = name.trim().to_owned();
                if name.is_empty() {
                    return Err(fault(place, "a rule needs a name between `<` and `>`"));
                }
                found.push((place, Token::Rule(name)));
            }
            '{' => {
                input.next();
                // What a tag says is for programs, not for ears.
                input.until('}', "this tag", place)?;
            }
            '/' => {
                input.next();
                match input.rest.peek() {
                    Some('/') => while input.next().is_some_and(|c| c != '\n') {},
                    Some('*') => {
                        input.next();
                        let mut last = ' ';
                        loop {
                            match input.next() {
                                Some('/') if last == '*' => break,
                                Some(c) => last = c,
                                None => return Err(fault(place, "this comment has no end")),
                            }
                        }
                    }
                    _ => {
                        let weight = input.until('/', "this weight", place)?;
                        let weight = weight.trim();
                        if !weight
                            .parse::<f32>()
                            .is_ok_and(|w| w.is_finite() && w >= 0.0)
                        {
                            return Err(fault(
                                place,
                                format!("a weight is a number between slashes, not `{weight}`"),
                            ));
                        }
                        found.push((place, Token::Weight(weight.to_owned())));
                    }
                }
            }
            '"' => {
                input.next();
                let quoted = input.until('"', "this quoted word", place)?;
                found.extend(
                    quoted
                        .split_whitespace()
                        .map(|w| (place, Token::Word(w.to_lowercase()))),
                );
            }
            '>' | '}' | '\\' => {
                return Err(fault(place, format!("`{c}` has no place here")));
            }
            _ => {
                let mut word = String::new();
                while let Some(&c) = input.rest.peek()
                    && !c.is_whitespace()
                    && !"=;|()[]*+<>{}/\"\\".contains(c)
                {
                    word.push(c);
                    input.next();
                }
                found.push((place, Token::Word(word)));
            }
        }
    }
    Ok(found)
}

struct Parser {
    tokens: Vec<(Place, Token)>,
    at: usize,
    end: Place,
    /// Where each rule that is asked for was first asked for.
    asked: BTreeMap<String, Place>,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn place(&self) -> Place {
        self.tokens
            .get(self.at)
            .map_or(self.end, |(place, _)| *place)
    }

    fn is(&mut self, sign: char) -> bool {
        let is = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, sign: char, after: &str) -> Result<(), Fault> {
        if self.is(sign) {
            return Ok(());
        }
        let found = self.peek().map_or("the end".to_owned(), Token::to_string);
        Err(fault(
            self.place(),
            format!("expected `{sign}` after {after}, found {found}"),
        ))
    }

    fn choice(&mut self, depth: usize) -> Result<Node, Fault> {
        if depth > MAX_DEPTH {
            return Err(fault(
                self.place(),
                format!("groups are nested deeper than {MAX_DEPTH}"),
            ));
        }
        let mut ways = Vec::new();
        loop {
            let weight = match self.peek() {
                Some(Token::Weight(weight)) => {
                    let weight = weight.clone();
                    self.at += 1;
                    Some(weight)
                }
                _ => None,
            };
            ways.push((weight, self.sequence(depth)?));
            if !self.is('|') {
                break;
            }
        }
        if let [(None, _)] = ways.as_slice() {
            return Ok(ways.remove(0).1);
        }
        Ok(Node::Choice(ways))
    }

    fn sequence(&mut self, depth: usize) -> Result<Node, Fault> {
        let mut items = Vec::new();
        loop {
            let place = self.place();
            let mut item = match self.peek() {
                Some(Token::Word(word)) => {
                    let word = Node::Word(word.to_lowercase());
                    self.at += 1;
                    word
                }
                Some(Token::Rule(name)) => {
                    let name = name.clone();
                    self.at += 1;
                    self.asked.entry(name.clone()).or_insert(place);
                    Node::Rule(name)
                }
                Some(Token::Sign('(')) => {
                    self.at += 1;
                    let group = self.choice(depth + 1)?;
                    self.expect(')', "a group")?;
                    group
                }
                Some(Token::Sign('[')) => {
                    self.at += 1;
                    let group = self.choice(depth + 1)?;
                    self.expect(']', "what is optional")?;
                    Node::Optional(Box::new(group))
                }
                Some(Token::Weight(_)) => {
                    return Err(fault(place, "a weight stands at the beginning of a choice"));
                }
                _ => break,
            };
            loop {
                if self.is('*') {
                    item = Node::Repeated(Box::new(item), false);
                } else if self.is('+') {
                    item = Node::Repeated(Box::new(item), true);
                } else {
                    break;
                }
            }
            items.push(item);
        }
        match items.len() {
            0 => {
                let found = self.peek().map_or("the end".to_owned(), Token::to_string);
                Err(fault(
                    self.place(),
                    format!("expected a word, found {found}"),
                ))
            }
            1 => Ok(items.remove(0)),
            _ => Ok(Node::Sequence(items)),
        }
    }
}

impl Grammar {
    /// Reads a grammar.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > MAX_LENGTH {
            return Err(fault(
                (1, 1),
                format!("a grammar has {MAX_LENGTH} bytes at most"),
            ));
        }
        let text = text.trim_start_matches('\u{feff}');
        let end = (
            text.lines().count().max(1),
            text.lines().last().map_or(1, |l| l.chars().count() + 1),
        );
        let whole = text.trim_start();
        let header = whole.starts_with("#JSGF");
        let mut parser = Parser {
            tokens: tokens(text)?,
            at: 0,
            end,
            asked: BTreeMap::new(),
        };
        if parser.tokens.is_empty() {
            return Err(fault((1, 1), "the grammar is empty"));
        }
        let mut grammar = Self {
            rules: BTreeMap::new(),
            public: Vec::new(),
        };
        let rules = parser
            .tokens
            .iter()
            .any(|(_, token)| *token == Token::Sign('='));
        if !header && !rules {
            let rule = parser.choice(0)?;
            parser.is(';');
            if let Some(token) = parser.peek() {
                return Err(fault(parser.place(), format!("{token} has no place here")));
            }
            grammar.rules.insert("what-is-said".into(), rule);
            grammar.public.push("what-is-said".into());
        } else {
            grammar.statements(&mut parser)?;
        }
        grammar.check(&parser)?;
        Ok(grammar)
    }

    fn statements(&mut self, parser: &mut Parser) -> Result<(), Fault> {
        while let Some(token) = parser.peek().cloned() {
            let place = parser.place();
            match token {
                Token::Word(word) if word == "#JSGF" || word == "grammar" => {
                    while parser.peek().is_some_and(|t| *t != Token::Sign(';')) {
                        parser.at += 1;
                    }
                    parser.expect(';', &format!("`{word}`"))?;
                }
                Token::Word(word) if word == "import" => {
                    return Err(fault(
                        place,
                        "imports are not supported: write the rules into this grammar",
                    ));
                }
                Token::Word(word) if word == "public" => {
                    parser.at += 1;
                    self.rule(parser, true)?;
                }
                Token::Rule(_) => self.rule(parser, false)?,
                other => {
                    return Err(fault(
                        place,
                        format!("expected a rule, as `public <name> = words;`, found {other}"),
                    ));
                }
            }
        }
        Ok(())
    }

    fn rule(&mut self, parser: &mut Parser, public: bool) -> Result<(), Fault> {
        let place = parser.place();
        let Some(Token::Rule(name)) = parser.peek().cloned() else {
            return Err(fault(
                place,
                "expected a rule's name after `public`, as `<name>`",
            ));
        };
        parser.at += 1;
        parser.expect('=', &format!("`<{name}>`"))?;
        let node = parser.choice(0)?;
        parser.expect(';', &format!("the rule `<{name}>`"))?;
        if self.rules.insert(name.clone(), node).is_some() {
            return Err(fault(place, format!("the rule `<{name}>` is there twice")));
        }
        if public {
            self.public.push(name);
        }
        Ok(())
    }

    /// That all rules are there, that there is something to say, and that none begins with itself.
    fn check(&self, parser: &Parser) -> Result<(), Fault> {
        for (name, place) in &parser.asked {
            if !self.rules.contains_key(name) && name != "NULL" && name != "VOID" {
                return Err(fault(*place, format!("there is no rule `<{name}>`")));
            }
        }
        if self.public.is_empty() {
            return Err(fault(
                (1, 1),
                "no rule is public: write `public` before those that may be said",
            ));
        }
        for name in self.rules.keys() {
            let mut seen = BTreeSet::new();
            if self.begins_with(&Node::Rule(name.clone()), name, &mut seen, true) {
                let place = parser.asked.get(name).copied().unwrap_or((1, 1));
                return Err(fault(
                    place,
                    format!("the rule `<{name}>` begins with itself: only its end may be itself"),
                ));
            }
        }
        if self.words().is_empty() {
            return Err(fault((1, 1), "there is no word in the grammar"));
        }
        Ok(())
    }

    /// Whether a node can begin with a rule; `top`: the rule itself is looked into, not found.
    fn begins_with(&self, node: &Node, rule: &str, seen: &mut BTreeSet<String>, top: bool) -> bool {
        match node {
            Node::Word(_) => false,
            Node::Rule(name) if name == rule && !top => true,
            Node::Rule(name) => {
                seen.insert(name.clone())
                    && (self.rules.get(name))
                        .is_some_and(|node| self.begins_with(node, rule, seen, false))
            }
            Node::Choice(ways) => ways
                .iter()
                .any(|(_, way)| self.begins_with(way, rule, seen, false)),
            Node::Optional(node) | Node::Repeated(node, _) => {
                self.begins_with(node, rule, seen, false)
            }
            Node::Sequence(items) => {
                for item in items {
                    if self.begins_with(item, rule, seen, false) {
                        return true;
                    }
                    if !self.may_be_empty(item, 0) {
                        return false;
                    }
                }
                false
            }
        }
    }

    fn may_be_empty(&self, node: &Node, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            return false;
        }
        match node {
            Node::Word(_) => false,
            Node::Rule(name) if name == "NULL" => true,
            Node::Rule(name) => {
                (self.rules.get(name)).is_some_and(|node| self.may_be_empty(node, depth + 1))
            }
            Node::Choice(ways) => ways
                .iter()
                .any(|(_, way)| self.may_be_empty(way, depth + 1)),
            Node::Optional(_) | Node::Repeated(_, false) => true,
            Node::Repeated(node, true) => self.may_be_empty(node, depth + 1),
            Node::Sequence(items) => items.iter().all(|item| self.may_be_empty(item, depth + 1)),
        }
    }

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
