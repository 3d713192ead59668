// SPDX-License-Identifier: MPL-2.0

//! What is sent to an endpoint, and what one chunk of its answer says.

use std::collections::BTreeMap;

use duplex_dialogue::{Entry, Role, ToolCall};
use serde_json::{Value, json};

use super::Options;

/// The whole request.
pub fn body(options: &Options, history: &[Entry]) -> Value {
    let mut body = json!({
        "model": options.model,
        "stream": true,
        "messages": messages(options.system_prompt.as_deref(), history),
    });
    if let Some(temperature) = options.temperature {
        body["temperature"] = json!(temperature);
    }
    if let Some(tokens) = options.max_tokens {
        body["max_tokens"] = json!(tokens);
    }
    if let Some(tools) = &options.tools {
        body["tools"] = tools.clone();
    }
    body
}

/// What was said, as messages. Two turns in a row are one, since many models know only of turns that alternate.
fn messages(system: Option<&str>, history: &[Entry]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    if let Some(system) = system.filter(|text| !text.trim().is_empty()) {
        all.push(json!({"role": "system", "content": system}));
    }
    for entry in history {
        let text = entry.text.trim();
        let last = all.last_mut();
        match entry.role {
            Role::Caller => match last.filter(|last| last["role"] == "user") {
                Some(last) => {
                    let before = last["content"].as_str().unwrap_or_default();
                    last["content"] = json!(format!("{before}\n{text}"));
                }
                None => all.push(json!({"role": "user", "content": text})),
            },
            Role::Agent => {
                let open = last
                    .filter(|last| last["role"] == "assistant" && last.get("tool_calls").is_none());
                if open.is_none() {
                    if text.is_empty() && entry.calls.is_empty() {
                        continue;
                    }
                    all.push(json!({"role": "assistant", "content": text}));
                } else if let Some(open) = open.filter(|_| !text.is_empty()) {
                    let before = open["content"].as_str().unwrap_or_default();
                    open["content"] = json!(format!("{before} {text}").trim());
                }
                if let Some(message) = all.last_mut().filter(|_| !entry.calls.is_empty()) {
                    message["tool_calls"] = entry.calls.iter().map(call).collect();
                }
            }
            Role::Tool => {
                all.push(json!({"role": "tool", "tool_call_id": entry.id, "content": entry.text}))
            }
        }
    }
    all
}

fn call(call: &ToolCall) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}

/// What has come of the calls of tools, in the order of their indices.
#[derive(Debug, Default)]
pub struct Calls(BTreeMap<u64, ToolCall>);

/// Bytes of arguments that a call may have, and how many calls one answer.
const LONGEST_ARGUMENTS: usize = 64 * 1024;
const MOST_CALLS: usize = 32;

impl Calls {
    fn add(&mut self, delta: &Value) {
        let new = self.0.len() as u64;
        let index = delta["index"].as_u64().unwrap_or(new);
        if self.0.len() >= MOST_CALLS && !self.0.contains_key(&index) {
            return;
        }
        let call = self.0.entry(index).or_insert_with(|| ToolCall {
            id: String::new(),
            name: String::new(),
            arguments: String::new(),
        });
        if let Some(id) = delta["id"].as_str().filter(|id| !id.is_empty()) {
            id.clone_into(&mut call.id);
        }
        let function = &delta["function"];
        if call.name.len() < 256 {
            call.name
                .push_str(function["name"].as_str().unwrap_or_default());
        }
        if call.arguments.len() < LONGEST_ARGUMENTS {
            call.arguments
                .push_str(function["arguments"].as_str().unwrap_or_default());
        }
    }

    /// All of them, each with an id, whether the endpoint gave one or not.
    pub fn take(&mut self) -> Vec<ToolCall> {
        let calls = std::mem::take(&mut self.0)
            .into_iter()
            .filter(|(_, call)| !call.name.is_empty());
        calls
            .map(|(index, mut call)| {
                if call.id.is_empty() {
                    call.id = format!("call-{index}");
                }
                if call.arguments.trim().is_empty() {
                    "{}".clone_into(&mut call.arguments);
                }
                call
            })
            .collect()
    }
}

/// One chunk, or a whole completion of an endpoint that does not stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    pub text: String,
    /// The model says that it is done.
    pub finished: bool,
}

/// Reads a chunk. `Err` is what the endpoint says that went wrong.
pub fn chunk(value: &Value, calls: &mut Calls) -> Result<Chunk, String> {
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        return Err(error_text(error));
    }
    // Some chunks bear nothing but figures.
    let choice = &value["choices"][0];
    let said = match choice.get("delta") {
        Some(delta) => delta,
        None => &choice["message"],
    };
    let text = |field: &str| said[field].as_str().unwrap_or_default();
    for delta in said["tool_calls"].as_array().into_iter().flatten() {
        calls.add(delta);
    }
    Ok(Chunk {
        text: format!("{}{}", text("content"), text("refusal")),
        finished: choice["finish_reason"].is_string(),
    })
}

/// The sentence in an error of an endpoint, in whatever form it comes.
pub fn error_text(error: &Value) -> String {
    let text = error.as_str().or_else(|| error["message"].as_str());
    text.map_or_else(|| error.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(role: Role, text: &str) -> Entry {
        Entry::new(role, "x", text)
    }

    #[test]
    fn the_history_becomes_messages() {
        let call = ToolCall {
            id: "c".into(),
            name: "look".into(),
            arguments: "{}".into(),
        };
        let history = [
            entry(Role::Caller, "one"),
            entry(Role::Caller, "two"),
            entry(Role::Agent, "Let me look. "),
            Entry {
                calls: vec![call],
                ..entry(Role::Agent, "")
            },
            Entry::new(Role::Tool, "c", "rain"),
            entry(Role::Agent, "It rains."),
            entry(Role::Agent, ""),
            entry(Role::Caller, "oh"),
        ];
        let expected = json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one\ntwo"},
            {"role": "assistant", "content": "Let me look.", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "rain"},
            {"role": "assistant", "content": "It rains."},
            {"role": "user", "content": "oh"},
        ]);
        assert_eq!(json!(messages(Some("Be brief."), &history)), expected);
        assert_eq!(messages(Some(" "), &[]).len(), 0);
    }

    #[test]
    fn chunks_of_all_kinds_are_read() {
        let mut calls = Calls::default();
        let mut read = |value: Value| chunk(&value, &mut calls);
        let said = |text: &str, finished| {
            Ok(Chunk {
                text: text.into(),
                finished,
            })
        };
        assert_eq!(
            read(json!({"choices": [{"delta": {"role": "assistant", "content": null}}]})),
            said("", false)
        );
        assert_eq!(
            read(json!({"choices": [{"delta": {"content": "Hi"}, "finish_reason": null}]})),
            said("Hi", false)
        );
        assert_eq!(
            read(json!({"choices": [{"delta": {}, "finish_reason": "stop"}]})),
            said("", true)
        );
        assert_eq!(
            read(json!({"choices": [], "usage": {"total_tokens": 3}})),
            said("", false)
        );
        let whole = json!({"choices": [{"message": {"content": "All"}, "finish_reason": "stop"}]});
        assert_eq!(read(whole), said("All", true));
        assert_eq!(
            read(json!({"error": {"message": "no luck", "code": 7}})),
            Err("no luck".into())
        );
        assert_eq!(read(json!({"error": "none"})), Err("none".into()));
        assert_eq!(read(json!([1, 2])), said("", false));
    }

    #[test]
    fn calls_come_in_pieces() {
        let mut calls = Calls::default();
        for delta in [
            json!({"index": 1, "id": "b", "function": {"name": "two", "arguments": ""}}),
            json!({"index": 0, "function": {"name": "one", "arguments": "{\"a\""}}),
            json!({"index": 0, "function": {"arguments": ":1}"}}),
        ] {
            calls.add(&delta);
        }
        let call = |id: &str, name: &str, arguments: &str| ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        };
        assert_eq!(
            calls.take(),
            [call("call-0", "one", "{\"a\":1}"), call("b", "two", "{}")]
        );
        assert_eq!(calls.take(), []);
    }
}
