// SPDX-License-Identifier: MPL-2.0

//! How a text is written for the model: capital, final mark, and no characters that it has never seen.

use crate::pocket::config::Writing;

/// Ends of a sentence.
const TERMINAL: [char; 4] = ['.', '!', '?', '…'];
/// Marks that a sentence does not end with.
const WEAK: [char; 6] = [',', ';', ':', '-', '–', '—'];
/// What may stand behind the end of a sentence.
const CLOSERS: [char; 7] = ['"', '\'', '”', '’', ')', ']', '»'];
/// Up to so many words a text counts as short.
const FEW_WORDS: usize = 4;
/// In front of a short text, for models that speak badly with few tokens.
const PADDING: &str = "        ";

/// A text as the model reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The text.
    pub text: String,
    /// Frames that the model should go on for after it has said that it is at the end.
    pub tail: usize,
}

/// Writes a text for the model; `None` where nothing is left of it.
pub fn prepare(text: &str, writing: &Writing) -> Option<Prepared> {
    let mut text = text.trim().to_owned();
    if !writing.replace.is_empty() {
        let replaced: String = text
            .chars()
            .map(|character| {
                let found = writing.replace.iter().find(|(from, _)| *from == character);
                found.map_or(character.to_string(), |(_, to)| to.clone())
            })
            .collect();
        text = join_marks(&replaced.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if text.is_empty() {
        return None;
    }
    text = text.replace(['\n', '\r'], " ").replace("  ", " ");
    if writing.remove_semicolons {
        text = text.replace(';', ",");
    }
    let words = text.split_whitespace().count();
    // A frame or three by the number of words, and two that are always there.
    let tail = if words <= FEW_WORDS { 3 } else { 1 } + 2;
    if writing.capitalize
        && let Some(first) = text.chars().next()
        && !first.is_uppercase()
    {
        text = first.to_uppercase().chain(text.chars().skip(1)).collect();
    }
    if writing.append_punctuation {
        text = end(text);
    }
    if writing.pad_short && text.split_whitespace().count() < 5 {
        text.insert_str(0, PADDING);
    }
    Some(Prepared { text, tail })
}

/// A comma that is left behind the end of a sentence, where a quotation mark was taken away, goes, too.
fn join_marks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        out.push(character);
        if !TERMINAL.contains(&character) {
            continue;
        }
        let mut ahead = rest.clone();
        let mut spaces = 0;
        while ahead.next_if(|next| next.is_whitespace()).is_some() {
            spaces += 1;
        }
        if ahead
            .peek()
            .is_some_and(|next| [',', ';', ':'].contains(next))
        {
            rest.nth(spaces);
        }
    }
    out
}

/// Ends a text as a sentence.
fn end(text: String) -> String {
    let core = text.trim_end_matches(|c| CLOSERS.contains(&c) || c == ' ');
    let closers = text[core.len()..].trim();
    match core.chars().next_back() {
        None => text,
        Some(last) if TERMINAL.contains(&last) => text,
        Some(last) if WEAK.contains(&last) => {
            let core = core.trim_end_matches(|c| WEAK.contains(&c) || c == ' ');
            format!("{core}.{closers}")
        }
        Some(_) => format!("{text}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_as_the_reference_writes_it() {
        let writing = Writing {
            replace: vec![('’', "'".into()), ('"', String::new())],
            ..Writing::default()
        };
        for (text, right, tail) in [
            ("hello", "Hello.", 5),
            ("  one two three four five ", "One two three four five.", 3),
            ("it’s \"so\"", "It's so.", 5),
            ("\"Hi?\", she said", "Hi? she said.", 5),
            ("wait,", "Wait.", 5),
            ("done (really)", "Done (really).", 5),
            ("Is it?", "Is it?", 5),
            ("he said 'no'", "He said 'no'.", 5),
            ("a\nb", "A b.", 5),
        ] {
            let prepared = prepare(text, &writing).unwrap();
            assert_eq!((prepared.text.as_str(), prepared.tail), (right, tail));
        }
        assert_eq!(prepare(" \n ", &writing), None);
        assert_eq!(prepare("\"\"", &writing), None);
    }
}
