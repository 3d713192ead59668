// SPDX-License-Identifier: MPL-2.0

//! UTF-8 that arrives in arbitrary slices.

/// Turns slices of bytes into text. A character split between two slices waits for its rest; U+FFFD stands for what
/// is no UTF-8, and a space for a NUL, which engines and structures written in C would take for the end. A byte order
/// mark ahead of everything is left out, as editors put it there.
#[derive(Clone, Debug, Default)]
pub struct Utf8Decoder {
    /// The beginning of a character, at most three bytes.
    head: Vec<u8>,
    /// Bytes since the last restart.
    seen: u64,
    /// There was a character since then.
    begun: bool,
    first_invalid: Option<u64>,
}

impl Utf8Decoder {
    /// The characters that are complete with these bytes.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut offset = self.seen - self.head.len() as u64;
        self.seen += bytes.len() as u64;
        let mut all = std::mem::take(&mut self.head);
        let bytes = if all.is_empty() {
            bytes
        } else {
            all.extend_from_slice(bytes);
            &all
        };
        let mut text = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            offset += chunk.valid().len() as u64;
            if chunk.invalid().is_empty() {
                continue;
            }
            let at_end = chunks.peek().is_none();
            let unfinished = std::str::from_utf8(chunk.invalid())
                .is_err_and(|error| error.error_len().is_none());
            if at_end && unfinished {
                self.head = chunk.invalid().to_vec();
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
                self.first_invalid.get_or_insert(offset);
                offset += chunk.invalid().len() as u64;
            }
        }
        if text.contains('\0') {
            // As long as what it replaces.
            text = text.replace('\0', " ");
        }
        if !text.is_empty() && !std::mem::replace(&mut self.begun, true) && text.starts_with(MARK) {
            text.drain(..MARK.len_utf8());
        }
        text
    }

    /// The beginning of a character waits.
    pub fn is_cut(&self) -> bool {
        !self.head.is_empty()
    }

    /// No byte of the open character follows: U+FFFD where one was open, else nothing.
    pub fn finish(&mut self) -> &'static str {
        if self.head.is_empty() {
            return "";
        }
        let at = self.seen - self.head.len() as u64;
        self.head.clear();
        self.first_invalid.get_or_insert(at);
        "\u{fffd}"
    }

    /// Forgets the open character and counts bytes from 0 again.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// Where the first byte that is no UTF-8 stood, counted from the last restart. Told once; then the next such byte
    /// is the first.
    pub fn take_first_invalid(&mut self) -> Option<u64> {
        self.first_invalid.take()
    }
}

const MARK: char = '\u{feff}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_of_a_text_gives_the_text() {
        let text = "a é ß 漢字 👩‍👩‍👧 ﷽ z";
        let bytes = text.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut decoder = Utf8Decoder::default();
                let mut out = String::new();
                for part in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    out.push_str(&decoder.push(part));
                }
                assert_eq!(decoder.finish(), "");
                assert_eq!(decoder.take_first_invalid(), None);
                assert_eq!(out, text);
            }
        }
    }

    #[test]
    fn what_is_no_utf8_is_replaced_and_its_place_told_once() {
        let mut decoder = Utf8Decoder::default();
        assert_eq!(
            decoder.push(b"caf\xe9 au lait\xff"),
            "caf\u{fffd} au lait\u{fffd}"
        );
        assert_eq!(decoder.take_first_invalid(), Some(3));
        assert_eq!(decoder.take_first_invalid(), None);
        // The first half of a character, then something else.
        assert_eq!(decoder.push(b"a\xc3"), "a");
        assert!(decoder.is_cut());
        assert_eq!(decoder.push(b"b"), "\u{fffd}b");
        assert_eq!(decoder.take_first_invalid(), Some(14));
        // The first half of a character, then nothing.
        assert_eq!(decoder.push(b"\xe6\xbc"), "");
        assert_eq!(decoder.take_first_invalid(), None);
        assert_eq!(decoder.finish(), "\u{fffd}");
        assert_eq!(decoder.take_first_invalid(), Some(16));
        assert_eq!(decoder.finish(), "");
    }

    #[test]
    fn a_nul_is_no_end_and_a_byte_order_mark_no_text() {
        let mut decoder = Utf8Decoder::default();
        assert_eq!(decoder.push(b"\xef\xbb"), "");
        assert_eq!(decoder.push(b"\xbfc\0d"), "c d");
        assert_eq!(decoder.push("\u{feff}e".as_bytes()), "\u{feff}e");
        assert_eq!(decoder.take_first_invalid(), None);
    }
}
