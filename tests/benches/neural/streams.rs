// SPDX-License-Identifier: MPL-2.0

//! How many streams are in time, and whether they stay so when ten times more ask.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use duplex_neural::{NeuralEngine, Options, Precision};
use duplex_synthesis::{Engine, Error, Request, Utterance};
use duplex_tests::{measure::Percentiles, measure::ms, report::Report};

use crate::{TEXT, open};

/// A consumer takes the next piece when so little is left to play.
const LEFT: Duration = Duration::from_millis(100);
/// Streams begin within so long.
const BEGINNING: Duration = Duration::from_secs(4);
/// Beyond what two cores may do with a large model.
const MOST: usize = 32;

/// What a consumer saw.
#[derive(Default)]
struct Seen {
    first: f64,
    /// How late pieces came, in ms; what comes in time is not in it.
    late: Vec<f64>,
    seconds: f64,
}

/// Plays a stream for so long, in real time: a piece that comes after its sound was due is an underrun.
fn play(mut utterance: Utterance, length: Duration) -> Result<Seen, Error> {
    let begun = Instant::now();
    let mut seen = Seen::default();
    let mut due: Option<Instant> = None;
    let rate = f64::from(utterance.audio.sample_rate());
    while let Some(piece) = utterance.audio.next()? {
        let now = Instant::now();
        let length_of = Duration::from_secs_f64(piece.samples.len() as f64 / rate);
        let end = match due {
            None => {
                seen.first = ms(begun.elapsed());
                now + length_of
            }
            Some(due) if now > due => {
                seen.late.push(ms(now - due));
                now + length_of
            }
            Some(due) => due + length_of,
        };
        due = Some(end);
        seen.seconds += length_of.as_secs_f64();
        if begun.elapsed() > length {
            break;
        }
        thread::sleep(end.saturating_duration_since(now + LEFT));
    }
    utterance.cancel.cancel();
    Ok(seen)
}

/// Opens an utterance with more to say than anybody listens to.
fn begin(engine: &NeuralEngine) -> Result<Utterance, Error> {
    let mut utterance = engine.open(&Request::default())?;
    for _ in 0..60 {
        utterance.text.push(TEXT)?;
        utterance.text.push(" ")?;
    }
    utterance.text.finish()?;
    Ok(utterance)
}

/// What came of so many streams that asked.
struct Outcome {
    admitted: usize,
    refused: usize,
    underruns: usize,
    late: Percentiles,
    first: Percentiles,
}

/// Streams ask one after the other; `crowd` more ask all the time, and go on asking.
fn run(engine: &Arc<NeuralEngine>, streams: usize, crowd: usize, seconds: u64) -> Result<Outcome> {
    let length = Duration::from_secs(seconds);
    let refused = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for _ in 0..streams {
        match begin(engine) {
            Ok(utterance) => threads.push(thread::spawn(move || play(utterance, length))),
            Err(Error::Busy(_)) => {
                refused.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => bail!(error),
        }
        thread::sleep(BEGINNING / streams as u32);
    }
    let others: Vec<_> = (0..crowd)
        .map(|_| {
            let (engine, refused, over) = (engine.clone(), refused.clone(), over.clone());
            thread::spawn(move || {
                let mut admitted = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    match begin(&engine) {
                        Ok(utterance) => admitted.push(play(utterance, length)),
                        Err(Error::Busy(_)) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => admitted.push(Err(error)),
                    }
                    thread::sleep(Duration::from_millis(500));
                }
                admitted
            })
        })
        .collect();
    let mut seen = Vec::new();
    for thread in threads {
        seen.push(thread.join().expect("a consumer")?);
    }
    over.store(true, Ordering::Relaxed);
    for thread in others {
        for played in thread.join().expect("one of the crowd") {
            seen.push(played?);
        }
    }
    let late: Vec<f64> = seen
        .iter()
        .flat_map(|seen| seen.late.iter().copied())
        .collect();
    let first: Vec<f64> = seen.iter().map(|seen| seen.first).collect();
    Ok(Outcome {
        admitted: seen.len(),
        refused: refused.load(Ordering::Relaxed),
        underruns: late.len(),
        late: Percentiles::of(&late),
        first: Percentiles::of(&first),
    })
}

/// How a row of it is called, and what it is to reach.
pub struct Goal<'a> {
    pub what: &'a str,
    /// Streams that ask, fewest first.
    pub counts: &'a [usize],
    pub must: f64,
    pub aim: f64,
}

/// Rows of it with a large model on the CPU.
pub fn measure(report: &mut Report, folder: &Path, seconds: u64) -> Result<()> {
    let pocket = open(folder, Precision::Q8)?;
    let options = Options {
        slots: MOST,
        max_batch: MOST,
        ..Options::default()
    };
    let engine = Arc::new(NeuralEngine::new(Arc::new(pocket), options)?);
    let goal = Goal {
        what: "CPU, Q8_0",
        counts: &[6, 10, 16, 24],
        must: 6.0,
        aim: 16.0,
    };
    let best = most(report, &engine, &goal, seconds)?;
    let seen = run(&engine, best, best * 9, seconds)?;
    report.note(
        "  ten times as many ask",
        format!(
            "{} admitted, {} refused, first audio {} ms",
            seen.admitted, seen.refused, seen.first
        ),
    );
    report.single(
        "ten times as many ask: underruns of the admitted",
        "",
        seen.underruns as f64,
        0.0,
        0.0,
    );
    Ok(())
}

/// How many an engine serves in time.
pub fn most(
    report: &mut Report,
    engine: &Arc<NeuralEngine>,
    goal: &Goal<'_>,
    seconds: u64,
) -> Result<usize> {
    let mut best = 0;
    for &streams in goal.counts {
        let seen = run(engine, streams, 0, seconds)?;
        let stats = engine.stats();
        report.note(
            &format!("  {}: {streams} streams ask for {seconds} s each", goal.what),
            format!(
                "{} admitted, {} refused, {} underruns (late {} ms), first audio {} ms; steps {:.1} + {:.1} ms",
                seen.admitted,
                seen.refused,
                seen.underruns,
                seen.late,
                seen.first,
                ms(stats.generator.mean),
                ms(stats.decoder.mean),
            ),
        );
        if seen.underruns > 0 {
            break;
        }
        best = seen.admitted;
        if seen.refused > 0 {
            break;
        }
    }
    report.least(
        &format!("{}: streams in time, no underrun", goal.what),
        "streams",
        best as f64,
        goal.must,
        goal.aim,
    );
    Ok(best)
}
