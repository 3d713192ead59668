// SPDX-License-Identifier: MPL-2.0

//! Small models with made-up weights, for the tests of neural voices: each is published Pocket TTS in its shapes, but a
//! thousandth as large, and what it says is noise.
//!
//! Committed (`tests/parity/small` of duplex-neural) are configurations, tokenizers and stored voices; weights follow from names
//! ([`models`]).

#[path = "../../tests/parity/models.rs"]
pub mod models;

use std::{
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

/// The models that there are: each samples in another way.
pub const MODELS: [&str; 4] = ["drifting", "flow_matching", "lsd", "pointwise"];

/// Where they are committed, without weights.
pub fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/parity/small")
}

/// The shapes of a model's tensors by their names.
///
/// # Panics
/// Where there is no such model.
pub fn shapes(name: &str) -> Value {
    let path = committed().join(name).join("shapes.json");
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("shapes are JSON")
}

/// A model in a folder of its own, as the element takes it; gone with the value.
#[derive(Debug)]
pub struct SmallModel {
    folder: TempDir,
}

impl SmallModel {
    /// One of [`MODELS`] with two voices, `anna` and `bert`, who sound alike. It ends each chunk as soon as a model may, after
    /// about ten frames (0.8 s).
    ///
    /// # Panics
    /// Where there is no such model, or no room for it (1 MB).
    pub fn new(name: &str) -> Self {
        let from = committed().join(name);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let to = folder.path();
        let weights = to.join("model.safetensors");
        models::make_weights(&shapes(name), &weights);
        // It is always sure that it is at the end.
        set(&weights, "flow_lm.out_eos.bias", 100.0);
        let copy = |name: &str, to: &Path| {
            std::fs::copy(from.join(name), to).unwrap_or_else(|error| panic!("{name}: {error}"));
        };
        copy("config.yaml", &to.join("config.yaml"));
        for name in ["tokenizer.json", "tokenizer.model"] {
            if from.join(name).exists() {
                copy(name, &to.join(name));
            }
        }
        std::fs::create_dir(to.join("voices")).expect("a folder for voices");
        for voice in ["anna", "bert"] {
            copy(
                "voice.safetensors",
                &to.join(format!("voices/{voice}.safetensors")),
            );
        }
        Self { folder }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Gives the first number of a tensor another value.
fn set(weights: &Path, tensor: &str, value: f32) {
    let bytes = std::fs::read(weights).expect("weights were written");
    let (length, rest) = bytes.split_first_chunk().expect("weights have a header");
    let length = u64::from_le_bytes(*length);
    let header: Value =
        serde_json::from_slice(&rest[..length as usize]).expect("the header is JSON");
    let at = header[tensor]["data_offsets"][0].as_u64();
    let at = at.unwrap_or_else(|| panic!("there is no {tensor}"));
    std::fs::File::options()
        .write(true)
        .open(weights)
        .and_then(|file| file.write_all_at(&value.to_le_bytes(), 8 + length + at))
        .expect("weights can be written");
}
