// SPDX-License-Identifier: MPL-2.0

//! SECTION:element-chatllm
//!
//! Answers with a model behind any OpenAI-compatible endpoint, token by token as it writes them.
//!
//! Of an answer that is interrupted, the model remembers exactly what was heard. An endpoint that fails is a WARNING with what to do about it, and
//! `fallback-text` is said, so that the caller is not left in silence. OPENAI_BASE_URL and OPENAI_API_KEY are picked up where `uri` and `api-key` are
//! unset; the message `chat-endpoint` tells which. A call of a tool is a message `tool-call`; the action `tool-result` answers it.
//!
//! ## Example pipelines
//! ```bash
//! gst-launch-1.0 -q fdsrc ! text/x-raw,format=utf8 ! chatllm uri=http://127.0.0.1:8000/v1 model=my-model ! fdsink
//! ```
//! Answers what is typed.

use std::sync::{Arc, Mutex, atomic::Ordering};

use duplex_dialogue::{Config, Piece, Request};
use gst::{glib, prelude::*, subclass::prelude::*};

use super::settings::{self, Settings};
use crate::{
    core::{Brain, Host, Pen, Thought, lock},
    element::chat_element,
    llm::{Endpoint, answer, runtime, tools::Waiting},
};

chat_element! {
    /// The implementation of `chatllm`; what it has in common with other chat elements is in the core.
    pub struct ChatLlm for super::ChatLlm, brain LlmBrain;
    type_name: "GstDuplexChatLlm",
    category: "chatllm",
    long_name: "Conversation partner of an OpenAI-compatible endpoint",
    description: "Answers with a model behind any OpenAI-compatible endpoint, token by token, and has it remember what was heard; for example: \
        vadsrc name=ears ! sphinxasr ! chatllm uri=http://127.0.0.1:8000/v1 model=my-model ! ttssink interrupted-by=ears",
}

/// What this element adds.
#[derive(Default)]
pub struct LlmBrain {
    settings: Mutex<Settings>,
    endpoint: Mutex<Option<Arc<Endpoint>>>,
    tools: Waiting,
}

impl answer::Write for Pen {
    fn write(&self, piece: Piece) -> bool {
        Pen::write(self, piece)
    }
}

/// Ends a request, and its connection, when it is dropped.
struct Running(tokio::task::JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Brain for LlmBrain {
    fn properties() -> Vec<glib::ParamSpec> {
        settings::properties()
    }

    fn signals<T: Host<Brain = Self>>() -> Vec<glib::subclass::Signal> {
        vec![
            glib::subclass::Signal::builder("tool-result")
                .param_types([String::static_type(), String::static_type()])
                .action()
                .class_handler(|args| {
                    let text = |n: usize| {
                        args[n]
                            .get::<Option<String>>()
                            .ok()
                            .flatten()
                            .unwrap_or_default()
                    };
                    if let Ok(object) = args[0].get::<T::Type>() {
                        let brain = &object.imp().core().brain;
                        brain.tool_result(object.upcast_ref(), &text(1), text(2));
                    }
                    None
                })
                .build(),
        ]
    }

    fn set_property(&self, name: &str, value: &glib::Value) {
        lock(&self.settings).set(name, value);
    }

    fn property(&self, name: &str) -> Option<glib::Value> {
        lock(&self.settings).get(name)
    }

    fn configure(&self, config: &mut Config) {
        lock(&self.settings).configure(config);
    }

    fn begin(&self, element: &gst::Element) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let found = (settings.endpoint(|name| std::env::var(name).ok()))
            .and_then(|found| runtime().map(|_| found))
            .map_err(|sentence| gst::error_msg!(gst::ResourceError::Settings, ("{sentence}")))?;
        let endpoint = &found.endpoint;
        let (name, model) = (&endpoint.name, &endpoint.options.model);
        gst::info!(
            CAT,
            obj = element,
            "Model {model} at {name}; address from {}, key from {}",
            found.uri_from,
            found.key_from
        );
        let told = gst::Structure::builder("chat-endpoint")
            .field("uri", name)
            .field("uri-from", found.uri_from)
            .field("api-key-from", found.key_from)
            .field("model", model)
            .build();
        let message = gst::message::Element::builder(told).src(element).build();
        // Fails only where there is no bus.
        let _ = element.post_message(message);
        *lock(&self.endpoint) = Some(Arc::new(found.endpoint));
        Ok(())
    }

    fn think(&self, request: Request, pen: Pen) -> Thought {
        let endpoint = lock(&self.endpoint).clone()?;
        let runtime = runtime().ok()?;
        let answer = answer::answer(endpoint, self.tools.clone(), request, pen);
        Some(Box::new(Running(runtime.spawn(answer))))
    }

    fn stats(&self, stats: &mut gst::StructureRef) {
        let endpoint = lock(&self.endpoint).clone();
        let Some(endpoint) = endpoint else { return };
        let counts = &endpoint.counts;
        let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        stats.set("requests", of(&counts.requests));
        stats.set("retries", of(&counts.retries));
        stats.set("tokens", of(&counts.tokens));
        stats.set("first-token", of(&counts.first_token));
        stats.set("uri", &endpoint.name);
        stats.set("model", &endpoint.options.model);
    }
}

impl LlmBrain {
    fn tool_result(&self, element: &gst::Element, id: &str, text: String) {
        if !self.tools.result(id, text) {
            gst::element_warning!(
                element,
                gst::CoreError::Failed,
                ("No answer waits for the result of a tool call `{id}`: its turn is over, or the id is another")
            );
        }
    }
}
