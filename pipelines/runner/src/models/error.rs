// SPDX-License-Identifier: MPL-2.0

//! What can go wrong when a model is fetched.

use std::{
    io,
    path::{Path, PathBuf},
};

use duplex_models::Place;
use indicatif::DecimalBytes;

/// Each is a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The hub wants to know who asks, or does not give it to who asks.
    #[error(
        "{server} does not give {repository} to {who}: accept its terms at {server}/{repository}, and {login}"
    )]
    Refused {
        /// The hub.
        server: String,
        /// What it keeps.
        repository: String,
        /// Who asks.
        who: &'static str,
        /// How to tell it.
        login: &'static str,
    },
    /// There is none.
    #[error("{server} has no {}/{} at {}{why}", place.repository, place.path, place.revision)]
    NotThere {
        /// The hub.
        server: String,
        /// What was asked for.
        place: Place,
        /// What the hub says of it.
        why: String,
    },
    /// It answers with something else.
    #[error("{server} answers {status} for {}: {remedy}", place.path)]
    Answer {
        /// Who answers.
        server: String,
        /// What was asked for.
        place: Place,
        /// Status of HTTP.
        status: u16,
        /// What to do.
        remedy: String,
    },
    /// It does not say what a file is.
    #[error("{server} does not tell the {what} of {}; HF_ENDPOINT is to name a hub, such as https://huggingface.co", place.path)]
    NoFacts {
        /// The hub.
        server: String,
        /// What is missing.
        what: &'static str,
        /// What was asked for.
        place: Place,
    },
    /// It cannot be reached, or goes away again and again.
    #[error("{} does not come from {server}: {why}; try again: what is here is kept", place.path)]
    Connection {
        /// Who was asked.
        server: String,
        /// What was asked for.
        place: Place,
        /// Why.
        why: String,
    },
    /// The network is not to be used.
    #[error("HF_HUB_OFFLINE is set: nothing is fetched; unset it, or lay the files into {}", .0.display())]
    Offline(PathBuf),
    /// Where the hub is, is no address.
    #[error("HF_ENDPOINT is `{0}`, which is no address such as https://huggingface.co")]
    Endpoint(String),
    /// This machine is not fit for it.
    #[error(
        "nothing can be fetched on this machine: {0}; are certificates installed (ca-certificates)?"
    )]
    Client(String),
    /// What came is something else.
    #[error("what came as {} is not what was published, and was removed: its hash is {found}, not {expected}; try again, or another network", place.path)]
    WrongHash {
        /// What was asked for.
        place: Place,
        /// What the hub named.
        expected: String,
        /// What came.
        found: String,
    },
    /// It does not fit.
    #[error("{} is full: {}; free some, or name another folder by HF_HUB_CACHE{kept}", folder.display(), room(.needed, .free))]
    Full {
        /// The cache.
        folder: PathBuf,
        /// Bytes that are still to come.
        needed: u64,
        /// Bytes that are free, where that is known.
        free: Option<u64>,
        /// What becomes of what came.
        kept: &'static str,
    },
    /// The cache cannot be written.
    #[error("{} cannot be written: {error}; name another folder by HF_HUB_CACHE", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no home.
    #[error("nothing says where models are kept: set HOME or HF_HOME")]
    NoHome,
    /// No such voice.
    #[error("the model `{model}` has no voice `{voice}`{near}; see: duplex model list {model}")]
    NoVoice {
        /// The model.
        model: String,
        /// Who was asked for.
        voice: String,
        /// Whose name is near.
        near: String,
    },
    /// Its encoder is not published.
    #[error("the model `{0}` was published with one set of weights: leave --cloning out")]
    NoCloning(String),
}

fn room(needed: &u64, free: &Option<u64>) -> String {
    let needed = DecimalBytes(*needed);
    match free {
        Some(free) => format!("{needed} are to come, and {} are free", DecimalBytes(*free)),
        None => format!("{needed} are still to come"),
    }
}

impl Error {
    /// Of what the disk answered, `needed` bytes being still to come.
    pub(super) fn of_disk(error: io::Error, path: &Path, cache: &Path, needed: u64) -> Error {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Error::Full {
                folder: cache.to_owned(),
                needed,
                free: None,
                kept: "; what is here is kept, and gone on with",
            },
            _ => Error::Disk {
                path: path.to_owned(),
                error,
            },
        }
    }
}
