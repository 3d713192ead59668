// SPDX-License-Identifier: MPL-2.0

//! The chains of a description as single links between ends.

use duplex_yaml::{Source, Span, Spanned};

/// What the runner supplies instead of an element of the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Sound from the caller, or to the caller.
    Audio,
    /// Text from the caller, or to the caller.
    Text,
}

impl Caller {
    /// How it is written in a description.
    pub fn name(self) -> &'static str {
        match self {
            Caller::Audio => "caller.audio",
            Caller::Text => "caller.text",
        }
    }

    /// Reads `caller.audio` and `caller.text`.
    pub fn parse(text: &str) -> Option<Caller> {
        [Caller::Audio, Caller::Text]
            .into_iter()
            .find(|caller| caller.name() == text)
    }
}

/// One end of a link as written.
#[derive(Clone, Debug)]
pub struct End {
    /// `id`, `id.pad`, `caller.audio` or `caller.text`.
    pub written: String,
    /// Where.
    pub at: Span,
}

impl End {
    /// The id, without the pad.
    pub fn id(&self) -> &str {
        self.written
            .split_once('.')
            .map_or(self.written.as_str(), |(id, _)| id)
    }

    /// The pad, when one is named.
    pub fn pad(&self) -> Option<&str> {
        self.written.split_once('.').map(|(_, pad)| pad)
    }

    /// The caller, when this is its end.
    pub fn caller(&self) -> Option<Caller> {
        Caller::parse(&self.written)
    }
}

/// `from -> to`
#[derive(Clone, Debug)]
pub struct Link {
    /// Where the data come from.
    pub from: End,
    /// Where they go.
    pub to: End,
}

/// The ends of a chain; an error names the place and says what is wrong.
pub fn chain(source: &Source, written: &Spanned<String>) -> Result<Vec<End>, (Span, String)> {
    let mut ends: Vec<End> = Vec::new();
    let mut from = written.at;
    // Where the text stands in one piece on its line, each end gets a place of its own.
    let plain = source.within(written.at, &written.value);
    let in_one_piece = plain.length == written.value.chars().count();
    let mut offset = 0;
    for piece in written.value.split("->") {
        let name = piece.trim();
        if in_one_piece {
            let lead = piece.chars().take_while(|c| c.is_whitespace()).count();
            from = Span {
                line: plain.line,
                column: plain.column + offset + lead,
                length: name.chars().count().max(1),
            };
        }
        offset += piece.chars().count() + 2;
        if name.is_empty() {
            return Err((
                from,
                "nothing stands here; a chain is written `ears -> mouth`".into(),
            ));
        }
        if let Some(bad) = ["!", "=>", ",", "<-"]
            .iter()
            .find(|bad| name.contains(**bad))
        {
            return Err((
                from,
                format!("`{bad}` does not link; a chain is written `ears -> mouth`"),
            ));
        }
        if name.split_whitespace().count() > 1 {
            return Err((
                from,
                format!("`{name}` is more than one id; a chain is written `ears -> mouth`"),
            ));
        }
        ends.push(End {
            written: name.to_string(),
            at: from,
        });
    }
    if ends.len() < 2 {
        return Err((
            written.at,
            format!(
                "`{}` links nothing; a chain has at least two ends: `ears -> mouth`",
                written.value.trim()
            ),
        ));
    }
    Ok(ends)
}
