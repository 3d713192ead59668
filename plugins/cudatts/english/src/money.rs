// SPDX-License-Identifier: MPL-2.0

//! Sums of money.

use crate::{
    at::{At, Piece},
    numbers::{self, is_digits},
    speech::Speech,
    units,
};

/// A currency: its signs and codes, its name for one and for more, and the same of its hundredth part.
struct Currency {
    signs: &'static [&'static str],
    one: &'static str,
    many: &'static str,
    part: Option<(&'static str, &'static str)>,
}

const CURRENCIES: [Currency; 12] = [
    currency(
        &["US$", "$", "USD"],
        "dollar",
        "dollars",
        Some(("cent", "cents")),
    ),
    currency(&["€", "EUR"], "euro", "euros", Some(("cent", "cents"))),
    currency(&["£", "GBP"], "pound", "pounds", Some(("penny", "pence"))),
    currency(&["¥", "JPY"], "yen", "yen", None),
    currency(&["₹", "INR"], "rupee", "rupees", None),
    currency(&["₩", "KRW"], "won", "won", None),
    currency(&["₽", "RUB"], "ruble", "rubles", None),
    currency(
        &["C$", "CA$", "CAD"],
        "canadian dollar",
        "canadian dollars",
        Some(("cent", "cents")),
    ),
    currency(
        &["A$", "AU$", "AUD"],
        "australian dollar",
        "australian dollars",
        Some(("cent", "cents")),
    ),
    currency(&["CHF"], "swiss franc", "swiss francs", None),
    currency(&["CNY", "RMB"], "yuan", "yuan", None),
    currency(&["¢"], "cent", "cents", None),
];

const fn currency(
    signs: &'static [&'static str],
    one: &'static str,
    many: &'static str,
    part: Option<(&'static str, &'static str)>,
) -> Currency {
    Currency {
        signs,
        one,
        many,
        part,
    }
}

/// What stands for a thousand and more behind a sum.
const SCALES: [(&str, &str); 12] = [
    ("thousand", "thousand"),
    ("million", "million"),
    ("billion", "billion"),
    ("trillion", "trillion"),
    ("mn", "million"),
    ("bn", "billion"),
    ("tn", "trillion"),
    ("k", "thousand"),
    ("m", "million"),
    ("b", "billion"),
    ("t", "trillion"),
    ("mio", "million"),
];

fn scale(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    let found = SCALES.iter().find(|(sign, _)| *sign == text);
    found.map(|(_, name)| *name)
}

/// A sum that is taken apart.
struct Sum<'a> {
    minus: bool,
    currency: &'static Currency,
    number: String,
    scale: Option<&'static str>,
    /// For what: $5/kg.
    per: Option<&'a str>,
}

impl<'a> Sum<'a> {
    fn of(text: &'a str) -> Option<Self> {
        if text.len() > 40 {
            return None;
        }
        let (text, per) = match text.split_once('/') {
            Some((text, per)) => (text, Some(per)),
            None => (text, None),
        };
        let minus = text.starts_with('-');
        let bare = text.strip_prefix(['-', '+']).unwrap_or(text);
        let sign_of = |text: &str, behind: bool| {
            CURRENCIES.iter().find_map(|currency| {
                let sign = currency.signs.iter().find(|sign| match behind {
                    true => text.ends_with(**sign),
                    false => text.starts_with(**sign),
                })?;
                Some((currency, sign.len()))
            })
        };
        let (currency, rest) = match (sign_of(bare, false), sign_of(bare, true)) {
            (Some((currency, length)), _) => (currency, &bare[length..]),
            (None, Some((currency, length))) => (currency, &bare[..bare.len() - length]),
            _ => return None,
        };
        // $-5, and $5-$10.
        let (minus, rest) = match rest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (minus, rest),
        };
        let mut number = rest.to_owned();
        for sign in currency.signs {
            number = number.replace(&format!("-{sign}"), "-");
        }
        let letters = number
            .find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(number.len());
        let scale = match &number[letters..] {
            "" => None,
            name => Some(scale(name)?),
        };
        number.truncate(letters);
        numbers::phrase(&number).filter(|_| numbers::begins(&number) || number.starts_with('.'))?;
        Some(Self {
            minus,
            currency,
            number,
            scale,
            per,
        })
    }

    /// What is said, its currency in the singular where it is `of` something: a $5 bill.
    fn words(&self, singular: bool) -> Option<String> {
        let currency = self.currency;
        let minus = if self.minus { "minus " } else { "" };
        let phrase = numbers::phrase(&self.number)?;
        let name = match singular || (phrase.one && self.scale.is_none()) {
            true => currency.one,
            false => currency.many,
        };
        let per = match self.per {
            Some(per) => format!(" {}", per_what(per)?),
            None => String::new(),
        };
        if let (Some((one, many)), None, Some((whole, part))) =
            (currency.part, self.scale, self.number.split_once('.'))
            && part.len() == 2
            && is_digits(part)
            && !whole.contains('-')
        {
            let whole_words = numbers::plain(if whole.is_empty() { "0" } else { whole })?;
            let value: u64 = part.parse().ok()?;
            let parts = format!(
                "{} {}",
                numbers::of(value),
                if value == 1 { one } else { many }
            );
            let name = match singular || whole_words.one {
                true => currency.one,
                false => currency.many,
            };
            return Some(match (whole_words.words.as_str(), value) {
                ("zero", 1..) => format!("{minus}{parts}{per}"),
                (words, 0) => format!("{minus}{words} {name}{per}"),
                (words, _) => format!("{minus}{words} {name} and {parts}{per}"),
            });
        }
        let scale = self
            .scale
            .map(|scale| format!(" {scale}"))
            .unwrap_or_default();
        Some(format!("{minus}{}{scale} {name}{per}", phrase.words))
    }
}

fn per_what(text: &str) -> Option<String> {
    if let Some((one, _)) = units::named(text) {
        return Some(format!("per {one}"));
    }
    let word =
        text.len() <= 16 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
    word.then(|| match text {
        "mo" => "per month".into(),
        "yr" => "per year".into(),
        _ => format!("per {text}"),
    })
}

/// A sum in one token: $3.50, -€5, £1,000, 99¢, $2m, $5/kg.
pub(crate) fn token(text: &str) -> Option<String> {
    if let Some(sum) = Sum::of(text) {
        return sum.words(false);
    }
    let (from, to) = text.split_once('-')?;
    Some(format!(
        "{} to {}",
        Sum::of(from)?.words(false)?,
        Sum::of(to)?.words(false)?
    ))
}

/// $3 million, a $5 bill, 50 USD, EUR 5, 5 €.
pub(crate) fn read(at: &At, pieces: &mut Vec<Piece>) -> usize {
    whole(at, pieces)
        .or_else(|| parted(at, pieces))
        .unwrap_or(0)
}

fn whole(at: &At, pieces: &mut Vec<Piece>) -> Option<usize> {
    let sum = Sum::of(at.text())?;
    let singular = at.follows(&["a", "an"]);
    let large = at
        .next(1)
        .filter(|next| {
            !at.this().stop && sum.scale.is_none() && sum.per.is_none() && next.text.len() > 1
        })
        .and_then(|next| scale(&next.text));
    let Some(large) = large else {
        pieces.push(at.piece(0, Speech::of(sum.words(singular)?)));
        return Some(1);
    };
    let minus = if sum.minus { "minus " } else { "" };
    let number = numbers::phrase(&sum.number)?.words;
    let name = if singular {
        sum.currency.one
    } else {
        sum.currency.many
    };
    pieces.push(at.piece(0, Speech::of(format!("{minus}{number}"))));
    pieces.push(at.piece(1, Speech::of(format!("{large} {name}"))));
    Some(2)
}

/// A sign or code, and a number: either first.
fn parted(at: &At, pieces: &mut Vec<Piece>) -> Option<usize> {
    if at.this().stop {
        return None;
    }
    let (first, second) = (at.text(), at.next(1)?.text.as_str());
    let currency = |text: &str| {
        CURRENCIES
            .iter()
            .find(|currency| currency.signs.contains(&text))
    };
    let number = |text: &str| numbers::phrase(text).filter(|_| numbers::begins(text));
    let name =
        |currency: &Currency, one: bool| Speech::of(if one { currency.one } else { currency.many });
    if let (Some(currency), Some(phrase)) = (currency(second), number(first)) {
        pieces.push(at.piece(0, Speech::of(&phrase.words)));
        pieces.push(at.piece(1, name(currency, phrase.one)));
        return Some(2);
    }
    let (currency, phrase) = (currency(first)?, number(second)?);
    let mut said = Speech::of(&phrase.words);
    said.append(name(currency, phrase.one));
    // One piece: the currency is said behind the number, but written in front.
    let mut piece = at.piece(0, said);
    piece.bytes.end = at.tokens[at.at + 1].bytes.end;
    pieces.push(piece);
    Some(2)
}
