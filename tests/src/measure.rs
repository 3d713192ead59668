// SPDX-License-Identifier: MPL-2.0

//! Figures: percentiles, what the machine could do at all, tables.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

/// Percentiles of a set of figures, in whatever unit they have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percentiles {
    /// How many figures there are.
    pub n: usize,
    /// The median.
    pub p50: f64,
    /// 95 of 100 are not above it.
    pub p95: f64,
    /// 99 of 100 are not above it.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Percentiles {
    /// Nearest-rank percentiles; all 0 where there are no figures.
    pub fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank = |p: f64| {
            let rank = (p * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.max(1) - 1).copied().unwrap_or(0.0)
        };
        Self {
            n: sorted.len(),
            p50: rank(0.50),
            p95: rank(0.95),
            p99: rank(0.99),
            max: sorted.last().copied().unwrap_or(0.0),
        }
    }
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "p50 {:.2} · p95 {:.2} · p99 {:.2} · max {:.2} (n {})",
            self.p50, self.p95, self.p99, self.max, self.n
        )
    }
}

/// Milliseconds, for figures.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// A floor whose p99 is above this marks a run that says more about the neighbours than about us.
pub const FLOOR_LIMIT_MS: f64 = 2.0;

/// How late bare timers are on this machine now, in ms: `sleepers` threads that do nothing but
/// wake up each `period` for `length`.
///
/// Belongs just before and just after whatever it is compared with.
pub fn floor(sleepers: usize, period: Duration, length: Duration) -> Percentiles {
    let begin = Instant::now() + Duration::from_millis(20);
    let threads: Vec<_> = (0..sleepers)
        .map(|n| {
            // Spread over the period, as streams are.
            let offset = period.mul_f64(n as f64 / sleepers as f64);
            thread::spawn(move || {
                let mut late = Vec::new();
                let mut due = begin + offset;
                while due < begin + length {
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    late.push(ms(Instant::now().saturating_duration_since(due)));
                    due += period;
                }
                late
            })
        })
        .collect();
    let late: Vec<f64> = threads
        .into_iter()
        .filter_map(|thread| thread.join().ok())
        .flatten()
        .collect();
    Percentiles::of(&late)
}

/// How much of the last ten seconds somebody waited for a processor, in percent, as
/// /proc/pressure/cpu has it; `None` where the kernel does not tell.
pub fn pressure() -> Option<f64> {
    let text = fs::read_to_string("/proc/pressure/cpu").ok()?;
    text.split_whitespace()
        .find_map(|word| word.strip_prefix("avg10="))?
        .parse()
        .ok()
}

/// One line about this machine and what else it does now.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| {
            Some(
                line.strip_prefix("model name")?
                    .split_once(": ")?
                    .1
                    .to_owned(),
            )
        })
        .unwrap_or_else(|| "processor unknown".to_owned());
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let pressure = pressure().map_or("unknown".to_owned(), |p| format!("{p:.0} %"));
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    format!(
        "{model}, {cores} cores, Linux {}, load {}, CPU pressure {pressure}, {profile} build",
        kernel.trim(),
        load.join(" ")
    )
}

/// A table for people: columns as wide as what they hold.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        let mut table = Self::default();
        table.row(headings);
        table
    }

    /// Adds a row.
    pub fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        let cells = cells.iter().map(|cell| cell.as_ref().to_owned());
        self.rows.push(cells.collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (n, row) in self.rows.iter().enumerate() {
            write!(f, "|")?;
            for (column, width) in widths.iter().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                write!(f, " {cell:width$} |")?;
            }
            writeln!(f)?;
            if n == 0 {
                let line: Vec<String> = widths.iter().map(|w| "-".repeat(w + 2)).collect();
                writeln!(f, "|{}|", line.join("|"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let figures: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let p = Percentiles::of(&figures);
        assert_eq!(
            (p.n, p.p50, p.p95, p.p99, p.max),
            (200, 100.0, 190.0, 198.0, 200.0)
        );
        assert_eq!(Percentiles::of(&[7.0]).p99, 7.0);
        assert_eq!(Percentiles::of(&[]), Percentiles::default());
    }

    #[test]
    fn a_floor_counts_every_wake_up() {
        let floor = floor(2, Duration::from_millis(10), Duration::from_millis(200));
        assert_eq!(floor.n, 40);
        assert!(floor.p50 >= 0.0 && floor.p50 <= floor.max);
    }

    #[test]
    fn a_table_lines_up() {
        let mut table = Table::new(&["what", "ms"]);
        table.row(&["first audio", "4.2"]);
        let text = table.to_string();
        let lengths: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(lengths.len(), 3);
        assert!(lengths.iter().all(|l| *l == lengths[0]), "{text}");
    }
}
