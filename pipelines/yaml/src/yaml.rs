// SPDX-License-Identifier: MPL-2.0

//! YAML as a tree in which every node knows where it stands.
//!
//! The tree is built from the parser's events, so that duplicate keys, aliases that multiply and nesting without end are
//! seen before they cost anything.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::Form;
use crate::source::{Report, Source, Span, Spanned, nearest};

/// What a node is.
#[derive(Debug)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// Text; `plain` when it was written without quotes.
    Scalar {
        /// The text, unescaped.
        text: String,
        /// Written without quotes and not as a block.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Arc<Node>>),
    /// Keys and values in the order of the text, duplicates included.
    Mapping(Vec<(Arc<Node>, Arc<Node>)>),
}

/// A node and its place.
#[derive(Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub at: Span,
    nodes: usize,
}

impl Node {
    /// What the node is, in words, for messages.
    pub fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Scalar { .. } => "a value",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        }
    }
}

/// Keys with their places, and what belongs to each.
pub type Pairs<'a> = Vec<(Spanned<String>, &'a Node)>;

/// The pairs of a mapping; what is no mapping, a key that is no name and a key that stands twice are reported. `what` is
/// said of the node: "`server` is a mapping of names to values, not a list".
pub fn pairs<'a>(node: &'a Node, what: &str, report: &mut Report) -> Option<Pairs<'a>> {
    let Kind::Mapping(written) = &node.kind else {
        let is = node.what();
        report.add(
            node.at,
            format!("{what} is a mapping of names to values, not {is}"),
        );
        return None;
    };
    let mut lines: HashMap<&str, usize> = HashMap::new();
    let mut read: Pairs = Vec::new();
    for (key, value) in written {
        let Kind::Scalar { text, .. } = &key.kind else {
            report.add(
                key.at,
                format!("a name is expected here, not {}", key.what()),
            );
            continue;
        };
        if let Some(first) = lines.get(text.as_str()) {
            report.add(
                key.at,
                format!("`{text}` stands here a second time; the first is in line {first}"),
            );
            continue;
        }
        lines.insert(text, key.at.line);
        let name = Spanned {
            value: text.clone(),
            at: key.at,
        };
        read.push((name, value));
    }
    Some(read)
}

/// A single value as it was written; anything else is reported.
pub fn scalar(node: &Node, what: &str, report: &mut Report) -> Option<Spanned<String>> {
    match &node.kind {
        Kind::Scalar { text, .. } => Some(Spanned {
            value: text.clone(),
            at: node.at,
        }),
        Kind::Null => {
            report.add(node.at, format!("{what} has no value"));
            None
        }
        _ => {
            report.add(
                node.at,
                format!("{what} is a single value, not {}", node.what()),
            );
            None
        }
    }
}

/// Reports a key that nothing knows, with the known ones and the nearest of them.
pub fn unknown_key(key: &Spanned<String>, of: &str, known: &[&str], report: &mut Report) {
    let near = nearest(key, known.iter().copied());
    report.add(
        key.at,
        format!(
            "unknown key `{}` in {of}, which has {}{near}",
            key.value,
            known.join(", ")
        ),
    );
}

struct Open {
    at: Span,
    anchor: usize,
    mapping: bool,
    children: Vec<Arc<Node>>,
    nodes: usize,
}

/// Parses the one document of `source`; problems go to the report. `None` when there is no tree to go on with.
pub fn parse(source: &Source, form: &Form, report: &mut Report) -> Option<Arc<Node>> {
    let mut anchors: HashMap<usize, Arc<Node>> = HashMap::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut root: Option<Arc<Node>> = None;
    let mut aliases = false;
    for event in Parser::new_from_str(&source.text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(err) => {
                let at = Span {
                    line: err.marker().line(),
                    column: err.marker().col() + 1,
                    length: 1,
                };
                report.add(at, format!("this is not YAML: {}", err.info()));
                return None;
            }
        };
        let at = Span {
            line: span.start.line(),
            column: span.start.col() + 1,
            length: if span.end.line() == span.start.line() {
                span.end.col().saturating_sub(span.start.col()).max(1)
            } else {
                1
            },
        };
        let tag = match &event {
            Event::Scalar(_, _, _, tag)
            | Event::SequenceStart(_, tag)
            | Event::MappingStart(_, tag) => tag.as_ref(),
            _ => None,
        };
        if let Some(tag) = tag {
            report.add(
                at,
                format!(
                    "tags are not used in {}; remove `{}{}`",
                    form.what,
                    if tag.is_yaml_core_schema() {
                        "!!"
                    } else {
                        &tag.handle
                    },
                    tag.suffix
                ),
            );
        }
        let (node, anchor) = match event {
            Event::DocumentStart(_) if root.is_some() => {
                report.add(
                    at,
                    format!(
                        "a second document begins here; a file holds one {}",
                        form.noun()
                    ),
                );
                return root;
            }
            Event::Alias(id) => match anchors.get(&id) {
                Some(node) => {
                    aliases = true;
                    (node.clone(), 0)
                }
                None => {
                    report.add(at, "this alias stands inside what it names");
                    return None;
                }
            },
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let kind = if plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
                    Kind::Null
                } else {
                    Kind::Scalar {
                        text: text.into_owned(),
                        plain,
                    }
                };
                (Arc::new(Node { kind, at, nodes: 1 }), anchor)
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if stack.len() >= form.max_depth {
                    report.add(
                        at,
                        format!(
                            "nested more than {} levels deep; {} needs {}",
                            form.max_depth, form.what, form.needs
                        ),
                    );
                    return None;
                }
                stack.push(Open {
                    at,
                    anchor,
                    mapping: matches!(event, Event::MappingStart(..)),
                    children: Vec::new(),
                    nodes: 1,
                });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = stack.pop() else { continue };
                let kind = if open.mapping {
                    let mut pairs = Vec::with_capacity(open.children.len() / 2);
                    let mut children = open.children.into_iter();
                    while let (Some(key), Some(value)) = (children.next(), children.next()) {
                        pairs.push((key, value));
                    }
                    Kind::Mapping(pairs)
                } else {
                    Kind::Sequence(open.children)
                };
                let node = Node {
                    kind,
                    at: open.at,
                    nodes: open.nodes,
                };
                (Arc::new(node), open.anchor)
            }
            _ => continue,
        };
        if anchor != 0 {
            anchors.insert(anchor, node.clone());
        }
        match stack.last_mut() {
            Some(open) => {
                open.nodes = open.nodes.saturating_add(node.nodes);
                if open.nodes > form.max_nodes {
                    let many = form.max_nodes;
                    let message = if aliases {
                        format!(
                            "with its aliases written out, this has more than {many} nodes (an alias bomb?)"
                        )
                    } else {
                        format!("{} has at most {many} names and values", form.what)
                    };
                    report.add(at, message);
                    return None;
                }
                open.children.push(node);
            }
            None => root = Some(node),
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let source = Source {
            name: "x".into(),
            text: text.into(),
        };
        let mut report = Report::new(source.clone());
        let _ = parse(&source, &Form::new("a configuration"), &mut report);
        report.to_string()
    }

    #[test]
    fn messages_name_what_the_file_holds() {
        let table = [
            (
                "a: !b c",
                "tags are not used in a configuration; remove `!b`",
            ),
            (
                "a\n---\nb",
                "a second document begins here; a file holds one configuration",
            ),
            (
                &"[".repeat(17),
                "nested more than 16 levels deep; a configuration needs four",
            ),
            (
                &format!("[{}]", "a,".repeat(10_000)),
                "a configuration has at most 10000 names and values",
            ),
        ];
        for (text, expected) in table {
            let told = told(text);
            assert!(told.contains(expected), "{told}");
        }
    }
}
