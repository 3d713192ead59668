// SPDX-License-Identifier: MPL-2.0

//! A call as others see it: what Control does to it, from any thread.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// How long a call may take to go by what is wanted of it before nobody waits for it any more.
const PATIENCE: Duration = Duration::from_millis(50);

/// What is wanted of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// It is to be silent, and to keep everything.
    pub paused: bool,
    /// It is to end now, with an end marker.
    pub stopped: bool,
}

#[derive(Default)]
struct State {
    wanted: Wanted,
    /// Changes of `wanted`, and how many of them the call has seen.
    changes: u64,
    seen: u64,
    ended: bool,
}

/// One running Synthesize.
#[derive(Default)]
pub struct Call {
    /// What the client calls its utterance; empty where it has no name.
    pub utterance_id: String,
    state: Mutex<State>,
    task: AtomicWaker,
    answered: Notify,
    /// The engine has an utterance for it.
    open: AtomicBool,
}

impl Call {
    /// A call of an utterance with this name.
    pub fn new(utterance_id: String) -> Self {
        Self {
            utterance_id,
            ..Self::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is wanted, and returns once the call goes by it: no frame that it makes after
    /// that is against it. A call that makes none at all, since its client does not read, is not
    /// waited for.
    pub async fn change(&self, change: impl FnOnce(&mut Wanted)) {
        let number = {
            let mut state = self.lock();
            change(&mut state.wanted);
            state.changes += 1;
            state.changes
        };
        self.task.wake();
        let answer = async {
            loop {
                let answered = self.answered.notified();
                {
                    let state = self.lock();
                    if state.ended || state.seen >= number {
                        return;
                    }
                }
                answered.await;
            }
        };
        // Late or not, the change stands.
        let _ = tokio::time::timeout(PATIENCE, answer).await;
    }

    /// What is wanted; woken by the next change.
    pub(crate) fn look(&self, waker: &Waker) -> Wanted {
        self.task.register(waker);
        let mut state = self.lock();
        let news = state.seen != state.changes;
        state.seen = state.changes;
        let wanted = state.wanted;
        drop(state);
        if news {
            self.answered.notify_waiters();
        }
        wanted
    }

    /// The engine has an utterance for it.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn opened(&self) {
        self.open.store(true, Ordering::Release);
    }

    /// The call is over.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.answered.notify_waiters();
    }
}
