// SPDX-License-Identifier: MPL-2.0

//! The small voice on a card: parity of its sound, time of a step by its size, streams without underrun.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use duplex_neural::{
    backend::{
        abi::Backend,
        renderer::{Given, Renderer},
    },
    compact::{HOP, shape::CHANNELS},
};

use crate::{
    card,
    clause::{Clause, render},
    models,
    rows::{Answer, percentiles},
};

/// Hops of a frame, and how long it sounds.
const FRAME_HOPS: usize = 4;
const FRAME: Duration = Duration::from_millis(40);
/// Clauses of three seconds.
const FRAMES: usize = 75;
/// What a listener's store holds before playing begins.
const AHEAD: u32 = 3;
const BATCHES: [usize; 4] = [64, 256, 1_024, 4_096];
/// Those who begin in one call.
const BEGINNING: usize = 256;

/// Whether sound is the reference's.
pub fn parity(table: &'static Backend, folder: &Path) -> Answer<bool> {
    let weights = std::fs::read(folder.join("model.safetensors"))?;
    let clause = Clause::open(folder);
    let mut renderer = Renderer::open(table, &weights, card(), 20)?;
    let bound = clause.bound();
    println!("\n| compact | slots | furthest sample (bound {bound:.0e}) |\n|---|---|---|");
    let mut right = true;
    for hops in [1, FRAME_HOPS, 64] {
        for slots in crate::PLACES {
            let clauses = slots.map(|slot| (slot, &clause));
            let mut furthest = 0.0_f32;
            for sound in render(&mut renderer, &clauses, hops, 0.0)? {
                furthest = furthest.max(models::furthest(&sound, &clause.samples));
            }
            println!("| {hops} hops a call | {slots:?} | {furthest:.1e} |");
            right &= furthest < bound;
        }
    }
    Ok(right)
}

/// Slots that all speak the same numbers.
struct Stage {
    renderer: Renderer,
    ahead: usize,
    numbers: Clause,
    sound: Vec<f32>,
}

impl Stage {
    fn open(table: &'static Backend, weights: &[u8], slots: usize) -> Answer<Self> {
        let renderer = Renderer::open(table, weights, card(), slots)?;
        let ahead = renderer.facts().sound_late as usize;
        let most = (slots * FRAME_HOPS).max(slots.min(BEGINNING) * ahead);
        Ok(Self {
            renderer,
            ahead,
            numbers: Clause::made(most),
            sound: vec![0.0; most * HOP],
        })
    }

    fn render(&mut self, slots: &[u32], hops: usize) -> Answer<()> {
        let all = slots.len() * hops;
        let given = Given {
            inputs: &self.numbers.inputs[..all * CHANNELS],
            pulses: &self.numbers.pulses[..all * HOP],
            noise: &self.numbers.noise[..all * HOP],
        };
        let sound = &mut self.sound[..all * HOP];
        Ok(self.renderer.render(slots, hops, given, sound)?)
    }

    /// A clause for each of these slots, up to its first frame.
    fn begin(&mut self, slots: &[u32]) -> Answer<()> {
        for slot in slots {
            self.renderer.begin(*slot as usize, FRAMES * FRAME_HOPS)?;
        }
        for slots in slots.chunks(BEGINNING) {
            self.render(slots, self.ahead)?;
        }
        Ok(())
    }
}

/// Prints all rows.
pub fn measure(table: &'static Backend, folder: &Path) -> Answer<()> {
    let weights = std::fs::read(folder.join("model.safetensors"))?;
    println!("\n| compact: time of a step of 40 ms, ms | p50 | p95 | p99 |\n|---|---|---|---|");
    let mut most = 1;
    for batch in BATCHES {
        let started = Instant::now();
        let mut stage = Stage::open(table, &weights, batch)?;
        let loaded = started.elapsed();
        let slots: Vec<u32> = (0..batch as u32).collect();
        stage.begin(&slots)?;
        let mut times = timed(60, || stage.render(&slots, FRAME_HOPS))?;
        println!("| B = {batch} | {} |", percentiles(&mut times));
        let step = times[times.len() / 2];
        // As many as begin in a step where clauses end evenly.
        let some = &slots[..batch.div_ceil(FRAMES)];
        let mut times = timed(20, || stage.begin(some))?;
        println!(
            "| B = {batch}, {} of whom begin, more | {} |",
            some.len(),
            percentiles(&mut times)
        );
        let begin = times[times.len() / 2];
        let fit = FRAME.as_secs_f64() / (step + begin).as_secs_f64() * batch as f64;
        if step + begin < FRAME {
            most = batch;
        }
        println!(
            "| B = {batch}: {fit:.0} streams in real time by these; loaded in {:.1} s, {} MiB on the card | | | |",
            loaded.as_secs_f64(),
            stage.renderer.facts().bytes >> 20
        );
    }
    let mut streams = most;
    let mut late = underruns(table, &weights, streams)?;
    while late > 0 && streams > 1 {
        println!("\ncompact: {streams} streams in real time: {late} underruns in 20 s");
        streams = streams * 3 / 4;
        late = underruns(table, &weights, streams)?;
    }
    println!("\ncompact: {streams} streams in real time: {late} underruns in 20 s");
    Ok(())
}

/// How long each call takes, but for the first ones, which load kernels of this size.
fn timed(count: usize, mut call: impl FnMut() -> Answer<()>) -> Answer<Vec<Duration>> {
    for _ in 0..3 {
        call()?;
    }
    (0..count)
        .map(|_| {
            let started = Instant::now();
            call()?;
            Ok(started.elapsed())
        })
        .collect()
}

/// Frames that were due before they were made, of streams whose clauses end evenly and are followed by others. What a host computes
/// for each (its inputs, its excitation, the phones of the next clause) is no part of it.
fn underruns(table: &'static Backend, weights: &[u8], streams: usize) -> Answer<usize> {
    let mut stage = Stage::open(table, weights, streams)?;
    let slots: Vec<u32> = (0..streams as u32).collect();
    stage.begin(&slots)?;
    stage.render(&slots, FRAME_HOPS)?;
    let started = Instant::now();
    let mut late = 0;
    let mut beginning = Vec::new();
    for frame in 0..20_000 / FRAME.as_millis() as u32 {
        // All are as far ahead as their stores hold.
        let early = started + FRAME * frame;
        std::thread::sleep(early.saturating_duration_since(Instant::now()));
        beginning.clear();
        let ends = |slot: &&u32| (**slot as usize + frame as usize).is_multiple_of(FRAMES);
        beginning.extend(slots.iter().filter(ends));
        stage.begin(&beginning)?;
        stage.render(&slots, FRAME_HOPS)?;
        if Instant::now() > early + FRAME * AHEAD {
            late += streams;
        }
    }
    Ok(late)
}
