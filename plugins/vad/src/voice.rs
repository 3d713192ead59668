// SPDX-License-Identifier: MPL-2.0
//! What the ears say to others: signals, element messages, serialized events, and the far-end
//! reports that they take.

use std::sync::OnceLock;

use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;

use crate::echo::FarFrame;
use crate::segmenter::{Event, Kind};

/// Names of the ears' signals, in the order of [`Kind`].
pub(crate) const SIGNALS: [&str; 5] = [
    "speech-suspected",
    "speech-onset",
    "speech-started",
    "speech-cancelled",
    "speech-ended",
];

/// A decision of the ears in the terms of the stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Decision {
    pub event: Event,
    /// Stream time less running time, in nanoseconds.
    pub stream_offset: i64,
}

impl Decision {
    pub fn signal(&self) -> &'static str {
        match self.event.kind {
            Kind::Suspected => SIGNALS[0],
            Kind::Onset => SIGNALS[1],
            Kind::Started => SIGNALS[2],
            Kind::Cancelled => SIGNALS[3],
            Kind::Ended => SIGNALS[4],
        }
    }

    fn stream_time(&self, running_time: u64) -> u64 {
        running_time.saturating_add_signed(self.stream_offset)
    }

    /// The structure of the element message `voice-activity`: webrtcdsp's fields and ours.
    pub fn message(&self) -> gst::Structure {
        let e = &self.event;
        let (state, has_voice) = match e.kind {
            Kind::Suspected => ("suspected", false),
            Kind::Onset => ("tentative", true),
            Kind::Started => ("started", true),
            Kind::Cancelled => ("cancelled", false),
            Kind::Ended => ("ended", false),
        };
        gst::Structure::builder("voice-activity")
            .field("stream-time", self.stream_time(e.at))
            .field("stream-has-voice", has_voice)
            .field("state", state)
            .field("probability", f64::from(e.probability))
            .field("running-time", e.at)
            .field("onset-stream-time", self.stream_time(e.onset))
            .build()
    }

    /// The serialized event for those who work on the audio. A suspicion is good for a mouth alone.
    pub fn downstream(&self) -> Option<gst::Event> {
        let e = &self.event;
        let (name, running_time, over_speech) = match e.kind {
            Kind::Suspected => return None,
            // An onset was never announced where a suspicion is withdrawn.
            Kind::Cancelled if e.suspicion => return None,
            Kind::Onset => ("voice/onset-of-speech", e.onset, Some(e.over_speech)),
            Kind::Cancelled => ("voice/cancelled-speech", e.onset, None),
            Kind::Started => ("voice/start-of-speech", e.onset, Some(e.over_speech)),
            Kind::Ended => ("voice/end-of-speech", e.last_voice, None),
        };
        Some(gst::event::CustomDownstream::new(
            gst::Structure::builder(name)
                .field("running-time", running_time)
                .field("stream-time", self.stream_time(running_time))
                .field("probability", f64::from(e.probability))
                .field_if_some("over-speech", over_speech)
                .build(),
        ))
    }
}

/// Reads a far-end report; the error says which field is missing.
pub(crate) fn far_frame(s: &gst::StructureRef) -> Result<FarFrame, String> {
    let field = |name: &str| s.get::<u64>(name).map_err(|err| err.to_string());
    Ok(FarFrame {
        running_time: field("running-time")?,
        duration: field("duration")?,
        rms_db: s.get::<f64>("rms-db").map_err(|err| err.to_string())?,
    })
}

/// What an element must do to be an ear in the sense of these signals.
pub(crate) trait Ear: IsA<gst::Element> {
    /// Takes a far-end report, from any thread, without ever waiting for the streaming thread.
    fn far_end(&self, report: &gst::StructureRef);
}

/// The signals of an ear. The same for `vad` and `vadsrc`.
pub(crate) fn signals<E: Ear>(cell: &'static OnceLock<Vec<Signal>>) -> &'static [Signal] {
    cell.get_or_init(|| {
        let mut signals: Vec<_> = SIGNALS
            .iter()
            .map(|name| {
                Signal::builder(name)
                    .param_types([u64::static_type(), u64::static_type(), f64::static_type()])
                    .run_last()
                    .build()
            })
            .collect();
        signals.push(
            Signal::builder("far-end")
                .param_types([gst::Structure::static_type()])
                .run_last()
                .action()
                .class_handler(|args| {
                    let ear = args[0].get::<E>().ok()?;
                    let report = args[1].get::<Option<gst::Structure>>().ok()??;
                    ear.far_end(&report);
                    None::<glib::Value>
                })
                .build(),
        );
        signals
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_the_fields_of_webrtcdsp() {
        gst::init().unwrap();
        let decision = Decision {
            event: Event {
                kind: Kind::Started,
                at: 1_500,
                onset: 1_000,
                last_voice: 1_500,
                probability: 0.75,
                over_speech: true,
                suspicion: false,
            },
            stream_offset: -200,
        };
        let s = decision.message();
        assert_eq!(s.get::<u64>("stream-time"), Ok(1_300));
        assert_eq!(s.get::<bool>("stream-has-voice"), Ok(true));
        assert_eq!(s.get::<&str>("state"), Ok("started"));
        assert_eq!(s.get::<f64>("probability"), Ok(0.75));
        assert_eq!(s.get::<u64>("running-time"), Ok(1_500));
        assert_eq!(s.get::<u64>("onset-stream-time"), Ok(800));
        let event = decision.downstream().unwrap();
        let s = event.structure().unwrap();
        assert_eq!(s.name(), "voice/start-of-speech");
        assert_eq!(s.get::<u64>("running-time"), Ok(1_000));
        assert_eq!(s.get::<u64>("stream-time"), Ok(800));
        assert_eq!(s.get::<bool>("over-speech"), Ok(true));
        assert!(event.is_serialized() && event.is_downstream() && !event.is_sticky());
    }

    #[test]
    fn a_report_without_a_field_names_it() {
        gst::init().unwrap();
        let s = gst::Structure::builder("far-end")
            .field("running-time", 5u64)
            .field("duration", 10u64)
            .build();
        assert!(far_frame(&s).unwrap_err().contains("rms-db"));
    }
}
