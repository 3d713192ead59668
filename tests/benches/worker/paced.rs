// SPDX-License-Identifier: MPL-2.0

//! How many sessions are on time with both ends on this machine, beside the naive server.

use std::time::Duration;

use anyhow::Result;
use duplex_tests::{
    load::{self, Load, Outcome, Reader},
    measure::Percentiles,
};

use crate::{report::Report, start};

/// A frame may come so long after it is due.
const LATE_MS: f64 = 10.0;

/// Sessions at which processor time is compared: all are on time.
const COMPARED: usize = 500;

async fn load(name: &str, sessions: usize, reader: Reader, seconds: u64) -> Result<Outcome> {
    let worker = start(name)?;
    let load = Load {
        uri: worker.http(),
        model: "tone".into(),
        sessions,
        reader,
        slow: 0,
        warm_up: Duration::from_secs(5),
        length: Duration::from_secs(seconds),
    };
    load::run(load, Some(worker.pid())).await
}

fn on_time(seen: &Outcome) -> bool {
    seen.failed == 0 && seen.lost == 0 && Percentiles::of(&seen.late).p95 <= LATE_MS
}

/// The most sessions that are on time, found in steps of a twelfth.
async fn most(
    report: &mut Report,
    name: &str,
    reader: Reader,
    from: usize,
    seconds: u64,
) -> Result<(usize, Outcome)> {
    let mut best = (0, Outcome::default());
    let mut sessions = from;
    // Up in large steps, then in small ones from the last that was on time.
    for factor in [1.25, 1.08] {
        loop {
            let seen = load(name, sessions, reader, seconds).await?;
            let good = on_time(&seen);
            report.note(
                &format!("    {name}, {sessions} sessions"),
                format!(
                    "{}{} ms, {} lost, {} failed; processor: clients {:.2}, worker {:.2} cores",
                    if good { "" } else { "LATE: " },
                    Percentiles::of(&seen.late),
                    seen.lost,
                    seen.failed,
                    seen.client_cpu / seconds as f64,
                    seen.worker_cpu / seconds as f64,
                ),
            );
            if good && sessions > best.0 {
                best = (sessions, seen);
            } else {
                break;
            }
            sessions = (sessions as f64 * factor) as usize;
        }
        sessions = (best.0.max(from / 2) as f64 * 1.08) as usize;
    }
    Ok(best)
}

pub async fn measure(report: &mut Report, step: u64, seconds: u64) -> Result<()> {
    let (naive, _) = most(report, "naive-worker", Reader::Old, 800, step).await?;
    let (ours, _) = most(report, "duplex-worker", Reader::Old, naive * 6 / 5, step).await?;
    let (pieces, _) = most(
        report,
        "duplex-worker",
        Reader::Pieces(100),
        naive * 2,
        step,
    )
    .await?;
    let note = |n: usize| n.to_string();
    report.note("naive server, sessions on time (p95 ≤ 10 ms)", note(naive));
    at_least(
        report,
        "worker, 20 ms frames, sessions on time, × naive",
        ours,
        naive,
        1.2,
        1.5,
    );
    at_least(
        report,
        "worker, 100 ms pieces, sessions on time, × naive",
        pieces,
        naive,
        2.0,
        3.0,
    );

    let naive = load("naive-worker", COMPARED, Reader::Old, seconds).await?;
    let ours = load("duplex-worker", COMPARED, Reader::Old, seconds).await?;
    let cost = |seen: &Outcome| seen.worker_cpu * 1e3 / seen.sound;
    report.note(
        &format!("naive server, {COMPARED} sessions: processor per second of sound"),
        format!(
            "{:.3} ms, lateness {} ms",
            cost(&naive),
            Percentiles::of(&naive.late)
        ),
    );
    report.note(
        &format!("worker, {COMPARED} sessions: processor per second of sound"),
        format!(
            "{:.3} ms, lateness {} ms",
            cost(&ours),
            Percentiles::of(&ours.late)
        ),
    );
    report.single("  × naive", "", cost(&ours) / cost(&naive), 0.8, 0.5);
    let hundred = load("duplex-worker", 100, Reader::Old, seconds.min(20)).await?;
    report.single(
        "worker memory at 100 sessions (PSS)",
        "MiB",
        hundred.worker_memory as f64 / 1024.0,
        60.0,
        30.0,
    );
    Ok(())
}

fn at_least(report: &mut Report, what: &str, found: usize, of: usize, must: f64, aim: f64) {
    let ratio = found as f64 / of.max(1) as f64;
    let verdict = if ratio < must { "MISSED: " } else { "" };
    report.note(
        &format!("{what} (must {must}, aim {aim})"),
        format!("{verdict}{ratio:.2} ({found})"),
    );
}
