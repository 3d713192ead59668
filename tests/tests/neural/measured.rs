// SPDX-License-Identifier: MPL-2.0

//! The small voice by its sound: words, speed and pitch are where they are said to be.

use duplex_textpad::events::Word;
use gst::prelude::*;

use crate::{
    SENTENCE,
    compact::{RATE, places, power, small, speak},
};

fn place(time: gst::ClockTime) -> usize {
    (time.nseconds() as f64 * RATE as f64 / 1e9).round() as usize
}

#[test]
fn words_are_where_their_sound_is() {
    let text = "Stop. Go on, please. Never!";
    let (sound, words) = speak(&small(), text);
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(texts, ["Stop", "Go", "on", "please", "Never"]);
    for pair in words.windows(2) {
        assert!(
            pair[0].start + pair[0].duration <= pair[1].start + gst::ClockTime::from_useconds(1)
        );
    }
    let inside = |word: &Word| power(&sound[place(word.start)..place(word.start + word.duration)]);
    let quietest = words.iter().map(inside).fold(f64::INFINITY, f64::min);
    // Between clauses there is a pause, which is no word's.
    for (before, after) in [(0, 1), (2, 3), (3, 4)] {
        let end = place(words[before].start + words[before].duration);
        let pause = &sound[end..place(words[after].start)];
        assert!(pause.len() > RATE / 20, "{words:?}");
        let middle = &pause[pause.len() / 4..pause.len() * 3 / 4];
        assert!(
            power(middle) < quietest / 10.0,
            "{before}: {} of {quietest}",
            power(middle)
        );
    }
}

#[test]
fn it_speaks_faster_and_slower_by_itself() {
    let (own, own_words) = speak(&small(), SENTENCE);
    for rate in [0.5, 1.5, 2.5] {
        let rig = small();
        rig.element.set_property("rate", rate);
        let (sound, words) = speak(&rig, SENTENCE);
        assert!(words.iter().all(|word| word.exact));
        let found = own.len() as f64 / sound.len() as f64;
        // A phone lasts 10 ms at least.
        assert!((found / rate - 1.0).abs() < 0.2, "{found} at rate {rate}");
        let at = |words: &[Word]| words.last().unwrap().start.nseconds() as f64;
        let found = at(&own_words) / at(&words);
        assert!((found / rate - 1.0).abs() < 0.2, "{found} at rate {rate}");
    }
}

/// The fundamental frequency, in Hz: the median over stretches of 40 ms that are voiced.
fn fundamental(sound: &[i16]) -> f64 {
    let loudest = sound.chunks(RATE / 25).map(power).fold(0.0, f64::max);
    let mut found: Vec<f64> = sound
        .windows(RATE / 25 * 2)
        .step_by(RATE / 50)
        .filter(|stretch| power(stretch) > loudest / 10.0)
        .filter_map(|stretch| {
            let half = stretch.len() / 2;
            let alike = |lag: usize| {
                let product = |a: &[i16], b: &[i16]| -> f64 {
                    a.iter()
                        .zip(b)
                        .map(|(a, b)| f64::from(*a) * f64::from(*b))
                        .sum()
                };
                let (first, second) = (&stretch[..half], &stretch[lag..lag + half]);
                product(first, second) / (product(first, first) * product(second, second)).sqrt()
            };
            // 60 to 500 Hz; of lags that are about as good, the shortest.
            let lags: Vec<(usize, f64)> = (RATE / 500..RATE / 60)
                .map(|lag| (lag, alike(lag)))
                .collect();
            let best = lags.iter().map(|lag| lag.1).fold(0.0, f64::max);
            let peak = lags.windows(3).find(|lags| {
                lags[1].1 > 0.9 * best && lags[1].1 >= lags[0].1 && lags[1].1 >= lags[2].1
            })?;
            (best > 0.7).then(|| RATE as f64 / peak[1].0 as f64)
        })
        .collect();
    assert!(found.len() > 10, "only {} voiced stretches", found.len());
    found.sort_by(f64::total_cmp);
    found[found.len() / 2]
}

#[test]
fn pitch_moves_its_fundamental_and_nothing_else() {
    let of = |pitch: f64| {
        let rig = small();
        rig.element.set_property("pitch", pitch);
        speak(&rig, SENTENCE)
    };
    let (own, own_words) = of(1.0);
    for pitch in [0.7, 1.4] {
        let (sound, words) = of(pitch);
        assert!(words.iter().all(|word| word.exact));
        assert_eq!(places(&sound, &words), places(&own, &own_words));
        let found = fundamental(&sound) / fundamental(&own);
        assert!(
            (found / pitch - 1.0).abs() < 0.1,
            "{found} at pitch {pitch}"
        );
    }
}
