// SPDX-License-Identifier: MPL-2.0

//! Which names of models a worker answers to.

use duplex_synthesis::Request;
use duplex_yaml::nearest;

use crate::models::{MakeEngine, Spec};

/// What old orchestrators ask for, whatever a worker has.
const HARD_CODED: &str = "piper-en-us-lessac-medium";

/// How the model names of the old system began: with the engine that it had for them.
const OLD_FAMILIES: [&str; 6] = [
    "piper-",
    "cosyvoice2-",
    "cosyvoice-",
    "xtts-",
    "sesame-",
    "mock-",
];

/// An engine that the program brings.
#[derive(Clone)]
pub struct KnownEngine {
    /// Also the name of its model.
    pub name: &'static str,
    /// Makes it.
    pub make: MakeEngine,
}

/// Another name for a voice of an engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Alias {
    pub id: String,
    pub engine: String,
    pub voice: Option<String>,
    pub language: Option<String>,
}

/// All names.
pub(super) struct Catalogue<'a> {
    engines: &'a [KnownEngine],
    aliases: Vec<Alias>,
}

impl<'a> Catalogue<'a> {
    pub fn new(engines: &'a [KnownEngine]) -> Self {
        Self {
            engines,
            aliases: Vec::new(),
        }
    }

    pub fn engine_names(&self) -> Vec<&'a str> {
        self.engines.iter().map(|engine| engine.name).collect()
    }

    pub fn default_engine(&self) -> &'a str {
        self.engines.first().map_or("", |engine| engine.name)
    }

    fn engine(&self, name: &str) -> Option<&'a KnownEngine> {
        self.engines.iter().find(|engine| engine.name == name)
    }

    /// Adds a name; `Err` is a sentence about what it stands for.
    pub fn add(&mut self, alias: Alias) -> Result<(), String> {
        let request = Request {
            voice: alias.voice.clone(),
            language: alias.language.clone(),
            ..Request::default()
        };
        if let Some(engine) = self.engine(&alias.engine) {
            let made = (engine.make)();
            made.and_then(|engine| engine.prepare(&request))
                .map_err(|error| error.to_string())?;
        }
        self.aliases.push(alias);
        Ok(())
    }

    /// Whether this name can be asked for. One of the old system's becomes a name of the default
    /// engine, and a notice. `Err` is a sentence.
    pub fn resolve(&mut self, id: &str) -> Result<Option<String>, String> {
        if self.names().contains(&id) {
            return Ok(None);
        }
        let Some(rest) = OLD_FAMILIES
            .iter()
            .find_map(|family| id.strip_prefix(family))
        else {
            let names = self.names();
            let near = nearest(id, names.iter().copied());
            return Err(format!(
                "no model `{id}`: this worker has {}, and what model_manager.aliases names{near}",
                names.join(", ")
            ));
        };
        let alias = |language| Alias {
            id: id.to_owned(),
            engine: self.default_engine().to_owned(),
            voice: None,
            language,
        };
        let (with, without) = (alias(language_of(rest)), alias(None));
        if self.add(with).is_err() {
            self.aliases.push(without);
        }
        let engine = self.default_engine();
        Ok(Some(format!(
            "`{id}` is spoken by {engine} here; model_manager.aliases gives it another voice"
        )))
    }

    fn names(&self) -> Vec<&str> {
        let engines = self.engines.iter().map(|engine| engine.name);
        let aliases = self.aliases.iter().map(|alias| alias.id.as_str());
        let mut names: Vec<&str> = engines.chain(aliases).collect();
        if !names.contains(&HARD_CODED) {
            names.push(HARD_CODED);
        }
        names
    }

    /// All that can be asked for.
    pub fn specs(mut self) -> Vec<Spec> {
        if !self.aliases.iter().any(|alias| alias.id == HARD_CODED) {
            self.aliases.push(Alias {
                id: HARD_CODED.into(),
                engine: self.default_engine().into(),
                voice: None,
                language: OLD_FAMILIES
                    .iter()
                    .find_map(|family| HARD_CODED.strip_prefix(family))
                    .and_then(language_of),
            });
        }
        let engines = self.engines.iter().map(|engine| Spec {
            id: engine.name.into(),
            family: engine.name.into(),
            voice: None,
            language: None,
            engine: engine.make.clone(),
        });
        let aliases = self.aliases.iter().filter_map(|alias| {
            Some(Spec {
                id: alias.id.clone(),
                family: alias.engine.clone(),
                voice: alias.voice.clone(),
                language: alias.language.clone(),
                engine: self.engine(&alias.engine)?.make.clone(),
            })
        });
        engines.chain(aliases).collect()
    }
}

/// `en-us-lessac-medium`, `en_US-lessac`, `en-base`: the language that the rest of an old name begins with.
fn language_of(rest: &str) -> Option<String> {
    let mut parts = rest.split(['-', '_']);
    let two = |part: &&str| part.len() == 2 && part.chars().all(|c| c.is_ascii_alphabetic());
    let language = parts.next().filter(two)?.to_lowercase();
    Some(match parts.next().filter(two) {
        Some(region) => format!("{language}-{}", region.to_lowercase()),
        None => language,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use duplex_synthesis::{Engine, tone::ToneEngine};

    use super::*;

    #[test]
    fn old_names_tell_their_language() {
        for (rest, language) in [
            ("en-us-lessac-medium", Some("en-us")),
            ("en_GB-alan", Some("en-gb")),
            ("en-base", Some("en")),
            ("v2", None),
            ("v2-demo", None),
            ("440hz", None),
            ("", None),
        ] {
            assert_eq!(language_of(rest).as_deref(), language, "{rest}");
        }
    }

    #[test]
    fn names_of_the_old_system_are_taken_and_others_are_not() {
        let engines = [KnownEngine {
            name: "tone",
            make: Arc::new(|| Ok(Arc::new(ToneEngine::new(48_000)) as Arc<dyn Engine>)),
        }];
        let mut catalogue = Catalogue::new(&engines);
        assert_eq!(catalogue.resolve("tone"), Ok(None));
        assert_eq!(catalogue.resolve(HARD_CODED), Ok(None));
        let told = catalogue.resolve("cosyvoice2-en-base").unwrap().unwrap();
        assert!(told.contains("spoken by tone here"), "{told}");
        assert_eq!(catalogue.resolve("cosyvoice2-en-base"), Ok(None));
        let sentence = catalogue.resolve("tine").unwrap_err();
        assert_eq!(
            sentence,
            "no model `tine`: this worker has tone, cosyvoice2-en-base, piper-en-us-lessac-medium, \
             and what model_manager.aliases names; did you mean `tone`?"
        );
        let ids: Vec<String> = catalogue.specs().into_iter().map(|spec| spec.id).collect();
        assert_eq!(ids, ["tone", "cosyvoice2-en-base", HARD_CODED]);
    }
}
