// SPDX-License-Identifier: MPL-2.0

//! Phones within a text, `[word](/p h o n e s/)`, and links of Markdown, `[words](https://example.org)`.

use std::ops::Range;

/// Most bytes of what stands in square brackets, and of what stands in round ones. More is no phones and no link.
const MOST: usize = 512;

/// Such a place.
pub(crate) struct Inline {
    /// All of it.
    pub bytes: Range<usize>,
    /// What stands in square brackets.
    pub shown: Range<usize>,
    /// Phones, between their slashes; `None` for a link.
    pub phones: Option<Range<usize>>,
}

/// All such places, in order.
pub(crate) fn find(text: &str) -> Vec<Inline> {
    let mut found: Vec<Inline> = Vec::new();
    for (middle, _) in text.match_indices("](") {
        let from = found.last().map_or(0, |last| last.bytes.end);
        if middle < from {
            continue;
        }
        let open = text.as_bytes()[from..middle]
            .iter()
            .rev()
            .take(MOST)
            .position(|byte| matches!(byte, b'[' | b']' | b'\n'))
            .map(|back| middle - 1 - back)
            .filter(|open| text.as_bytes()[*open] == b'[' && open + 1 < middle);
        let inside = middle + 2;
        let close = text.as_bytes()[inside..]
            .iter()
            .take(MOST)
            .position(|byte| matches!(byte, b')' | b'\n'))
            .map(|ahead| inside + ahead)
            .filter(|close| text.as_bytes()[*close] == b')');
        let (Some(open), Some(close)) = (open, close) else {
            continue;
        };
        let within = &text[inside..close];
        let phones = within.len() >= 2
            && within.starts_with('/')
            && within.ends_with('/')
            && within[1..within.len() - 1]
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == ' ');
        let link = !within.contains(char::is_whitespace)
            && (within.contains("://")
                || within.starts_with(['#', '/', '.'])
                || within.starts_with("mailto:"));
        if phones || link {
            found.push(Inline {
                bytes: open..close + 1,
                shown: open + 1..middle,
                phones: phones.then_some(inside + 1..(close - 1).max(inside + 1)),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_and_links_are_told_apart_from_brackets() {
        let text = "a [Kyiv](/k iy v/) [b](c) [d](https://e.f/g) [](/h/) [i](//) [j\nk](/l/)";
        let shown: Vec<_> = find(text)
            .into_iter()
            .map(|place| (&text[place.shown], place.phones.map(|phones| &text[phones])))
            .collect();
        assert_eq!(
            shown,
            [("Kyiv", Some("k iy v")), ("d", None), ("i", Some(""))]
        );
    }
}
