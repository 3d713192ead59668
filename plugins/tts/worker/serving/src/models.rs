// SPDX-License-Identifier: MPL-2.0

//! Which voices there are, which are loaded, and who keeps them so.
//!
//! A model is loaded by the first who wants it, once, however many want it at the same time. Sessions
//! and LoadModel each hold references; one that nobody refers to is unloaded after its time, never
//! the default one. An unload never takes a reference that is somebody else's.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use duplex_synthesis::{Engine, Error, Request};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

/// Makes an engine; called when the first of its models is loaded. May block.
pub type MakeEngine = Arc<dyn Fn() -> Result<Arc<dyn Engine>, Error> + Send + Sync>;

/// A model that can be asked for.
#[derive(Clone)]
pub struct Spec {
    /// As clients call it.
    pub id: String,
    /// The name of its engine.
    pub family: String,
    /// The voice that its sessions get unless they ask for another.
    pub voice: Option<String>,
    /// The same of the language.
    pub language: Option<String>,
    /// Its engine.
    pub engine: MakeEngine,
}

/// How models are kept.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// The model of sessions that name none; never unloaded.
    pub default: String,
    /// Loaded at the start.
    pub preload: Vec<String>,
    /// One that nobody has used for so long is unloaded.
    pub ttl: Duration,
    /// But not before it has been there for so long.
    pub min_residency: Duration,
    /// Beyond so many, those are unloaded first that nobody has used for the longest time.
    pub cap: usize,
    /// So many load at a time.
    pub parallel_loads: usize,
    /// What a model speaks to nobody when it is loaded.
    pub warmup: Option<String>,
}

impl Default for Keeping {
    fn default() -> Self {
        Self {
            default: "espeak".into(),
            preload: Vec::new(),
            ttl: Duration::from_secs(600),
            min_residency: Duration::from_secs(120),
            cap: 3,
            parallel_loads: 1,
            warmup: None,
        }
    }
}

/// Why a model cannot be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// There is none of this name.
    #[error("no model `{id}`: this worker has {known}")]
    Unknown {
        /// What was asked for.
        id: String,
        /// What there is.
        known: String,
    },
    /// It is not loaded, or nobody has loaded it by LoadModel.
    #[error("{0}")]
    NotLoaded(String),
    /// It cannot be loaded.
    #[error("model `{id}` cannot be loaded: {error}")]
    Failed {
        /// What was asked for.
        id: String,
        /// Why.
        error: Error,
    },
}

/// A loaded model, and a reference that keeps it so.
pub struct Model {
    /// What was asked for.
    pub spec: Spec,
    /// Speaks.
    pub engine: Arc<dyn Engine>,
    entry: Arc<Entry>,
}

impl Drop for Model {
    fn drop(&mut self) {
        let mut state = self.entry.lock();
        state.references -= 1;
        state.used = Instant::now();
    }
}

/// How a model stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// As clients call it.
    pub id: String,
    /// The name of its engine.
    pub family: String,
    /// Whether it is loaded.
    pub loaded: bool,
    /// BCP 47 tags.
    pub languages: Vec<String>,
    /// References of sessions and of LoadModel.
    pub references: usize,
    /// Since it was last used.
    pub idle: Duration,
}

struct Entry {
    spec: Spec,
    /// Held while it loads: the others wait for that load.
    loading: AsyncMutex<()>,
    state: Mutex<State>,
}

struct State {
    engine: Option<Arc<dyn Engine>>,
    languages: Vec<String>,
    /// All of them; those of LoadModel are among them.
    references: usize,
    by_load: usize,
    loaded: Instant,
    used: Instant,
}

impl Entry {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All models of a worker.
pub struct Models {
    keeping: Keeping,
    entries: BTreeMap<String, Arc<Entry>>,
    loads: Semaphore,
}

impl Models {
    /// None of these is loaded yet.
    pub fn new(specs: impl IntoIterator<Item = Spec>, keeping: Keeping) -> Self {
        let now = Instant::now();
        let entries = specs.into_iter().map(|spec| {
            let entry = Entry {
                spec: spec.clone(),
                loading: AsyncMutex::default(),
                state: Mutex::new(State {
                    engine: None,
                    languages: Vec::new(),
                    references: 0,
                    by_load: 0,
                    loaded: now,
                    used: now,
                }),
            };
            (spec.id, Arc::new(entry))
        });
        Self {
            entries: entries.collect(),
            loads: Semaphore::new(keeping.parallel_loads.max(1)),
            keeping,
        }
    }

    /// How they are kept.
    pub fn keeping(&self) -> &Keeping {
        &self.keeping
    }

    fn entry(&self, id: &str) -> Result<&Arc<Entry>, ModelError> {
        let wanted = if id.is_empty() {
            &self.keeping.default
        } else {
            id
        };
        self.entries.get(wanted).ok_or_else(|| ModelError::Unknown {
            id: wanted.to_owned(),
            known: self.entries.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// A reference to a model, loaded first where it is not; empty is the default one.
    pub async fn acquire(&self, id: &str) -> Result<Model, ModelError> {
        let entry = self.entry(id)?;
        loop {
            if let Some(model) = reference(entry) {
                return Ok(model);
            }
            self.load_entry(entry).await?;
        }
    }

    /// Loads a model and, unless it is only to be there, keeps it until [`Self::unload`].
    pub async fn load(&self, id: &str, preload_only: bool) -> Result<Duration, ModelError> {
        let began = Instant::now();
        let model = self.acquire(id).await?;
        if !preload_only {
            let mut state = model.entry.lock();
            state.references += 1;
            state.by_load += 1;
        }
        Ok(began.elapsed())
    }

    /// Takes back one [`Self::load`].
    pub fn unload(&self, id: &str) -> Result<(), ModelError> {
        let entry = self.entry(id)?;
        let mut state = entry.lock();
        if state.engine.is_none() {
            return Err(ModelError::NotLoaded(format!(
                "model `{}` is not loaded",
                entry.spec.id
            )));
        }
        if state.by_load == 0 {
            return Err(ModelError::NotLoaded(format!(
                "model `{}` is kept by {} sessions and by no LoadModel; it is unloaded once they have ended",
                entry.spec.id, state.references
            )));
        }
        state.by_load -= 1;
        state.references -= 1;
        state.used = Instant::now();
        Ok(())
    }

    /// Reads the voices of a model anew.
    pub async fn reload(&self, model: &Model) -> Result<(), ModelError> {
        let entry = &model.entry;
        let _loading = entry.loading.lock().await;
        let (engine, languages) = self.make(entry).await?;
        let mut state = entry.lock();
        state.engine = Some(engine);
        state.languages = languages;
        Ok(())
    }

    async fn load_entry(&self, entry: &Arc<Entry>) -> Result<(), ModelError> {
        let _loading = entry.loading.lock().await;
        if entry.lock().engine.is_some() {
            return Ok(());
        }
        let (engine, languages) = self.make(entry).await?;
        {
            let mut state = entry.lock();
            state.engine = Some(engine);
            state.languages = languages;
            state.loaded = Instant::now();
            state.used = state.loaded;
        }
        self.make_room(&entry.spec.id);
        Ok(())
    }

    /// Makes an engine ready, in a thread where it may block.
    async fn make(&self, entry: &Arc<Entry>) -> Result<(Arc<dyn Engine>, Vec<String>), ModelError> {
        let fail = |error| ModelError::Failed {
            id: entry.spec.id.clone(),
            error,
        };
        let _permit = self.loads.acquire().await;
        let spec = entry.spec.clone();
        let warmup = self.keeping.warmup.clone();
        tokio::task::spawn_blocking(move || make_ready(&spec, warmup.as_deref()))
            .await
            .unwrap_or_else(|_| Err(Error::Failed("loading it panicked".into())))
            .map_err(fail)
    }

    /// Unloads what nobody has used for its time. Returns the ids.
    pub fn evict(&self, now: Instant) -> Vec<String> {
        let mut gone = Vec::new();
        for entry in self.entries.values() {
            let mut state = entry.lock();
            let over = now.saturating_duration_since(state.used) >= self.keeping.ttl
                && now.saturating_duration_since(state.loaded) >= self.keeping.min_residency;
            if over && self.may_go(entry, &state) {
                state.engine = None;
                gone.push(entry.spec.id.clone());
            }
        }
        gone
    }

    fn may_go(&self, entry: &Entry, state: &State) -> bool {
        state.engine.is_some() && state.references == 0 && entry.spec.id != self.keeping.default
    }

    /// Unloads the longest unused ones beyond the cap, but not the one just loaded.
    fn make_room(&self, except: &str) {
        loop {
            let loaded = self
                .entries
                .values()
                .filter(|entry| entry.lock().engine.is_some());
            if loaded.count() <= self.keeping.cap {
                return;
            }
            let oldest = self
                .entries
                .values()
                .filter(|entry| entry.spec.id != except && self.may_go(entry, &entry.lock()))
                .min_by_key(|entry| entry.lock().used);
            let Some(oldest) = oldest else { return };
            oldest.lock().engine = None;
        }
    }

    /// All that can be asked for, in the order of their names.
    pub fn list(&self) -> Vec<Status> {
        let status = |entry: &Arc<Entry>| {
            let state = entry.lock();
            Status {
                id: entry.spec.id.clone(),
                family: entry.spec.family.clone(),
                loaded: state.engine.is_some(),
                languages: state.languages.clone(),
                references: state.references,
                idle: state.used.elapsed(),
            }
        };
        self.entries.values().map(status).collect()
    }
}

fn reference(entry: &Arc<Entry>) -> Option<Model> {
    let mut state = entry.lock();
    let engine = state.engine.clone()?;
    state.references += 1;
    state.used = Instant::now();
    drop(state);
    Some(Model {
        spec: entry.spec.clone(),
        engine,
        entry: entry.clone(),
    })
}

fn make_ready(spec: &Spec, warmup: Option<&str>) -> Result<(Arc<dyn Engine>, Vec<String>), Error> {
    let engine = (spec.engine)()?;
    let request = Request {
        voice: spec.voice.clone(),
        language: spec.language.clone(),
        ..Request::default()
    };
    engine.prepare(&request)?;
    let mut languages: Vec<String> = match &spec.language {
        Some(language) => vec![language.clone()],
        None => {
            let voices = engine.voices()?;
            let ours = |name: &str| spec.voice.as_deref().is_none_or(|voice| voice == name);
            let voices = voices.into_iter().filter(|voice| ours(&voice.name));
            voices.flat_map(|voice| voice.languages).collect()
        }
    };
    languages.sort();
    languages.dedup();
    if let Some(text) = warmup {
        let mut utterance = engine.open(&request)?;
        utterance.text.push(text)?;
        utterance.text.finish()?;
        while utterance.audio.next()?.is_some() {}
    }
    Ok((engine, languages))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use duplex_synthesis::tone::ToneEngine;

    use super::*;

    fn models(ids: &[&str], keeping: Keeping) -> (Arc<Models>, Arc<AtomicUsize>) {
        let made = Arc::new(AtomicUsize::new(0));
        let specs = ids.iter().map(|id| {
            let made = made.clone();
            Spec {
                id: (*id).to_owned(),
                family: "tone".into(),
                voice: None,
                language: None,
                engine: Arc::new(move || {
                    made.fetch_add(1, Ordering::SeqCst);
                    // Long enough for others to come while it loads.
                    std::thread::sleep(Duration::from_millis(20));
                    Ok(Arc::new(ToneEngine::new(48_000)) as Arc<dyn Engine>)
                }),
            }
        });
        let keeping = Keeping {
            default: ids[0].to_owned(),
            ..keeping
        };
        (Arc::new(Models::new(specs, keeping)), made)
    }

    fn references(models: &Models, id: &str) -> usize {
        let list = models.list();
        list.iter()
            .find(|status| status.id == id)
            .unwrap()
            .references
    }

    fn loaded(models: &Models) -> Vec<String> {
        let list = models.list().into_iter();
        list.filter(|status| status.loaded)
            .map(|status| status.id)
            .collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_who_want_it_at_once_load_it_once() {
        let (models, made) = models(&["a"], Keeping::default());
        let wanting: Vec<_> = (0..20)
            .map(|_| {
                let models = models.clone();
                tokio::spawn(async move { models.acquire("").await.unwrap() })
            })
            .collect();
        let mut held = Vec::new();
        for one in wanting {
            held.push(one.await.unwrap());
        }
        assert_eq!(made.load(Ordering::SeqCst), 1);
        assert_eq!(references(&models, "a"), 20);
        drop(held);
        assert_eq!(references(&models, "a"), 0);
    }

    #[tokio::test]
    async fn an_unload_takes_nobody_elses_reference() {
        let (models, _) = models(&["default", "a"], Keeping::default());
        assert!(matches!(models.unload("a"), Err(ModelError::NotLoaded(_))));
        let session = models.acquire("a").await.unwrap();
        assert!(
            models
                .unload("a")
                .unwrap_err()
                .to_string()
                .contains("1 sessions")
        );
        models.load("a", false).await.unwrap();
        models.load("a", true).await.unwrap();
        assert_eq!(references(&models, "a"), 2);
        models.unload("a").unwrap();
        assert!(models.unload("a").is_err());
        assert!(models.unload("a").is_err());
        assert_eq!(references(&models, "a"), 1);
        drop(session);
        assert_eq!(references(&models, "a"), 0);
    }

    #[tokio::test]
    async fn what_nobody_uses_goes_after_its_time_and_the_default_stays() {
        let keeping = Keeping {
            ttl: Duration::from_secs(10),
            min_residency: Duration::from_secs(20),
            ..Keeping::default()
        };
        let (models, _) = models(&["default", "a", "b"], keeping);
        models.load("", true).await.unwrap();
        models.load("a", true).await.unwrap();
        let held = models.acquire("b").await.unwrap();
        let now = Instant::now();
        assert_eq!(models.evict(now + Duration::from_secs(15)), [""; 0]);
        assert_eq!(models.evict(now + Duration::from_secs(25)), ["a"]);
        assert_eq!(loaded(&models), ["b", "default"]);
        drop(held);
        assert_eq!(
            models.evict(Instant::now() + Duration::from_secs(25)),
            ["b"]
        );
        assert_eq!(models.acquire("b").await.unwrap().spec.id, "b");
    }

    #[tokio::test]
    async fn beyond_the_cap_the_longest_unused_goes_first_and_what_is_used_stays() {
        let keeping = Keeping {
            cap: 2,
            ..Keeping::default()
        };
        let (models, _) = models(&["default", "a", "b", "c"], keeping);
        let held = models.acquire("a").await.unwrap();
        models.load("b", true).await.unwrap();
        models.load("c", true).await.unwrap();
        assert_eq!(loaded(&models), ["a", "c"]);
        models.load("", true).await.unwrap();
        assert_eq!(loaded(&models), ["a", "default"]);
        drop(held);
    }

    #[tokio::test]
    async fn what_there_is_not_is_named_with_what_there_is() {
        let (models, _) = models(&["a", "b"], Keeping::default());
        let error = models.acquire("c").await.err().unwrap();
        assert_eq!(error.to_string(), "no model `c`: this worker has a, b");
        assert!(models.load("c", false).await.is_err());
        assert!(models.unload("c").is_err());
    }

    #[tokio::test]
    async fn a_model_that_fails_can_be_tried_again() {
        let tries = Arc::new(AtomicUsize::new(0));
        let count = tries.clone();
        let spec = Spec {
            id: "a".into(),
            family: "tone".into(),
            voice: None,
            language: None,
            engine: Arc::new(move || match count.fetch_add(1, Ordering::SeqCst) {
                0 => Err(Error::Unavailable("no such file".into())),
                1 => panic!("the loader panics"),
                _ => Ok(Arc::new(ToneEngine::default()) as Arc<dyn Engine>),
            }),
        };
        let models = Models::new([spec], Keeping::default());
        let error = models.acquire("a").await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "model `a` cannot be loaded: no such file"
        );
        assert!(models.acquire("a").await.is_err());
        assert!(models.acquire("a").await.is_ok());
        assert_eq!(tries.load(Ordering::SeqCst), 3);
    }
}
