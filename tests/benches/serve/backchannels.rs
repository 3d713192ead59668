// SPDX-License-Identifier: MPL-2.0

//! Whether the agent goes on where somebody only listens, and stops where somebody speaks.
//!
//! Each sound comes at a random moment of a story. Silence counts in the sound that left: from the last sample above −50 dBFS before
//! the pause to the first one after it. What the story itself has of it at that place is subtracted: an agent that pauses at
//! the end of a sentence anyway was not kept from going on. Words count by the mouth's account against
//! the text of the partner, and where a word was cut its sound must be heard again from the beginning.

use std::collections::BTreeMap;

use anyhow::Result;
use duplex_tests::{
    listeners::{self, Kind, Sound},
    listening::{self, Outcome},
    measure::{Percentiles, ms},
};

use crate::report::Report;

/// Callers at a time.
const LINES: usize = 4;

pub fn measure(report: &mut Report, known: bool) -> Result<()> {
    let sounds = if known {
        [listeners::known()?, listeners::seen()?].concat()
    } else {
        listeners::held_out()?
    };
    let found = listening::listen_on(LINES, &spread(sounds))?;
    let mut kinds: BTreeMap<Kind, Vec<&Outcome>> = BTreeMap::new();
    for one in &found.outcomes {
        kinds.entry(one.kind).or_default().push(one);
        let stopped = one.interrupted.map_or(String::new(), |after| {
            format!(", INTERRUPTED after {:.0} ms", ms(after))
        });
        println!(
            "  {:44} {:>4.0} ms of silence, {:>4.0} ms of it added, {:>4.0} ms paused{stopped}",
            one.what,
            ms(one.silence),
            ms(one.added),
            ms(one.paused)
        );
    }
    for (kind, all) in &kinds {
        let (resumed, quick) = count(all);
        report.note(
            &format!("  of {} {}", all.len(), kind.name()),
            format!("{resumed} resumed, {quick} of them within 400 ms beyond the story's own"),
        );
    }
    let all: Vec<&Outcome> = found.outcomes.iter().collect();
    let (resumed, quick) = count(&all);
    let share = |part: usize| part as f64 * 100.0 / all.len().max(1) as f64;
    let set = if known {
        "the known set"
    } else {
        "the held-out set"
    };
    report.least(
        &format!("the agent goes on, of {} sounds of {set}", all.len()),
        "%",
        share(resumed),
        90.0,
        97.0,
    );
    report.least(
        "and after ≤ 400 ms of silence beyond the story's own",
        "%",
        share(quick),
        90.0,
        97.0,
    );
    let gone_on = all.iter().filter(|one| one.interrupted.is_none());
    let (added, silences): (Vec<f64>, Vec<f64>) =
        gone_on.map(|one| (ms(one.added), ms(one.silence))).unzip();
    for (what, all) in [
        ("silence beyond the story's own where it goes on", added),
        ("all silence there", silences),
    ] {
        report.row(what, "ms", &Percentiles::of(&all), &[]);
    }
    report.single(
        &format!("words lost, of {}", found.words),
        "words",
        found.lost as f64,
        0.0,
        0.0,
    );
    report.note(
        "cut words whose sound begins anew",
        format!("{} of {}", found.joined.0, found.joined.1),
    );
    Ok(())
}

/// Whether sentences stop the agent.
pub fn sentences(report: &mut Report, known: bool) -> Result<()> {
    let sentences = if known {
        listeners::seen_sentences()
    } else {
        listeners::sentences()
    };
    let found = listening::listen_on(LINES, &sentences)?;
    let stopped: Vec<f64> = (found.outcomes.iter())
        .filter_map(|one| one.interrupted.map(ms))
        .collect();
    for one in found
        .outcomes
        .iter()
        .filter(|one| one.interrupted.is_none())
    {
        println!("  {} did not interrupt", one.what);
    }
    report.least(
        &format!("the agent stops, of {} sentences", found.outcomes.len()),
        "%",
        stopped.len() as f64 * 100.0 / found.outcomes.len().max(1) as f64,
        95.0,
        100.0,
    );
    report.row(
        "  after their beginning",
        "ms",
        &Percentiles::of(&stopped),
        &[],
    );
    Ok(())
}

/// How many resumed, and how many of them within 400 ms.
fn count(all: &[&Outcome]) -> (usize, usize) {
    let resumed = all.iter().filter(|one| one.interrupted.is_none());
    let quick = resumed.clone().filter(|one| ms(one.added) <= 400.0);
    (resumed.count(), quick.count())
}

/// Each line gets some of each kind.
fn spread(sounds: Vec<Sound>) -> Vec<Sound> {
    let each = sounds.len().div_ceil(LINES);
    let mut all: Vec<(usize, Sound)> = (sounds.into_iter().enumerate())
        .map(|(n, sound)| ((n % LINES) * each + n / LINES, sound))
        .collect();
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, sound)| sound).collect()
}
