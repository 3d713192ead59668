// SPDX-License-Identifier: MPL-2.0

//! Results of tools, on their way from the application to the answer that waits for them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// Calls whose results are waited for, by their ids.
#[derive(Clone, Debug, Default)]
pub struct Waiting(Arc<Mutex<HashMap<String, oneshot::Sender<String>>>>);

impl Waiting {
    fn calls(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the result of that call.
    pub fn expect(&self, id: &str) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        let mut calls = self.calls();
        // Those of answers that were cancelled.
        calls.retain(|_, sender| !sender.is_closed());
        calls.insert(id.to_owned(), sender);
        receiver
    }

    /// Here it is. False where nobody waits for it.
    pub fn result(&self, id: &str, text: String) -> bool {
        let sender = self.calls().remove(id);
        sender.is_some_and(|sender| sender.send(text).is_ok())
    }
}
