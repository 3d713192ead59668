// SPDX-License-Identifier: MPL-2.0

//! Dates, months, days of the week, years and decades.

use crate::{
    at::{At, Piece},
    numbers::{self, is_digits},
    speech::Speech,
    times,
    tokens::Token,
};

/// Names and what they are written as, besides in full.
const MONTHS: [(&str, &[&str]); 12] = [
    ("january", &["jan"]),
    ("february", &["feb"]),
    ("march", &["mar"]),
    ("april", &["apr"]),
    ("may", &[]),
    ("june", &["jun"]),
    ("july", &["jul"]),
    ("august", &["aug"]),
    ("september", &["sep", "sept"]),
    ("october", &["oct"]),
    ("november", &["nov"]),
    ("december", &["dec"]),
];

const DAYS: [(&str, &[&str]); 7] = [
    ("monday", &["mon"]),
    ("tuesday", &["tue", "tues"]),
    ("wednesday", &["wed"]),
    ("thursday", &["thu", "thur", "thurs"]),
    ("friday", &["fri"]),
    ("saturday", &["sat"]),
    ("sunday", &["sun"]),
];

/// What stands before a year.
const BEFORE_YEARS: [&str; 21] = [
    "in", "since", "by", "until", "till", "from", "of", "year", "before", "after", "during",
    "circa", "ca", "around", "early", "late", "mid", "summer", "winter", "spring", "autumn",
];
/// What is counted, where a number that might be a year stands before it, besides what ends with an s.
const COUNTED: [&str; 9] = [
    "people",
    "men",
    "women",
    "children",
    "percent",
    "feet",
    "more",
    "other",
    "different",
];
/// What may follow a year and ends with an s.
const NOT_COUNTED: [&str; 9] = [
    "was", "is", "has", "as", "this", "its", "his", "plus", "versus",
];
/// What stands before a day that is written in numbers.
const BEFORE_DATES: [&str; 12] = [
    "on", "by", "until", "since", "from", "before", "after", "due", "dated", "date", "of", "till",
];

fn named(table: &[(&'static str, &[&str])], text: &str) -> Option<&'static str> {
    if !text.starts_with(|c: char| c.is_ascii_uppercase()) || text.len() > 9 {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let found = table
        .iter()
        .find(|(name, short)| *name == text || short.contains(&text.as_str()));
    found.map(|(name, _)| *name)
}

fn month(text: &str) -> Option<&'static str> {
    named(&MONTHS, text)
}

/// Whether this is a month or a day of the week, cut short.
pub(crate) fn is_short(text: &str) -> bool {
    let found = named(&MONTHS, text).or_else(|| named(&DAYS, text));
    found.is_some_and(|name| name.len() != text.len())
}

/// 3, 03 or 3rd, as an ordinal.
fn day(text: &str) -> Option<String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let value: u64 = digits.parse().ok().filter(|_| digits.len() <= 2)?;
    let whole = digits.len() == text.len() || numbers::ordinal(text).is_some();
    (whole && (1..=31).contains(&value)).then(|| numbers::ordinal_of(&numbers::of(value)))
}

/// 3 or 3-5, as ordinals.
fn days(text: &str) -> Option<String> {
    match text.split_once('-') {
        Some((from, to)) => Some(format!("{} to {}", day(from)?, day(to)?)),
        None => day(text),
    }
}

fn year(text: &str) -> Option<String> {
    let value = text
        .parse()
        .ok()
        .filter(|_| text.len() == 4 && is_digits(text))?;
    (1000..3000).contains(&value).then(|| numbers::year(value))
}

/// 27 Nov 2026, Nov. 3rd, November 2026, Fri., 1999, '90s.
pub(crate) fn read(at: &At, pieces: &mut Vec<Piece>) -> usize {
    day_and_month(at, pieces)
        .or_else(|| month_and_day(at, pieces))
        .or_else(|| alone(at, pieces))
        .unwrap_or(0)
}

/// The year behind the last of these places.
fn its_year(at: &At, places: usize, pieces: &mut Vec<Piece>) -> usize {
    let year = at
        .past_comma(places)
        .filter(|token| !token.text.is_empty())
        .and_then(|token| year(&token.text));
    let Some(year) = year else {
        return places;
    };
    pieces.push(at.piece(places, Speech::of(year)));
    places + 1
}

fn day_and_month(at: &At, pieces: &mut Vec<Piece>) -> Option<usize> {
    if at.this().stop {
        return None;
    }
    let days = days(at.text())?;
    let month = month(&at.next(1)?.text)?;
    let the = if at.follows(&["the"]) { "" } else { "the " };
    pieces.push(at.piece(0, Speech::of(format!("{the}{days} of"))));
    pieces.push(at.piece(1, Speech::of(month)));
    Some(its_year(at, 2, pieces))
}

fn month_and_day(at: &At, pieces: &mut Vec<Piece>) -> Option<usize> {
    let month = month(at.text())?;
    let next = &at.next(1)?.text;
    if let Some(days) = days(next) {
        pieces.push(at.piece(0, Speech::of(month)));
        pieces.push(at.piece(1, Speech::of(days)));
        return Some(its_year(at, 2, pieces));
    }
    let year = year(next)?;
    pieces.push(at.piece(0, Speech::of(month)));
    pieces.push(at.piece(1, Speech::of(year)));
    Some(2)
}

fn alone(at: &At, pieces: &mut Vec<Piece>) -> Option<usize> {
    let token = at.this();
    let text = token.text.as_str();
    let said = if let Some(said) = named_range(text) {
        said
    } else if let Some(day) = named(&DAYS, text).filter(|day| day.len() != text.len()) {
        let date = |token: &Token| numbers::begins(&token.text) || month(&token.text).is_some();
        at.past_comma(1).or(at.next(1)).filter(|next| date(next))?;
        day.to_owned()
    } else if let Some(month) = month(text).filter(|month| month.len() != text.len()) {
        let sure = ["Feb", "Aug", "Sept", "Oct", "Nov"].contains(&text);
        if !token.stop && !sure {
            return None;
        }
        month.to_owned()
    } else if token.apostrophe && text.len() == 2 && is_digits(text) {
        numbers::year(text.parse().ok()?)
    } else if let Some(said) = slashed(text).filter(|_| at.follows(&BEFORE_DATES)) {
        said
    } else {
        bare_year(at)?
    };
    pieces.push(at.piece(0, Speech::of(said)));
    Some(1)
}

/// Mon-Fri, Jan-March.
fn named_range(text: &str) -> Option<String> {
    let (from, to) = text.split_once('-')?;
    let days = named(&DAYS, from).zip(named(&DAYS, to));
    let (from, to) = days.or_else(|| month(from).zip(month(to)))?;
    Some(format!("{from} to {to}"))
}

/// 11/27, where it is no fraction.
fn slashed(text: &str) -> Option<String> {
    let (month, day_of) = text.split_once('/')?;
    let month: usize = month.parse().ok()?;
    let (name, _) = MONTHS.get(month.checked_sub(1)?)?;
    Some(format!(
        "{name} {}",
        day(day_of).filter(|_| is_digits(day_of))?
    ))
}

/// Four digits that are a year rather than a number.
fn bare_year(at: &At) -> Option<String> {
    let said = year(at.text())?;
    let value: u64 = at.text().parse().ok()?;
    let counts = at.next(1).filter(|_| !at.this().stop).is_some_and(|next| {
        let text = next.text.as_str();
        let plural = text.len() > 2
            && text.ends_with('s')
            && text.bytes().all(|byte| byte.is_ascii_lowercase())
            && !NOT_COUNTED.contains(&text);
        plural || COUNTED.contains(&text)
    });
    let told = at.follows(&BEFORE_YEARS);
    (!counts && (told || (1900..2100).contains(&value))).then_some(said)
}

/// A date in one token: 2026-11-27, 11/27/2026, 27.11.2026, 2026-11-27T17:45; or a decade: 1990s, 90s.
pub(crate) fn token(text: &str) -> Option<String> {
    if !numbers::begins(text) || text.len() > 40 {
        return None;
    }
    if let Some((date, time)) = text.split_once('T') {
        let end = time
            .find(|c: char| !c.is_ascii_digit() && c != ':')
            .unwrap_or(time.len());
        return Some(format!("{} {}", token(date)?, times::clock(&time[..end])?));
    }
    if let Some(decade) = text
        .strip_suffix('s')
        .map(|text| text.trim_end_matches('\''))
    {
        let value: u64 = decade.parse().ok()?;
        let said = match decade.len() {
            4 => numbers::year(value),
            2 if value.is_multiple_of(10) && value > 10 => numbers::of(value),
            _ => return None,
        };
        return Some(numbers::plural_of(&said));
    }
    let sign = ['-', '/', '.']
        .into_iter()
        .find(|sign| text.contains(*sign))?;
    let parts: Vec<&str> = text.split(sign).collect();
    let [first, second, third] = parts.as_slice() else {
        return None;
    };
    let number = |part: &str| part.parse::<usize>().ok().filter(|_| is_digits(part));
    let (year_of, month, day_of) = match (first.len(), third.len()) {
        (4, 1..=2) => (first, second, third),
        (1..=2, 4) if sign == '/' && number(first)? <= 12 => (third, first, second),
        (1..=2, 4) => (third, second, first),
        (1..=2, 2) if sign == '/' && number(first)? <= 12 => (third, first, second),
        _ => return None,
    };
    let (name, _) = MONTHS.get(number(month)?.checked_sub(1)?)?;
    let day = day(day_of).filter(|_| is_digits(day_of))?;
    let year = match year_of.len() {
        2 => numbers::year(number(year_of)? as u64),
        _ => year(year_of)?,
    };
    Some(match first == day_of {
        true => format!("the {day} of {name} {year}"),
        false => format!("{name} {day} {year}"),
    })
}
