// SPDX-License-Identifier: MPL-2.0

//! What the filters are for: pulses at the fundamental, and noise. Each has a power of 1.

use multiversion::multiversion;

use super::{RATE, clause::Timing};

/// What melodies are relative to, in Hz.
const MIDDLE: f64 = 200.0;
/// Lower and higher than this no voice sounds, whatever the networks say.
const LOWEST: f64 = 10.0;
const HIGHEST: f64 = RATE as f64 / 4.0;

/// The excitation of a clause, sample by sample.
#[derive(Clone, Debug)]
pub struct Excitation {
    seed: u32,
    pitch: f64,
    /// Samples that were made, and that there are.
    made: usize,
    count: usize,
    near: usize,
    /// Turns of the fundamental.
    phase: f64,
    /// What the last pulse left for the next sample.
    left: f64,
}

impl Excitation {
    /// Of a clause of so many samples, of whose melody the fundamental is multiplied by `pitch`.
    pub fn new(count: usize, seed: u32, pitch: f64) -> Self {
        Self {
            seed,
            pitch,
            made: 0,
            count,
            near: 0,
            phase: 0.0,
            left: 0.0,
        }
    }

    /// The next samples of both; zeros behind the clause's end.
    ///
    /// # Panics
    /// Where one is to have more samples than the other.
    pub fn next(&mut self, timing: &Timing, pulses: &mut [f32], noise: &mut [f32]) {
        assert_eq!(pulses.len(), noise.len());
        let count = pulses.len().min(self.count - self.made);
        pulses[count..].fill(0.0);
        noise[count..].fill(0.0);
        white(self.made as u32, self.seed, &mut noise[..count]);
        let middle = MIDDLE.ln();
        for (n, out) in pulses[..count].iter_mut().enumerate() {
            let at = (self.made + n) as f64 + 0.5;
            let melody = timing.melody(at, &mut self.near) + middle;
            let step = (melody.exp() * self.pitch).clamp(LOWEST, HIGHEST) / RATE as f64;
            let turns = self.phase.floor();
            self.phase += step;
            let mut sum = self.left;
            self.left = 0.0;
            if self.phase.floor() > turns {
                // It fell `late` samples before this one, which shares it with the next.
                let late = (self.phase - self.phase.floor()) / step;
                let height = (1.0 / step).sqrt();
                sum += height * late;
                self.left = height * (1.0 - late);
            }
            *out = sum as f32;
        }
        self.made += count;
    }
}

/// White noise from this sample on: each is a hash of its number.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
fn white(from: u32, seed: u32, out: &mut [f32]) {
    let from = seed.wrapping_mul(0x9E37_79B9).wrapping_add(from);
    for (n, out) in out.iter_mut().enumerate() {
        let mut x = from.wrapping_add(n as u32);
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        x ^= x >> 16;
        let one = f64::from(x) / f64::from(1_u32 << 31) - 1.0;
        *out = (one * 1.732_050_807_568_877_2) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(hops: usize) -> Timing {
        Timing::new(&[hops], &[0.0, 0.1, -0.1])
    }

    #[test]
    fn pieces_fit_together_and_nothing_follows_the_end() {
        let timing = timing(20);
        let count = timing.hops() * super::super::HOP;
        let mut whole = (vec![0.0; count], vec![0.0; count]);
        Excitation::new(count, 9, 1.0).next(&timing, &mut whole.0, &mut whole.1);
        let mut pieces = (Vec::new(), Vec::new());
        let mut excitation = Excitation::new(count, 9, 1.0);
        for size in [1, 79, 640, 0, 5_000] {
            let mut piece = (vec![1.0; size], vec![1.0; size]);
            excitation.next(&timing, &mut piece.0, &mut piece.1);
            pieces.0.extend(piece.0);
            pieces.1.extend(piece.1);
        }
        assert_eq!(
            (&pieces.0[..count], &pieces.1[..count]),
            (&*whole.0, &*whole.1)
        );
        assert!(
            pieces.0[count..]
                .iter()
                .chain(&pieces.1[count..])
                .all(|x| *x == 0.0)
        );
    }

    #[test]
    fn both_have_a_power_of_one() {
        let timing = timing(300);
        let count = timing.hops() * super::super::HOP;
        let (mut pulses, mut noise) = (vec![0.0; count], vec![0.0; count]);
        Excitation::new(count, 1, 1.3).next(&timing, &mut pulses, &mut noise);
        let power = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>() / count as f32;
        assert!((power(&noise) - 1.0).abs() < 0.05, "{}", power(&noise));
        // Sharing a pulse between two samples takes a third of it, on average.
        assert!((power(&pulses) - 0.67).abs() < 0.1, "{}", power(&pulses));
    }
}
