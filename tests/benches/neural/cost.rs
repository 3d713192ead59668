// SPDX-License-Identifier: MPL-2.0

//! What 80 ms of sound cost one thread. (A step of many streams may share its products with other processors;
//! with RAYON_NUM_THREADS=1 it does not, and takes a tenth longer at sixteen.)

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use duplex_neural::{
    Precision,
    family::{Decoder, Family, Frames, Generator, Manner},
    pocket::Pocket,
};
use duplex_tests::{measure::ms, report::Report};

use crate::{TEXT, open, reference::Figures};

/// Steps of each size.
const STEPS: usize = 100;

/// Medians of a step.
#[derive(Clone, Copy)]
struct Step {
    flow: Duration,
    codec: Duration,
}

fn step(pocket: &Pocket, streams: usize) -> Result<Step> {
    let voice = pocket.voice("stored")?;
    let mut chunk = pocket.chunks(TEXT)?.chunks.remove(0);
    (chunk.tail, chunk.most) = (usize::MAX / 2, usize::MAX);
    let slots: Vec<usize> = (0..streams).collect();
    let mut generator = pocket.pocket_generator(streams);
    let mut decoder = pocket.pocket_decoder(streams);
    for slot in &slots {
        generator.admit(*slot, &chunk, &voice, Manner::default())?;
    }
    let (mut frames, mut sound) = (Frames::default(), Vec::new());
    let (mut flows, mut codecs) = (Vec::new(), Vec::new());
    for _ in 0..STEPS {
        let begun = Instant::now();
        generator.step(&slots, &mut frames)?;
        let made = Instant::now();
        decoder.decode(&slots, &frames.values, &mut sound)?;
        flows.push(made - begun);
        codecs.push(made.elapsed());
    }
    Ok(Step {
        flow: median(flows),
        codec: median(codecs),
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Rows of one stream against the reference, and of more at once.
pub fn measure(report: &mut Report, folder: &Path, reference: Option<&Figures>) -> Result<()> {
    for (name, precision) in [("32 bits", Precision::F32), ("Q8_0", Precision::Q8)] {
        let pocket = open(folder, precision)?;
        for streams in [1, 2, 4, 8, 16] {
            let step = step(&pocket, streams)?;
            let both = ms(step.flow + step.codec);
            report.note(
                &format!("CPU, {name}, {streams} at once: 80 ms of sound for each"),
                format!(
                    "flow {:.1} + codec {:.1} ms, {:.3} of real time a stream",
                    ms(step.flow),
                    ms(step.codec),
                    both / 80.0 / streams as f64
                ),
            );
            if let (1, Precision::Q8, Some(reference)) = (streams, precision, reference) {
                for (kind, cost, must, aim) in [
                    ("32 bits", reference.f32, 0.5, 0.3),
                    ("int8", reference.int8, 0.7, 0.4),
                ] {
                    report.note(
                        &format!("{}, {kind}: 80 ms of sound", reference.what),
                        format!("flow {:.1} + codec {:.1} ms", cost.flow, cost.codec),
                    );
                    let what =
                        format!("CPU, Q8_0, 1 stream, 1 thread: cost against PyTorch's {kind}");
                    report.single(&what, "×", both / cost.frame(), must, aim);
                }
            }
        }
    }
    Ok(())
}
