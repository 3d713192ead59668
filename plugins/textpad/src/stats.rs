// SPDX-License-Identifier: MPL-2.0

//! What an element has done since READY→PAUSED.

/// Counters behind the property `stats`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    pub utterances: u64,
    pub words: u64,
    pub samples: u64,
    pub cancelled: u64,
    pub text_bytes: u64,
    pub replaced: u64,
    first_audio_last: Option<gst::ClockTime>,
    first_audio_sum: gst::ClockTime,
    first_audio_count: u64,
}

impl Stats {
    /// An utterance's first sample was pushed that long after its first text, or after the
    /// utterance before it ended where that was later.
    pub fn first_audio(&mut self, after: gst::ClockTime) {
        self.first_audio_last = Some(after);
        self.first_audio_sum += after;
        self.first_audio_count += 1;
    }

    /// The value of `stats`.
    pub fn to_structure(&self) -> gst::Structure {
        let mean = (self.first_audio_count > 0)
            .then(|| self.first_audio_sum / self.first_audio_count.max(1));
        gst::Structure::builder("stats")
            .field("utterances", self.utterances)
            .field("words", self.words)
            .field("samples", self.samples)
            .field("first-audio-last", self.first_audio_last)
            .field("first-audio-mean", mean)
            .field("cancelled", self.cancelled)
            .field("text-bytes", self.text_bytes)
            .field("invalid-utf8", self.replaced)
            .build()
    }
}
