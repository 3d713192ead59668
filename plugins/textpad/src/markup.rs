// SPDX-License-Identifier: MPL-2.0

//! Pango markup, as subparse makes it of SRT, reduced to the text that is to be spoken.

/// Longest entity that is waited for, `&` and `;` included.
const MAX_ENTITY: usize = 12;

/// Strips tags and resolves entities, both possibly split between two calls.
#[derive(Debug, Default)]
pub(crate) struct MarkupStripper {
    in_tag: bool,
    /// From `&` on, while its `;` is awaited.
    entity: String,
}

impl MarkupStripper {
    /// The text of the next stretch of markup.
    pub fn push(&mut self, markup: &str) -> String {
        let mut out = String::with_capacity(markup.len());
        for c in markup.chars() {
            if self.in_tag {
                self.in_tag = c != '>';
            } else if !self.entity.is_empty() {
                self.entity(c, &mut out);
            } else {
                self.plain(c, &mut out);
            }
        }
        out
    }

    /// A tag or an entity waits for its end.
    pub fn is_cut(&self) -> bool {
        self.in_tag || !self.entity.is_empty()
    }

    /// The markup ended: an entity that was never closed is text.
    pub fn finish(&mut self) -> String {
        self.in_tag = false;
        std::mem::take(&mut self.entity)
    }

    fn plain(&mut self, c: char, out: &mut String) {
        match c {
            '<' => self.in_tag = true,
            '&' => self.entity.push(c),
            _ => out.push(c),
        }
    }

    fn entity(&mut self, c: char, out: &mut String) {
        if c == ';' {
            let entity = std::mem::take(&mut self.entity);
            match resolve(&entity[1..]) {
                Some(c) => out.push(c),
                None => {
                    out.push_str(&entity);
                    out.push(c);
                }
            }
        } else if (c.is_ascii_alphanumeric() || c == '#') && self.entity.len() < MAX_ENTITY {
            self.entity.push(c);
        } else {
            out.push_str(&std::mem::take(&mut self.entity));
            self.plain(c, out);
        }
    }
}

fn resolve(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|&c| c != '\0')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_of_markup_gives_its_text() {
        let markup =
            "<i>Tom &amp; Jerry</i>: 2 &lt; 3, R&D; AT&T &#233;t&#xE9; <b color=\"&gt;\">x</b>";
        let text = "Tom & Jerry: 2 < 3, R&D; AT&T été x";
        for at in 0..=markup.len() {
            let mut stripper = MarkupStripper::default();
            let mut out = stripper.push(&markup[..at]);
            out += &stripper.push(&markup[at..]);
            out += &stripper.finish();
            assert_eq!(out, text, "split at {at}");
        }
    }

    #[test]
    fn an_entity_that_never_ends_is_text() {
        let mut stripper = MarkupStripper::default();
        assert_eq!(stripper.push("salt &pepper"), "salt ");
        assert_eq!(stripper.finish(), "&pepper");
        assert_eq!(stripper.push("next"), "next");
    }
}
