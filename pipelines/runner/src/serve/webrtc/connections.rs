// SPDX-License-Identifier: MPL-2.0

//! What webrtcsink and webrtcsrc have made for a caller, and how it is taken down.
//!
//! Both make the pipeline of a connection on threads of their own, step by step, and go on with it whatever becomes of
//! them meanwhile: one that is taken down in the middle of a step is set to PAUSED again afterwards, or keeps children in
//! some state, and is then dropped in it, which GLib takes for a fault of the program. And where a webrtcbin is set to NULL
//! while its own thread adds the encoder to the pipeline, the two wait for each other for ever (0.15.4 of gst-plugins-rs,
//! 1.22 of GStreamer). So nothing is said to them any more once a caller is gone, what they have begun they may finish, and
//! nothing of it is dropped before it stands still.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use gst::prelude::*;

/// How long each step may take of those that are waited for.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(2);
/// A webrtcbin's thread takes a description, answers it and takes its own: each step asks for the next one.
const STEPS: usize = 4;

/// The connections of one caller. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The caller is gone. Locked while something is said to an element.
    over: Mutex<bool>,
    made: Mutex<Made>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Made {
    /// Nothing new is begun.
    closed: bool,
    /// webrtcsink has got sound, and tries its encoder with it.
    sounded: bool,
    /// It has tried it.
    started: bool,
    /// Connections that webrtcsink was asked for, which it makes on a thread of its own.
    asked: usize,
    /// What it has made, each in a pipeline.
    speaking: Vec<Connection>,
    answered: usize,
    /// What webrtcsrc has made, each in a bin of its own.
    hearing: Vec<Connection>,
}

#[derive(Clone, Debug)]
struct Connection {
    outermost: gst::Bin,
    webrtcbin: gst::glib::WeakRef<gst::Element>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connections {
    /// Has something said to an element, unless the caller is gone.
    pub fn while_open(&self, say: impl FnOnce()) {
        let over = lock(&self.0.over);
        if !*over {
            say();
        }
    }

    /// Sound is about to reach webrtcsink; false where it is to be dropped.
    pub fn sound(&self) -> bool {
        let mut made = lock(&self.0.made);
        made.sounded |= !made.closed;
        made.sounded
    }

    /// webrtcsink knows what its encoder gives.
    pub fn started(&self) {
        lock(&self.0.made).started = true;
        self.0.more.notify_all();
    }

    /// A webrtcsink is about to be asked for a connection.
    pub fn asked(&self) {
        lock(&self.0.made).asked += 1;
    }

    /// That has made it, up to READY.
    pub fn made(&self, webrtcbin: &gst::Element) {
        let mut made = lock(&self.0.made);
        made.answered += 1;
        keep(&mut made.speaking, webrtcbin);
        self.0.more.notify_all();
    }

    /// A webrtcsrc has made one.
    pub fn taken(&self, webrtcbin: &gst::Element) {
        keep(&mut lock(&self.0.made).hearing, webrtcbin);
    }

    /// The caller is gone: waits until nothing is being made any more. Blocks.
    pub fn settle(&self) {
        *lock(&self.0.over) = true;
        let until = Instant::now() + PATIENCE;
        let unfinished =
            |made: &mut Made| made.answered < made.asked || (made.sounded && !made.started);
        let mut made = lock(&self.0.made);
        made.closed = true;
        let waited = (self.0.more).wait_timeout_while(made, PATIENCE, unfinished);
        let made = waited.unwrap_or_else(PoisonError::into_inner).0;
        let (speaking, hearing) = (made.speaking.clone(), made.hearing.clone());
        drop(made);
        for Connection { outermost, .. } in &speaking {
            while outermost.current_state() < gst::State::Playing && Instant::now() < until {
                thread::sleep(LOOK);
            }
        }
        for connection in speaking.iter().chain(&hearing) {
            (0..STEPS).all(|_| connection.is_idle(until));
        }
    }

    /// The elements are in NULL: lets go of what they made. Blocks.
    pub fn release(&self) {
        let mut made = lock(&self.0.made);
        let (speaking, hearing) = (
            std::mem::take(&mut made.speaking),
            std::mem::take(&mut made.hearing),
        );
        drop(made);
        let until = Instant::now() + PATIENCE;
        for Connection { outermost, .. } in speaking.into_iter().chain(hearing) {
            // Whoever works on it holds it.
            while outermost.ref_count() > 1 && Instant::now() < until {
                thread::sleep(LOOK);
            }
            stop(&outermost);
        }
    }
}

impl Connection {
    /// Waits until the webrtcbin's thread has done what it was asked for up to now; false where it does not.
    fn is_idle(&self, until: Instant) -> bool {
        let Some(webrtcbin) = self.webrtcbin.upgrade() else {
            return false;
        };
        let (done, wait) = mpsc::channel();
        let promise = gst::Promise::with_change_func(move |_| {
            let _ = done.send(());
        });
        // It is answered on that thread, in its turn.
        webrtcbin.emit_by_name::<()>("get-stats", &[&None::<gst::Pad>, &promise]);
        let left = until.saturating_duration_since(Instant::now());
        wait.recv_timeout(left).is_ok()
    }
}

/// Keeps the outermost bin of a connection, and lets go of those that nobody else has any more.
fn keep(kept: &mut Vec<Connection>, webrtcbin: &gst::Element) {
    kept.retain(|Connection { outermost, .. }| {
        let used = outermost.ref_count() > 1;
        if !used {
            stop(outermost);
        }
        used
    });
    let outermost = webrtcbin.parent().and_downcast::<gst::Bin>();
    kept.extend(outermost.map(|outermost| Connection {
        outermost,
        webrtcbin: webrtcbin.downgrade(),
    }));
}

/// Sets a bin to NULL, and everything in it, whatever state it was left in.
fn stop(bin: &gst::Bin) {
    let _ = bin.set_state(gst::State::Null);
    for element in bin.iterate_recurse().into_iter().flatten() {
        let _ = element.set_state(gst::State::Null);
    }
}
