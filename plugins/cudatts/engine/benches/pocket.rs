// SPDX-License-Identifier: MPL-2.0

//! What 80 ms of sound cost, by streams at once: `cargo bench -p duplex-neural -- MODEL [f32|q8]`.
//!
//! MODEL is a folder that `tests/parity/reference.py published NAME` wrote; weights need not be trained to take time.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use duplex_neural::{
    Precision,
    family::{Chunk, Decoder, Family, Frames, Generator, Sampling},
    pocket::{Files, Pocket},
};

const TEXT: &str =
    "We were told that the harbour lies behind the hill, and that the boats come in with the tide.";
const FRAMES: usize = 100;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let Some(folder) = arguments.first().map(Path::new) else {
        println!("SKIPPED: name the folder of a model");
        return;
    };
    let precision = match arguments.get(1).map(String::as_str) {
        Some("f32") => Precision::F32,
        _ => Precision::Q8,
    };
    let tokenizer = ["tokenizer.json", "tokenizer.model"]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.exists());
    let started = Instant::now();
    let pocket = Pocket::open(
        Files {
            config: folder.join("config.yaml"),
            weights: folder.join("model.safetensors"),
            tokenizer: tokenizer.expect("a tokenizer"),
            voices: vec![("stored".into(), folder.join("voice.safetensors"))],
        },
        precision,
    );
    let pocket = pocket.expect("a model");
    println!(
        "{precision:?}: loaded in {:?}, {}",
        started.elapsed(),
        memory()
    );
    let voice = pocket.voice("stored").expect("a voice");
    let mut chunk: Chunk = pocket.chunks(TEXT).expect("chunks").remove(0);
    (chunk.tail, chunk.most) = (usize::MAX / 2, usize::MAX);
    println!("{} tokens", chunk.tokens.len());
    let sampling = Sampling {
        temperature: None,
        seed: 1,
    };
    let mut firsts = Vec::new();
    for _ in 0..20 {
        let mut generator = pocket.pocket_generator(1);
        let mut decoder = pocket.pocket_decoder(1);
        let started = Instant::now();
        generator
            .admit(0, &chunk, &voice, sampling)
            .expect("admitted");
        let read = started.elapsed();
        let (mut frames, mut sound) = (Frames::default(), Vec::new());
        generator.step(&[0], &mut frames).expect("a step");
        decoder
            .decode(&[0], &frames.values, &mut sound)
            .expect("sound");
        firsts.push((started.elapsed(), read));
    }
    firsts.sort();
    println!(
        "first audio {:?} (the text read in {:?})",
        firsts[10].0, firsts[10].1
    );
    for streams in [1, 2, 4, 8, 16] {
        let slots: Vec<usize> = (0..streams).collect();
        let mut generator = pocket.pocket_generator(streams);
        let mut decoder = pocket.pocket_decoder(streams);
        for slot in &slots {
            generator
                .admit(*slot, &chunk, &voice, sampling)
                .expect("admitted");
        }
        let (mut frames, mut sound) = (Frames::default(), Vec::new());
        let (mut flow, mut codec) = (Vec::new(), Vec::new());
        for _ in 0..FRAMES {
            let started = Instant::now();
            generator.step(&slots, &mut frames).expect("a step");
            let made = Instant::now();
            decoder
                .decode(&slots, &frames.values, &mut sound)
                .expect("sound");
            flow.push(made - started);
            codec.push(made.elapsed());
        }
        let (flow, codec) = (median(flow), median(codec));
        let each = (flow + codec).as_secs_f64() * 1e3 / streams as f64;
        println!(
            "{streams:>2} streams: flow {flow:>10.2?} + codec {codec:>10.2?} a step; {each:.2} ms a stream, {:.3} of real time",
            each / 80.0
        );
    }
    println!("{}", memory());
    drop(Arc::new(pocket));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key));
        line.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .unwrap_or_default()
    };
    format!("{} {}", of("VmHWM"), of("VmRSS"))
}
