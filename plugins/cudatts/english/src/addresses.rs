// SPDX-License-Identifier: MPL-2.0

//! E-mail and web addresses, hashtags, names of users, files and paths.

use crate::{acronyms, numbers, speech::Speech, symbols, words};

/// Ends of host names: those that are words, and those that are spelled.
const WORDS: [&str; 15] = [
    "com", "org", "net", "gov", "info", "dev", "app", "blog", "shop", "online", "page", "cloud",
    "live", "co", "museum",
];
const SPELLED: [&str; 33] = [
    "edu", "io", "ai", "uk", "de", "eu", "fr", "us", "ca", "me", "tv", "jp", "cn", "in", "au",
    "ch", "at", "nl", "it", "es", "se", "no", "dk", "fi", "pl", "br", "ru", "kr", "nz", "ie", "be",
    "gg", "xyz",
];

/// Names of files end with these, and whether they are said as words.
const FILES: &[(&str, bool)] = &[
    ("txt", false),
    ("pdf", false),
    ("doc", true),
    ("docx", false),
    ("xls", false),
    ("xlsx", false),
    ("ppt", false),
    ("pptx", false),
    ("csv", false),
    ("json", true),
    ("xml", false),
    ("yaml", true),
    ("yml", false),
    ("toml", true),
    ("html", false),
    ("htm", false),
    ("css", false),
    ("js", false),
    ("ts", false),
    ("tsx", false),
    ("jsx", false),
    ("rs", false),
    ("py", false),
    ("c", false),
    ("h", false),
    ("cpp", false),
    ("hpp", false),
    ("java", true),
    ("go", true),
    ("rb", false),
    ("php", false),
    ("sh", false),
    ("sql", false),
    ("md", false),
    ("png", false),
    ("jpg", false),
    ("jpeg", false),
    ("gif", false),
    ("svg", false),
    ("webp", false),
    ("mp3", false),
    ("mp4", false),
    ("wav", true),
    ("ogg", true),
    ("opus", true),
    ("mkv", false),
    ("avi", false),
    ("zip", true),
    ("tar", true),
    ("gz", false),
    ("xz", false),
    ("deb", true),
    ("rpm", false),
    ("exe", false),
    ("dll", false),
    ("iso", true),
    ("log", true),
    ("ini", true),
    ("conf", true),
    ("cfg", false),
    ("lock", true),
    ("bak", true),
    ("tmp", false),
    ("safetensors", true),
    ("onnx", true),
];

fn is_host(text: &str) -> bool {
    let mut labels = text.rsplit('.');
    let last = labels.next().unwrap_or_default();
    let known = WORDS.contains(&last) || SPELLED.contains(&last);
    let mut count = 0;
    for label in labels {
        count += 1;
        let right =
            |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || byte >= 0x80;
        if label.is_empty() || !label.bytes().all(right) {
            return false;
        }
    }
    known && count > 0
}

/// Of those, what a word may be that follows a full stop without a space.
const WORDS_TOO: [&str; 7] = ["in", "it", "at", "no", "me", "us", "be"];

fn is_bare_host(text: &str) -> bool {
    let small = text.to_ascii_lowercase();
    let last = small.rsplit('.').next().unwrap_or_default();
    is_host(&small) && !WORDS_TOO.contains(&last)
}

/// Whether what stands between white space is a web or e-mail address, whose punctuation is part of it.
pub(crate) fn looks_like_one(raw: &str) -> bool {
    let text = raw.trim_start_matches(|c: char| "([{<\"'“‘«*_`".contains(c));
    let text = text.trim_end_matches(|c: char| ".,;:!?)]}>\"'”’»*_`".contains(c));
    if text.len() != raw.len() && text.contains(['(', '"', ')']) && !text.contains("://") {
        return false;
    }
    if text.contains("://") {
        let scheme = text.split("://").next().unwrap_or_default();
        return !scheme.is_empty()
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    }
    if let Some((user, host)) = text.split_once('@') {
        return !user.is_empty()
            && user
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte))
            && is_host(host);
    }
    let host = text.split(['/', '?', ':', '#']).next().unwrap_or_default();
    (host.starts_with("www.") && host.len() > 4) || (host.len() < text.len() && is_host(host))
}

/// An address, a hashtag, a name of a user, a file or a path.
pub(crate) fn token(text: &str) -> Option<Speech> {
    if let Some(rest) = text
        .strip_prefix('#')
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
    {
        return Some(prefixed("hashtag", rest));
    }
    if let Some(rest) = text
        .strip_prefix('@')
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    {
        return Some(prefixed("at", rest));
    }
    let file = is_file(text);
    let path = text.len() > 1 && text.starts_with('/')
        || text.starts_with("./")
        || text.starts_with("../")
        || is_drive(text);
    if !(file || path || looks_like_one(text) || is_bare_host(text)) {
        return None;
    }
    // Everybody leaves out the scheme.
    let bare = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .or_else(|| text.strip_prefix("mailto:"))
        .unwrap_or(text);
    let bare = if bare.len() > 1 {
        bare.trim_end_matches('/')
    } else {
        bare
    };
    let mut speech = Speech::default();
    let mut rest = bare;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '\'')
            .unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        let last = speech.0.len() > 1 && !behind.starts_with('.');
        speech.append(said_part(part, last));
        let mut chars = behind.chars();
        match chars.next() {
            Some('.') => speech.words("dot"),
            Some('-') => speech.words("dash"),
            Some(sign) => speech.words(symbols::name(sign).unwrap_or_default()),
            None => break,
        };
        rest = chars.as_str();
    }
    Some(speech)
}

fn is_file(text: &str) -> bool {
    let Some((name, end)) = text.rsplit_once('.') else {
        return false;
    };
    let known = FILES.iter().any(|(file, _)| *file == end);
    let right = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/\\~".contains(&byte);
    known && name.bytes().all(right) && !numbers::is_digits(name)
}

fn is_drive(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && &bytes[1..3] == b":\\"
}

/// What stands between the dots and slashes of an address. `last`: it may be the end of a name.
fn said_part(part: &str, last: bool) -> Speech {
    let small = part.to_ascii_lowercase();
    if last {
        if let Some((_, word)) = FILES.iter().find(|(file, _)| *file == part) {
            return if *word {
                words::letters(part)
            } else {
                ending(part)
            };
        }
        if SPELLED.contains(&small.as_str()) {
            return acronyms::spelled(part);
        }
        if WORDS.contains(&small.as_str()) {
            return Speech::of(small);
        }
    }
    if small == "www" {
        return Speech::of("W W W");
    }
    words::runs(part)
}

/// The end of a name that is spelled: mp3.
fn ending(part: &str) -> Speech {
    let mut speech = Speech::default();
    for c in part.chars() {
        match c {
            '0'..='9' => speech.words(numbers::digits(c.encode_utf8(&mut [0; 4]))),
            _ => speech.letter(c),
        };
    }
    speech
}

fn prefixed(word: &str, rest: &str) -> Speech {
    let mut speech = Speech::of(word);
    for part in rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '\'') {
        speech.append(words::runs(part));
    }
    speech
}
