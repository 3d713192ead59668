// SPDX-License-Identifier: MPL-2.0

//! The table: each figure beside what it must reach, and what bare timers did around it.

use std::time::Duration;

use crate::measure::{self, FLOOR_LIMIT_MS, Percentiles, Table};
use anyhow::Result;

/// Collects rows and prints them.
#[derive(Default)]
pub struct Report {
    rows: Vec<[String; 4]>,
}

/// One limit: which percentile, what it must and what it should be.
pub struct Limit {
    /// Which percentile.
    pub name: &'static str,
    /// Takes it.
    pub of: fn(&Percentiles) -> f64,
    /// It may be no more than this.
    pub must: f64,
    /// It should be no more than this; NaN for nothing.
    pub aim: f64,
}

/// Of the median.
pub fn p50(must: f64, aim: f64) -> Limit {
    Limit {
        name: "p50",
        of: |p| p.p50,
        must,
        aim,
    }
}

/// Of the 95th percentile.
pub fn p95(must: f64, aim: f64) -> Limit {
    Limit {
        name: "p95",
        of: |p| p.p95,
        must,
        aim,
    }
}

/// Of the 99th percentile.
pub fn p99(must: f64, aim: f64) -> Limit {
    Limit {
        name: "p99",
        of: |p| p.p99,
        must,
        aim,
    }
}

impl Report {
    /// A row with what was found, in `unit`, and its limits.
    pub fn row(&mut self, what: &str, unit: &str, found: &Percentiles, limits: &[Limit]) {
        let join = |f: &dyn Fn(&Limit) -> String| {
            let all: Vec<String> = limits.iter().map(f).collect();
            all.join(", ")
        };
        let missed = limits.iter().any(|l| (l.of)(found) > l.must) || found.n == 0;
        let verdict = match (limits.is_empty(), missed) {
            (true, _) => "",
            (_, true) => "MISSED: ",
            (_, false) => "",
        };
        self.push([
            what.to_owned(),
            join(&|l| format!("{} ≤ {} {unit}", l.name, l.must)),
            join(&|l| {
                if l.aim.is_nan() {
                    "–".to_owned()
                } else {
                    format!("{} {unit}", l.aim)
                }
            }),
            format!("{verdict}{found} {unit}"),
        ]);
    }

    /// A row with a single figure.
    pub fn single(&mut self, what: &str, unit: &str, found: f64, must: f64, aim: f64) {
        let verdict = if found > must { "MISSED: " } else { "" };
        self.push([
            what.to_owned(),
            format!("≤ {must} {unit}"),
            format!("{aim} {unit}"),
            format!("{verdict}{found:.2} {unit}"),
        ]);
    }

    /// A row with a single figure that is to be large.
    pub fn least(&mut self, what: &str, unit: &str, found: f64, must: f64, aim: f64) {
        let verdict = if found < must { "MISSED: " } else { "" };
        self.push([
            what.to_owned(),
            format!("≥ {must} {unit}"),
            format!("{aim} {unit}"),
            format!("{verdict}{found:.1} {unit}"),
        ]);
    }

    /// A row that has no limit.
    pub fn note(&mut self, what: &str, found: impl std::fmt::Display) {
        self.push([
            what.to_owned(),
            String::new(),
            String::new(),
            found.to_string(),
        ]);
    }

    /// Marks the latest row.
    pub fn mark(&mut self, mark: &str) {
        if let Some(row) = self.rows.last_mut() {
            row[3].insert_str(0, mark);
            println!("  {mark}");
        }
    }

    fn push(&mut self, row: [String; 4]) {
        println!("{}: {}", row[0], row[3]);
        self.rows.push(row);
    }

    /// Runs `measure` between two looks at what bare timers do: `sleepers` of them, each 10 ms. Where
    /// the machine was not quiet enough to judge it measures once more, and keeps that; where it was
    /// not then either, each of the rows says so.
    pub fn on_the_clock(
        &mut self,
        what: &str,
        sleepers: usize,
        mut measure: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let first = self.rows.len();
        let mut once = |report: &mut Self| -> Result<bool> {
            let before = report.floor(&format!("before {what}"), sleepers);
            measure(report)?;
            Ok(report.floor(&format!("after {what}"), sleepers) && before)
        };
        if once(self)? {
            return Ok(());
        }
        println!("{what}: the machine was not quiet, once more");
        self.rows.truncate(first);
        if once(self)? {
            return Ok(());
        }
        for row in &mut self.rows[first..] {
            row[3] = format!("NOT QUIET, twice: {}", row[3]);
        }
        Ok(())
    }

    /// What bare timers do now. True where the machine was quiet enough to judge.
    fn floor(&mut self, when: &str, sleepers: usize) -> bool {
        let floor = measure::floor(sleepers, Duration::from_millis(10), Duration::from_secs(2));
        let pressure = measure::pressure().map_or("?".into(), |p| format!("{p:.0} %"));
        let quiet = floor.p99 <= FLOOR_LIMIT_MS;
        self.note(
            &format!("  floor {when}: {sleepers} timers of 10 ms"),
            format!("{floor} ms, CPU pressure {pressure}"),
        );
        quiet
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = Table::new(&["what", "must", "aim", "measured"]);
        for row in &self.rows {
            table.row(row);
        }
        write!(f, "\n{table}")
    }
}
