// SPDX-License-Identifier: MPL-2.0

//! Names of letters, and letters with marks.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Of a to z.
const NAMES: [&str; 26] = [
    "ey1",
    "b iy1",
    "s iy1",
    "d iy1",
    "iy1",
    "eh1 f",
    "jh iy1",
    "ey1 ch",
    "ay1",
    "jh ey1",
    "k ey1",
    "eh1 l",
    "eh1 m",
    "eh1 n",
    "ow1",
    "p iy1",
    "k y uw1",
    "aa1 r",
    "eh1 s",
    "t iy1",
    "y uw1",
    "v iy1",
    "d ah1 b ax l y uw",
    "eh1 k s",
    "w ay1",
    "z iy1",
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
    ("μΜµ", "m.y.uw1"),
    ("νΝ", "n.uw1"),
    ("ξΞ", "z.ay1"),
    ("οΟ", "omicron"),
    ("πΠ", "p.ay1"),
    ("ρΡ", "r.ow1"),
    ("σΣς", "sigma"),
    ("τΤ", "tau"),
    ("υΥ", "upsilon"),
    ("φΦϕ", "f.ay1"),
    ("χΧ", "k.ay1"),
    ("ψΨ", "s.ay1"),
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
