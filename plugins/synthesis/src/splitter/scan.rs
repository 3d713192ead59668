// SPDX-License-Identifier: MPL-2.0
//! The decision where the first clause of a text ends.

use icu_segmenter::{GraphemeClusterSegmenter, WordSegmenter, options::WordBreakInvariantOptions};

use super::{
    Boundary, MAX_WORDS,
    abbreviations::Language,
    marks::{Mark, ambiguous_quote, closes, mark, opens, unspaced},
    window::{BREAK, Look, MAX_ELEMENT, Window},
};

/// How far white space is looked through, in characters.
const MAX_SPACE: usize = 48;
/// How much text behind the cap a cut between words may depend on, in characters.
const CAP_CONTEXT: usize = 32;

pub(super) enum Scan {
    /// The clause ends at this byte.
    Cut { at: usize, boundary: Boundary },
    /// More text is needed.
    More,
}

/// What a rule says about one place.
enum Verdict {
    /// No clause ends here; go on at this place.
    On(usize),
    /// One ends in front of this place.
    Cut(usize, Boundary),
    /// Depends on text to come.
    More,
}

pub(super) fn scan(window: &Window, text: &str, language: &Language) -> Scan {
    let mut scanner = Scanner {
        window,
        text,
        language,
        place: 0,
        token: 0,
        words: 0,
        word_open: false,
        spoken: false,
        quotes: [0; 5],
    };
    scanner.run()
}

struct Scanner<'a> {
    window: &'a Window,
    text: &'a str,
    language: &'a Language,
    place: usize,
    /// Where the current run of other than white space begins.
    token: usize,
    /// Words that are complete.
    words: usize,
    word_open: bool,
    /// Whether there is anything to say yet.
    spoken: bool,
    /// How often each ambiguous quotation mark occurred.
    quotes: [usize; 5],
}

impl Scanner<'_> {
    fn run(&mut self) -> Scan {
        loop {
            let limit = self.window.limit;
            if self.place >= limit && (self.window.may_cut(self.place) || self.place >= MAX_ELEMENT)
            {
                return self.cap();
            }
            let c = match self.window.at(self.place) {
                Look::Char(c) => c,
                Look::Unknown => return Scan::More,
                Look::End => return self.cut(self.place, Boundary::End),
            };
            let verdict = if c.is_whitespace() {
                self.space()
            } else {
                if self.place == 0
                    || self
                        .window
                        .before(self.place)
                        .is_some_and(char::is_whitespace)
                {
                    self.token = self.place;
                }
                match mark(c) {
                    Some(mark) => self.mark(mark),
                    None => {
                        if c.is_alphanumeric() {
                            self.spoken = true;
                            self.word_open = true;
                        }
                        if let Some(kind) = quote_kind(c) {
                            self.quotes[kind] += 1;
                        }
                        Verdict::On(self.place + 1)
                    }
                }
            };
            match verdict {
                Verdict::On(next) if self.place < limit => self.place = next.min(limit),
                Verdict::On(next) => self.place = next,
                Verdict::More => return Scan::More,
                Verdict::Cut(at, boundary) => {
                    if at > limit && at < MAX_ELEMENT && self.window.may_cut(limit) {
                        self.place = limit;
                        return self.cap();
                    }
                    if self.window.may_cut(at) {
                        return self.cut(at, boundary);
                    }
                    self.place = at.max(self.place + 1);
                }
            }
        }
    }

    fn cut(&self, place: usize, boundary: Boundary) -> Scan {
        Scan::Cut {
            at: self.window.cut(place),
            boundary,
        }
    }

    /// The first place from `from` on that is not white space; whether a paragraph ends before it.
    fn after_space(&self, from: usize) -> (usize, usize, Look) {
        let mut newlines = 0;
        for place in from..from + MAX_SPACE {
            match self.window.at(place) {
                Look::Char(c) if c.is_whitespace() => {
                    newlines += match c {
                        '\n' => 1,
                        BREAK => 2,
                        _ => 0,
                    };
                    if newlines >= 2 {
                        return (place, newlines, Look::Char(c));
                    }
                }
                other => return (place, newlines, other),
            }
        }
        (from + MAX_SPACE, newlines, Look::Char('X'))
    }

    fn space(&mut self) -> Verdict {
        if self.word_open {
            self.word_open = false;
            self.words += 1;
        }
        let (next, newlines, look) = self.after_space(self.place);
        if newlines >= 2 && self.spoken {
            return Verdict::Cut(self.place, Boundary::Sentence);
        }
        if newlines >= 2 {
            return Verdict::On(next + 1);
        }
        let following = match look {
            Look::Unknown => return Verdict::More,
            Look::End => return Verdict::On(next),
            Look::Char(c) => c,
        };
        if newlines == 1 && self.spoken {
            match self.list_item(next) {
                None => return Verdict::More,
                Some(true) => return Verdict::Cut(self.place, Boundary::Clause),
                Some(false) => {}
            }
        }
        let number =
            following.is_numeric() && self.window.before(self.place).is_some_and(char::is_numeric);
        let belongs = mark(following).is_some() || closes(following);
        if self.words >= MAX_WORDS && !number && !belongs {
            return Verdict::Cut(self.place, Boundary::Words);
        }
        Verdict::On(next)
    }

    /// Whether an item of a list (`- `, `* `, `3. `, `b) `) begins at a place.
    fn list_item(&self, at: usize) -> Option<bool> {
        let spaced = |place| match self.window.at(place) {
            Look::Char(c) => Some(c.is_whitespace()),
            Look::Unknown => None,
            Look::End => Some(false),
        };
        let mut place = at;
        loop {
            match self.window.at(place) {
                Look::Unknown => return None,
                Look::End => return Some(false),
                Look::Char('-' | '*' | '+' | '•' | '–' | '—' | '◦' | '▪') if place == at =>
                {
                    return spaced(at + 1);
                }
                Look::Char('.' | ')') if place > at => return spaced(place + 1),
                Look::Char(c) if c.is_ascii_digit() && place - at < 3 => place += 1,
                Look::Char(c) if c.is_alphabetic() && place == at => place += 1,
                Look::Char(_) => return Some(false),
            }
        }
    }

    /// A run of marks and what closes behind them.
    fn mark(&mut self, first: Mark) -> Verdict {
        let begin = self.place;
        let mut end = begin + 1;
        let mut sentence = matches!(first, Mark::Sentence | Mark::SpacedSentence);
        let mut wide = matches!(first, Mark::Sentence | Mark::Clause);
        let mut stops = usize::from(first == Mark::Stop);
        let mut other = usize::from(first != Mark::Stop);
        loop {
            match self.window.at(end) {
                Look::Unknown => return Verdict::More,
                Look::Char(c) => match mark(c) {
                    Some(Mark::Dash | Mark::SpacedDash) | None => break,
                    Some(mark) => {
                        sentence |= matches!(mark, Mark::Sentence | Mark::SpacedSentence);
                        wide |= matches!(mark, Mark::Sentence | Mark::Clause);
                        if mark == Mark::Stop {
                            stops += 1;
                        } else {
                            other += 1;
                        }
                    }
                },
                Look::End => break,
            }
            end += 1;
        }
        let marks_end = end;
        loop {
            match self.window.at(end) {
                Look::Unknown => return Verdict::More,
                Look::Char(c) if closes(c) => {}
                Look::Char(c) => {
                    let Some(kind) = quote_kind(c) else { break };
                    let alone = match self.window.at(end + 1) {
                        Look::Unknown => return Verdict::More,
                        Look::End => true,
                        Look::Char(c) => c.is_whitespace(),
                    };
                    if !alone && self.quotes[kind].is_multiple_of(2) {
                        break;
                    }
                    self.quotes[kind] += 1;
                }
                Look::End => break,
            }
            end += 1;
        }
        let mut after = match self.window.at(end) {
            Look::Char(c) => Some(c),
            Look::Unknown => return Verdict::More,
            Look::End => None,
        };
        // `« Venez ! »`
        let french = matches!(after, Some('\u{a0}' | '\u{202f}'))
            || (after == Some(' ') && self.language.spaces_quotes());
        if french {
            match self.window.at(end + 1) {
                Look::Unknown => return Verdict::More,
                Look::Char('»' | '›') => {
                    end += 2;
                    after = match self.window.at(end) {
                        Look::Char(c) => Some(c),
                        Look::Unknown => return Verdict::More,
                        Look::End => None,
                    };
                }
                _ => {}
            }
        }
        let spaced = after.is_none_or(char::is_whitespace);
        let before = self.window.before(begin);
        let in_number = marks_end == begin + 1
            && end == marks_end
            && before.is_some_and(char::is_numeric)
            && after.is_some_and(char::is_numeric);
        if !self.spoken || in_number {
            return Verdict::On(end);
        }
        let before_unspaced = after.is_some_and(unspaced);
        match first {
            Mark::Dash => {
                let digits =
                    before.is_some_and(char::is_numeric) && after.is_some_and(char::is_numeric);
                return if digits {
                    Verdict::On(end)
                } else {
                    Verdict::Cut(end, Boundary::Clause)
                };
            }
            Mark::SpacedDash => {
                let parts = spaced && before.is_some_and(char::is_whitespace);
                let (_, _, next) = self.after_space(end);
                let previous = self.window.chars()[..begin]
                    .iter()
                    .rev()
                    .find(|c| !c.is_whitespace());
                return match next {
                    _ if !parts => Verdict::On(end),
                    Look::Unknown => Verdict::More,
                    Look::Char(c) if c.is_numeric() && previous.is_some_and(|c| c.is_numeric()) => {
                        Verdict::On(end)
                    }
                    _ => Verdict::Cut(end, Boundary::Clause),
                };
            }
            _ => {}
        }
        if sentence {
            return if wide || spaced || before_unspaced {
                Verdict::Cut(end, Boundary::Sentence)
            } else {
                Verdict::On(end)
            };
        }
        if first == Mark::Ellipsis || stops > 1 {
            return self.ellipsis(end, after);
        }
        if stops == 1 && other == 0 {
            return self.stop(begin, end, after);
        }
        // `z.B.,` or a comma, colon and the like.
        if wide || spaced || before_unspaced {
            Verdict::Cut(end, Boundary::Clause)
        } else {
            Verdict::On(end)
        }
    }

    fn ellipsis(&self, end: usize, after: Option<char>) -> Verdict {
        let boundary = |c: char| {
            if c.is_lowercase() {
                Boundary::Clause
            } else {
                Boundary::Sentence
            }
        };
        match after {
            None => Verdict::Cut(end, Boundary::Sentence),
            Some(c) if c.is_whitespace() => match self.following(end) {
                Look::Unknown => Verdict::More,
                Look::End => Verdict::Cut(end, Boundary::Sentence),
                Look::Char(c) => Verdict::Cut(end, boundary(c)),
            },
            // `wait...what`, but not `1...5`.
            Some(c) if c.is_alphabetic() => Verdict::Cut(end, Boundary::Clause),
            Some(_) => Verdict::On(end),
        }
    }

    fn stop(&self, begin: usize, end: usize, after: Option<char>) -> Verdict {
        match after {
            None => return Verdict::Cut(end, Boundary::Sentence),
            Some(c) if c.is_whitespace() => {}
            Some(c) if unspaced(c) && self.window.before(begin).is_some_and(unspaced) => {
                return Verdict::Cut(end, Boundary::Sentence);
            }
            Some(_) => return Verdict::On(end),
        }
        let (_, newlines, _) = self.after_space(end);
        let next = match self.following(end) {
            _ if newlines >= 2 => None,
            Look::Unknown => return Verdict::More,
            Look::End => None,
            Look::Char(c) => Some(c),
        };
        let mut token = &self.window.chars()[self.token..begin];
        while token.first().is_some_and(|c| opens(*c)) {
            token = &token[1..];
        }
        let word: String = token.iter().collect();
        let first = self.window.chars()[..self.token]
            .iter()
            .all(|c| c.is_whitespace() || !c.is_alphanumeric());
        if next.is_none() || self.language.stop_ends(&word, next, first) {
            Verdict::Cut(end, Boundary::Sentence)
        } else {
            Verdict::On(end)
        }
    }

    /// The first character behind white space, quotes and brackets.
    fn following(&self, from: usize) -> Look {
        let (mut place, newlines, mut look) = self.after_space(from);
        if newlines >= 2 {
            return Look::Char('X');
        }
        for _ in 0..4 {
            match look {
                Look::Char(c) if opens(c) => {
                    place += 1;
                    look = self.window.at(place);
                }
                _ => break,
            }
        }
        look
    }

    /// No mark within the longest clause: cut at white space, or else between words.
    fn cap(&self) -> Scan {
        let limit = self.place;
        if self.window.at(limit + CAP_CONTEXT) == Look::Unknown {
            return Scan::More;
        }
        let chars = &self.window.chars()[..limit.min(self.window.chars().len())];
        let space = (1..chars.len()).rev().find(|place| {
            chars[*place].is_whitespace()
                && self.window.may_cut(*place)
                && chars[..*place].iter().any(|c| !c.is_whitespace())
        });
        // White space in the first third would leave a stump.
        if let Some(place) = space.filter(|place| *place > limit / 3) {
            return self.cut(place, Boundary::Words);
        }
        let context: usize = self.window.cut(limit + CAP_CONTEXT);
        let text = &self.text[..context];
        let furthest = self.window.cut(limit);
        // A cut inside of a tag is none: only ends of characters count.
        let at = |boundary: &usize| {
            (*boundary > 0 && *boundary <= furthest)
                .then(|| {
                    (1..=limit)
                        .rev()
                        .find(|place| self.window.cut(*place) == *boundary)
                })
                .flatten()
                .filter(|place| self.window.may_cut(*place) && *place > limit / 3)
        };
        let words = WordSegmenter::new_dictionary(WordBreakInvariantOptions::default());
        let by_word = words.segment_str(text).filter_map(|b| at(&b)).last();
        let place = by_word.or_else(|| {
            let characters = GraphemeClusterSegmenter::new();
            characters.segment_str(text).filter_map(|b| at(&b)).last()
        });
        self.cut(place.unwrap_or(limit), Boundary::Words)
    }
}

fn quote_kind(c: char) -> Option<usize> {
    ambiguous_quote(c).then_some(match c {
        '"' => 0,
        '\'' => 1,
        '“' => 2,
        '«' | '‹' => 3,
        _ => 4,
    })
}
