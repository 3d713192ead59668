// SPDX-License-Identifier: MPL-2.0

//! A text in parts that the model can say in one go.
//!
//! The model has learnt single sentences. A text is cut at the ends of sentences, a sentence that is too long at its commas, and short
//! ones are put together again as long as they fit.

use super::{Tokenizer, prepare::prepare};
use crate::pocket::config::Writing;

/// Of a part; with more the model skips words.
pub const MOST_TOKENS: usize = 50;

/// A part of a text.
struct Part {
    /// The part, not prepared yet.
    text: String,
    /// Its tokens, about.
    tokens: usize,
}

/// Cuts a text.
pub fn split(text: &str, writing: &Writing, tokenizer: &Tokenizer) -> Vec<String> {
    let Some(prepared) = prepare(text, writing) else {
        return Vec::new();
    };
    let tokens = tokenizer.encode(prepared.text.trim());
    let ends = tokenizer.encode(".!...?");
    let commas = tokenizer.encode(",;:");
    let sentences = segments(
        &tokens,
        &boundaries(&tokens, rest(&ends), Some(tokenizer)),
        tokenizer,
    );

    let mut refined = Vec::new();
    for sentence in sentences {
        if sentence.tokens <= MOST_TOKENS {
            refined.push(sentence);
            continue;
        }
        let tokens = tokenizer.encode(sentence.text.trim());
        let clauses = segments(
            &tokens,
            &boundaries(&tokens, rest(&commas), None),
            tokenizer,
        );
        match clauses.len() {
            0 | 1 => refined.push(sentence),
            _ => refined.extend(clauses),
        }
    }

    let mut parts: Vec<Part> = Vec::new();
    for part in refined {
        match parts.last_mut() {
            Some(last) if last.tokens + part.tokens <= MOST_TOKENS => {
                last.text.push(' ');
                last.text.push_str(&part.text);
                last.tokens += part.tokens;
            }
            _ => parts.push(part),
        }
    }
    parts
        .into_iter()
        .map(|part| part.text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect()
}

/// The first token of a text may be a space or part of a word: it is no mark.
fn rest(tokens: &[u32]) -> &[u32] {
    tokens.get(1..).unwrap_or_default()
}

/// Where segments begin, and the end.
fn boundaries(tokens: &[u32], marks: &[u32], decimals: Option<&Tokenizer>) -> Vec<usize> {
    let mut found = vec![0];
    let mut behind = false;
    for (at, token) in tokens.iter().enumerate() {
        if marks.contains(token) {
            behind = true;
            continue;
        }
        if std::mem::take(&mut behind)
            && !decimals.is_some_and(|tokenizer| in_a_number(tokens, at, tokenizer))
        {
            found.push(at);
        }
    }
    found.push(tokens.len());
    found
}

/// Whether the full stop before a token is that of 3.14.
fn in_a_number(tokens: &[u32], at: usize, tokenizer: &Tokenizer) -> bool {
    let before = tokenizer.decode(&tokens[..at]);
    let after = tokenizer.decode(&tokens[at..]);
    let mut last = before.chars().rev();
    last.next() == Some('.')
        && last.next().is_some_and(|c| c.is_ascii_digit())
        && after.chars().next().is_some_and(|c| c.is_ascii_digit())
}

fn segments(tokens: &[u32], boundaries: &[usize], tokenizer: &Tokenizer) -> Vec<Part> {
    boundaries
        .windows(2)
        .map(|ends| Part {
            text: tokenizer.decode(&tokens[ends[0]..ends[1]]),
            tokens: ends[1] - ends[0],
        })
        .collect()
}
