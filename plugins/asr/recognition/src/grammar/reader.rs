// SPDX-License-Identifier: MPL-2.0

//! Reading a grammar: characters into tokens, tokens into rules, and whether the rules can be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{Fault, Grammar, MAX_DEPTH, MAX_LENGTH, Node};

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
}
