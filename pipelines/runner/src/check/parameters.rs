// SPDX-License-Identifier: MPL-2.0

//! Parameters: defaults and given values have the right type, given names exist, and where the description is to be run
//! every parameter has a value.

use std::collections::HashMap;
use std::path::Path;

use super::{Context, Session};
use crate::description::{Parameter, ParameterType};
use duplex_yaml::duration::duration;
use duplex_yaml::{Report, interpolate, nearest};

/// Values by name; `None` for a parameter that has none yet.
pub(super) type Values<'a> = HashMap<&'a str, Option<String>>;

pub(super) fn check<'a>(cx: &Context<'a>, session: &Session, report: &mut Report) -> Values<'a> {
    let description = &cx.loaded.description;
    let mut values = Values::new();
    for (name, parameter) in &description.parameters {
        for allowed in &parameter.one_of {
            if let Err(message) = fits(parameter.r#type.value, allowed, Path::new("/"), false) {
                report.add(allowed.at, message);
            }
        }
        let default = parameter.default.as_ref().and_then(|default| {
            let text = match super::references::environment_only(default) {
                Ok(text) => text,
                Err((part, message)) => {
                    report.add(cx.loaded.source.within(default.at, &part), message);
                    return None;
                }
            };
            accepted(parameter, &text, &cx.loaded.folder)
                .map_err(|message| {
                    report.add(
                        default.at,
                        format!("the default of `{}`: {message}", name.value),
                    );
                })
                .ok()
        });
        let given = session.values.get(&name.value).and_then(|text| {
            accepted(parameter, text, &session.folder)
                .map_err(|message| report.whole_file(format!("{}={text}: {message}", name.value)))
                .ok()
        });
        let wrong = session.values.contains_key(&name.value) && given.is_none();
        let value = given.or(default);
        if value.is_none() && session.complete && parameter.default.is_none() && !wrong {
            report.add(
                name.at,
                format!(
                    "the parameter `{}` has no value: give it one with {}=…",
                    name.value, name.value
                ),
            );
        }
        values.insert(name.as_str(), value);
    }
    for name in session.values.keys() {
        if !values.contains_key(name.as_str()) {
            let known: Vec<&str> = values.keys().copied().collect();
            let list = if known.is_empty() {
                "it has none".to_string()
            } else {
                let mut known = known.clone();
                known.sort_unstable();
                format!("it has {}", known.join(", "))
            };
            report.whole_file(format!(
                "there is no parameter `{name}`: {list}{}",
                nearest(name, known)
            ));
        }
    }
    unused(cx, report);
    values
}

/// A parameter that nothing uses is a misspelt one.
fn unused(cx: &Context, report: &mut Report) {
    let description = &cx.loaded.description;
    for (name, _) in &description.parameters {
        let reference = format!("${{{}}}", name.value);
        let used = description.elements.iter().any(|(_, element)| {
            element
                .properties
                .iter()
                .any(|(_, value)| value.contains(&reference))
        });
        if !used {
            report.add(
                name.at,
                format!(
                    "no property uses the parameter `{}` ({reference})",
                    name.value
                ),
            );
        }
    }
}

/// The value as it goes into the description, or what is wrong with it.
fn accepted(parameter: &Parameter, text: &str, folder: &Path) -> Result<String, String> {
    if text.contains(['\n', '\r']) {
        return Err("a value has no line breaks".into());
    }
    let value = fits(parameter.r#type.value, text, folder, true)?;
    let allowed: Vec<&str> = parameter.one_of.iter().map(|one| one.as_str()).collect();
    if !allowed.is_empty() && !allowed.contains(&text) {
        return Err(format!(
            "`{text}` is not one of {}{}",
            allowed.join(", "),
            nearest(text, allowed.iter().copied())
        ));
    }
    Ok(value)
}

fn fits(kind: ParameterType, text: &str, folder: &Path, exists: bool) -> Result<String, String> {
    let wrong = |what: &str| Err(format!("`{text}` is not {what}"));
    match kind {
        ParameterType::Integer if text.parse::<i64>().is_err() => wrong("a whole number"),
        ParameterType::Number if !text.parse::<f64>().is_ok_and(f64::is_finite) => {
            wrong("a number")
        }
        ParameterType::Boolean if !["true", "false"].contains(&text) => {
            wrong("a boolean; write true or false")
        }
        ParameterType::Duration if duration(text).is_none() => {
            wrong("a duration such as 300ms, 2s or 1min")
        }
        ParameterType::File => {
            let path = folder.join(text);
            if exists && !path.exists() {
                return Err(format!("there is no file `{}`", path.display()));
            }
            Ok(path.display().to_string())
        }
        _ => Ok(text.to_string()),
    }
}

/// The reference to a parameter that `name` may have meant.
pub(super) fn suggestion(name: &str, cx: &Context) -> String {
    let known = cx.loaded.description.parameters.iter();
    let near = nearest(name, known.map(|(name, _)| name.as_str()));
    if near.is_empty() && !interpolate::well_formed(name) {
        format!(
            "; a variable of the environment is written `${{{name}:-default}}` or `${{{name}:?message}}`"
        )
    } else {
        near
    }
}
