// SPDX-License-Identifier: MPL-2.0

//! Text in pieces small enough to be queued.

/// Longest piece that [`pieces`] makes, in bytes.
pub const PIECE: usize = 512;

/// Cuts text into pieces of at most [`PIECE`] bytes, after white space where there is any.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if rest.len() <= PIECE {
            return Some(std::mem::take(&mut rest));
        }
        let mut end = rest.floor_char_boundary(PIECE);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text_and_prefer_white_space() {
        let text = "wörd ".repeat(400) + &"x".repeat(2000) + &"語".repeat(700);
        let cut: Vec<&str> = pieces(&text).collect();
        assert_eq!(cut.concat(), text);
        assert!(cut.iter().all(|piece| piece.len() <= PIECE));
        assert!(cut[0].ends_with(' '));
        assert_eq!(pieces("").count(), 0);
    }
}
