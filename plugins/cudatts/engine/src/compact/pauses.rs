// SPDX-License-Identifier: MPL-2.0

//! Where the pauses of a clause go, and how many hops all of it lasts. Pure.
//!
//! Of the pause before a clause only a hop is left, and the rest is behind the clause before: whoever waits hears the first
//! phone at once, and between two clauses nothing changes.

use std::iter;

use super::{
    HOP, RATE,
    clause::{End, Phones, lengths},
};

/// Hops of the pause before a clause.
const BEFORE: usize = 1;

/// The hops of a clause.
#[derive(Debug, PartialEq, Eq)]
pub struct Placed {
    /// Of each phone.
    pub lengths: Vec<usize>,
    /// Of the first pause that are elsewhere, and of the last that it has besides: see [`Timing::moved`](super::clause::Timing::moved).
    pub early: usize,
    pub late: usize,
}

/// Of a clause whose phones last so many ms, at a rate. Of a pause between two clauses each has half.
pub fn place(clause: &Phones, milliseconds: &[f32], rate: f64) -> Placed {
    let (first, said, last) = match milliseconds {
        [first, said @ .., last] => (*first, said, *last),
        _ => (0.0, &[][..], 0.0),
    };
    let next = match (clause.behind.is_empty(), clause.end) {
        (false, _) => last,
        // What comes is not known, but it is the same sentence.
        (true, End::Comma) => 0.0,
        // The next sentence begins as this one did.
        (true, _) if clause.before.is_empty() => first,
        (true, _) => 2.0 * first,
    };
    let said = said.iter().copied().chain([last + next]);
    let mut lengths: Vec<usize> = iter::once(BEFORE).chain(lengths(said, rate)).collect();
    // The next clause has the first of its hops.
    let pause = lengths.pop().unwrap_or(0).saturating_sub(BEFORE).max(1);
    lengths.push(pause);
    let natural = |pause: f32| {
        let hop = HOP as f64 * 1_000.0 / RATE as f64;
        (f64::from(pause) / hop / rate).round() as usize
    };
    Placed {
        lengths,
        early: natural(first).saturating_sub(BEFORE),
        late: pause.saturating_sub(natural(last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::clause::Word;

    fn clause(end: End, before: bool, behind: bool) -> Phones {
        let word = || Word {
            phones: vec![5],
            class: 0,
        };
        Phones {
            before: before.then(word).into_iter().collect(),
            behind: behind.then(word).into_iter().collect(),
            ..Phones::new([(&[5, 6][..], 0)], end)
        }
    }

    #[test]
    fn the_pause_of_two_clauses_is_behind_the_first() {
        // The whole pause is 140 ms, of which the second clause begins with 10.
        let first = clause(End::Comma, false, true);
        let placed = place(&first, &[160.0, 100.0, 100.0, 70.0], 1.0);
        let right = Placed {
            lengths: vec![1, 10, 10, 13],
            early: 15,
            late: 6,
        };
        assert_eq!(placed, right);
    }

    #[test]
    fn a_sentence_is_followed_by_what_it_began_with_and_a_part_of_one_by_nothing() {
        let milliseconds = [160.0, 100.0, 100.0, 150.0];
        let hops = |end, before| place(&clause(end, before, false), &milliseconds, 1.0).lengths[3];
        assert_eq!(hops(End::Stop, false), 15 + 16 - 1);
        // Two halves of a pause that was between clauses count as one.
        assert_eq!(hops(End::Question, true), 15 + 32 - 1);
        assert_eq!(hops(End::Comma, false), 15 - 1);
    }

    #[test]
    fn there_is_a_pause_at_any_rate() {
        let clause = clause(End::Stop, false, false);
        for rate in [0.25, 1.0, 1.7, 4.0] {
            for milliseconds in [[160.0, 100.0, 100.0, 150.0], [0.0; 4], [f32::NAN; 4]] {
                let Placed { lengths, .. } = place(&clause, &milliseconds, rate);
                assert_eq!(lengths.len(), 4);
                assert!(lengths.iter().all(|hops| *hops > 0), "{lengths:?}");
            }
        }
    }
}
