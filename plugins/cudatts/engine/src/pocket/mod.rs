// SPDX-License-Identifier: MPL-2.0

//! Pocket TTS, configured by its published files (the 4.x family): one pass of a backbone and of a small head for each 80 ms.

pub mod backbone;
pub mod codec;
pub mod config;
mod cpu;
mod device;
mod flow;
mod host;
mod run;
mod speaking;
mod voice;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use duplex_synthesis::Error;

use self::config::Config;
pub use self::{
    cpu::Pocket,
    device::DevicePocket,
    flow::flow_times,
    host::Host,
    run::{PocketDecoder, PocketGenerator},
    speaking::{Speaking, fade_in},
    voice::PocketVoice,
};
use crate::weights::LoadError;

/// Where the parts of a model lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// How it is built.
    pub config: Description,
    /// What it has learnt (safetensors).
    pub weights: PathBuf,
    /// `tokenizer.json` or `tokenizer.model`.
    pub tokenizer: PathBuf,
    /// Stored voices by name (safetensors), or recordings to clone (WAV), the default first.
    pub voices: Vec<(String, PathBuf)>,
}

/// How a model is built, as it is published (YAML).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Description {
    /// In a file.
    File(PathBuf),
    /// In so many words.
    Text {
        /// What messages call it.
        name: String,
        /// What a file would hold.
        text: String,
    },
}

impl From<PathBuf> for Description {
    fn from(path: PathBuf) -> Self {
        Description::File(path)
    }
}

impl Description {
    /// As a file, for who reads nothing else.
    fn written(&self) -> Result<Written, Error> {
        match self {
            Description::File(path) => Ok(Written::Already(path.clone())),
            Description::Text { name, text } => {
                let write = || -> std::io::Result<tempfile::NamedTempFile> {
                    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
                    file.write_all(text.as_bytes())?;
                    Ok(file)
                };
                let file = write().map_err(|error| {
                    let folder = std::env::temp_dir();
                    Error::Unavailable(format!(
                        "the configuration of {name} cannot be written to {}: {error}",
                        folder.display()
                    ))
                })?;
                Ok(Written::Now(file))
            }
        }
    }

    fn read(&self) -> Result<Config, LoadError> {
        let config = match self {
            Description::File(path) => Config::read(path),
            Description::Text { name, text } => Config::parse(name, text),
        };
        config.map_err(|report| LoadError::Other(report.to_string()))
    }
}

/// A description that is a file.
enum Written {
    Already(PathBuf),
    /// Gone with the value.
    Now(tempfile::NamedTempFile),
}

impl Written {
    fn path(&self) -> &Path {
        match self {
            Written::Already(path) => path,
            Written::Now(file) => file.path(),
        }
    }
}
