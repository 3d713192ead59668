// SPDX-License-Identifier: MPL-2.0

//! The rows that only a card can fill: time of a step, first audio, streams without underrun.

use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use duplex_neural::backend::abi::{Backend, PRECISION_BF16, PRECISION_F32};

use crate::{
    card,
    case::Voice,
    host::{Ask, Host},
    models, told,
};

/// A sentence of 29 tokens behind a voice of ten seconds.
const TOKENS: usize = 29;
const VOICE: u32 = 126;
/// Twelve seconds of speech, then the next sentence.
const FRAMES: usize = 150;
const POSITIONS: u32 = 320;
const FRAME: Duration = Duration::from_millis(80);
/// What a listener's store holds before playing begins: three frames.
const AHEAD: u32 = 3;
const MOST_BATCH: usize = 256;
const MOST_STREAMS: usize = 2_048;

/// Of whatever is asked here.
pub type Answer<T> = Result<T, Box<dyn Error>>;

/// A model with everybody's voice.
struct Stage {
    host: Host,
    voice: u64,
    tokens: Vec<u32>,
    noise: Vec<f32>,
}

impl Stage {
    fn open(
        table: &'static Backend,
        (config, weights, voice): (&Path, &Path, Option<&Path>),
        slots: usize,
        precision: u32,
    ) -> Answer<Self> {
        let ask = Ask {
            device: card(),
            slots: slots as u32,
            max_batch: slots.min(MOST_BATCH) as u32,
            positions: POSITIONS,
            precision,
        };
        let mut host = told(Host::open(table, config, weights, ask))?;
        let voice = match voice {
            Some(path) => Voice::read(path),
            None => {
                let shape = [host.facts.layers, VOICE, host.facts.heads, host.facts.width];
                let count = shape.iter().product::<u32>() as usize;
                let numbers = |name| models::uniform(name, count);
                Voice::new(shape, numbers("keys"), numbers("values"))
            }
        };
        let voice = told(host.voice(&voice.shape))?;
        let latent = host.facts.latent as usize;
        Ok(Self {
            host,
            voice,
            tokens: (0..TOKENS as u32).map(|n| n * 37 % 4_000).collect(),
            noise: models::uniform("noise", MOST_BATCH * latent),
        })
    }

    fn admit(&mut self, slot: u32) -> Answer<()> {
        told(self.host.admit(slot, &self.tokens, self.voice))
    }

    fn step(&mut self, slots: &[u32]) -> Answer<()> {
        let count = slots.len() * self.host.facts.latent as usize;
        told(self.host.step(slots, &self.noise[..count])).map(drop)
    }
}

/// p50, p95 and p99 in milliseconds.
pub fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| at(share).as_secs_f64() * 1e3);
    format!("{p50:.2} | {p95:.2} | {p99:.2}")
}

/// Prints all rows.
pub fn measure(table: &'static Backend, english: &Path, model: Option<&Path>) -> Answer<()> {
    let made = tempfile::tempdir()?;
    let (config, weights, voice) = match model {
        Some(model) => (
            model.join("config.yaml"),
            model.join("model.safetensors"),
            Some(model.join("voice.safetensors")).filter(|path| path.exists()),
        ),
        None => {
            let weights = made.path().join("model.safetensors");
            let shapes = std::fs::read(english.join("shapes.json"))?;
            models::make_weights(&serde_json::from_slice(&shapes)?, &weights);
            (english.join("config.yaml"), weights, None)
        }
    };
    let files = (config.as_path(), weights.as_path(), voice.as_deref());
    println!("\n| time of a step, ms | p50 | p95 | p99 |\n|---|---|---|---|");
    let mut slowest = FRAME;
    for (name, precision) in [("f32", PRECISION_F32), ("bf16", PRECISION_BF16)] {
        let started = Instant::now();
        let mut stage = Stage::open(table, files, MOST_BATCH, precision)?;
        let loaded = started.elapsed();
        for batch in [1, 64, MOST_BATCH] {
            let times = step_times(&mut stage, batch)?;
            slowest = times[times.len() / 2];
            println!(
                "| {name}, B = {batch} | {} |",
                percentiles(&mut times.clone())
            );
        }
        let mebibytes = stage.host.facts.bytes >> 20;
        println!(
            "| {name}, loaded in {:.1} s, {mebibytes} MiB on the card | | | |",
            loaded.as_secs_f64()
        );
    }
    let mut stage = Stage::open(table, files, MOST_BATCH, PRECISION_BF16)?;
    let mut times = first_audio(&mut stage)?;
    println!(
        "| bf16, first audio at {MOST_BATCH} live streams | {} |",
        percentiles(&mut times)
    );
    drop(stage);

    let fit = FRAME.as_secs_f64() / slowest.as_secs_f64() * MOST_BATCH as f64;
    let mut streams = (fit as usize).clamp(1, MOST_STREAMS);
    let mut stage = Stage::open(table, files, streams, PRECISION_BF16)?;
    // Short tries find a number, a long one proves it.
    while streams > 1 && underruns(&mut stage, streams, Duration::from_secs(4))? > 0 {
        streams = (streams * 9 / 10).max(1);
    }
    let mut late = underruns(&mut stage, streams, Duration::from_secs(60))?;
    if late > 0 {
        println!("\n{streams} streams in real time: {late} underruns in 60 s");
        streams = (streams * 9 / 10).max(1);
        late = underruns(&mut stage, streams, Duration::from_secs(60))?;
    }
    println!("\n{streams} streams in real time: {late} underruns in 60 s");
    Ok(())
}

fn step_times(stage: &mut Stage, batch: usize) -> Answer<Vec<Duration>> {
    let slots: Vec<u32> = (0..batch as u32).collect();
    for slot in &slots {
        stage.admit(*slot)?;
    }
    let mut times = Vec::with_capacity(FRAMES);
    for _ in 0..FRAMES {
        let started = Instant::now();
        stage.step(&slots)?;
        times.push(started.elapsed());
    }
    // The first ones load kernels of this size.
    Ok(times.split_off(10))
}

/// Everybody speaks all the time; one after the other is replaced by somebody who comes while a step goes on.
fn first_audio(stage: &mut Stage) -> Answer<Vec<Duration>> {
    let slots: Vec<u32> = (0..MOST_BATCH as u32).collect();
    for slot in &slots {
        stage.admit(*slot)?;
    }
    let mut frames = vec![0; MOST_BATCH];
    let mut times = Vec::new();
    for number in 0..3 * MOST_BATCH {
        let started = Instant::now();
        stage.step(&slots)?;
        let came = started + (started.elapsed() * (number as u32 * 7 % 16)) / 16;
        let slot = number % MOST_BATCH;
        stage.admit(slot as u32)?;
        stage.step(&slots)?;
        times.push(came.elapsed());
        frames.iter_mut().for_each(|count| *count += 2);
        frames[slot] = 1;
        // Nobody outgrows the slot: each is replaced in time, but for the first round.
        for (slot, count) in frames
            .iter_mut()
            .enumerate()
            .filter(|(_, count)| **count >= FRAMES)
        {
            stage.admit(slot as u32)?;
            *count = 0;
        }
    }
    Ok(times.split_off(MOST_BATCH))
}

/// Frames that were due before they were made, of streams that begin evenly over a sentence's time.
fn underruns(stage: &mut Stage, streams: usize, span: Duration) -> Answer<usize> {
    // When each stream's next frame is due, and how many of its sentence are made.
    let mut due = Vec::with_capacity(streams);
    let mut made = Vec::with_capacity(streams);
    let started = Instant::now();
    for stream in 0..streams {
        stage.admit(stream as u32)?;
        due.push(started);
        made.push(stream * FRAMES / streams);
    }
    let started = Instant::now();
    for (stream, due) in due.iter_mut().enumerate() {
        *due = started + FRAME * AHEAD + FRAME * stream as u32 / streams as u32;
    }
    let mut late = 0;
    let mut chosen: Vec<usize> = Vec::new();
    while started.elapsed() < span {
        let now = Instant::now();
        // Who has less than is to be ahead, the soonest first.
        chosen.clear();
        chosen.extend((0..streams).filter(|stream| due[*stream] < now + FRAME * AHEAD));
        chosen.sort_unstable_by_key(|stream| due[*stream]);
        chosen.truncate(MOST_BATCH);
        if chosen.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        for stream in &chosen {
            if made[*stream] >= FRAMES {
                stage.admit(*stream as u32)?;
                made[*stream] = 0;
            }
        }
        let slots: Vec<u32> = chosen.iter().map(|stream| *stream as u32).collect();
        stage.step(&slots)?;
        let now = Instant::now();
        for stream in &chosen {
            late += usize::from(now > due[*stream]);
            due[*stream] += FRAME;
            made[*stream] += 1;
        }
    }
    Ok(late)
}
