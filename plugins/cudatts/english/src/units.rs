// SPDX-License-Identifier: MPL-2.0

//! Units of measurement, percentages and multiples.

use crate::{
    at::{At, Piece},
    numbers,
    speech::Speech,
};

/// How it is written, its name for one and for more.
type Unit = (&'static str, &'static str, &'static str);

const UNITS: &[Unit] = &[
    ("%", "percent", "percent"),
    ("‰", "per mille", "per mille"),
    ("°", "degree", "degrees"),
    ("°C", "degree celsius", "degrees celsius"),
    ("°F", "degree fahrenheit", "degrees fahrenheit"),
    ("km", "kilometer", "kilometers"),
    ("m", "meter", "meters"),
    ("cm", "centimeter", "centimeters"),
    ("mm", "millimeter", "millimeters"),
    ("μm", "micrometer", "micrometers"),
    ("um", "micrometer", "micrometers"),
    ("nm", "nanometer", "nanometers"),
    ("mi", "mile", "miles"),
    ("ft", "foot", "feet"),
    ("yd", "yard", "yards"),
    ("yds", "yard", "yards"),
    ("sqft", "square foot", "square feet"),
    ("m2", "square meter", "square meters"),
    ("m^2", "square meter", "square meters"),
    ("km2", "square kilometer", "square kilometers"),
    ("km^2", "square kilometer", "square kilometers"),
    ("cm^2", "square centimeter", "square centimeters"),
    ("ft^2", "square foot", "square feet"),
    ("m3", "cubic meter", "cubic meters"),
    ("m^3", "cubic meter", "cubic meters"),
    ("cm^3", "cubic centimeter", "cubic centimeters"),
    ("ha", "hectare", "hectares"),
    ("kg", "kilogram", "kilograms"),
    ("g", "gram", "grams"),
    ("mg", "milligram", "milligrams"),
    ("μg", "microgram", "micrograms"),
    ("lb", "pound", "pounds"),
    ("lbs", "pound", "pounds"),
    ("oz", "ounce", "ounces"),
    ("L", "liter", "liters"),
    ("l", "liter", "liters"),
    ("ml", "milliliter", "milliliters"),
    ("mL", "milliliter", "milliliters"),
    ("tbsp", "tablespoon", "tablespoons"),
    ("tsp", "teaspoon", "teaspoons"),
    ("gal", "gallon", "gallons"),
    ("s", "second", "seconds"),
    ("sec", "second", "seconds"),
    ("secs", "second", "seconds"),
    ("ms", "millisecond", "milliseconds"),
    ("μs", "microsecond", "microseconds"),
    ("us", "microsecond", "microseconds"),
    ("ns", "nanosecond", "nanoseconds"),
    ("min", "minute", "minutes"),
    ("mins", "minute", "minutes"),
    ("h", "hour", "hours"),
    ("hr", "hour", "hours"),
    ("hrs", "hour", "hours"),
    ("yr", "year", "years"),
    ("yrs", "year", "years"),
    ("kB", "kilobyte", "kilobytes"),
    ("KB", "kilobyte", "kilobytes"),
    ("MB", "megabyte", "megabytes"),
    ("GB", "gigabyte", "gigabytes"),
    ("TB", "terabyte", "terabytes"),
    ("PB", "petabyte", "petabytes"),
    ("KiB", "kibibyte", "kibibytes"),
    ("MiB", "mebibyte", "mebibytes"),
    ("GiB", "gibibyte", "gibibytes"),
    ("kbit", "kilobit", "kilobits"),
    ("Mbit", "megabit", "megabits"),
    ("Gbit", "gigabit", "gigabits"),
    ("kb", "kilobit", "kilobits"),
    ("Mb", "megabit", "megabits"),
    ("Gb", "gigabit", "gigabits"),
    ("kbps", "kilobit per second", "kilobits per second"),
    ("Mbps", "megabit per second", "megabits per second"),
    ("Gbps", "gigabit per second", "gigabits per second"),
    ("Hz", "hertz", "hertz"),
    ("kHz", "kilohertz", "kilohertz"),
    ("MHz", "megahertz", "megahertz"),
    ("GHz", "gigahertz", "gigahertz"),
    ("W", "watt", "watts"),
    ("kW", "kilowatt", "kilowatts"),
    ("MW", "megawatt", "megawatts"),
    ("GW", "gigawatt", "gigawatts"),
    ("Wh", "watt hour", "watt hours"),
    ("kWh", "kilowatt hour", "kilowatt hours"),
    ("MWh", "megawatt hour", "megawatt hours"),
    ("V", "volt", "volts"),
    ("mV", "millivolt", "millivolts"),
    ("kV", "kilovolt", "kilovolts"),
    ("mA", "milliamp", "milliamps"),
    ("mAh", "milliamp hour", "milliamp hours"),
    ("Ω", "ohm", "ohms"),
    ("kΩ", "kilohm", "kilohms"),
    ("dB", "decibel", "decibels"),
    ("cal", "calorie", "calories"),
    ("kcal", "kilocalorie", "kilocalories"),
    ("kJ", "kilojoule", "kilojoules"),
    ("Pa", "pascal", "pascals"),
    ("hPa", "hectopascal", "hectopascals"),
    ("kPa", "kilopascal", "kilopascals"),
    ("psi", "pound per square inch", "pounds per square inch"),
    ("rpm", "revolution per minute", "revolutions per minute"),
    ("RPM", "revolution per minute", "revolutions per minute"),
    ("fps", "frame per second", "frames per second"),
    ("mph", "mile per hour", "miles per hour"),
    ("kph", "kilometer per hour", "kilometers per hour"),
    ("kmh", "kilometer per hour", "kilometers per hour"),
    ("px", "pixel", "pixels"),
    ("dpi", "dot per inch", "dots per inch"),
    ("MP", "megapixel", "megapixels"),
];

/// Units only where no space parts them from their number: 5in, 10k, 3x.
const ATTACHED: &[Unit] = &[
    ("in", "inch", "inches"),
    ("k", "thousand", "thousand"),
    ("M", "million", "million"),
    ("bn", "billion", "billion"),
    ("B", "billion", "billion"),
    ("x", "times", "times"),
    ("×", "times", "times"),
    ("J", "joule", "joules"),
    ("N", "newton", "newtons"),
    ("A", "amp", "amps"),
];

/// Of [`UNITS`], those that mean too much else where a space parts them from their number.
const NOT_APART: [&str; 4] = ["us", "cal", "MP", "ha"];

fn find(units: &'static [Unit], text: &str) -> Option<(&'static str, &'static str)> {
    let found = units.iter().find(|(sign, ..)| *sign == text);
    found.map(|(_, one, many)| (*one, *many))
}

/// The names of a unit, for one and for more.
pub(crate) fn named(text: &str) -> Option<(&'static str, &'static str)> {
    find(UNITS, text)
}

/// What is said for so much of a unit, `km/h` and the like put together.
pub(crate) fn quantity(text: &str, one: bool, attached: bool) -> Option<String> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    let mut parts = text.split('/');
    let first = parts.next()?;
    let found = named(first).or_else(|| find(ATTACHED, first).filter(|_| attached));
    let (single, many) = found.filter(|_| attached || !NOT_APART.contains(&text))?;
    let mut said = if one { single } else { many }.to_owned();
    for part in parts {
        let (single, _) = named(part)?;
        said = format!("{said} per {single}");
    }
    Some(said)
}

/// Number and unit in one: 3kg, 20°C, 50%, -5°, 5-10%, 5'10.
pub(crate) fn token(text: &str) -> Option<String> {
    if text.len() > 40 || !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Some((feet, inches)) = text.split_once('\'') {
        let inches = numbers::plain(inches).filter(|_| inches.len() <= 2)?;
        return Some(format!(
            "{} foot {}",
            numbers::plain(feet)?.words,
            inches.words
        ));
    }
    let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    // Of m2 the 2 is part of the unit.
    for end in [
        end,
        text[..end - 1]
            .rfind(|c: char| c.is_ascii_digit())
            .map_or(0, |end| end + 1),
    ] {
        let (number, unit) = text.split_at(end);
        let compound = unit.strip_prefix('-').filter(|unit| unit.len() > 1);
        let Some(phrase) = numbers::phrase(number) else {
            continue;
        };
        let one = phrase.one || compound.is_some();
        if let Some(said) = quantity(compound.unwrap_or(unit), one, compound.is_none()) {
            return Some(format!("{} {said}", phrase.words));
        }
    }
    None
}

/// 5 km, 1/2 mi, 10-12 km/h.
pub(crate) fn read(at: &At, pieces: &mut Vec<Piece>) -> usize {
    if at.this().stop {
        return 0;
    }
    let Some(phrase) = numbers::phrase(at.text()) else {
        return 0;
    };
    let Some(next) = at.next(1) else {
        return 0;
    };
    // 2 1/4 tsp.
    let phrase = match numbers::behind_whole(at) {
        Some(words) => numbers::Phrase { words, one: false },
        None => phrase,
    };
    // Two numbers of feet and inches, "in" only there.
    let inches = next.text == "in" && at.follows(&["ft"]);
    let said = match inches {
        true => Some("inches".to_owned()),
        false => {
            // A 5 km run.
            let of_something = at.follows(&["a", "an"])
                && at
                    .next(2)
                    .is_some_and(|next| next.text.bytes().all(|byte| byte.is_ascii_lowercase()));
            quantity(&next.text, phrase.one || of_something, false)
        }
    };
    let Some(said) = said else {
        return 0;
    };
    pieces.push(at.piece(0, Speech::of(phrase.words)));
    pieces.push(at.piece(1, Speech::of(said)));
    2
}
