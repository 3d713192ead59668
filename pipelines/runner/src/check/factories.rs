// SPDX-License-Identifier: MPL-2.0

//! Every factory exists here; where it does not, who has it.

use std::collections::HashMap;

use gst::prelude::*;

use super::Context;
use crate::inspect::{Inspected, Missing};
use crate::packages;
use duplex_yaml::{Report, nearest};

pub(super) fn check<'a>(cx: &Context<'a>, report: &mut Report) -> HashMap<&'a str, Inspected> {
    let mut factories = HashMap::new();
    for (id, element) in &cx.loaded.description.elements {
        let name = &element.factory;
        if name.is_empty() || name.contains("${") {
            continue;
        }
        match Inspected::find(name) {
            Ok(inspected) => {
                factories.insert(id.as_str(), inspected);
            }
            Err(missing) => report.add(name.at, sentence(name, missing)),
        }
    }
    factories
}

/// What to say about a factory that is not here.
pub(super) fn sentence(name: &str, missing: Missing) -> String {
    if missing == Missing::Broken {
        return format!(
            "the plugin that has the element `{name}` cannot be loaded; `gst-inspect-1.0 {name}` says why"
        );
    }
    if let Some(advice) = packages::advice(name) {
        return format!("the element `{name}` is not installed; {advice}");
    }
    let registry = gst::Registry::get();
    let mut names: Vec<String> = registry
        .features(gst::ElementFactory::static_type())
        .iter()
        .map(|feature| feature.name().to_string())
        .chain(packages::known().map(String::from))
        .collect();
    names.sort_unstable();
    names.dedup();
    format!(
        "there is no element `{name}`{}",
        nearest(name, names.iter().map(String::as_str))
    )
}
