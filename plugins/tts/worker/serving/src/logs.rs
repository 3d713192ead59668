// SPDX-License-Identifier: MPL-2.0

//! The log of a worker: lines to read or JSON, on standard error.
//!
//! What clients send stands in no line but for the ids that they chose, and those are quoted: nobody
//! writes lines of their own into a log. Libraries are heard only when they warn.

use std::fmt;

use crate::config::{Format, Level, Logging};
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    filter::Targets,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// The field that tells the session.
const SESSION: &str = "session_id";

/// Starts the log of the process.
pub fn start(logging: Logging) {
    let level = match logging.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warning => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    // What libraries tell below that may hold what clients sent.
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("duplex", level);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .event_format(Lines {
            format: logging.format,
            session_ids: logging.session_ids,
        });
    // There is none yet.
    let _ = tracing_subscriber::registry()
        .with(layer)
        .with(targets)
        .try_init();
}

struct Lines {
    format: Format,
    session_ids: bool,
}

/// The fields of an event in their order.
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
    session_ids: bool,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (SESSION, _) if !self.session_ids => (),
            (name, value) => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields {
            message: String::new(),
            others: Vec::new(),
            session_ids: self.session_ids,
        };
        event.record(&mut fields);
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let level = event.metadata().level().to_string();
        writeln!(writer, "{}", line(self.format, time, level, fields))
    }
}

fn line(format: Format, time: String, level: String, fields: Fields) -> String {
    match format {
        Format::Json => {
            let mut object = Map::new();
            object.insert("timestamp".into(), time.into());
            object.insert("level".into(), level.into());
            object.insert("message".into(), fields.message.into());
            for (name, value) in fields.others {
                object.insert(name.into(), value);
            }
            Value::Object(object).to_string()
        }
        Format::Text => {
            let mut line = format!("{time} {level:>5} {}", one_line(&fields.message));
            for (name, value) in fields.others {
                let value = match &value {
                    Value::String(text) if is_word(text) => text.clone(),
                    other => other.to_string(),
                };
                line.push_str(&format!(" {name}={value}"));
            }
            line
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| !c.is_control() && !c.is_whitespace() && c != '"' && c != '=')
}

/// Without what moves the cursor.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        Fields {
            message: "session\nopened".into(),
            others: vec![
                (SESSION, "a\n2026 INFO forged=\"x\"".into()),
                ("model", "espeak".into()),
                ("calls", 3.into()),
            ],
            session_ids: true,
        }
    }

    #[test]
    fn no_client_writes_lines_of_its_own() {
        let line = |format| super::line(format, "now".into(), "INFO".into(), fields());
        assert_eq!(
            line(Format::Text),
            r#"now  INFO session opened session_id="a\n2026 INFO forged=\"x\"" model=espeak calls=3"#
        );
        assert_eq!(
            line(Format::Json),
            r#"{"timestamp":"now","level":"INFO","message":"session\nopened","session_id":"a\n2026 INFO forged=\"x\"","model":"espeak","calls":3}"#
        );
    }
}
