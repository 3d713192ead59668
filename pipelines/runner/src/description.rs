// SPDX-License-Identifier: MPL-2.0

//! The types of a description, and how they are read from YAML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use duplex_yaml::{Form, Kind, Node, Report, Source, Span, Spanned, nearest, yaml};
use schemars::JsonSchema;

/// What a file of `pipelines/` holds.
pub const FORM: Form = Form::new("a description");

/// One conversation design: elements, their properties and how they are linked.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Description {
    /// What the description is for, in a sentence or two.
    #[schemars(with = "Option<String>")]
    pub description: Option<Spanned<String>>,
    /// What may be set when it is run: `duplex run file.yaml name=value`.
    #[schemars(with = "BTreeMap<String, Parameter>", default)]
    pub parameters: Vec<(Spanned<String>, Parameter)>,
    /// The elements: an id of your choice, and for each its factory and properties.
    #[schemars(with = "BTreeMap<String, Element>")]
    pub elements: Vec<(Spanned<String>, Element)>,
    /// Chains of element ids, such as `ears -> asr -> mouth`; a pad is written `mixer.sink_0`, what comes from and goes to
    /// the caller `caller.audio` or `caller.text`.
    #[schemars(with = "Vec<String>", default)]
    pub links: Vec<Spanned<String>>,
}

/// A value that is set when the description is run.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Parameter {
    /// What kind of value it takes.
    #[schemars(with = "ParameterType")]
    pub r#type: Spanned<ParameterType>,
    /// What it is when it is not given; without one it has to be given.
    #[schemars(with = "Option<Scalar>")]
    pub default: Option<Spanned<String>>,
    /// What it is for.
    #[schemars(with = "Option<String>")]
    pub description: Option<Spanned<String>>,
    /// The only values that it takes.
    #[schemars(with = "Vec<Scalar>", default)]
    pub one_of: Vec<Spanned<String>>,
}

/// The kind of value a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub enum ParameterType {
    /// Any text on one line.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A number with its unit: `300ms`, `2s`, `1min`.
    Duration,
    /// The path of a file: a default is looked up beside the description, a given value in the current folder.
    File,
}

impl ParameterType {
    /// Every type with the name it has in a description.
    pub const ALL: [(&'static str, ParameterType); 6] = [
        ("string", ParameterType::String),
        ("integer", ParameterType::Integer),
        ("number", ParameterType::Number),
        ("boolean", ParameterType::Boolean),
        ("duration", ParameterType::Duration),
        ("file", ParameterType::File),
    ];

    /// The name it has in a description.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("string", |(name, _)| name)
    }
}

/// An element: its factory, and beside it any of its properties.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub struct Element {
    /// Name of the element, as in gst-launch-1.0: `gst-inspect-1.0` lists them.
    #[schemars(with = "String")]
    pub factory: Spanned<String>,
    /// Properties as `gst-inspect-1.0 FACTORY` lists them; of a child as `child::property`.
    #[schemars(flatten, with = "BTreeMap<String, Scalar>")]
    pub properties: Vec<(Spanned<String>, Spanned<String>)>,
}

/// A single value: text, a number or a boolean.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Scalar {
    /// Text; durations as `300ms`, `${name}` for parameters, `${ENV:-default}` for the environment.
    Text(String),
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
}

/// A description that was read, with its text and folder.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The text, for messages.
    pub source: Source,
    /// The folder that `file` parameters are looked up in.
    pub folder: PathBuf,
    /// What it says.
    pub description: Description,
}

/// Reads a description. The report holds everything that is wrong with its form; what could be read is given all the
/// same, so that the other rules can look at it.
pub fn read(source: Source, folder: &Path) -> (Option<Loaded>, Report) {
    let mut report = Report::new(source.clone());
    let root = yaml::parse(&source, &FORM, &mut report);
    if root.is_none() && !report.is_empty() {
        return (None, report);
    }
    let start = Span {
        line: 1,
        column: 1,
        length: 1,
    };
    let Some(root) = root.filter(|root| !matches!(root.kind, Kind::Null)) else {
        report.add(
            start,
            "the file is empty; a description has at least `elements` and `links`",
        );
        return (None, report);
    };
    let mut reader = Reader {
        report: &mut report,
    };
    let Some(description) = reader.description(&root) else {
        return (None, report);
    };
    let loaded = Loaded {
        source,
        folder: folder.to_path_buf(),
        description,
    };
    (Some(loaded), report)
}

struct Reader<'a> {
    report: &'a mut Report,
}

impl Reader<'_> {
    /// The pairs of a mapping with distinct keys.
    fn mapping<'a>(&mut self, node: &'a Node, what: &str) -> Option<yaml::Pairs<'a>> {
        yaml::pairs(node, what, self.report)
    }

    fn unknown_key(&mut self, key: &Spanned<String>, of: &str, known: &[&str]) {
        yaml::unknown_key(key, of, known, self.report);
    }

    fn scalar(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        yaml::scalar(node, what, self.report)
    }

    fn description(&mut self, root: &Node) -> Option<Description> {
        const KEYS: [&str; 4] = ["description", "parameters", "elements", "links"];
        let pairs = self.mapping(root, "a description")?;
        let mut out = Description::default();
        let mut has_elements = false;
        for (key, node) in pairs {
            match key.as_str() {
                "description" => out.description = self.scalar(node, "`description`"),
                "parameters" if matches!(node.kind, Kind::Null) => {}
                "parameters" => {
                    for (name, node) in self.mapping(node, "`parameters`").unwrap_or_default() {
                        if let Some(parameter) = self.parameter(&name, node) {
                            out.parameters.push((name, parameter));
                        }
                    }
                }
                "elements" => {
                    has_elements = true;
                    let elements = self.mapping(node, "`elements`");
                    if elements.as_ref().is_some_and(Vec::is_empty) {
                        self.report.add(node.at, "`elements` names no element");
                    }
                    for (id, node) in elements.unwrap_or_default() {
                        if let Some(element) = self.element(&id, node) {
                            out.elements.push((id, element));
                        }
                    }
                }
                "links" if matches!(node.kind, Kind::Null) => {}
                "links" => {
                    let Kind::Sequence(items) = &node.kind else {
                        self.report.add(
                            node.at,
                            format!(
                                "`links` is a list of chains such as `- ears -> mouth`, not {}",
                                node.what()
                            ),
                        );
                        continue;
                    };
                    for item in items {
                        out.links
                            .extend(self.scalar(item, "a chain such as `ears -> mouth`"));
                    }
                }
                _ => self.unknown_key(&key, "a description", &KEYS),
            }
        }
        if !has_elements {
            self.report.add(
                root.at,
                "there is no `elements`, which names the elements and their factories",
            );
        }
        Some(out)
    }

    fn parameter(&mut self, name: &Spanned<String>, node: &Node) -> Option<Parameter> {
        const KEYS: [&str; 4] = ["type", "default", "description", "one-of"];
        let pairs = self.mapping(node, &format!("the parameter `{}`", name.value))?;
        let (mut kind, mut default, mut description, mut one_of) = (None, None, None, Vec::new());
        let mut typed = false;
        for (key, node) in pairs {
            match key.as_str() {
                "type" => {
                    typed = true;
                    let Some(text) = self.scalar(node, "`type`") else {
                        continue;
                    };
                    let found = ParameterType::ALL.iter().find(|(name, _)| *name == *text);
                    if let Some((_, value)) = found {
                        kind = Some(Spanned {
                            value: *value,
                            at: text.at,
                        });
                    } else {
                        let names = ParameterType::ALL.map(|(name, _)| name);
                        self.report.add(
                            text.at,
                            format!(
                                "unknown type `{}`; a parameter is one of {}{}",
                                text.value,
                                names.join(", "),
                                nearest(&text, names)
                            ),
                        );
                    }
                }
                "default" => default = self.scalar(node, "`default`"),
                "description" => description = self.scalar(node, "`description`"),
                "one-of" => {
                    if let Kind::Sequence(items) = &node.kind {
                        for item in items {
                            one_of.extend(self.scalar(item, "an item of `one-of`"));
                        }
                    } else {
                        self.report.add(
                            node.at,
                            format!("`one-of` is a list of values, not {}", node.what()),
                        );
                    }
                }
                _ => self.unknown_key(&key, "a parameter", &KEYS),
            }
        }
        if !typed {
            self.report.add(
                name.at,
                format!(
                    "the parameter `{}` has no `type` ({})",
                    name.value,
                    ParameterType::ALL.map(|(name, _)| name).join(", ")
                ),
            );
        }
        Some(Parameter {
            // A wrong type was reported; any value will do then.
            r#type: kind.unwrap_or(Spanned {
                value: ParameterType::String,
                at: name.at,
            }),
            default,
            description,
            one_of,
        })
    }

    fn element(&mut self, id: &Spanned<String>, node: &Node) -> Option<Element> {
        let pairs = self.mapping(node, &format!("the element `{}`", id.value))?;
        let mut factory = None;
        let mut has_factory = false;
        let mut properties = Vec::new();
        for (key, node) in pairs {
            if key.as_str() == "factory" {
                has_factory = true;
                factory = self.scalar(node, "`factory`");
            } else if let Some(value) = self.scalar(node, &format!("the property `{}`", key.value))
            {
                properties.push((key, value));
            }
        }
        if !has_factory {
            let near = properties
                .iter()
                .map(|(key, _)| key)
                .find(|key| !nearest(key, ["factory"]).is_empty());
            match near {
                Some(key) => self.report.add(
                    key.at,
                    format!(
                        "the element `{}` has no `factory`; did you mean that by `{}`?",
                        id.value, key.value
                    ),
                ),
                None => self.report.add(
                    id.at,
                    format!(
                        "the element `{}` has no `factory`, the name of the element as in gst-launch-1.0",
                        id.value
                    ),
                ),
            }
        }
        Some(Element {
            // No factory was reported; the id exists all the same.
            factory: factory.unwrap_or(Spanned {
                value: String::new(),
                at: id.at,
            }),
            properties,
        })
    }
}

/// The JSON schema of a description, for editors: what `pipelines/schema.json` holds.
pub fn schema() -> String {
    let schema = schemars::schema_for!(Description);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
