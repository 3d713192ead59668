// SPDX-License-Identifier: MPL-2.0

//! Who hears of a download.

use std::time::Duration;

use duplex_models::Place;

/// Hears how files come, in the thread that fetches.
pub trait Watcher {
    /// A file of `size` bytes begins to come, of which `have` are here from an earlier try.
    fn begins(&mut self, place: &Place, size: u64, have: u64);
    /// So many bytes of it are here.
    fn at(&mut self, have: u64);
    /// It is here as a whole, `fetched` bytes of it since it began.
    fn ends(&mut self, place: &Place, fetched: u64);
    /// It was here before.
    fn is_here(&mut self, place: &Place);
    /// The next try is a while off.
    fn waits(&mut self, why: &str, time: Duration);
    /// Something else that people may want to know.
    fn says(&mut self, sentence: &str);
}
