// SPDX-License-Identifier: MPL-2.0

//! Times of the day, and ratios, which look like them.

use crate::{
    at::{At, Piece},
    numbers::{self, is_digits},
    speech::Speech,
};

/// What is said for a.m. and p.m., however they are written.
fn half_of_day(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "am" | "a.m" | "a.m." => Some("A M"),
        "pm" | "p.m" | "p.m." => Some("P M"),
        _ => None,
    }
}

/// 17:45 or 5:30:10, without what follows it.
pub(crate) fn clock(text: &str) -> Option<String> {
    let mut parts = text.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next());
    let number = |part: &str, most: u64| -> Option<u64> {
        let value = part
            .parse()
            .ok()
            .filter(|_| is_digits(part) && part.len() <= 2)?;
        (value < most).then_some(value)
    };
    let hour = number(hour, 25)?;
    let minutes = number(minute, 60).filter(|_| minute.len() == 2)?;
    if parts.next().is_some() {
        return None;
    }
    let mut said = match (hour, minutes) {
        (1..=12, 0) if second.is_none() => format!("{} o'clock", numbers::of(hour)),
        (_, 0) if second.is_none() && hour > 0 => format!("{} hundred", numbers::of(hour)),
        (_, 0..10) => format!("{} oh {}", numbers::of(hour), numbers::of(minutes)),
        _ => format!("{} {}", numbers::of(hour), numbers::of(minutes)),
    };
    if let Some(second) = second {
        let seconds = number(second, 60).filter(|_| second.len() == 2)?;
        let unit = if seconds == 1 { "second" } else { "seconds" };
        said = format!("{said} and {} {unit}", numbers::of(seconds));
    }
    Some(said)
}

/// An hour before a.m. or p.m.
fn hour(text: &str) -> Option<String> {
    if text.contains(':') {
        let said = clock(text)?;
        return Some(said.trim_end_matches(" o'clock").to_owned());
    }
    let value: u64 = text
        .parse()
        .ok()
        .filter(|_| is_digits(text) && text.len() <= 2)?;
    (1..=12).contains(&value).then(|| numbers::of(value))
}

/// Half past five in one token: 17:45, 5:30pm, 5pm, 9am-5pm, 10:30-11:45; or a ratio, 16:9.
pub(crate) fn token(text: &str) -> Option<String> {
    if !numbers::begins(text) || text.len() > 24 {
        return None;
    }
    if let Some(said) = single(text) {
        return Some(said);
    }
    if let Some((from, to)) = text.split_once('-') {
        let said = single(to)?;
        let half = to.ends_with(|c: char| c.is_ascii_alphabetic());
        let from = single(from).or_else(|| hour(from).filter(|_| half))?;
        return Some(format!("{from} to {said}"));
    }
    let sides: Option<Vec<String>> = text
        .split(':')
        .map(|side| numbers::plain(side).map(|side| side.words))
        .collect();
    sides
        .filter(|sides| sides.len() > 1)
        .map(|sides| sides.join(" to "))
}

fn single(text: &str) -> Option<String> {
    let letters = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (time, half) = text.split_at(letters);
    if half.is_empty() {
        return clock(time);
    }
    Some(format!("{} {}", hour(time)?, half_of_day(half)?))
}

/// 5 p.m., 5:30 PM, 5 o'clock.
pub(crate) fn read(at: &At, pieces: &mut Vec<Piece>) -> usize {
    let text = at.text();
    if at.this().stop || !numbers::begins(text) {
        return 0;
    }
    let half = at.next(1).and_then(|next| match next.text.as_str() {
        "o'clock" => Some("o'clock"),
        text => half_of_day(text),
    });
    let Some(half) = half else {
        return 0;
    };
    let time = match text.split_once('-') {
        Some((from, to)) => hour(from)
            .zip(hour(to))
            .map(|(from, to)| format!("{from} to {to}")),
        None => hour(text),
    };
    let Some(time) = time else {
        return 0;
    };
    pieces.push(at.piece(0, Speech::of(time)));
    pieces.push(at.piece(1, Speech::of(half)));
    2
}
