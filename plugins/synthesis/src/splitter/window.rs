// SPDX-License-Identifier: MPL-2.0
//! The stretch of text that one decision of the splitter looks at.

use std::ops::Range;

use super::{
    MAX_CHARS,
    phones::{self, Phones},
};

/// How far behind a clause's longest end the text may change a decision, in characters.
pub(super) const LOOKAHEAD: usize = 80;
/// Where an SSML element that should stay whole is cut after all, in characters.
pub(super) const MAX_ELEMENT: usize = 1500;
/// A `<` without `>` in this many bytes is no tag.
const MAX_TAG: usize = 2048;
/// Longest name of an entity, in characters.
const MAX_ENTITY: usize = 10;
/// Elements inside of which a clause may end.
const DIVISIBLE: [&str; 6] = ["speak", "p", "s", "voice", "lang", "prosody"];
/// Stands where `</s>` or `</p>` ends a clause.
pub(super) const BREAK: char = '\u{2029}';
/// Deeper nesting is not followed.
const MAX_DEPTH: usize = 64;

/// An SSML tag that is open.
#[derive(Clone, Debug)]
pub(super) struct OpenTag {
    pub name: String,
    /// As written, with its attributes.
    pub raw: String,
}

/// What stands at a place of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Char(char),
    /// Not written yet.
    Unknown,
    /// The text ends.
    End,
}

/// The characters of the text from the clause's start on, as many as a decision may depend on.
pub(super) struct Window {
    chars: Vec<char>,
    /// For each place, where a cut in front of that character falls; one more for the end.
    cuts: Vec<usize>,
    /// Whether a cut may fall there.
    divisible: Vec<bool>,
    /// What lies behind `chars`.
    beyond: Look,
    pub limit: usize,
}

impl Window {
    pub fn new(text: &str, ssml: bool, end: bool, open: &[OpenTag]) -> Self {
        if ssml {
            Self::of_ssml(text, end, open)
        } else {
            Self::of_text(text, end)
        }
    }

    fn of_text(text: &str, end: bool) -> Self {
        let most = MAX_CHARS + LOOKAHEAD;
        let mut chars = Vec::with_capacity(most.min(text.len()));
        let mut cuts = Vec::with_capacity(most.min(text.len()) + 1);
        let mut beyond = if end { Look::End } else { Look::Unknown };
        let mut divisible = Vec::with_capacity(most.min(text.len()) + 1);
        let mut limit = MAX_CHARS;
        let mut whole = 0..0;
        for (at, c) in text.char_indices() {
            if chars.len() == most {
                break;
            }
            if at >= whole.end {
                match phones::at(&text[at..], end) {
                    Phones::Incomplete => break,
                    Phones::Found(len) => {
                        whole = at..at + len;
                        limit = limit_before(limit, chars.len(), &text[whole.clone()]);
                    }
                    Phones::None => {}
                }
            }
            chars.push(c);
            cuts.push(at);
            divisible.push(!is_inside(&whole, at));
        }
        cuts.push(
            cuts.last()
                .map_or(0, |at| at + chars[chars.len() - 1].len_utf8()),
        );
        divisible.push(!is_inside(&whole, cuts[cuts.len() - 1]));
        if chars.len() == most {
            beyond = Look::Char('x');
        }
        Self {
            chars,
            cuts,
            divisible,
            beyond,
            limit,
        }
    }

    fn of_ssml(text: &str, end: bool, open: &[OpenTag]) -> Self {
        let most = MAX_ELEMENT + LOOKAHEAD;
        let mut stack: Vec<bool> = open.iter().map(|tag| divisible(&tag.name)).collect();
        let mut window = Self {
            chars: Vec::new(),
            cuts: vec![0],
            divisible: vec![stack.iter().all(|ok| *ok)],
            beyond: if end { Look::End } else { Look::Unknown },
            limit: MAX_CHARS,
        };
        let mut whole = 0..0;
        let mut at = 0;
        // True until an opening tag or white space stands behind the last character.
        let mut trailing = true;
        while at < text.len() {
            if window.chars.len() >= most {
                window.beyond = Look::Char('x');
                break;
            }
            if at >= whole.end {
                match phones::at(&text[at..], end) {
                    Phones::Incomplete => break,
                    Phones::Found(len) => {
                        whole = at..at + len;
                        let before = window.chars.len();
                        window.limit = limit_before(window.limit, before, &text[whole.clone()]);
                    }
                    Phones::None => {}
                }
            }
            match tag_at(&text[at..], end) {
                Tag::Incomplete => break,
                Tag::None => {
                    let (c, len) = match entity_at(&text[at..], end) {
                        Entity::Incomplete => break,
                        Entity::Found(c, len) => (c, len),
                        Entity::None => {
                            let c = text[at..].chars().next().unwrap_or(BREAK);
                            (c, c.len_utf8())
                        }
                    };
                    at += len;
                    window.push(c, at, &stack);
                    if is_inside(&whole, at) {
                        window.keep_whole();
                    }
                    trailing = true;
                }
                Tag::Found { name, kind, len } => {
                    at += len;
                    match kind {
                        Kind::Open => {
                            if stack.len() < MAX_DEPTH {
                                stack.push(divisible(name));
                            }
                            trailing = false;
                        }
                        Kind::Close => {
                            stack.pop();
                            if trailing {
                                window.extend(at, &stack);
                            }
                        }
                        Kind::Empty if trailing => window.extend(at, &stack),
                        Kind::Empty => {}
                    }
                    let ends = match kind {
                        Kind::Close => name == "s" || name == "p",
                        Kind::Empty | Kind::Open => false,
                    };
                    if ends {
                        window.push(BREAK, at, &stack);
                        trailing = true;
                    }
                }
            }
        }
        if window.beyond == Look::End {
            // Whatever tags stand last belong to the last clause.
            window.extend(text.len(), &[]);
        }
        window
    }

    fn push(&mut self, c: char, end: usize, stack: &[bool]) {
        self.chars.push(c);
        self.cuts.push(end);
        self.divisible.push(stack.iter().all(|ok| *ok));
    }

    /// No cut may fall behind what was pushed last.
    fn keep_whole(&mut self) {
        if let Some(ok) = self.divisible.last_mut() {
            *ok = false;
        }
    }

    fn extend(&mut self, end: usize, stack: &[bool]) {
        if let (Some(cut), Some(ok)) = (self.cuts.last_mut(), self.divisible.last_mut()) {
            *cut = end;
            *ok = stack.iter().all(|ok| *ok);
        }
    }

    pub fn at(&self, place: usize) -> Look {
        match self.chars.get(place) {
            Some(c) => Look::Char(*c),
            None => self.beyond,
        }
    }

    /// The character before a place.
    pub fn before(&self, place: usize) -> Option<char> {
        place
            .checked_sub(1)
            .and_then(|i| self.chars.get(i))
            .copied()
    }

    pub fn chars(&self) -> &[char] {
        &self.chars
    }

    /// Where a cut in front of `place` falls in the text, in bytes.
    pub fn cut(&self, place: usize) -> usize {
        self.cuts[place.min(self.cuts.len() - 1)]
    }

    pub fn may_cut(&self, place: usize) -> bool {
        self.divisible[place.min(self.divisible.len() - 1)]
    }
}

/// The longest end of a clause, where this, which is to stay whole, begins at a place and may reach beyond it.
fn limit_before(limit: usize, place: usize, whole: &str) -> usize {
    let reaches_beyond = place < limit && place + whole.chars().count() > limit;
    if reaches_beyond { place } else { limit }
}

/// Whether a place is neither the beginning nor the end of a range, but in between.
fn is_inside(range: &Range<usize>, at: usize) -> bool {
    range.start < at && at < range.end
}

fn divisible(name: &str) -> bool {
    DIVISIBLE.contains(&name)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Empty,
}

enum Tag<'a> {
    None,
    Incomplete,
    Found {
        name: &'a str,
        kind: Kind,
        len: usize,
    },
}

fn tag_at(text: &str, end: bool) -> Tag<'_> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'<') {
        return Tag::None;
    }
    match bytes.get(1) {
        None => return if end { Tag::None } else { Tag::Incomplete },
        Some(c) if c.is_ascii_alphabetic() || matches!(c, b'/' | b'!' | b'?') => {}
        Some(_) => return Tag::None,
    }
    let Some(close) = bytes.iter().take(MAX_TAG).position(|b| *b == b'>') else {
        return if end || bytes.len() >= MAX_TAG {
            Tag::None
        } else {
            Tag::Incomplete
        };
    };
    let body = &text[1..close];
    let kind = match bytes[1] {
        b'/' => Kind::Close,
        b'!' | b'?' => Kind::Empty,
        _ if body.ends_with('/') => Kind::Empty,
        _ => Kind::Open,
    };
    let name = body.trim_start_matches('/');
    let name = name
        .split(|c: char| c.is_whitespace() || c == '/')
        .next()
        .unwrap_or("");
    Tag::Found {
        name,
        kind,
        len: close + 1,
    }
}

enum Entity {
    None,
    Incomplete,
    /// What it stands for, and its length in bytes.
    Found(char, usize),
}

/// An entity is the character that it stands for: the semicolon at its end ends no clause.
fn entity_at(text: &str, end: bool) -> Entity {
    let Some(rest) = text.strip_prefix('&') else {
        return Entity::None;
    };
    let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '#';
    let name: String = rest
        .chars()
        .take(MAX_ENTITY + 1)
        .take_while(is_name)
        .collect();
    match rest[name.len()..].chars().next() {
        None if !end && name.len() <= MAX_ENTITY => return Entity::Incomplete,
        Some(';') if (1..=MAX_ENTITY).contains(&name.len()) => (),
        _ => return Entity::None,
    }
    let number = name.strip_prefix('#').and_then(|number| {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        char::from_u32(code.ok()?)
    });
    let c = match name.as_str() {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        // One that nobody knows is a letter as good as any.
        _ => number.unwrap_or('x'),
    };
    Entity::Found(c, 1 + name.len() + 1)
}

/// The byte ranges of the tags of a text with markup, in order.
pub fn tags(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].find('<') {
        at += next;
        match tag_at(&text[at..], true) {
            Tag::Found { len, .. } => {
                found.push(at..at + len);
                at += len;
            }
            _ => at += 1,
        }
    }
    found
}

/// Brings the stack of open tags from the start to the end of `text`.
pub(super) fn follow_tags(open: &mut Vec<OpenTag>, text: &str) {
    let mut at = 0;
    while let Some(next) = text[at..].find('<') {
        at += next;
        let Tag::Found { name, kind, len } = tag_at(&text[at..], true) else {
            at += 1;
            continue;
        };
        match kind {
            Kind::Open if open.len() < MAX_DEPTH => open.push(OpenTag {
                name: name.to_owned(),
                raw: text[at..at + len].to_owned(),
            }),
            Kind::Close => {
                open.pop();
            }
            _ => {}
        }
        at += len;
    }
}
