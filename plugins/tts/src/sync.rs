// SPDX-License-Identifier: MPL-2.0

//! Locking that outlives a panic, and that tests can make unlucky.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::playout::yields;

/// A panic elsewhere does not make what it held unusable: it has become an ERROR message, and the sound goes on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    yields::point();
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
