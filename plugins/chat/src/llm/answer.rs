// SPDX-License-Identifier: MPL-2.0

//! One answer: a request, its tokens, its tools; tried again where nothing has come of it yet.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use duplex_dialogue::{Entry, Piece, Request, Role, ToolCall};
use reqwest::Response;
use serde_json::Value;
use tokio::time::{sleep, timeout, timeout_at};

use super::{
    Counts, Endpoint,
    failure::Failure,
    request::{Calls, body, chunk},
    sse::{Events, LONGEST},
    tools::Waiting,
};

/// An answer that is longer is no answer to be spoken.
const MOST_CHARACTERS: usize = 32_000;
/// How often tools may be called for one answer.
const MOST_ROUNDS: usize = 8;
/// Between the first two tries; then twice as long each.
const BACKOFF: Duration = Duration::from_millis(250);
/// Bytes of an error that are read.
const LONGEST_ERROR: usize = 64 * 1024;

/// Takes the pieces of an answer. False once nobody wants them.
pub trait Write: Send + Sync {
    fn write(&self, piece: Piece) -> bool;
}

struct Writer<'a> {
    out: &'a dyn Write,
    endpoint: &'a Endpoint,
    asked: Instant,
    characters: usize,
    /// Of this round.
    text: String,
}

impl Writer<'_> {
    fn text(&mut self, mut text: String) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        let room = MOST_CHARACTERS.saturating_sub(self.characters);
        let end = text.char_indices().nth(room).map(|(end, _)| end);
        if let Some(end) = end {
            text.truncate(end);
        }
        if self.characters == 0 {
            let time = u64::try_from(self.asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.endpoint
                .counts
                .first_token
                .store(time, Ordering::Relaxed);
        }
        Counts::add(&self.endpoint.counts.tokens);
        self.characters += text.chars().count();
        self.text.push_str(&text);
        self.out.write(Piece::Text(text));
        if end.is_some() {
            return Err(Failure::last(format!(
                "The answer of {} does not end: it was cut after {MOST_CHARACTERS} characters; set max-tokens",
                self.endpoint.name
            )));
        }
        Ok(())
    }
}

/// Writes an answer to its end. Whatever happens, [`Piece::Done`] comes, and something is said.
pub async fn answer(endpoint: Arc<Endpoint>, tools: Waiting, request: Request, out: impl Write) {
    let mut history = request.history;
    history.push(Entry::new(Role::Caller, "", request.turn.text));
    let mut writer = Writer {
        out: &out,
        endpoint: &endpoint,
        asked: Instant::now(),
        characters: 0,
        text: String::new(),
    };
    if let Err(failure) = rounds(&endpoint, &tools, history, &mut writer).await {
        out.write(Piece::Failed(failure.sentence));
        if writer.characters == 0 {
            for word in endpoint.options.fallback.split_inclusive(' ') {
                out.write(Piece::Text(word.to_owned()));
            }
        }
    }
    out.write(Piece::Done);
}

async fn rounds(
    endpoint: &Endpoint,
    tools: &Waiting,
    mut history: Vec<Entry>,
    writer: &mut Writer<'_>,
) -> Result<(), Failure> {
    for _ in 0..MOST_ROUNDS {
        writer.text.clear();
        let calls = tried(endpoint, &history, writer).await?;
        if calls.is_empty() {
            return Ok(());
        }
        if !writer.text.is_empty() {
            history.push(Entry::new(Role::Agent, "", writer.text.clone()));
        }
        let exchange = call(endpoint, tools, calls, writer.out).await;
        for entry in &exchange {
            writer.out.write(Piece::Aside(entry.clone()));
        }
        history.extend(exchange);
    }
    Err(Failure::last(format!(
        "The model at {} calls tools again and again: it was stopped after {MOST_ROUNDS} times",
        endpoint.name
    )))
}

/// Has tools called, and waits for what they give.
async fn call(
    endpoint: &Endpoint,
    tools: &Waiting,
    calls: Vec<ToolCall>,
    out: &dyn Write,
) -> Vec<Entry> {
    let waited: Vec<_> = calls.iter().map(|call| tools.expect(&call.id)).collect();
    for call in &calls {
        out.write(Piece::Call(call.clone()));
    }
    let mut exchange = vec![Entry {
        calls: calls.clone(),
        ..Entry::new(Role::Agent, "", "")
    }];
    let time = endpoint.options.timeout;
    let end = tokio::time::Instant::now() + time;
    for (call, result) in calls.iter().zip(waited) {
        let text = match timeout_at(end, result).await {
            Ok(Ok(text)) => text,
            _ => {
                out.write(Piece::Failed(format!(
                    "The tool {} gave no result within {} ms: emit tool-result with the id of its message, or set timeout",
                    call.name,
                    time.as_millis()
                )));
                "The tool gave no result.".to_owned()
            }
        };
        exchange.push(Entry::new(Role::Tool, &call.id, text));
    }
    exchange
}

/// One request, and again while nothing has come of it.
async fn tried(
    endpoint: &Endpoint,
    history: &[Entry],
    writer: &mut Writer<'_>,
) -> Result<Vec<ToolCall>, Failure> {
    let before = writer.characters;
    let end = tokio::time::Instant::now() + endpoint.options.first_token_timeout;
    let mut backoff = BACKOFF;
    let mut left = endpoint.options.retries;
    loop {
        Counts::add(&endpoint.counts.requests);
        let failure = match once(endpoint, history, writer, end).await {
            Ok(calls) => return Ok(calls),
            Err(failure) => failure,
        };
        let pause = failure.after.unwrap_or(backoff);
        let in_time = tokio::time::Instant::now() + pause < end;
        if !failure.again || left == 0 || writer.characters > before || !in_time {
            return Err(failure);
        }
        left -= 1;
        backoff *= 2;
        Counts::add(&endpoint.counts.retries);
        sleep(pause).await;
    }
}

async fn once(
    endpoint: &Endpoint,
    history: &[Entry],
    writer: &mut Writer<'_>,
    end: tokio::time::Instant,
) -> Result<Vec<ToolCall>, Failure> {
    let name = &endpoint.name;
    let late = |_| {
        Failure::last(format!(
            "{name} gives no token within {} ms: see what keeps it, or set first-token-timeout",
            endpoint.options.first_token_timeout.as_millis()
        ))
    };
    let sent = endpoint
        .client
        .post(endpoint.url.clone())
        .headers(endpoint.headers.clone())
        .header("accept", "text/event-stream, application/json")
        .json(&body(&endpoint.options, history))
        .send();
    let mut response = timeout_at(end, sent)
        .await
        .map_err(late)?
        .map_err(|error| Failure::of_error(endpoint, &error))?;
    if !response.status().is_success() {
        let read = read(&mut response, LONGEST_ERROR);
        let body = timeout_at(end, read)
            .await
            .ok()
            .and_then(Result::ok)
            .unwrap_or_default();
        let body = String::from_utf8_lossy(&body);
        let mut failure =
            Failure::of_status(endpoint, response.status(), response.headers(), &body);
        if failure.of_model {
            failure.sentence += &models(endpoint).await;
        }
        return Err(failure);
    }
    let kind = response
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok());
    let mut calls = Calls::default();
    if kind.is_some_and(|kind| kind.starts_with("application/json")) {
        // It does not stream.
        let body = timeout_at(end, read(&mut response, LONGEST))
            .await
            .map_err(late)?;
        let body = body.map_err(|error| Failure::of_error(endpoint, &error))?;
        let chunk = parsed(endpoint, &String::from_utf8_lossy(&body), &mut calls)?;
        writer.text(chunk.text)?;
        return Ok(calls.take());
    }
    let before = writer.characters;
    let mut events = Events::default();
    let mut finished = false;
    let mut over = false;
    while !over {
        let next = response.chunk();
        let next = match writer.characters == before {
            true => timeout_at(end, next).await.map_err(late)?,
            false => timeout(endpoint.options.timeout, next).await.map_err(|_| {
                Failure::last(format!(
                    "{name} falls silent in mid-answer for {} ms: see what keeps it, or set timeout",
                    endpoint.options.timeout.as_millis()
                ))
            })?,
        };
        let data = match next {
            Ok(Some(bytes)) => events.push(&bytes).map_err(|_| {
                Failure::last(format!(
                    "{name} sends a line longer than {LONGEST} bytes: it does not stream chat completions; check uri"
                ))
            })?,
            Ok(None) => {
                over = true;
                std::mem::take(&mut events).finish().into_iter().collect()
            }
            // Whoever said all may hang up.
            Err(_) if finished => break,
            Err(error) => return Err(Failure::of_error(endpoint, &error)),
        };
        for data in data {
            if data.trim() == "[DONE]" {
                return Ok(calls.take());
            }
            let chunk = parsed(endpoint, &data, &mut calls)?;
            writer.text(chunk.text)?;
            finished |= chunk.finished;
        }
    }
    if !finished {
        return Err(Failure::passing(format!(
            "{name} hangs up in mid-answer: see what its log says"
        )));
    }
    Ok(calls.take())
}

fn parsed(
    endpoint: &Endpoint,
    data: &str,
    calls: &mut Calls,
) -> Result<super::request::Chunk, Failure> {
    let name = &endpoint.name;
    let value: Value = serde_json::from_str(data).map_err(|error| {
        Failure::last(format!("{name} sends what is no JSON ({error}): it is no endpoint of chat completions; check uri"))
    })?;
    chunk(&value, calls).map_err(|told| {
        let told: String = endpoint.without_key(&told).chars().take(300).collect();
        Failure::passing(format!("{name} fails in its answer; it says: {told}"))
    })
}

async fn read(response: &mut Response, most: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut all = Vec::new();
    while let Some(bytes) = response.chunk().await? {
        all.extend_from_slice(&bytes[..bytes.len().min(most - all.len())]);
        if all.len() >= most {
            break;
        }
    }
    Ok(all)
}

/// Which models there are, for a sentence; empty where that is not told.
async fn models(endpoint: &Endpoint) -> String {
    let asked = pin!(async {
        let request = endpoint
            .client
            .get(endpoint.models.clone())
            .headers(endpoint.headers.clone());
        let mut response = request.send().await.ok()?;
        let body = read(&mut response, LONGEST).await.ok()?;
        let value: Value = serde_json::from_slice(&body).ok()?;
        let all = value["data"].as_array()?.iter();
        let names: Vec<String> = all
            .filter_map(|model| Some(format!("`{}`", model["id"].as_str()?)))
            .collect();
        let more = if names.len() > 5 { ", …" } else { "" };
        let some: Vec<String> = names.iter().take(5).cloned().collect();
        (!some.is_empty()).then(|| format!("; it has {}{more}", some.join(", ")))
    });
    timeout(Duration::from_secs(2), asked)
        .await
        .ok()
        .flatten()
        .unwrap_or_default()
}
