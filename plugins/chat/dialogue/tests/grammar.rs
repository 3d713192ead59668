// SPDX-License-Identifier: MPL-2.0

//! Whatever the committed grammar lets a recogniser hear is something that works.

use std::collections::{BTreeMap, BTreeSet};

use duplex_dialogue::eliza::{Eliza, Skill, TimeOfDay};

const GRAMMAR: &str = include_str!("../../../../pipelines/conversation.gram");

/// As much of JSGF as the grammar uses.
enum Form {
    Word(String),
    Rule(String),
    Optional(Box<Form>),
    All(Vec<Form>),
    One(Vec<Form>),
}

struct Grammar(BTreeMap<String, Form>);

impl Grammar {
    fn read(text: &str) -> Self {
        let mut text = text.to_owned();
        while let Some((before, rest)) = text.split_once("/*") {
            let (_, after) = rest.split_once("*/").expect("a comment ends");
            text = format!("{before}{after}");
        }
        let mut rules = BTreeMap::new();
        for statement in text.split(';') {
            let Some((name, body)) = statement.split_once('=') else {
                continue;
            };
            let name = name.trim().trim_start_matches("public").trim();
            let name = name.trim_matches(['<', '>']).to_owned();
            let spaced = ["(", ")", "[", "]", "|"]
                .iter()
                .fold(body.to_owned(), |body, mark| {
                    body.replace(mark, &format!(" {mark} "))
                });
            let tokens: Vec<&str> = spaced.split_whitespace().collect();
            let mut at = 0;
            let form = one(&tokens, &mut at);
            assert_eq!(at, tokens.len(), "<{name}> is read to its end");
            assert!(rules.insert(name, form).is_none(), "a rule stands once");
        }
        Self(rules)
    }

    fn phrases(&self, rule: &str) -> Vec<String> {
        let form = self
            .0
            .get(rule)
            .unwrap_or_else(|| panic!("there is no <{rule}>"));
        self.expand(form)
    }

    fn expand(&self, form: &Form) -> Vec<String> {
        match form {
            Form::Word(word) => vec![word.clone()],
            Form::Rule(name) => self.phrases(name),
            Form::Optional(form) => {
                let mut all = self.expand(form);
                all.push(String::new());
                all
            }
            Form::One(forms) => forms.iter().flat_map(|form| self.expand(form)).collect(),
            Form::All(forms) => forms.iter().fold(vec![String::new()], |before, form| {
                let next = self.expand(form);
                let joined = before.iter().flat_map(|a| {
                    next.iter()
                        .map(move |b| format!("{a} {b}").trim().to_owned())
                });
                joined.collect()
            }),
        }
    }
}

fn one(tokens: &[&str], at: &mut usize) -> Form {
    let mut forms = vec![all(tokens, at)];
    while tokens.get(*at) == Some(&"|") {
        *at += 1;
        forms.push(all(tokens, at));
    }
    Form::One(forms)
}

fn all(tokens: &[&str], at: &mut usize) -> Form {
    let mut forms = Vec::new();
    while let Some(token) = tokens.get(*at) {
        match *token {
            "|" | ")" | "]" => break,
            open @ ("(" | "[") => {
                *at += 1;
                let inner = one(tokens, at);
                let close = if open == "(" { ")" } else { "]" };
                assert_eq!(tokens.get(*at), Some(&close));
                forms.push(if open == "(" {
                    inner
                } else {
                    Form::Optional(Box::new(inner))
                });
            }
            name if name.starts_with('<') => {
                forms.push(Form::Rule(name.trim_matches(['<', '>']).to_owned()))
            }
            word => forms.push(Form::Word(word.to_owned())),
        }
        *at += 1;
    }
    Form::All(forms)
}

const SKILLS: [Skill; 14] = [
    Skill::Story,
    Skill::Count,
    Skill::Repeat,
    Skill::Time,
    Skill::Spell,
    Skill::Help,
    Skill::GoOn,
    Skill::Stop,
    Skill::Yes,
    Skill::No,
    Skill::Hello,
    Skill::Goodbye,
    Skill::Who,
    Skill::Thanks,
];

fn skill_of(phrase: &str) -> Skill {
    let mut eliza = Eliza::new(0);
    eliza.answer("a", phrase, None, TimeOfDay::default()).skill
}

#[test]
fn every_phrase_of_each_rule_gets_the_skill_that_the_rule_is_named_for() {
    let grammar = Grammar::read(GRAMMAR);
    let mut tried = 0;
    for skill in SKILLS {
        for phrase in grammar.phrases(skill.name()) {
            assert_eq!(skill_of(&phrase), skill, "{phrase}");
            tried += 1;
        }
    }
    assert!(tried > 300, "only {tried}");
}

#[test]
fn no_whole_turn_of_the_grammar_falls_back_on_eliza() {
    let grammar = Grammar::read(GRAMMAR);
    // What rules say by themselves, with its skill; then everything, with politeness around it.
    let mut by_phrase: BTreeMap<String, Skill> = BTreeMap::new();
    for skill in SKILLS {
        for phrase in grammar.phrases(skill.name()) {
            let other = by_phrase.insert(phrase.clone(), skill);
            assert_eq!(
                other.filter(|other| *other != skill),
                None,
                "{phrase} stands in two rules"
            );
        }
    }
    let turns: BTreeSet<String> = grammar.phrases("turn").into_iter().collect();
    assert!(turns.len() > 3_000, "only {}", turns.len());
    let polite = grammar.phrases("polite");
    for turn in &turns {
        let mut core = turn.as_str();
        for polite in &polite {
            core = core.strip_prefix(polite.as_str()).unwrap_or(core).trim();
        }
        let bare = core.strip_suffix("please").unwrap_or(core).trim();
        let expected = (by_phrase.get(turn))
            .or_else(|| by_phrase.get(core))
            .or_else(|| by_phrase.get(bare));
        let expected = *expected.unwrap_or_else(|| panic!("{turn} stands in no rule"));
        assert_eq!(skill_of(turn), expected, "{turn}");
        assert_ne!(expected, Skill::Reflect);
    }
    // What is repeated is what was said.
    let sentence = &grammar.phrases("sentence")[0];
    let mut eliza = Eliza::new(0);
    let reply = eliza.answer(
        "a",
        &format!("please repeat after me {sentence}"),
        None,
        TimeOfDay::default(),
    );
    assert_eq!(reply.text, "Good morning everybody.");
}

/// A recogniser with a dictionary knows these words. Debian's: pocketsphinx-en-us.
#[test]
fn every_word_is_in_the_dictionary_of_the_recogniser() {
    let path = "/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict";
    let Ok(dictionary) = std::fs::read_to_string(path) else {
        println!("SKIPPED: {path} is not there: apt-get install pocketsphinx-en-us");
        return;
    };
    let known: BTreeSet<&str> = dictionary
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for turn in Grammar::read(GRAMMAR).phrases("turn") {
        for word in turn.split(' ') {
            assert!(known.contains(word), "{word}");
        }
    }
}
