// SPDX-License-Identifier: MPL-2.0

//! The file: its keys, their ranges, and what is wrong with it. Keys of the system before are in old.rs.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use duplex_yaml::{Form, Kind, Mapping, Report, Source, Spanned, yaml};

use super::old::Old;
use super::{Level, Tls, Told, host_name};
use crate::serve::tls;

/// What such a file holds.
pub const FORM: Form = Form::new("a configuration");

/// Keys that only a configuration has.
const OURS: [&str; 18] = [
    "listen",
    "descriptions",
    "limits",
    "tls",
    "token",
    "origins",
    "web",
    "health_port",
    "webrtc",
    "transport",
    "redis",
    "routing",
    "session",
    "vad",
    "asr",
    "log_level",
    "graceful_shutdown_timeout_s",
    "description",
];
/// Longest PEM file, in bytes: a chain of many certificates.
const LONGEST_PEM: u64 = 4 * 1024 * 1024;
/// Of numbers that need no upper end.
const COUNT: RangeInclusive<i64> = 1..=1_000_000;
const TIME: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400 * 7);

/// Whether a file is a configuration rather than a description, by its keys.
pub fn is_configuration(path: &Path) -> bool {
    let Ok(source) = Source::read(path, &FORM) else {
        return false;
    };
    let mut report = Report::new(source.clone());
    let Some(root) = yaml::parse(&source, &FORM, &mut report) else {
        return false;
    };
    let Kind::Mapping(pairs) = &root.kind else {
        return false;
    };
    let has = |key: &str| {
        pairs.iter().any(
            |(name, _)| matches!(&name.kind, Kind::Scalar { text, .. } if text.as_str() == key),
        )
    };
    !has("elements") && !has("links") && OURS.iter().any(|key| has(key))
}

/// Where it is read into.
pub(super) struct Reading<'a> {
    pub told: Told,
    pub old: Old,
    pub report: &'a mut Report,
    pub path: &'a Path,
}

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<(Told, Old), Report> {
    let source = Source::read(path, &FORM)?;
    let mut report = Report::new(source.clone());
    let root = yaml::parse(&source, &FORM, &mut report);
    let Some(root) = root else {
        if report.is_empty() {
            report.whole_file("is empty; configs/serve.yaml is one to start from");
        }
        return Err(report);
    };
    let mut reading = Reading {
        told: Told::default(),
        old: Old::default(),
        report: &mut report,
        path,
    };
    let mut keys = Mapping::root(&root, &FORM, reading.report);
    reading.old(&mut keys);
    reading.serving(&mut keys);
    reading.descriptions(&mut keys);
    reading.limits(&mut keys);
    reading.tls(&mut keys);
    reading.webrtc(&mut keys);
    keys.finish(reading.report);
    let (told, old) = (reading.told, reading.old);
    if report.is_empty() {
        Ok((told, old))
    } else {
        Err(report)
    }
}

/// A token is what a header can carry; `Err` says why it is none.
pub(super) fn check_token(token: &str) -> Result<String, String> {
    if token.is_empty() {
        return Err("the token is empty; leave it out to serve without one".into());
    }
    if !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(
            "the token has characters other than letters, digits and signs of ASCII".into(),
        );
    }
    Ok(token.to_owned())
}

impl Reading<'_> {
    pub(super) fn notice(&mut self, at: duplex_yaml::Span, sentence: &str) {
        let place = super::place(self.path, at);
        self.told.notices.push(format!("{place}: {sentence}"));
    }

    /// A text that `read` takes; `Err` says what is wrong with it.
    pub(super) fn text<T>(
        &mut self,
        keys: &mut Mapping,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Spanned<T>> {
        let text = keys.string(key, self.report)?;
        match read(&text) {
            Ok(value) => Some(Spanned { value, at: text.at }),
            Err(what) => {
                self.report.add(text.at, format!("`{key}`: {what}"));
                None
            }
        }
    }

    pub(super) fn number(
        &mut self,
        keys: &mut Mapping,
        key: &str,
        range: RangeInclusive<i64>,
    ) -> Option<Spanned<u32>> {
        let number = keys.integer(key, range, self.report)?;
        let value = u32::try_from(number.value).ok()?;
        Some(Spanned {
            value,
            at: number.at,
        })
    }

    /// A path as seen from the file.
    fn beside(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    fn serving(&mut self, keys: &mut Mapping) {
        let mut config = self.told.config.clone();
        self.text(keys, "listen", |text| config.set_listen(text));
        if let Some(token) = self.text(keys, "token", check_token) {
            config.token = Some(token.value);
        }
        for origin in keys.strings("origins", self.report).unwrap_or_default() {
            let good = origin.value == "*"
                || ["http://", "https://"].iter().any(|scheme| {
                    origin
                        .strip_prefix(scheme)
                        .is_some_and(|host| !host.is_empty() && !host.contains('/'))
                });
            if good {
                config.origins.push(origin.value);
            } else {
                let told = format!(
                    "`{}` is no origin; write one as https://page.example.com, or \"*\"",
                    origin.value
                );
                self.report.add(origin.at, told);
            }
        }
        if let Some(folder) = keys.string("web", self.report) {
            let path = self.beside(&folder);
            if path.join("index.html").is_file() {
                config.web = Some(path);
            } else {
                let told = format!("`web`: there is no {}", path.join("index.html").display());
                self.report.add(folder.at, told);
            }
        }
        let port = keys.integer("health_port", 0..=65_535, self.report);
        config.health_port = port.and_then(|port| u16::try_from(port.value).ok());
        self.told.config = config;
        if let Some(level) = self.text(keys, "log_level", Level::read) {
            self.told.level = level.value;
        }
        if let Some(time) = self.number(keys, "graceful_shutdown_timeout_s", 1..=3_600) {
            self.told.config.drain = Duration::from_secs(time.value.into());
        }
    }

    fn descriptions(&mut self, keys: &mut Mapping) {
        if let Some(file) = keys.string("description", self.report) {
            self.told.description = self.description(&file);
        }
        for (name, file) in keys.map("descriptions", self.report).unwrap_or_default() {
            if let Some(path) = self.description(&file) {
                self.told.descriptions.insert(name.value, path);
            }
        }
        for (name, value) in keys.map("parameters", self.report).unwrap_or_default() {
            self.told.parameters.insert(name.value, value.value);
        }
    }

    fn description(&mut self, file: &Spanned<String>) -> Option<PathBuf> {
        let path = self.beside(file);
        if path.is_file() {
            return Some(path);
        }
        let told = format!("there is no description {}", path.display());
        self.report.add(file.at, told);
        None
    }

    fn limits(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("limits", self.report) else {
            return;
        };
        let count = |this: &mut Self, keys: &mut Mapping, key| {
            this.number(keys, key, COUNT).map(|number| number.value)
        };
        if let Some(sessions) = count(self, &mut keys, "sessions") {
            self.told.config.allowance.sessions = sessions as usize;
            self.told.config.allowance.sessions_of_address = sessions as usize;
        }
        if let Some(sessions) = count(self, &mut keys, "sessions_per_address") {
            self.told.config.allowance.sessions_of_address = sessions as usize;
        }
        if let Some(rate) = count(self, &mut keys, "starts_per_second").and_then(NonZeroU32::new) {
            self.told.config.allowance.starts_per_second = rate;
        }
        if let Some(rate) = count(self, &mut keys, "messages_per_second").and_then(NonZeroU32::new)
        {
            self.told.config.allowance.messages_per_second = rate;
        }
        if let Some(messages) = count(self, &mut keys, "messages") {
            self.told.config.limits.messages = messages;
        }
        let config = &mut self.told.config;
        for (key, place) in [
            ("idle", &mut config.limits.idle),
            ("duration", &mut config.limits.duration),
            ("ping_interval", &mut config.ping),
            ("ping_timeout", &mut config.pong),
        ] {
            if let Some(time) = keys.duration(key, TIME, self.report) {
                *place = time.value;
            }
        }
        keys.finish(self.report);
    }

    fn tls(&mut self, keys: &mut Mapping) {
        let Some((_, node)) = keys.node("tls") else {
            return;
        };
        if matches!(&node.kind, Kind::Scalar { .. }) {
            if let Some(how) = keys.string("tls", self.report) {
                if how.value == "self-signed" {
                    self.told.config.tls = Some(Tls::SelfSigned);
                } else {
                    let told =
                        "`tls` is `self-signed`, or has `certificate` and `key`, two files in PEM";
                    self.report.add(how.at, told.to_owned());
                }
            }
            return;
        }
        let Some(mut keys) = keys.mapping("tls", self.report) else {
            return;
        };
        keys.require(&["certificate", "key"], self.report);
        let folder = self.path.parent().unwrap_or(Path::new("")).to_owned();
        let certificate = self.text(&mut keys, "certificate", |file| pem(&folder.join(file)));
        let key = self.text(&mut keys, "key", |file| pem(&folder.join(file)));
        if let (Some(certificate), Some(key)) = (certificate, key) {
            match tls::from_pem(&certificate.value, &key.value) {
                Ok(config) => self.told.config.tls = Some(Tls::Files(config)),
                Err(sentence) => self.report.add(keys.at(), sentence),
            }
        }
        keys.finish(self.report);
    }

    fn webrtc(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("webrtc", self.report) else {
            return;
        };
        let server = |schemes: &'static [&'static str]| {
            move |text: &str| {
                let good = schemes.iter().any(|scheme| {
                    let rest = text
                        .strip_prefix(scheme)
                        .and_then(|rest| rest.strip_prefix("://"));
                    rest.is_some_and(|rest| !rest.is_empty())
                });
                let written = schemes.join(":// or ");
                good.then(|| text.to_owned())
                    .ok_or_else(|| format!("`{text}` does not begin with {written}://"))
            }
        };
        let stun = self.text(&mut keys, "stun", server(&["stun"]));
        let mut turn = Vec::new();
        for text in keys.strings("turn", self.report).unwrap_or_default() {
            match server(&["turn", "turns"])(&text) {
                Ok(server) => turn.push(server),
                // It may hold a password.
                Err(_) => self.report.add(
                    text.at,
                    "`turn`: an item does not begin with turn:// or turns://".to_owned(),
                ),
            }
        }
        let ports = self.text(&mut keys, "ports", |text| {
            let ports = text.split_once('-').and_then(|(from, to)| {
                let ports = (from.trim().parse().ok()?, to.trim().parse().ok()?);
                (1024 <= ports.0 && ports.0 <= ports.1).then_some(ports)
            });
            ports.ok_or_else(|| format!("`{text}` is no range of ports such as 40000-40100"))
        });
        let announced = self.text(&mut keys, "announced_address", |text| {
            let good = text.parse::<std::net::IpAddr>().is_ok() || host_name(text).is_some();
            good.then(|| text.to_owned())
                .ok_or_else(|| format!("`{text}` is neither an address nor the name of a host"))
        });
        self.told.config.webrtc = super::WebRtc {
            stun: stun.map(|stun| stun.value),
            turn,
            ports: ports.map(|ports| ports.value),
            announced: announced.map(|announced| announced.value),
        };
        keys.finish(self.report);
    }
}

/// Reads a file in PEM; `Err` is a sentence.
fn pem(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{shown}: there is no such file"),
        _ => format!("{shown} cannot be read: {error}"),
    })?;
    if !metadata.is_file() || metadata.len() > LONGEST_PEM {
        return Err(format!("{shown} holds no certificate or key in PEM"));
    }
    std::fs::read(path).map_err(|error| format!("{shown} cannot be read: {error}"))
}
