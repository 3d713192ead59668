// SPDX-License-Identifier: MPL-2.0

//! How sure it is that a phrase of the grammar was said, and not anything else.
//!
//! A decoder with a grammar finds the phrase that is nearest to whatever was said. A second one, which takes phones in any
//! order, finds how near anything could come. Where the phrase fits almost as well, it was said. What it lacks is
//! measured per frame of its words, but over the whole turn: a decoder likes to take for noise what its words do not
//! explain.

use super::decoder::Fit;

/// What a phrase lacks, in the library's units a frame, where it is as likely as not that something else was said. It and
/// [`SPREAD`] were set on voices, phrases and noise other than those of the test that tells the rates.
const EVEN: f64 = 26.0;
/// By how much less it lacks where that is e times as likely.
const SPREAD: f64 = 6.0;

/// 0 to 1, of the fits of the phrase and of the phones; `None` where no words were found.
pub fn confidence(phrase: Fit, phones: Fit) -> Option<f64> {
    if phrase.frames == 0 {
        return None;
    }
    let lacks = (phones.score - phrase.score) as f64 / f64::from(phrase.frames);
    Some(1.0 / (1.0 + ((lacks - EVEN) / SPREAD).exp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_as_well_as_anything_is_sure() {
        let phones = Fit {
            score: -2_000,
            frames: 90,
        };
        let phrase = |score, frames| confidence(Fit { score, frames }, phones);
        assert_eq!(phrase(-2_000, 0), None);
        assert!(phrase(-2_500, 80).unwrap() > 0.9);
        assert!(phrase(-9_000, 80).unwrap() < 0.1);
        let lacks_even = -2_000 - (80.0 * EVEN) as i64;
        assert!((phrase(lacks_even, 80).unwrap() - 0.5).abs() < 1e-9);
    }
}
