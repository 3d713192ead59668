// SPDX-License-Identifier: MPL-2.0

//! Many elements: one connection for all, and nothing left of them.

use std::{
    thread,
    time::{Duration, Instant},
};

use duplex_tests::{
    process,
    speaking::{Out, Rig},
    watchdog::Watchdog,
    worker::{PATIENCE, Worker},
};
use duplex_textpad::events::UtteranceEnd;

use crate::remote::{at, init, playing, texts};

/// Sockets that the worker has accepted or listens with.
fn sockets(worker: &Worker) -> usize {
    let folder = format!("/proc/{}/fd", worker.pid());
    let links = std::fs::read_dir(folder).unwrap().flatten();
    links
        .filter(|fd| {
            std::fs::read_link(fd.path())
                .is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
        })
        .count()
}

#[test]
fn fifty_elements_share_one_connection() {
    init();
    let worker = Worker::start();
    let alone = sockets(&worker);
    let rigs: Vec<Rig> = (0..50).map(|_| at(&worker)).collect();
    thread::scope(|scope| {
        // All at once: whoever comes while the first connects waits for that.
        for rig in &rigs {
            scope.spawn(|| {
                rig.start();
                rig.begin_bytes();
                rig.push("alpha bravo. ").unwrap();
            });
        }
    });
    for rig in &rigs {
        rig.event(UtteranceEnd::of_text("").to_event());
        let out = rig.wait_for("the end", |out| {
            out.iter().any(|o| matches!(o, Out::End(..)))
        });
        assert_eq!(texts(&out), ["alpha", "bravo"]);
    }
    worker.expect("sessions", 50.0);
    // The one that asked which worker this is may be on its way out, and so may those of `expect`.
    let end = Instant::now() + PATIENCE;
    while sockets(&worker) != alone + 1 {
        assert!(
            Instant::now() < end,
            "{} sockets for 50 elements",
            sockets(&worker) - alone
        );
        thread::sleep(Duration::from_millis(20));
    }
    // It goes with the last of them.
    drop(rigs);
    let end = Instant::now() + PATIENCE;
    while sockets(&worker) != alone {
        assert!(
            Instant::now() < end,
            "{} sockets for nobody",
            sockets(&worker) - alone
        );
        thread::sleep(Duration::from_millis(20));
    }
    worker.expect("sessions", 0.0);
}

#[test]
fn two_thousand_elements_come_and_go_while_they_speak() {
    if process::alone() {
        return;
    }
    let _watchdog = Watchdog::new("two thousand elements", Duration::from_secs(180));
    init();
    let worker = Worker::start();
    let mut before = None;
    for batch in 0..100 {
        let rigs: Vec<Rig> = (0..20).map(|_| playing(&worker)).collect();
        for (n, rig) in rigs.iter().enumerate() {
            match (batch + n) % 5 {
                // Nothing to say; half a word; a lot, which somebody or nobody takes; all of a word.
                0 => (),
                1 => drop(rig.push("alp").unwrap()),
                2 => drop(rig.push("alpha bravo charlie, ".repeat(20)).unwrap()),
                3 => {
                    rig.credit(Some(1));
                    rig.push("alpha bravo charlie, ".repeat(20)).unwrap();
                }
                _ => {
                    rig.push("a.").unwrap();
                    rig.event(gst::event::Eos::new());
                }
            }
        }
        if batch % 4 == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        drop(rigs);
        if batch == 10 {
            worker.expect("sessions", 0.0);
            before = Some((
                process::threads(),
                process::fds(),
                process::rss_kib(),
                process::fds_of(worker.pid()),
            ));
        }
    }
    worker.expect("sessions", 0.0);
    worker.expect("queue_depth", 0.0);
    let (threads, fds, rss, theirs) = before.unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        let now = (
            process::threads(),
            process::fds(),
            process::fds_of(worker.pid()),
        );
        if now.0 <= threads && now.1 <= fds && now.2 <= theirs {
            break;
        }
        assert!(
            Instant::now() < end,
            "{now:?} were {:?}",
            (threads, fds, theirs)
        );
        thread::sleep(Duration::from_millis(20));
    }
    let grown = process::rss_kib().saturating_sub(rss);
    assert!(grown < 8 * 1024, "{grown} KiB more than after 220 elements");
}
