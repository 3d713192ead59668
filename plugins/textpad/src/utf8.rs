// SPDX-License-Identifier: MPL-2.0

//! UTF-8 that arrives in arbitrary slices.

/// Turns slices of bytes into text; a character split between two slices waits for its rest.
#[derive(Debug, Default)]
pub(crate) struct Utf8Carry {
    /// The beginning of a character, at most three bytes.
    head: Vec<u8>,
}

/// What a slice gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// The characters that are complete; U+FFFD stands for what is no UTF-8.
    pub text: String,
    /// Whether anything was replaced.
    pub replaced: bool,
}

impl Utf8Carry {
    /// Decodes what has arrived so far.
    pub fn push(&mut self, bytes: &[u8]) -> Decoded {
        let mut all = std::mem::take(&mut self.head);
        let bytes = if all.is_empty() {
            bytes
        } else {
            all.extend_from_slice(bytes);
            &all
        };
        let mut decoded = Decoded {
            text: String::with_capacity(bytes.len()),
            replaced: false,
        };
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            decoded.text.push_str(chunk.valid());
            if chunk.invalid().is_empty() {
                continue;
            }
            let at_end = chunks.peek().is_none();
            let unfinished = std::str::from_utf8(chunk.invalid())
                .is_err_and(|error| error.error_len().is_none());
            if at_end && unfinished {
                self.head = chunk.invalid().to_vec();
            } else {
                decoded.text.push(char::REPLACEMENT_CHARACTER);
                decoded.replaced = true;
            }
        }
        if decoded.text.contains('\0') {
            // Engines written in C would take it for the end; as long as what it replaces.
            decoded.text = decoded.text.replace('\0', " ");
        }
        decoded
    }

    /// The beginning of a character waits.
    pub fn is_cut(&self) -> bool {
        !self.head.is_empty()
    }

    /// No more bytes: what waits is no character any more.
    pub fn finish(&mut self) -> Decoded {
        if std::mem::take(&mut self.head).is_empty() {
            return Decoded::default();
        }
        Decoded {
            text: char::REPLACEMENT_CHARACTER.to_string(),
            replaced: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_of_a_text_gives_the_text() {
        let text = "a é ß 漢字 👩‍👩‍👧 ﷽ z";
        let bytes = text.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut carry = Utf8Carry::default();
                let mut out = String::new();
                for part in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    let decoded = carry.push(part);
                    assert!(!decoded.replaced);
                    out.push_str(&decoded.text);
                }
                assert_eq!(carry.finish(), Decoded::default());
                assert_eq!(out, text);
            }
        }
    }

    #[test]
    fn what_is_no_utf8_is_replaced_and_said() {
        let mut carry = Utf8Carry::default();
        let decoded = carry.push(b"caf\xe9 au lait\xff");
        assert_eq!(decoded.text, "caf\u{fffd} au lait\u{fffd}");
        assert!(decoded.replaced);
        // The first half of a character, then something else.
        assert_eq!(carry.push(b"a\xc3").text, "a");
        let decoded = carry.push(b"b");
        assert_eq!(
            (decoded.text.as_str(), decoded.replaced),
            ("\u{fffd}b", true)
        );
        // The first half of a character, then nothing.
        assert!(!carry.push(b"\xe6\xbc").replaced);
        assert_eq!(carry.finish().text, "\u{fffd}");
        assert_eq!(carry.push(b"c\0d").text, "c d");
    }
}
