// SPDX-License-Identifier: MPL-2.0
//! Waiting in a thread for what can be polled.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

/// Wakes the thread that waits.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// One for each thread: waiting allocates nothing.
    static WAKER: Waker = Waker::from(Arc::new(Parked(thread::current())));
}

/// Polls until there is an answer, and sleeps in between.
pub(crate) fn wait_for<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    WAKER.with(|waker| {
        let mut context = Context::from_waker(waker);
        loop {
            if let Poll::Ready(answer) = poll(&mut context) {
                return answer;
            }
            // Woken for something else, it polls once more.
            thread::park();
        }
    })
}
