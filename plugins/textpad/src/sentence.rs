// SPDX-License-Identifier: MPL-2.0

//! Whether a text that has paused stands at the end of a sentence.

use std::time::Duration;

/// Longest word, in bytes, that may be an abbreviation.
const TOKEN: usize = 24;
/// By so much longer is the wait after a full stop that may be of a number or of an abbreviation.
const DOUBT: u32 = 5;

/// Where a text stands that may go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stand {
    /// Inside of a sentence, or before the first.
    #[default]
    Inside,
    /// Behind a full stop that may be no end: `3.` may become `3.14`, and `Dr.` wants a name.
    Doubtful,
    /// At the end of a sentence or line.
    Ended,
}

/// Follows a text as it streams in.
#[derive(Clone, Debug, Default)]
pub struct SentenceEnd {
    spoken: bool,
    stand: Stand,
    /// The last word so far, with the marks inside of it; longer than [`TOKEN`] where it is no abbreviation.
    token: String,
}

impl SentenceEnd {
    /// Reads on.
    pub fn push(&mut self, text: &str) {
        for c in text.chars() {
            self.read(c);
        }
    }

    fn read(&mut self, c: char) {
        match c {
            // A line that was sent off is complete, with or without a mark: people type so.
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => {
                self.end(Stand::Ended);
                self.token.clear();
            }
            c if c.is_whitespace() => self.token.clear(),
            '.' => {
                self.end(if self.doubtful() {
                    Stand::Doubtful
                } else {
                    Stand::Ended
                });
                self.add(c);
            }
            '!' | '?' | '…' | '。' | '．' | '！' | '？' | '｡' | '؟' | '۔' | '।' | '॥' | '։'
            | '።' | '។' => {
                self.end(Stand::Ended);
                self.add(c);
            }
            '"' | '\'' | '(' | '[' | '{' | '«' | '‹' | '“' | '‘' | '„' if self.token.is_empty() =>
                {}
            '"' | '\'' | ')' | ']' | '}' | '»' | '«' | '”' | '’' | '“' | '」' | '』' | '）'
            | '›' | '>' | '*' | '_' => self.add(c),
            _ => {
                self.spoken = true;
                self.stand = Stand::Inside;
                self.add(c);
            }
        }
    }

    fn end(&mut self, stand: Stand) {
        if self.spoken {
            self.stand = stand;
        }
    }

    fn add(&mut self, c: char) {
        if self.token.len() <= TOKEN {
            self.token.push(c);
        }
    }

    /// Whether the full stop that is being read may be something else than the end.
    fn doubtful(&self) -> bool {
        let last = self.token.chars().next_back();
        last.is_some_and(char::is_numeric)
            || (self.token.len() <= TOKEN
                && last.is_some_and(char::is_alphabetic)
                && duplex_synthesis::is_abbreviation(&self.token))
    }

    /// For how long more text may be waited for before this is the end, where text after a complete sentence is waited
    /// for so long: five times that behind a full stop that may be of a number or an abbreviation. `None` inside of a
    /// sentence, which has no end without its mark.
    pub fn patience(&self, delay: Duration) -> Option<Duration> {
        match self.stand {
            Stand::Inside => None,
            Stand::Doubtful => Some(delay.saturating_mul(DOUBT)),
            Stand::Ended => Some(delay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_readers_end_them() {
        use Stand::{Doubtful, Ended, Inside};
        for (text, stand) in [
            ("", Inside),
            ("Hello", Inside),
            ("Hello.", Ended),
            ("Hello. ", Ended),
            ("\"Hello!\" ", Ended),
            ("(Really?)", Ended),
            ("**Really.**", Ended),
            ("Hello, ", Inside),
            ("Hello: ", Inside),
            ("at 10:", Inside),
            ("a line\n", Ended),
            ("Dr.\n", Ended),
            ("\n\n", Inside),
            ("...", Inside),
            ("wait...", Ended),
            ("One. Two", Inside),
            ("こんにちは。」", Ended),
            ("क्या हाल है।", Ended),
            ("Pi is 3.", Doubtful),
            ("Pi is 3.14", Inside),
            ("It was 1945. ", Doubtful),
            ("I met Dr.", Doubtful),
            ("I met (Dr.", Doubtful),
            ("e.g.", Doubtful),
            ("J.", Doubtful),
            ("No.", Ended),
            ("I asked the doctor.", Ended),
            ("Is it 10?", Ended),
        ] {
            let mut whole = SentenceEnd::default();
            whole.push(text);
            let mut end = SentenceEnd::default();
            for c in text.chars() {
                end.push(c.encode_utf8(&mut [0; 4]));
            }
            assert_eq!((end.stand, whole.stand), (stand, stand), "{text:?}");
        }
    }

    #[test]
    fn a_doubtful_end_is_waited_for_longer() {
        let delay = Duration::from_millis(200);
        let patience = |text: &str| {
            let mut end = SentenceEnd::default();
            end.push(text);
            end.patience(delay)
        };
        assert_eq!(patience("Yes."), Some(delay));
        assert_eq!(patience("Nr. 3."), Some(Duration::from_secs(1)));
        assert_eq!(patience("Yes"), None);
        let mut end = SentenceEnd::default();
        end.push("3.");
        assert_eq!(end.patience(Duration::MAX), Some(Duration::MAX));
    }
}
