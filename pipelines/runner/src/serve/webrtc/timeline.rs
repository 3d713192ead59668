// SPDX-License-Identifier: MPL-2.0

//! Which sample of which utterance a moment of the stream is, so that a browser can say how far it has played by the RTP
//! time of what it played last. No clock, no thread.
//!
//! The payloader counts from zero with the pipeline's running time (its `timestamp-offset` is set so), in ticks of Opus:
//! 48,000 a second, in 32 bits, which come round after a day.

use std::sync::Arc;
use std::time::Duration;

use crate::serve::session::framer::Passage;

const TICKS: u64 = 48_000;
/// Anchors that are kept: an utterance has one, and one more for each pause.
const KEPT: usize = 64;

/// From this running time on, that position of that utterance sounds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Anchor {
    at: Duration,
    utterance: Arc<str>,
    position: Duration,
    /// So much of it has sounded before, whatever was said twice counted twice.
    sounded: Duration,
    /// Nothing more of it from here on, for now.
    silent: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    anchors: Vec<Anchor>,
}

/// The RTP time of a running time.
pub fn rtp(at: Duration) -> u32 {
    let ticks = at.as_nanos() * u128::from(TICKS) / 1_000_000_000;
    (ticks & u128::from(u32::MAX)) as u32
}

/// The running time that an RTP time means, near `now`.
pub fn running(rtp: u32, now: Duration) -> Duration {
    let here = self::rtp(now);
    // Half of the circle lies behind, half ahead.
    let offset = i64::from(rtp.wrapping_sub(here) as i32);
    let nanos = offset * 1_000_000_000 / i64::try_from(TICKS).unwrap_or(48_000);
    if nanos >= 0 {
        now + Duration::from_nanos(nanos.unsigned_abs())
    } else {
        now.saturating_sub(Duration::from_nanos(nanos.unsigned_abs()))
    }
}

impl Timeline {
    /// What the mouth tells of the sound from `at` on.
    pub fn passage(&mut self, passage: &Passage, at: Duration) {
        match passage {
            Passage::Speech(utterance, position) => self.sounds(utterance.clone(), *position, at),
            // The sound of a pause inside an utterance is silence that has no place in it.
            Passage::Silence | Passage::End(_) => {
                if let Some(utterance) = self.anchors.last().map(|last| last.utterance.clone()) {
                    self.rests(utterance, at);
                }
            }
        }
    }

    /// From `at` on an utterance sounds, from `position` of it.
    pub fn sounds(&mut self, utterance: Arc<str>, position: Duration, at: Duration) {
        let before = self
            .anchors
            .iter()
            .rev()
            .find(|anchor| anchor.utterance == utterance);
        let sounded = before.map_or(Duration::ZERO, |anchor| anchor.sounded_at(at));
        self.add(Anchor {
            at,
            utterance,
            position,
            sounded,
            silent: false,
        });
    }

    /// From `at` on it is silent.
    pub fn rests(&mut self, utterance: Arc<str>, at: Duration) {
        let before = self
            .anchors
            .iter()
            .rev()
            .find(|anchor| anchor.utterance == utterance);
        let Some((position, sounded)) =
            before.map(|anchor| (anchor.position_at(at), anchor.sounded_at(at)))
        else {
            return;
        };
        self.add(Anchor {
            at,
            utterance,
            position,
            sounded,
            silent: true,
        });
    }

    fn add(&mut self, anchor: Anchor) {
        if self.anchors.len() >= KEPT {
            self.anchors.remove(0);
        }
        self.anchors.push(anchor);
    }

    /// The running time at which that position of an utterance sounds, or would, as far as is known.
    pub fn when(&self, utterance: &str, position: Duration) -> Option<Duration> {
        let mut anchors = self.anchors.iter().rev();
        let anchor = anchors.find(|anchor| {
            &*anchor.utterance == utterance && !anchor.silent && anchor.position <= position
        })?;
        Some(anchor.at + (position - anchor.position))
    }

    /// The utterance that sounds, or sounded last, at a running time, and how much of it has by then.
    pub fn sounded(&self, at: Duration) -> Option<(Arc<str>, Duration)> {
        let anchor = self.anchors.iter().rfind(|anchor| anchor.at <= at)?;
        Some((anchor.utterance.clone(), anchor.sounded_at(at)))
    }
}

impl Anchor {
    fn since(&self, at: Duration) -> Duration {
        if self.silent {
            Duration::ZERO
        } else {
            at.saturating_sub(self.at)
        }
    }

    fn position_at(&self, at: Duration) -> Duration {
        self.position + self.since(at)
    }

    fn sounded_at(&self, at: Duration) -> Duration {
        self.sounded + self.since(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn rtp_time_goes_round_and_comes_back() {
        assert_eq!(rtp(ms(1000)), 48_000);
        let day = Duration::from_secs(24 * 3600 + 1800);
        for back in [0, 20, 500, 5_000] {
            let then = day - ms(back);
            assert_eq!(running(rtp(then), day), then);
        }
        assert_eq!(running(rtp(day + ms(40)), day), day + ms(40));
        assert_eq!(
            running(rtp(Duration::ZERO).wrapping_sub(48), Duration::ZERO),
            Duration::ZERO
        );
    }

    #[test]
    fn a_pause_holds_the_count_and_a_cut_word_begins_again() {
        let (a, b) = (Arc::<str>::from("a"), Arc::<str>::from("b"));
        let mut timeline = Timeline::default();
        timeline.sounds(a.clone(), ms(0), ms(1_000));
        timeline.rests(a.clone(), ms(1_400));
        timeline.sounds(a.clone(), ms(310), ms(2_000));
        timeline.sounds(b.clone(), ms(0), ms(3_000));
        for (at, utterance, sounded) in [
            (1_000, &a, 0),
            (1_250, &a, 250),
            (1_399, &a, 399),
            (1_900, &a, 400),
            (2_100, &a, 500),
            (3_020, &b, 20),
        ] {
            assert_eq!(
                timeline.sounded(ms(at)),
                Some((utterance.clone(), ms(sounded))),
                "{at} ms"
            );
        }
        assert_eq!(timeline.sounded(ms(999)), None);
        assert_eq!(timeline.when("a", ms(120)), Some(ms(1_120)));
        assert_eq!(timeline.when("a", ms(500)), Some(ms(2_190)));
        assert_eq!(timeline.when("b", ms(80)), Some(ms(3_080)));
        assert_eq!(timeline.when("c", ms(0)), None);
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let mut timeline = Timeline::default();
        for n in 0..1_000 {
            timeline.sounds("u".into(), ms(n), ms(n * 10));
        }
        assert_eq!(timeline.anchors.len(), KEPT);
        assert_eq!(timeline.sounded(ms(0)), None);
    }
}
