// SPDX-License-Identifier: MPL-2.0

//! Text to tokens, by the model's own tokenizer.

use std::path::Path;

use super::sentencepiece;
use crate::{pocket::config::TokenizerKind, weights::LoadError};

/// A tokenizer of either kind.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer of {}", self.inner.get_vocab_size(true))
    }
}

impl Tokenizer {
    /// Reads a file; it has to know `count` tokens.
    pub fn open(path: &Path, kind: TokenizerKind, count: usize) -> Result<Tokenizer, LoadError> {
        let not =
            |why: String| LoadError::Other(format!("{} is no tokenizer: {why}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| LoadError::Read {
            path: path.to_owned(),
            error,
        })?;
        let inner = match kind {
            TokenizerKind::Tokenizers => {
                tokenizers::Tokenizer::from_bytes(&bytes).map_err(|error| not(error.to_string()))?
            }
            TokenizerKind::SentencePiece => sentencepiece::read(&bytes).map_err(not)?,
        };
        let found = inner.get_vocab_size(true);
        if found != count {
            return Err(LoadError::Other(format!(
                "{} knows {found} tokens, and the configuration says {count} (`n_bins`)",
                path.display()
            )));
        }
        Ok(Tokenizer { inner })
    }

    /// The tokens of a text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        match self.inner.encode(text, true) {
            Ok(encoding) => encoding.get_ids().to_vec(),
            Err(error) => {
                tracing::warn!("a text could not be tokenized: {error}");
                Vec::new()
            }
        }
    }

    /// The text of tokens.
    pub fn decode(&self, tokens: &[u32]) -> String {
        self.inner.decode(tokens, true).unwrap_or_default()
    }
}
