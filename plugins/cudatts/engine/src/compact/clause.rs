// SPDX-License-Identifier: MPL-2.0

//! A clause as numbers: what the networks read of its phones and of its hops, and when each phone sounds.

use super::{
    HOP, MELODY, RATE,
    phones::{PAUSE, Phone},
};

/// Numbers about the place of a phone.
pub const PHONE_FEATURES: usize = 6;
/// Numbers about the place of a hop.
pub const HOP_FEATURES: usize = 5;
/// No phone lasts longer, in hops (4 s), whatever the networks say and however slow it is to be.
const LONGEST: f64 = 400.0;

/// What a clause ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Comma,
    Stop,
    Question,
    Exclamation,
}

/// A word before or behind a clause.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub phones: Vec<Phone>,
    /// What [`Language::class`](super::language::Language::class) says of it.
    pub class: u8,
}

/// The phones of a clause, a pause first and last.
#[derive(Clone, Debug, PartialEq)]
pub struct Phones {
    pub phones: Vec<Phone>,
    /// The word that each belongs to; the pauses at both ends belong to none.
    pub words: Vec<Option<usize>>,
    /// The class of each word.
    pub classes: Vec<u8>,
    pub end: End,
    /// What is said in the same sentence before it, and behind.
    pub before: Vec<Word>,
    pub behind: Vec<Word>,
}

impl Phones {
    /// Of these words and their classes.
    pub fn new<'a>(words: impl IntoIterator<Item = (&'a [Phone], u8)>, end: End) -> Self {
        let mut clause = Self {
            phones: vec![PAUSE],
            words: vec![None],
            classes: Vec::new(),
            end,
            before: Vec::new(),
            behind: Vec::new(),
        };
        for (word, (phones, class)) in words.into_iter().enumerate() {
            clause.phones.extend_from_slice(phones);
            clause.words.resize(clause.phones.len(), Some(word));
            clause.classes.push(class);
        }
        clause.phones.push(PAUSE);
        clause.words.push(None);
        clause
    }

    /// For each phone: whether it begins a word, whether it ends one, places before and behind it in the word and in the clause.
    pub fn places(&self) -> Vec<f32> {
        let count = self.phones.len();
        let share = |places: usize, most: usize| (places.min(most) as f64 / most as f64) as f32;
        let mut places = Vec::with_capacity(count * PHONE_FEATURES);
        let mut from = 0;
        for stretch in self.words.chunk_by(PartialEq::eq) {
            let is_word = stretch[0].is_some();
            for before in 0..stretch.len() {
                let (at, behind) = (from + before, stretch.len() - 1 - before);
                places.extend([
                    f32::from(is_word && before == 0),
                    f32::from(is_word && behind == 0),
                    share(before, 8),
                    share(behind, 8),
                    share(at, 20),
                    share(count - 1 - at, 20),
                ]);
            }
            from += stretch.len();
        }
        places
    }
}

/// When the phones of a clause sound, and how high.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Hops before each phone, and all of them.
    begins: Vec<usize>,
    /// Samples before each point of the melody.
    at: Vec<f64>,
    /// The natural logarithm of the fundamental there, less that of 200 Hz.
    melody: Vec<f64>,
    /// Hops of pause that the clause would begin with besides, and of the last pause those that it would not have, were it as
    /// the networks learned: half of what is between two clauses.
    early: usize,
    late: usize,
}

/// Whole hops of phones that last so many ms, of which each has at least one: what is rounded is made good by the next.
pub fn lengths(milliseconds: impl IntoIterator<Item = f32>, rate: f64) -> Vec<usize> {
    let mut owed = 0.0;
    let lengths = milliseconds.into_iter().map(|milliseconds| {
        let wanted = f64::from(milliseconds) / (HOP * 1_000 / RATE) as f64 / rate;
        owed += if wanted <= LONGEST { wanted } else { LONGEST };
        let hops = (owed + 0.5).floor().max(1.0);
        owed -= hops;
        hops as usize
    });
    lengths.collect()
}

impl Timing {
    /// Of phones that last so many hops each; `heights` are what [`super::networks::Melody`] says.
    pub fn new(lengths: &[usize], heights: &[f32]) -> Self {
        let mut begins = vec![0];
        let mut at = Vec::with_capacity(lengths.len() * MELODY);
        let mut melody = Vec::with_capacity(lengths.len() * MELODY);
        let mut from = 0;
        for (hops, of_phone) in lengths.iter().zip(heights.chunks_exact(MELODY)) {
            for (point, height) in of_phone.iter().enumerate() {
                let share = (point as f64 + 0.5) / MELODY as f64;
                at.push((from as f64 + *hops as f64 * share) * HOP as f64);
                melody.push(f64::from(*height));
            }
            from += hops;
            begins.push(from);
        }
        Self {
            begins,
            at,
            melody,
            early: 0,
            late: 0,
        }
    }

    /// The same, whose first pause has been cut by so many hops, and whose last is so much longer: the networks are not told.
    pub fn moved(self, early: usize, late: usize) -> Self {
        Self {
            early,
            late,
            ..self
        }
    }

    /// Hops of the clause.
    pub fn hops(&self) -> usize {
        self.begins.last().copied().unwrap_or(0)
    }

    /// Hops before a phone; of the one behind the last, all.
    pub fn begin(&self, phone: usize) -> usize {
        self.begins[phone]
    }

    /// The natural logarithm of the fundamental at this sample, less that of 200 Hz: straight lines between the points. `near`
    /// is where the last answer was found, and samples never go back.
    pub fn melody(&self, sample: f64, near: &mut usize) -> f64 {
        while self.at.get(*near + 1).is_some_and(|at| *at <= sample) {
            *near += 1;
        }
        let (from, low) = (self.at[*near], self.melody[*near]);
        match (self.at.get(*near + 1), self.melody.get(*near + 1)) {
            (Some(to), Some(high)) if sample > from => {
                (high - low) / (to - from) * (sample - from) + low
            }
            _ => low,
        }
    }
}

/// Reads the hops of a clause in their order.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    hop: usize,
    phone: usize,
    near: usize,
}

impl Reader {
    /// The phones of the next hops up to this one, and what [`super::networks::Sound`] reads of their places; both are appended.
    pub fn read(
        &mut self,
        timing: &Timing,
        until: usize,
        which: &mut Vec<usize>,
        features: &mut Vec<f32>,
    ) {
        let total = timing.hops();
        let hops_per_second = RATE as f64 / HOP as f64;
        let share = |seconds: f64| (seconds.min(4.0) / 4.0) as f32;
        for hop in self.hop..until {
            while timing.begins[self.phone + 1] <= hop {
                self.phone += 1;
            }
            let (from, to) = (timing.begins[self.phone], timing.begins[self.phone + 1]);
            let count = (to - from) as f64;
            let seconds = (hop + timing.early) as f64 / hops_per_second;
            let left = total.saturating_sub(timing.late + hop) as f64 / hops_per_second;
            let middle = (hop as f64 + 0.5) * HOP as f64;
            which.push(self.phone);
            features.extend([
                (((hop - from) as f64 + 0.5) / count) as f32,
                (count.ln() / 3.0) as f32,
                share(seconds),
                share(left),
                (2.0 * timing.melody(middle, &mut self.near)) as f32,
            ]);
        }
        self.hop = self.hop.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_both_ends() {
        let words: [(&[Phone], u8); 2] = [(&[5, 6], 0), (&[7], 1)];
        let clause = Phones::new(words, End::Stop);
        assert_eq!(clause.phones, [PAUSE, 5, 6, 7, PAUSE]);
        let places = clause.places();
        let row = |at: usize| &places[at * PHONE_FEATURES..][..PHONE_FEATURES];
        assert_eq!(row(0), [0.0, 0.0, 0.0, 0.0, 0.0, 0.2]);
        assert_eq!(row(1), [1.0, 0.0, 0.0, 0.125, 0.05, 0.15]);
        assert_eq!(row(3), [1.0, 1.0, 0.0, 0.0, 0.15, 0.05]);
    }

    #[test]
    fn what_is_rounded_is_made_good() {
        assert_eq!(lengths([24.0; 5], 1.0), [2, 3, 2, 3, 2]);
        assert_eq!(lengths([24.0; 5], 2.0), [1, 1, 2, 1, 1]);
        // A phone that is too short takes its hop from the next.
        assert_eq!(lengths([0.1, 30.0], 1.0), [1, 2]);
        for odd in [f32::NAN, f32::INFINITY, 9e9] {
            assert_eq!(lengths([odd, 10.0], 1.0), [400, 1]);
        }
    }

    #[test]
    fn a_melody_is_straight_between_its_points() {
        let timing = Timing::new(&[1, 3], &[0.1, 0.2, 0.3, 0.4, 0.6, 0.8]);
        assert_eq!((timing.hops(), timing.begin(1)), (4, 1));
        let mut near = 0;
        let hop = HOP as f64;
        for (at, right) in [
            (0.0, 0.1),
            (hop / 6.0, 0.1),
            (hop / 3.0, 0.15),
            (hop / 2.0, 0.2),
            (1.5 * hop, 0.4),
            (2.0 * hop, 0.5),
            (3.6 * hop, 0.8),
        ] {
            let found = timing.melody(at, &mut near);
            assert!((found - right).abs() < 1e-6, "{at}: {found}");
        }
    }
}
