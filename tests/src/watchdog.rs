// SPDX-License-Identifier: MPL-2.0

//! Ends a test that hangs, and says where.

use std::{
    fs,
    process::Command,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

/// While it lives, the time runs; dropped in time, it does nothing.
///
/// Otherwise it prints the stacks of all threads (through gdb; without it, what each thread waits
/// for in the kernel) and aborts the process, which cargo reports as a failed test.
pub struct Watchdog(#[allow(dead_code)] mpsc::Sender<()>);

impl Watchdog {
    /// Gives `what` this long.
    pub fn new(what: &str, limit: Duration) -> Self {
        let (sender, receiver) = mpsc::channel();
        let what = what.to_owned();
        let watch = move || {
            if receiver.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                eprintln!("WATCHDOG: {what} did not end within {limit:?}");
                eprintln!("{}", stacks());
                #[allow(clippy::disallowed_methods)] // this ends a test, not an application
                std::process::abort();
            }
        };
        thread::Builder::new()
            .name("watchdog".into())
            .spawn(watch)
            .expect("a thread starts");
        Self(sender)
    }
}

/// The stacks of all threads of this process, as well as they can be had.
pub fn stacks() -> String {
    stacks_of(std::process::id())
}

/// The same of another process.
pub fn stacks_of(pid: u32) -> String {
    let gdb = Command::new("gdb")
        .args(["-p", &pid.to_string(), "-batch"])
        .args(["-ex", "thread apply all backtrace 25"])
        .output();
    if let Ok(output) = gdb {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // A system that forbids to attach leaves nothing but an apology.
        if text.contains("#1 ") {
            return text;
        }
    }
    let mut text = String::from("no gdb, or it may not attach; per thread:\n");
    for task in fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let read = |name: &str| {
            let read = fs::read_to_string(task.path().join(name));
            read.unwrap_or_default().trim().to_owned()
        };
        text += &format!("{:16} waits in {}\n", read("comm"), read("wchan"));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn stacks_name_the_threads() {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let waiting = std::thread::Builder::new()
            .name("seen-in-stacks".into())
            .spawn(move || wait.recv().is_err())
            .unwrap();
        let text = super::stacks();
        drop(release);
        assert!(waiting.join().unwrap());
        assert!(text.contains("seen-in-stacks"), "{text}");
    }
}
