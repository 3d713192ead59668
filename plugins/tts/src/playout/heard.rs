// SPDX-License-Identifier: MPL-2.0

//! What of a text was heard, from the words' places and the number of samples that left.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use super::{Mark, Unheard};

/// Text kept per utterance; beyond it only characters are counted.
const TEXT_LIMIT: usize = 256 * 1024;
/// Utterances whose text is kept.
const TEXTS_LIMIT: usize = 256;
/// Unheard text in a report.
const UNHEARD_LIMIT: usize = 4 * 1024;
/// Characters of speech per second, for text without any mark.
const CHARACTERS_PER_SECOND: u64 = 15;

/// The text of one utterance.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub text: String,
    /// All of it was handed over: more of that name is another utterance, which goes on where somebody else spoke.
    complete: bool,
    /// Characters that came after the limit.
    pub beyond: u64,
}

impl Text {
    fn push(&mut self, text: &str) {
        let room = TEXT_LIMIT.saturating_sub(self.text.len());
        // Once something is missing nothing may follow.
        let room = if self.beyond > 0 { 0 } else { room };
        let (kept, cut) = text.split_at(floor_char_boundary(text, room));
        self.text.push_str(kept);
        self.beyond += cut.chars().count() as u64;
    }
}

/// Texts of the utterances that were handed to the synthesizer and have not finished, in order.
#[derive(Debug, Default)]
pub(super) struct Texts(VecDeque<(Arc<str>, Text)>);

impl Texts {
    pub fn push(&mut self, id: &str, text: &str) {
        if let Some((_, known)) = self.0.iter_mut().rfind(|(known, _)| &**known == id)
            && !known.complete
        {
            known.push(text);
            return;
        }
        if self.0.len() == TEXTS_LIMIT {
            self.0.pop_front();
        }
        let mut new = Text::default();
        new.push(text);
        self.0.push_back((id.into(), new));
    }

    /// Nothing more is handed over of the utterance of that name.
    pub fn complete(&mut self, id: &str) {
        if let Some((_, text)) = self.0.iter_mut().rfind(|(known, _)| &**known == id) {
            text.complete = true;
        }
    }

    pub fn first_id(&self) -> Option<Arc<str>> {
        self.0.front().map(|(id, _)| id.clone())
    }

    pub fn take(&mut self, id: &str) -> Option<Text> {
        let at = self.0.iter().position(|(known, _)| &**known == id)?;
        self.0.remove(at).map(|(_, text)| text)
    }

    /// All texts as one: sound that does not tell utterances apart may be of any of them.
    pub fn take_all(&mut self) -> Text {
        let mut all = Text::default();
        for (_, text) in self.0.drain(..) {
            if !all.text.is_empty() && !all.text.ends_with(char::is_whitespace) {
                all.push(" ");
            }
            all.push(&text.text);
            all.beyond += text.beyond;
        }
        all
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left, whole.
    pub fn drain(&mut self) -> Vec<(Arc<str>, String)> {
        self.0.drain(..).map(|(id, text)| (id, text.text)).collect()
    }

    /// What is left, as nothing of it was heard.
    pub fn drain_unheard(&mut self) -> Vec<Unheard> {
        self.0
            .drain(..)
            .map(|(id, text)| unheard(id, &text, &[]))
            .collect()
    }
}

/// An utterance that never sounded.
pub(super) fn unheard(id: Arc<str>, text: &Text, marks: &[Mark]) -> Unheard {
    let (text, characters) = if text.text.is_empty() {
        cap(&join(marks), 0)
    } else {
        cap(&text.text, text.beyond)
    };
    Unheard {
        id,
        text,
        characters,
    }
}

/// What was heard of an utterance.
#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    pub heard_text: String,
    pub cut_word: String,
    pub cut_word_fraction: f64,
    pub unheard_text: String,
    pub unheard_characters: u64,
    pub marks_exact: bool,
}

/// How far an utterance got.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// Samples that left before the fade began.
    pub left: u64,
    /// Samples that arrived.
    pub arrived: u64,
    /// All of them arrived.
    pub complete: bool,
    /// Where in the text the first of the marks is to be looked for; all before it was heard.
    pub text_from: usize,
    pub rate: u32,
}

pub(super) fn account(text: &Text, marks: &[Mark], progress: Progress) -> Heard {
    let estimated;
    let (marks, marks_exact) = if marks.is_empty() {
        estimated = estimate(&text.text, progress);
        (&estimated[..], false)
    } else {
        (marks, marks.iter().all(|m| m.exact))
    };

    // Where a word's length is not known it ends where the next begins.
    let end_of = |i: usize| match marks[i].samples {
        0 => marks.get(i + 1).map_or(progress.arrived, |next| next.start),
        _ => marks[i].end(),
    };
    let is_heard = |i: usize| {
        let (start, end) = (marks[i].start, end_of(i));
        let left = progress.left.clamp(start, end.max(start)) - start;
        left > 0 && 2 * left >= end.saturating_sub(start)
    };
    let heard = (0..marks.len()).rev().find(|&i| is_heard(i));
    let cut =
        (0..marks.len()).find(|&i| marks[i].start < progress.left && progress.left < end_of(i));
    let (cut_word, cut_word_fraction) = cut.map_or((String::new(), 0.0), |i| {
        let (start, end) = (marks[i].start, end_of(i));
        let fraction = (progress.left - start) as f64 / (end - start) as f64;
        (marks[i].text.to_string(), fraction)
    });

    let (heard_text, unheard_text, unheard_characters) = if text.text.is_empty() {
        let split = heard.map_or(0, |i| i + 1);
        let (rest, characters) = cap(&join(&marks[split..]), 0);
        (join(&marks[..split]), rest, characters)
    } else {
        let from = floor_char_boundary(&text.text, progress.text_from);
        let at = heard.map_or(from, |i| split_after(&text.text, marks, i, from));
        let rest = text.text[at..].trim_start();
        let (rest, characters) = cap(rest, text.beyond);
        (text.text[..at].to_owned(), rest, characters)
    };
    Heard {
        heard_text,
        cut_word,
        cut_word_fraction,
        unheard_text,
        unheard_characters,
        marks_exact,
    }
}

/// The byte after word `last` and the punctuation that clings to it.
fn split_after(text: &str, marks: &[Mark], last: usize, from: usize) -> usize {
    let ranges = ranges(text, &marks[..(last + 2).min(marks.len())], from);
    let Some(end) = ranges[..=last].iter().rev().flatten().next().map(|r| r.end) else {
        return from;
    };
    let limit = match ranges.get(last + 1) {
        Some(Some(next)) => next.start.max(end),
        _ => text.len(),
    };
    let clinging = text[end..limit]
        .find(|c: char| c.is_whitespace() || c.is_alphanumeric())
        .unwrap_or(limit - end);
    end + clinging
}

/// The bytes of each word: as the synthesizer said, else found one after the other.
fn ranges(text: &str, marks: &[Mark], mut from: usize) -> Vec<Option<Range<usize>>> {
    marks
        .iter()
        .map(|mark| {
            let given = mark.bytes.clone().filter(|r| {
                r.start < r.end && text.is_char_boundary(r.start) && text.is_char_boundary(r.end)
            });
            let range = given.or_else(|| find(text, from, &mark.text));
            if let Some(range) = &range {
                from = range.end;
            }
            range
        })
        .collect()
}

/// `word` in `text` after `from`, not too far on: a word that is spoken but not written must not swallow the rest.
fn find(text: &str, from: usize, word: &str) -> Option<Range<usize>> {
    const WINDOW: usize = 200;
    let word = word.trim();
    if word.is_empty() {
        return None;
    }
    let end = floor_char_boundary(text, (from + WINDOW + word.len()).min(text.len()));
    let window = text.get(from..end)?;
    let at = window
        .find(word)
        .or_else(|| window.to_ascii_lowercase().find(&word.to_ascii_lowercase()))?;
    Some(from + at..from + at + word.len())
}

/// Words at places in proportion to their characters.
fn estimate(text: &str, progress: Progress) -> Vec<Mark> {
    let characters = text.chars().count() as u64;
    if characters == 0 {
        return Vec::new();
    }
    let total = if progress.complete {
        progress.arrived
    } else {
        let typical = characters * u64::from(progress.rate) / CHARACTERS_PER_SECOND;
        progress.arrived.max(typical)
    };
    let place = |character: u64| {
        u64::try_from(u128::from(character) * u128::from(total) / u128::from(characters))
            .unwrap_or(u64::MAX)
    };
    let mut marks = Vec::new();
    let (mut byte, mut character) = (0, 0);
    for part in text.split_inclusive(char::is_whitespace) {
        let word = part.trim_end();
        let length = word.chars().count() as u64;
        if length > 0 {
            let start = place(character);
            marks.push(Mark {
                text: word.into(),
                start,
                samples: place(character + length) - start,
                bytes: Some(byte..byte + word.len()),
                exact: false,
            });
        }
        byte += part.len();
        character += part.chars().count() as u64;
    }
    marks
}

fn join(marks: &[Mark]) -> String {
    let words: Vec<&str> = marks.iter().map(|m| &*m.text).collect();
    words.join(" ")
}

/// The beginning of a text, and how many characters all of it has.
fn cap(text: &str, beyond: u64) -> (String, u64) {
    let kept = &text[..floor_char_boundary(text, UNHEARD_LIMIT)];
    (kept.to_owned(), text.chars().count() as u64 + beyond)
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
