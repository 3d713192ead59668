// SPDX-License-Identifier: MPL-2.0

//! A hook for tests: gives the processor away at random around locks and pushes, so that threads meet in
//! orders that a quiet machine never shows. Off unless a test turns it on; then it costs one relaxed load.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

static STATE: AtomicU64 = AtomicU64::new(0);

/// Turns the hook on with a seed, or off with 0. For the whole process.
pub fn set_seed(seed: u64) {
    STATE.store(seed, Ordering::Relaxed);
}

/// A place where another thread may go first.
#[inline]
pub fn point() {
    if STATE.load(Ordering::Relaxed) != 0 {
        stumble();
    }
}

#[cold]
fn stumble() {
    let old = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    let mut x = old ^ (old >> 30);
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    match x % 16 {
        0 => std::thread::sleep(Duration::from_micros(x % 700)),
        1..=6 => std::thread::yield_now(),
        _ => {}
    }
}
