// SPDX-License-Identifier: MPL-2.0

//! The voice's files, built in or in a folder.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    Voice,
    language::Language,
    lengths::Lengths,
    networks::{Letters, Melody, Sound},
    phones,
    words::Words,
};
use crate::weights::{LoadError, Weights};

const MODEL: &str = "model.safetensors";
const WORDS: &str = "words.txt";
const LANGUAGE: &str = "language.txt";
const HASHES: &str = "hashes.txt";

/// What the voice is read from.
pub struct Files {
    /// Of messages.
    folder: PathBuf,
    pub model: Cow<'static, [u8]>,
    words: Cow<'static, str>,
    language: Cow<'static, str>,
}

impl Files {
    /// Those of the repository.
    pub fn built_in() -> Self {
        Self {
            folder: "the built-in voice".into(),
            model: include_bytes!("../../../compact/voice/model.safetensors").into(),
            words: include_str!("../../../compact/voice/words.txt").into(),
            language: include_str!("../../../compact/voice/language.txt").into(),
        }
    }

    /// Whether a folder is meant to hold this voice, however complete it is.
    pub fn are_in(folder: &Path) -> bool {
        [WORDS, HASHES]
            .iter()
            .any(|name| folder.join(name).is_file())
    }

    /// Those of a folder, of which `hashes.txt` says that they are whole.
    pub fn read(folder: &Path) -> Result<Self, LoadError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|error| LoadError::Read { path, error })
        };
        let text = |name: &str, bytes: Vec<u8>| {
            String::from_utf8(bytes).map_err(|_| {
                LoadError::Other(format!(
                    "{} is no text in UTF-8; the file is damaged, get it again",
                    folder.join(name).display()
                ))
            })
        };
        let hashes = text(HASHES, read(HASHES)?)?;
        let checked = |name: &str| {
            let bytes = read(name)?;
            check(folder, &hashes, name, &bytes)?;
            Ok::<_, LoadError>(bytes)
        };
        let (model, words) = rayon::join(|| checked(MODEL), || checked(WORDS));
        Ok(Self {
            folder: folder.to_owned(),
            model: model?.into(),
            words: text(WORDS, words?)?.into(),
            language: text(LANGUAGE, checked(LANGUAGE)?)?.into(),
        })
    }

    /// The voice.
    pub fn voice(&self) -> Result<Voice, LoadError> {
        let path = self.folder.join(MODEL);
        let open = || Weights::of_bytes(&path, &self.model);
        let lengths_and_melody = || {
            let language = Language::new(&self.language, &self.folder.join(LANGUAGE))?;
            Ok((Lengths::load(&open()?, language)?, Melody::load(&open()?)?))
        };
        let (letters, (timing, sound)): (_, (Result<_, LoadError>, _)) = rayon::join(
            || {
                let letters = Letters::load(&open()?)?;
                Words::new(&self.words, &self.folder.join(WORDS), letters)
            },
            || rayon::join(lengths_and_melody, || Sound::load(&open()?)),
        );
        let (lengths, melody) = timing?;
        Ok(Voice {
            words: letters?,
            the: ["dh", "iy"]
                .into_iter()
                .filter_map(phones::number)
                .collect(),
            lengths,
            melody,
            sound: sound?,
        })
    }
}

/// Whether a file is the one that the hashes tell of: lines of a SHA-256 and a name.
fn check(folder: &Path, hashes: &str, name: &str, bytes: &[u8]) -> Result<(), LoadError> {
    let listed = hashes.lines().find_map(|line| {
        let (hash, of) = line.split_once(char::is_whitespace)?;
        (of.trim() == name).then_some(hash)
    });
    let (path, hashes) = (folder.join(name), folder.join(HASHES));
    let (path, hashes) = (path.display(), hashes.display());
    let Some(listed) = listed else {
        return Err(LoadError::Other(format!(
            "{hashes} has no hash of {name}; get the voice's folder again"
        )));
    };
    let found = Sha256::digest(bytes);
    let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
    if !found.eq_ignore_ascii_case(listed) {
        return Err(LoadError::Other(format!(
            "{path} is damaged or of another voice: its SHA-256 is {found}, and {hashes} says {listed}; get the voice's folder again"
        )));
    }
    Ok(())
}
