// SPDX-License-Identifier: MPL-2.0

//! The gst-launch-1.0 command that does what a description does.

use std::collections::HashSet;

use crate::graph::Caller;
use gst::prelude::*;

use crate::plan::{Plan, PlannedElement, PlannedEnd, Setting};
use crate::value;

/// What stands for the caller on a command line: parts of gst-launch-1.0's language.
#[derive(Clone, Debug)]
pub struct CallerParts {
    /// Sound from the caller.
    pub audio_source: String,
    /// Sound to the caller.
    pub audio_sink: String,
    /// A WAV file of the sound to the caller, beside it. Where sound goes to the caller in several places it is that of
    /// the first.
    pub heard: Option<std::path::PathBuf>,
    /// Text from the caller.
    pub text_source: String,
    /// Text to the caller.
    pub text_sink: String,
    /// Whether the sound is the microphone's and the speakers', which elements open better by themselves.
    pub devices: bool,
}

impl Default for CallerParts {
    fn default() -> Self {
        CallerParts {
            audio_source: "autoaudiosrc ! audioconvert ! audioresample".into(),
            audio_sink: "autoaudiosink".into(),
            heard: None,
            text_source: "fdsrc fd=0 ! text/x-raw,format=utf8".into(),
            text_sink: "fdsink fd=1".into(),
            devices: true,
        }
    }
}

/// The arguments of gst-launch-1.0, unquoted.
pub fn arguments(plan: &Plan, caller: &CallerParts) -> Vec<String> {
    let mut writer = Writer {
        plan,
        caller,
        written: HashSet::new(),
        out: Vec::new(),
        heard: caller.heard.as_deref(),
    };
    // Elements whose pads are named have to stand on the line before they are referred to.
    for link in &plan.links {
        for end in [&link.from, &link.to] {
            if let PlannedEnd::Element { id, pad: Some(_) } = end {
                writer.declare(id);
            }
        }
    }
    let mut open: Option<&PlannedEnd> = None;
    for link in &plan.links {
        if open != Some(&link.from) {
            writer.end(&link.from, true);
        }
        writer.out.push("!".into());
        writer.end(&link.to, false);
        open = match &link.to {
            PlannedEnd::Element { pad: None, .. } => Some(&link.to),
            _ => None,
        };
    }
    for element in &plan.elements {
        writer.declare(&element.id);
    }
    writer.out
}

struct Writer<'a> {
    plan: &'a Plan,
    caller: &'a CallerParts,
    written: HashSet<String>,
    out: Vec<String>,
    /// The file of what is heard, until it is on the line.
    heard: Option<&'a std::path::Path>,
}

impl Writer<'_> {
    fn declare(&mut self, id: &str) {
        if self.written.insert(id.to_string())
            && let Some(element) = self.plan.element(id)
        {
            self.element(element);
        }
    }

    fn end(&mut self, end: &PlannedEnd, from: bool) {
        match end {
            PlannedEnd::Element { id, pad } => {
                if let (None, false) = (pad, self.written.contains(id)) {
                    self.declare(id);
                } else {
                    self.out
                        .push(format!("{id}.{}", pad.as_deref().unwrap_or("")));
                }
            }
            PlannedEnd::Caller(caller) => {
                let part = match (caller, from) {
                    (Caller::Audio, true) => self.caller.audio_source.clone(),
                    (Caller::Audio, false) => self.audio_sink(),
                    (Caller::Text, true) => self.caller.text_source.clone(),
                    (Caller::Text, false) => self.caller.text_sink.clone(),
                };
                self.out.extend(words(&part));
            }
        }
    }

    /// Where sound to the caller goes, and a file of it beside that the first time.
    fn audio_sink(&mut self) -> String {
        let device = &self.caller.audio_sink;
        let Some(file) = self.heard.take() else {
            return format!("audioconvert ! audioresample ! {device}");
        };
        // A name that nothing else on the line has.
        let mut name = "heard".to_string();
        while self.plan.element(&name).is_some() {
            name.push('-');
        }
        format!(
            "audioconvert ! audioresample ! tee name={name} ! queue ! {device} {name}. ! queue ! audioconvert ! wavenc ! filesink location={}",
            quote_location(file)
        )
    }

    fn element(&mut self, element: &PlannedElement) {
        self.out.push(element.factory.clone());
        self.out.push(format!("name={}", element.id));
        for property in &element.properties {
            let text = match &property.setting {
                // `300ms` is our word for a number; the rest gst-launch-1.0 reads as we do.
                Setting::Value(pspec) => duplex_yaml::duration::duration(&property.text)
                    .and_then(|_| value::parse(pspec, &property.text).ok())
                    .filter(|value| value.type_() != String::static_type())
                    .and_then(|value| value.serialize().ok())
                    .map_or_else(|| property.text.clone(), |text| text.to_string()),
                Setting::Bin(text) => text.clone(),
                Setting::CallerSource | Setting::CallerSink if self.caller.devices => continue,
                Setting::CallerSource => self.caller.audio_source.clone(),
                Setting::CallerSink => self.audio_sink(),
            };
            self.out
                .push(format!("{}={}", property.name, escape(&text)));
        }
    }
}

/// Escapes a value for gst-launch-1.0's own parser, which itself takes care of spaces within an argument, but only up to
/// the first `"` in it.
fn escape(text: &str) -> String {
    if text.is_empty() {
        return "\"\"".into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '"' | '\'' | '\t') || c == ' ' && out.contains('"') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A path as the value of `location=` inside a part of gst-launch-1.0's language.
pub fn quote_location(path: &std::path::Path) -> String {
    let mut out = String::new();
    for c in path.display().to_string().chars() {
        if matches!(c, ' ' | '\\' | '"' | '\'' | '!') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The words of a part, of which one may hold escaped spaces.
fn words(part: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut escaped = false;
    for c in part.chars() {
        if c == ' ' && !escaped {
            words.push(String::new());
            continue;
        }
        // gst-launch-1.0 escapes spaces in its arguments itself, up to the first quote.
        if escaped && c == ' ' && words.last().is_some_and(|word| !word.contains('"')) {
            words.last_mut().map(String::pop);
        }
        escaped = c == '\\' && !escaped;
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Quotes an argument for a POSIX shell where it needs that.
pub fn shell_quote(argument: &str) -> String {
    let plain = !argument.is_empty()
        && argument
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_=./,:+@%".contains(c));
    if plain {
        argument.to_string()
    } else if argument.contains('\'') {
        format!("'{}'", argument.replace('\'', "'\\''"))
    } else {
        format!("'{argument}'")
    }
}

/// The whole command on one line.
pub fn command(plan: &Plan, caller: &CallerParts) -> String {
    let mut words = vec!["gst-launch-1.0".to_string(), "-e".to_string()];
    words.extend(arguments(plan, caller).iter().map(|argument| {
        if argument == "!" {
            argument.clone()
        } else {
            shell_quote(argument)
        }
    }));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(shell_quote("a=b"), "a=b");
        assert_eq!(shell_quote(""), "''");
        assert_eq!(shell_quote("a b"), "'a b'");
        assert_eq!(shell_quote("it's"), r"'it'\''s'");
        assert_eq!(shell_quote("$HOME"), "'$HOME'");
        assert_eq!(escape(r#"say "no\yes""#), r#"say \"no\\yes\""#);
        assert_eq!(escape(""), "\"\"");
        // What gst-launch-1.0 takes for the inside of a quote has no escapes of its own.
        assert_eq!(escape(r#"a b "c" d"#), r#"a b \"c\"\ d"#);
        assert_eq!(
            words(r#"filesrc location=a\ \"b\"\ c ! x"#),
            ["filesrc", r#"location=a \"b\"\ c"#, "!", "x"]
        );
    }
}
