// SPDX-License-Identifier: MPL-2.0

//! How fast the small voice is, on one thread, by the processor's time: `cargo run --release -p duplex-neural --example compact [RATE [FOLDER]]`.

#![allow(clippy::print_stdout)]

use std::{env, path::Path, time::Duration};

use duplex_neural::{
    LoadError,
    compact::Compact,
    family::{Family, Frames, Manner},
};

const TEXT: &str = "The harbour was quiet in the early morning, and only a few boats went out. Nobody had expected that the old \
    lighthouse would be lit again! Did you hear the bells from the other side of the bay? They rang three times, very slowly, \
    and then it was silent until the sun came up behind the hills.";
const TIMES: usize = 20;
const BATCHES: [usize; 4] = [1, 4, 16, 64];

fn loaded() -> Result<Compact, LoadError> {
    match env::args().nth(2) {
        Some(folder) => Compact::open(Path::new(&folder)),
        None => Compact::built_in(),
    }
}

/// Time of the processor that this thread has had: other work on the machine does not count.
struct Instant(Duration);

impl Instant {
    fn now() -> Self {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: it writes to what it is given.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
        Self(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }

    fn elapsed(&self) -> Duration {
        Self::now().0 - self.0
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Loading alone is shared by threads, and told by the clock.
    let rate = env::args().nth(1).map_or(Ok(1.0), |rate| rate.parse())?;
    let manner = Manner {
        rate,
        ..Manner::default()
    };
    let (mut loading, mut cold, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    let (mut frames, mut sound) = (Frames::default(), Vec::new());
    for _ in 0..TIMES {
        let start = std::time::Instant::now();
        let compact = loaded()?;
        loading.push(start.elapsed());
        let voice = compact.voice("compact")?;
        let (mut generator, mut decoder) = (compact.generator(1)?, compact.decoder(1)?);
        for times in [&mut cold, &mut warm] {
            let start = Instant::now();
            let text = compact
                .chunks("Nobody had expected that the old lighthouse would be lit again.")?;
            generator.admit(0, &text.chunks[0], &voice, manner)?;
            decoder.reset(0);
            generator.step(&[0], &mut frames)?;
            decoder.decode(&[0], &frames.values, &mut sound)?;
            times.push(start.elapsed());
        }
    }
    println!("loading: {:.1} ms", median(loading));
    println!(
        "first frame of a sentence: {:.2} ms, of known words {:.2} ms",
        median(cold),
        median(warm)
    );

    let compact = loaded()?;
    let voice = compact.voice("compact")?;
    let second = f64::from(compact.sample_rate());
    for batch in BATCHES {
        let (mut generator, mut decoder) = (compact.generator(batch)?, compact.decoder(batch)?);
        let slots: Vec<usize> = (0..batch).collect();
        let (mut reading, mut admission, mut steps, mut decoding) = Default::default();
        let mut seconds = 0.0;
        let timed = |of: &mut Duration, start: Instant| *of += start.elapsed();
        for _ in 0..TIMES / 2 {
            let start = Instant::now();
            let text = compact.chunks(TEXT)?;
            timed(&mut reading, start);
            for chunk in &text.chunks {
                let start = Instant::now();
                for slot in &slots {
                    generator.admit(*slot, chunk, &voice, manner)?;
                    decoder.reset(*slot);
                }
                timed(&mut admission, start);
                loop {
                    let start = Instant::now();
                    generator.step(&slots, &mut frames)?;
                    timed(&mut steps, start);
                    if frames.over[0] {
                        break;
                    }
                    let start = Instant::now();
                    decoder.decode(&slots, &frames.values, &mut sound)?;
                    timed(&mut decoding, start);
                    seconds += sound.len() as f64 / second;
                }
            }
        }
        let share = |time: Duration| time.as_secs_f64() / seconds;
        println!(
            "{batch:2} at once, share of real time of each: {:.4} (reading {:.4}, admission {:.4}, steps {:.4}, decoding {:.4}), {:.1} s of sound",
            share(reading + admission + steps + decoding),
            share(reading),
            share(admission),
            share(steps),
            share(decoding),
            seconds / (batch * TIMES / 2) as f64,
        );
    }
    Ok(())
}
