// SPDX-License-Identifier: MPL-2.0

//! The file: its keys, their ranges, and what is wrong with it.

use std::{ops::RangeInclusive, path::Path, time::Duration};

use duplex_yaml::{Form, Mapping, Report, Source, Span, Spanned, yaml};

use super::{
    Format, Level, Listen, Logging, Notice, WARMUP, check_key,
    listen::host_of,
    models::{Alias, Catalogue},
    pem::{self, Holds},
};
use crate::{
    models::Keeping,
    server::{Serving, Tls},
    sessions::Limits,
};

const FORM: Form = Form::new("a configuration");

/// Of numbers that need no upper end.
const COUNT: RangeInclusive<i64> = 1..=i32::MAX as i64;

/// What the file says, the defaults in place of what it does not.
pub(super) struct File {
    pub name: Option<String>,
    pub listen: Listen,
    pub limits: Limits,
    /// Its model may be another one: that is [`File::default`].
    pub keeping: Keeping,
    pub default: Option<String>,
    pub serving: Serving,
    pub logging: Logging,
}

impl Default for File {
    fn default() -> Self {
        Self {
            name: None,
            listen: Listen::default(),
            limits: Limits::default(),
            keeping: Keeping {
                warmup: Some(WARMUP.into()),
                ..Keeping::default()
            },
            default: None,
            serving: Serving::default(),
            logging: Logging::default(),
        }
    }
}

/// Where it is read into.
struct Reading<'a, 'c> {
    file: File,
    catalogue: &'a mut Catalogue<'c>,
    notices: &'a mut Vec<Notice>,
    report: &'a mut Report,
    path: &'a Path,
}

impl File {
    /// Reads it. The names of models go into the catalogue, what has no effect into the notices.
    pub fn read(
        path: &Path,
        catalogue: &mut Catalogue,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, Report> {
        let source = Source::read(path, &FORM)?;
        let mut report = Report::new(source.clone());
        let root = yaml::parse(&source, &FORM, &mut report);
        let Some(root) = root else {
            if report.is_empty() {
                report.whole_file("is empty; configs/worker.yaml is one to start from");
            }
            return Err(report);
        };
        let mut reading = Reading {
            file: Self::default(),
            catalogue,
            notices,
            report: &mut report,
            path,
        };
        let mut keys = Mapping::root(&root, &FORM, reading.report);
        keys.require(&["worker", "model_manager"], reading.report);
        reading.worker(&mut keys);
        reading.model_manager(&mut keys);
        reading.session(&mut keys);
        reading.tls(&mut keys);
        reading.security(&mut keys);
        reading.logging(&mut keys);
        reading.audio(&mut keys);
        reading.redis(&mut keys);
        reading.metrics(&mut keys);
        keys.finish(reading.report);
        let file = reading.file;
        if report.is_empty() {
            Ok(file)
        } else {
            Err(report)
        }
    }
}

impl Reading<'_, '_> {
    /// One that tells where it stands.
    fn notice(&mut self, at: Span, sentence: &str) {
        let file = self.path.display();
        self.notices.push(Notice(format!(
            "{file}:{}:{}: {sentence}",
            at.line, at.column
        )));
    }

    fn count(&mut self, keys: &mut Mapping, key: &str) -> Option<usize> {
        let number = keys.integer(key, COUNT, self.report)?;
        usize::try_from(number.value).ok()
    }

    fn milliseconds(&mut self, keys: &mut Mapping, key: &str) -> Option<Duration> {
        let number = keys.integer(key, COUNT, self.report)?;
        u64::try_from(number.value).ok().map(Duration::from_millis)
    }

    fn seconds(
        &mut self,
        keys: &mut Mapping,
        key: &str,
        range: RangeInclusive<i64>,
    ) -> Option<Duration> {
        let number = keys.integer(key, range, self.report)?;
        u64::try_from(number.value).ok().map(Duration::from_secs)
    }

    /// A text that `read` takes; `Err` says what is wrong with it.
    fn text<T>(
        &mut self,
        keys: &mut Mapping,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = keys.string(key, self.report)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(what) => {
                self.report.add(text.at, format!("`{key}`: {what}"));
                None
            }
        }
    }

    fn worker(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("worker", self.report) else {
            return;
        };
        keys.require(&["name"], self.report);
        self.file.name = self.text(&mut keys, "name", |name| match name.chars().count() {
            1..=100 => Ok(name.to_owned()),
            length => Err(format!("a name has 1 to 100 characters, not {length}")),
        });
        let host = self.text(&mut keys, "grpc_host", |host| {
            host_of(host).ok_or_else(|| {
                format!("`{host}` is neither an address nor the name of a host; the port stands in grpc_port")
            })
        });
        if let Some(host) = host {
            self.file.listen.host = host;
        }
        let port = keys.integer("grpc_port", 1024..=65_535, self.report);
        if let Some(port) = port.and_then(|port| u16::try_from(port.value).ok()) {
            self.file.listen.port = port;
        }
        if let Some(mut keys) = keys.mapping("capabilities", self.report) {
            self.capabilities(&mut keys);
            keys.finish(self.report);
        }
        keys.finish(self.report);
    }

    fn capabilities(&mut self, keys: &mut Mapping) {
        if let Some(sessions) = self.count(keys, "max_concurrent_sessions") {
            self.file.limits.sessions = sessions;
        }
        let mut measured = Vec::new();
        for flag in [
            "streaming",
            "zero_shot",
            "lora",
            "cpu_ok",
            "emotive_zero_prompt",
        ] {
            if let Some(value) = keys.boolean(flag, self.report) {
                measured.push((value.at, flag));
            }
        }
        if let Some((_, node)) = keys.node("languages") {
            let languages = keys.strings("languages", self.report);
            if languages.is_some_and(|languages| languages.is_empty()) {
                self.report
                    .add(node.at, "`languages` is empty; it names one at least");
            }
            measured.push((node.at, "languages"));
        }
        measured.sort();
        if let Some((at, _)) = measured.first() {
            let names: Vec<&str> = measured.iter().map(|(_, name)| *name).collect();
            let told = format!(
                "{} of worker.capabilities have no effect: a worker tells what its voices can do",
                names.join(", ")
            );
            self.notice(*at, &told);
        }
    }

    fn model_manager(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("model_manager", self.report) else {
            return;
        };
        keys.require(&["default_model_id"], self.report);
        self.aliases(&mut keys);
        if let Some(id) = keys.string("default_model_id", self.report)
            && self.model("default_model_id", &id)
        {
            self.file.default = Some(id.value);
        }
        for id in keys
            .strings("preload_model_ids", self.report)
            .unwrap_or_default()
        {
            if self.model("preload_model_ids", &id) {
                self.file.keeping.preload.push(id.value);
            }
        }
        if let Some(time) = self.milliseconds(&mut keys, "ttl_ms") {
            self.file.keeping.ttl = time;
        }
        if let Some(time) = self.milliseconds(&mut keys, "min_residency_ms") {
            self.file.keeping.min_residency = time;
        }
        if let Some(time) = self.milliseconds(&mut keys, "evict_check_interval_ms") {
            self.file.serving.evict_interval = time;
        }
        if let Some(cap) = self.count(&mut keys, "resident_cap") {
            self.file.keeping.cap = cap;
        }
        if let Some(loads) = self.count(&mut keys, "max_parallel_loads") {
            self.file.keeping.parallel_loads = loads;
        }
        let text = keys.string("warmup_text", self.report);
        if let Some(text) = text {
            self.file.keeping.warmup = Some(text.value).filter(|text| !text.trim().is_empty());
        }
        if let Some(false) = keys
            .boolean("warmup_enabled", self.report)
            .map(|on| on.value)
        {
            self.file.keeping.warmup = None;
        }
        keys.finish(self.report);
    }

    /// Whether a model of this name can be asked for.
    fn model(&mut self, key: &str, id: &Spanned<String>) -> bool {
        match self.catalogue.resolve(id) {
            Ok(None) => true,
            Ok(Some(told)) => {
                self.notice(id.at, &format!("{key}: {told}"));
                true
            }
            Err(sentence) => {
                self.report.add(id.at, format!("`{key}`: {sentence}"));
                false
            }
        }
    }

    fn aliases(&mut self, keys: &mut Mapping) {
        let Some((_, node)) = keys.node("aliases") else {
            return;
        };
        let Some(pairs) = yaml::pairs(node, "`aliases`", self.report) else {
            return;
        };
        let engines = self.catalogue.engine_names();
        let choices: Vec<(&str, &str)> = engines.iter().map(|name| (*name, *name)).collect();
        for (id, node) in pairs {
            let mut keys = Mapping::new(node, format!("the alias `{}`", id.value), self.report);
            let before = self.report.problems().len();
            let engine = keys.one_of("engine", &choices, self.report);
            let voice = keys.string("voice", self.report);
            let language = keys.string("language", self.report);
            keys.finish(self.report);
            if engines.contains(&id.as_str()) {
                let told = format!(
                    "`{}` is an engine of this worker; choose another name",
                    id.value
                );
                self.report.add(id.at, told);
            }
            if self.report.problems().len() > before {
                continue;
            }
            let at = [voice.as_ref(), language.as_ref()]
                .into_iter()
                .flatten()
                .map(|text| text.at)
                .next()
                .unwrap_or(id.at);
            let engine = engine.map_or(self.catalogue.default_engine(), |engine| engine.value);
            let alias = Alias {
                id: id.value,
                engine: engine.to_owned(),
                voice: voice.map(|voice| voice.value),
                language: language.map(|language| language.value),
            };
            let name = alias.id.clone();
            if let Err(sentence) = self.catalogue.add(alias) {
                self.report
                    .add(at, format!("the alias `{name}`: {sentence}"));
            }
        }
    }

    fn session(&mut self, keys: &mut Mapping) {
        if let Some(mut keys) = keys.mapping("session", self.report) {
            if let Some(time) = self.seconds(&mut keys, "idle_timeout_seconds", 10..=86_400) {
                self.file.limits.idle = time;
            }
            keys.finish(self.report);
        }
        if let Some(time) = self.seconds(keys, "graceful_shutdown_timeout_s", 1..=3_600) {
            self.file.serving.drain = time;
        }
    }

    fn security(&mut self, keys: &mut Mapping) {
        self.file.serving.api_key = self.text(keys, "api_key", |key| {
            check_key(key.to_owned())
                .map_err(|what| format!("{what}; leave it out to serve without a key"))
        });
    }

    fn tls(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("tls", self.report) else {
            return;
        };
        keys.require(&["certificate", "key"], self.report);
        let before = self.report.problems().len();
        let path = self.path;
        let certificate = self.text(&mut keys, "certificate", |file| {
            pem::read(file, path, Holds::Certificate)
        });
        let key = self.text(&mut keys, "key", |file| pem::read(file, path, Holds::Key));
        let client_ca = self.text(&mut keys, "client_ca", |file| {
            pem::read(file, path, Holds::Certificate)
        });
        if let (Some(certificate), Some(key)) = (certificate, key)
            && self.report.problems().len() == before
        {
            let tls = Tls {
                certificate,
                key,
                client_ca,
            };
            if let Err(sentence) = tls.check() {
                self.report.add(keys.at(), sentence);
            }
            self.file.serving.tls = Some(tls);
        }
        keys.finish(self.report);
    }

    fn logging(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("logging", self.report) else {
            return;
        };
        let logging = Logging::default();
        let level = self.text(&mut keys, "level", str::parse::<Level>);
        let formats = [("json", Format::Json), ("text", Format::Text)];
        let format = keys.one_of("format", &formats, self.report);
        let ids = keys.boolean("include_session_id", self.report);
        self.file.logging = Logging {
            level: level.unwrap_or(logging.level),
            format: format.map_or(logging.format, |format| format.value),
            session_ids: ids.map_or(logging.session_ids, |ids| ids.value),
        };
        keys.finish(self.report);
    }

    fn audio(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("audio", self.report) else {
            return;
        };
        for (key, only, instead) in [
            ("output_sample_rate", 48_000, "sample_rate"),
            ("frame_duration_ms", 20, "piece_ms"),
        ] {
            if let Some(value) = keys.integer(key, COUNT, self.report)
                && value.value != only
            {
                let told = format!(
                    "`{key}`: {} is not {only}, which clients get unless they ask for something else (TextChunk.{instead})",
                    value.value
                );
                self.report.add(value.at, told);
            }
        }
        let target = keys.float("loudness_target_lufs", -23.0..=-12.0, self.report);
        let normal = keys.boolean("normalization_enabled", self.report);
        let at = [target.map(|value| value.at), normal.map(|value| value.at)];
        if let Some(at) = at.into_iter().flatten().min() {
            self.notice(
                at,
                "loudness_target_lufs and normalization_enabled of audio have no effect yet: each voice keeps its own loudness",
            );
        }
        keys.finish(self.report);
    }

    fn redis(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("redis", self.report) else {
            return;
        };
        let _ = self.text(&mut keys, "url", |url| {
            if url.starts_with("redis://") || url.starts_with("rediss://") {
                Ok(())
            } else {
                Err(format!(
                    "`{url}` begins neither with redis:// nor with rediss://"
                ))
            }
        });
        keys.integer("registration_ttl_seconds", 5..=3_600, self.report);
        keys.integer("heartbeat_interval_seconds", 1..=300, self.report);
        self.notice(
            keys.at(),
            "redis has no effect yet: workers will register there in a later version; \
             name this one to its orchestrator (routing.static_worker_addr)",
        );
        keys.finish(self.report);
    }

    fn metrics(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("metrics", self.report) else {
            return;
        };
        for key in ["enabled", "track_latency", "track_rtf", "track_queue_depth"] {
            keys.boolean(key, self.report);
        }
        keys.integer("prometheus_port", 1..=65_535, self.report);
        self.notice(
            keys.at(),
            "metrics has no effect yet: all figures are measured, and GetCapabilities tells them; \
             a port for Prometheus comes in a later version",
        );
        keys.finish(self.report);
    }
}
