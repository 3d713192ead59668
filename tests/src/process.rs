// SPDX-License-Identifier: MPL-2.0

//! What a process uses, from /proc.

use std::{collections::HashMap, fs, path::PathBuf};

fn of_self(name: &str) -> String {
    fs::read_to_string(PathBuf::from("/proc/self").join(name)).unwrap_or_default()
}

/// The number after `key` in a file of lines `key   number unit`.
fn field(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Threads of this process.
pub fn threads() -> u64 {
    field(&of_self("status"), "Threads:").unwrap_or(0)
}

/// Names of the threads of this process, with how many have each; at most 15 characters of a
/// name are kept by the system.
pub fn thread_names() -> HashMap<String, usize> {
    let mut names = HashMap::new();
    for task in fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten()
    {
        // A thread may end while it is looked at.
        if let Ok(name) = fs::read_to_string(task.path().join("comm")) {
            *names.entry(name.trim().to_owned()).or_insert(0) += 1;
        }
    }
    names
}

/// Open file descriptors of this process.
pub fn fds() -> usize {
    // One of them is the folder that is being read.
    fs::read_dir("/proc/self/fd").map_or(0, |dir| dir.count() - 1)
}

/// Resident memory of this process in KiB; shared pages count fully.
pub fn rss_kib() -> u64 {
    field(&of_self("status"), "VmRSS:").unwrap_or(0)
}

/// Memory of this process in KiB; a page shared by n processes counts as an nth.
pub fn pss_kib() -> u64 {
    field(&of_self("smaps_rollup"), "Pss:").unwrap_or(0)
}

/// Processor time of this process so far, in seconds.
pub fn cpu_seconds() -> f64 {
    cpu_seconds_of(std::process::id())
}

/// Processor time of a process so far, in seconds; 0 where it has ended.
pub fn cpu_seconds_of(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the process may hold blanks; what follows its bracket does not.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: u64 = [11, 12]
        .iter()
        .filter_map(|n| fields.get(*n)?.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}

/// Runs the calling test once more in a process of its own, where nobody else starts threads,
/// opens files or takes memory. To be the first thing of a test that counts them:
/// `if process::alone() { return; }`. True where the other process has done all of it, and well.
pub fn alone() -> bool {
    const MARK: &str = "DUPLEX_TEST_ALONE";
    let thread = std::thread::current();
    let Some(test) = thread.name().filter(|name| *name != "main") else {
        return false; // one test after the other: nobody else is here
    };
    if std::env::var_os(MARK).is_some() {
        return false;
    }
    let own = std::env::current_exe().expect("a process has a file");
    let output = std::process::Command::new(own)
        .args(["--exact", test, "--nocapture"])
        .env(MARK, "1")
        .output()
        .expect("a test starts");
    let told = crate::plugins::told(&output);
    assert!(output.status.success(), "alone: {told}");
    assert!(told.contains("1 passed"), "{test} did not run: {told}");
    true
}

/// One process as the system lists it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its number.
    pub pid: u32,
    /// Its parent's number.
    pub parent: u32,
    /// Its name, at most 15 characters.
    pub name: String,
}

/// All processes of the machine that can be seen.
pub fn all() -> Vec<Listed> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
            let parent = rest.split_whitespace().nth(1)?.parse().ok()?;
            Some(Listed {
                pid,
                parent,
                name: name.to_owned(),
            })
        })
        .collect()
}

/// `root` and everything that it started and that is still related to it.
pub fn family(root: u32) -> Vec<Listed> {
    let all = all();
    let mut family: Vec<Listed> = all.iter().filter(|p| p.pid == root).cloned().collect();
    let mut next = 0;
    while next < family.len() {
        let parent = family[next].pid;
        family.extend(all.iter().filter(|p| p.parent == parent).cloned());
        next += 1;
    }
    family
}

/// Threads of another process; 0 where it has ended.
pub fn threads_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    field(&status, "Threads:").unwrap_or(0)
}

/// Resident memory of another process in KiB (see [`rss_kib`]); 0 where it has ended.
pub fn rss_kib_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    field(&status, "VmRSS:").unwrap_or(0)
}

/// Open file descriptors of another process; 0 where it has ended.
pub fn fds_of(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Memory of another process in KiB (see [`pss_kib`]); 0 where it has ended.
pub fn pss_kib_of(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    field(&rollup, "Pss:").unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_itself() {
        assert!(threads() >= 2);
        assert_eq!(thread_names().values().sum::<usize>() as u64, threads());
        assert!(fds() >= 3);
        assert!(rss_kib() > 1000);
        assert!((1..=rss_kib() * 2).contains(&pss_kib()));
        let own = std::process::id();
        assert_eq!(family(own)[0].pid, own);
        let child = std::process::Command::new("sleep").arg("5").spawn();
        let mut child = child.unwrap();
        assert!(family(own).iter().any(|p| p.pid == child.id()));
        assert_eq!(threads_of(child.id()), 1);
        assert!(fds_of(child.id()) >= 3);
        // It becomes what it is to run after the call that made it.
        let end = std::time::Instant::now() + std::time::Duration::from_secs(4);
        while rss_kib_of(child.id()) <= 100 {
            assert!(std::time::Instant::now() < end);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
