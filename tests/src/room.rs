// SPDX-License-Identifier: MPL-2.0

//! The room between a loudspeaker and a microphone: a delay, a level, a few reflections.

use crate::signal;

/// Turns what a loudspeaker plays into what a microphone hears of it. Streams: what does not fit
/// into one call comes out of the next.
#[derive(Clone, Debug)]
pub struct Room {
    /// Gain of each path by its delay in samples.
    paths: Vec<(usize, f32)>,
    /// What was played, most recent last, as long as the longest path.
    played: Vec<f32>,
}

impl Room {
    /// The direct way alone: `delay_ms` late and `echo_db` (negative) weaker.
    pub fn new(rate: u32, delay_ms: f64, echo_db: f64) -> Self {
        Self::with_reflections(rate, delay_ms, echo_db, &[])
    }

    /// With reflections, each (ms after the direct way, dB below it).
    pub fn with_reflections(
        rate: u32,
        delay_ms: f64,
        echo_db: f64,
        reflections: &[(f64, f64)],
    ) -> Self {
        let at = |ms: f64| (ms * f64::from(rate) / 1000.0).round() as usize;
        let mut paths = vec![(at(delay_ms), signal::from_db(echo_db))];
        for (ms, db) in reflections {
            paths.push((at(delay_ms + ms), signal::from_db(echo_db + db)));
        }
        let longest = paths.iter().map(|(delay, _)| *delay).max().unwrap_or(0);
        Self {
            paths,
            played: vec![0.0; longest],
        }
    }

    /// A living room: three reflections within 30 ms.
    pub fn living(rate: u32, delay_ms: f64, echo_db: f64) -> Self {
        let reflections = [(7.3, -6.0), (13.1, -9.0), (29.7, -15.0)];
        Self::with_reflections(rate, delay_ms, echo_db, &reflections)
    }

    /// What the microphone hears while `played` leaves the loudspeaker: as many samples.
    pub fn hear(&mut self, played: &[f32]) -> Vec<f32> {
        let before = self.played.len();
        self.played.extend_from_slice(played);
        let heard = (0..played.len())
            .map(|n| {
                self.paths
                    .iter()
                    .map(|(delay, gain)| gain * self.played[before + n - delay])
                    .sum()
            })
            .collect();
        self.played.drain(..played.len());
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impulse_comes_back_late_and_weaker_however_it_is_cut() {
        let mut impulse = vec![0.0; 4800];
        impulse[0] = 1.0;
        let mut room = Room::with_reflections(48_000, 10.0, -20.0, &[(5.0, -6.0)]);
        let mut whole = room.clone();
        let expected = whole.hear(&impulse);
        assert!((expected[480] - 0.1).abs() < 1e-6);
        assert!((expected[720] - 0.0501).abs() < 1e-4);
        assert_eq!(expected.iter().filter(|s| **s != 0.0).count(), 2);
        let pieces: Vec<f32> = impulse.chunks(77).flat_map(|c| room.hear(c)).collect();
        assert_eq!(pieces, expected);
    }
}
