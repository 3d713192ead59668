// SPDX-License-Identifier: MPL-2.0

//! `${name}`, `${ENV:-default}` and `${ENV:?message}` in values.

/// A piece of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text as it stands.
    Text(String),
    /// `${name}`: a parameter of the description.
    Parameter(String),
    /// `${NAME:-default}` or `${NAME:?message}`: a variable of the environment.
    Environment {
        /// Name of the variable.
        name: String,
        /// What to take where it is unset or empty: a value, or the message of the error.
        otherwise: Otherwise,
    },
}

/// What happens where a variable is unset or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// This value is taken.
    Default(String),
    /// This is the error.
    Message(String),
}

/// What is wrong with a reference, and its text as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The reference as written, or as much of it as there is.
    pub written: String,
    /// One sentence.
    pub message: String,
}

/// Splits a value into its parts; `$${` stands for a literal `${`, and a lone `$` for itself.
pub fn parse(value: &str) -> Result<Vec<Part>, Malformed> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        let tail = &rest[at..];
        if let Some(literal) = tail.strip_prefix("$${") {
            text.push_str("${");
            rest = literal;
        } else if let Some(inside) = tail.strip_prefix("${") {
            let Some(end) = inside.find('}') else {
                return Err(Malformed {
                    written: tail.to_string(),
                    message: "`${` is never closed by `}`".into(),
                });
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            let written = &tail[..end + 3];
            parts.push(reference(&inside[..end]).map_err(|message| Malformed {
                written: written.to_string(),
                message,
            })?);
            rest = &inside[end + 1..];
        } else {
            text.push('$');
            rest = &tail[1..];
        }
    }
    text.push_str(rest);
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

fn reference(inside: &str) -> Result<Part, String> {
    if inside.contains("${") {
        return Err("a reference cannot stand inside another".into());
    }
    let (name, otherwise) = if let Some((name, default)) = inside.split_once(":-") {
        (name, Some(Otherwise::Default(default.to_string())))
    } else if let Some((name, message)) = inside.split_once(":?") {
        (name, Some(Otherwise::Message(message.to_string())))
    } else {
        (inside, None)
    };
    if name.is_empty() {
        return Err("a reference needs a name: `${name}`".into());
    }
    match otherwise {
        Some(otherwise) => {
            let good = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !name.starts_with(|c: char| c.is_ascii_digit());
            if !good {
                return Err(format!(
                    "`{name}` cannot be the name of an environment variable (letters, digits and `_`)"
                ));
            }
            Ok(Part::Environment {
                name: name.to_string(),
                otherwise,
            })
        }
        None if well_formed(name)
            || name
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') =>
        {
            Ok(Part::Parameter(name.to_string()))
        }
        None => Err(format!(
            "`{name}` is no reference; write `${{name}}`, `${{ENV:-default}}` or `${{ENV:?message}}`"
        )),
    }
}

/// Whether `name` can be the id of an element or the name of a parameter.
pub fn well_formed(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

/// Puts the parts together. `parameter` and `environment` give values; the former's error is returned as it is.
pub fn expand<E>(
    parts: &[Part],
    mut parameter: impl FnMut(&str) -> Result<String, E>,
    mut environment: impl FnMut(&str) -> Option<String>,
    mut unset: impl FnMut(&str, &str) -> E,
) -> Result<String, E> {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Parameter(name) => out.push_str(&parameter(name)?),
            Part::Environment { name, otherwise } => {
                match (
                    environment(name).filter(|value| !value.is_empty()),
                    otherwise,
                ) {
                    (Some(value), _) => out.push_str(&value),
                    (None, Otherwise::Default(default)) => out.push_str(default),
                    (None, Otherwise::Message(message)) => return Err(unset(name, message)),
                }
            }
        }
    }
    Ok(out)
}

/// Expands a text that may only refer to the environment: `parameters` is what is said of a `${name}`. The error is the
/// reference and a sentence.
pub fn environment(written: &str, parameters: &str) -> Result<String, (String, String)> {
    let parts = parse(written).map_err(|bad| (bad.written, bad.message))?;
    expand(
        &parts,
        |name| Err((format!("${{{name}}}"), parameters.to_string())),
        |name| std::env::var(name).ok(),
        |name, message| (format!("${{{name}"), unset(name, message)),
    )
}

/// What is said of a variable that is not set.
pub fn unset(name: &str, message: &str) -> String {
    format!("the environment variable {name} is not set: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand_text(value: &str) -> Result<String, String> {
        let parts = parse(value).map_err(|err| format!("{}: {}", err.written, err.message))?;
        expand(
            &parts,
            |name| match name {
                "voice" => Ok("fr".to_string()),
                "empty" => Ok(String::new()),
                _ => Err(format!("no parameter {name}")),
            },
            |name| match name {
                "HOME" => Some("/root".to_string()),
                "EMPTY" => Some(String::new()),
                "NESTED" => Some("${voice}".to_string()),
                _ => None,
            },
            |name, message| format!("{name} unset: {message}"),
        )
    }

    #[test]
    fn table() {
        let good = [
            ("", ""),
            ("plain", "plain"),
            ("${voice}", "fr"),
            ("a ${voice} b", "a fr b"),
            ("${voice}${voice}", "frfr"),
            ("[${empty}]", "[]"),
            ("$", "$"),
            ("$5", "$5"),
            ("5$", "5$"),
            ("$$", "$$"),
            ("$voice", "$voice"),
            ("{voice}", "{voice}"),
            ("$${voice}", "${voice}"),
            ("$$${voice}", "$${voice}"),
            ("${HOME:-/tmp}", "/root"),
            ("${HOME:?set it}", "/root"),
            ("${NONE:-/tmp/a b}", "/tmp/a b"),
            ("${NONE:-}", ""),
            ("${EMPTY:-full}", "full"),
            ("${NONE:-a:-b}", "a:-b"),
            ("${NONE:-http://h:1/?q}", "http://h:1/?q"),
            // What comes from outside is never expanded again.
            ("${NESTED:-}", "${voice}"),
            ("größe ${voice} ß", "größe fr ß"),
        ];
        for (value, expected) in good {
            assert_eq!(expand_text(value).as_deref(), Ok(expected), "{value}");
        }
        let bad = [
            ("${", "${: `${` is never closed by `}`"),
            ("a ${voice", "${voice: `${` is never closed by `}`"),
            ("${}", "${}: a reference needs a name: `${name}`"),
            ("${:-x}", "${:-x}: a reference needs a name: `${name}`"),
            ("${nmae}", "no parameter nmae"),
            ("${HOME}", "no parameter HOME"),
            ("${NONE:?set NONE}", "NONE unset: set NONE"),
            ("${EMPTY:?set it}", "EMPTY unset: set it"),
            (
                "${a b}",
                "${a b}: `a b` is no reference; write `${name}`, `${ENV:-default}` or `${ENV:?message}`",
            ),
            (
                "${a-b:-c}",
                "${a-b:-c}: `a-b` cannot be the name of an environment variable (letters, digits and `_`)",
            ),
            (
                "${A:-${b}}",
                "${A:-${b}: a reference cannot stand inside another",
            ),
        ];
        for (value, expected) in bad {
            assert_eq!(expand_text(value), Err(expected.to_string()), "{value}");
        }
    }
}
