// SPDX-License-Identifier: MPL-2.0

//! The JSON messages of a WebSocket client: those of the system before, and what is new. Pure.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::serve::session::framer::{FRAME, Frame, RATE};
use crate::serve::session::{Configure, Control, Input, Output};

/// Longest name or value in a `configure`.
const LONGEST: usize = 1024;
/// Most parameters in a `configure`.
const MOST: usize = 64;

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// For the session.
    Input(Input),
    /// The same, with the token that came with it.
    Configure(Configure, Option<String>),
    /// Of a type that is not known, or without effect.
    Nothing,
}

/// Reads a text frame.
pub fn read(text: &str) -> Message {
    match object(text) {
        Ok(object) => message(&object),
        Err(sentence) => Message::Input(Input::Invalid(sentence)),
    }
}

/// The fields of a text frame, or the sentence that refuses it.
pub fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("Message processing error: a message is a JSON object".into()),
        Err(err) => Err(format!("Invalid JSON: {err}")),
    }
}

/// What the fields mean.
pub fn message(object: &Map<String, Value>) -> Message {
    let read = match object.get("type").and_then(Value::as_str) {
        Some("text") => text_of(object),
        Some("control") => control(object),
        Some("configure") => configure(object),
        Some("audio") => audio(object),
        Some("playout") => playout(object),
        // Clients of other versions say what is not known here.
        _ => return Message::Nothing,
    };
    let refused = |what| Input::Invalid(format!("Message processing error: {what}"));
    read.unwrap_or_else(|what: String| Message::Input(refused(what)))
}

fn string<'a>(object: &'a Map<String, Value>, field: &str) -> Result<&'a str, String> {
    match object.get(field) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("`{field}` is a string")),
        None => Err(format!("`{field}` is missing")),
    }
}

fn text_of(object: &Map<String, Value>) -> Result<Message, String> {
    let text = string(object, "text")?;
    if text.is_empty() {
        return Err("`text` has one character at least".into());
    }
    // It has no effect, but has always been looked at.
    if let Some(value) = object.get("is_final") {
        boolean(value).ok_or("`is_final` is true or false")?;
    }
    Ok(Message::Input(Input::Text(text.to_owned())))
}

/// What counts as a boolean with old clients.
fn boolean(value: &Value) -> Option<bool> {
    let word = match value {
        Value::Bool(value) => return Some(*value),
        Value::Number(number) => number.as_f64().map(|n| n.to_string())?,
        Value::String(text) => text.to_ascii_lowercase(),
        _ => return None,
    };
    match word.as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

fn control(object: &Map<String, Value>) -> Result<Message, String> {
    let control = match string(object, "command")? {
        "PAUSE" => Control::Pause,
        "RESUME" => Control::Resume,
        "STOP" => Control::Stop,
        _ => return Err("`command` is PAUSE, RESUME or STOP".into()),
    };
    Ok(Message::Input(Input::Control(control)))
}

fn configure(object: &Map<String, Value>) -> Result<Message, String> {
    let mut configure = Configure::default();
    match object.get("audio") {
        None | Some(Value::Null) => {}
        Some(Value::Object(audio)) => {
            if string(audio, "format")? != "s16le" {
                return Err("`audio.format` is s16le".into());
            }
            let rate = audio.get("sample_rate").and_then(Value::as_u64);
            let rate = rate.and_then(|rate| u32::try_from(rate).ok());
            let rate = rate.filter(|rate| (8_000..=48_000).contains(rate));
            configure.sample_rate =
                Some(rate.ok_or("`audio.sample_rate` is a whole number from 8000 to 48000")?);
        }
        Some(_) => return Err("`audio` is an object with format and sample_rate".into()),
    }
    let text = |field: &str| match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= LONGEST => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{field}` is a string of {LONGEST} bytes at most")),
    };
    configure.description = text("description")?;
    let token = text("token")?;
    match object.get("parameters") {
        None | Some(Value::Null) => {}
        Some(Value::Object(parameters)) if parameters.len() <= MOST => {
            for (name, value) in parameters {
                let value = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    Value::Bool(value) => value.to_string(),
                    _ => return Err(format!("the parameter `{name}` is a plain value")),
                };
                if name.len() > LONGEST || value.len() > LONGEST {
                    return Err("a parameter is longer than 1024 bytes".into());
                }
                configure.parameters.insert(name.clone(), value);
            }
        }
        Some(_) => {
            return Err(format!(
                "`parameters` is an object with {MOST} fields at most"
            ));
        }
    }
    Ok(Message::Configure(configure, token))
}

fn audio(object: &Map<String, Value>) -> Result<Message, String> {
    let pcm = STANDARD
        .decode(string(object, "pcm")?)
        .map_err(|_| "`pcm` is base64 with padding")?;
    sound(pcm.into()).map(Message::Input)
}

/// Sound as it came.
pub fn sound(pcm: Bytes) -> Result<Input, String> {
    if pcm.len().is_multiple_of(2) {
        Ok(Input::Audio(pcm))
    } else {
        Err("sound is S16LE: an even number of bytes".into())
    }
}

fn playout(object: &Map<String, Value>) -> Result<Message, String> {
    let id = string(object, "utterance_id")?.to_owned();
    let played = object.get("played_ms").and_then(Value::as_f64);
    let played = played
        .filter(|ms| (0.0..=86_400_000.0).contains(ms))
        .ok_or("`played_ms` is a number of milliseconds")?;
    Ok(Message::Input(Input::Playout {
        utterance: id,
        played: Duration::from_secs_f64(played / 1e3),
        last: is_last(object),
    }))
}

/// Whether a report of playout is the last one of its utterance.
pub fn is_last(object: &Map<String, Value>) -> bool {
    object.get("last").and_then(boolean).unwrap_or(false)
}

/// The first message of a connection.
pub fn session_start(id: &str) -> Value {
    json!({"type": "session_start", "session_id": id})
}

/// Writes a frame of sound, the `sequence`-th of its connection. Fifty of these a second are most of what a session writes: put
/// together as text, without a tree of values.
pub fn sound_of(frame: &Frame, sequence: u64) -> String {
    let (sound, rest) = (frame.pcm.len().div_ceil(3) * 4, 192 + frame.utterance.len());
    let mut text = String::with_capacity(sound + rest);
    text.push_str(r#"{"type":"audio","pcm":""#);
    STANDARD.encode_string(&frame.pcm, &mut text);
    text.push_str(&format!(
        r#"","sample_rate":{RATE},"frame_ms":{},"sequence":{sequence},"utterance_id":{},"is_final":{}}}"#,
        FRAME.as_millis(),
        Value::from(&*frame.utterance),
        frame.last
    ));
    text
}

/// Writes a message. `None` for sound, which [`sound_of`] writes.
pub fn write(output: &Output, session: &str) -> Option<Value> {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let message = match output {
        Output::Audio(_) => return None,
        Output::Started(id) => {
            json!({"type": "utterance", "utterance_id": &**id, "state": "started"})
        }
        Output::Finished(id) => {
            json!({"type": "utterance", "utterance_id": &**id, "state": "finished"})
        }
        Output::Interrupted(id, heard) => json!({
            "type": "utterance",
            "utterance_id": &**id,
            "state": "interrupted",
            "heard": heard.heard,
            "unheard": heard.unheard,
            "basis": heard.basis.name(),
        }),
        Output::Transcript { text, is_final } => {
            json!({"type": "transcript", "text": text, "final": is_final})
        }
        Output::Turn(turn) => json!({"type": "turn", "state": turn.name()}),
        Output::Clear(id) => json!({"type": "clear", "utterance_id": &**id}),
        Output::Word(word) => json!({
            "type": "word",
            "utterance_id": &*word.utterance,
            "text": word.text,
            "start_ms": ms(word.start),
            "duration_ms": ms(word.duration),
        }),
        Output::Latency(id, stages) => {
            let stages = stages.iter();
            let stages = stages.map(|stage| json!({"name": stage.name, "ms": ms(stage.time)}));
            json!({"type": "latency", "utterance_id": &**id, "stages": stages.collect::<Vec<_>>()})
        }
        Output::Error(code, message) => {
            json!({"type": "error", "message": message, "code": code.name()})
        }
        Output::End(reason) => {
            json!({"type": "session_end", "session_id": session, "reason": reason})
        }
    };
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalid(text: &str) -> String {
        match read(text) {
            Message::Input(Input::Invalid(sentence)) => sentence,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn messages_of_old_clients() {
        let text = |text: &str| Message::Input(Input::Text(text.into()));
        assert_eq!(read(r#"{"type":"text","text":"hi"}"#), text("hi"));
        for value in ["true", "1", "\"true\"", "0", "\"off\""] {
            let message = format!(r#"{{"type":"text","text":" ","is_final":{value},"x":1}}"#);
            assert_eq!(read(&message), text(" "));
        }
        let control = |c| Message::Input(Input::Control(c));
        assert_eq!(
            read(r#"{"type":"control","command":"STOP"}"#),
            control(Control::Stop)
        );
        for ignored in [r#"{"type":"dance"}"#, r#"{"text":"hi"}"#, r#"{"type":7}"#] {
            assert_eq!(read(ignored), Message::Nothing);
        }
        assert!(invalid("{").starts_with("Invalid JSON: "));
        for bad in [
            "[]",
            "7",
            r#"{"type":"text"}"#,
            r#"{"type":"text","text":""}"#,
            r#"{"type":"text","text":7}"#,
            r#"{"type":"text","text":"a","is_final":"perhaps"}"#,
            r#"{"type":"text","text":"a","is_final":2}"#,
            r#"{"type":"control","command":"stop"}"#,
            r#"{"type":"control","command":"RELOAD"}"#,
            r#"{"type":"control"}"#,
        ] {
            assert!(
                invalid(bad).starts_with("Message processing error: "),
                "{bad}"
            );
        }
    }

    #[test]
    fn sound_is_the_json_that_it_always_was() {
        let frame = Frame {
            pcm: (0..1_920u32).map(|n| (n * 7) as u8).collect(),
            utterance: "an \"id\"".into(),
            position: Duration::ZERO,
            last: true,
        };
        let text = sound_of(&frame, 7);
        let wanted = json!({
            "type": "audio",
            "pcm": STANDARD.encode(&frame.pcm),
            "sample_rate": 48_000,
            "frame_ms": 20,
            "sequence": 7,
            "utterance_id": "an \"id\"",
            "is_final": true,
        });
        assert_eq!(text, wanted.to_string());
    }

    #[test]
    fn messages_of_new_clients() {
        let message = r#"{"type":"configure","audio":{"format":"s16le","sample_rate":16000},
            "parameters":{"voice":"fr","rate":1.5},"token":"t"}"#;
        let Message::Configure(configure, token) = read(message) else {
            panic!("{message}");
        };
        assert_eq!(configure.sample_rate, Some(16_000));
        assert_eq!(configure.parameters["rate"], "1.5");
        assert_eq!(token.as_deref(), Some("t"));
        for (last, is_last) in [
            ("", false),
            (r#","last":false"#, false),
            (r#","last":true"#, true),
        ] {
            let playout =
                format!(r#"{{"type":"playout","utterance_id":"u","played_ms":12.5{last}}}"#);
            let played = Input::Playout {
                utterance: "u".into(),
                played: Duration::from_micros(12_500),
                last: is_last,
            };
            assert_eq!(read(&playout), Message::Input(played));
        }
        assert_eq!(
            read(r#"{"type":"audio","pcm":"AAEC/w=="}"#),
            Message::Input(Input::Audio(Bytes::from_static(&[0, 1, 2, 255])))
        );
        for bad in [
            r#"{"type":"configure","audio":{"format":"mp3","sample_rate":16000}}"#,
            r#"{"type":"configure","audio":{"format":"s16le","sample_rate":96000}}"#,
            r#"{"type":"configure","audio":7}"#,
            r#"{"type":"configure","parameters":{"voice":[]}}"#,
            r#"{"type":"audio","pcm":"AAE"}"#,
            r#"{"type":"audio","pcm":"AA=="}"#,
            r#"{"type":"playout","utterance_id":"u","played_ms":-1}"#,
            r#"{"type":"playout","played_ms":1}"#,
        ] {
            invalid(bad);
        }
    }
}
