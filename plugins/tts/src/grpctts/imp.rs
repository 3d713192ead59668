// SPDX-License-Identifier: MPL-2.0

//! SECTION:element-grpctts
//!
//! Speaks text with the voices of a worker, in another process or on another machine, over gRPC
//! (`tts.TTSService`, see proto/tts.proto).
//!
//! Text is sent as it comes, sound comes as it is made and only as far ahead as it is played. A flush
//! ends the work at the worker at once. All elements of a process share one connection to each worker; a
//! worker that dies or no longer answers is an ERROR within a second. Workers of the old protocol serve
//! too: where words are is estimated then.
//!
//! ## Example pipelines
//! ```bash
//! gst-launch-1.0 filesrc location=story.txt ! text/x-raw,format=utf8 ! grpctts uri=grpc://127.0.0.1:7001 ! wavenc ! filesink location=out.wav
//! ```
//! Writes what a worker on this machine makes of a text (start one with `duplex-worker`).
//!
//! ```bash
//! gst-launch-1.0 fdsrc ! text/x-raw,format=utf8 ! ttssink synthesizer="grpctts uri=grpc://127.0.0.1:7001 voice=fr"
//! ```
//! Speaks each line that is typed, with a French voice.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use duplex_proto::DEFAULT_PORT;
use duplex_synthesis::{Engine, Error};
use duplex_textpad::{Loading, Settings as Common, Speaker};
use gst::{glib, prelude::*};

use crate::remote::{self, Remote};

const DEFAULT_CONNECT_TIMEOUT: gst::ClockTime = gst::ClockTime::from_mseconds(2_000);

duplex_textpad::text_to_audio_element! {
    /// The implementation of `grpctts`; what it has in common with other voices is duplex-textpad's.
    pub struct GrpcTts for super::GrpcTts, speaker GrpcSpeaker;
    type_name: "GstDuplexGrpcTts",
    category: "grpctts",
    long_name: "Remote speech synthesizer",
    description: "Speaks text with the voices of a worker in another process or on another machine (tts.TTSService over gRPC); \
        for example: filesrc location=story.txt ! text/x-raw,format=utf8 ! grpctts uri=grpc://127.0.0.1:7001 ! autoaudiosink",
    author: "gst-duplex developers",
}

#[derive(Clone)]
struct Settings {
    uri: Option<String>,
    model: Option<String>,
    api_key: Option<String>,
    connect_timeout: gst::ClockTime,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            uri: Some(default_uri()),
            model: None,
            api_key: None,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
        }
    }
}

fn default_uri() -> String {
    format!("grpc://127.0.0.1:{DEFAULT_PORT}")
}

/// What this element adds: its engine, and where that is.
#[derive(Default)]
pub struct GrpcSpeaker {
    settings: Mutex<Settings>,
    /// For `stats`; the element alone keeps it, until NULL: the session and the connection end with it.
    engine: Mutex<Weak<Remote>>,
}

impl GrpcSpeaker {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn engine(&self) -> MutexGuard<'_, Weak<Remote>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Speaker for GrpcSpeaker {
    fn properties() -> Vec<glib::ParamSpec> {
        vec![
            glib::ParamSpecString::builder("uri")
                .nick("URI")
                .blurb(
                    "Where the worker is: grpc://host:port, or grpcs://host:port where it speaks TLS; several, \
                     separated by commas, are tried in order until one answers",
                )
                .default_value(Some(default_uri().as_str()))
                .build(),
            glib::ParamSpecString::builder("model")
                .nick("Model")
                .blurb("Model to speak with, as the worker calls it (unset: the worker's default)")
                .build(),
            glib::ParamSpecString::builder("api-key")
                .nick("API Key")
                .blurb("Sent with each call as `authorization: Bearer KEY`, for workers that ask for it")
                .build(),
            glib::ParamSpecUInt64::builder("connect-timeout")
                .nick("Connect Timeout")
                .blurb("How long each worker of uri has to answer, in nanoseconds, before it is an error or the next is tried")
                .minimum(1_000_000)
                .maximum(600_000_000_000)
                .default_value(DEFAULT_CONNECT_TIMEOUT.nseconds())
                .build(),
        ]
    }

    fn set_property(&self, name: &str, value: &glib::Value) {
        let text = || value.get::<Option<String>>().ok().flatten();
        let mut settings = self.settings();
        match name {
            "uri" => settings.uri = text(),
            "model" => settings.model = text(),
            "api-key" => settings.api_key = text(),
            "connect-timeout" => {
                if let Ok(time) = value.get::<u64>() {
                    settings.connect_timeout = gst::ClockTime::from_nseconds(time);
                }
            }
            _ => (),
        }
    }

    fn property(&self, name: &str) -> Option<glib::Value> {
        let settings = self.settings();
        match name {
            "uri" => Some(settings.uri.to_value()),
            "model" => Some(settings.model.to_value()),
            "api-key" => Some(settings.api_key.to_value()),
            "connect-timeout" => Some(settings.connect_timeout.nseconds().to_value()),
            _ => None,
        }
    }

    fn stats(&self, stats: &mut gst::StructureRef) {
        let engine = self.engine().upgrade();
        let report = engine
            .and_then(|engine| engine.report())
            .unwrap_or_default();
        stats.set("worker", report.worker);
        stats.set("worker-protocol", report.protocol);
        stats.set("session-id", report.session);
    }

    fn engine(&self, _: &Common, _: &Loading<'_>) -> Result<Arc<dyn Engine>, Error> {
        let settings = self.settings().clone();
        let remote = Remote::new(
            remote::Settings {
                addresses: remote::parse_list(settings.uri.as_deref().unwrap_or_default())
                    .map_err(Error::BadRequest)?,
                model: settings.model.unwrap_or_default(),
                api_key: settings.api_key.filter(|key| !key.is_empty()),
                connect_timeout: Duration::from_nanos(settings.connect_timeout.nseconds()),
            },
            Arc::new(|sentence| gst::warning!(CAT, "{sentence}")),
        );
        let remote = Arc::new(remote);
        *GrpcSpeaker::engine(self) = Arc::downgrade(&remote);
        Ok(remote)
    }
}
