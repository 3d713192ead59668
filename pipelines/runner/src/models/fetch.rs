// SPDX-License-Identifier: MPL-2.0

//! All files of a model that are asked for.

use std::{collections::HashMap, path::Path};

use duplex_models::{Cache, Model, Place};

use super::{
    download,
    error::Error,
    server::{Published, Server},
    watcher::Watcher,
};

/// Which of a model's voices are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// These; none is the model's own.
    Voices(Vec<String>),
    /// All that are published.
    AllVoices,
}

/// Fetches a model.
#[derive(Debug)]
pub struct Fetch<'a> {
    /// Which.
    pub model: &'a Model,
    /// With which voices.
    pub wanted: Wanted,
    /// With the weights that can clone voices.
    pub cloning: bool,
    /// Where to.
    pub cache: &'a Cache,
}

/// What is to come.
#[derive(Debug)]
pub struct Plan {
    /// Files that are here.
    pub here: Vec<Place>,
    /// Files that are to come, with what the hub tells of them.
    pub to_come: Vec<(Place, Published)>,
}

impl Plan {
    /// Bytes that are still to come, of those files counted that are here in part.
    pub fn size(&self, cache: &Cache) -> u64 {
        // Two models may share a tokenizer.
        let by_hash: HashMap<&str, u64> = self
            .to_come
            .iter()
            .map(|(place, published)| {
                let part = cache.incomplete(&place.repository, &published.hash);
                let part = part.metadata().map_or(0, |metadata| metadata.len());
                let blob = cache.blob(&place.repository, &published.hash).is_file();
                let left = if blob {
                    0
                } else {
                    published.size.saturating_sub(part)
                };
                (published.hash.as_str(), left)
            })
            .collect();
        by_hash.values().sum()
    }
}

impl Fetch<'_> {
    /// The files that are asked for, whether they are here or not.
    pub fn places(&self) -> Result<Vec<&Place>, Error> {
        let model = self.model;
        let weights = match (self.cloning, &model.cloning_weights) {
            (true, None) => return Err(Error::NoCloning(model.name.clone())),
            (true, Some(weights)) => weights,
            (false, _) => &model.weights,
        };
        let mut places = vec![&model.tokenizer, weights];
        match &self.wanted {
            Wanted::AllVoices => places.extend(model.voices.values()),
            Wanted::Voices(names) if names.is_empty() => {
                places.extend(model.voices.get(&model.voice))
            }
            Wanted::Voices(names) => {
                for voice in names {
                    let place = model.voices.get(voice).ok_or_else(|| Error::NoVoice {
                        model: model.name.clone(),
                        voice: voice.clone(),
                        near: duplex_yaml::nearest(voice, model.voices.keys().map(String::as_str)),
                    })?;
                    places.push(place);
                }
            }
        }
        Ok(places)
    }

    /// Whether weights of this model are here, so that its licence has been seen.
    pub fn is_known(&self) -> bool {
        self.model.here(self.cache).weights.is_some()
    }

    /// Asks the hub about what is not here.
    pub async fn plan(&self, server: &Server, watcher: &mut dyn Watcher) -> Result<Plan, Error> {
        let mut plan = Plan {
            here: Vec::new(),
            to_come: Vec::new(),
        };
        for place in self.places()? {
            if self.cache.find(place).is_some() {
                plan.here.push(place.clone());
                continue;
            }
            match server.published(place, watcher).await {
                Ok(published) => plan.to_come.push((place.clone(), published)),
                // Not every model has been made to remember everybody.
                Err(error @ Error::NotThere { .. })
                    if self.wanted == Wanted::AllVoices && self.is_voice(place) =>
                {
                    watcher.says(&format!("left out: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(plan)
    }

    fn is_voice(&self, place: &Place) -> bool {
        self.model.voices.values().any(|voice| voice == place)
    }

    /// Fetches what is to come. What has come stays, whatever becomes of the rest.
    pub async fn fetch(
        &self,
        server: &Server,
        plan: Plan,
        watcher: &mut dyn Watcher,
    ) -> Result<(), Error> {
        let needed = plan.size(self.cache);
        if let Some(free) = free(self.cache.folder()).filter(|free| *free < needed) {
            return Err(Error::Full {
                folder: self.cache.folder().to_owned(),
                needed,
                free: Some(free),
                kept: "",
            });
        }
        for place in &plan.here {
            watcher.is_here(place);
        }
        for (place, published) in plan.to_come {
            download::fetch(server, self.cache, &place, published, watcher).await?;
        }
        Ok(())
    }
}

/// Bytes that may be written where a folder is, or will be; `None` where the system does not tell.
fn free(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let space = rustix::fs::statvfs(there).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}
