// SPDX-License-Identifier: MPL-2.0

//! From clauses to chunks and their words.
//!
//! A model speaks best in whole sentences, so clauses that are there are joined up to the end of their sentence before the
//! family cuts them into chunks; nothing waits for a clause that is not there.

use std::{collections::VecDeque, ops::Range};

use duplex_synthesis::{Boundary, ClauseReader, Error, TryNext, tags, words};

use crate::family::{Chunk, Family};

use super::guarded;

/// A sentence that is longer is spoken in parts, in bytes.
const LONGEST: usize = 1000;

/// A word that is to be spoken.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub text: String,
    /// In the utterance's text.
    pub bytes: Range<usize>,
    /// How much there is to say, about a letter each.
    pub weight: f64,
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
            self.lines = lines(&source, start, family, ssml)?;
        }
        Ok(Pulled::Line)
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

fn lines(
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
    let chunks = guarded("cutting its text", || family.chunks(&spoken.text))?;
    let mut words = words(source, ssml).into_iter().peekable();
    let count = chunks.len();
    let lines = chunks.into_iter().enumerate().map(|(place, chunk)| {
        let mut line = Vec::new();
        while let Some(word) = words
            .next_if(|word| place + 1 == count || spoken.place_of(word.start) < chunk.bytes.end)
        {
            let text = &source[word.clone()];
            line.push(Word {
                text: text.to_owned(),
                bytes: start + word.start..start + word.end,
                weight: weight(text),
            });
        }
        Line { chunk, words: line }
    });
    Ok(lines.collect())
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
        to + (source - from)
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
    fn what_takes_longer_to_say_weighs_more() {
        assert!(weight("1984") > weight("word"));
        assert!(weight("東京") > weight("go"));
        assert_eq!(weight("it's"), 4.0);
    }
}
