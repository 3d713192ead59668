// SPDX-License-Identifier: MPL-2.0

//! What ears and mouth do, in the order of running time: taken from the bus, printed as it happens, drawn at the end.

pub mod html;
pub mod labels;
pub mod latency;
pub mod text;

use gst::ClockTime;
use gst::prelude::*;

/// A word that the mouth began to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// The word as written, punctuation included.
    pub text: String,
    /// When it begins to sound, in running time.
    pub at: ClockTime,
    /// How long it takes, or took until it was cut.
    pub duration: ClockTime,
    /// How much of it sounded when it was cut, 0 to 1; `None` when it was not.
    pub cut: Option<f64>,
}

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A vad or vadsrc.
    Ears,
    /// A ttssink.
    Mouth,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The mouth began an utterance.
    Began,
    /// An utterance was spoken to its end; words in it.
    Finished {
        /// How many words it had.
        words: u64,
    },
    /// The ears' first decision.
    Tentative {
        /// When the speech is taken to have begun.
        onset: ClockTime,
        /// How sure the detector is.
        probability: f64,
    },
    /// The speech has held.
    Confirmed {
        /// When the speech is taken to have begun.
        onset: ClockTime,
    },
    /// It was no speech.
    Cancelled,
    /// The speech is over.
    Ended,
    /// The mouth fell silent for the time being.
    Paused(Stop),
    /// The mouth goes on at this word.
    Resumed {
        /// The word.
        from: String,
    },
    /// The mouth dropped the rest.
    Interrupted(Box<Interrupted>),
}

/// When a stop was decided and took effect, all in running time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stop {
    /// When the mouth heard of it.
    pub decided: Option<ClockTime>,
    /// When its last sample left.
    pub left: Option<ClockTime>,
    /// When that sample sounds.
    pub sounds: Option<ClockTime>,
    /// The word that was cut, if any.
    pub cut_word: String,
    /// How much of that word left before, 0 to 1.
    pub fraction: f64,
}

/// The end of an interrupted utterance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interrupted {
    /// When and within which word.
    pub stop: Stop,
    /// What was heard.
    pub heard: String,
    /// What was not, perhaps in part.
    pub unheard: String,
    /// How many characters were not heard.
    pub unheard_characters: u64,
    /// `onset-commit`, `action` or `flush`.
    pub reason: String,
    /// Whether this is the last word on it.
    pub is_final: bool,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, in running time.
    pub at: ClockTime,
    /// Who did it.
    pub who: Who,
    /// Its name in the pipeline.
    pub element: String,
    /// What it was.
    pub what: What,
}

/// What a message added.
#[derive(Clone, Debug, PartialEq)]
pub enum Added {
    /// A word began.
    Word(Word),
    /// Something else happened.
    Event(Event),
}

/// Everything that happened so far.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// In the order of arrival.
    pub events: Vec<Event>,
    /// In the order of arrival.
    pub words: Vec<Word>,
}

fn time(structure: &gst::StructureRef, name: &str) -> Option<ClockTime> {
    structure
        .get::<Option<ClockTime>>(name)
        .ok()
        .flatten()
        .or_else(|| {
            let value = structure.get::<u64>(name).ok()?;
            (value != u64::MAX).then(|| ClockTime::from_nseconds(value))
        })
}

fn string(structure: &gst::StructureRef, name: &str) -> String {
    structure.get::<String>(name).unwrap_or_default()
}

/// A count of whatever width.
fn count(structure: &gst::StructureRef, name: &str) -> u64 {
    structure
        .get::<u64>(name)
        .or_else(|_| structure.get::<u32>(name).map(u64::from))
        .or_else(|_| structure.get::<i32>(name).map(|n| n.max(0) as u64))
        .unwrap_or_default()
}

fn stop(structure: &gst::StructureRef, fraction: &str) -> Stop {
    Stop {
        decided: time(structure, "decided-at"),
        left: time(structure, "left-at"),
        sounds: time(structure, "sounds-until"),
        cut_word: string(structure, "cut-word"),
        fraction: structure.get::<f64>(fraction).unwrap_or_default(),
    }
}

impl Timeline {
    /// Takes a message of the bus; `now` stands in where it has no running time of its own.
    pub fn message(&mut self, message: &gst::MessageRef, now: ClockTime) -> Option<Added> {
        let gst::MessageView::Element(_) = message.view() else {
            return None;
        };
        let element = message
            .src()
            .map(|src| src.name().to_string())
            .unwrap_or_default();
        self.structure(message.structure()?, &element, now)
    }

    /// Takes the structure of an element's message.
    pub fn structure(
        &mut self,
        structure: &gst::StructureRef,
        element: &str,
        now: ClockTime,
    ) -> Option<Added> {
        let at = time(structure, "running-time").unwrap_or(now);
        let (who, what) = match structure.name().as_str() {
            "voice-activity" => {
                // The onset is told in stream time; both times of the same moment give the difference.
                let shift = time(structure, "stream-time").unwrap_or(at);
                let onset = time(structure, "onset-stream-time").map_or(at, |onset| {
                    (at + onset).checked_sub(shift).unwrap_or_default()
                });
                let what = match string(structure, "state").as_str() {
                    "tentative" => What::Tentative {
                        onset,
                        probability: structure.get::<f64>("probability").unwrap_or_default(),
                    },
                    "started" => What::Confirmed { onset },
                    "cancelled" => What::Cancelled,
                    "ended" => What::Ended,
                    _ => return None,
                };
                (Who::Ears, what)
            }
            "ttssink/word" => {
                let word = Word {
                    text: string(structure, "text"),
                    at,
                    duration: time(structure, "duration").unwrap_or_default(),
                    cut: None,
                };
                self.words.push(word.clone());
                return Some(Added::Word(word));
            }
            "ttssink/utterance-started" => (Who::Mouth, What::Began),
            "ttssink/utterance-finished" => {
                let words = count(structure, "words");
                (Who::Mouth, What::Finished { words })
            }
            "ttssink/paused" => {
                let stop = stop(structure, "fraction");
                self.cut(&stop);
                (Who::Mouth, What::Paused(stop))
            }
            "ttssink/resumed" => {
                let from = string(structure, "from-word");
                (Who::Mouth, What::Resumed { from })
            }
            "ttssink/interrupted" => {
                let stop = stop(structure, "cut-word-fraction");
                self.cut(&stop);
                let interrupted = Interrupted {
                    stop,
                    heard: string(structure, "heard-text"),
                    unheard: string(structure, "unheard-text"),
                    unheard_characters: count(structure, "unheard-characters"),
                    reason: string(structure, "reason"),
                    is_final: structure.get::<bool>("final").unwrap_or(true),
                };
                (Who::Mouth, What::Interrupted(Box::new(interrupted)))
            }
            _ => return None,
        };
        let event = Event {
            at,
            who,
            element: element.to_string(),
            what,
        };
        self.events.push(event.clone());
        Some(Added::Event(event))
    }

    /// The last word was cut, unless the stop fell between words.
    fn cut(&mut self, stop: &Stop) {
        let Some(end) = stop.sounds.or(stop.left) else {
            return;
        };
        // Word notices fire as a word sounds, so one that begins later was announced and never heard.
        self.words.retain(|word| word.at <= end);
        if let Some(word) = self.words.last_mut()
            && word.at + word.duration > end
        {
            word.duration = end.saturating_sub(word.at);
            word.cut.get_or_insert(stop.fraction);
        }
    }

    /// When the last thing happened.
    pub fn end(&self) -> ClockTime {
        let events = self.events.iter().map(|event| event.at);
        let words = self.words.iter().map(|word| word.at + word.duration);
        events.chain(words).max().unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A caller who coughs and then speaks up, as the elements tell it.
    pub(crate) fn story() -> Timeline {
        gst::init().unwrap();
        let mut timeline = Timeline::default();
        let word = |timeline: &mut Timeline, text: &str, at: u64, duration: u64| {
            let structure = gst::Structure::builder("ttssink/word")
                .field("running-time", at * MS)
                .field("text", text)
                .field("start", 0u64)
                .field("duration", duration * MS)
                .build();
            timeline.structure(&structure, "mouth", ClockTime::ZERO);
        };
        let ears = |timeline: &mut Timeline, state: &str, at: u64, onset: u64| {
            // Stream time runs a second ahead of running time.
            let structure = gst::Structure::builder("voice-activity")
                .field("stream-time", (at + 1000) * MS)
                .field(
                    "stream-has-voice",
                    state == "tentative" || state == "started",
                )
                .field("state", state)
                .field("probability", 0.9f64)
                .field("running-time", at * MS)
                .field("onset-stream-time", (onset + 1000) * MS)
                .build();
            timeline.structure(&structure, "ears", ClockTime::ZERO);
        };
        let paused = |timeline: &mut Timeline, decided: u64, cut: &str| {
            let structure = gst::Structure::builder("ttssink/paused")
                .field("running-time", (decided + 9) * MS)
                .field("decided-at", decided * MS)
                .field("left-at", (decided + 9) * MS)
                .field("sounds-until", (decided + 29) * MS)
                .field("position", 0u64)
                .field("cut-word", cut)
                .field("fraction", 0.4f64)
                .build();
            timeline.structure(&structure, "mouth", ClockTime::ZERO);
        };
        let began = gst::Structure::builder("ttssink/utterance-started")
            .field("running-time", 100 * MS)
            .build();
        timeline.structure(&began, "mouth", ClockTime::ZERO);
        word(&mut timeline, "There", 100, 300);
        word(&mut timeline, "was", 400, 800);
        ears(&mut timeline, "tentative", 600, 570);
        paused(&mut timeline, 605, "was");
        ears(&mut timeline, "cancelled", 800, 570);
        let resumed = gst::Structure::builder("ttssink/resumed")
            .field("running-time", 810 * MS)
            .field("from-word", "was")
            .field("position", 300 * MS)
            .build();
        timeline.structure(&resumed, "mouth", ClockTime::ZERO);
        word(&mut timeline, "was", 810, 300);
        word(&mut timeline, "a", 1110, 900);
        ears(&mut timeline, "tentative", 1250, 1210);
        paused(&mut timeline, 1252, "a");
        ears(&mut timeline, "started", 1460, 1210);
        let interrupted = gst::Structure::builder("ttssink/interrupted")
            .field("running-time", 1470 * MS)
            .field("heard-text", "There was")
            .field("cut-word", "a")
            .field("cut-word-fraction", 0.4f64)
            .field("unheard-text", "a lighthouse")
            .field("unheard-characters", 12u64)
            .field("decided-at", 1468 * MS)
            .field("left-at", 1261 * MS)
            .field("sounds-until", 1281 * MS)
            .field("heard-at", None::<ClockTime>)
            .field("reason", "onset-commit")
            .field("final", true)
            .build();
        timeline.structure(&interrupted, "mouth", ClockTime::ZERO);
        ears(&mut timeline, "ended", 2400, 1210);
        timeline
    }

    #[test]
    fn a_cut_word_ends_where_it_was_cut() {
        let timeline = story();
        let words: Vec<(&str, u64, u64, bool)> = timeline
            .words
            .iter()
            .map(|word| {
                (
                    word.text.as_str(),
                    word.at.mseconds(),
                    word.duration.mseconds(),
                    word.cut.is_some(),
                )
            })
            .collect();
        assert_eq!(
            words,
            [
                ("There", 100, 300, false),
                ("was", 400, 234, true),
                ("was", 810, 300, false),
                ("a", 1110, 171, true),
            ]
        );
        assert_eq!(timeline.end(), ClockTime::from_mseconds(2400));
    }

    #[test]
    fn stream_time_becomes_running_time() {
        let onsets: Vec<u64> = story()
            .events
            .iter()
            .filter_map(|event| match event.what {
                What::Tentative { onset, .. } => Some(onset.mseconds()),
                _ => None,
            })
            .collect();
        assert_eq!(onsets, [570, 1210]);
    }
}
