// SPDX-License-Identifier: MPL-2.0
//! Which characters are marks, and of what kind.

/// What a mark can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Ends a sentence wherever it stands.
    Sentence,
    /// Ends a clause wherever it stands, except between digits.
    Clause,
    /// Ends a sentence where white space follows.
    SpacedSentence,
    /// Ends a clause where white space follows.
    SpacedClause,
    /// A full stop: see the abbreviations.
    Stop,
    /// An ellipsis.
    Ellipsis,
    /// A dash that parts clauses unless digits stand around it.
    Dash,
    /// A dash that does so only between white space.
    SpacedDash,
}

pub(super) fn mark(c: char) -> Option<Mark> {
    Some(match c {
        '.' => Mark::Stop,
        '!' | '?' | '‼' | '⁇' | '⁈' | '⁉' => Mark::SpacedSentence,
        ',' | ';' | ':' | '·' => Mark::SpacedClause,
        '…' | '⋯' => Mark::Ellipsis,
        '。' | '！' | '？' | '｡' | '．' | '؟' | '۔' | '।' | '॥' | '։' | '՞' | '՜' | '።' | '፧'
        | '။' | '៕' | '។' | '᠃' | '᠉' | '\u{037e}' => Mark::Sentence,
        '，' | '、' | '；' | '：' | '､' | '،' | '؛' | '՝' | '፣' | '፤' | '፥' | '፦' | '၊' | '᠂'
        | '᠈' | '﹐' | '﹑' | '︐' | '︑' => Mark::Clause,
        '—' | '―' => Mark::Dash,
        '–' => Mark::SpacedDash,
        _ => return None,
    })
}

/// Closes a quotation or bracket, and so belongs to the mark in front of it.
pub(super) fn closes(c: char) -> bool {
    matches!(
        c,
        '”' | '’'
            | '»'
            | '›'
            | ')'
            | ']'
            | '}'
            | '」'
            | '』'
            | '】'
            | '）'
            | '〉'
            | '》'
            | '〕'
            | '］'
            | '｣'
    )
}

/// A quotation mark that may open or close.
pub(super) fn ambiguous_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '“' | '«' | '‹' | '＂')
}

/// Opens a quotation or bracket: looked through for what follows a full stop.
pub(super) fn opens(c: char) -> bool {
    matches!(
        c,
        '"' | '\''
            | '“'
            | '„'
            | '‘'
            | '‚'
            | '«'
            | '‹'
            | '('
            | '['
            | '{'
            | '「'
            | '『'
            | '【'
            | '（'
            | '¿'
            | '¡'
            | '*'
            | '_'
    )
}

/// Scripts that write words without white space between them.
pub(crate) fn unspaced(c: char) -> bool {
    matches!(c as u32,
        0x0e00..=0x0eff      // Thai, Lao
        | 0x1000..=0x109f    // Myanmar
        | 0x1780..=0x17ff    // Khmer
        | 0x3005..=0x3007
        | 0x3040..=0x30ff    // kana
        | 0x31f0..=0x31ff
        | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff    // Han
        | 0xf900..=0xfaff
        | 0xff66..=0xff9d
        | 0x20000..=0x3ffff)
}
