// SPDX-License-Identifier: MPL-2.0

//! What playout tells the mouth.

use std::sync::Arc;

use super::Nanos;

/// Something that happened to an utterance. All times are running times in nanoseconds unless a field
/// says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The first sample of an utterance is being rendered.
    Started {
        /// The utterance.
        id: Arc<str>,
        /// When its first sample is rendered: its timestamp and the sink's latency.
        running_time: Nanos,
    },
    /// A word begins to sound. Once per word, also where the word is said again after a pause.
    Word {
        /// The utterance.
        id: Arc<str>,
        /// The word as written.
        text: Arc<str>,
        /// Where it begins, in nanoseconds from the start of the utterance.
        start: Nanos,
        /// How long it is, in nanoseconds.
        duration: Nanos,
        /// When its first sample is rendered.
        running_time: Nanos,
        /// False where the synthesizer guessed the place.
        exact: bool,
    },
    /// The last sample of an utterance was rendered.
    Finished {
        /// The utterance.
        id: Arc<str>,
        /// How many samples it had, at the rate of playout.
        samples: u64,
        /// How many words were marked in it.
        words: u64,
        /// When it ended.
        running_time: Nanos,
    },
    /// Speech fell silent and can go on.
    Paused(Paused),
    /// Speech goes on.
    Resumed(Resumed),
    /// Speech was stopped and dropped. Playout discards whatever arrives until it is flushed.
    Interrupted(Box<Interrupted>),
    /// Playout cannot go on; the element has posted an error with the same sentence.
    Error(String),
}

impl Notice {
    /// What happened, without a word of what is spoken: for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Word { .. } => "word",
            Self::Finished { .. } => "finished",
            Self::Paused(_) => "paused",
            Self::Resumed(_) => "resumed",
            Self::Interrupted(_) => "interrupted",
            Self::Error(_) => "error",
        }
    }
}

/// Speech fell silent for now.
#[derive(Clone, Debug, PartialEq)]
pub struct Paused {
    /// The utterance.
    pub id: Arc<str>,
    /// When the decision was made.
    pub decided_at: Nanos,
    /// When the last sample that is not silent was pushed.
    pub left_at: Nanos,
    /// When that sample is rendered.
    pub sounds_until: Nanos,
    /// Nanoseconds of the utterance that left before the fade began.
    pub position: Nanos,
    /// The word that was cut, empty between words.
    pub cut_word: String,
    /// How much of that word left before the fade began, 0 to 1.
    pub fraction: f64,
    /// True where an ear caused it, false for the `pause` action.
    pub by_ear: bool,
}

/// Speech goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Resumed {
    /// The utterance.
    pub id: Arc<str>,
    /// The word at whose start it goes on, empty between words.
    pub from_word: String,
    /// Where in the utterance it goes on, in nanoseconds.
    pub position: Nanos,
    /// When speech may first be heard again.
    pub running_time: Nanos,
}

/// Why speech was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The ear heard the caller speak for long enough.
    OnsetCommit,
    /// The `interrupt` action.
    Action,
    /// A flush from upstream, such as a seek.
    Flush,
}

impl Reason {
    /// As it stands in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnsetCommit => "onset-commit",
            Self::Action => "action",
            Self::Flush => "flush",
        }
    }
}

/// An utterance of which nothing was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheard {
    /// The utterance.
    pub id: Arc<str>,
    /// Its text as far as it was known, capped.
    pub text: String,
    /// How many characters its text had before the cap.
    pub characters: u64,
}

/// Speech was stopped: what was heard of it and what was not.
#[derive(Clone, Debug, PartialEq)]
pub struct Interrupted {
    /// The utterance that was playing; empty where none was.
    pub id: Arc<str>,
    /// The text up to the last word of which at least half was played.
    pub heard_text: String,
    /// The word in which speech was cut, heard or not; empty between words.
    pub cut_word: String,
    /// How much of that word left before the fade began, 0 to 1.
    pub cut_word_fraction: f64,
    /// The rest of the text, also what was not yet synthesized; capped.
    pub unheard_text: String,
    /// How many characters the rest had before the cap.
    pub unheard_characters: u64,
    /// True where every place of a word came from the synthesizer as exact.
    pub marks_exact: bool,
    /// Nanoseconds of the utterance that left before the fade began.
    pub position: Nanos,
    /// When the last sample before the fade is rendered.
    pub heard_at: Nanos,
    /// When the decision that silenced speech was made: the onset, where a pause went before.
    pub decided_at: Nanos,
    /// When speech was dropped.
    pub committed_at: Nanos,
    /// When the last sample that is not silent was pushed.
    pub left_at: Nanos,
    /// When that sample is rendered.
    pub sounds_until: Nanos,
    /// Why.
    pub reason: Reason,
    /// The utterances behind it, in order, of which nothing was heard.
    pub also_unheard: Vec<Unheard>,
}
