// SPDX-License-Identifier: MPL-2.0

//! A text from its tokens to its clauses.

use crate::{
    Dictionary, End, Reading, Said, abbreviations, addresses,
    at::{At, Piece, Rule},
    clauses::Clauses,
    dates, money, numbers, roman,
    speech::Speech,
    symbols, telephone, times,
    tokens::{Mark, Token, tokens},
    units, versions, words,
};

/// Rules that see the tokens around, the first that is for a place counts.
const RULES: [Rule; 8] = [
    telephone::read,
    dates::read,
    times::read,
    money::read,
    units::read,
    roman::read,
    abbreviations::read,
    symbols::read,
];

/// What has numbers with letters behind them.
const NUMBERED: [&str; 21] = [
    "apt",
    "apartment",
    "room",
    "rm",
    "gate",
    "unit",
    "section",
    "figure",
    "fig",
    "suite",
    "flat",
    "seat",
    "row",
    "block",
    "highway",
    "route",
    "flight",
    "table",
    "phase",
    "exhibit",
    "appendix",
];

/// Reads a text. Whatever it is, this answers, in time proportional to its length.
///
/// The dictionary is asked for what is written, and for each word that is said for it.
///
/// Of a link, `[words](https://…)`, only the words are said.
pub fn read(text: &str, dictionary: &Dictionary) -> Reading {
    let (tokens, skipped) = tokens(text, dictionary);
    let mut clauses = Clauses::default();
    let mut at = 0;
    let mut pieces = Vec::new();
    while at < tokens.len() {
        let here = At {
            tokens: &tokens,
            at,
        };
        let token = here.this();
        clauses.before(token);
        let taken = say(&here, dictionary, &mut pieces);
        let quiet = pieces.is_empty();
        for mut piece in pieces.drain(..) {
            look_up(&mut piece, dictionary);
            let pause = std::mem::take(&mut piece.pause);
            let end = piece.bytes.end;
            clauses.push(piece, text);
            if pause {
                clauses.finish(End::Comma, end);
            }
        }
        let last = At {
            tokens: &tokens,
            at: at + taken - 1,
        };
        let dash = quiet && last.text() == "-";
        clauses.behind(
            last.this(),
            end_of(&last).or(dash.then_some(End::Comma)),
            at + taken == tokens.len(),
        );
        at += taken;
    }
    Reading {
        clauses: clauses.all(text),
        skipped,
    }
}

/// Makes pieces of a token, and perhaps of those behind it; answers with how many tokens, at least one.
fn say(at: &At, dictionary: &Dictionary, pieces: &mut Vec<Piece>) -> usize {
    let token = at.this();
    let given = token
        .phones
        .as_deref()
        .or_else(|| dictionary.get(&token.text));
    if let Some(phones) = given {
        pieces.push(at.piece(0, Speech(vec![Said::Phones(phones.to_vec())])));
        return 1;
    }
    for rule in RULES {
        let taken = rule(at, pieces);
        if taken > 0 {
            return taken;
        }
    }
    if let Some(said) = by_neighbours(at) {
        pieces.push(at.piece(0, said));
        return 1;
    }
    pieces.push(at.piece(0, written(&token.text, is_loud(at))));
    1
}

/// What the words around decide besides the rules.
fn by_neighbours(at: &At) -> Option<Speech> {
    let token = at.this();
    let text = token.text.as_str();
    if token.apostrophe
        && let Some(said) = words::short(&format!("'{text}"))
    {
        return Some(said);
    }
    if let Some(said) = numbers::behind_whole(at) {
        return Some(Speech::of(said));
    }
    // The 5B of a room is no billion, and 2x + 1 has no times.
    let name = text.bytes().all(|byte| byte.is_ascii_alphanumeric()) && numbers::begins(text);
    let operator = |token: &Token| {
        ["+", "-", "=", "*", "^", "→", "≥", "≤", "≠"].contains(&token.text.as_str())
    };
    let behind_name =
        at.follows(&NUMBERED) || (text.ends_with('B') && at.next(1).is_some_and(Token::capital));
    let in_formula = at.next(1).is_some_and(operator) || at.before().is_some_and(operator);
    let named = text.ends_with(|c: char| c.is_ascii_uppercase()) && behind_name;
    if name && (named || (text.ends_with('x') && in_formula)) {
        return Some(words::runs(text));
    }
    if text.eq_ignore_ascii_case("a") {
        let named = at.follows(&[
            "vitamin",
            "plan",
            "type",
            "grade",
            "letter",
            "section",
            "group",
            "point",
            "option",
            "team",
            "hepatitis",
            "an",
            "the",
            "part",
            "exhibit",
            "class",
        ]);
        let word = |next: &Token| {
            next.text
                .starts_with(|c: char| c.is_ascii_alphanumeric() || "$€£¥#@\"'~.".contains(c))
        };
        let on = token.goes_on() && !token.stop && at.next(1).is_none_or(word);
        let capital = text == "A";
        // The first word of a sentence, or in the midst of capitals.
        let first = at.before().is_none_or(|before| before.stop) && at.next(1).is_some();
        let article = !named && on && (!capital || first || is_loud(at));
        return article.then(|| Speech::of("a"));
    }
    None
}

/// Whether the words around are in capitals, too.
fn is_loud(at: &At) -> bool {
    let capitals = |token: Option<&Token>| {
        token.map(|token| {
            let letters = token.text.bytes().filter(u8::is_ascii_alphabetic).count();
            letters > 0
                && !token
                    .text
                    .bytes()
                    .any(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
    };
    let [before, next] = [
        at.at.checked_sub(1).and_then(|at_| at.tokens.get(at_)),
        at.tokens.get(at.at + 1),
    ]
    .map(capitals);
    match (before, next) {
        (Some(before), Some(next)) => before && next,
        // At an end, two.
        (Some(true), None) => {
            capitals(at.at.checked_sub(2).and_then(|at_| at.tokens.get(at_))) == Some(true)
        }
        (None, Some(true)) => capitals(at.tokens.get(at.at + 2)) == Some(true),
        _ => false,
    }
}

/// A token by itself.
pub(crate) fn written(text: &str, loud: bool) -> Speech {
    if let Some(said) = symbols::token(text).or_else(|| addresses::token(text)) {
        return said;
    }
    if text.contains(|c: char| c.is_ascii_digit()) {
        let said = numbers::ordinal(text)
            .or_else(|| dates::token(text))
            .or_else(|| numbers::phrase(text).map(|phrase| phrase.words))
            .or_else(|| times::token(text))
            .or_else(|| money::token(text))
            .or_else(|| units::token(text))
            .or_else(|| versions::token(text));
        if let Some(said) = said {
            return Speech::of(said);
        }
    }
    words::token(text, loud)
}

/// Words that the dictionary has are said as it says.
fn look_up(piece: &mut Piece, dictionary: &Dictionary) {
    for said in &mut piece.said.0 {
        if let Said::Letters(word) = said
            && let Some(phones) = dictionary.get(word)
        {
            *said = Said::Phones(phones.to_vec());
        }
    }
}

/// How the clause ends behind a token, where it does.
fn end_of(at: &At) -> Option<End> {
    let token = at.this();
    let next = at.tokens.get(at.at + 1);
    let numbered =
        token.line && (token.stop || token.closed) && next.is_some() && is_number_of_item(token);
    match token.mark {
        Mark::Question => Some(End::Question),
        Mark::Exclamation => Some(End::Exclamation),
        Mark::Stop => Some(End::Stop),
        _ if numbered => Some(End::Comma),
        Mark::Comma => Some(End::Comma),
        Mark::Ellipsis
            if next.is_some_and(|next| next.text.starts_with(|c: char| c.is_ascii_lowercase())) =>
        {
            Some(End::Comma)
        }
        Mark::Ellipsis => Some(End::Stop),
        Mark::None if token.stop => abbreviations::stop_ends(at).then_some(End::Stop),
        Mark::None => None,
    }
}

/// 1. or a) at the beginning of a line.
pub(crate) fn is_number_of_item(token: &Token) -> bool {
    let digits = numbers::is_digits(&token.text) && token.text.len() <= 3;
    let letter = token.text.len() == 1 && token.closed && !token.opened && !token.stop;
    digits || letter
}
