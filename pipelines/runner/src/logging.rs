// SPDX-License-Identifier: MPL-2.0

//! GStreamer's log, GLib's and the binary's own in one log, as text or JSON, on standard error.

use std::io::IsTerminal;

use gst::glib;
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines to read.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Categories of our elements, which never log what somebody says.
const OURS: [&str; 9] = [
    "vad*",
    "ttssink*",
    "ttsplayout*",
    "espeaktts*",
    "grpctts*",
    "sphinxasr*",
    "whisperasr*",
    "chat*",
    "duplex*",
];

/// Starts the log. `verbosity` counts `-v`: 0 shows what went wrong, 1 warnings and progress, 2 details, 3 and more debugging
/// of our own elements, which holds no text of callers or answers. `GST_DEBUG` takes the place of all that: the debugging of
/// GStreamer itself, which it alone can ask for, shows events and messages whole. To be called once, after `gst::init`.
pub fn start(format: Format, verbosity: u8) {
    let level = match verbosity {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    start_at(format, level, verbosity);
}

/// The same, with a level of its own for what is not GStreamer. Libraries are heard only when they warn: what they tell
/// below that may hold what callers send.
#[expect(
    clippy::disallowed_methods,
    reason = "the log belongs to the process, and in this one to the runner"
)]
pub fn start_at(format: Format, level: LevelFilter, verbosity: u8) {
    // What GST_DEBUG asks for has to get through, whatever `-v` says.
    let asked = std::env::var_os("GST_DEBUG").is_some_and(|value| !value.is_empty());
    let level = if asked { LevelFilter::TRACE } else { level };
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    let layer = match format {
        Format::Text => layer.boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    };
    let ours = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("duplex", level);
    let started = tracing_subscriber::registry()
        .with(layer)
        .with(ours)
        .try_init();
    if started.is_err() {
        return;
    }
    if !asked {
        gst::log::set_default_threshold(match verbosity {
            // What an element cannot do arrives as a message on the bus, with a sentence.
            0 => gst::DebugLevel::None,
            1 => gst::DebugLevel::Warning,
            // From Debug on pads, buses, queues, sinks and many others write out what passes through them, text included.
            _ => gst::DebugLevel::Info,
        });
        let ours = match verbosity {
            // Warnings of our own elements are meant for users.
            0 => Some(gst::DebugLevel::Warning),
            1 | 2 => None,
            3 => Some(gst::DebugLevel::Debug),
            _ => Some(gst::DebugLevel::Log),
        };
        if let Some(level) = ours {
            for category in OURS {
                gst::log::set_threshold_for_name(category, level);
            }
        }
    }
    gst::log::set_active(true);
    gst::log::remove_default_log_function();
    gst::log::add_log_function(
        |category, level, _file, _function, _line, object, message| {
            let element = object.map(|object| object.to_string()).unwrap_or_default();
            let category = category.name();
            let Some(message) = message.get() else { return };
            forward(gst_level(level), category, &element, &message);
        },
    );
    glib::log_set_default_handler(|domain, level, message| {
        let level = match level {
            glib::LogLevel::Error | glib::LogLevel::Critical => Level::ERROR,
            glib::LogLevel::Warning => Level::WARN,
            glib::LogLevel::Message | glib::LogLevel::Info => Level::INFO,
            glib::LogLevel::Debug => Level::DEBUG,
        };
        forward(level, domain.unwrap_or("glib"), "", message);
    });
}

fn gst_level(level: gst::DebugLevel) -> Level {
    match level {
        gst::DebugLevel::Error => Level::ERROR,
        gst::DebugLevel::Warning | gst::DebugLevel::Fixme => Level::WARN,
        gst::DebugLevel::Info => Level::INFO,
        gst::DebugLevel::Debug => Level::DEBUG,
        _ => Level::TRACE,
    }
}

fn forward(level: Level, category: &str, element: &str, message: &str) {
    // The level of a tracing event is part of its call site.
    macro_rules! forward {
        ($($name:ident)*) => {
            match level {
                $(Level::$name if element.is_empty() => {
                    tracing::event!(Level::$name, category, "{message}");
                })*
                $(Level::$name => {
                    tracing::event!(Level::$name, category, element, "{message}");
                })*
            }
        };
    }
    forward!(ERROR WARN INFO DEBUG TRACE);
}
