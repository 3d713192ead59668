// SPDX-License-Identifier: MPL-2.0

//! YAML as a tree in which every node knows where it stands.
//!
//! The tree is built from the parser's events, so that duplicate keys, aliases that multiply and nesting without end are
//! seen before they cost anything.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::source::{Report, Source, Span};

/// Deepest nesting of mappings and sequences; a description needs four levels.
pub const MAX_DEPTH: usize = 16;
/// Most nodes of a description, counted with every alias written out.
pub const MAX_NODES: usize = 10_000;

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

struct Open {
    at: Span,
    anchor: usize,
    mapping: bool,
    children: Vec<Arc<Node>>,
    nodes: usize,
}

/// Parses the one document of `source`; problems go to the report. `None` when there is no tree to go on with.
pub fn parse(source: &Source, report: &mut Report) -> Option<Arc<Node>> {
    let mut anchors: HashMap<usize, Arc<Node>> = HashMap::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut root: Option<Arc<Node>> = None;
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
                    "tags are not used in a description; remove `{}{}`",
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
                    "a second document begins here; a file holds one description",
                );
                return root;
            }
            Event::Alias(id) => match anchors.get(&id) {
                Some(node) => (node.clone(), 0),
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
                if stack.len() >= MAX_DEPTH {
                    report.add(
                        at,
                        format!(
                            "nested more than {MAX_DEPTH} levels deep; a description needs four"
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
                if open.nodes > MAX_NODES {
                    report.add(
                        at,
                        format!("with its aliases written out, this has more than {MAX_NODES} nodes (an alias bomb?)"),
                    );
                    return None;
                }
                open.children.push(node);
            }
            None => root = Some(node),
        }
    }
    root
}
