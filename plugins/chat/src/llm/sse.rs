// SPDX-License-Identifier: MPL-2.0

//! Server-sent events, as far as completions use them: the `data` of each event.

/// Longest line, and longest event, in bytes.
pub const LONGEST: usize = 1024 * 1024;

/// Cuts a stream of bytes into events, wherever it was cut before.
#[derive(Debug, Default)]
pub struct Events {
    line: Vec<u8>,
    data: Option<String>,
    /// The last byte was CR: an LF belongs to it.
    cr: bool,
}

/// An event or a line was longer than [`LONGEST`].
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Events {
    /// The data of the events that are complete with these bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut events = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, after) = rest.split_at(end);
            let stop = after[0];
            rest = &after[1..];
            if std::mem::replace(&mut self.cr, stop == b'\r') && line.is_empty() && stop == b'\n' {
                continue;
            }
            self.keep(line)?;
            let line = std::mem::take(&mut self.line);
            events.extend(self.line(&String::from_utf8_lossy(&line))?);
        }
        if !rest.is_empty() {
            self.cr = false;
        }
        self.keep(rest)?;
        Ok(events)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + bytes.len() > LONGEST {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<Option<String>, TooLong> {
        if line.is_empty() {
            return Ok(self.data.take());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field.trim_start_matches('\u{feff}') == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                None => self.data = Some(value.to_owned()),
                Some(data) if data.len() + value.len() < LONGEST => {
                    data.push('\n');
                    data.push_str(value);
                }
                Some(_) => return Err(TooLong),
            }
        }
        Ok(None)
    }

    /// The stream is over: an event that lacks only its empty line counts.
    pub fn finish(mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let whole = self.line(&String::from_utf8_lossy(&line)).ok().flatten();
        whole.or(self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_wherever_bytes_are_cut() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ": hello\n\ndata: {\"ä\": 1}\n\nevent: x\nid: 7\ndata:a\ndata: b\ndata\n\n\n\ndata: [DONE]\n\n";
            let bytes = text.replace('\n', end).into_bytes();
            let expected = ["{\"ä\": 1}", "a\nb\n", "[DONE]"];
            for first in 0..bytes.len() {
                let mut events = Events::default();
                let mut all = events.push(&bytes[..first]).unwrap();
                all.extend(events.push(&bytes[first..]).unwrap());
                assert_eq!(all, expected, "{end:?} at {first}");
            }
            let mut events = Events::default();
            let each = bytes.iter().flat_map(|byte| events.push(&[*byte]).unwrap());
            assert_eq!(each.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn the_last_event_may_lack_its_end() {
        for text in ["data: x", "data: x\n"] {
            let mut events = Events::default();
            assert_eq!(events.push(text.as_bytes()), Ok(vec![]));
            assert_eq!(events.finish().as_deref(), Some("x"));
        }
        assert_eq!(Events::default().finish(), None);
    }

    #[test]
    fn neither_a_line_nor_an_event_grows_without_bound() {
        let mut events = Events::default();
        let mut result = Ok(vec![]);
        for _ in 0..2_000 {
            result = events.push(&[b'x'; 1024]);
        }
        assert_eq!(result, Err(TooLong));
        let mut events = Events::default();
        let line = format!("data: {}\n", "x".repeat(1024));
        assert!((0..2_000).any(|_| events.push(line.as_bytes()) == Err(TooLong)));
    }
}
