// SPDX-License-Identifier: MPL-2.0

//! The quiet before the first sound of an utterance, for which nobody is to wait. Pure.
//!
//! Where a family begins with a pause, or with the lips still closed for its first phone, a mouth that plays in real time would
//! be silent for so much longer. Only samples below [`QUIET`] are cut, 30 dB and more below speech, and no more of them than a long
//! closure has; a little is kept before the sound, and fades in. How many those are depends on the sound, and so on seed and
//! pitch, too.

/// Quieter samples are silence (−50 dBFS).
pub const QUIET: u16 = 100;
/// Most that is cut, in ms.
const MOST_MS: usize = 80;
/// What is kept before the first sample that is not silence, in ms.
const KEPT_MS: usize = 5;

/// Cuts the quiet at the beginning of an utterance, from sound that comes in any pieces.
#[derive(Debug)]
pub struct Lead {
    most: usize,
    kept: usize,
    /// Quiet sound of which it is not known how much is kept.
    held: Vec<i16>,
    /// Whether sound has left: from then on all of it does.
    begun: bool,
}

impl Lead {
    /// Of sound at so many samples per second.
    pub fn new(sample_rate: usize) -> Self {
        Self {
            most: sample_rate * MOST_MS / 1000,
            kept: sample_rate * KEPT_MS / 1000,
            held: Vec::new(),
            begun: false,
        }
    }

    /// More sound; what is kept is appended to `out`. Answers how many samples were cut before it.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) -> usize {
        if self.begun {
            out.extend_from_slice(samples);
            return 0;
        }
        let before = self.held.len();
        self.held.extend_from_slice(samples);
        let loud = |sample: &i16| sample.unsigned_abs() >= QUIET;
        let all = self.most + self.kept;
        let quiet = match samples.iter().position(loud) {
            Some(first) => before + first,
            None if self.held.len() < all => return 0,
            None => all,
        };
        let cut = quiet.min(all).saturating_sub(self.kept);
        let mut left = self.held.split_off(cut);
        if cut > 0 {
            for (n, sample) in left.iter_mut().take(self.kept).enumerate() {
                let share = (n + 1) as f32 / (self.kept + 1) as f32;
                *sample = (f32::from(*sample) * share).round() as i16;
            }
        }
        out.append(&mut left);
        self.begin();
        cut
    }

    /// No more sound comes before what is to be said next: what there is, is kept, however quiet.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        if !self.held.is_empty() {
            out.append(&mut self.held);
            self.begin();
        }
    }

    fn begin(&mut self) {
        self.begun = true;
        self.held = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: usize = 16_000;
    const MS: usize = RATE / 1000;
    const LOUD: i16 = 5000;
    const FAINT: i16 = QUIET as i16 - 1;

    /// What is left of a sound that comes in pieces of this size, and how much was cut.
    fn left(sound: &[i16], size: usize) -> (Vec<i16>, usize) {
        let (mut lead, mut out) = (Lead::new(RATE), Vec::new());
        let cut = sound.chunks(size).map(|piece| lead.push(piece, &mut out));
        let cut = cut.sum();
        lead.finish(&mut out);
        (out, cut)
    }

    /// So many faint samples, then sound, in which there is silence, too.
    fn after(faint: usize) -> Vec<i16> {
        let mut sound = vec![FAINT; faint];
        for (n, level) in [-LOUD, 0, LOUD].into_iter().enumerate() {
            sound.resize(faint + (n + 1) * 50 * MS, level);
        }
        sound
    }

    #[test]
    fn quiet_is_cut_up_to_a_limit_and_nothing_else() {
        for (faint, right) in [
            (0, 0),
            (5 * MS, 0),
            (5 * MS + 1, 1),
            (30 * MS, 25 * MS),
            (85 * MS, 80 * MS),
            (200 * MS, 80 * MS),
        ] {
            let sound = after(faint);
            let (whole, cut) = left(&sound, sound.len());
            assert_eq!(cut, right, "{faint}");
            assert_eq!(whole.len(), sound.len() - cut);
            // All that can be heard is as it was, and what is kept before it fades in.
            let fade = if cut > 0 { 5 * MS } else { 0 };
            assert_eq!(whole[fade..], sound[cut + fade..]);
            assert!(whole[..fade].is_sorted() && whole[..fade].iter().all(|x| *x <= FAINT));
            // In pieces it is the same to the sample.
            for size in [1, 7, 640, 1920] {
                assert!(left(&sound, size) == (whole.clone(), cut), "{faint} {size}");
            }
        }
    }

    #[test]
    fn what_ends_before_it_is_heard_is_kept() {
        for faint in [1, 84 * MS] {
            let sound = vec![-FAINT; faint];
            assert_eq!(left(&sound, 100), (sound, 0));
        }
        // It was the beginning of the utterance.
        let (mut lead, mut out) = (Lead::new(RATE), Vec::new());
        lead.finish(&mut out);
        assert_eq!(lead.push(&[FAINT; 10], &mut out), 0);
        lead.finish(&mut out);
        assert_eq!(lead.push(&after(20 * MS), &mut out), 0);
        assert_eq!(out.len(), 10 + after(20 * MS).len());
    }
}
