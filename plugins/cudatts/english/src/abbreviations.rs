// SPDX-License-Identifier: MPL-2.0

//! Abbreviations, and whether the full stop behind one ends a sentence.

use crate::{
    at::{At, Piece},
    dates, numbers,
    speech::Speech,
    tokens::Token,
    units,
};

/// Whether a full stop behind it ends a sentence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Only at the end of the text: something always follows it.
    Never,
    /// Where a capital follows.
    Maybe,
}
use Ends::{Maybe, Never};

/// When it is one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Always.
    Always,
    /// With a full stop behind.
    Stop,
    /// Before a capital.
    Name,
    /// Behind a capital, with a full stop: of addresses.
    Behind,
    /// Before a number.
    Number,
    /// With a full stop, behind a number.
    Counted,
}

/// Written in small letters, without the last full stop; what is said; when; whether it ends a sentence.
type Row = (&'static str, &'static str, When, Ends);

const TABLE: &[Row] = &[
    ("mr", "mister", When::Always, Never),
    ("mrs", "m.ih.s.ax.z", When::Always, Never),
    ("ms", "m.ih.z", When::Name, Never),
    ("messrs", "m.eh.s.er.z", When::Always, Never),
    ("dr", "drive", When::Behind, Maybe),
    ("dr", "doctor", When::Always, Never),
    ("drs", "doctors", When::Stop, Never),
    ("st", "street", When::Behind, Maybe),
    ("st", "saint", When::Name, Never),
    ("prof", "professor", When::Stop, Never),
    ("rev", "reverend", When::Name, Never),
    ("hon", "honorable", When::Stop, Never),
    ("gen", "general", When::Name, Never),
    ("col", "colonel", When::Name, Never),
    ("maj", "major", When::Name, Never),
    ("capt", "captain", When::Stop, Never),
    ("lt", "lieutenant", When::Name, Never),
    ("sgt", "sergeant", When::Always, Never),
    ("cpl", "corporal", When::Stop, Never),
    ("gov", "governor", When::Name, Never),
    ("sen", "senator", When::Name, Never),
    ("rep", "representative", When::Name, Never),
    ("pres", "president", When::Stop, Never),
    ("supt", "superintendent", When::Stop, Never),
    ("sr", "senior", When::Stop, Maybe),
    ("jr", "junior", When::Always, Maybe),
    ("ave", "avenue", When::Behind, Maybe),
    ("blvd", "boulevard", When::Always, Maybe),
    ("rd", "road", When::Behind, Maybe),
    ("ln", "lane", When::Behind, Maybe),
    ("ct", "court", When::Behind, Maybe),
    ("pl", "place", When::Behind, Maybe),
    ("sq", "square", When::Stop, Maybe),
    ("hwy", "highway", When::Always, Maybe),
    ("pkwy", "parkway", When::Always, Maybe),
    ("apt", "apartment", When::Number, Never),
    ("rm", "room", When::Number, Never),
    ("hosp", "hospital", When::Stop, Maybe),
    ("ste", "suite", When::Number, Never),
    ("mt", "mount", When::Name, Never),
    ("ft", "fort", When::Name, Never),
    ("ft", "feet", When::Counted, Maybe),
    ("in", "inches", When::Counted, Maybe),
    ("no", "number", When::Number, Never),
    ("nos", "numbers", When::Number, Never),
    ("nr", "number", When::Number, Never),
    ("vol", "volume", When::Number, Never),
    ("ch", "chapter", When::Number, Never),
    ("chap", "chapter", When::Number, Never),
    ("sec", "section", When::Number, Never),
    ("sect", "section", When::Number, Never),
    ("art", "article", When::Number, Never),
    ("fig", "figure", When::Number, Never),
    ("figs", "figures", When::Number, Never),
    ("eq", "equation", When::Number, Never),
    ("p", "page", When::Number, Never),
    ("pp", "pages", When::Number, Never),
    ("pg", "page", When::Number, Never),
    ("ver", "version", When::Number, Never),
    ("v", "version", When::Number, Never),
    ("v", "versus", When::Stop, Never),
    ("vs", "versus", When::Always, Never),
    ("ext", "extension", When::Number, Never),
    ("tel", "telephone", When::Stop, Never),
    ("e.g", "for example", When::Always, Never),
    ("eg", "for example", When::Stop, Never),
    ("i.e", "that is", When::Always, Never),
    ("ie", "that is", When::Stop, Never),
    ("etc", "et cetera", When::Always, Maybe),
    ("cf", "compare", When::Stop, Never),
    ("viz", "namely", When::Stop, Never),
    ("ca", "circa", When::Stop, Never),
    ("al", "al", When::Stop, Never),
    ("approx", "approximately", When::Always, Never),
    ("est", "established", When::Stop, Never),
    ("esp", "especially", When::Stop, Never),
    ("incl", "including", When::Stop, Never),
    ("excl", "excluding", When::Stop, Never),
    ("resp", "respectively", When::Stop, Maybe),
    ("dept", "department", When::Always, Maybe),
    ("govt", "government", When::Always, Maybe),
    ("univ", "university", When::Stop, Never),
    ("assn", "association", When::Stop, Maybe),
    ("assoc", "associate", When::Stop, Never),
    ("asst", "assistant", When::Stop, Never),
    ("corp", "corporation", When::Stop, Maybe),
    ("inc", "incorporated", When::Stop, Maybe),
    ("ltd", "limited", When::Always, Maybe),
    ("co", "company", When::Stop, Maybe),
    ("bros", "brothers", When::Stop, Maybe),
    ("mfg", "manufacturing", When::Stop, Maybe),
    ("intl", "international", When::Always, Never),
    ("min", "minimum", When::Stop, Maybe),
    ("max", "maximum", When::Stop, Maybe),
    ("avg", "average", When::Always, Maybe),
    ("hrs", "hours", When::Always, Maybe),
    ("mins", "minutes", When::Always, Maybe),
    ("oz", "ounces", When::Always, Maybe),
    ("lbs", "pounds", When::Always, Maybe),
    ("w/", "with", When::Always, Never),
    ("w/o", "without", When::Always, Never),
    ("b/c", "because", When::Always, Never),
    ("c/o", "care of", When::Always, Never),
    ("n/a", "not applicable", When::Always, Maybe),
    ("a/c", "A C", When::Always, Maybe),
    ("24/7", "twenty four seven", When::Always, Maybe),
    ("9/11", "nine eleven", When::Always, Maybe),
    ("a.m", "A M", When::Always, Maybe),
    ("p.m", "P M", When::Always, Maybe),
    ("ph.d", "P H D", When::Always, Maybe),
    ("pls", "please", When::Always, Maybe),
    ("thx", "thanks", When::Always, Maybe),
    ("ok", "okay", When::Always, Maybe),
];

/// The row for a token, by what stands around it.
fn row(at: &At) -> Option<&'static Row> {
    let token = at.this();
    if token.text.len() > 8 {
        return None;
    }
    let written = token.text.to_ascii_lowercase();
    let next = at.next(1);
    TABLE
        .iter()
        .filter(|row| row.0 == written)
        .find(|row| match row.2 {
            When::Always => true,
            When::Stop => token.stop,
            When::Name => next.is_some_and(Token::capital) && (token.stop || token.capital()),
            When::Behind => {
                let named = at.before().is_some_and(|before| {
                    (before.capital() && before.text.len() > 1 && !is_small(before))
                        || numbers::ordinal(&before.text).is_some()
                });
                token.stop && named && (!next.is_some_and(Token::capital) || numbered_before(at))
            }
            When::Number => {
                let number =
                    next.is_some_and(|next| numbers::begins(&next.text) || is_numeral(&next.text));
                let sure = ["vol", "fig", "figs", "pp", "eq", "sect", "chap"]
                    .contains(&token.text.as_str());
                number && (token.stop || sure || (token.capital() && token.text.len() > 1))
            }
            When::Counted => {
                token.stop
                    && at
                        .before()
                        .is_some_and(|before| numbers::phrase(&before.text).is_some())
            }
        })
}

/// Whether a word is a Roman numeral, in capitals or, for pages, small.
fn is_numeral(text: &str) -> bool {
    let small = text.bytes().all(|byte| b"ivx".contains(&byte));
    let numeral = match small {
        true => numbers::roman(&text.to_ascii_uppercase()),
        false => numbers::roman(text),
    };
    numeral.is_some() && text != "I"
}

/// Whether a word begins with a capital only because a sentence begins with it.
fn is_small(token: &Token) -> bool {
    [
        "In", "At", "On", "The", "To", "From", "And", "For", "Near", "By", "Dear", "See", "But",
        "Of", "Ask", "Yes", "No",
    ]
    .contains(&token.text.as_str())
}

/// Whether two places before there is the number of a house: 12 Main St. Springfield.
fn numbered_before(at: &At) -> bool {
    (2..=4).any(|back| {
        let token = at
            .at
            .checked_sub(back)
            .and_then(|place| at.tokens.get(place));
        token.is_some_and(|token| numbers::is_digits(&token.text) && token.goes_on())
    })
}

/// Dr., e.g., No. 5.
pub(crate) fn read(at: &At, pieces: &mut Vec<Piece>) -> usize {
    let Some((_, said, ..)) = row(at) else {
        return 0;
    };
    pieces.push(at.piece(0, Speech::of(said)));
    1
}

/// Whether the full stop behind a token, which has one, ends a sentence.
pub(crate) fn stop_ends(at: &At) -> bool {
    let token = at.this();
    let Some(next) = at.tokens.get(at.at + 1) else {
        return true;
    };
    if next.item {
        return true;
    }
    // "10 a.m. EST" goes on.
    let spelled = next.text.len() > 1 && next.text.bytes().all(|byte| byte.is_ascii_uppercase());
    if let Some(row) = row(at) {
        // "Main St. We" and "at 5 p.m. We": a capital begins a sentence, a number hardly does.
        return row.3 == Maybe && next.capital() && !spelled;
    }
    let text = token.text.as_str();
    let initial = text.len() == 1 && token.capital() && text != "I";
    if initial {
        let named = [
            "a", "an", "plan", "vitamin", "grade", "type", "option", "part", "group", "team",
        ];
        return next.capital() && at.follows(&named);
    }
    let unit = units::named(text).is_some()
        && at
            .before()
            .is_some_and(|before| numbers::phrase(&before.text).is_some());
    if dates::is_short(text) || unit {
        return next.capital();
    }
    let dotted = text.contains('.')
        && text
            .split('.')
            .all(|part| part.len() == 1 && part.bytes().all(|b| b.is_ascii_alphabetic()));
    if dotted {
        return next.capital() && text.len() > 3 && !spelled;
    }
    true
}
