// SPDX-License-Identifier: MPL-2.0

//! How much sound may leave now. Pure: times go in, milliseconds of sound come out.
//!
//! A client on credit gets what it granted. Any other gets [`lead_ms`] at once and then a frame for
//! each frame's time, so that it is never further ahead than that; where the sender was late it
//! catches up. Where there was no sound to send, time that passed without it does not count: nobody
//! can use two seconds of sound at once because the text paused for two seconds.

use std::time::{Duration, Instant};

use duplex_proto::frames::{FRAME_MS, due_ms, lead_ms};

/// More than this is no credit but a way to have none.
const MOST_CREDIT_MS: u64 = 3_600_000;

/// The pace of one call.
#[derive(Debug)]
pub struct Pace {
    kind: Kind,
    lead_ms: u32,
    paused: Option<Instant>,
}

#[derive(Debug)]
enum Kind {
    Credit {
        left_ms: u64,
    },
    Clock {
        /// When the first of `sent_ms` left; none before that.
        since: Option<Instant>,
        /// Sent since then.
        sent_ms: u64,
    },
}

impl Pace {
    /// Of a client that grants credit, if it has granted any in its first chunk (be it 0), and that
    /// wants frames of this length.
    pub fn new(credit_ms: Option<i32>, frame_ms: u32) -> Self {
        let kind = match credit_ms {
            Some(ms) => Kind::Credit {
                left_ms: u64::try_from(ms).unwrap_or(0).min(MOST_CREDIT_MS),
            },
            None => Kind::Clock {
                since: None,
                sent_ms: 0,
            },
        };
        Self {
            kind,
            lead_ms: lead_ms(frame_ms),
            paused: None,
        }
    }

    /// The client grants so much more. Of one that did not begin so, it changes nothing.
    pub fn grant(&mut self, ms: i32) {
        if let Kind::Credit { left_ms } = &mut self.kind {
            *left_ms = (*left_ms + u64::try_from(ms).unwrap_or(0)).min(MOST_CREDIT_MS);
        }
    }

    /// Whether credit decides, and not the clock.
    pub fn on_credit(&self) -> bool {
        matches!(self.kind, Kind::Credit { .. })
    }

    /// How much sound may leave at `now`, in ms.
    pub fn allowed(&self, now: Instant) -> u64 {
        if self.paused.is_some() {
            return 0;
        }
        match self.kind {
            Kind::Credit { left_ms } => left_ms,
            Kind::Clock { since: None, .. } => self.lead_ms.into(),
            Kind::Clock {
                since: Some(since),
                sent_ms,
            } => {
                let elapsed = now.saturating_duration_since(since);
                due_ms(elapsed, self.lead_ms).saturating_sub(sent_ms)
            }
        }
    }

    /// When so much sound may leave, if time alone decides that.
    pub fn next(&self, ms: u32) -> Option<Instant> {
        match self.kind {
            Kind::Clock {
                since: Some(since),
                sent_ms,
            } if self.paused.is_none() => {
                let after = (sent_ms + u64::from(ms)).saturating_sub(self.lead_ms.into());
                let frame = u64::from(FRAME_MS);
                since.checked_add(Duration::from_millis(after.div_ceil(frame) * frame))
            }
            _ => None,
        }
    }

    /// So much sound leaves at `now`.
    pub fn sent(&mut self, ms: u32, now: Instant) {
        match &mut self.kind {
            Kind::Credit { left_ms } => *left_ms = left_ms.saturating_sub(u64::from(ms)),
            Kind::Clock { since, sent_ms } => {
                since.get_or_insert(now);
                *sent_ms += u64::from(ms);
            }
        }
    }

    /// There is nothing to send at `now`, though it might.
    pub fn starved(&mut self, now: Instant) {
        let Kind::Clock { since, sent_ms } = &mut self.kind else {
            return;
        };
        let Some(start) = *since else { return };
        let elapsed = now.saturating_duration_since(start).as_millis();
        // All that was sent has been played by now: the next sound begins a new count.
        if elapsed >= u128::from(*sent_ms) {
            (*since, *sent_ms) = (None, 0);
        }
    }

    /// Nothing leaves from now on.
    pub fn pause(&mut self, now: Instant) {
        self.paused.get_or_insert(now);
    }

    /// It goes on, as if the time in between had not been.
    pub fn resume(&mut self, now: Instant) {
        let Some(paused) = self.paused.take() else {
            return;
        };
        if let Kind::Clock {
            since: Some(since), ..
        } = &mut self.kind
        {
            *since += now.saturating_duration_since(paused);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Sends 20 ms frames as soon as they may leave, looking every ms; tells when each left.
    fn send(pace: &mut Pace, start: Instant, from: u64, to: u64) -> Vec<u64> {
        let mut left = Vec::new();
        for at in from..to {
            let now = start + ms(at);
            while pace.allowed(now) >= 20 && left.len() < 1000 {
                pace.sent(20, now);
                left.push(at);
            }
        }
        left
    }

    #[test]
    fn an_old_client_gets_sixty_at_once_and_then_real_time() {
        let start = Instant::now();
        let mut pace = Pace::new(None, 20);
        assert_eq!(
            send(&mut pace, start, 5, 70),
            [5, 5, 5, 25, 45, 65],
            "from the first frame on"
        );
        assert_eq!(pace.next(20), Some(start + ms(85)));
    }

    #[test]
    fn longer_frames_are_never_late_for_their_playout() {
        let start = Instant::now();
        let mut pace = Pace::new(None, 100);
        let mut left = Vec::new();
        for at in 0..500 {
            let now = start + ms(at);
            while pace.allowed(now) >= 100 {
                pace.sent(100, now);
                left.push(at);
            }
        }
        assert_eq!(left, [0, 60, 160, 260, 360, 460]);
    }

    #[test]
    fn a_late_tick_is_caught_up() {
        let start = Instant::now();
        let mut pace = Pace::new(None, 20);
        send(&mut pace, start, 0, 1);
        assert_eq!(send(&mut pace, start, 95, 101), [95, 95, 95, 95, 100]);
    }

    #[test]
    fn sound_that_was_not_there_is_not_caught_up() {
        let start = Instant::now();
        let mut pace = Pace::new(None, 20);
        send(&mut pace, start, 0, 1);
        pace.starved(start + ms(20));
        assert!(
            pace.allowed(start + ms(20)) >= 20,
            "what was sent still plays"
        );
        pace.starved(start + ms(2_000));
        assert_eq!(
            send(&mut pace, start, 2_000, 2_030),
            [2_000, 2_000, 2_000, 2_020]
        );
    }

    #[test]
    fn a_pause_does_not_count() {
        let start = Instant::now();
        let mut pace = Pace::new(None, 20);
        send(&mut pace, start, 0, 30);
        pace.pause(start + ms(30));
        pace.pause(start + ms(40));
        assert_eq!(send(&mut pace, start, 30, 500), [0; 0]);
        assert_eq!(pace.next(20), None);
        pace.resume(start + ms(500));
        assert_eq!(send(&mut pace, start, 500, 531), [510, 530]);
    }

    #[test]
    fn credit_is_all_that_counts_for_who_grants_it() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(0), 20);
        assert_eq!(pace.allowed(start + ms(1_000)), 0);
        pace.grant(50);
        assert_eq!(send(&mut pace, start, 0, 3), [0, 0]);
        pace.grant(-5);
        pace.grant(i32::MAX);
        pace.grant(i32::MAX);
        assert_eq!(send(&mut pace, start, 0, 3).len(), 1000);
        assert_eq!(pace.next(20), None);
        let mut old = Pace::new(None, 20);
        old.grant(1_000);
        assert_eq!(send(&mut old, start, 0, 3).len(), 3);
    }
}
