// SPDX-License-Identifier: MPL-2.0

//! A model by what its user calls it: the one that is built in, a folder, or the name of a published one that is in the user's
//! cache.

use std::path::{Path, PathBuf};

use duplex_models::{COMPACT, Catalogue, Hub, Model};

use crate::{
    compact::Compact,
    folder,
    pocket::{Description, Files},
    weights::LoadError,
};

/// A model that was named, and what stands for it among those who share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The model that is built in.
    BuiltIn,
    /// A folder, by its canonical path.
    Folder(PathBuf),
    /// A published model, by its name.
    Published(String),
}

impl Named {
    /// What a name means. The model that is built in is so whatever folders there are; a folder comes before a published model
    /// of the same name, and what looks like a path is one.
    pub fn of(name: &str) -> Named {
        if name == COMPACT.name {
            return Named::BuiltIn;
        }
        let path = Path::new(name);
        match path.canonicalize() {
            Ok(path) => Named::Folder(path),
            Err(_) if name.contains('/') => Named::Folder(path.to_owned()),
            Err(_) => Named::Published(name.to_owned()),
        }
    }

    /// Whether it is of the family `compact`: built in, or a folder with such files.
    pub fn is_compact(&self) -> bool {
        match self {
            Named::BuiltIn => true,
            Named::Folder(path) => !path.join("config.yaml").is_file() && Compact::is_in(path),
            Named::Published(_) => false,
        }
    }

    /// Where the files of a Pocket TTS model are. Reads folders, and the catalogue that the environment names; nothing is
    /// downloaded.
    pub fn files(&self) -> Result<Files, LoadError> {
        let other = |what: String| LoadError::Other(what);
        let name = match self {
            Named::Folder(path) => return folder::model(path),
            Named::Published(name) => name,
            Named::BuiltIn => {
                return Err(other(format!("{self} is built in and has no files")));
            }
        };
        let catalogue = Catalogue::of_user().map_err(|report| other(report.to_string()))?;
        let Some(hub) = Hub::of_user() else {
            return Err(other(format!(
                "`{name}` is looked for in the cache of huggingface_hub, and nothing says where that is: set HOME or HF_HOME"
            )));
        };
        find(name, &catalogue, &hub)
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Named::BuiltIn => COMPACT.name.fmt(f),
            Named::Folder(path) => path.display().fmt(f),
            Named::Published(name) => name.fmt(f),
        }
    }
}

/// The files of a published model, out of a user's cache, and voices of the user's own beside those of the model.
pub fn find(name: &str, catalogue: &Catalogue, hub: &Hub) -> Result<Files, LoadError> {
    let Some(model) = catalogue.model(name) else {
        return Err(LoadError::Other(format!(
            "`{name}` is neither a folder nor a published model{}; see: duplex model list",
            catalogue.nearest(name)
        )));
    };
    files(model, hub)
}

fn files(model: &Model, hub: &Hub) -> Result<Files, LoadError> {
    let (name, cache) = (&model.name, &hub.cache);
    let here = model.here(cache);
    let what = if here.is_empty() {
        format!("the model `{name}` is not in {}", cache.folder().display())
    } else {
        format!(
            "of the model `{name}` {} are not in {}",
            here.missing().join(" and "),
            cache.folder().display()
        )
    };
    let mut voices = here.voices;
    for (voice, path) in hub.own_voices(name) {
        if !here.clones && path.extension().is_some_and(|kind| kind == "wav") {
            return Err(LoadError::Other(format!(
                "{} is a recording to clone, which takes other weights: fetch them with: duplex model fetch {name} --cloning",
                path.display()
            )));
        }
        match voices.iter_mut().find(|(known, _)| *known == voice) {
            Some(known) => known.1 = path,
            None => voices.push((voice, path)),
        }
    }
    let (Some(weights), Some(tokenizer), false) = (here.weights, here.tokenizer, voices.is_empty())
    else {
        return Err(LoadError::Other(format!(
            "{what}; fetch it with: duplex model fetch {name}"
        )));
    };
    Ok(Files {
        config: Description::Text {
            name: name.clone(),
            text: model.configuration.clone(),
        },
        weights,
        tokenizer,
        voices,
    })
}
