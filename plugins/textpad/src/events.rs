// SPDX-License-Identifier: MPL-2.0

//! The `voice/*` events that travel between text, synthesizers and mouths.
//!
//! | structure | direction | says |
//! |---|---|---|
//! | `voice/utterance` | downstream | what follows, text or sound, is a new utterance |
//! | `voice/word` | downstream, sound only | where a word lies; ahead of the buffer in which it begins |
//! | `voice/end-of-utterance` | downstream | the utterance is complete |
//! | `voice/interruption` | downstream, out of band | what a caller means who speaks while the mouth does |
//! | `voice/interrupted` | upstream | speech was stopped, and what of it was heard |
//! | `voice/playout` | downstream of a mouth | what the next buffer holds from some place on: which utterance, or silence |
//!
//! The other downstream ones are serialized, so they keep their place between buffers through converters,
//! resamplers and mixers. Each type here turns into its event by `to_event` and is read back by
//! `from_event`, which gives `None` for any other event and for one whose fields are missing or of
//! another type. All of it may be called from any thread.

/// Structure name of [`UtteranceBegin`].
pub const UTTERANCE: &str = "voice/utterance";
/// Structure name of [`Word`].
pub const WORD: &str = "voice/word";
/// Structure name of [`UtteranceEnd`].
pub const END_OF_UTTERANCE: &str = "voice/end-of-utterance";
/// Structure name of [`Decision`].
pub const INTERRUPTION: &str = "voice/interruption";
/// Structure name of [`Interrupted`].
pub const INTERRUPTED: &str = "voice/interrupted";

fn downstream(event: &gst::EventRef, name: &str) -> Option<gst::Structure> {
    let structure = event.structure()?;
    (event.type_() == gst::EventType::CustomDownstream && structure.name() == name)
        .then(|| structure.to_owned())
}

fn text(structure: &gst::StructureRef, field: &str) -> Option<String> {
    structure.get::<Option<String>>(field).ok().flatten()
}

/// A time stored as `guint64`, with `GST_CLOCK_TIME_NONE` for `None`.
fn optional_time(structure: &gst::StructureRef, field: &str) -> Option<gst::ClockTime> {
    structure
        .get::<Option<gst::ClockTime>>(field)
        .ok()
        .flatten()
}

fn time(structure: &gst::StructureRef, field: &str) -> Option<gst::ClockTime> {
    // `ClockTime` values are plain guint64: whoever builds the structure by hand writes those.
    structure
        .get::<u64>(field)
        .ok()
        .and_then(|time| (time != u64::MAX).then(|| gst::ClockTime::from_nseconds(time)))
}

/// `voice/interruption`: what a caller means who speaks while the mouth does, told by a recogniser as soon as it knows.
/// Out of band: it must not wait behind text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// He takes the turn: what is being said is dropped.
    Commit,
    /// He does not ("mhm"): it goes on.
    Dismiss,
}

impl Decision {
    /// An event that overtakes everything.
    pub fn to_event(self) -> gst::Event {
        let decision = match self {
            Self::Commit => "commit",
            Self::Dismiss => "dismiss",
        };
        let structure = gst::Structure::builder(INTERRUPTION).field("decision", decision);
        gst::event::CustomDownstreamOob::new(structure.build())
    }

    /// Reads the event back; `None` where it is another.
    pub fn from_event(event: &gst::EventRef) -> Option<Self> {
        let structure = event.structure()?;
        if event.type_() != gst::EventType::CustomDownstreamOob || structure.name() != INTERRUPTION
        {
            return None;
        }
        match structure.get::<&str>("decision").ok()? {
            "commit" => Some(Self::Commit),
            "dismiss" => Some(Self::Dismiss),
            _ => None,
        }
    }
}

/// `voice/utterance`: what follows belongs to a new utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UtteranceBegin {
    /// The utterance's name, unique within the process.
    pub utterance_id: String,
}

impl UtteranceBegin {
    /// The beginning of the utterance of that name.
    pub fn new(utterance_id: impl Into<String>) -> Self {
        Self {
            utterance_id: utterance_id.into(),
        }
    }

    /// The fields as a structure.
    pub fn to_structure(&self) -> gst::Structure {
        gst::Structure::builder(UTTERANCE)
            .field("utterance-id", &self.utterance_id)
            .build()
    }

    /// A serialized downstream event.
    pub fn to_event(&self) -> gst::Event {
        gst::event::CustomDownstream::new(self.to_structure())
    }

    /// Reads the event back; `None` where it is another.
    pub fn from_event(event: &gst::EventRef) -> Option<Self> {
        let structure = downstream(event, UTTERANCE)?;
        Some(Self {
            utterance_id: text(&structure, "utterance-id")?,
        })
    }
}

/// `voice/word`: where a word lies in the text and in the sound of its utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The utterance it belongs to.
    pub utterance_id: String,
    /// The word as written.
    pub text: String,
    /// Where its sound begins: stream time within the utterance, from 0.
    pub start: gst::ClockTime,
    /// How long it sounds, without the pause that follows.
    pub duration: gst::ClockTime,
    /// First byte of the word in the utterance's text.
    pub text_start: u32,
    /// The byte after its last one.
    pub text_end: u32,
    /// False where the place was estimated.
    pub exact: bool,
}

impl Word {
    /// The fields as a structure.
    pub fn to_structure(&self) -> gst::Structure {
        gst::Structure::builder(WORD)
            .field("utterance-id", &self.utterance_id)
            .field("text", &self.text)
            .field("start", self.start.nseconds())
            .field("duration", self.duration.nseconds())
            .field("text-start", self.text_start)
            .field("text-end", self.text_end)
            .field("exact", self.exact)
            .build()
    }

    /// A serialized downstream event.
    pub fn to_event(&self) -> gst::Event {
        gst::event::CustomDownstream::new(self.to_structure())
    }

    /// Reads the event back; `None` where it is another.
    pub fn from_event(event: &gst::EventRef) -> Option<Self> {
        let structure = downstream(event, WORD)?;
        Some(Self {
            utterance_id: text(&structure, "utterance-id")?,
            text: text(&structure, "text")?,
            start: time(&structure, "start")?,
            duration: time(&structure, "duration")?,
            text_start: structure.get("text-start").ok()?,
            text_end: structure.get("text-end").ok()?,
            exact: structure.get("exact").ok()?,
        })
    }
}

/// `voice/end-of-utterance`: nothing of the utterance follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UtteranceEnd {
    /// The utterance that ended.
    pub utterance_id: String,
    /// How many samples it had at the synthesizer's output rate; `None` on the text side.
    pub samples: Option<u64>,
}

impl UtteranceEnd {
    /// The end of an utterance's text.
    pub fn of_text(utterance_id: impl Into<String>) -> Self {
        Self {
            utterance_id: utterance_id.into(),
            samples: None,
        }
    }

    /// The end of an utterance's sound.
    pub fn of_sound(utterance_id: impl Into<String>, samples: u64) -> Self {
        Self {
            utterance_id: utterance_id.into(),
            samples: Some(samples),
        }
    }

    /// The fields as a structure.
    pub fn to_structure(&self) -> gst::Structure {
        gst::Structure::builder(END_OF_UTTERANCE)
            .field("utterance-id", &self.utterance_id)
            .field_if_some("samples", self.samples)
            .build()
    }

    /// A serialized downstream event.
    pub fn to_event(&self) -> gst::Event {
        gst::event::CustomDownstream::new(self.to_structure())
    }

    /// Reads the event back; `None` where it is another.
    pub fn from_event(event: &gst::EventRef) -> Option<Self> {
        let structure = downstream(event, END_OF_UTTERANCE)?;
        Some(Self {
            utterance_id: text(&structure, "utterance-id")?,
            samples: structure.get("samples").ok(),
        })
    }
}

/// What was heard of an utterance that was stopped: the event `voice/interrupted`, and under the
/// name `ttssink/interrupted` the element message of the mouth. Times without a value are
/// `GST_CLOCK_TIME_NONE` in the structure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interrupted {
    /// The utterance that was stopped.
    pub utterance_id: String,
    /// Running time at which this was noticed.
    pub running_time: Option<gst::ClockTime>,
    /// The text whose words were heard.
    pub heard_text: String,
    /// The word in which the stop fell; empty where it fell between words.
    pub cut_word: String,
    /// How much of that word had left before the fade, 0 to 1.
    pub cut_word_fraction: f64,
    /// The text that was not heard, possibly capped.
    pub unheard_text: String,
    /// All characters that were not heard, the capped ones included.
    pub unheard_characters: u64,
    /// Where in the utterance the stop fell (stream time, from 0).
    pub position: gst::ClockTime,
    /// Running time at which the last heard sample renders.
    pub heard_at: Option<gst::ClockTime>,
    /// Running time of the decision to stop.
    pub decided_at: Option<gst::ClockTime>,
    /// Running time at which the last sample of it was pushed.
    pub left_at: Option<gst::ClockTime>,
    /// Running time at which that sample renders.
    pub sounds_until: Option<gst::ClockTime>,
    /// `onset-commit`, `action` or `flush`.
    pub reason: String,
    /// Where the words lie is what the synthesizer said (`marks=exact`); else it was estimated from their lengths
    /// (`marks=estimated`), and the border between heard and unheard text may be some words off.
    pub marks_exact: bool,
    /// True once no correction of it will follow.
    pub is_final: bool,
}

impl Interrupted {
    /// The fields as a structure of the given name.
    pub fn to_structure(&self, name: &str) -> gst::Structure {
        gst::Structure::builder(name)
            .field("utterance-id", &self.utterance_id)
            .field("running-time", self.running_time)
            .field("heard-text", &self.heard_text)
            .field("cut-word", &self.cut_word)
            .field("cut-word-fraction", self.cut_word_fraction)
            .field("unheard-text", &self.unheard_text)
            .field("unheard-characters", self.unheard_characters)
            .field("position", self.position.nseconds())
            .field("heard-at", self.heard_at)
            .field("decided-at", self.decided_at)
            .field("left-at", self.left_at)
            .field("sounds-until", self.sounds_until)
            .field("reason", &self.reason)
            .field(
                "marks",
                if self.marks_exact {
                    "exact"
                } else {
                    "estimated"
                },
            )
            .field("final", self.is_final)
            .build()
    }

    /// Reads the fields of a structure, whatever its name.
    pub fn from_structure(structure: &gst::StructureRef) -> Option<Self> {
        Some(Self {
            utterance_id: text(structure, "utterance-id")?,
            running_time: optional_time(structure, "running-time"),
            heard_text: text(structure, "heard-text")?,
            cut_word: text(structure, "cut-word").unwrap_or_default(),
            cut_word_fraction: structure.get("cut-word-fraction").unwrap_or_default(),
            unheard_text: text(structure, "unheard-text")?,
            unheard_characters: structure.get("unheard-characters").ok()?,
            position: time(structure, "position")?,
            heard_at: optional_time(structure, "heard-at"),
            decided_at: optional_time(structure, "decided-at"),
            left_at: optional_time(structure, "left-at"),
            sounds_until: optional_time(structure, "sounds-until"),
            reason: text(structure, "reason")?,
            marks_exact: text(structure, "marks").is_some_and(|marks| marks == "exact"),
            is_final: structure.get("final").ok()?,
        })
    }

    /// An upstream event `voice/interrupted`.
    pub fn to_event(&self) -> gst::Event {
        gst::event::CustomUpstream::new(self.to_structure(INTERRUPTED))
    }

    /// Reads the upstream event back; `None` where it is another.
    pub fn from_event(event: &gst::EventRef) -> Option<Self> {
        let structure = event.structure()?;
        if event.type_() != gst::EventType::CustomUpstream || structure.name() != INTERRUPTED {
            return None;
        }
        Self::from_structure(structure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word() -> Word {
        Word {
            utterance_id: "u-1".into(),
            text: "naïve".into(),
            start: gst::ClockTime::from_mseconds(1234),
            duration: gst::ClockTime::from_mseconds(321),
            text_start: 7,
            text_end: 13,
            exact: true,
        }
    }

    #[test]
    fn each_event_is_read_back_as_it_was_written() {
        gst::init().unwrap();
        let begin = UtteranceBegin::new("u-1");
        assert_eq!(UtteranceBegin::from_event(&begin.to_event()), Some(begin));
        assert_eq!(Word::from_event(&word().to_event()), Some(word()));
        for end in [
            UtteranceEnd::of_text("u-2"),
            UtteranceEnd::of_sound("u-2", 22_050),
        ] {
            assert_eq!(UtteranceEnd::from_event(&end.to_event()), Some(end));
        }
        for decision in [Decision::Commit, Decision::Dismiss] {
            let event = decision.to_event();
            assert_eq!(Decision::from_event(&event), Some(decision));
            assert!(!event.is_serialized() && event.is_downstream());
        }
        let interrupted = Interrupted {
            utterance_id: "u-3".into(),
            running_time: Some(gst::ClockTime::from_seconds(3)),
            heard_text: "once upon".into(),
            cut_word: "a".into(),
            cut_word_fraction: 0.25,
            unheard_text: "a time".into(),
            unheard_characters: 6,
            position: gst::ClockTime::from_mseconds(900),
            heard_at: None,
            decided_at: Some(gst::ClockTime::from_mseconds(2950)),
            left_at: Some(gst::ClockTime::from_mseconds(2960)),
            sounds_until: Some(gst::ClockTime::ZERO),
            reason: "onset-commit".into(),
            marks_exact: true,
            is_final: true,
        };
        assert_eq!(
            Interrupted::from_event(&interrupted.to_event()),
            Some(interrupted.clone())
        );
        assert_eq!(
            Interrupted::from_structure(&interrupted.to_structure("ttssink/interrupted")),
            Some(interrupted)
        );
    }

    #[test]
    fn times_are_plain_guint64_for_other_languages() {
        gst::init().unwrap();
        let structure = word().to_structure();
        assert_eq!(structure.get::<u64>("start"), Ok(1_234_000_000));
        let structure = Interrupted::default().to_structure(INTERRUPTED);
        assert_eq!(structure.get::<u64>("heard-at"), Ok(u64::MAX));
        assert_eq!(structure.get::<u64>("position"), Ok(0));
    }

    #[test]
    fn other_and_broken_events_are_nobodys() {
        gst::init().unwrap();
        assert_eq!(UtteranceBegin::from_event(&gst::event::Eos::new()), None);
        assert_eq!(UtteranceBegin::from_event(&word().to_event()), None);
        let upstream = gst::event::CustomUpstream::new(word().to_structure());
        assert_eq!(Word::from_event(&upstream), None);
        let broken = gst::event::CustomDownstream::new(
            gst::Structure::builder(WORD)
                .field("utterance-id", 4)
                .build(),
        );
        assert_eq!(Word::from_event(&broken), None);
    }
}
