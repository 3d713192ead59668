// SPDX-License-Identifier: MPL-2.0

//! What must hold at any moment, tried at thousands of random ones. A failure names its seed.

use std::time::Duration;

use super::{
    super::{Config, Interrupted, Notice},
    world::*,
};
use crate::interruption::{Command, EarEvent, Mode};

fn config(rng: &mut Rng) -> Config {
    Config {
        lead: Duration::from_millis(rng.pick(&[0, 5, 10, 20, 20, 50, 200])),
        fade_duration: Duration::from_millis(rng.pick(&[0, 3, 8, 8, 8, 25])),
        prefetch: Duration::from_millis(rng.pick(&[50, 200, 500, 500])),
        interruption: rng.pick(&[
            Mode::PauseThenCommit,
            Mode::PauseThenCommit,
            Mode::Immediate,
        ]),
        ..Config::default()
    }
}

/// A frame's end is never further ahead than the lead, silence never early, and timestamps follow on.
fn check_pacing(world: &World, seed: u64) {
    let lead = world.core.config().lead.as_nanos() as u64;
    let mut end = None;
    for (i, (at, frame)) in world.frames.iter().enumerate() {
        if let Some(end) = end {
            assert_eq!(frame.pts, end, "seed {seed}: frame {i} does not follow on");
        }
        end = Some(frame.pts + frame.duration);
        if !frame.speech {
            assert!(*at >= frame.pts, "seed {seed}: silence {i} left early");
        }
        assert!(
            frame.pts + frame.duration <= at + lead.max(10 * MS) + 40 * MS,
            "seed {seed}: frame {i} left too far ahead"
        );
    }
}

/// A stop at a random moment by a random cause; then new text. Nothing of the stopped utterances after the fade.
fn interruption(seed: u64) -> (World, Vec<Script>, Interrupted, usize) {
    let rng = &mut Rng(seed);
    let rate = rng.pick(&[8_000, 8_000, 11_025, 16_000, 22_050]);
    let mut world = World::new(config(rng), rate);
    world.blocking = rng.one_in(2);
    let mut at = rng.range(0..60) * MS;
    let scripts: Vec<Script> = (0..rng.range(1..4) as usize)
        .map(|number| {
            let words = rng.range(1..5);
            Script::random(rng, number, words, rate)
        })
        .collect();
    for script in &scripts {
        let speed = rng.pick(&[1, 2, 20, 1000]);
        at = world.synthesize(rng, script, at, speed, 60);
    }
    let total: u64 = scripts.iter().map(|s| s.samples).sum();
    let length = total * 1_000_000_000 / u64::from(rate);
    world.run(rng.range(0..length + 100 * MS));

    let fade = world.samples(world.core.config().fade_duration.as_nanos() as u64) + 2;
    // Where the first fade may begin, and where nothing of it may be left.
    let mut silent_from = world.out.len() + fade;
    let playing = world.core.current().is_some();
    match rng.next() % 4 {
        0 => world.command(Command::Interrupt),
        1 => {
            world.command(Command::Pause);
            let later = world.now + rng.range(0..80) * MS;
            world.run(later);
            world.command(Command::Interrupt);
        }
        2 => {
            world.ear(EarEvent::Onset);
            // In the middle of it, or long after.
            let later = world.now + 362 * MS + rng.range(0..40) * MS;
            world.run(later);
            if !world.core.is_gated() {
                // Nothing had begun to sound: that was no interruption. Make it one.
                silent_from = world.out.len() + fade;
                world.command(Command::Interrupt);
            }
        }
        _ => {
            let now = world.now;
            world.core.flush_start(now);
            if !playing {
                world.command(Command::Interrupt);
            }
        }
    }
    // What is in flight goes on arriving for a while.
    let later = world.now + rng.range(0..40) * MS;
    world.run(later);
    assert!(world.core.is_gated(), "seed {seed}: the gate is open");
    world.flush();
    world.ear(EarEvent::Ended);
    let new = Script::random(rng, 6, 2, rate);
    let at = world.now + rng.range(0..20) * MS;
    let at = world.synthesize(rng, &new, at, 20, 40);
    world.feed.push_back((at, Feed::Eos));
    world.run(at + 3_000 * MS);
    let report = world.notices.iter().find_map(|(_, n)| match n {
        Notice::Interrupted(report) => Some((**report).clone()),
        _ => None,
    });
    let report = report.unwrap_or_else(|| panic!("seed {seed}: no report"));
    (world, scripts, report, silent_from)
}

#[test]
fn nothing_of_a_stopped_utterance_leaves_after_its_fade() {
    for seed in 0..10_000 {
        let (world, _, report, silent_from) = interruption(seed);
        let mut new = 0;
        for (i, &sample) in world.out.iter().enumerate().skip(silent_from) {
            if sample == 0 {
                continue;
            }
            assert!(
                owner(sample) == 6,
                "seed {seed}: {sample} of a stopped utterance at sample {i}, {} after the fade",
                i - silent_from
            );
            new += 1;
        }
        assert!(new > 0, "seed {seed}: the new text was not heard");
        assert!(world.ended.is_some(), "seed {seed}: the stream did not end");
        check_pacing(&world, seed);
        assert!(
            report.left_at >= report.decided_at
                || report.position == 0
                || report.left_at + 210 * MS > report.decided_at,
            "seed {seed}: {report:?}"
        );
        // Everything that was said is accounted for once.
        let last = world.notices.last().map(|(_, n)| n.name());
        assert_eq!(last, Some("finished"), "seed {seed}");
    }
}

/// How many samples of each word came out at full level before `until`, counted from the output alone.
fn count_heard(world: &World, script: &Script, until: usize) -> Vec<u64> {
    let number = script.number();
    let mut heard = vec![0; script.words.len()];
    // Utterances are not repeated here, so the n-th sample of an owner is its n-th position.
    let left = world.out[..until]
        .iter()
        .filter(|&&s| s != 0 && owner(s) == number)
        .count() as u64;
    for (word, heard) in script.words.iter().zip(&mut heard) {
        *heard = left.clamp(word.start, word.start + word.samples) - word.start;
    }
    heard
}

#[test]
fn heard_words_are_exact_at_random_cuts() {
    let mut cuts = 0;
    let mut inside = 0;
    for seed in 100_000.. {
        if cuts == 500 {
            break;
        }
        let (world, scripts, report, silent_from) = interruption(seed);
        let fade = world.samples(world.core.config().fade_duration.as_nanos() as u64) + 2;
        let until = silent_from - fade;
        let Some(script) = scripts.iter().find(|s| *s.id == *report.id) else {
            continue;
        };
        let heard = count_heard(&world, script, until);
        let is_heard = |i: usize| heard[i] > 0 && 2 * heard[i] >= script.words[i].samples;
        let last = (0..heard.len()).rev().find(|&i| is_heard(i));
        let words: Vec<&str> = report
            .heard_text
            .split_whitespace()
            .map(|w| w.trim_end_matches([',', '.', '!', '?', ';']))
            .collect();
        let expected: Vec<&str> = script.words[..last.map_or(0, |l| l + 1)]
            .iter()
            .map(|w| &*w.text)
            .collect();
        assert_eq!(
            words, expected,
            "seed {seed}: {heard:?} {script:?} {report:?}"
        );
        let cut = script
            .words
            .iter()
            .zip(&heard)
            .find(|(w, h)| **h > 0 && **h < w.samples);
        assert_eq!(
            report.cut_word,
            cut.map_or("", |(w, _)| &*w.text),
            "seed {seed}"
        );
        if let Some((word, heard)) = cut {
            inside += 1;
            let fraction = *heard as f64 / word.samples as f64;
            assert!(
                (report.cut_word_fraction - fraction).abs() < 1e-9,
                "seed {seed}"
            );
        }
        let whole = format!("{} {}", report.heard_text, report.unheard_text);
        assert_eq!(
            whole.trim(),
            script.text,
            "seed {seed}: text is lost or told twice"
        );
        cuts += 1;
    }
    assert!(inside > 250, "only {inside} cuts were inside a word");
}

/// Pauses and resumes at random: what comes out, less what was said again, is what went in.
#[test]
fn resuming_loses_no_sample() {
    for seed in 0..1_000 {
        let rng = &mut Rng(seed + 77_000);
        let rate = rng.pick(&[8_000, 16_000, 22_050]);
        let mut settings = config(rng);
        settings.interruption = Mode::PauseThenCommit;
        settings.commit_duration = Duration::from_secs(100);
        // Without fades every sample that leaves carries its position.
        settings.fade_duration = Duration::ZERO;
        let mut world = World::new(settings, rate);
        world.codes = 32_000;
        world.blocking = rng.one_in(2);
        let script = Script::random(rng, 0, 6, rate);
        let speed = rng.pick(&[2, 20, 1000]);
        let at = world.synthesize(rng, &script, 0, speed, 60);
        world.feed.push_back((at, Feed::Eos));
        for _ in 0..rng.range(1..6) {
            let later = world.now + rng.range(0..600) * MS;
            world.run(later);
            let manual = rng.one_in(2);
            if manual {
                world.command(Command::Pause);
            } else {
                world.ear(EarEvent::Onset);
            }
            let later = world.now + rng.range(0..200) * MS;
            world.run(later);
            if manual {
                world.command(Command::Resume);
            } else {
                world.ear(rng.pick(&[EarEvent::Cancelled, EarEvent::Ended]));
            }
        }
        let later = world.now + 20_000 * MS;
        world.run(later);
        assert!(
            world.ended.is_some(),
            "seed {seed}: stuck, {:?}",
            world.names()
        );

        let mut next = 0; // the position that has to come next, unless a resume went back
        let mut furthest = 0;
        let mut jumps = 0;
        for (i, &sample) in world.out.iter().enumerate() {
            if sample == 0 {
                continue;
            }
            let code = u64::from(sample.unsigned_abs() - 1);
            if code != next % world.codes {
                jumps += 1;
                // It went back: to a position with that code, at most one word.
                let back = (next + world.codes - code) % world.codes;
                let to = next
                    .checked_sub(back)
                    .unwrap_or_else(|| panic!("seed {seed}: lost samples at {i}"));
                assert!(
                    script
                        .words
                        .iter()
                        .any(|w| w.start == to && next < w.start + w.samples),
                    "seed {seed}: resumed at {to} after {next}, which is not the start of the cut word"
                );
                next = to;
            }
            assert!(
                next <= furthest,
                "seed {seed}: samples {furthest}..{next} are lost"
            );
            next += 1;
            furthest = furthest.max(next);
        }
        assert_eq!(furthest, script.samples, "seed {seed}: the end is lost");
        check_pacing(&world, seed);

        // Every word is told once, in order, at the time at which its first sample is rendered.
        let told: Vec<_> = world
            .notices
            .iter()
            .filter_map(|(at, n)| match n {
                Notice::Word {
                    text, running_time, ..
                } => Some((text.to_string(), *running_time, *at)),
                _ => None,
            })
            .collect();
        let expected: Vec<_> = script.words.iter().map(|w| w.text.clone()).collect();
        let words: Vec<_> = told.iter().map(|(w, ..)| w.clone()).collect();
        assert_eq!(words, expected, "seed {seed}");
        let mut from = 0;
        for ((_, time, at), word) in told.iter().zip(&script.words) {
            assert!(
                at >= time && *at < time + 25 * MS,
                "seed {seed}: told at {at}, due at {time}: {:?} {:?}",
                world.core.config(),
                &world.frames[..6]
            );
            let code = Script::sample(0, word.start, world.codes);
            // Codes come again, but not between one word and the next.
            from += world.out[from..].iter().position(|&s| s == code).unwrap();
            let first = world.time(from);
            assert!(
                time.abs_diff(first) < MS,
                "seed {seed}: {time} against {first}"
            );
        }
        // A pause inside a word is resumed at its start, one between words where it was.
        let mut cut = None;
        for (_, notice) in &world.notices {
            match notice {
                Notice::Paused(paused) => cut = Some(paused),
                Notice::Resumed(resumed) => {
                    let paused = cut.take().unwrap();
                    assert_eq!(resumed.from_word, paused.cut_word, "seed {seed}");
                    let word = script.words.iter().find(|w| w.text == paused.cut_word);
                    let start = word.map(|w| w.start * 1_000_000_000 / u64::from(rate));
                    assert_eq!(
                        resumed.position,
                        start.unwrap_or(paused.position),
                        "seed {seed}"
                    );
                }
                _ => {}
            }
        }
        let pauses = world.names().iter().filter(|n| **n == "paused").count();
        let resumes = world.names().iter().filter(|n| **n == "resumed").count();
        assert_eq!(pauses, resumes, "seed {seed}: {:?}", world.names());
        assert!(jumps <= resumes, "seed {seed}: {jumps} jumps");
    }
}
