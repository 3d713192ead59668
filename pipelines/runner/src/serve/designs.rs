// SPDX-License-Identifier: MPL-2.0

//! The descriptions that a server has, each read once, and what clients may set in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use duplex_yaml::{Report, Source};

use super::config::{Override, Told, Wish};
use crate::check::{self, Session};
use crate::description::{self, Loaded, ParameterType};
use crate::plan::{Plan, Setting};

/// What is served where nothing is named.
const EMBEDDED: (&str, &str) = ("pipelines/speak.yaml", include_str!("../../../speak.yaml"));

/// A description with the values that the server gives it.
#[derive(Debug)]
pub struct Design {
    loaded: Loaded,
    session: Session,
    overrides: Vec<Override>,
    plan: Arc<Plan>,
}

impl Design {
    /// Reads a description, or the embedded one, and checks it with those values. What the configuration wants of it and
    /// it does not have is told of in `notices`.
    pub fn read(
        path: Option<&Path>,
        mut session: Session,
        wishes: &[Wish],
        overrides: &[Override],
        notices: &mut Vec<String>,
    ) -> Result<Design, Report> {
        let (loaded, mut report) = match path {
            Some(path) => crate::load(path),
            None => description::read(
                Source {
                    name: EMBEDDED.0.into(),
                    text: EMBEDDED.1.into(),
                },
                Path::new("."),
            ),
        };
        let Some(loaded) = loaded else {
            return Err(report);
        };
        for wish in wishes {
            let parameters = &loaded.description.parameters;
            if !parameters
                .iter()
                .any(|(name, _)| name.value == wish.parameter)
            {
                notices.push(format!(
                    "{}: it has no effect: {}",
                    wish.from, wish.otherwise
                ));
                continue;
            }
            let values = &mut session.values;
            values
                .entry(wish.parameter.into())
                .or_insert_with(|| wish.value.clone());
        }
        let mut plan = check::check(&loaded, &session, &mut report);
        let mut missed: Vec<&Override> = Vec::new();
        for wanted in overrides {
            match plan.set(wanted.factories, wanted.property, &wanted.value) {
                Ok(0) => missed.push(wanted),
                Ok(_) => {}
                Err(what) => report.whole_file(format!("{}: {what}", wanted.from)),
            }
        }
        // Where one of several properties was set, the key had its effect.
        missed.retain(|missed| {
            let done = |other: &&Override| other.from == missed.from && *other != *missed;
            !overrides.iter().filter(done).any(|other| {
                plan.elements
                    .iter()
                    .any(|e| other.factories.contains(&e.factory.as_str()))
            })
        });
        for missed in missed {
            notices.push(format!(
                "{}: it has no effect: the description has no {} with a property `{}`",
                missed.from,
                missed.factories.join(" or "),
                missed.property
            ));
        }
        if !report.is_empty() {
            return Err(report);
        }
        Ok(Design {
            loaded,
            session,
            overrides: overrides.to_vec(),
            plan: Arc::new(plan),
        })
    }

    /// The plan with a client's values in place of the server's.
    fn with(&self, parameters: &BTreeMap<String, String>) -> Result<Arc<Plan>, String> {
        if parameters.is_empty() {
            return Ok(self.plan.clone());
        }
        let mut session = self.session.clone();
        for (name, value) in parameters {
            self.settable(name)?;
            session.values.insert(name.clone(), value.clone());
        }
        let mut report = Report::new(self.loaded.source.clone());
        let mut plan = check::check(&self.loaded, &session, &mut report);
        for wanted in &self.overrides {
            plan.set(wanted.factories, wanted.property, &wanted.value)?;
        }
        // The caret and the places are for who wrote the description.
        match report.problems().next() {
            None => Ok(Arc::new(plan)),
            Some(problem) => Err(problem.message.clone()),
        }
    }

    /// Whether a client may set that parameter: it names no file, and stands alone in a plain property, where it cannot
    /// become an element.
    fn settable(&self, name: &str) -> Result<(), String> {
        let parameters = &self.loaded.description.parameters;
        let found = parameters.iter().find(|(known, _)| known.value == name);
        let Some((_, parameter)) = found else {
            let names = parameters.iter().map(|(known, _)| known.as_str());
            let near = duplex_yaml::nearest(name, names);
            return Err(format!("there is no parameter `{name}`{near}"));
        };
        let reference = format!("${{{name}");
        let inside = self
            .loaded
            .description
            .elements
            .iter()
            .any(|(id, element)| {
                element.properties.iter().any(|(property, value)| {
                    let plain = self.plan.element(id).is_some_and(|planned| {
                        planned.properties.iter().any(|planned| {
                            planned.name == property.value
                                && matches!(planned.setting, Setting::Value(_))
                        })
                    });
                    value.contains(&reference) && !plain
                })
            });
        if parameter.r#type.value == ParameterType::File || inside {
            return Err(format!("the parameter `{name}` is not for clients to set"));
        }
        Ok(())
    }
}

/// All descriptions of a server.
#[derive(Debug)]
pub struct Designs {
    default: Design,
    named: BTreeMap<String, Design>,
}

impl Designs {
    /// The one that clients get, and those that they may ask for by name.
    pub fn new(default: Design, named: BTreeMap<String, Design>) -> Designs {
        Designs { default, named }
    }

    /// What a client gets that asks for this description with these parameters; an error is for the client.
    pub fn plan(
        &self,
        name: Option<&str>,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Arc<Plan>, String> {
        let design = match name {
            None => &self.default,
            Some(name) => self.named.get(name).ok_or_else(|| {
                let near = duplex_yaml::nearest(name, self.named.keys().map(String::as_str));
                format!("there is no description `{name}` here{near}")
            })?,
        };
        design.with(parameters)
    }

    /// The plan of clients that ask for nothing.
    pub fn default_plan(&self) -> Arc<Plan> {
        self.default.plan.clone()
    }

    /// The workers that the default description asks for its voice, as `host:port`; none where its voice is its own.
    pub fn workers(&self) -> Vec<String> {
        let mut workers = Vec::new();
        for element in &self.default.plan.elements {
            for property in &element.properties {
                let own = element.factory == "grpctts" && property.name == "uri";
                let text = match property.setting {
                    Setting::Bin(_) if property.text.contains("grpctts") => property.text.as_str(),
                    _ if own => property.text.as_str(),
                    _ => continue,
                };
                // Of a list of addresses any will do.
                let parts = text.split(|c: char| c.is_whitespace() || ",;\"'=".contains(c));
                let found = parts.filter_map(|part| part.split_once("://"));
                workers.extend(
                    found
                        .filter(|(scheme, _)| scheme.starts_with("grpc"))
                        .map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or("").to_owned()),
                );
            }
        }
        workers
    }
}

/// The description that is served where nothing is named: the conversation that was installed with this program, or lies
/// in the source tree that it was built in; `None` where there is none, and the embedded one is taken.
pub fn default() -> Option<PathBuf> {
    let executable = std::env::current_exe().ok()?.canonicalize().ok()?;
    let folder = executable.parent()?;
    let candidates = [
        folder.join("../share/gst-duplex/pipelines"),
        folder.join("../../pipelines"),
    ];
    let mut found = candidates
        .iter()
        .map(|folder| folder.join("conversation.yaml"));
    found
        .find(|file| file.is_file())
        .and_then(|file| file.canonicalize().ok())
}

/// All descriptions that a configuration names. `session` has the values of the command line, which go first.
pub fn all(path: Option<&Path>, session: Session, told: &mut Told) -> Result<Designs, Report> {
    let (wishes, overrides) = (told.wishes.clone(), told.overrides.clone());
    let mut values = told.parameters.clone();
    values.extend(session.values);
    let session = Session { values, ..session };
    let named = std::mem::take(&mut told.descriptions);
    let notices = &mut told.notices;
    let default = Design::read(path, session.clone(), &wishes, &overrides, notices)?;
    let mut others = BTreeMap::new();
    for (name, path) in named {
        // Each takes of the values those that it has a parameter for; what fits none was told of above.
        let mut session = session.clone();
        let (loaded, _) = crate::load(&path);
        let parameters = loaded
            .map(|loaded| loaded.description.parameters)
            .unwrap_or_default();
        session
            .values
            .retain(|name, _| parameters.iter().any(|(known, _)| known.value == *name));
        let design = Design::read(Some(&path), session, &wishes, &overrides, &mut Vec::new())?;
        others.insert(name, design);
    }
    Ok(Designs::new(default, others))
}
