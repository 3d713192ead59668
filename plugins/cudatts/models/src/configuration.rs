// SPDX-License-Identifier: MPL-2.0

//! Configurations of models, as sums of pieces.

use duplex_yaml::{Kind, Node, Report, yaml};
use serde_json::{Map, Value};

/// A piece as values. Keys that stand twice are reported.
pub fn value(node: &Node, what: &str, report: &mut Report) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Scalar { text, plain } if *plain => plain_value(text),
        Kind::Scalar { text, .. } => Value::String(text.clone()),
        Kind::Sequence(items) => {
            let items = items.iter().map(|item| value(item, what, report));
            Value::Array(items.collect())
        }
        Kind::Mapping(_) => {
            let pairs = yaml::pairs(node, what, report).unwrap_or_default();
            let entries = pairs.into_iter().map(|(key, node)| {
                let what = format!("`{}`", key.value);
                (key.value, value(node, &what, report))
            });
            Value::Object(entries.collect())
        }
    }
}

/// What stands without quotes: a number, a truth value, or else a text.
fn plain_value(text: &str) -> Value {
    let float = || text.parse().ok().and_then(serde_json::Number::from_f64);
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match text.parse::<i64>() {
            Ok(number) => Value::Number(number.into()),
            Err(_) => match float() {
                Some(number) if text.contains(|c: char| c.is_ascii_digit()) => {
                    Value::Number(number)
                }
                _ => Value::String(text.to_owned()),
            },
        },
    }
}

/// Puts `more` over `sum`: mappings are joined, all else is replaced.
pub fn add(sum: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (key, value) in more {
        match (sum.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => add(below, above),
            _ => {
                sum.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_later_piece_counts_and_mappings_are_joined() {
        let mut sum = Map::new();
        for piece in [
            json!({"a": {"x": 1, "y": [1, 2]}, "b": 1}),
            json!({"a": {"y": [3], "z": 2}, "c": {"n": 0}}),
        ] {
            add(&mut sum, piece.as_object().unwrap());
        }
        let expected = json!({"a": {"x": 1, "y": [3], "z": 2}, "b": 1, "c": {"n": 0}});
        assert_eq!(Value::Object(sum), expected);
    }

    #[test]
    fn values_without_quotes_are_what_they_look_like() {
        for (text, expected) in [
            ("6", json!(6)),
            ("12.5", json!(12.5)),
            ("-4.0", json!(-4.0)),
            ("true", json!(true)),
            ("lsd", json!("lsd")),
            ("inf", json!("inf")),
        ] {
            assert_eq!(plain_value(text), expected, "{text}");
        }
    }
}
