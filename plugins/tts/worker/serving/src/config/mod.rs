// SPDX-License-Identifier: MPL-2.0

//! What a worker is told: by its command line, the environment and a file, in this order.
//!
//! The file is YAML with the keys of the system that gst-duplex succeeds, so that its files are taken
//! as they are; what has no effect here is told once ([`Notice`]). See configs/worker.yaml.

mod file;
mod listen;
mod models;
mod pem;

use std::{fmt, path::Path};

use duplex_yaml::Report;
pub use listen::Listen;
pub use models::KnownEngine;

use self::{file::File, models::Catalogue};
use crate::{
    models::{Keeping, Spec},
    server::Serving,
    sessions::Limits,
};

/// Holds the key that calls have to carry; over the file's `api_key`.
pub const KEY_VARIABLE: &str = "DUPLEX_WORKER_API_KEY";

/// The environment's names for the default model, the strongest first.
const MODEL_VARIABLES: [&str; 2] = ["DEFAULT_MODEL_ID", "DEFAULT_MODEL"];

/// What is spoken to nobody when a model is loaded.
const WARMUP: &str = "This voice is ready.";

/// What is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What went wrong.
    Error,
    /// And what may be.
    Warning,
    /// And what sessions come and go.
    #[default]
    Info,
    /// And what they do.
    Debug,
}

impl Level {
    /// Of old files and ours; `CRITICAL` is as much as `ERROR`.
    const NAMES: [(&'static str, Self); 6] = [
        ("DEBUG", Self::Debug),
        ("INFO", Self::Info),
        ("WARNING", Self::Warning),
        ("WARN", Self::Warning),
        ("ERROR", Self::Error),
        ("CRITICAL", Self::Error),
    ];
}

impl std::str::FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, level)| *level).ok_or_else(|| {
            let near = duplex_yaml::nearest(text, Self::NAMES.map(|(name, _)| name));
            format!("`{text}` is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL{near}")
        })
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Lines to read.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logging {
    /// How much.
    pub level: Level,
    /// How.
    pub format: Format,
    /// Whether lines tell the session that they are about.
    pub session_ids: bool,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            level: Level::default(),
            format: Format::default(),
            session_ids: true,
        }
    }
}

/// Something to know that is no fault: one sentence, with its place where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice(pub String);

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Where to listen.
    pub listen: Option<Listen>,
    /// Only the port of it.
    pub port: Option<u16>,
    /// The model of sessions that name none.
    pub model: Option<String>,
    /// Loaded at the start, in place of the file's.
    pub preload: Option<Vec<String>>,
    /// How much is logged.
    pub level: Option<Level>,
    /// Chosen by the model here; it is only told so.
    pub adapter: Option<String>,
}

/// All that a worker is told.
#[derive(Clone)]
pub struct Config {
    /// What it is called, in its log.
    pub name: String,
    /// Where it listens.
    pub listen: Listen,
    /// What can be asked for.
    pub models: Vec<Spec>,
    /// How models are kept.
    pub keeping: Keeping,
    /// What is enforced.
    pub limits: Limits,
    /// How it serves.
    pub serving: Serving,
    /// The log.
    pub logging: Logging,
    /// To be told once.
    pub notices: Vec<Notice>,
}

/// What is wrong with a configuration.
#[derive(Debug)]
pub enum Wrong {
    /// With the file: all of it, with places.
    File(Report),
    /// With something else, in a sentence.
    Elsewhere(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(report) => report.fmt(f),
            Self::Elsewhere(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Wrong {}

/// Reads all that a worker is told. The first engine is the default; voices are tried with them, so
/// this may block for as long as they take to load. `environment` gives the value of a variable.
pub fn read(
    path: Option<&Path>,
    overrides: &Overrides,
    engines: &[KnownEngine],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Config, Wrong> {
    let mut catalogue = Catalogue::new(engines);
    let mut notices = Vec::new();
    let file = match path {
        Some(path) => File::read(path, &mut catalogue, &mut notices).map_err(Wrong::File)?,
        None => File::default(),
    };

    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let adapters = [
        ("--adapter", overrides.adapter.clone()),
        ("ADAPTER_TYPE", set("ADAPTER_TYPE")),
    ];
    for (from, adapter) in adapters {
        if let Some(adapter) = adapter {
            notices.push(Notice(format!(
                "{from} {adapter} has no effect: the model chooses its engine (--model, model_manager.aliases)"
            )));
        }
    }

    let mut keeping = file.keeping;
    let named = MODEL_VARIABLES
        .iter()
        .find_map(|name| Some((*name, set(name)?)));
    let named = overrides
        .model
        .clone()
        .map(|model| ("--model", model))
        .or(named);
    let preload = overrides.preload.clone();
    let elsewhere = named
        .iter()
        .cloned()
        .chain(preload.iter().flatten().map(|id| ("--preload", id.clone())));
    for (from, id) in elsewhere {
        match catalogue.resolve(&id) {
            Ok(notice) => notices.extend(notice.map(|told| Notice(format!("{from}: {told}")))),
            Err(sentence) => return Err(Wrong::Elsewhere(format!("{from}: {sentence}"))),
        }
    }
    keeping.default = named
        .map(|(_, model)| model)
        .or(file.default)
        .unwrap_or_else(|| catalogue.default_engine().to_owned());
    keeping.preload = preload.unwrap_or(keeping.preload);

    let mut serving = file.serving;
    if let Some(key) = environment(KEY_VARIABLE) {
        let key = check_key(key).map_err(|what| {
            Wrong::Elsewhere(format!(
                "{KEY_VARIABLE}: {what}; unset it to serve without a key"
            ))
        })?;
        serving.api_key = Some(key);
    }

    let mut listen = file.listen;
    if let Some(given) = &overrides.listen {
        listen = given.clone();
    }
    if let Some(port) = overrides.port {
        listen.port = port;
    }
    let mut logging = file.logging;
    if let Some(level) = overrides.level {
        logging.level = level;
    }
    Ok(Config {
        name: file.name.unwrap_or_else(|| "duplex-worker".into()),
        listen,
        models: catalogue.specs(),
        keeping,
        limits: file.limits,
        serving,
        logging,
        notices,
    })
}

/// A key is what a header can carry; `Err` says why it is none.
fn check_key(key: String) -> Result<String, &'static str> {
    if key.is_empty() {
        return Err("the key is empty");
    }
    if !key.chars().all(|c| c.is_ascii_graphic()) {
        return Err("the key has characters other than letters, digits and signs of ASCII");
    }
    Ok(key)
}
