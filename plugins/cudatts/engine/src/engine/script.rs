// SPDX-License-Identifier: MPL-2.0

//! From clauses to chunks and their words.
//!
//! A model speaks best in whole sentences, so clauses that are there are joined up to the end of their sentence before the
//! family cuts them into chunks; nothing waits for a clause that is not there.

use std::{collections::VecDeque, ops::Range};

use duplex_synthesis::{Boundary, ClauseReader, Error, TryNext, tags, words};

use crate::{
    family::{Chunk, Chunks, Family, Skipped, Timed},
    schedule::Id,
};

use super::{Listener, guarded};

/// A sentence that is longer is spoken in parts, in bytes.
const LONGEST: usize = 1000;

/// A word that is to be spoken.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub text: String,
    /// In the utterance's text.
    pub bytes: Range<usize>,
    /// In the text that the family got.
    pub spoken: Range<usize>,
    /// How much there is to say, about a letter each.
    pub weight: f64,
    /// Its samples, from the beginning of the chunk's sound as the family makes it, where the family knows.
    pub time: Option<Range<u64>>,
}

/// A chunk with its words.
pub struct Line {
    pub chunk: Chunk,
    pub words: Vec<Word>,
}

/// What [`Script::pull`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Pulled {
    /// There is a line.
    Line,
    /// There is none yet.
    Pending,
    /// There is none, ever.
    Finished,
    /// The utterance is cancelled.
    Cancelled,
}

/// What an utterance has still to say.
#[derive(Default)]
pub struct Script {
    lines: VecDeque<Line>,
    /// Of the chunk that is being spoken: frames made, and the most of them.
    under_way: Option<(usize, usize)>,
    /// Chunks begun.
    begun: u64,
    /// What is not spoken and was not told yet: bytes of the utterance's text, and why.
    skipped: Vec<(Range<usize>, String)>,
    /// Whether anything was.
    warned: bool,
}

impl Script {
    /// Whether a chunk is being spoken or waits to be.
    pub fn is_busy(&self) -> bool {
        self.under_way.is_some() || !self.lines.is_empty()
    }

    /// Makes sure of a line, if there is text for one.
    pub fn pull(
        &mut self,
        reader: &ClauseReader,
        family: &dyn Family,
        ssml: bool,
        join: bool,
    ) -> Result<Pulled, Error> {
        while self.lines.is_empty() {
            let mut source = String::new();
            let mut start = 0;
            while source.len() < LONGEST {
                match reader.try_next() {
                    TryNext::Clause(clause) => {
                        if source.is_empty() {
                            start = clause.bytes.start;
                        }
                        source.push_str(&clause.text);
                        let ends = matches!(clause.boundary, Boundary::Sentence | Boundary::End);
                        if ends || !join {
                            break;
                        }
                    }
                    TryNext::Cancelled => return Ok(Pulled::Cancelled),
                    _ if !source.is_empty() => break,
                    TryNext::Pending => return Ok(Pulled::Pending),
                    TryNext::Finished => return Ok(Pulled::Finished),
                }
            }
            self.lines = self.lines_of(&source, start, family, ssml)?;
        }
        Ok(Pulled::Line)
    }

    /// Tells what was found since the last call that is not spoken. Without a listener the log hears of it: one warning for
    /// an utterance, which may be full of it.
    pub fn tell_skipped(&mut self, utterance: Id, listener: Option<&Listener>) {
        for (bytes, why) in self.skipped.drain(..) {
            if let Some(listener) = listener {
                listener(bytes, &why);
            } else if std::mem::replace(&mut self.warned, true) {
                tracing::debug!(utterance, ?bytes, "not spoken as it is written: {why}");
            } else {
                tracing::warn!(utterance, ?bytes, "not spoken as it is written: {why}");
            }
        }
    }

    fn lines_of(
        &mut self,
        source: &str,
        start: usize,
        family: &dyn Family,
        ssml: bool,
    ) -> Result<VecDeque<Line>, Error> {
        let spoken = if ssml {
            Spoken::of_ssml(source)
        } else {
            Spoken::plain(source)
        };
        let Chunks { chunks, skipped } =
            guarded("cutting its text", || family.chunks(&spoken.text))?;
        self.skipped
            .extend(skipped.into_iter().map(|Skipped { bytes, why }| {
                let place = |of: usize| start + spoken.source_of(of);
                (place(bytes.start)..place(bytes.end), why)
            }));
        let mut words = words(source, ssml).into_iter().peekable();
        let count = chunks.len();
        let lines = chunks.into_iter().enumerate().map(|(number, chunk)| {
            let mut line = Vec::new();
            while let Some(word) = words.next_if(|word| {
                number + 1 == count || spoken.place_of(word.start) < chunk.bytes.end
            }) {
                let text = &source[word.clone()];
                line.push(Word {
                    text: text.to_owned(),
                    bytes: start + word.start..start + word.end,
                    spoken: spoken.place_of(word.start)..spoken.place_of(word.end),
                    weight: weight(text),
                    time: None,
                });
            }
            Line { chunk, words: line }
        });
        Ok(lines.collect())
    }

    /// The next line, and its number in the utterance; it is being spoken from now on.
    pub fn begin(&mut self) -> Option<(u64, Line)> {
        let line = self.lines.pop_front()?;
        self.under_way = Some((0, line.chunk.most));
        self.begun += 1;
        Some((self.begun - 1, line))
    }

    /// A frame was made; whether it is the last that the chunk may have.
    pub fn frame(&mut self) -> bool {
        let Some((made, most)) = &mut self.under_way else {
            return true;
        };
        *made += 1;
        *made >= *most
    }

    /// The chunk is over.
    pub fn over(&mut self) {
        self.under_way = None;
    }
}

/// Gives words the times that a family told of the words of its own, which it may have cut otherwise: a word lasts as long as all
/// of the family's that it has a part in. Several words of one of the family's share its time by their letters; a word
/// that has no part in any stands where the next begins, without a length.
pub fn set_times(words: &mut [Word], times: &[Timed]) {
    let mut next = 0;
    // Nothing begins before what came before it.
    let mut from = 0;
    for word in words {
        let Range { start, end } = word.spoken;
        while times.get(next).is_some_and(|time| time.bytes.end <= start) {
            from = from.max(times[next].start + times[next].samples);
            next += 1;
        }
        let begins = times
            .get(next)
            .map_or(from, |time| time.at(start))
            .max(from);
        let parts = times[next..]
            .iter()
            .take_while(|time| time.bytes.start < end);
        let ends = parts.map(|time| time.at(end)).last().unwrap_or(begins);
        word.time = Some(begins..ends.max(begins));
        from = begins;
    }
}

/// How much there is to say, about a letter each: digits are read out, a sign of an unspaced script is a syllable or two, and a
/// word has its beginning.
fn weight(word: &str) -> f64 {
    let letters: f64 = word
        .chars()
        .map(|c| match c {
            _ if c.is_numeric() => 4.0,
            '\u{2e80}'.. => 3.0,
            _ if c.is_alphabetic() => 1.0,
            _ => 0.0,
        })
        .sum();
    letters + 1.0
}

/// Text without markup, and the way from places of its source to its own.
struct Spoken {
    text: String,
    /// Where stretches that were taken over begin: in the source, in the text.
    stretches: Vec<(usize, usize)>,
}

impl Spoken {
    fn plain(source: &str) -> Self {
        Self {
            text: source.to_owned(),
            stretches: vec![(0, 0)],
        }
    }

    /// Tags are white space, entities what they stand for.
    fn of_ssml(source: &str) -> Self {
        let mut spoken = Self {
            text: String::new(),
            stretches: Vec::new(),
        };
        let mut from = 0;
        for tag in tags(source) {
            spoken.take(source, from..tag.start);
            spoken.text.push(' ');
            from = tag.end;
        }
        spoken.take(source, from..source.len());
        spoken
    }

    fn take(&mut self, source: &str, range: Range<usize>) {
        const ENTITIES: [(&str, char); 5] = [
            ("&amp;", '&'),
            ("&lt;", '<'),
            ("&gt;", '>'),
            ("&quot;", '"'),
            ("&apos;", '\''),
        ];
        self.stretches.push((range.start, self.text.len()));
        let mut at = range.start;
        while at < range.end {
            let rest = &source[at..range.end];
            let entity = ENTITIES.iter().find(|(name, _)| rest.starts_with(name));
            if let Some((name, c)) = entity {
                self.text.push(*c);
                at += name.len();
                self.stretches.push((at, self.text.len()));
            } else {
                let c = rest.chars().next().unwrap_or(' ');
                self.text.push(c);
                at += c.len_utf8();
            }
        }
    }

    fn place_of(&self, source: usize) -> usize {
        let stretch = self.stretches.partition_point(|(from, _)| *from <= source);
        let (from, to) = self.stretches[stretch.saturating_sub(1)];
        let end = self
            .stretches
            .get(stretch)
            .map_or(self.text.len(), |next| next.1);
        // What stands for something else, an entity, is at the place of that.
        (to + (source - from)).min(end)
    }

    fn source_of(&self, place: usize) -> usize {
        let stretch = self.stretches.partition_point(|(_, to)| *to <= place);
        let (from, to) = self.stretches[stretch.saturating_sub(1)];
        from + (place - to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_not_spoken_and_words_keep_their_places() {
        let source = "<s>Tom &amp; Ann&apos;s</s> cat";
        let spoken = Spoken::of_ssml(source);
        assert_eq!(spoken.text, " Tom & Ann's  cat");
        let place = |word: &str| spoken.place_of(source.find(word).unwrap());
        for word in ["Tom", "Ann", "cat"] {
            assert_eq!(place(word), spoken.text.find(word).unwrap(), "{word}");
        }
    }

    #[test]
    fn places_of_the_text_are_found_in_its_source() {
        let source = "<s>Tom &amp; Ann&apos;s</s> cat";
        let spoken = Spoken::of_ssml(source);
        for word in ["Tom", "Ann", "cat"] {
            let place = spoken.text.find(word).unwrap();
            assert_eq!(
                spoken.source_of(place),
                source.find(word).unwrap(),
                "{word}"
            );
        }
        assert_eq!(spoken.source_of(spoken.text.len()), source.len());
    }

    /// The times that the words of a text get.
    fn times(text: &str, family: &[(&str, u64, u64)]) -> Vec<(u64, u64)> {
        let mut words: Vec<Word> = words(text, false)
            .into_iter()
            .map(|bytes| Word {
                text: text[bytes.clone()].into(),
                bytes: bytes.clone(),
                spoken: bytes,
                weight: 1.0,
                time: None,
            })
            .collect();
        let mut at = 0;
        let timed: Vec<Timed> = family
            .iter()
            .map(|(word, start, samples)| {
                let begin = at + text[at..].find(word).unwrap();
                at = begin + word.len();
                Timed {
                    bytes: begin..at,
                    start: *start,
                    samples: *samples,
                }
            })
            .collect();
        set_times(&mut words, &timed);
        words
            .into_iter()
            .filter_map(|word| word.time.map(|time| (time.start, time.end)))
            .collect()
    }

    #[test]
    fn words_get_the_times_of_those_that_a_family_cut_otherwise() {
        // As they are, whatever marks surround them.
        let found = times("\"One\", two!", &[("One", 10, 5), ("two", 20, 6)]);
        assert_eq!(found, [(10, 15), (20, 26)]);
        // Several of the family's are one, and one of the family's is several.
        assert_eq!(
            times(
                "word-by-word",
                &[("word", 0, 4), ("by", 5, 2), ("word", 8, 4)]
            ),
            [(0, 12)]
        );
        assert_eq!(
            times("27 Nov", &[("27 Nov", 100, 60)]),
            [(100, 120), (130, 160)]
        );
        // Without sound: before, between and after all.
        assert_eq!(
            times("x one x two x", &[("one", 10, 5), ("two", 20, 6)]),
            [(10, 10), (10, 15), (20, 20), (20, 26), (26, 26)]
        );
        assert_eq!(times("one two", &[]), [(0, 0), (0, 0)]);
    }

    #[test]
    fn times_never_go_back() {
        let found = times("one two", &[("one", 30, 5), ("two", 20, 6)]);
        assert_eq!(found, [(30, 35), (35, 35)]);
    }

    #[test]
    fn what_takes_longer_to_say_weighs_more() {
        assert!(weight("1984") > weight("word"));
        assert!(weight("東京") > weight("go"));
        assert_eq!(weight("it's"), 4.0);
    }
}
