// SPDX-License-Identifier: MPL-2.0

//! What is loaded once in a process and shared while anybody uses it.
//!
//! [`engines`] holds the engines, keyed by model and device. A [`Registry`] keeps weak handles: the last user that drops its
//! own ends the engine, and the next who asks loads it anew.
//!
//! Whoever asks first loads, in its own thread; others that ask meanwhile wait for that, and hear of its progress. A load that
//! fails, fails for those who waited; the next who asks tries again.
//!
//! ```
//! use std::sync::Arc;
//!
//! let words = duplex_neural::registry::Registry::<&str, String>::default();
//! let load = |_: &dyn Fn(_)| Ok(Arc::new("loaded".to_owned()));
//! let first = words.get("model on cpu", &|_| (), load).unwrap();
//! let second = words.get("model on cpu", &|_| (), load).unwrap();
//! assert!(Arc::ptr_eq(&first, &second));
//! ```

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, Weak},
};

use duplex_synthesis::Error;

use crate::engine::NeuralEngine;

/// The engines of this process. The key names the model and the device in the caller's words; equal keys share.
pub fn engines() -> &'static Registry<String, NeuralEngine> {
    static ENGINES: LazyLock<Registry<String, NeuralEngine>> = LazyLock::new(Registry::default);
    &ENGINES
}

/// How far a load has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// From 0.0 to 1.0.
    pub done: f64,
    /// What is being done, for people.
    pub what: String,
}

/// Shares what is loaded. All methods may be called from any thread.
pub struct Registry<K, V: ?Sized> {
    places: Mutex<HashMap<K, Place<V>>>,
}

enum Place<V: ?Sized> {
    Loading(Arc<Load<V>>),
    Loaded(Weak<V>),
}

/// A load under way, or what became of it.
struct Load<V: ?Sized> {
    state: Mutex<State<V>>,
    changed: Condvar,
}

struct State<V: ?Sized> {
    progress: Progress,
    /// Counts what was told of the progress.
    told: u64,
    result: Option<Result<Arc<V>, Error>>,
}

impl<V: ?Sized> Load<V> {
    fn lock(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, progress: Progress) {
        {
            let mut state = self.lock();
            state.progress = progress;
            state.told += 1;
        }
        self.changed.notify_all();
    }

    /// Waits for another thread's load.
    fn wait(&self, progress: &dyn Fn(&Progress)) -> Result<Arc<V>, Error> {
        let mut heard = 0;
        let mut state = self.lock();
        loop {
            if let Some(result) = &state.result {
                return result.clone();
            }
            if state.told > heard {
                heard = state.told;
                let news = state.progress.clone();
                drop(state);
                progress(&news);
                state = self.lock();
                continue;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<K, V: ?Sized> Default for Registry<K, V> {
    fn default() -> Self {
        Self {
            places: Mutex::default(),
        }
    }
}

impl<K: Clone + Eq + Hash, V: ?Sized> Registry<K, V> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Place<V>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this key stands for, if it is loaded.
    pub fn loaded(&self, key: &K) -> Option<Arc<V>> {
        match self.lock().get(key) {
            Some(Place::Loaded(weak)) => weak.upgrade(),
            _ => None,
        }
    }

    /// What this key stands for. Where it has to be loaded, `load` does that in this thread and tells of its progress, or
    /// another thread is at it already and this one waits. `progress` hears of either, in this thread.
    pub fn get(
        &self,
        key: K,
        progress: &dyn Fn(&Progress),
        load: impl FnOnce(&dyn Fn(Progress)) -> Result<Arc<V>, Error>,
    ) -> Result<Arc<V>, Error> {
        let attempt = Arc::new(Load {
            state: Mutex::new(State {
                progress: Progress::default(),
                told: 0,
                result: None,
            }),
            changed: Condvar::new(),
        });
        let other = {
            let mut places = self.lock();
            match places.get(&key) {
                Some(Place::Loaded(weak)) if let Some(loaded) = weak.upgrade() => {
                    return Ok(loaded);
                }
                Some(Place::Loading(other)) => Some(other.clone()),
                _ => {
                    // Whatever nobody uses any more leaves nothing behind.
                    places.retain(|_, place| match place {
                        Place::Loading(_) => true,
                        Place::Loaded(weak) => weak.strong_count() > 0,
                    });
                    places.insert(key.clone(), Place::Loading(attempt.clone()));
                    None
                }
            }
        };
        if let Some(other) = other {
            return other.wait(progress);
        }
        let mut ending = Ending {
            registry: self,
            key,
            attempt: &attempt,
            result: Some(Err(Error::Failed(
                "loading panicked; the log says where".into(),
            ))),
        };
        let result = load(&|news: Progress| {
            progress(&news);
            attempt.tell(news);
        });
        ending.result = Some(result.clone());
        drop(ending);
        result
    }
}

/// Tells everybody what became of a load, also where that is a panic.
struct Ending<'a, K: Clone + Eq + Hash, V: ?Sized> {
    registry: &'a Registry<K, V>,
    key: K,
    attempt: &'a Load<V>,
    result: Option<Result<Arc<V>, Error>>,
}

impl<K: Clone + Eq + Hash, V: ?Sized> Drop for Ending<'_, K, V> {
    fn drop(&mut self) {
        let Some(result) = self.result.take() else {
            return;
        };
        {
            let mut places = self.registry.lock();
            match &result {
                Ok(loaded) => {
                    places.insert(self.key.clone(), Place::Loaded(Arc::downgrade(loaded)));
                }
                Err(_) => {
                    places.remove(&self.key);
                }
            }
        }
        self.attempt.lock().result = Some(result);
        self.attempt.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Barrier,
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        thread,
    };

    use super::*;

    type Words = Registry<&'static str, String>;

    fn never(_: &dyn Fn(Progress)) -> Result<Arc<String>, Error> {
        panic!("loaded twice")
    }

    #[test]
    fn one_loads_while_the_others_wait_and_hear_of_it() {
        let words = Arc::new(Words::default());
        let (loading, is_loading) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let loader = thread::spawn({
            let words = words.clone();
            move || {
                words.get("a", &|_| (), |tell| {
                    tell(Progress {
                        done: 0.5,
                        what: "half".into(),
                    });
                    loading.send(()).unwrap();
                    gone.recv().unwrap();
                    Ok(Arc::new("loaded".into()))
                })
            }
        });
        is_loading.recv().unwrap();
        assert!(words.loaded(&"a").is_none());
        let (told, hears) = mpsc::channel();
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let (words, told) = (words.clone(), told.clone());
                thread::spawn(move || {
                    words.get("a", &|news| told.send(news.what.clone()).unwrap(), never)
                })
            })
            .collect();
        for _ in &waiters {
            assert_eq!(hears.recv().unwrap(), "half");
        }
        // Another key does not wait.
        let other = words.get("b", &|_| (), |_| Ok(Arc::new("other".into())));
        assert_eq!(*other.unwrap(), "other");
        go.send(()).unwrap();
        let first = loader.join().unwrap().unwrap();
        for waiter in waiters {
            assert!(Arc::ptr_eq(&waiter.join().unwrap().unwrap(), &first));
        }
        assert!(Arc::ptr_eq(&words.loaded(&"a").unwrap(), &first));
    }

    #[test]
    fn what_nobody_uses_is_loaded_anew_and_leaves_no_place() {
        let words = Words::default();
        let count = AtomicUsize::new(0);
        let load = |_: &dyn Fn(Progress)| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(Arc::new(String::new()))
        };
        let first = words.get("a", &|_| (), load).unwrap();
        drop(words.get("a", &|_| (), load).unwrap());
        assert_eq!(count.load(Ordering::Relaxed), 1);
        drop(first);
        assert!(words.loaded(&"a").is_none());
        drop(words.get("a", &|_| (), load).unwrap());
        assert_eq!(count.load(Ordering::Relaxed), 2);
        let kept = words.get("b", &|_| (), load).unwrap();
        assert_eq!(words.lock().len(), 1);
        drop(kept);
    }

    #[test]
    fn a_failed_load_fails_for_who_waited_and_is_tried_again() {
        let words = Arc::new(Words::default());
        let (loading, is_loading) = mpsc::channel();
        let waiting = Arc::new(Barrier::new(2));
        let loader = thread::spawn({
            let (words, waiting) = (words.clone(), waiting.clone());
            move || {
                words.get("a", &|_| (), |tell| {
                    tell(Progress::default());
                    loading.send(()).unwrap();
                    waiting.wait();
                    Err(Error::Unavailable("no such file".into()))
                })
            }
        });
        is_loading.recv().unwrap();
        let heard = |_: &Progress| {
            waiting.wait();
        };
        let answer = words.get("a", &heard, never);
        let expected = Err(Error::Unavailable("no such file".into()));
        assert_eq!(answer, expected);
        assert_eq!(loader.join().unwrap(), expected);
        let again = words.get("a", &|_| (), |_| Ok(Arc::new("now".into())));
        assert_eq!(*again.unwrap(), "now");
    }

    #[test]
    fn a_panic_while_loading_is_an_error_for_who_waits() {
        let words = Arc::new(Words::default());
        let (loading, is_loading) = mpsc::channel();
        let waiting = Arc::new(Barrier::new(2));
        let loader = thread::spawn({
            let (words, waiting) = (words.clone(), waiting.clone());
            move || {
                words.get("a", &|_| (), |tell| {
                    tell(Progress::default());
                    loading.send(()).unwrap();
                    waiting.wait();
                    panic!("expected by this test")
                })
            }
        });
        is_loading.recv().unwrap();
        let heard = |_: &Progress| {
            waiting.wait();
        };
        let answer = words.get("a", &heard, never);
        assert!(matches!(answer, Err(Error::Failed(_))), "{answer:?}");
        assert!(loader.join().is_err());
        assert!(words.get("a", &|_| (), |_| Ok(Arc::default())).is_ok());
    }
}
