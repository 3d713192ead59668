// SPDX-License-Identifier: MPL-2.0

//! A text as tokens: what stands between white space, without the punctuation around it, and what that punctuation was.

use std::ops::Range;

use crate::{
    Dictionary, Skipped, addresses,
    inline::{self, Inline},
    letters::{fold, greek, is_hidden},
};

/// Most bytes of a token; what is longer is several, so that time and clauses stay bounded.
const MOST: usize = 256;
/// Most characters of a text in [`Skipped`].
const SHOWN: usize = 40;

const FOREIGN: &str = "Only Latin letters are said.";
const SIGN: &str = "Emoji and signs like this are not said.";
const LINK: &str = "The address of a link is not said.";
const UNKNOWN: &str = "The model has no such phones; the word is said as it is written.";

/// Punctuation, the stronger the greater. A single full stop is told by [`Token::stop`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    #[default]
    None,
    Comma,
    Ellipsis,
    Stop,
    Exclamation,
    Question,
}

/// A token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Token {
    /// Where it stands, without punctuation.
    pub bytes: Range<usize>,
    /// Where the punctuation behind it ends.
    pub end: usize,
    /// It in ASCII, but for Greek letters and signs.
    pub text: String,
    /// Phones that the text gives for it.
    pub phones: Option<Vec<String>>,
    /// An apostrophe stands in front: '90s.
    pub apostrophe: bool,
    /// A bracket opens in front.
    pub opened: bool,
    /// A bracket closes behind.
    pub closed: bool,
    /// A full stop stands behind, and maybe other marks.
    pub stop: bool,
    /// The strongest mark behind that is no full stop.
    pub mark: Mark,
    /// It is the first of its line.
    pub line: bool,
    /// It is the first of a paragraph, of an item of a list or of a heading.
    pub item: bool,
}

impl Token {
    /// Whether it is followed by no mark but perhaps a full stop.
    pub fn goes_on(&self) -> bool {
        self.mark == Mark::None && !self.closed
    }

    /// Whether it begins with a capital.
    pub fn capital(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_uppercase())
    }
}

/// Cuts a text.
pub(crate) fn tokens(text: &str, dictionary: &Dictionary) -> (Vec<Token>, Vec<Skipped>) {
    let mut scanner = Scanner {
        text,
        tokens: Vec::new(),
        skipped: Vec::new(),
        newlines: 1,
        item: false,
        opened: false,
        heading: false,
    };
    let mut from = 0;
    for place in inline::find(text) {
        scanner.plain(from..place.bytes.start);
        from = place.bytes.end;
        scanner.inline(place, dictionary);
    }
    scanner.plain(from..text.len());
    (scanner.tokens, scanner.skipped)
}

struct Scanner<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    skipped: Vec<Skipped>,
    /// Since the last token.
    newlines: usize,
    item: bool,
    opened: bool,
    /// The line is a heading.
    heading: bool,
}

impl Scanner<'_> {
    fn inline(&mut self, place: Inline, dictionary: &Dictionary) {
        let count = self.tokens.len();
        let given = place.phones.map(|phones| &self.text[phones]);
        let phones = given.and_then(|given| dictionary.phones(given.split_whitespace()).ok());
        match phones.filter(|phones| !phones.is_empty()) {
            Some(phones) => self.push(Token {
                bytes: place.shown.clone(),
                phones: Some(phones),
                text: folded(&self.text[place.shown]),
                ..Token::default()
            }),
            None => {
                let why = if given.is_some() { UNKNOWN } else { LINK };
                self.plain(place.shown.clone());
                self.skip(place.shown.end + 1..place.bytes.end, why);
            }
        }
        if self.tokens.len() > count
            && let Some(last) = self.tokens.last_mut()
        {
            last.end = place.bytes.end;
        }
    }

    /// A stretch without inline phones and links.
    fn plain(&mut self, range: Range<usize>) {
        let mut raw: Option<usize> = None;
        for (at, c) in self.text[range.clone()].char_indices() {
            let at = range.start + at;
            if c.is_whitespace() || c.is_control() {
                if let Some(start) = raw.take() {
                    self.raw(start..at);
                }
                self.newlines += usize::from(matches!(c, '\n' | '\u{2029}'));
                continue;
            }
            let start = *raw.get_or_insert(at);
            if at - start >= MOST {
                self.raw(start..at);
                raw = Some(at);
            }
        }
        if let Some(start) = raw {
            self.raw(start..range.end);
        }
    }

    /// What stands between white space.
    fn raw(&mut self, range: Range<usize>) {
        let raw = &self.text[range.clone()];
        if self.newlines > 0 && is_item(raw) {
            self.item |= raw != ">";
            self.heading |= raw.starts_with('#');
            return;
        }
        // A box to tick, behind a bullet.
        if self.item && ["[x]", "[X]"].contains(&raw) {
            return;
        }
        if let Some((_, sign)) = OPERATORS.iter().find(|(operator, _)| *operator == raw) {
            return self.push(Token {
                bytes: range,
                text: (*sign).to_owned(),
                ..Token::default()
            });
        }
        if addresses::looks_like_one(raw) {
            return self.address(range);
        }
        let mut start = 0;
        let mut at = 0;
        while let Some(c) = raw[at..].chars().next() {
            let width = c.len_utf8();
            let place = Place { raw, at, start, c };
            let (taken, found) = place.look();
            let here = range.start + at;
            match found {
                Found::Part => {}
                _ => {
                    self.segment(range.start + start..here);
                    start = at + taken;
                    self.separator(found, here..here + taken);
                }
            }
            at += taken.max(width);
        }
        self.segment(range.start + start..range.end);
    }

    fn separator(&mut self, found: Found, range: Range<usize>) {
        match found {
            Found::Foreign => return self.skip(range, FOREIGN),
            Found::Sign => return self.skip(range, SIGN),
            Found::Open => {
                self.opened = true;
                return;
            }
            // f() has nothing in its brackets.
            Found::Close if std::mem::take(&mut self.opened) => return,
            _ => {}
        }
        let Some(last) = self.tokens.last_mut() else {
            return;
        };
        match found {
            Found::Close => last.closed = true,
            Found::Stop => last.stop = true,
            Found::Mark(mark) => last.mark = last.mark.max(mark),
            _ => {}
        }
        if last.end == range.start {
            last.end = range.end;
        }
    }

    /// A stretch without punctuation that counts, but perhaps with apostrophes and signs around it.
    fn segment(&mut self, range: Range<usize>) {
        let all = &self.text[range.clone()];
        let tail = all.trim_end_matches(|c: char| "'‘’`*_^\\=~<>|-–‐/′,:".contains(c));
        let core = lead(tail);
        let start = range.start + (tail.len() - core.len());
        if core.is_empty() {
            // A sign by itself.
            if SIGNS.contains(&all) {
                self.push(Token {
                    bytes: range.clone(),
                    end: range.end,
                    text: folded(all),
                    ..Token::default()
                });
            }
            return;
        }
        let text = folded(core);
        let before = &self.text[range.start..start];
        if text.is_empty() {
            return;
        }
        self.push(Token {
            bytes: start..start + core.len(),
            end: range.end,
            text,
            apostrophe: before.ends_with(['\'', '’', '‘']),
            ..Token::default()
        });
    }

    /// An e-mail or web address, in one.
    fn address(&mut self, range: Range<usize>) {
        let raw = &self.text[range.clone()];
        let tail = raw.trim_start_matches(|c: char| "([{<\"'“‘«*_`".contains(c));
        let start = range.end - tail.len();
        let paired = tail.contains('(');
        let core = tail
            .trim_end_matches(|c: char| ".,;:!?]}>\"'”’»*_`".contains(c) || (c == ')' && !paired));
        let end = start + core.len();
        self.push(Token {
            bytes: start..end,
            end,
            text: folded(core),
            ..Token::default()
        });
        let mut at = end;
        for c in self.text[end..range.end].chars() {
            let found = match c {
                '.' => Found::Stop,
                ')' | ']' | '}' => Found::Close,
                _ => mark_of(c).map_or(Found::Quote, Found::Mark),
            };
            self.separator(found, at..at + c.len_utf8());
            at += c.len_utf8();
        }
    }

    fn push(&mut self, token: Token) {
        let item = std::mem::take(&mut self.item);
        let newlines = std::mem::take(&mut self.newlines);
        // A heading ends with its line.
        let ended = self.heading && newlines > 0 && !item;
        self.heading &= !ended;
        self.tokens.push(Token {
            end: token.end.max(token.bytes.end),
            line: newlines > 0,
            item: item || newlines > 1 || ended,
            opened: std::mem::take(&mut self.opened),
            ..token
        });
    }

    /// Notes what is not said; what is only parted by white space, together.
    fn skip(&mut self, bytes: Range<usize>, why: &'static str) {
        if let Some(last) = self.skipped.last_mut()
            && last.why == why
            && self.text[last.bytes.end..bytes.start]
                .bytes()
                .take(8)
                .all(|byte| byte == b' ')
            && bytes.start - last.bytes.end < 8
        {
            last.bytes.end = bytes.end;
            let shown = last.text.chars().count();
            if shown < SHOWN {
                last.text.extend(
                    self.text[last.bytes.start..bytes.end]
                        .chars()
                        .skip(shown)
                        .take(SHOWN - shown),
                );
            }
            return;
        }
        self.skipped.push(Skipped {
            text: self.text[bytes.clone()].chars().take(SHOWN).collect(),
            bytes,
            why,
        });
    }
}

/// Signs that are said, or mean something, where they stand alone.
const SIGNS: [&str; 30] = [
    "&", "+", "=", "%", "#", "@", "/", "~", "×", "÷", "<", ">", "≤", "≥", "≠", "≈", "±", "°", "→",
    "-", "–", "−", "*", "$", "€", "£", "∞", "√", "^", "§",
];

/// Operators of programs, and what they are read as.
const OPERATORS: [(&str, &str); 9] = [
    (">=", "≥"),
    ("<=", "≤"),
    ("!=", "≠"),
    ("==", "="),
    (":=", "="),
    ("=>", "→"),
    ("->", "→"),
    ("&&", "&"),
    ("||", "or"),
];

/// Signs that may be part of a token.
const PARTS: &str = "&+=%#@/~×÷<>≤≥≠≈±°→^*_\\§∞√$€£¥₹₩₽¢'’‘ʼ′`-–‐‑−™®©⁄";

/// Whether this, at the beginning of a line, is a bullet, the sign of a heading, a ruled line or a fence.
fn is_item(raw: &str) -> bool {
    if [
        "-", "*", "+", "•", "‣", "◦", "▪", "●", "○", "■", "–", "—", "·", ">",
    ]
    .contains(&raw)
    {
        return true;
    }
    let fence = |c: char| "-*=_~`|+:".contains(c);
    raw.chars().all(|c| c == '#') || (raw.len() >= 3 && raw.chars().all(fence))
}

/// What is left without quotation marks and signs in front that are not said there.
fn lead(text: &str) -> &str {
    let mut rest = text;
    loop {
        let mut chars = rest.chars();
        let Some(c) = chars.next() else {
            return rest;
        };
        let behind = chars.as_str();
        let number = behind.starts_with(|c: char| c.is_ascii_digit() || ".$€£¥₹".contains(c));
        let word = behind.starts_with(|c: char| c.is_alphanumeric());
        let drop = match c {
            '\'' | '‘' | '’' | 'ʼ' | '`' | '*' | '_' | '^' | '=' | '|' | '′' | '\\' => true,
            '~' | '<' | '>' | '-' | '–' | '‐' | '‑' | '−' | '+' | '≈' | '±' | '≤' | '≥' => {
                !number
            }
            '&' | '#' | '@' | '/' | '%' | '→' | '×' | '÷' | '°' | '§' | '≠' => {
                !word && !number
            }
            '$' | '€' | '£' => !number && !word,
            _ => is_hidden(c),
        };
        if !drop {
            return rest;
        }
        rest = behind;
    }
}

/// A token in ASCII, but for Greek letters and signs.
pub(crate) fn folded(text: &str) -> String {
    let mut into = String::with_capacity(text.len());
    for c in text.chars() {
        match fold(c, &mut into) {
            None if greek(c).is_some() || PARTS.contains(c) => into.push(c),
            _ => {}
        }
    }
    into
}

/// What a character between white space is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// Part of a token.
    Part,
    Open,
    Close,
    /// A quotation mark or another mark without meaning here.
    Quote,
    Stop,
    Mark(Mark),
    /// Letters of other scripts.
    Foreign,
    /// Emoji and the like.
    Sign,
}

fn mark_of(c: char) -> Option<Mark> {
    Some(match c {
        '—' | '―' | ';' | ',' | ':' | '，' | '、' | '；' | '：' | '|' => Mark::Comma,
        '…' => Mark::Ellipsis,
        '。' | '．' | '।' => Mark::Stop,
        '!' | '！' => Mark::Exclamation,
        '?' | '？' | '‽' => Mark::Question,
        _ => return None,
    })
}

/// A character of what stands between white space.
struct Place<'a> {
    raw: &'a str,
    at: usize,
    /// Where the segment begins.
    start: usize,
    c: char,
}

impl Place<'_> {
    /// What it is, and how many bytes belong to it.
    fn look(&self) -> (usize, Found) {
        let one = self.c.len_utf8();
        let rest = &self.raw[self.at + one..];
        let next = rest.chars().next();
        let before = self.raw[self.start..self.at].chars().next_back();
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
        let found = match self.c {
            // word(s)
            '(' if letter(before) && (rest.starts_with("s)") || rest.starts_with("es)")) => {
                return (
                    rest.find(')').map_or(one, |close| one + close + 1),
                    Found::Quote,
                );
            }
            // A tag.
            '<' if next.is_some_and(|c| c.is_ascii_alphabetic() || c == '/')
                && rest.contains('>') =>
            {
                return (
                    rest.find('>').map_or(one, |end| one + end + 1),
                    Found::Quote,
                );
            }
            '(' | '[' | '{' | '（' => Found::Open,
            ')' | ']' | '}' | '）' => Found::Close,
            '"' | '“' | '”' | '„' | '«' | '»' | '‹' | '›' | '「' | '」' | '『' | '』' => {
                Found::Quote
            }
            ',' if digit(before) && is_group(rest) => Found::Part,
            ':' if digit(before) && digit(next) => Found::Part,
            ':' if letter(before) && self.at - self.start == 1 && next == Some('\\') => Found::Part,
            '.' => return self.full_stop(rest, before, next),
            '-' if next == Some('-') => {
                let run = self.raw[self.at..]
                    .bytes()
                    .take_while(|byte| *byte == b'-')
                    .count();
                let first = self.at == 0 && run < self.raw.len();
                return (
                    run,
                    if first {
                        Found::Quote
                    } else {
                        Found::Mark(Mark::Comma)
                    },
                );
            }
            '–' if !(digit(before)
                && next.is_some_and(|c| c.is_ascii_digit() || "$€£¥".contains(c)))
                && self.raw != "–" =>
            {
                Found::Mark(Mark::Comma)
            }
            // !important
            '!' if self.at == 0 && next.is_some_and(char::is_alphanumeric) => Found::Quote,
            c if mark_of(c).is_some() => Found::Mark(mark_of(c).unwrap_or_default()),
            c if c.is_ascii() || PARTS.contains(c) => Found::Part,
            c if is_hidden(c) => Found::Part,
            c if greek(c).is_some() => {
                let alone = |c: Option<char>| {
                    !c.is_some_and(|c| c.is_alphabetic() && !c.is_ascii() && !is_latin(c))
                };
                match alone(self.raw[..self.at].chars().next_back()) && alone(next) {
                    true => Found::Part,
                    false => return (one, Found::Foreign),
                }
            }
            c if is_latin(c) => Found::Part,
            c if c.is_alphanumeric() => {
                return (
                    self.run(|c| c.is_alphanumeric() && !is_latin(c) && !c.is_ascii()),
                    Found::Foreign,
                );
            }
            c if is_punctuation(c) => Found::Quote,
            _ => {
                return (
                    self.run(|c| {
                        !c.is_ascii()
                            && !c.is_alphanumeric()
                            && !is_punctuation(c)
                            && mark_of(c).is_none()
                            && !PARTS.contains(c)
                    }),
                    Found::Sign,
                );
            }
        };
        (one, found)
    }

    /// Bytes from here on of characters of a kind and of what is invisible.
    fn run(&self, of: impl Fn(char) -> bool) -> usize {
        let rest = &self.raw[self.at..];
        rest.find(|c| !of(c) && !is_hidden(c))
            .unwrap_or(rest.len())
            .max(self.c.len_utf8())
    }

    fn full_stop(&self, rest: &str, before: Option<char>, next: Option<char>) -> (usize, Found) {
        if next == Some('.') {
            let run = self.raw[self.at..]
                .bytes()
                .take_while(|byte| *byte == b'.')
                .count();
            return match self.raw[self.at + run..].starts_with('/') {
                true => (run, Found::Part),
                false => (run, Found::Mark(Mark::Ellipsis)),
            };
        }
        let inner = next.is_some_and(|c| c.is_alphanumeric() || "/\\-_'’".contains(c));
        // A space is missing: "end.Next"
        let lower = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase());
        let mut back = self.raw[self.start..self.at].chars().rev();
        let missing = lower(before)
            && lower(back.nth(1))
            && next.is_some_and(|c| c.is_ascii_uppercase())
            && lower(rest.chars().nth(1));
        match inner && !missing {
            true => (1, Found::Part),
            false => (1, Found::Stop),
        }
    }
}

/// Whether the rest of a number goes on with three digits: 1,234.
fn is_group(rest: &str) -> bool {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    digits == 3
}

/// Whether a letter or digit has a form in ASCII.
fn is_latin(c: char) -> bool {
    c.is_ascii_alphanumeric() || (!c.is_ascii() && fold(c, &mut String::new()).is_some())
}

/// Marks beyond ASCII that are not said and not missed.
fn is_punctuation(c: char) -> bool {
    matches!(c, '\u{a1}'..='\u{bf}' | '\u{2b0}'..='\u{2ff}' | '\u{2000}'..='\u{206f}' | '\u{2500}'..='\u{257f}'
        | '\u{2e00}'..='\u{2e7f}' | '\u{3000}'..='\u{303f}' | '\u{fe10}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff65}' | '\u{fffd}')
}
