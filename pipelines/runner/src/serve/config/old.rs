// SPDX-License-Identifier: MPL-2.0

//! Keys of the system before: what they set here, or what takes their place.

use std::time::Duration;

use duplex_yaml::{Mapping, Span};

use super::file::Reading;
use super::{Override, Told, Wish, host_name};

/// Elements that listen.
const EARS: &[&str] = &["vadsrc", "vad"];
/// Elements that speak.
const MOUTH: &[&str] = &["ttssink"];
/// Elements that recognise words.
const RECOGNISERS: &[&str] = &["sphinxasr", "whisperasr"];
/// One of them.
const WHISPER: &[&str] = &["whisperasr"];

/// A value, and where it was written.
pub(super) type Given<T> = Option<(T, String)>;

/// What the environment may still say otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct Old {
    /// Recognition.
    pub asr_enabled: Given<bool>,
    pub asr_adapter: Given<String>,
    pub asr_model_size: Given<String>,
    pub asr_language: Given<String>,
    pub asr_device: Given<String>,
    pub asr_compute_type: Given<String>,
    pub asr_model_path: Given<String>,
    pub asr_buffer: Given<u32>,
    /// LiveKit: where it was named.
    pub livekit: Option<String>,
    /// Redis: where it was named.
    pub redis: Option<String>,
}

/// What an adapter's name may be.
pub(super) const ADAPTERS: [&str; 3] = ["whisper", "whisperx", "vosk"];
/// What a model's size may be.
pub(super) const SIZES: [&str; 5] = ["tiny", "base", "small", "medium", "large"];

/// Whether a device's name is one: `cpu`, `auto`, `cuda` or `cuda:0`.
pub(super) fn device(text: &str) -> Result<String, String> {
    let good = ["cpu", "auto", "cuda"].contains(&text)
        || text
            .strip_prefix("cuda:")
            .is_some_and(|n| n.parse::<u8>().is_ok());
    good.then(|| text.to_owned())
        .ok_or_else(|| format!("`{text}` is not one of cpu, cuda, cuda:0, auto"))
}

/// One of some names.
pub(super) fn one_of(text: &str, names: &[&str]) -> Result<String, String> {
    if names.contains(&text) {
        return Ok(text.to_owned());
    }
    let near = duplex_yaml::nearest(text, names.iter().copied());
    Err(format!("`{text}` is not one of {}{near}", names.join(", ")))
}

impl Old {
    /// Turns what was said into what it means here.
    pub fn into(self, told: &mut Told) {
        if let Some(from) = &self.redis {
            told.notices.push(format!(
                "{from}: Redis is not asked by this server: workers are named in the description (grpctts uri=…)"
            ));
        }
        if let Some(from) = &self.livekit {
            told.notices.push(format!(
                "{from}: rooms of LiveKit are not served: pipelines/publish-livekit.yaml speaks into one, by LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET"
            ));
        }
        self.recognition(told);
    }

    fn recognition(self, told: &mut Told) {
        let notices = &mut told.notices;
        match &self.asr_enabled {
            Some((false, from)) => notices.push(format!(
                "{from}: whether words are recognised is the description's matter: pipelines/speak.yaml has no recogniser"
            )),
            Some((true, from)) => notices.push(format!(
                "{from}: whether words are recognised is the description's matter: pipelines/conversation.yaml has a recogniser"
            )),
            None => {}
        }
        if let Some((adapter, from)) = &self.asr_adapter {
            notices.push(format!(
                "{from}: `{adapter}` is an element of the description here: sphinxasr or whisperasr"
            ));
        }
        for (size, from) in self.asr_model_size.iter() {
            notices.push(format!(
                "{from}: `{size}` is a file of the description here: whisperasr model=ggml-{size}.bin"
            ));
        }
        if let Some((kind, from)) = &self.asr_compute_type {
            notices.push(format!(
                "{from}: `{kind}` has no effect: the file of the model says how it computes"
            ));
        }
        if let Some((_, from)) = &self.asr_buffer {
            notices.push(format!(
                "{from}: it has no effect: recognisers bound what they keep by themselves"
            ));
        }
        let mut set = |given: Given<String>, factories, property| {
            if let Some((value, from)) = given {
                told.overrides.push(Override {
                    factories,
                    property,
                    value,
                    from,
                });
            }
        };
        set(self.asr_language, RECOGNISERS, "language");
        set(self.asr_device, WHISPER, "device");
        set(self.asr_model_path, WHISPER, "model");
    }
}

impl Reading<'_> {
    fn from(&self, at: Span, key: &str) -> String {
        format!("{}: {key}", super::place(self.path, at))
    }

    /// The sections of an old file.
    pub(super) fn old(&mut self, keys: &mut Mapping) {
        if let Some(mut transport) = keys.mapping("transport", self.report) {
            self.websocket(&mut transport);
            self.livekit(&mut transport);
            transport.finish(self.report);
        }
        self.redis(keys);
        self.routing(keys);
        self.session(keys);
        self.vad(keys);
        self.asr(keys);
    }

    fn websocket(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("websocket", self.report) else {
            return;
        };
        if let Some(enabled) = keys.boolean("enabled", self.report)
            && !enabled.value
        {
            self.notice(
                enabled.at,
                "transport.websocket.enabled: it has no effect: WebSocket is always served",
            );
        }
        let host = self.text(&mut keys, "host", |host| {
            let bare = host
                .strip_prefix('[')
                .and_then(|h| h.strip_suffix(']'))
                .unwrap_or(host);
            let good = bare.parse::<std::net::IpAddr>().is_ok() || host_name(bare).is_some();
            good.then(|| bare.to_owned()).ok_or_else(|| {
                format!(
                    "`{host}` is neither an address nor the name of a host; the port stands in port"
                )
            })
        });
        match host {
            Some(host) => self.told.config.host = host.value,
            None => self.notice(
                keys.at(),
                "transport.websocket has no host: this machine alone is served; 0.0.0.0 serves others, too",
            ),
        }
        if let Some(port) = keys.integer("port", 1_024..=65_535, self.report)
            && let Ok(port) = u16::try_from(port.value)
        {
            self.told.config.port = port;
        }
        if let Some(sessions) = self.number(&mut keys, "max_connections", 1..=1_000_000) {
            self.told.config.allowance.sessions = sessions.value as usize;
            self.told.config.allowance.sessions_of_address = sessions.value as usize;
        }
        if let Some(size) = self.number(&mut keys, "frame_queue_size", 10..=1_000_000) {
            self.notice(
                size.at,
                "transport.websocket.frame_queue_size: it has no effect: a client that is five seconds behind is let go",
            );
        }
        keys.finish(self.report);
    }

    fn livekit(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("livekit", self.report) else {
            return;
        };
        let enabled = keys.boolean("enabled", self.report);
        for key in ["url", "api_key", "api_secret", "room_prefix"] {
            keys.string(key, self.report);
        }
        // An old file that leaves it off loses nothing.
        if enabled.is_some_and(|enabled| enabled.value) {
            self.old.livekit = Some(self.from(keys.at(), "transport.livekit"));
        }
        keys.finish(self.report);
    }

    fn redis(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("redis", self.report) else {
            return;
        };
        let _ = self.text(&mut keys, "url", |url| {
            let good = url.starts_with("redis://") || url.starts_with("rediss://");
            good.then_some(())
                .ok_or_else(|| "it begins neither with redis:// nor with rediss://".to_owned())
        });
        keys.integer("db", 0..=15, self.report);
        keys.string("worker_key_prefix", self.report);
        keys.integer("worker_ttl_seconds", 5..=i64::MAX, self.report);
        keys.integer("connection_pool_size", 1..=i64::MAX, self.report);
        self.old.redis = Some(self.from(keys.at(), "redis"));
        keys.finish(self.report);
    }

    fn routing(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("routing", self.report) else {
            return;
        };
        let address = self.text(&mut keys, "static_worker_addr", |text| {
            let bare = text.strip_prefix("grpc://").unwrap_or(text);
            let good = bare.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty()
                    && port.parse::<u16>().is_ok()
                    && bare
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c))
            });
            good.then(|| format!("grpc://{bare}")).ok_or_else(|| {
                format!("`{text}` is no worker's address such as grpc://localhost:7001")
            })
        });
        if let Some(address) = address {
            let from = self.from(address.at, "routing.static_worker_addr");
            self.told.wishes.push(Wish {
                parameter: "worker",
                value: address.value,
                from,
                otherwise: "the description has no parameter `worker`, its voice is its own: \
                            pipelines/offload.yaml shows one whose voice is a worker's",
            });
        }
        let resident = keys
            .boolean("prefer_resident_models", self.report)
            .map(|v| v.at);
        let strategy = keys
            .string("load_balance_strategy", self.report)
            .map(|v| v.at);
        for (at, key) in [
            (resident, "routing.prefer_resident_models"),
            (strategy, "routing.load_balance_strategy"),
        ] {
            if let Some(at) = at {
                self.notice(
                    at,
                    &format!("{key}: it has no effect: grpctts takes the first worker of its uri that answers"),
                );
            }
        }
        keys.finish(self.report);
    }

    fn session(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("session", self.report) else {
            return;
        };
        if let Some(time) = self.number(&mut keys, "idle_timeout_seconds", 10..=3_600) {
            self.told.config.limits.idle = Duration::from_secs(time.value.into());
        }
        if let Some(time) = self.number(&mut keys, "max_session_duration_seconds", 60..=14_400) {
            self.told.config.limits.duration = Duration::from_secs(time.value.into());
        }
        if let Some(messages) = self.number(&mut keys, "max_messages_per_session", 1..=1_000) {
            self.told.config.limits.messages = messages.value;
        }
        keys.finish(self.report);
    }

    fn set(
        &mut self,
        at: Span,
        key: &str,
        factories: &'static [&'static str],
        property: &'static str,
        value: &str,
    ) {
        let from = self.from(at, key);
        self.told.overrides.push(Override {
            factories,
            property,
            value: value.to_owned(),
            from,
        });
    }

    fn vad(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("vad", self.report) else {
            return;
        };
        if let Some(enabled) = keys.boolean("enabled", self.report)
            && !enabled.value
        {
            self.set(enabled.at, "vad.enabled", MOUTH, "interruption", "none");
        }
        if let Some(time) = self.number(&mut keys, "min_speech_duration_ms", 0..=10_000) {
            let value = format!("{}ms", time.value);
            let key = "vad.min_speech_duration_ms";
            self.set(time.at, key, EARS, "min-speech-duration", &value);
            self.set(time.at, key, MOUTH, "commit-duration", &value);
        }
        if let Some(time) = self.number(&mut keys, "min_silence_duration_ms", 0..=60_000) {
            let value = format!("{}ms", time.value);
            let key = "vad.min_silence_duration_ms";
            self.set(time.at, key, EARS, "min-silence-duration", &value);
        }
        let mut measured = Vec::new();
        if let Some(value) = keys.integer("aggressiveness", 0..=3, self.report) {
            measured.push((value.at, "aggressiveness"));
        }
        for (key, choices) in [
            (
                "sample_rate",
                [("8000", ()), ("16000", ()), ("32000", ()), ("48000", ())].as_slice(),
            ),
            (
                "frame_duration_ms",
                [("10", ()), ("20", ()), ("30", ())].as_slice(),
            ),
        ] {
            if let Some(value) = keys.one_of(key, choices, self.report) {
                measured.push((value.at, key));
            }
        }
        if let Some(value) = keys.boolean("state_aware_gating", self.report) {
            measured.push((value.at, "state_aware_gating"));
        }
        for (key, range) in [
            ("speaking_threshold_multiplier", 1.0..=10.0),
            ("listening_threshold_multiplier", 0.5..=5.0),
            ("barged_in_threshold_multiplier", 1.0..=5.0),
        ] {
            if let Some(value) = keys.float(key, range, self.report) {
                measured.push((value.at, key));
            }
        }
        if let Some(mut gate) = keys.mapping("noise_gate", self.report) {
            gate.boolean("enabled", self.report);
            gate.integer("window_size", 10..=500, self.report);
            gate.float("percentile", 0.01..=0.99, self.report);
            gate.float("threshold_multiplier", 1.0..=10.0, self.report);
            gate.float("min_threshold", 0.0..=10_000.0, self.report);
            gate.integer("update_interval_frames", 1..=100, self.report);
            measured.push((gate.at(), "noise_gate"));
            gate.finish(self.report);
        }
        measured.sort();
        if let Some((at, _)) = measured.first() {
            let names: Vec<&str> = measured.iter().map(|(_, name)| *name).collect();
            let told = format!(
                "{} of vad have no effect: the ears tell speech from noise by themselves; threshold and echo-margin of vadsrc, in the description, make them bolder or shyer",
                names.join(", ")
            );
            self.notice(*at, &told);
        }
        keys.finish(self.report);
    }

    fn asr(&mut self, keys: &mut Mapping) {
        let Some(mut keys) = keys.mapping("asr", self.report) else {
            return;
        };
        let place = |this: &Self, at: Span, key: &str| this.from(at, &format!("asr.{key}"));
        if let Some(value) = keys.boolean("enabled", self.report) {
            self.old.asr_enabled = Some((value.value, place(self, value.at, "enabled")));
        }
        let mut text = |key: &str, read: &dyn Fn(&str) -> Result<String, String>| {
            let value = self.text(&mut keys, key, read)?;
            let from = place(self, value.at, key);
            Some((value.value, from))
        };
        let adapter = text("adapter", &|text| one_of(text, &ADAPTERS));
        let size = text("model_size", &|text| one_of(text, &SIZES));
        let language = text("language", &language);
        let device = text("device", &device);
        let compute = text("compute_type", &|text| {
            one_of(text, &["default", "float32", "float16", "int8"])
        });
        let path = text("model_path", &|text| Ok(text.to_owned()));
        self.old.asr_adapter = adapter;
        self.old.asr_model_size = size;
        self.old.asr_language = language;
        self.old.asr_device = device;
        self.old.asr_compute_type = compute;
        self.old.asr_model_path = path;
        if let Some(value) = self.number(&mut keys, "buffer_max_duration_s", 1..=300) {
            self.old.asr_buffer =
                Some((value.value, place(self, value.at, "buffer_max_duration_s")));
        }
        keys.finish(self.report);
    }
}

/// Two letters, or `auto`.
pub(super) fn language(text: &str) -> Result<String, String> {
    let good = text == "auto" || (text.len() == 2 && text.chars().all(|c| c.is_ascii_lowercase()));
    good.then(|| text.to_owned())
        .ok_or_else(|| format!("`{text}` is neither a language's two letters nor auto"))
}
