// SPDX-License-Identifier: MPL-2.0

//! The engine of one element: a thread that hears what the turn hands to it.
//!
//! The library cannot stop in the middle of a step, and a step of a large model takes seconds. So it works in a thread of
//! its own, and whoever waits for a result waits for the cancel as well. What is being heard when a turn is cancelled ends
//! at the library's next look at [`Abort`]; the next turn's passes queue behind it, its audio does not.
//!
//! No locks: jobs and results go through channels.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use duplex_recognition::{Cancel, Engine, Error, Hypothesis, RATE, Turn};
use whisper_rs::{WhisperContext, WhisperState, get_lang_id, get_lang_str};

use super::{
    model::{self, Device},
    pass::{self, Abort, Parameters, Settings},
};

/// Who waits for a result looks so often whether it is still wanted.
const LOOK: Duration = Duration::from_millis(5);
/// Less audio than this is not worth a pass while more comes, in samples.
const FIRST: usize = RATE as usize * 3 / 10;
/// Threads at most where nobody says how many.
const THREADS: usize = 4;

/// What an element wants.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The model's file.
    pub model: PathBuf,
    /// What computes.
    pub device: Device,
    /// A code, `auto` or nothing.
    pub language: Option<String>,
    /// Into English.
    pub translate: bool,
    /// 0: half of the processors, [`THREADS`] at most.
    pub threads: u32,
    /// Whether anybody wants results before the turn is over.
    pub partials: bool,
}

/// What an element's engines have done.
#[derive(Debug, Default)]
pub struct Counters {
    passes: AtomicU64,
    cancelled: AtomicU64,
    nanoseconds: AtomicU64,
    /// Engines that compute now.
    hearing: AtomicU64,
}

impl Counters {
    /// Whether something is being heard.
    pub fn hearing(&self) -> bool {
        self.hearing.load(Ordering::Relaxed) > 0
    }

    /// Passes, those of them that were cancelled, and nanoseconds of all.
    pub fn read(&self) -> (u64, u64, u64) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (
            get(&self.passes),
            get(&self.cancelled),
            get(&self.nanoseconds),
        )
    }
}

/// A pass over a turn, so far.
struct Pass {
    samples: Vec<f32>,
    abort: Arc<Abort>,
    result: Sender<Heard>,
}

struct Heard {
    result: Result<Hypothesis, Error>,
    /// How long it took.
    took: Duration,
}

enum Job {
    Hear(Pass),
    Stop,
}

/// The thread, once it runs.
struct Worker {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

/// The engine of one element.
pub struct WhisperEngine {
    configuration: Configuration,
    language: Option<&'static str>,
    counters: Arc<Counters>,
    worker: Mutex<Option<Worker>>,
}

impl WhisperEngine {
    /// An engine of that configuration. Loads nothing.
    ///
    /// # Errors
    /// The language is none that Whisper knows.
    pub fn new(configuration: Configuration, counters: Arc<Counters>) -> Result<Self, Error> {
        let language = match configuration.language.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(auto) if auto.eq_ignore_ascii_case("auto") => None,
            Some(tag) => {
                // The library knows languages, not the countries that they are spoken in.
                let code = tag.split(['-', '_']).next().unwrap_or(tag);
                let code = code.to_ascii_lowercase();
                let known = (!code.contains('\0'))
                    .then(|| get_lang_id(&code))
                    .flatten()
                    .and_then(get_lang_str);
                Some(known.ok_or_else(|| {
                    Error::Settings(format!(
                        "Whisper knows no language `{tag}`: set language= to a code such as en, de or zh, or to auto"
                    ))
                })?)
            }
        };
        Ok(Self {
            configuration,
            language,
            counters,
            worker: Mutex::default(),
        })
    }

    fn settings(&self, model: &WhisperContext) -> Result<Settings, Error> {
        let multilingual = model.is_multilingual();
        if !multilingual {
            let path = self.configuration.model.display();
            if self.language.is_some_and(|code| code != "en") {
                return Err(Error::Settings(format!(
                    "the model {path} knows English only: set language=en, or take a model whose name does not end in .en"
                )));
            }
            if self.configuration.translate {
                return Err(Error::Settings(format!(
                    "the model {path} cannot translate: set translate=false, or take a model whose name does not end in .en"
                )));
            }
        }
        let threads = match self.configuration.threads {
            // The library's threads wait for each other awake: one whose processor somebody else has holds them all up.
            0 => std::thread::available_parallelism()
                .map_or(1, |processors| processors.get().div_ceil(2))
                .min(THREADS),
            threads => threads as usize,
        };
        Ok(Settings {
            language: self.language,
            translate: self.configuration.translate,
            threads: i32::try_from(threads).unwrap_or(1),
            context: model.n_audio_ctx(),
            multilingual,
            special: model.token_eot(),
        })
    }

    /// The thread, which is started where it was not.
    fn jobs(&self) -> Result<Sender<Job>, Error> {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = &*worker {
            return Ok(worker.jobs.clone());
        }
        let model = model::load(&self.configuration.model, self.configuration.device)?;
        let settings = self.settings(&model)?;
        let state = model.create_state().map_err(|_| {
            Error::Failed(
                "no memory for one more caller of this model: take a smaller one".to_owned(),
            )
        })?;
        let (jobs, inbox) = mpsc::channel();
        let counters = self.counters.clone();
        let thread = std::thread::Builder::new()
            .name("whisper".to_owned())
            .spawn(move || {
                work(&inbox, state, &settings, &counters);
                // The last who uses it frees it.
                drop(model);
            })
            .map_err(|error| Error::Failed(format!("no thread for the recogniser: {error}")))?;
        *worker = Some(Worker {
            jobs: jobs.clone(),
            thread,
        });
        Ok(jobs)
    }
}

impl Drop for WhisperEngine {
    fn drop(&mut self) {
        let worker = self
            .worker
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = worker.take() {
            let _ = worker.jobs.send(Job::Stop);
            // Its turns were cancelled before. It must not compute on while the process ends.
            let _ = worker.thread.join();
        }
    }
}

fn work(inbox: &Receiver<Job>, mut state: WhisperState, settings: &Settings, counters: &Counters) {
    let parameters = Parameters::new(settings);
    while let Ok(Job::Hear(pass)) = inbox.recv() {
        let began = Instant::now();
        counters.hearing.fetch_add(1, Ordering::Relaxed);
        let result = if pass.abort.wanted() {
            Err(Error::Cancelled)
        } else {
            pass::hear(
                &mut state,
                &pass.samples,
                settings,
                &parameters,
                &pass.abort,
            )
        };
        let took = began.elapsed();
        counters.passes.fetch_add(1, Ordering::Relaxed);
        if result == Err(Error::Cancelled) {
            counters.cancelled.fetch_add(1, Ordering::Relaxed);
        }
        counters.nanoseconds.fetch_add(
            u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        counters.hearing.fetch_sub(1, Ordering::Relaxed);
        // Nobody may wait any more.
        let _ = pass.result.send(Heard { result, took });
    }
}

impl Engine for WhisperEngine {
    fn prepare(&self) -> Result<(), Error> {
        self.jobs().map(drop)
    }

    fn start(&self, cancel: &Cancel) -> Result<Box<dyn Turn>, Error> {
        Ok(Box::new(WhisperTurn {
            jobs: self.jobs()?,
            cancel: cancel.clone(),
            partials: self.configuration.partials,
            samples: Vec::new(),
            spoken: None,
            running: None,
            latest: Hypothesis::default(),
            covers: 0,
            next: FIRST,
        }))
    }
}

/// A pass that was asked for.
struct Running {
    result: Receiver<Heard>,
    abort: Arc<Abort>,
    /// Samples that it hears.
    covers: usize,
}

struct WhisperTurn {
    jobs: Sender<Job>,
    cancel: Cancel,
    partials: bool,
    /// All of the turn.
    samples: Vec<f32>,
    /// Up to where it was spoken, once that is over.
    spoken: Option<usize>,
    running: Option<Running>,
    latest: Hypothesis,
    /// Samples that `latest` has heard.
    covers: usize,
    /// Samples from which on the next pass is worth its while.
    next: usize,
}

impl WhisperTurn {
    fn cancelled(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Hears everything that there is so far, in place of whatever is being heard.
    fn begin_pass(&mut self) -> Result<(), Error> {
        self.abort_pass();
        let (result, results) = mpsc::channel();
        let abort = Arc::new(Abort::new(&self.cancel));
        let job = Job::Hear(Pass {
            samples: self.samples.clone(),
            abort: abort.clone(),
            result,
        });
        self.jobs.send(job).map_err(|_| Error::Cancelled)?;
        self.running = Some(Running {
            result: results,
            abort,
            covers: self.samples.len(),
        });
        Ok(())
    }

    fn abort_pass(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort.pass.cancel();
        }
    }

    /// Takes the result of a pass.
    fn heard(&mut self, covers: usize, heard: Heard) -> Result<(), Error> {
        self.latest = heard.result?;
        self.covers = covers;
        // Half of the time is left to others.
        let samples = heard.took.as_secs_f64() * 2.0 * f64::from(RATE);
        self.next = covers + samples as usize;
        Ok(())
    }

    /// Takes a result where there is one.
    fn poll(&mut self) -> Result<(), Error> {
        let Some(running) = &self.running else {
            return Ok(());
        };
        let covers = running.covers;
        match running.result.try_recv() {
            Err(TryRecvError::Empty) => Ok(()),
            Ok(heard) => {
                self.running = None;
                self.heard(covers, heard)
            }
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }

    /// Waits for the pass that runs.
    fn wait(&mut self) -> Result<(), Error> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        loop {
            match running.result.recv_timeout(LOOK) {
                Ok(heard) => return self.heard(running.covers, heard),
                Err(RecvTimeoutError::Timeout) => self.cancelled()?,
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
    }
}

/// The thread has ended, which nobody asked for.
fn gone() -> Error {
    Error::Failed("the recogniser's thread has ended".to_owned())
}

impl Turn for WhisperTurn {
    fn feed(&mut self, samples: &[f32]) -> Result<(), Error> {
        self.cancelled()?;
        self.samples.extend_from_slice(samples);
        Ok(())
    }

    fn speaking(&mut self, speaking: bool) {
        self.spoken = (!speaking).then_some(self.samples.len());
        if !speaking && !self.samples.is_empty() {
            // For good, while the endpointing delay runs. An error shows in `finish`.
            let _ = self.begin_pass();
        }
    }

    fn partial(&mut self) -> Result<Hypothesis, Error> {
        self.cancelled()?;
        self.poll()?;
        let worth = self.spoken.is_none() && self.samples.len() >= self.next;
        if self.partials && worth && self.running.is_none() {
            self.begin_pass()?;
        }
        Ok(self.latest.clone())
    }

    fn finish(mut self: Box<Self>) -> Result<Hypothesis, Error> {
        self.cancelled()?;
        let needed = self.spoken.unwrap_or(self.samples.len());
        if self
            .running
            .as_ref()
            .is_some_and(|running| running.covers >= needed)
        {
            self.wait()?;
        }
        if self.covers < needed {
            self.begin_pass()?;
            self.wait()?;
        }
        Ok(std::mem::take(&mut self.latest))
    }
}

impl Drop for WhisperTurn {
    fn drop(&mut self) {
        self.abort_pass();
    }
}
