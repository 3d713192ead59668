// SPDX-License-Identifier: MPL-2.0

//! Where the time of a turn goes on this side, from the caller's last word to the first sample of the answer. No clock.

use std::time::{Duration, Instant};

/// A part of a turn's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// What took it.
    pub name: &'static str,
    /// How long.
    pub time: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    /// Between the end of the speech and the decision that the turn had ended; typed turns have none.
    endpointing: Option<Duration>,
    decided: Instant,
    answered: Option<Instant>,
}

/// The turn that is being answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency(Option<Open>);

impl Latency {
    /// The caller's turn is over, so long after the last word.
    pub fn decided(&mut self, endpointing: Option<Duration>, now: Instant) {
        self.0 = Some(Open {
            endpointing,
            decided: now,
            answered: None,
        });
    }

    /// The answer's first words are there.
    pub fn answered(&mut self, now: Instant) {
        if let Some(open) = &mut self.0 {
            open.answered.get_or_insert(now);
        }
    }

    /// The answer's first sample leaves: what took how long. `None` where no turn is being answered.
    pub fn spoken(&mut self, now: Instant) -> Option<Vec<Stage>> {
        let open = self.0.take()?;
        let answered = open.answered.unwrap_or(open.decided);
        let endpointing = open.endpointing.map(|time| Stage {
            name: "end of turn",
            time,
        });
        let rest = [("brain", open.decided, answered), ("voice", answered, now)];
        let rest = rest.into_iter().map(|(name, from, to)| Stage {
            name,
            time: to.saturating_duration_since(from),
        });
        Some(endpointing.into_iter().chain(rest).collect())
    }

    /// The turn will not be answered.
    pub fn dropped(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn told(stages: Option<Vec<Stage>>) -> Vec<(&'static str, u128)> {
        let stages = stages.unwrap_or_default();
        stages
            .iter()
            .map(|stage| (stage.name, stage.time.as_millis()))
            .collect()
    }

    #[test]
    fn each_part_is_what_lies_between_two_moments() {
        let start = Instant::now();
        let mut latency = Latency::default();
        latency.decided(Some(ms(300)), start);
        latency.answered(start + ms(40));
        latency.answered(start + ms(90));
        let stages = told(latency.spoken(start + ms(52)));
        assert_eq!(stages, [("end of turn", 300), ("brain", 40), ("voice", 12)]);
        assert_eq!(
            latency.spoken(start + ms(60)),
            None,
            "the next sample is of the same turn"
        );
    }

    #[test]
    fn typed_turns_and_answers_without_words_are_measured_too() {
        let start = Instant::now();
        let mut latency = Latency::default();
        latency.decided(None, start);
        assert_eq!(
            told(latency.spoken(start + ms(20))),
            [("brain", 0), ("voice", 20)]
        );
        latency.decided(None, start);
        latency.dropped();
        assert_eq!(latency.spoken(start), None);
    }
}
