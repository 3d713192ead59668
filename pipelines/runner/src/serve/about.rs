// SPDX-License-Identifier: MPL-2.0

//! `/about`: what runs here, for the page to show, and how browsers are to reach it.

use serde_json::{Value, json};

use super::config::WebRtc;
use crate::plan::Plan;

/// A part of a conversation, by what the factories that may play it are called.
struct Part {
    role: &'static str,
    plays: fn(&str) -> bool,
    /// Another one, as a description would name it.
    replace: &'static str,
}

const PARTS: [Part; 4] = [
    Part {
        role: "ears",
        plays: |factory| matches!(factory, "vad" | "vadsrc"),
        replace: "ears: { factory: vadsrc, engine: earshot }",
    },
    Part {
        role: "recogniser",
        plays: |factory| factory.ends_with("asr") || factory.contains("transcriber"),
        replace: "asr: { factory: whisperasr, model: ggml-base.en.bin }",
    },
    Part {
        role: "brain",
        plays: |factory| factory.starts_with("chat"),
        replace: "chat: { factory: chatllm, model: gpt-4o-mini }",
    },
    Part {
        role: "voice",
        plays: |factory| factory == "ttssink",
        replace: "mouth: { factory: ttssink, synthesizer: \"grpctts uri=grpc://127.0.0.1:7001\" }",
    },
];

/// What the page is told.
pub fn about(plan: &Plan, ice: &WebRtc) -> Value {
    let parts = PARTS.iter().filter_map(|part| {
        let element = plan
            .elements
            .iter()
            .find(|element| (part.plays)(&element.factory))?;
        let property = |name: &str| {
            let found = element
                .properties
                .iter()
                .find(|property| property.name == name);
            found.map(|property| {
                property
                    .text
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
        };
        let name = match part.role {
            "voice" => property("synthesizer"),
            "ears" => property("engine").map(|engine| format!("{} ({engine})", element.factory)),
            "brain" | "recogniser" => {
                property("model").map(|model| format!("{} ({model})", element.factory))
            }
            _ => None,
        };
        Some(json!({
            "role": part.role,
            "name": name.unwrap_or_else(|| element.factory.clone()),
            "replace": part.replace,
        }))
    });
    json!({
        "parts": parts.collect::<Vec<_>>(),
        "ice_servers": servers(ice),
    })
}

/// As RTCPeerConnection takes them. A TURN server's password is for whoever may connect here, as it is for every browser.
fn servers(ice: &WebRtc) -> Vec<Value> {
    let plain = |url: &str| url.replacen("://", ":", 1);
    let stun = ice.stun.iter().map(|url| json!({ "urls": plain(url) }));
    let turn = ice.turn.iter().map(|url| {
        let (scheme, rest) = url.split_once("://").unwrap_or(("turn", url));
        match rest.rsplit_once('@') {
            Some((login, host)) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                json!({ "urls": format!("{scheme}:{host}"), "username": user, "credential": password })
            }
            None => json!({ "urls": plain(url) }),
        }
    });
    stun.chain(turn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PlannedElement;

    #[test]
    fn ice_servers_are_written_as_browsers_read_them() {
        let ice = WebRtc {
            stun: Some("stun://stun.example.org:3478".into()),
            turn: vec!["turn://me:secret@turn.example.org:3478".into()],
            ..WebRtc::default()
        };
        let told = about(&Plan::default(), &ice);
        assert_eq!(
            told["ice_servers"],
            json!([
                { "urls": "stun:stun.example.org:3478" },
                { "urls": "turn:turn.example.org:3478", "username": "me", "credential": "secret" },
            ])
        );
    }

    #[test]
    fn parts_are_those_of_the_description() {
        let element = |factory: &str| PlannedElement {
            id: factory.into(),
            factory: factory.into(),
            properties: Vec::new(),
            at: Default::default(),
        };
        let plan = Plan {
            elements: ["vadsrc", "sphinxasr", "chateliza", "ttssink"]
                .map(element)
                .to_vec(),
            ..Plan::default()
        };
        let told = about(&plan, &WebRtc::default());
        let names: Vec<&str> = told["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["vadsrc", "sphinxasr", "chateliza", "ttssink"]);
        assert_eq!(told["ice_servers"], json!([]));
    }
}
