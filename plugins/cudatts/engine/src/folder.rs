// SPDX-License-Identifier: MPL-2.0

//! A model in a folder: which file is what.

use std::path::{Path, PathBuf};

use crate::{pocket::Files, weights::LoadError};

/// Where stored voices lie; the second name is that of published repositories.
const VOICES: [&str; 2] = ["voices", "embeddings"];

/// The files of a Pocket TTS model in a folder: `config.yaml`, `model.safetensors`, `tokenizer.json` or `tokenizer.model`, and
/// voices in `voices/`, the first by name being the default: stored states (`NAME.safetensors`) and recordings to clone
/// (`NAME.wav`).
pub fn model(folder: &Path) -> Result<Files, LoadError> {
    let other = |what: String| LoadError::Other(what);
    if !folder.is_dir() {
        return Err(other(format!(
            "{} is no folder with a model (config.yaml, model.safetensors, tokenizer.json, voices/)",
            folder.display()
        )));
    }
    let one_of = |names: &[&str]| -> Result<PathBuf, LoadError> {
        let found = names
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file());
        found.ok_or_else(|| {
            other(format!(
                "{} has no {}",
                folder.display(),
                names.join(" or ")
            ))
        })
    };
    let mut voices = Vec::new();
    for entry in VOICES
        .iter()
        .filter_map(|name| folder.join(name).read_dir().ok())
        .flatten()
    {
        let path = entry
            .map_err(|error| LoadError::Read {
                path: folder.to_owned(),
                error,
            })?
            .path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        if let (Some(name), Some("safetensors" | "wav")) = (
            name,
            path.extension().and_then(|extension| extension.to_str()),
        ) {
            voices.push((name.to_owned(), path.clone()));
        }
    }
    if voices.is_empty() {
        return Err(other(format!(
            "{} has no voices: they belong into {}/voices, as NAME.safetensors or, to be cloned, NAME.wav",
            folder.display(),
            folder.display()
        )));
    }
    voices.sort();
    Ok(Files {
        config: one_of(&["config.yaml"])?.into(),
        weights: one_of(&["model.safetensors"])?,
        tokenizer: one_of(&["tokenizer.json", "tokenizer.model"])?,
        voices,
    })
}
