// SPDX-License-Identifier: MPL-2.0

//! SentencePiece models (`tokenizer.model`), read into the same machinery as a `tokenizer.json`.
//!
//! Field numbers are those of sentencepiece_model.proto.

use prost::Message;
use tokenizers::{
    AddedToken, DecoderWrapper, ModelWrapper, NormalizerWrapper, Tokenizer,
    decoders::{
        byte_fallback::ByteFallback, fuse::Fuse, sequence::Sequence as Decoders, strip::Strip,
    },
    models::{bpe::BPE, unigram::Unigram},
    normalizers::{
        Precompiled, Prepend, Replace, Sequence, Strip as StripSpaces, replace::ReplacePattern,
    },
};

#[derive(Message)]
struct Model {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<Normalizer>,
}

#[derive(Message)]
struct Piece {
    #[prost(string, tag = "1")]
    piece: String,
    #[prost(float, tag = "2")]
    score: f32,
    /// 1 normal (the default), 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte.
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
}

#[derive(Message)]
struct Trainer {
    /// 1 unigram (the default), 2 BPE.
    #[prost(int32, optional, tag = "3")]
    model_type: Option<i32>,
    #[prost(bool, tag = "35")]
    byte_fallback: bool,
}

#[derive(Message)]
struct Normalizer {
    #[prost(bytes = "vec", tag = "2")]
    precompiled_charsmap: Vec<u8>,
    #[prost(bool, optional, tag = "3")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    remove_extra_whitespaces: Option<bool>,
}

const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
/// What stands for a space.
const SPACE: &str = "▁";

pub fn read(bytes: &[u8]) -> Result<Tokenizer, String> {
    let model = Model::decode(bytes).map_err(|error| error.to_string())?;
    if model.pieces.is_empty() {
        return Err("it has no pieces".into());
    }
    let trainer = model.trainer.unwrap_or_default();
    let normalizer = model.normalizer.unwrap_or_default();
    let kind_of = |piece: &Piece| piece.kind.unwrap_or(1);
    let unknown = model
        .pieces
        .iter()
        .position(|piece| kind_of(piece) == UNKNOWN);
    let wrapped: ModelWrapper = match trainer.model_type.unwrap_or(1) {
        1 => {
            let vocabulary = model
                .pieces
                .iter()
                .map(|piece| (piece.piece.clone(), f64::from(piece.score)))
                .collect();
            Unigram::from(vocabulary, unknown, trainer.byte_fallback)
                .map_err(|error| error.to_string())?
                .into()
        }
        2 => pairs(&model.pieces, unknown, trainer.byte_fallback)?.into(),
        other => {
            return Err(format!(
                "models of type {other} are not read (1 unigram, 2 BPE)"
            ));
        }
    };
    let mut tokenizer = Tokenizer::new(wrapped);

    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    if !normalizer.precompiled_charsmap.is_empty() {
        let map = Precompiled::from(&normalizer.precompiled_charsmap)
            .map_err(|error| error.to_string())?;
        steps.push(map.into());
    }
    let replace = |pattern: ReplacePattern, with: &str| {
        Replace::new(pattern, with).map_err(|error| error.to_string())
    };
    if normalizer.remove_extra_whitespaces.unwrap_or(true) {
        steps.push(StripSpaces::new(true, true).into());
        steps.push(replace(ReplacePattern::Regex(" {2,}".into()), " ")?.into());
    }
    let prefixed = normalizer.add_dummy_prefix.unwrap_or(true);
    if prefixed {
        steps.push(Prepend::new(SPACE.into()).into());
    }
    steps.push(replace(ReplacePattern::String(" ".into()), SPACE)?.into());
    tokenizer
        .with_normalizer(Some(Sequence::new(steps)))
        .map_err(|error| error.to_string())?;

    let mut decoders: Vec<DecoderWrapper> = vec![
        replace(ReplacePattern::String(SPACE.into()), " ")?.into(),
        ByteFallback::new().into(),
        Fuse::new().into(),
    ];
    if prefixed {
        decoders.push(Strip::new(' ', 1, 0).into());
    }
    tokenizer.with_decoder(Some(Decoders::new(decoders)));

    let of_kind = |kind: i32, special: bool| {
        model
            .pieces
            .iter()
            .filter(move |piece| kind_of(piece) == kind)
            .map(move |piece| AddedToken::from(piece.piece.clone(), special).normalized(false))
            .collect::<Vec<_>>()
    };
    tokenizer
        .add_special_tokens(of_kind(CONTROL, true))
        .map_err(|error| error.to_string())?;
    tokenizer
        .add_tokens(of_kind(USER_DEFINED, false))
        .map_err(|error| error.to_string())?;
    Ok(tokenizer)
}

/// The merges of a BPE model: which pairs make a piece, the best piece first.
fn pairs(pieces: &[Piece], unknown: Option<usize>, byte_fallback: bool) -> Result<BPE, String> {
    let vocabulary: std::collections::HashMap<&str, u32> = pieces
        .iter()
        .enumerate()
        .map(|(id, piece)| (piece.piece.as_str(), id as u32))
        .collect();
    let mut merges: Vec<(f32, u32, u32, u32)> = Vec::new();
    for (id, piece) in pieces.iter().enumerate() {
        for (at, _) in piece.piece.char_indices().skip(1) {
            let (left, right) = piece.piece.split_at(at);
            if let (Some(left), Some(right)) = (vocabulary.get(left), vocabulary.get(right)) {
                merges.push((piece.score, id as u32, *left, *right));
            }
        }
    }
    merges.sort_by(|a, b| {
        b.0.total_cmp(&a.0)
            .then(a.1.cmp(&b.1))
            .then(a.2.cmp(&b.2))
            .then(a.3.cmp(&b.3))
    });
    let text = |id: u32| pieces[id as usize].piece.clone();
    let merges = merges
        .iter()
        .map(|(_, _, left, right)| (text(*left), text(*right)))
        .collect();
    let mut builder = BPE::builder()
        .vocab_and_merges(
            vocabulary
                .iter()
                .map(|(piece, id)| ((*piece).to_owned(), *id))
                .collect::<tokenizers::models::bpe::Vocab>(),
            merges,
        )
        .fuse_unk(true)
        .byte_fallback(byte_fallback);
    if let Some(unknown) = unknown {
        builder = builder.unk_token(pieces[unknown].piece.clone());
    }
    builder.build().map_err(|error| error.to_string())
}
