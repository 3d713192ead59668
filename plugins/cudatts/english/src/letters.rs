// SPDX-License-Identifier: MPL-2.0

//! Names of letters, and letters with marks.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The word `a`.
pub(crate) const ARTICLE: &str = "ax";

/// Of a to z.
const NAMES: [&str; 26] = [
    "ey",
    "b iy",
    "s iy",
    "d iy",
    "iy",
    "eh f",
    "jh iy",
    "ey ch",
    "ay",
    "jh ey",
    "k ey",
    "eh l",
    "eh m",
    "eh n",
    "ow",
    "p iy",
    "k y uw",
    "aa r",
    "eh s",
    "t iy",
    "y uw",
    "v iy",
    "d ah b ax l y uw",
    "eh k s",
    "w ay",
    "z iy",
];

/// The phones of the name of a letter, a to z or A to Z; of anything else that of a.
pub(crate) fn name(letter: char) -> &'static str {
    let place = (letter.to_ascii_lowercase() as usize).wrapping_sub('a' as usize);
    NAMES.get(place).unwrap_or(&NAMES[0])
}

/// Letters that Unicode does not take apart.
const APART: &[(char, &str)] = &[
    ('ß', "ss"),
    ('ẞ', "SS"),
    ('æ', "ae"),
    ('Æ', "Ae"),
    ('œ', "oe"),
    ('Œ', "Oe"),
    ('ø', "o"),
    ('Ø', "O"),
    ('đ', "d"),
    ('Đ', "D"),
    ('ð', "th"),
    ('Ð', "Th"),
    ('þ', "th"),
    ('Þ', "Th"),
    ('ł', "l"),
    ('Ł', "L"),
    ('ħ', "h"),
    ('ı', "i"),
    ('ŋ', "ng"),
    ('ə', "a"),
];

/// A character in ASCII: letters without their marks, digits of other shapes, typographic apostrophes and hyphens; `None` where
/// it has no such form, as letters of other scripts. What is invisible gives nothing.
pub(crate) fn fold(c: char, into: &mut String) -> Option<()> {
    match c {
        _ if c.is_ascii() => into.push(c),
        '’' | '‘' | 'ʼ' | '′' => into.push('\''),
        '‐' | '‑' | '−' | '–' | '‒' => into.push('-'),
        '™' | '®' | '©' | '\u{ad}' => {}
        '⁄' => into.push('/'),
        '²' | '³' => {
            if into.ends_with(|c: char| c.is_ascii_alphanumeric()) {
                into.push('^');
            }
            into.push(if c == '²' { '2' } else { '3' });
        }
        '½' | '⅓' | '⅔' | '¼' | '¾' | '⅕' | '⅖' | '⅗' | '⅘' | '⅙' | '⅚' | '⅛' | '⅜' | '⅝' | '⅞' =>
        {
            // 2½ is two and a half.
            if into.ends_with(|c: char| c.is_ascii_digit()) {
                into.push('+');
            }
            into.extend(std::iter::once(c).nfkd().map(|c| match c {
                '⁄' => '/',
                c => c,
            }));
        }
        _ if is_hidden(c) => {}
        _ => {
            if let Some((_, apart)) = APART.iter().find(|(from, _)| *from == c) {
                into.push_str(apart);
                return Some(());
            }
            let length = into.len();
            let apart = std::iter::once(c).nfkd();
            into.extend(apart.filter(|c| !is_combining_mark(*c)));
            let found = &into[length..];
            if found.is_empty() || !found.chars().all(|c| c.is_ascii_graphic() || c == '°') {
                into.truncate(length);
                return None;
            }
        }
    }
    Some(())
}

/// Marks of letters, joiners, selectors of variants.
pub(crate) fn is_hidden(c: char) -> bool {
    is_combining_mark(c)
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ad}')
}

/// Names of Greek letters, which stand for themselves in formulas.
const GREEK: [(&str, &str); 24] = [
    ("αΑ", "alpha"),
    ("βΒ", "beta"),
    ("γΓ", "gamma"),
    ("δΔ∆", "delta"),
    ("εΕϵ", "epsilon"),
    ("ζΖ", "zeta"),
    ("ηΗ", "eta"),
    ("θΘϑ", "theta"),
    ("ιΙ", "iota"),
    ("κΚ", "kappa"),
    ("λΛ", "lambda"),
    ("μΜµ", "m.y.uw"),
    ("νΝ", "n.uw"),
    ("ξΞ", "z.ay"),
    ("οΟ", "omicron"),
    ("πΠ", "p.ay"),
    ("ρΡ", "r.ow"),
    ("σΣς", "sigma"),
    ("τΤ", "tau"),
    ("υΥ", "upsilon"),
    ("φΦϕ", "f.ay"),
    ("χΧ", "k.ay"),
    ("ψΨ", "s.ay"),
    ("ωΩΩ", "omega"),
];

/// The name of a Greek letter, as `Speech::of` reads it.
pub(crate) fn greek(c: char) -> Option<&'static str> {
    if c.is_ascii() {
        return None;
    }
    let found = GREEK.iter().find(|(letters, _)| letters.contains(c));
    found.map(|(_, name)| *name)
}
