// SPDX-License-Identifier: MPL-2.0

//! How much of an utterance a client has heard: what left, what its loudspeaker has played, and which words those are.
//! No clock, no thread: time goes in.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::framer::FRAME;
use super::happening::Word;

/// Utterances that are remembered: a report may come after the next one has begun.
const KEPT: usize = 8;
/// A report of the loudspeaker counts for this long after it came; reports come five times a second.
const FRESH: Duration = Duration::from_millis(400);

/// What the answer rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The client's reports of what its loudspeaker has played.
    Playout,
    /// When the sound left here.
    Sent,
}

impl Basis {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Basis::Playout => "playout",
            Basis::Sent => "sent",
        }
    }
}

/// How much of an utterance was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Up to the last word of which at least half was heard.
    pub heard: String,
    /// The rest.
    pub unheard: String,
    /// What this rests on.
    pub basis: Basis,
}

#[derive(Debug)]
struct Utterance {
    id: Arc<str>,
    /// Where in the utterance each run of frames begins, by how much had been sent when it did.
    runs: Vec<(Duration, Duration)>,
    sent: Duration,
    first_sent: Instant,
    words: Vec<Word>,
    /// The latest report: how much was played, and when that was told; `None` where nothing more will be played.
    played: Option<(Duration, Option<Instant>)>,
}

/// Follows what a client hears.
#[derive(Debug, Default)]
pub struct Ledger {
    utterances: VecDeque<Utterance>,
}

impl Ledger {
    /// A frame leaves for the client.
    pub fn sent(&mut self, id: &Arc<str>, position: Duration, now: Instant) {
        let utterance = self.of(id, now);
        let expected = utterance.position(utterance.sent);
        // A frame whose end was filled up with silence is followed by one that begins earlier than expected.
        if expected != Some(position) {
            utterance.runs.push((utterance.sent, position));
        }
        if utterance.sent.is_zero() {
            utterance.first_sent = now;
        }
        utterance.sent += FRAME;
    }

    /// A word begins to leave.
    pub fn word(&mut self, word: Word, now: Instant) {
        let utterance = self.of(&word.utterance.clone(), now);
        // A word that is said again after a pause is one word.
        if !utterance
            .words
            .iter()
            .any(|known| known.start == word.start)
        {
            utterance.words.push(word);
        }
    }

    /// The client tells how much of an utterance its loudspeaker has played, and whether that was all (`last`). False for
    /// one that it was never sent.
    pub fn played(&mut self, id: &str, played: Duration, last: bool, now: Instant) -> bool {
        let mut utterances = self.utterances.iter_mut();
        let Some(utterance) = utterances.find(|utterance| *utterance.id == *id) else {
            return false;
        };
        let told = (!last).then_some(now);
        utterance.played = Some((played.min(utterance.sent), told));
        true
    }

    /// What was heard of an utterance that was stopped: by the time when the client was told to be silent. The texts are
    /// those that the mouth gave.
    pub fn stopped(&self, id: &str, heard: &str, unheard: &str, told: Instant) -> Heard {
        let utterance = self.utterances.iter().find(|u| *u.id == *id);
        let Some(utterance) = utterance else {
            // Nothing of it ever left as frames: the mouth knows best.
            return Heard {
                heard: heard.into(),
                unheard: unheard.into(),
                basis: Basis::Sent,
            };
        };
        let (played, basis) = match utterance.played {
            Some((played, at)) => {
                // It went on playing until it was told, but not for ever.
                let since = at.map_or(Duration::ZERO, |at| {
                    told.saturating_duration_since(at).min(FRESH)
                });
                (played + since, Basis::Playout)
            }
            // Sound takes half a round trip to the client, and so does the word to be silent: what was heard when that
            // arrives is what had been sent long enough ago when it left.
            None => (
                told.saturating_duration_since(utterance.first_sent),
                Basis::Sent,
            ),
        };
        let played = played.min(utterance.sent);
        let words = utterance.words.iter();
        let count = words
            .filter(|word| utterance.played_at(word.start + word.duration / 2, played))
            .count();
        let (heard, unheard) = divide(&utterance.words, count, heard, unheard);
        Heard {
            heard,
            unheard,
            basis,
        }
    }

    fn of(&mut self, id: &Arc<str>, now: Instant) -> &mut Utterance {
        let at = self.utterances.iter().position(|u| u.id == *id);
        let at = at.unwrap_or_else(|| {
            if self.utterances.len() == KEPT {
                self.utterances.pop_front();
            }
            self.utterances.push_back(Utterance {
                id: id.clone(),
                runs: Vec::new(),
                sent: Duration::ZERO,
                first_sent: now,
                words: Vec::new(),
                played: None,
            });
            self.utterances.len() - 1
        });
        &mut self.utterances[at]
    }
}

impl Utterance {
    /// The place in the utterance of what leaves after so much was sent.
    fn position(&self, sent: Duration) -> Option<Duration> {
        let run = self.runs.iter().rev().find(|(from, _)| *from <= sent)?;
        Some(run.1 + (sent - run.0))
    }

    /// Whether that place in the utterance was among what was played.
    fn played_at(&self, place: Duration, played: Duration) -> bool {
        self.runs.iter().enumerate().any(|(i, (from, position))| {
            let until = self.runs.get(i + 1).map_or(self.sent, |next| next.0);
            let until = until.min(played);
            until > *from && *position <= place && place < *position + (until - *from)
        })
    }
}

/// Divides the text after so many words, with the punctuation that follows them.
fn divide(words: &[Word], count: usize, heard: &str, unheard: &str) -> (String, String) {
    let text = join(heard, unheard);
    let mut end = 0;
    for word in &words[..count] {
        if let Some(at) = text[end..].find(word.text.as_str()) {
            end += at + word.text.len();
        }
    }
    if end > 0 {
        let rest = &text[end..];
        end += rest
            .find(|c: char| c.is_whitespace() || c.is_alphanumeric())
            .unwrap_or(rest.len());
    }
    (text[..end].trim().into(), text[end..].trim().into())
}

/// The two as they stood in one text.
fn join(a: &str, b: &str) -> String {
    let (a, b) = (a.trim(), b.trim());
    let gap = if a.is_empty() || b.is_empty() {
        ""
    } else {
        " "
    };
    format!("{a}{gap}{b}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Five words of 100 ms, the frames of `sent` of them leaving in real time from `start`.
    fn ledger(start: Instant, sent: u64) -> (Ledger, Arc<str>) {
        let id: Arc<str> = "u".into();
        let mut ledger = Ledger::default();
        for at in (0..sent).step_by(20) {
            ledger.sent(&id, ms(at), start + ms(at));
        }
        for (i, text) in ["One,", "two", "three", "four", "five."].iter().enumerate() {
            if i as u64 * 100 < sent {
                let word = Word {
                    utterance: id.clone(),
                    text: text.trim_matches([',', '.']).to_string(),
                    start: ms(i as u64 * 100),
                    duration: ms(100),
                };
                ledger.word(word, start);
            }
        }
        (ledger, id)
    }

    #[test]
    fn without_reports_the_clock_counts() {
        let start = Instant::now();
        let (ledger, id) = ledger(start, 300);
        let heard = ledger.stopped(&id, "One, two", "three four five.", start + ms(260));
        assert_eq!(heard.heard, "One, two three");
        assert_eq!(heard.unheard, "four five.");
        assert_eq!(heard.basis, Basis::Sent);
        // No more than was sent, however long ago.
        let heard = ledger.stopped(&id, "One, two", "three four five.", start + ms(900));
        assert_eq!(heard.heard, "One, two three");
        let heard = ledger.stopped(&id, "One, two", "three four five.", start + ms(40));
        assert_eq!(
            (heard.heard.as_str(), heard.unheard.as_str()),
            ("", "One, two three four five.")
        );
    }

    #[test]
    fn reports_of_the_loudspeaker_go_first() {
        let start = Instant::now();
        let (mut ledger, id) = ledger(start, 500);
        assert!(ledger.played("u", ms(100), false, start + ms(400)));
        assert!(!ledger.played("v", ms(100), false, start));
        let heard = ledger.stopped(&id, "One, two three four five.", "", start + ms(460));
        assert_eq!(heard.heard, "One, two");
        assert_eq!(heard.unheard, "three four five.");
        assert_eq!(heard.basis, Basis::Playout);
        // The last word on it is the client's.
        ledger.played("u", ms(90), true, start + ms(300));
        let heard = ledger.stopped(&id, "One, two three four five.", "", start + ms(460));
        assert_eq!(heard.heard, "One,");
    }

    #[test]
    fn what_was_said_twice_is_one_word() {
        let start = Instant::now();
        let (mut ledger, id) = ledger(start, 160);
        // Paused in `two`, which is said again from its start.
        for (i, at) in (100..200).step_by(20).enumerate() {
            ledger.sent(&id, ms(at), start + ms(600 + i as u64 * 20));
        }
        let word = Word {
            utterance: id.clone(),
            text: "two".into(),
            start: ms(100),
            duration: ms(100),
        };
        ledger.word(word, start);
        ledger.played("u", ms(155), false, start);
        // Of the first `two` 55 ms were played.
        assert_eq!(
            ledger.stopped(&id, "One, two", "three", start).heard,
            "One, two"
        );
        ledger.played("u", ms(145), false, start);
        assert_eq!(
            ledger.stopped(&id, "One, two", "three", start).heard,
            "One,"
        );
        ledger.played("u", ms(160 + 60), false, start);
        assert_eq!(
            ledger.stopped(&id, "One, two", "three", start).heard,
            "One, two"
        );
    }

    #[test]
    fn what_never_left_is_as_the_mouth_says() {
        let ledger = Ledger::default();
        let heard = ledger.stopped("u", "a b", "c", Instant::now());
        assert_eq!((heard.heard.as_str(), heard.unheard.as_str()), ("a b", "c"));
    }
}
