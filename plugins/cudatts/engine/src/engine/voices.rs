// SPDX-License-Identifier: MPL-2.0

//! The voices of an engine: chosen by request, loaded once, kept while they are asked for.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use duplex_synthesis::{Error, Request, Voice};

use crate::{
    family::{Family, LoadedVoice},
    registry::Registry,
};

/// So many voices stay loaded though nobody speaks with them.
const KEPT: usize = 32;
/// How fast an unknown voice speaks, in the weights of `marks`, per second of sound that is not silent.
const PACE: f64 = 15.0;

/// A voice that is loaded, and what was learned of it.
pub struct Speaker {
    pub loaded: LoadedVoice,
    pub language: Option<String>,
    pace: AtomicU64,
}

impl Speaker {
    pub fn pace(&self) -> f64 {
        f64::from_bits(self.pace.load(Ordering::Relaxed))
    }

    pub fn set_pace(&self, pace: f64) {
        self.pace.store(pace.to_bits(), Ordering::Relaxed);
    }
}

/// The loaded ones.
#[derive(Default)]
pub struct Voices {
    loaded: Registry<String, Speaker>,
    recent: Mutex<VecDeque<(String, Arc<Speaker>)>>,
}

impl Voices {
    /// The voice of a request. Loads it where that has not happened yet.
    pub fn of(&self, family: &dyn Family, request: &Request) -> Result<Arc<Speaker>, Error> {
        let name = choose(family, request)?;
        let speaker = self.loaded.get(name.clone(), &|_| (), |_| {
            let loaded = family.voice(&name)?;
            let voice = family.voices().into_iter().find(|voice| voice.name == name);
            Ok(Arc::new(Speaker {
                loaded,
                language: voice.and_then(|voice| voice.languages.into_iter().next()),
                pace: AtomicU64::new(PACE.to_bits()),
            }))
        })?;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = recent.iter().position(|(other, _)| *other == name) {
            recent.remove(place);
        }
        recent.push_front((name, speaker.clone()));
        let forgotten = (recent.len() > KEPT).then(|| recent.pop_back());
        drop(recent);
        drop(forgotten);
        Ok(speaker)
    }
}

fn choose(family: &dyn Family, request: &Request) -> Result<String, Error> {
    if let Some(name) = &request.voice {
        return Ok(name.clone());
    }
    let voices = family.voices();
    let found = match &request.language {
        None => voices.first(),
        Some(wanted) => find(&voices, |tag| tag.eq_ignore_ascii_case(wanted))
            .or_else(|| find(&voices, |tag| primary(tag) == primary(wanted)))
            // One that names no language speaks whatever its model does.
            .or_else(|| voices.iter().find(|voice| voice.languages.is_empty())),
    };
    found.map(|voice| voice.name.clone()).ok_or_else(|| {
        let mut tags: Vec<&str> = voices
            .iter()
            .flat_map(|voice| voice.languages.iter().map(String::as_str))
            .collect();
        tags.sort_unstable();
        tags.dedup();
        Error::NoSuchVoice {
            name: request.language.clone().unwrap_or_default(),
            remedy: match tags.as_slice() {
                [] => "the model has no voices; name a voice file".into(),
                tags => format!("the model speaks {}", tags.join(", ")),
            },
        }
    })
}

fn find(voices: &[Voice], matches: impl Fn(&str) -> bool) -> Option<&Voice> {
    voices
        .iter()
        .find(|voice| voice.languages.iter().any(|tag| matches(tag)))
}

fn primary(tag: &str) -> String {
    tag.split(['-', '_'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}
