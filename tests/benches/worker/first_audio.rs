// SPDX-License-Identifier: MPL-2.0

//! Text sent → first frame with sound at the client; one session, alone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use duplex_proto::TextChunk;
use duplex_tests::{
    load::{connect, open, text_of},
    measure::{Percentiles, ms},
};

use crate::report::{Report, p50, p99};

pub async fn measure(report: &mut Report, uri: &str, trials: usize) -> Result<()> {
    let mut client = connect(uri, 1).await?.remove(0);
    open(&mut client, "first-audio", "tone").await?;
    let mut short = Vec::new();
    let mut long = Vec::new();
    // In turn, so that what changes on the machine meets both.
    for n in 0..trials * 2 + 20 {
        let is_long = n % 2 == 1;
        let text = if is_long {
            text_of(Duration::from_secs(30))
        } else {
            "absolute it".to_owned()
        };
        let chunk = TextChunk {
            session_id: "first-audio".into(),
            text,
            is_final: true,
            ..TextChunk::default()
        };
        let sent = Instant::now();
        let answer = client.synthesize(tokio_stream::once(chunk)).await?;
        let mut frames = answer.into_inner();
        let first = frames.message().await?.context("no sound")?;
        let after = ms(sent.elapsed());
        anyhow::ensure!(!first.audio_data.is_empty(), "the first frame is empty");
        drop(frames);
        if n >= 20 {
            if is_long { &mut long } else { &mut short }.push(after);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (short, long) = (Percentiles::of(&short), Percentiles::of(&long));
    report.row(
        "worker, tone, loopback, 1 session: text → first frame",
        "ms",
        &short,
        &[p50(3.0, 1.0), p99(15.0, f64::NAN)],
    );
    report.note("  the same, text of 30 s", format!("{long} ms"));
    report.single(
        "text of 30 s against 0.5 s: difference of p50",
        "ms",
        (long.p50 - short.p50).abs(),
        1.0,
        0.0,
    );
    Ok(())
}
