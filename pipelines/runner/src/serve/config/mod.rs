// SPDX-License-Identifier: MPL-2.0

//! What a server is told: by its command line, the environment and a file, in this order.
//!
//! The file is YAML. Beside our own keys it may have those of the system before (its orchestrator.yaml is taken as it is):
//! each of them is honoured, or told of once with what takes its place ([`Told::notices`]). See configs/serve.yaml.

mod environment;
mod file;
mod old;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use duplex_yaml::{Report, Span};
use tokio_rustls::rustls;

pub use self::file::{FORM, is_configuration};
use super::admission::Allowance;
use super::session::policy::Limits;

/// Where the server listens where nobody says otherwise.
pub const HOST: &str = "127.0.0.1";
/// And its port.
pub const PORT: u16 = 8080;

/// How much is logged.
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
    const NAMES: [(&'static str, Level); 6] = [
        ("DEBUG", Level::Debug),
        ("INFO", Level::Info),
        ("WARNING", Level::Warning),
        ("WARN", Level::Warning),
        ("ERROR", Level::Error),
        ("CRITICAL", Level::Error),
    ];

    fn read(text: &str) -> Result<Level, String> {
        let named = |(name, _): &&(&str, Level)| name.eq_ignore_ascii_case(text);
        let found = Self::NAMES.iter().find(named);
        found.map(|(_, level)| *level).ok_or_else(|| {
            let near = duplex_yaml::nearest(text, Self::NAMES.map(|(name, _)| name));
            format!("`{text}` is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL{near}")
        })
    }
}

/// How browsers and this server find a way to each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebRtc {
    /// `stun://host:port`; none is asked unless it is named.
    pub stun: Option<String>,
    /// `turn://user:password@host:port`, each.
    pub turn: Vec<String>,
    /// UDP ports that may be used; any where there is none.
    pub ports: Option<(u16, u16)>,
    /// This machine's address as others see it.
    pub announced: Option<String>,
}

/// Certificates, by where they come from.
#[derive(Clone, Debug)]
pub enum Tls {
    /// From files.
    Files(Arc<rustls::ServerConfig>),
    /// Made at the start.
    SelfSigned,
}

/// All that a server is told, but for its descriptions.
#[derive(Clone, Debug)]
pub struct Config {
    /// A host by address or name; without brackets.
    pub host: String,
    /// TCP; 0 is any that is free.
    pub port: u16,
    /// How much each session may have.
    pub limits: Limits,
    /// How many sessions there may be.
    pub allowance: Allowance,
    /// What each request has to show.
    pub token: Option<String>,
    /// Pages from elsewhere that may connect; `*` is all.
    pub origins: Vec<String>,
    /// A folder in place of the page that is built in.
    pub web: Option<PathBuf>,
    /// A port on loopback for health and metrics alone.
    pub health_port: Option<u16>,
    /// Without it connections are plain.
    pub tls: Option<Tls>,
    /// How long running turns may go on at the end.
    pub drain: Duration,
    /// A client that is silent for so long is asked whether it is there,
    pub ping: Duration,
    /// and has so long to answer.
    pub pong: Duration,
    /// For WebRTC.
    pub webrtc: WebRtc,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: HOST.into(),
            port: PORT,
            limits: Limits::default(),
            allowance: Allowance::default(),
            token: None,
            origins: Vec::new(),
            web: None,
            health_port: None,
            tls: None,
            drain: Duration::from_secs(10),
            ping: Duration::from_secs(20),
            pong: Duration::from_secs(20),
            webrtc: WebRtc::default(),
        }
    }
}

impl Config {
    /// As it is written.
    pub fn listen(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Takes `ADDR:PORT`.
    pub fn set_listen(&mut self, text: &str) -> Result<(), String> {
        let parts = text.rsplit_once(':').and_then(|(host, port)| {
            let bare = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'));
            let host = match bare {
                Some(bare) => bare.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
                None => host_name(host)?,
            };
            Some((host, port.parse().ok()?))
        });
        let (host, port) = parts.ok_or_else(|| {
            format!(
                "`{text}` is no address with a port; write for instance {HOST}:{PORT}, or {HOST}:0 for a free one"
            )
        })?;
        (self.host, self.port) = (host, port);
        Ok(())
    }
}

/// The name or IPv4 address of a host.
fn host_name(text: &str) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    (!text.is_empty() && text.chars().all(good)).then(|| text.to_owned())
}

/// A property that the configuration sets in whatever description is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The elements that have it, by factory.
    pub factories: &'static [&'static str],
    /// The property.
    pub property: &'static str,
    /// Its value.
    pub value: String,
    /// Where it was written, for messages.
    pub from: String,
}

/// A parameter that an old key or variable sets, where the description has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The parameter.
    pub parameter: &'static str,
    /// Its value.
    pub value: String,
    /// Where it was written.
    pub from: String,
    /// What to say where the description has no such parameter.
    pub otherwise: &'static str,
}

/// All that a server is told.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// How it serves.
    pub config: Config,
    /// The description that clients get.
    pub description: Option<PathBuf>,
    /// Those that they may ask for by name.
    pub descriptions: BTreeMap<String, PathBuf>,
    /// Values of parameters.
    pub parameters: BTreeMap<String, String>,
    /// Values of parameters that a description may lack.
    pub wishes: Vec<Wish>,
    /// Properties of elements.
    pub overrides: Vec<Override>,
    /// How much is logged.
    pub level: Level,
    /// To be told once.
    pub notices: Vec<String>,
}

/// What is wrong with a configuration.
#[derive(Debug)]
pub enum Wrong {
    /// With the file: all of it, with places.
    File(Report),
    /// With the environment, in sentences.
    Elsewhere(Vec<String>),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(report) => report.fmt(f),
            Self::Elsewhere(sentences) => sentences
                .iter()
                .try_for_each(|sentence| writeln!(f, "{sentence}")),
        }
    }
}

/// Reads file and environment. `environment` gives the value of a variable.
pub fn read(
    path: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Told, Wrong> {
    let (mut told, mut old) = match path {
        Some(path) => file::read(path).map_err(Wrong::File)?,
        None => Default::default(),
    };
    let problems = environment::over(&mut told, &mut old, environment);
    old.into(&mut told);
    if problems.is_empty() {
        Ok(told)
    } else {
        Err(Wrong::Elsewhere(problems))
    }
}

/// `file:line:column`
fn place(path: &Path, at: Span) -> String {
    format!("{}:{}:{}", path.display(), at.line, at.column)
}
