// SPDX-License-Identifier: MPL-2.0

//! `${…}` in values is well formed and bound.

use super::parameters::{self, Values};
use super::{Context, Property};
use duplex_yaml::interpolate::{self, Part};
use duplex_yaml::{Report, Spanned};

enum Unbound {
    /// The parameter is known but has no value yet.
    Pending,
    /// To be reported: the text of the reference, and a sentence.
    Wrong(String, String),
}

pub(super) fn check<'a>(
    cx: &Context<'a>,
    values: &Values,
    report: &mut Report,
) -> Vec<Property<'a>> {
    let mut out = Vec::new();
    for (id, element) in &cx.loaded.description.elements {
        if element.factory.contains("${") {
            // Reported by the rule of factories, too, but this is what was meant.
            report.add(
                element.factory.at,
                "a factory is fixed; parameters can only stand in properties",
            );
        }
        for (name, written) in &element.properties {
            // The first unbound reference ends the expansion; the others are errors all the same.
            for name in unknown(written, values) {
                let reference = format!("${{{name}}}");
                report.add(
                    cx.loaded.source.within(written.at, &reference),
                    format!(
                        "there is no parameter `{name}`{}",
                        parameters::suggestion(&name, cx)
                    ),
                );
            }
            let text = match expand(written, values) {
                Ok(text) if text.contains(['\n', '\r']) => {
                    report.add(
                        written.at,
                        format!("the value of `{}` has a line break", name.value),
                    );
                    None
                }
                Ok(text) => Some(text),
                Err(Unbound::Pending) => None,
                Err(Unbound::Wrong(part, message)) => {
                    report.add(cx.loaded.source.within(written.at, &part), message);
                    None
                }
            };
            let pspec = cx
                .factories
                .get(id.as_str())
                .and_then(|factory| factory.property(name));
            out.push(Property {
                id,
                name,
                written,
                text,
                pspec,
            });
        }
    }
    out
}

/// Parameters that a value refers to and that do not exist.
fn unknown(written: &str, values: &Values) -> Vec<String> {
    let parts = interpolate::parse(written).unwrap_or_default();
    parts
        .into_iter()
        .filter_map(|part| match part {
            Part::Parameter(name) if !values.contains_key(name.as_str()) => Some(name),
            _ => None,
        })
        .collect()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn expand(written: &Spanned<String>, values: &Values) -> Result<String, Unbound> {
    let parts = interpolate::parse(written)
        .map_err(|malformed| Unbound::Wrong(malformed.written, malformed.message))?;
    interpolate::expand(
        &parts,
        |name| match values.get(name) {
            Some(Some(value)) => Ok(value.clone()),
            // No value or no such parameter: the latter was reported.
            _ => Err(Unbound::Pending),
        },
        variable,
        |name, message| Unbound::Wrong(format!("${{{name}"), interpolate::unset(name, message)),
    )
}

/// Expands a text that may only refer to the environment: the default of a parameter.
pub(super) fn environment_only(written: &str) -> Result<String, (String, String)> {
    interpolate::environment(
        written,
        "the default of a parameter cannot use another parameter",
    )
}
