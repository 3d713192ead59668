// SPDX-License-Identifier: MPL-2.0

//! Timestamps for sound that comes over a network. No clock, no thread.

use std::time::Duration;

/// Sound is taken to follow on what came before as long as it comes no later than this.
const PATIENCE: Duration = Duration::from_millis(100);
/// How far sound may run ahead of the clock before it is dropped: a client that sends faster than it records.
const AHEAD: Duration = Duration::from_secs(1);

/// When a piece of sound is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Running time of its first sample.
    pub at: Duration,
    /// How long it is.
    pub duration: Duration,
    /// It does not follow on the one before.
    pub discont: bool,
}

/// Gives each piece of a stream its time: one after the other without gaps, as they were recorded, however unevenly they
/// come.
#[derive(Clone, Copy, Debug)]
pub struct Stamps {
    rate: u32,
    next: Option<Duration>,
}

impl Stamps {
    /// For S16LE, mono, of that rate.
    pub fn new(rate: u32) -> Stamps {
        Stamps {
            rate: rate.max(1),
            next: None,
        }
    }

    /// The time of so many bytes that come at `now`; `None` where they are to be dropped.
    pub fn stamp(&mut self, now: Duration, bytes: usize) -> Option<Stamp> {
        let samples = bytes as u64 / 2;
        let duration = Duration::from_nanos(samples * 1_000_000_000 / u64::from(self.rate));
        if samples == 0 {
            return None;
        }
        let follows = self.next.filter(|next| now <= *next + PATIENCE);
        if follows.is_some_and(|next| next > now + AHEAD) {
            return None;
        }
        let at = follows.unwrap_or(now);
        self.next = Some(at + duration);
        Some(Stamp {
            at,
            duration,
            discont: follows.is_none(),
        })
    }

    /// How many bytes that long is.
    pub fn bytes_in(&self, time: Duration) -> usize {
        let samples = time.as_nanos() * u128::from(self.rate) / 1_000_000_000;
        usize::try_from(samples).unwrap_or(0) * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn uneven_arrival_leaves_no_gaps() {
        let mut stamps = Stamps::new(16_000);
        let mut stamp = |now, bytes| stamps.stamp(ms(now), bytes);
        let at = |at, discont| {
            Some(Stamp {
                at: ms(at),
                duration: ms(20),
                discont,
            })
        };
        assert_eq!(stamp(500, 640), at(500, true));
        assert_eq!(stamp(590, 640), at(520, false));
        assert_eq!(stamp(591, 640), at(540, false));
        assert_eq!(stamp(592, 640), at(560, false));
        // After a pause it begins anew.
        assert_eq!(stamp(900, 640), at(900, true));
        assert_eq!(stamp(900, 1), None);
    }

    #[test]
    fn who_sends_too_fast_is_not_heard_later() {
        let mut stamps = Stamps::new(16_000);
        let taken = (0..200)
            .filter(|_| stamps.stamp(ms(0), 640).is_some())
            .count();
        assert_eq!(taken, 51);
        assert_eq!(stamps.bytes_in(ms(20)), 640);
    }
}
