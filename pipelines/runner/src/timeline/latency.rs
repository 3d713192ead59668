// SPDX-License-Identifier: MPL-2.0

//! From the beginning of speech to silence, step by step.

use std::collections::{HashMap, HashSet};

use gst::ClockTime;

use super::labels::Label;
use super::{Timeline, What};

/// How long before a label the ears may decide and still mean it: the detector's windows overlap its start.
const BEFORE: ClockTime = ClockTime::from_mseconds(50);

/// One time that somebody spoke, or seemed to. All times are running times.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What was said, where it is known.
    pub text: String,
    /// When it began: as labelled, or as the ears take it.
    pub onset: ClockTime,
    /// Whether `onset` comes from a label.
    pub labelled: bool,
    /// Where the audio ends that the ears decided on.
    pub decision: Option<ClockTime>,
    /// When the mouth heard of it.
    pub decided: Option<ClockTime>,
    /// When the mouth's last sample left.
    pub leaves: Option<ClockTime>,
    /// When that sample sounds.
    pub sounds: Option<ClockTime>,
    /// When the ears were sure; `None` when they took it back.
    pub confirmed: Option<ClockTime>,
    /// When the mouth dropped its text.
    pub interrupted: Option<ClockTime>,
    /// Whether the ears took it back.
    pub cancelled: bool,
    /// Whether it began within speech that the ears had noticed before, and so has no onset of its own.
    pub within: bool,
}

/// A row for each label and for each onset that belongs to none.
pub fn rows(timeline: &Timeline, labels: &[Label]) -> Vec<Row> {
    let seconds = |value: f64| ClockTime::from_nseconds((value * 1e9) as u64);
    let mut rows: Vec<Row> = labels
        .iter()
        .map(|label| Row {
            text: label.text.clone(),
            onset: seconds(label.start),
            labelled: true,
            within: heard_already(timeline, seconds(label.start)),
            ..EMPTY
        })
        .collect();
    let ends: Vec<ClockTime> = labels.iter().map(|label| seconds(label.end)).collect();
    // The row that each ear is in, and the one that began last: a mouth tells no ear.
    let mut of_ear: HashMap<&str, usize> = HashMap::new();
    let mut last: Option<usize> = None;
    for event in &timeline.events {
        match &event.what {
            What::Tentative { onset, .. } => {
                let label = (0..labels.len()).find(|index| {
                    rows[*index].decision.is_none()
                        && !rows[*index].within
                        && event.at + BEFORE >= rows[*index].onset
                        && event.at <= ends[*index]
                });
                let index = label.unwrap_or_else(|| {
                    rows.push(Row {
                        onset: *onset,
                        ..EMPTY
                    });
                    rows.len() - 1
                });
                rows[index].decision = Some(event.at);
                of_ear.insert(&event.element, index);
                last = Some(index);
            }
            What::Confirmed { .. } => {
                if let Some(index) = of_ear.get(event.element.as_str()).copied() {
                    rows[index].confirmed = Some(event.at);
                }
            }
            What::Cancelled => {
                if let Some(index) = of_ear.get(event.element.as_str()).copied() {
                    rows[index].cancelled = true;
                }
            }
            What::Paused(stop) => {
                if let Some(index) = last
                    && rows[index].decided.is_none()
                {
                    rows[index].decided = stop.decided;
                    rows[index].leaves = stop.left;
                    rows[index].sounds = stop.sounds;
                }
            }
            What::Interrupted(interrupted) => {
                if let Some(index) = last
                    && rows[index].interrupted.is_none()
                {
                    let row = &mut rows[index];
                    row.interrupted = Some(event.at);
                    // Where there was no pause before, this was the stop.
                    row.decided = row.decided.or(interrupted.stop.decided);
                    row.leaves = row.leaves.or(interrupted.stop.left);
                    row.sounds = row.sounds.or(interrupted.stop.sounds);
                }
            }
            _ => {}
        }
    }
    rows.sort_by_key(|row| row.onset);
    rows
}

/// Whether the ears were in the middle of speech then: what begins within it has no onset of its own.
fn heard_already(timeline: &Timeline, at: ClockTime) -> bool {
    let mut hearing: HashSet<&str> = HashSet::new();
    for event in &timeline.events {
        if event.at + BEFORE < at {
            match event.what {
                What::Tentative { .. } => hearing.insert(&event.element),
                What::Cancelled | What::Ended => hearing.remove(event.element.as_str()),
                _ => false,
            };
        }
    }
    !hearing.is_empty()
}

const EMPTY: Row = Row {
    text: String::new(),
    onset: ClockTime::ZERO,
    labelled: false,
    decision: None,
    decided: None,
    leaves: None,
    sounds: None,
    confirmed: None,
    interrupted: None,
    cancelled: false,
    within: false,
};

impl Row {
    /// A time relative to the onset, in milliseconds.
    pub fn after_onset(&self, time: Option<ClockTime>) -> Option<f64> {
        Some((time?.nseconds() as f64 - self.onset.nseconds() as f64) / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::story;
    use super::*;

    #[test]
    fn each_ear_confirms_its_own_speech() {
        let event = |at: u64, element: &str, what| super::super::Event {
            at: ClockTime::from_mseconds(at),
            who: super::super::Who::Ears,
            element: element.into(),
            what,
        };
        let tentative = |onset| What::Tentative {
            onset: ClockTime::from_mseconds(onset),
            probability: 0.9,
        };
        let confirmed = What::Confirmed {
            onset: ClockTime::ZERO,
        };
        let timeline = Timeline {
            events: vec![
                event(100, "left", tentative(50)),
                event(200, "right", tentative(150)),
                event(300, "left", confirmed),
                event(400, "right", What::Cancelled),
            ],
            ..Timeline::default()
        };
        let rows = rows(&timeline, &[]);
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.confirmed.is_some(), row.cancelled))
            .collect();
        assert_eq!(told, [(true, false), (false, true)]);
    }

    #[test]
    fn a_label_gets_its_onset_and_a_cough_a_row_of_its_own() {
        let labels = [
            Label {
                start: 1.2,
                end: 2.0,
                text: "hello".into(),
            },
            // Speech goes on from the first label into this one.
            Label {
                start: 2.1,
                end: 2.3,
                text: "more".into(),
            },
        ];
        let rows = rows(&story(), &labels);
        assert_eq!(rows.len(), 3);
        let cough = &rows[0];
        assert!(cough.cancelled && !cough.labelled && cough.confirmed.is_none());
        assert_eq!(cough.after_onset(cough.decision), Some(30.0));
        assert_eq!(cough.after_onset(cough.leaves), Some(44.0));
        let hello = &rows[1];
        assert_eq!(hello.text, "hello");
        assert_eq!(hello.after_onset(hello.decision), Some(50.0));
        assert_eq!(hello.after_onset(hello.decided), Some(52.0));
        assert_eq!(hello.after_onset(hello.leaves), Some(61.0));
        assert_eq!(hello.after_onset(hello.sounds), Some(81.0));
        assert_eq!(hello.after_onset(hello.confirmed), Some(260.0));
        assert_eq!(hello.after_onset(hello.interrupted), Some(270.0));
        assert_eq!((rows[2].decision, rows[2].within), (None, true));
    }
}
