// SPDX-License-Identifier: MPL-2.0

//! UTF-8 that arrives in buffers cut anywhere, and pieces of it small enough to be queued.

/// Longest piece that [`pieces`] makes, in bytes.
const PIECE: usize = 512;

/// Decodes UTF-8 across buffer boundaries; what is invalid becomes U+FFFD.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a character whose rest is still to come.
    carry: Vec<u8>,
    /// Bytes seen since the last [`Decoder::restart`].
    seen: u64,
    /// Where the first invalid byte stood.
    first_invalid: Option<u64>,
}

impl Decoder {
    /// The text of these bytes, with what the last ones left over.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut offset = self.seen - self.carry.len() as u64;
        self.seen += bytes.len() as u64;
        let joined;
        let mut rest = if self.carry.is_empty() {
            bytes
        } else {
            let mut whole = std::mem::take(&mut self.carry);
            whole.extend_from_slice(bytes);
            joined = whole;
            joined.as_slice()
        };
        let mut text = String::with_capacity(rest.len());
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    return text;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    // Valid by the error's own word; lossy costs nothing then.
                    text.push_str(&String::from_utf8_lossy(valid));
                    offset += valid.len() as u64;
                    let Some(invalid) = error.error_len() else {
                        self.carry = after.to_vec();
                        return text;
                    };
                    self.first_invalid.get_or_insert(offset);
                    text.push(char::REPLACEMENT_CHARACTER);
                    offset += invalid as u64;
                    rest = &after[invalid..];
                }
            }
        }
    }

    /// No byte of the open character follows: U+FFFD where one was open, else nothing.
    pub fn finish(&mut self) -> &'static str {
        if self.carry.is_empty() {
            return "";
        }
        let at = self.seen - self.carry.len() as u64;
        self.carry.clear();
        self.first_invalid.get_or_insert(at);
        "\u{fffd}"
    }

    /// Forgets the open character and counts bytes from 0 again.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// Where the first invalid byte stood, counted from the last restart; told once.
    pub fn take_first_invalid(&mut self) -> Option<u64> {
        self.first_invalid.take()
    }
}

/// Cuts text into pieces of at most 512 bytes, after white space where there is any.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if rest.len() <= PIECE {
            return Some(std::mem::take(&mut rest));
        }
        let mut end = PIECE;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        if let Some((at, space)) = rest[..end]
            .char_indices()
            .rev()
            .find(|(_, c)| c.is_whitespace())
        {
            end = at + space.len_utf8();
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// Whether a reader could take this text for complete: it ends with a line or a sentence.
pub fn ends_sentence(text: &str) -> bool {
    if text.ends_with('\n') {
        return true;
    }
    let text = text.trim_end();
    let bare = text.trim_end_matches([
        '"', '\'', ')', ']', '}', '»', '”', '’', '」', '』', '*', '_',
    ]);
    bare.ends_with([
        '.', '!', '?', '…', ':', '。', '！', '？', '．', '।', '॥', '؟', '۔', '։', '።', '။', '។',
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_may_be_cut_at_every_byte() {
        let text = "naïve 語 😀 end";
        for step in 1..text.len() {
            let mut decoder = Decoder::default();
            let mut out = String::new();
            for bytes in text.as_bytes().chunks(step) {
                out += &decoder.push(bytes);
            }
            out += decoder.finish();
            assert_eq!(out, text, "in steps of {step}");
            assert_eq!(decoder.take_first_invalid(), None);
        }
    }

    #[test]
    fn what_is_invalid_is_replaced_and_its_place_told_once() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(b"ab\xff"), "ab\u{fffd}");
        assert_eq!(decoder.push(b"c\xe8d\xff"), "c\u{fffd}d\u{fffd}");
        assert_eq!(decoder.take_first_invalid(), Some(2));
        assert_eq!(decoder.take_first_invalid(), None);
        assert_eq!(decoder.push("é".as_bytes()), "é");
        assert_eq!(decoder.push(&"é".as_bytes()[..1]), "");
        assert_eq!(decoder.finish(), "\u{fffd}");
        assert_eq!(decoder.take_first_invalid(), Some(9));
        assert_eq!(decoder.finish(), "");
    }

    #[test]
    fn a_cut_character_that_goes_on_wrong_is_replaced_at_its_place() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(b"ab\xe8\xaa"), "ab");
        assert_eq!(decoder.push(b"x"), "\u{fffd}x");
        assert_eq!(decoder.take_first_invalid(), Some(2));
    }

    #[test]
    fn pieces_join_to_the_text_and_prefer_white_space() {
        let text = "wörd ".repeat(400) + &"x".repeat(2000) + &"語".repeat(700);
        let cut: Vec<&str> = pieces(&text).collect();
        assert_eq!(cut.concat(), text);
        assert!(cut.iter().all(|piece| piece.len() <= PIECE));
        assert!(cut[0].ends_with(' '));
        assert_eq!(pieces("").count(), 0);
    }

    #[test]
    fn sentences_end_with_their_marks_and_lines_with_theirs() {
        for yes in [
            "Yes.",
            "Yes. ",
            "He said \"no!\"",
            "line\n",
            "終わり。",
            "(Really?)",
        ] {
            assert!(ends_sentence(yes), "{yes:?}");
        }
        for no in ["and", "3,", "", " ", "the end of", "one, "] {
            assert!(!ends_sentence(no), "{no:?}");
        }
    }
}
