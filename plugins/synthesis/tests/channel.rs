// SPDX-License-Identifier: MPL-2.0
//! The text channel: bounds, blocking, cancelling.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use duplex_synthesis::{
    ClauseReader, Error, MAX_UNREAD, Splitter, TextHalf, TextWriter, TryNext, text_channel,
};

/// What the engine trait promises.
const CANCELLED_WITHIN: Duration = Duration::from_millis(20);
/// Long enough for a thread to block on this machine, however busy it is.
const SETTLE: Duration = Duration::from_millis(50);

fn channel() -> (TextWriter, ClauseReader) {
    text_channel(Splitter::new(Some("en"), false), None)
}

fn next_text(reader: &ClauseReader) -> Option<String> {
    reader.next_clause().unwrap().map(|clause| clause.text)
}

/// How long it takes from `cancel` until `blocked` returns; the best of some attempts, since the
/// scheduler of a busy machine may take its time.
fn cancel_time(attempt: impl Fn() -> Duration) -> Duration {
    (0..5).map(|_| attempt()).min().unwrap()
}

#[test]
fn clauses_come_out_in_order_and_then_the_end() {
    let (mut writer, reader) = channel();
    for part in ["One, t", "wo. Th", "ree"] {
        writer.push(part).unwrap();
    }
    writer.finish().unwrap();
    writer.finish().unwrap();
    assert_eq!(next_text(&reader).as_deref(), Some("One,"));
    assert_eq!(next_text(&reader).as_deref(), Some(" two."));
    assert_eq!(next_text(&reader).as_deref(), Some(" Three"));
    assert_eq!(next_text(&reader), None);
    assert_eq!(next_text(&reader), None);
    assert_eq!(reader.unread(), 0);
    // A writer that is dropped after finish() cancels nothing.
    drop(writer);
    assert_eq!(reader.try_next(), TryNext::Finished);
}

#[test]
fn text_after_finish_is_refused() {
    let (mut writer, _reader) = channel();
    writer.finish().unwrap();
    assert!(matches!(writer.push("more"), Err(Error::BadRequest(_))));
}

#[test]
fn a_flush_frees_an_incomplete_clause() {
    let (mut writer, reader) = channel();
    writer.push("not complete").unwrap();
    assert_eq!(reader.try_next(), TryNext::Pending);
    writer.flush().unwrap();
    assert_eq!(next_text(&reader).as_deref(), Some("not complete"));
    assert_eq!(reader.try_next(), TryNext::Pending);
    writer.push(" yet.").unwrap();
    writer.finish().unwrap();
    assert_eq!(next_text(&reader).as_deref(), Some(" yet."));
    assert_eq!(next_text(&reader), None);
}

#[test]
fn a_writer_blocks_at_the_bound_until_text_is_read() {
    let (mut writer, reader) = channel();
    let text = "Some words of it, and é more. ".repeat(10_000);
    let bytes = text.len();
    assert!(bytes > 4 * MAX_UNREAD);
    let (done, finished) = mpsc::channel();
    let thread = thread::spawn(move || {
        writer.push(&text).unwrap();
        done.send(()).unwrap();
        writer.finish().unwrap();
    });
    thread::sleep(SETTLE);
    assert!(finished.try_recv().is_err());
    let mut most = 0;
    let mut read = 0;
    while let Some(clause) = reader.next_clause().unwrap() {
        most = most.max(reader.unread());
        assert_eq!(clause.bytes.start, read);
        read = clause.bytes.end;
    }
    assert_eq!(read, bytes);
    assert!(most <= MAX_UNREAD, "{most} bytes were unread");
    thread.join().unwrap();
}

#[test]
fn cancel_wakes_a_blocked_reader() {
    let taken = cancel_time(|| {
        let (writer, reader) = channel();
        let cancel = writer.canceller();
        let thread = thread::spawn(move || {
            assert_eq!(reader.next_clause(), Err(Error::Cancelled));
            Instant::now()
        });
        thread::sleep(SETTLE);
        let begun = Instant::now();
        cancel.cancel();
        cancel.cancel();
        thread.join().unwrap() - begun
    });
    assert!(taken < CANCELLED_WITHIN, "{taken:?}");
}

#[test]
fn cancel_wakes_a_blocked_writer() {
    let taken = cancel_time(|| {
        let (mut writer, reader) = channel();
        let cancel = reader.canceller();
        let thread = thread::spawn(move || {
            let text = "word ".repeat(MAX_UNREAD);
            assert_eq!(writer.push(&text), Err(Error::Cancelled));
            (writer, Instant::now())
        });
        thread::sleep(SETTLE);
        let begun = Instant::now();
        cancel.cancel();
        let (mut writer, woken) = thread.join().unwrap();
        assert_eq!(writer.flush(), Err(Error::Cancelled));
        assert_eq!(writer.finish(), Err(Error::Cancelled));
        assert_eq!(reader.try_next(), TryNext::Cancelled);
        assert_eq!(reader.unread(), 0);
        woken - begun
    });
    assert!(taken < CANCELLED_WITHIN, "{taken:?}");
}

#[test]
fn dropping_either_end_cancels_the_other() {
    let (writer, reader) = channel();
    drop(writer);
    assert_eq!(reader.next_clause(), Err(Error::Cancelled));
    let (mut writer, reader) = channel();
    drop(reader);
    assert_eq!(writer.push("x"), Err(Error::Cancelled));
}

#[test]
fn the_waker_is_called_for_what_a_reader_can_find_and_not_for_each_letter() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let waker = Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let (mut writer, reader) = text_channel(Splitter::new(Some("en"), false), Some(waker));
    for c in ["H", "e", "y"] {
        writer.push(c).unwrap();
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    writer.push(", you").unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    writer.finish().unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    reader.canceller().cancel();
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}
