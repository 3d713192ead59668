// SPDX-License-Identifier: MPL-2.0

//! Every rule of a description, one per file. All of them run, so that every error is reported at once; none of them builds a
//! pipeline.

pub(crate) mod bins;
mod branches;
mod caps;
mod cycles;
mod factories;
mod fitting;
mod ids;
mod interruption;
mod links;
mod pads;
mod parameters;
pub(crate) mod placeholders;
mod properties;
mod references;
mod synthesizer;
mod unlinked;
mod values;
mod writable;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use gst::glib;

use crate::description::{Element, Loaded};
use crate::graph::Link;
use crate::inspect::Inspected;
use crate::plan::Plan;
use crate::value;
use duplex_yaml::{Report, Spanned};

/// What a session brings to a description.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Parameters by name.
    pub values: BTreeMap<String, String>,
    /// Whether a parameter without a value is an error, as it is when the description is to be run.
    pub complete: bool,
    /// The folder that given `file` parameters are looked up in; the current one by default.
    pub folder: PathBuf,
}

/// A property of an element as written, with its value after interpolation.
pub(crate) struct Property<'a> {
    pub(crate) id: &'a Spanned<String>,
    pub(crate) name: &'a Spanned<String>,
    pub(crate) written: &'a Spanned<String>,
    /// `None` while a parameter that it needs has no value, or when its references are wrong.
    pub(crate) text: Option<String>,
    /// `None` when the factory or the property is unknown.
    pub(crate) pspec: Option<glib::ParamSpec>,
}

impl Property<'_> {
    /// The value as a gst-launch bin, when the property takes an element and it is no placeholder.
    pub(crate) fn bin(&self) -> Option<&str> {
        let pspec = self.pspec.as_ref()?;
        let text = self.text.as_deref()?;
        (value::takes_element(pspec) && !text.starts_with("caller.")).then_some(text)
    }
}

/// What the rules look at.
pub(crate) struct Context<'a> {
    pub(crate) loaded: &'a Loaded,
    pub(crate) factories: HashMap<&'a str, Inspected>,
    pub(crate) properties: Vec<Property<'a>>,
    /// Links whose ends exist.
    pub(crate) links: Vec<Link>,
    /// For each of `links`, the templates at its two ends.
    pub(crate) ends: Vec<pads::Ends>,
}

impl<'a> Context<'a> {
    pub(crate) fn element(&self, id: &str) -> Option<&'a Element> {
        self.loaded
            .description
            .elements
            .iter()
            .find(|(name, _)| name.value == id)
            .map(|(_, element)| element)
    }

    pub(crate) fn property(&self, id: &str, name: &str) -> Option<&Property<'a>> {
        self.properties
            .iter()
            .find(|property| property.id.value == id && property.name.value == name)
    }
}

/// Runs every rule. The plan can be built when the report is empty.
pub fn check(loaded: &Loaded, session: &Session, report: &mut Report) -> Plan {
    let mut cx = Context {
        loaded,
        factories: HashMap::new(),
        properties: Vec::new(),
        links: Vec::new(),
        ends: Vec::new(),
    };
    ids::check(&cx, report);
    let parameters = parameters::check(&cx, session, report);
    cx.factories = factories::check(&cx, report);
    cx.properties = references::check(&cx, &parameters, report);
    properties::check(&cx, report);
    writable::check(&cx, report);
    values::check(&cx, report);
    bins::check(&cx, report);
    fitting::check(&cx, report);
    placeholders::check(&cx, report);
    synthesizer::check(&cx, report);
    interruption::check(&cx, report);
    cx.links = links::check(&cx, report);
    cx.ends = pads::check(&cx, report);
    branches::check(&cx, report);
    caps::check(&cx, report);
    cycles::check(&cx, report);
    unlinked::check(&cx, report);
    Plan::new(&cx)
}
