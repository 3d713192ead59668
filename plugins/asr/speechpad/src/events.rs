// SPDX-License-Identifier: MPL-2.0

//! What a recogniser reads from the ears and tells others.

use duplex_recognition::{Hypothesis, turn};

/// From the ears, serialized: speech may have begun; it was nothing.
pub(crate) const ONSET_OF_SPEECH: &str = "voice/onset-of-speech";
pub(crate) const CANCELLED_SPEECH: &str = "voice/cancelled-speech";
/// From the ears, serialized: confirmed speech has begun, or is over.
pub(crate) const START_OF_SPEECH: &str = "voice/start-of-speech";
pub(crate) const END_OF_SPEECH: &str = "voice/end-of-speech";
/// From the mouth, upstream: it was interrupted.
pub(crate) const INTERRUPTED: &str = "voice/interrupted";

/// The running time of such an event.
pub(crate) fn running_time(structure: &gst::StructureRef) -> Option<turn::Nanos> {
    structure.get::<u64>("running-time").ok()
}

/// Whether the agent was speaking when speech began. Ears that do not say so: no.
pub(crate) fn over_speech(structure: &gst::StructureRef) -> bool {
    structure.get::<bool>("over-speech").unwrap_or(false)
}

/// A turn is over.
pub(crate) fn end_of_turn(
    text: &str,
    language: &str,
    speech_end: turn::Nanos,
    confidence: Option<f64>,
) -> gst::Event {
    gst::event::CustomDownstream::new(
        gst::Structure::builder("voice/end-of-turn")
            .field("text", text)
            .field("language", language)
            .field("speech-end", speech_end)
            .field_if_some("confidence", confidence)
            .build(),
    )
}

/// A turn is probably over.
pub(crate) fn likely_end_of_turn(text: &str) -> gst::Event {
    gst::event::CustomDownstream::new(
        gst::Structure::builder("voice/likely-end-of-turn")
            .field("text", text)
            .build(),
    )
}

/// What the caller means by speaking while the agent does. Overtakes everything.
pub(crate) fn interruption(commit: bool) -> gst::Event {
    gst::event::CustomDownstreamOob::new(
        gst::Structure::builder("voice/interruption")
            .field("decision", if commit { "commit" } else { "dismiss" })
            .build(),
    )
}

/// Times of a transcript, in nanoseconds of stream time unless they say otherwise.
pub(crate) struct Times {
    /// Of the first sample that the engine was fed with.
    pub origin: u64,
    /// Where the speech began.
    pub start: u64,
    /// Running time of where it ended, of a final one.
    pub speech_end: Option<u64>,
}

/// The structure of the message `transcript`.
pub(crate) fn transcript(
    hypothesis: &Hypothesis,
    language: &str,
    times: &Times,
    backchannel: bool,
) -> gst::Structure {
    let words: Vec<gst::Structure> = (hypothesis.words.iter())
        .map(|word| {
            let nanos = |d: std::time::Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
            gst::Structure::builder("word")
                .field("text", &word.text)
                .field("start", times.origin.saturating_add(nanos(word.start)))
                .field("duration", nanos(word.end.saturating_sub(word.start)))
                .field_if_some("confidence", word.confidence)
                .build()
        })
        .collect();
    gst::Structure::builder("transcript")
        .field("text", &hypothesis.text)
        .field("final", times.speech_end.is_some())
        .field("language", language)
        .field("words", gst::Array::new(words))
        .field("stream-time", times.start)
        .field_if_some("speech-end", times.speech_end)
        .field_if_some("confidence", hypothesis.confidence)
        .field("backchannel", backchannel)
        .build()
}
