// SPDX-License-Identifier: MPL-2.0

//! The typed keys of a configuration.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::duration::duration;
use crate::source::{Report, Source, Spanned, nearest};
use crate::yaml::{self, Kind, Node, Pairs};
use crate::{Form, interpolate};

/// One mapping of a file, asked for its keys one after the other.
///
/// Each question names a key, and thereby makes it known: [`finish`](Self::finish) reports those that nobody asked for.
/// `None` is the answer both for a key that is absent (or has nothing after its colon) and for one whose value is wrong,
/// which is in the report then. So a default can be taken in either case, and the report decides whether to go on.
///
/// Values may use `${ENV:-default}` and `${ENV:?message}`; a `${name}` is a problem, as a configuration has no parameters.
#[derive(Debug)]
pub struct Mapping<'a> {
    what: String,
    pairs: Option<Pairs<'a>>,
    source: Source,
    at: crate::Span,
    known: Vec<String>,
}

impl<'a> Mapping<'a> {
    /// The mapping that a whole file is.
    pub fn root(node: &'a Node, form: &Form, report: &mut Report) -> Mapping<'a> {
        Mapping::new(node, form.what, report)
    }

    /// A mapping inside a file; `what` is its name in messages: "`server`". Of what is no mapping every key is absent;
    /// that it is none was reported.
    pub fn new(node: &'a Node, what: impl Into<String>, report: &mut Report) -> Mapping<'a> {
        let what = what.into();
        Mapping {
            pairs: yaml::pairs(node, &what, report),
            source: report.source().clone(),
            at: node.at,
            known: Vec::new(),
            what,
        }
    }

    /// Where it stands.
    pub fn at(&self) -> crate::Span {
        self.at
    }

    /// The key and what belongs to it, as written.
    pub fn node(&mut self, key: &str) -> Option<(Spanned<String>, &'a Node)> {
        self.known.push(key.to_string());
        self.pairs
            .iter()
            .flatten()
            .find(|(name, node)| name.value == key && !matches!(node.kind, Kind::Null))
            .map(|(name, node)| (name.clone(), *node))
    }

    /// Reports each of `keys` that is absent. Ask for their values all the same.
    pub fn require(&mut self, keys: &[&str], report: &mut Report) {
        let Some(pairs) = &self.pairs else { return };
        for key in keys {
            let given = pairs.iter().find(|(name, _)| name.value == *key);
            match given {
                None => report.add(self.at, format!("{} has no `{key}`", self.what)),
                Some((name, node)) if matches!(node.kind, Kind::Null) => {
                    report.add(name.at, format!("`{key}` has no value"));
                }
                Some(_) => {}
            }
        }
    }

    /// Any text on one line.
    pub fn string(&mut self, key: &str, report: &mut Report) -> Option<Spanned<String>> {
        let (_, node) = self.node(key)?;
        self.text(node, &format!("`{key}`"), report)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str, report: &mut Report) -> Option<Spanned<bool>> {
        self.value(key, report, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("`{text}` is not a boolean; write true or false")),
        })
    }

    /// A whole number in `range`, ends included.
    pub fn integer(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
        report: &mut Report,
    ) -> Option<Spanned<i64>> {
        self.value(key, report, |text| match text.parse() {
            Ok(number) => within(number, &range, text),
            Err(_) => Err(format!(
                "`{text}` is not a whole number from {} to {}",
                range.start(),
                range.end()
            )),
        })
    }

    /// A number in `range`, ends included.
    pub fn float(
        &mut self,
        key: &str,
        range: RangeInclusive<f64>,
        report: &mut Report,
    ) -> Option<Spanned<f64>> {
        self.value(key, report, |text| match text.parse::<f64>() {
            Ok(number) if !number.is_nan() => within(number, &range, text),
            _ => Err(format!(
                "`{text}` is not a number from {} to {}",
                range.start(),
                range.end()
            )),
        })
    }

    /// A duration with its unit, such as `300ms`, in `range`, ends included.
    pub fn duration(
        &mut self,
        key: &str,
        range: RangeInclusive<Duration>,
        report: &mut Report,
    ) -> Option<Spanned<Duration>> {
        self.value(key, report, |text| {
            let Some(nanoseconds) = duration(text) else {
                return Err(format!(
                    "`{text}` is not a duration such as 300ms, 2s or 1min"
                ));
            };
            let given = Duration::from_nanos(nanoseconds);
            if range.contains(&given) {
                Ok(given)
            } else {
                Err(format!(
                    "`{text}` is out of range: {:?} to {:?}",
                    range.start(),
                    range.end()
                ))
            }
        })
    }

    /// One of the names in `choices`, as what stands beside it.
    pub fn one_of<T: Copy>(
        &mut self,
        key: &str,
        choices: &[(&str, T)],
        report: &mut Report,
    ) -> Option<Spanned<T>> {
        self.value(key, report, |text| {
            let found = choices.iter().find(|(name, _)| *name == text);
            found.map(|(_, choice)| *choice).ok_or_else(|| {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                let near = nearest(text, names.iter().copied());
                format!("`{text}` is not one of {}{near}", names.join(", "))
            })
        })
    }

    /// A list of texts; those that are none are reported and left out.
    pub fn strings(&mut self, key: &str, report: &mut Report) -> Option<Vec<Spanned<String>>> {
        let items = self.list(key, "values", report)?;
        Some(
            items
                .iter()
                .filter_map(|node| self.text(node, &format!("an item of `{key}`"), report))
                .collect(),
        )
    }

    /// A list of mappings.
    pub fn mappings(&mut self, key: &str, report: &mut Report) -> Option<Vec<Mapping<'a>>> {
        let items = self.list(key, "mappings", report)?;
        Some(
            items
                .iter()
                .map(|node| Mapping::new(node, format!("an item of `{key}`"), report))
                .collect(),
        )
    }

    /// A mapping with keys of its own. It has to be [finished](Self::finish), too.
    pub fn mapping(&mut self, key: &str, report: &mut Report) -> Option<Mapping<'a>> {
        let (_, node) = self.node(key)?;
        Some(Mapping::new(node, format!("`{key}`"), report))
    }

    /// A mapping of names that the file chooses to texts.
    pub fn map(
        &mut self,
        key: &str,
        report: &mut Report,
    ) -> Option<Vec<(Spanned<String>, Spanned<String>)>> {
        let (_, node) = self.node(key)?;
        let pairs = yaml::pairs(node, &format!("`{key}`"), report)?;
        Some(
            pairs
                .into_iter()
                .filter_map(|(name, node)| {
                    let text = self.text(node, &format!("`{}`", name.value), report)?;
                    Some((name, text))
                })
                .collect(),
        )
    }

    /// Reports the keys that were not asked for.
    pub fn finish(self, report: &mut Report) {
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        for (key, _) in self.pairs.iter().flatten() {
            if !known.contains(&key.as_str()) {
                yaml::unknown_key(key, &self.what, &known, report);
            }
        }
    }

    fn list(
        &mut self,
        key: &str,
        of: &str,
        report: &mut Report,
    ) -> Option<&'a [std::sync::Arc<Node>]> {
        let (_, node) = self.node(key)?;
        if let Kind::Sequence(items) = &node.kind {
            return Some(items);
        }
        report.add(
            node.at,
            format!("`{key}` is a list of {of}, not {}", node.what()),
        );
        None
    }

    fn value<T>(
        &mut self,
        key: &str,
        report: &mut Report,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Spanned<T>> {
        let text = self.string(key, report)?;
        match read(&text) {
            Ok(value) => Some(Spanned { value, at: text.at }),
            Err(message) => {
                report.add(text.at, format!("`{key}`: {message}"));
                None
            }
        }
    }

    /// A scalar with the environment put in.
    fn text(&self, node: &Node, what: &str, report: &mut Report) -> Option<Spanned<String>> {
        let written = yaml::scalar(node, what, report)?;
        match interpolate::environment(
            &written,
            "there are no parameters here; write `${ENV:-default}` or `${ENV:?message}`",
        ) {
            Ok(value) if value.contains(['\n', '\r']) => {
                report.add(written.at, format!("{what} has a line break"));
                None
            }
            Ok(value) => Some(Spanned {
                value,
                at: written.at,
            }),
            Err((part, message)) => {
                report.add(self.source.within(written.at, &part), message);
                None
            }
        }
    }
}

fn within<T: PartialOrd + Display>(
    number: T,
    range: &RangeInclusive<T>,
    text: &str,
) -> Result<T, String> {
    if range.contains(&number) {
        return Ok(number);
    }
    Err(format!(
        "`{text}` is out of range: {} to {}",
        range.start(),
        range.end()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form::new("a configuration");

    /// Reads with `read`, and gives the messages with their places, one a line.
    fn told(text: &str, read: impl FnOnce(&mut Mapping, &mut Report)) -> String {
        let source = Source {
            name: "x".into(),
            text: text.into(),
        };
        let mut report = Report::new(source.clone());
        let root = yaml::parse(&source, &FORM, &mut report).unwrap();
        let mut mapping = Mapping::root(&root, &FORM, &mut report);
        read(&mut mapping, &mut report);
        mapping.finish(&mut report);
        let problems = report.problems().map(|problem| {
            let at = problem.at.unwrap();
            format!("{}:{} {}\n", at.line, at.column, problem.message)
        });
        problems.collect()
    }

    #[test]
    fn good_values_are_read() {
        let text = "on: true\nport: 8443\nshare: 0.5\nwait: 300ms\nname: ${DUPLEX_NONE:-all of us}\n\
                    kind: dns\nhosts: [a, b]\nlabels: {x: 1, y: two}\nempty:\ninner: {deep: -3}\nmany: [{n: 1}, {n: 2}]\n";
        let told = told(text, |m, report| {
            m.require(&["port", "name"], report);
            assert!(m.boolean("on", report).unwrap().value);
            assert_eq!(m.integer("port", 1..=65535, report).unwrap().value, 8443);
            assert_eq!(m.float("share", 0.0..=1.0, report).unwrap().value, 0.5);
            let minute = Duration::ZERO..=Duration::from_secs(60);
            let wait = m.duration("wait", minute, report).unwrap();
            assert_eq!(wait.value, Duration::from_millis(300));
            assert_eq!(m.string("name", report).unwrap().value, "all of us");
            let kinds = [("dns", 1), ("static", 2)];
            assert_eq!(m.one_of("kind", &kinds, report).unwrap().value, 1);
            let hosts = m.strings("hosts", report).unwrap();
            assert_eq!((hosts.len(), hosts[1].at.column), (2, 12));
            let labels = m.map("labels", report).unwrap();
            assert_eq!((labels[1].0.as_str(), labels[1].1.as_str()), ("y", "two"));
            assert_eq!(m.string("empty", report), None);
            assert_eq!(m.string("absent", report), None);
            let mut inner = m.mapping("inner", report).unwrap();
            assert_eq!(inner.integer("deep", -5..=5, report).unwrap().value, -3);
            inner.finish(report);
            for (index, mut item) in m.mappings("many", report).unwrap().into_iter().enumerate() {
                let n = item.integer("n", 0..=9, report).unwrap();
                assert_eq!(n.value, index as i64 + 1);
                item.finish(report);
            }
        });
        assert_eq!(told, "");
    }

    #[test]
    fn each_wrong_value_is_told_at_its_place_with_what_it_may_be() {
        let text = "on: yes\nport: 70000\nslots: many\nshare: nan\nload: 2\nwait: 10\npause: 2min\nkind: dsn\n\
                    hosts: a\nlabels: [1]\ninner: {dep: 1}\nname: ${name}\nsecret: a ${DUPLEX_NONE:?set it}\nbroken: \"a\\nb\"\nnmae: x\nvoid:\n";
        let told = told(text, |m, report| {
            m.require(&["uri", "void"], report);
            m.string("uri", report);
            m.string("void", report);
            assert_eq!(m.boolean("on", report), None);
            assert_eq!(m.integer("port", 1..=65535, report), None);
            m.integer("slots", 1..=8, report);
            m.float("share", 0.0..=1.0, report);
            m.float("load", 0.0..=1.5, report);
            let minute = Duration::from_millis(1)..=Duration::from_secs(60);
            m.duration("wait", minute.clone(), report);
            m.duration("pause", minute, report);
            m.one_of("kind", &[("dns", 1), ("static", 2)], report);
            m.strings("hosts", report);
            m.map("labels", report);
            let mut inner = m.mapping("inner", report).unwrap();
            inner.integer("deep", 0..=1, report);
            inner.finish(report);
            m.string("name", report);
            m.string("secret", report);
            m.string("broken", report);
        });
        let expected = "\
1:1 a configuration has no `uri`
1:5 `on`: `yes` is not a boolean; write true or false
2:7 `port`: `70000` is out of range: 1 to 65535
3:8 `slots`: `many` is not a whole number from 1 to 8
4:8 `share`: `nan` is not a number from 0 to 1
5:7 `load`: `2` is out of range: 0 to 1.5
6:7 `wait`: `10` is not a duration such as 300ms, 2s or 1min
7:8 `pause`: `2min` is out of range: 1ms to 60s
8:7 `kind`: `dsn` is not one of dns, static; did you mean `dns`?
9:8 `hosts` is a list of values, not a value
10:9 `labels` is a mapping of names to values, not a list
11:9 unknown key `dep` in `inner`, which has deep; did you mean `deep`?
12:7 there are no parameters here; write `${ENV:-default}` or `${ENV:?message}`
13:11 the environment variable DUPLEX_NONE is not set: set it
14:9 `broken` has a line break
15:1 unknown key `nmae` in a configuration, which has uri, void, on, port, slots, share, load, wait, pause, kind, hosts, labels, inner, name, secret, broken; did you mean `name`?
16:1 `void` has no value
";
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_no_mapping_is_told_once() {
        let told = told("- a\n", |m, report| {
            m.require(&["uri"], report);
            assert_eq!(m.string("uri", report), None);
        });
        assert_eq!(
            told,
            "1:1 a configuration is a mapping of names to values, not a list\n"
        );
    }
}
