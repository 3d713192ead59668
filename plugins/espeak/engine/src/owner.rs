// SPDX-License-Identifier: GPL-3.0-or-later
//! The one thread of the process that calls the library.
//!
//! Utterances that want sound queue up and each gets one clause in its turn, so that none waits
//! for more than one clause of every other. The thread starts with the first use and stays: the
//! library cannot be initialised twice.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, mpsc},
    thread,
};

use duplex_synthesis::Error;

use crate::{library::Library, speech::Speech, voices::Voices};

/// What is known once the library is initialised.
pub struct Facts {
    pub sample_rate: u32,
    pub voices: Voices,
}

/// The thread's mailbox.
pub struct Owner {
    queue: Mutex<VecDeque<Job>>,
    wanted: Condvar,
}

enum Job {
    Speak(Arc<Speech>),
    Call(Box<dyn FnOnce(&mut Library) + Send>),
}

static OWNER: Owner = Owner {
    queue: Mutex::new(VecDeque::new()),
    wanted: Condvar::new(),
};
static FACTS: OnceLock<Result<Facts, Error>> = OnceLock::new();

impl Owner {
    /// The owner and its facts; initialises the library at the first call.
    pub fn get() -> Result<(&'static Owner, &'static Facts), Error> {
        let facts = FACTS.get_or_init(|| {
            let (sender, receiver) = mpsc::channel();
            thread::Builder::new()
                .name("espeak".into())
                .spawn(move || OWNER.run(sender))
                .map_err(|error| {
                    Error::Unavailable(format!("cannot start the thread of libespeak-ng: {error}"))
                })?;
            receiver.recv().map_err(|_| {
                Error::Unavailable("libespeak-ng's thread ended while it initialised".into())
            })?
        });
        match facts {
            Ok(facts) => Ok((&OWNER, facts)),
            Err(error) => Err(error.clone()),
        }
    }

    /// Gives an utterance its turn after all that wait already.
    pub fn queue(&self, speech: Arc<Speech>) {
        self.post(Job::Speak(speech));
    }

    /// Runs something in the owner thread, in its turn, and waits for its result.
    pub fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Library) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = mpsc::channel();
        self.post(Job::Call(Box::new(move |library| {
            // Nobody listens only if the caller is gone.
            let _ = sender.send(call(library));
        })));
        receiver
            .recv()
            .unwrap_or_else(|_| Err(Error::Failed("a fault in libespeak-ng's thread".into())))
    }

    fn post(&self, job: Job) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(job);
        self.wanted.notify_one();
    }

    fn run(&self, ready: mpsc::Sender<Result<Facts, Error>>) {
        let mut library = match Library::new() {
            Ok(library) => library,
            Err(error) => {
                // Nobody listens only if the process is ending.
                let _ = ready.send(Err(error));
                return;
            }
        };
        let facts = Facts {
            sample_rate: library.sample_rate,
            voices: library.voices.clone(),
        };
        let _ = ready.send(Ok(facts));
        loop {
            let job = {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    match queue.pop_front() {
                        Some(job) => break job,
                        None => {
                            queue = self
                                .wanted
                                .wait(queue)
                                .unwrap_or_else(PoisonError::into_inner);
                        }
                    }
                }
            };
            match job {
                Job::Speak(speech) => {
                    let turn = AssertUnwindSafe(|| speech.clone().turn(&mut library));
                    if catch_unwind(turn).is_err() {
                        speech.fail(Error::Failed(
                            "a fault in the espeak engine ended this utterance".into(),
                        ));
                    }
                }
                Job::Call(call) => {
                    // The caller learns of a fault by its answer that never comes.
                    let _ = catch_unwind(AssertUnwindSafe(|| call(&mut library)));
                }
            }
        }
    }
}
