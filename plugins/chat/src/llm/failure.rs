// SPDX-License-Identifier: MPL-2.0

//! What goes wrong at an endpoint, in sentences that say what to do.

use std::{error::Error, time::Duration};

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

use super::{Endpoint, request};

/// Why there is no answer, or no more of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    pub sentence: String,
    /// Trying again may help.
    pub again: bool,
    /// … once this has passed.
    pub after: Option<Duration>,
    /// It would help to know which models there are.
    pub of_model: bool,
}

impl Failure {
    pub fn last(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            again: false,
            after: None,
            of_model: false,
        }
    }

    pub fn passing(sentence: impl Into<String>) -> Self {
        Self {
            again: true,
            ..Self::last(sentence)
        }
    }

    /// The request could not be made, or its answer not be read.
    pub fn of_error(endpoint: &Endpoint, error: &reqwest::Error) -> Self {
        let name = &endpoint.name;
        let why = causes(error);
        if error.is_connect() && error.is_timeout() {
            return Self::passing(format!(
                "{name} does not answer within {} ms: see that it is reachable, or set uri or connect-timeout",
                endpoint.options.connect_timeout.as_millis()
            ));
        }
        if error.is_connect() && why.contains("refused") {
            return Self::passing(format!(
                "Nobody listens at {name}: start the endpoint, or set uri to where one is"
            ));
        }
        if error.is_connect() {
            return Self::passing(format!("{name} cannot be reached ({why}): check uri"));
        }
        Self::passing(format!(
            "The connection to {name} is lost ({why}): see what its log says"
        ))
    }

    /// It answers that it will not.
    pub fn of_status(
        endpoint: &Endpoint,
        status: StatusCode,
        headers: &HeaderMap,
        body: &str,
    ) -> Self {
        let name = &endpoint.name;
        let told = told(body);
        let says = match endpoint.without_key(&told) {
            told if told.is_empty() => String::new(),
            told => format!("; it says: {told}"),
        };
        let code = status.as_u16();
        let model = &endpoint.options.model;
        match code {
            401 | 403 if endpoint.key.is_none() => Self::last(format!(
                "{name} wants an API key ({code}): set api-key, or OPENAI_API_KEY in the environment{says}"
            )),
            401 | 403 => Self::last(format!(
                "{name} does not accept the API key ({code}): set another api-key, or OPENAI_API_KEY in the environment{says}"
            )),
            404 => Self {
                of_model: true,
                ..Self::last(format!(
                    "{name} has no model `{model}`, or no chat completions there ({code}): set model, or uri{says}"
                ))
            },
            429 if body.contains("insufficient_quota") => Self::last(format!(
                "The account at {name} has no credit left ({code}): add some, or set another api-key{says}"
            )),
            429 => {
                let after = retry_after(headers);
                let wait = after.map_or(String::new(), |after| {
                    format!(
                        ", and asks for {} s of patience",
                        after.as_secs_f64().ceil()
                    )
                });
                Self {
                    after,
                    ..Self::passing(format!(
                        "{name} takes no more requests for now ({code}){wait}: ask less often, or for a higher limit{says}"
                    ))
                }
            }
            300..=399 => Self::last(format!(
                "{name} has moved ({code}): set uri to where it is now{}",
                headers
                    .get("location")
                    .and_then(|to| to.to_str().ok())
                    .map_or(String::new(), |to| format!(", {to}"))
            )),
            408 | 500..=599 => Self {
                after: retry_after(headers),
                ..Self::passing(format!(
                    "{name} fails ({code}): see what its log says{says}"
                ))
            },
            // Some say so of a model that they do not know.
            _ => Self {
                of_model: code == 400 && body.to_lowercase().contains("model"),
                ..Self::last(format!(
                    "{name} refuses the request ({code}) for model `{model}`{says}"
                ))
            },
        }
    }
}

/// What the body of an error says, short enough for a line.
fn told(body: &str) -> String {
    let value: Option<Value> = serde_json::from_str(body).ok();
    let text = match &value {
        Some(value) => match value.get("error").filter(|error| !error.is_null()) {
            Some(error) => request::error_text(error),
            None => (["detail", "message"].iter())
                .find_map(|field| value[field].as_str())
                .unwrap_or_default()
                .to_owned(),
        },
        // A page of a proxy is no sentence.
        None if body.trim_start().starts_with('<') => String::new(),
        None => body.to_owned(),
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// How long an endpoint asks to be left alone.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms")
        .map(|ms| ms / 1_000.0)
        .or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// An error and what lies behind it: the outermost alone says next to nothing.
pub fn causes(error: &dyn Error) -> String {
    let mut last = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        last = error.to_string();
        next = error.source();
    }
    last
}
