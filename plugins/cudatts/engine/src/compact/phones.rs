// SPDX-License-Identifier: MPL-2.0

//! The phones that the voice has.

/// The number of a phone.
pub type Phone = u8;

/// All of them; the first is none, and vowels with a 1 are stressed.
pub const PHONES: [&str; 57] = [
    "-", "pau", "aa", "ae", "ah", "ao", "aw", "ax", "ay", "b", "ch", "d", "dh", "eh", "er", "ey",
    "f", "g", "hh", "ih", "iy", "jh", "k", "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh",
    "t", "th", "uh", "uw", "v", "w", "y", "z", "zh", "aa1", "ae1", "ah1", "ao1", "aw1", "ay1",
    "eh1", "er1", "ey1", "ih1", "iy1", "ow1", "oy1", "uh1", "uw1",
];
/// A pause.
pub const PAUSE: Phone = 1;

/// The number of a phone by its name.
pub fn number(name: &str) -> Option<Phone> {
    let at = PHONES.iter().skip(1).position(|phone| *phone == name)?;
    Some(at as Phone + 1)
}

/// Whether one is a vowel.
pub fn is_vowel(phone: Phone) -> bool {
    PHONES[usize::from(phone)].starts_with(['a', 'e', 'i', 'o', 'u'])
}

/// The phone without its stress.
pub fn plain(phone: Phone) -> Phone {
    let name = PHONES[usize::from(phone)];
    match name.strip_suffix('1') {
        Some(name) => number(name).unwrap_or(phone),
        None => phone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_the_same() {
        assert_eq!((number("pau"), number("zh")), (Some(PAUSE), Some(41)));
        assert_eq!((number("-"), number("xx")), (None, None));
        assert_eq!(number("ow1").map(plain), number("ow"));
        assert_eq!(number("zh").map(plain), number("zh"));
        let vowels = PHONES
            .iter()
            .filter(|phone| is_vowel(number(phone).unwrap_or(0)));
        assert_eq!(vowels.count(), 31);
    }
}
