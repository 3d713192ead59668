// SPDX-License-Identifier: MPL-2.0

//! Text as a model reads it: written in its way, cut into what it can say in one go, and tokenized.

mod chunks;
mod prepare;
mod sentencepiece;
mod tokenizer;

pub use chunks::{MOST_TOKENS, split};
pub use prepare::prepare;
pub use tokenizer::Tokenizer;
