// SPDX-License-Identifier: MPL-2.0

//! Properties of `chatllm`, and the endpoint that they describe.

use std::time::Duration;

use duplex_dialogue::{Config, Limits};
use gst::{glib, prelude::*};

use crate::llm::{DEFAULT_URI, Endpoint, Options};

const DEFAULT_MODEL: &str = "gpt-4o-mini";
const DEFAULT_PROMPT: &str = "You are talking with somebody on the phone. Answer briefly, in plain spoken sentences, without lists or markup.";
const DEFAULT_FALLBACK: &str = "I am sorry, I cannot answer just now.";
const SECOND: u64 = 1_000_000_000;
const DEFAULT_CONNECT_TIMEOUT: u64 = 3 * SECOND;
const DEFAULT_FIRST_TOKEN_TIMEOUT: u64 = 10 * SECOND;
const DEFAULT_TIMEOUT: u64 = 20 * SECOND;
const DEFAULT_RETRIES: u32 = 2;

#[derive(Clone)]
pub struct Settings {
    uri: Option<String>,
    api_key: Option<String>,
    model: Option<String>,
    system_prompt: Option<String>,
    temperature: f64,
    max_tokens: u32,
    history_turns: u32,
    history_characters: u32,
    connect_timeout: u64,
    first_token_timeout: u64,
    timeout: u64,
    retries: u32,
    tools: Option<String>,
    preemptive: bool,
    fallback_text: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let limits = Limits::default();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            uri: None,
            api_key: None,
            model: Some(DEFAULT_MODEL.to_owned()),
            system_prompt: Some(DEFAULT_PROMPT.to_owned()),
            temperature: -1.0,
            max_tokens: 0,
            history_turns: number(limits.turns),
            history_characters: number(limits.characters),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            first_token_timeout: DEFAULT_FIRST_TOKEN_TIMEOUT,
            timeout: DEFAULT_TIMEOUT,
            retries: DEFAULT_RETRIES,
            tools: None,
            preemptive: false,
            fallback_text: Some(DEFAULT_FALLBACK.to_owned()),
        }
    }
}

/// An endpoint, and where its address and key were found.
pub struct Found {
    pub endpoint: Endpoint,
    pub uri_from: &'static str,
    pub key_from: &'static str,
}

pub fn properties() -> Vec<glib::ParamSpec> {
    let defaults = Settings::default();
    let text = |name: &'static str,
                nick: &'static str,
                blurb: &'static str,
                default: Option<&'static str>| {
        glib::ParamSpecString::builder(name)
            .nick(nick)
            .blurb(blurb)
            .default_value(default)
            .mutable_ready()
            .build()
    };
    let time = |name: &'static str, nick: &'static str, blurb: &'static str, default: u64| {
        glib::ParamSpecUInt64::builder(name)
            .nick(nick)
            .blurb(blurb)
            .minimum(1_000_000)
            .maximum(3_600 * SECOND)
            .default_value(default)
            .mutable_ready()
            .build()
    };
    vec![
        text(
            "uri",
            "URI",
            "Base address of an OpenAI-compatible endpoint, such as http://127.0.0.1:8000/v1 (unset: OPENAI_BASE_URL of \
             the environment, or https://api.openai.com/v1)",
            None,
        ),
        glib::ParamSpecString::builder("api-key")
            .nick("API Key")
            .blurb("Sent as `authorization: Bearer KEY`; cannot be read back (unset: OPENAI_API_KEY of the environment)")
            .write_only()
            .mutable_ready()
            .build(),
        text("model", "Model", "Model that answers, as the endpoint calls it", Some(DEFAULT_MODEL)),
        text("system-prompt", "System Prompt", "What the model is told ahead of everything (unset: nothing)", Some(DEFAULT_PROMPT)),
        glib::ParamSpecDouble::builder("temperature")
            .nick("Temperature")
            .blurb("How freely words are chosen, from 0.0, always the likeliest, to 2.0 (-1.0: as the endpoint has it)")
            .minimum(-1.0)
            .maximum(2.0)
            .default_value(-1.0)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("max-tokens")
            .nick("Maximum Tokens")
            .blurb("How many tokens an answer may have (0: as many as the endpoint allows)")
            .default_value(0)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("history-turns")
            .nick("History Turns")
            .blurb("How many turns of the caller are remembered, with their answers")
            .minimum(1)
            .maximum(100_000)
            .default_value(defaults.history_turns)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("history-characters")
            .nick("History Characters")
            .blurb("How many characters are remembered of all that was said; the last turn always is")
            .minimum(0)
            .maximum(100_000_000)
            .default_value(defaults.history_characters)
            .mutable_playing()
            .build(),
        time(
            "connect-timeout",
            "Connect Timeout",
            "How long the endpoint has to take a connection, in nanoseconds",
            DEFAULT_CONNECT_TIMEOUT,
        ),
        time(
            "first-token-timeout",
            "First Token Timeout",
            "How long the caller waits for the first token, retries included, until fallback-text is said, in nanoseconds",
            DEFAULT_FIRST_TOKEN_TIMEOUT,
        ),
        time(
            "timeout",
            "Timeout",
            "How long the endpoint may be silent in mid-answer, and a tool take for its result, in nanoseconds",
            DEFAULT_TIMEOUT,
        ),
        glib::ParamSpecUInt::builder("retries")
            .nick("Retries")
            .blurb("The number of times that a request which fails before its first token is made again")
            .maximum(100)
            .default_value(DEFAULT_RETRIES)
            .mutable_ready()
            .build(),
        text(
            "tools",
            "Tools",
            "Tools that the model may call: a JSON array as the endpoint takes it. A call is a message `tool-call`, its result \
             the action `tool-result` (unset: none)",
            None,
        ),
        glib::ParamSpecBoolean::builder("preemptive")
            .nick("Preemptive")
            .blurb("Ask the endpoint already when the turn is likely to be over; costs tokens where it is not")
            .default_value(false)
            .mutable_playing()
            .build(),
        text(
            "fallback-text",
            "Fallback Text",
            "Said where the endpoint gives no answer (unset: nothing)",
            Some(DEFAULT_FALLBACK),
        ),
    ]
}

impl Settings {
    pub fn set(&mut self, name: &str, value: &glib::Value) -> Option<()> {
        let text = || value.get::<Option<String>>().ok();
        match name {
            "uri" => self.uri = text()?,
            "api-key" => self.api_key = text()?,
            "model" => self.model = text()?,
            "system-prompt" => self.system_prompt = text()?,
            "temperature" => self.temperature = value.get().ok()?,
            "max-tokens" => self.max_tokens = value.get().ok()?,
            "history-turns" => self.history_turns = value.get().ok()?,
            "history-characters" => self.history_characters = value.get().ok()?,
            "connect-timeout" => self.connect_timeout = value.get().ok()?,
            "first-token-timeout" => self.first_token_timeout = value.get().ok()?,
            "timeout" => self.timeout = value.get().ok()?,
            "retries" => self.retries = value.get().ok()?,
            "tools" => self.tools = text()?,
            "preemptive" => self.preemptive = value.get().ok()?,
            "fallback-text" => self.fallback_text = text()?,
            _ => {}
        }
        Some(())
    }

    pub fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "uri" => self.uri.to_value(),
            "model" => self.model.to_value(),
            "system-prompt" => self.system_prompt.to_value(),
            "temperature" => self.temperature.to_value(),
            "max-tokens" => self.max_tokens.to_value(),
            "history-turns" => self.history_turns.to_value(),
            "history-characters" => self.history_characters.to_value(),
            "connect-timeout" => self.connect_timeout.to_value(),
            "first-token-timeout" => self.first_token_timeout.to_value(),
            "timeout" => self.timeout.to_value(),
            "retries" => self.retries.to_value(),
            "tools" => self.tools.to_value(),
            "preemptive" => self.preemptive.to_value(),
            "fallback-text" => self.fallback_text.to_value(),
            _ => return None,
        })
    }

    pub fn configure(&self, config: &mut Config) {
        config.preemptive = self.preemptive;
        config.history = Limits {
            turns: self.history_turns as usize,
            characters: self.history_characters as usize,
        };
    }

    /// The endpoint, where what was set makes one. `variable` reads the environment.
    pub fn endpoint(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Found, String> {
        let set = |value: &Option<String>| value.clone().filter(|text| !text.trim().is_empty());
        let from =
            |property: &Option<String>, name: &'static str, what: &'static str| match set(property)
            {
                Some(value) => (Some(value), what),
                None => match set(&variable(name)) {
                    Some(value) => (Some(value), name),
                    None => (None, "nowhere"),
                },
            };
        let (uri, uri_from) = from(&self.uri, "OPENAI_BASE_URL", "uri");
        let (key, key_from) = from(&self.api_key, "OPENAI_API_KEY", "api-key");
        let tools = match set(&self.tools) {
            None => None,
            Some(text) => {
                let tools: serde_json::Value = serde_json::from_str(&text)
                    .map_err(|error| format!("tools is no JSON ({error}): it is an array as in [{{\"type\": \"function\", …}}]"))?;
                if !tools.is_array() {
                    return Err(
                        "tools is no array: it is one as in [{\"type\": \"function\", …}]"
                            .to_owned(),
                    );
                }
                Some(tools).filter(|tools| tools.as_array().is_some_and(|all| !all.is_empty()))
            }
        };
        let options = Options {
            model: set(&self.model).unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
            system_prompt: self.system_prompt.clone(),
            temperature: (self.temperature >= 0.0).then_some(self.temperature),
            max_tokens: (self.max_tokens > 0).then_some(self.max_tokens),
            tools,
            connect_timeout: Duration::from_nanos(self.connect_timeout),
            first_token_timeout: Duration::from_nanos(self.first_token_timeout),
            timeout: Duration::from_nanos(self.timeout),
            retries: self.retries,
            fallback: self.fallback_text.clone().unwrap_or_default(),
        };
        Ok(Found {
            endpoint: Endpoint::new(uri.as_deref().unwrap_or(DEFAULT_URI), key, options)?,
            uri_from,
            key_from,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_goes_before_the_environment_and_is_told() {
        let environment = |name: &str| {
            Some(match name {
                "OPENAI_BASE_URL" => "http://127.0.0.1:1/v1".to_owned(),
                _ => "sk-secret".to_owned(),
            })
        };
        let mut settings = Settings::default();
        let found = settings.endpoint(environment).unwrap();
        assert_eq!(
            (found.uri_from, found.key_from),
            ("OPENAI_BASE_URL", "OPENAI_API_KEY")
        );
        assert_eq!(found.endpoint.name, "http://127.0.0.1:1/v1");
        settings.uri = Some("https://me:pass@example.com/api/v1/chat/completions?x=1".into());
        settings.api_key = Some("mine".into());
        let found = settings.endpoint(environment).unwrap();
        assert_eq!((found.uri_from, found.key_from), ("uri", "api-key"));
        assert_eq!(found.endpoint.name, "https://example.com/api/v1");
        let found = Settings::default().endpoint(|_| None).unwrap();
        assert_eq!((found.uri_from, found.key_from), ("nowhere", "nowhere"));
        assert_eq!(found.endpoint.name, DEFAULT_URI);
    }

    #[test]
    fn what_cannot_be_is_told_in_a_sentence() {
        let wrong = |name: &str, value: &str| {
            let mut settings = Settings::default();
            settings.set(name, &value.to_value()).unwrap();
            let wrong = settings.endpoint(|_| None).map(drop).unwrap_err();
            assert!(wrong.contains(name), "{wrong}");
            wrong
        };
        wrong("uri", "ftp://example.com");
        wrong("uri", "localhost:8000");
        wrong("tools", "[{");
        wrong("tools", "{}");
        assert!(!wrong("api-key", "sk-secret\nx").contains("secret"));
    }
}
