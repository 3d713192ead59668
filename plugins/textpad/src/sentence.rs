// SPDX-License-Identifier: MPL-2.0

//! Whether a text that has paused stands at the end of a sentence.

/// Follows a text as it streams in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SentenceEnd {
    spoken: bool,
    ended: bool,
}

impl SentenceEnd {
    /// Reads on.
    pub fn push(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                // A line that was sent off is complete, with or without a mark: people type so.
                '\n' | '\r' | '\u{2028}' | '\u{2029}' => self.ended = self.spoken,
                c if c.is_whitespace() => (),
                '.' | '!' | '?' | '…' | '。' | '！' | '？' | '｡' | '؟' | '۔' | '।' | '॥' | '։'
                | '።' => self.ended = self.spoken,
                '"' | '\'' | ')' | ']' | '}' | '»' | '«' | '”' | '’' | '“' | '」' | '』' | '）'
                | '›' | '>' => (),
                _ => {
                    self.spoken = true;
                    self.ended = false;
                }
            }
        }
    }

    /// The last sentence is complete.
    pub fn reached(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_readers_end_them() {
        for (text, ended) in [
            ("", false),
            ("Hello", false),
            ("Hello.", true),
            ("Hello. ", true),
            ("\"Hello!\" ", true),
            ("(Really?)", true),
            ("Hello, ", false),
            ("a line\n", true),
            ("\n\n", false),
            ("...", false),
            ("One. Two", false),
            ("こんにちは。」", true),
            ("क्या हाल है।", true),
        ] {
            let mut end = SentenceEnd::default();
            for c in text.chars() {
                end.push(c.encode_utf8(&mut [0; 4]));
            }
            assert_eq!(end.reached(), ended, "{text:?}");
        }
    }
}
