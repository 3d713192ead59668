// SPDX-License-Identifier: MPL-2.0

//! Clients that are broken, hostile, or many: the worker neither grows nor falls, and serves the others.

use std::{
    io::Read,
    net::TcpStream,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use duplex_proto::{
    AudioFrame, ControlCommand, ControlRequest, StartSessionRequest, TextChunk,
    tts_service_client::TtsServiceClient,
};
use duplex_tests::{
    plugins, process,
    random::Random,
    watchdog::Watchdog,
    worker::{PATIENCE, Worker},
};
use prost::Message;

use crate::http2::{
    ACK, CONTINUATION, Came, DATA, END_HEADERS, HEADERS, PING, PREFACE, RST_STREAM, Raw, SETTINGS,
    WINDOW_UPDATE, call, frame, greeting, headers, message,
};

const START: &str = "/tts.TTSService/StartSession";
const SPEAK: &str = "/tts.TTSService/Synthesize";
const CONTROL: &str = "/tts.TTSService/Control";

fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("raw-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn start(session: &str) -> StartSessionRequest {
    StartSessionRequest {
        session_id: session.to_owned(),
        ..Default::default()
    }
}

fn chunk(session: &str, text: &str, credit_ms: Option<i32>) -> TextChunk {
    TextChunk {
        session_id: session.to_owned(),
        text: text.to_owned(),
        is_final: true,
        credit_ms,
        ..Default::default()
    }
}

/// What the worker uses: memory in KiB, descriptors, threads.
fn used(worker: &Worker) -> (u64, usize, u64) {
    let pid = worker.pid();
    (
        process::rss_kib_of(pid),
        process::fds_of(pid),
        process::threads_of(pid),
    )
}

/// The worker has come back to what it used, with so much more memory at most, and nobody is left there.
#[track_caller]
fn unchanged(worker: &Worker, before: (u64, usize, u64), more_kib: u64) {
    worker.expect("sessions", 0.0);
    worker.expect("queue_depth", 0.0);
    let end = Instant::now() + PATIENCE;
    loop {
        let now = used(worker);
        // A thread that blocks for a moment goes after ten seconds of idling.
        if now.0 <= before.0 + more_kib && now.1 <= before.1 && now.2 <= before.2 + 4 {
            return;
        }
        assert!(Instant::now() < end, "{now:?} were {before:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The worker speaks to whoever asks as he should.
#[track_caller]
fn serves(worker: &Worker) {
    let frames = worker.ask(async |mut client| speak(&mut client, &name(), "Still here.").await);
    assert!(frames.last().unwrap().is_final);
    assert!(
        frames
            .iter()
            .map(|frame| frame.audio_data.len())
            .sum::<usize>()
            > 10_000
    );
}

async fn speak(
    client: &mut TtsServiceClient<tonic::transport::Channel>,
    session: &str,
    text: &str,
) -> Vec<AudioFrame> {
    let started = client.start_session(start(session)).await.unwrap();
    assert!(started.into_inner().success);
    let text = tokio_stream::iter([chunk(session, text, Some(60_000))]);
    let mut sound = client.synthesize(text).await.unwrap().into_inner();
    let mut frames = Vec::new();
    while let Some(frame) = sound.message().await.unwrap() {
        frames.push(frame);
    }
    frames
}

/// The order is that of the bytes on the wire.
#[test]
fn after_the_reply_to_a_control_at_most_one_frame_follows() {
    let _watchdog = Watchdog::new("control", Duration::from_secs(120));
    let worker = Worker::start();
    let mut raw = Raw::new(worker.address);
    let session = name();
    raw.send(&greeting());
    raw.send(&call(1, START, &start(&session), true));
    while !matches!(raw.next(PATIENCE)[..], [Came::End(1)]) {}
    let mut stream = 3;
    for round in 0..12 {
        let speaking = stream;
        let control = stream + 2;
        stream += 4;
        let text = "alpha bravo charlie delta echo foxtrot golf hotel india juliett.";
        raw.send(&call(speaking, SPEAK, &chunk(&session, text, None), true));
        let mut frames = 0;
        while frames < 5 + round {
            let came = raw.next(PATIENCE);
            frames += came
                .iter()
                .filter(|c| matches!(c, Came::Message(..)))
                .count();
        }
        let command = [ControlCommand::Pause, ControlCommand::Stop][round % 2];
        let request = ControlRequest {
            session_id: session.clone(),
            command: command.into(),
            ..Default::default()
        };
        raw.send(&call(control, CONTROL, &request, true));
        let (mut replied, mut after, mut ended) = (false, 0, false);
        let until = Instant::now() + Duration::from_millis(500);
        while !replied || Instant::now() < until && !ended {
            for came in raw.next(if replied {
                Duration::from_millis(150)
            } else {
                PATIENCE
            }) {
                match came {
                    Came::Message(id, _) if id == control => replied = true,
                    Came::Message(id, bytes) if id == speaking => {
                        let frame = AudioFrame::decode(&bytes[..]).unwrap();
                        after += usize::from(replied && !frame.audio_data.is_empty());
                        ended |= frame.is_final;
                    }
                    _ => (),
                }
            }
        }
        assert!(after <= 1, "{after} frames after {command:?}");
        assert_eq!(ended, command == ControlCommand::Stop, "{command:?}");
        raw.send(&frame(RST_STREAM, 0, speaking, &8u32.to_be_bytes()));
    }
}

fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    let after = |bytes: Vec<u8>| [greeting(), bytes].concat();
    let many = |count: usize, bytes: Vec<u8>| after(bytes.repeat(count));
    let session = name();
    let good = message(&chunk(&session, "Hello.", None).encode_to_vec());
    let begun = headers(1, SPEAK);
    let data = |payload: &[u8]| after([begun.clone(), frame(DATA, 1, 1, payload)].concat());
    let resets = (0..3_000u32).flat_map(|n| {
        let id = 2 * n + 1;
        [
            headers(id, SPEAK),
            frame(RST_STREAM, 0, id, &8u32.to_be_bytes()),
        ]
        .concat()
    });
    vec![
        ("HTTP/1", b"GET / HTTP/1.1\r\nHost: worker\r\n\r\n".to_vec()),
        (
            "TLS",
            [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 600]].concat(),
        ),
        ("half a preface", PREFACE[..10].to_vec()),
        (
            "another preface",
            b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(),
        ),
        (
            "no settings",
            [PREFACE.to_vec(), headers(1, SPEAK)].concat(),
        ),
        (
            "a monstrous frame",
            after(vec![0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1]),
        ),
        ("half a frame", after(vec![0, 1, 0, DATA, 0])),
        ("data without a call", after(frame(DATA, 0, 7, &good))),
        ("data on no stream", after(frame(DATA, 0, 0, &good))),
        ("an even stream", after(headers(2, SPEAK))),
        (
            "bad headers",
            after(frame(HEADERS, END_HEADERS, 1, &[0xff; 40])),
        ),
        (
            "an unknown index",
            after(frame(HEADERS, END_HEADERS, 1, &[0xc0])),
        ),
        (
            "a window of nothing",
            after(frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ),
        (
            "a window beyond counting",
            after(frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]).repeat(2)),
        ),
        (
            "bad settings",
            after(frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 0])),
        ),
        ("half a setting", after(frame(SETTINGS, 0, 0, &[0, 5, 0]))),
        (
            "an unknown frame",
            after(frame(0xee, 0xff, 0x7fff_ffff, &[1; 100])),
        ),
        ("many pings", many(20_000, frame(PING, 0, 0, &[1; 8]))),
        ("many settings", many(5_000, frame(SETTINGS, 0, 0, &[]))),
        (
            "headers without end",
            after(
                [
                    frame(HEADERS, 0, 1, &[]),
                    frame(CONTINUATION, 0, 1, &[0; 100]).repeat(3_000),
                ]
                .concat(),
            ),
        ),
        ("many resets", after(resets.collect())),
        (
            "an acknowledgement of nothing",
            after(frame(SETTINGS, ACK, 0, &[]).repeat(10)),
        ),
        (
            "an unknown method",
            after(call(1, "/tts.TTSService/Sing", &start("x"), true)),
        ),
        (
            "an unknown service",
            after(call(1, "/nobody/Nothing", &start("x"), true)),
        ),
        (
            "a message longer than its data",
            data(&[0, 0, 0, 1, 0, 1, 2, 3]),
        ),
        (
            "a message of 4 GiB",
            data(&[0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]),
        ),
        ("a compressed message", data(&[1, 0, 0, 0, 2, 1, 2])),
        ("half a header of a message", data(&[0, 0, 0])),
        ("no protobuf", data(&message(&[0xff; 50]))),
        (
            "a field of the wrong type",
            data(&message(&[0x08, 0x96, 0x01])),
        ),
        (
            "a string longer than its message",
            data(&message(&[0x0a, 0x7f, 0x41])),
        ),
        ("a group without end", data(&message(&[0x0b; 200]))),
        (
            "a number without end",
            data(&message(&[
                0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            ])),
        ),
    ]
}

#[test]
fn malformed_bytes_hurt_nobody_else() {
    let _watchdog = Watchdog::new("malformed bytes", Duration::from_secs(120));
    let worker = Worker::start();
    serves(&worker);
    let mut before = None;
    for round in 0..3 {
        for (_, bytes) in malformed() {
            let mut raw = Raw::new(worker.address);
            raw.send(&bytes);
            // It hangs up, answers, or waits for more: whatever it is, it does not take long.
            raw.socket
                .set_read_timeout(Some(Duration::from_millis(20)))
                .unwrap();
            let mut answer = [0; 4096];
            while raw.socket.read(&mut answer).is_ok_and(|count| count > 0) {}
        }
        serves(&worker);
        worker.expect("sessions", 0.0);
        if round == 0 {
            before = Some(used(&worker));
        }
    }
    unchanged(&worker, before.unwrap(), 8 * 1024);
}

/// A good conversation in which some bits are turned over, or some bytes missing or doubled.
#[test]
fn what_noise_makes_of_a_good_client_hurts_nobody_else() {
    let _watchdog = Watchdog::new("noise", Duration::from_secs(120));
    let worker = Worker::start();
    let mut random = Random::new(20);
    for round in 0..400 {
        let session = name();
        let good = [
            call(1, START, &start(&session), true),
            call(
                3,
                SPEAK,
                &chunk(&session, "Hello wide world.", Some(1_000)),
                false,
            ),
            call(
                5,
                CONTROL,
                &ControlRequest {
                    session_id: session.clone(),
                    command: 2,
                    ..Default::default()
                },
                true,
            ),
        ]
        .concat();
        let mut bytes = good.clone();
        for _ in 0..1 + random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, bytes[at]),
                _ => bytes[at] ^= 1 << random.below(8),
            }
        }
        let mut raw = Raw::new(worker.address);
        raw.send(&greeting());
        raw.send(&bytes);
        if round % 4 == 0 {
            raw.socket
                .set_read_timeout(Some(Duration::from_millis(5)))
                .unwrap();
            let _ = raw.socket.read(&mut [0; 4096]);
        }
    }
    worker.expect("sessions", 0.0);
    worker.expect("queue_depth", 0.0);
    serves(&worker);
}

#[test]
fn a_client_that_never_reads_costs_little_and_holds_up_nobody() {
    let _watchdog = Watchdog::new("never reads", Duration::from_secs(120));
    let worker = Worker::start();
    serves(&worker);
    let before = used(&worker);
    let clients: Vec<Raw> = (0..10)
        .map(|_| {
            let mut raw = Raw::new(worker.address);
            let session = name();
            raw.send(&greeting());
            raw.send(&call(1, START, &start(&session), true));
            // The worker opens sessions and calls as they come.
            worker.ask(
                async |mut client| while client.start_session(start(&session)).await.is_err() {},
            );
            for n in 0..8 {
                let text = "alpha bravo charlie delta. ".repeat(300);
                let credit = (n % 2 == 0).then_some(3_600_000);
                raw.send(&call(
                    3 + 2 * n,
                    SPEAK,
                    &chunk(&session, &text, credit),
                    true,
                ));
            }
            raw
        })
        .collect();
    let end = Instant::now() + PATIENCE;
    while worker.metric("queue_depth") < 80.0 {
        assert!(Instant::now() < end, "{:?}", worker.metrics());
        thread::sleep(Duration::from_millis(20));
    }
    serves(&worker);
    // It works for what fits on the way to them, and then for nobody: minutes of sound were asked for.
    let mut made = 0.0;
    loop {
        let now = worker.metric("frames_total");
        if now == made || worker.metric("queue_depth") < 80.0 {
            break;
        }
        assert!(Instant::now() < end + PATIENCE, "{now} frames, and more");
        made = now;
        thread::sleep(Duration::from_millis(300));
    }
    let grown = used(&worker).0.saturating_sub(before.0);
    assert!(
        grown < 100 * 1024,
        "{grown} KiB for 80 calls that nobody reads"
    );
    drop(clients);
    worker.expect("sessions", 0.0);
    worker.expect("queue_depth", 0.0);
    serves(&worker);
    // The descriptor of a connection goes a moment after its sessions.
    let end = Instant::now() + PATIENCE;
    while used(&worker).1 > before.1 {
        assert!(Instant::now() < end, "{:?} were {before:?}", used(&worker));
        thread::sleep(Duration::from_millis(50));
    }
}

/// More connections than the system gives it: it waits, and takes the next when somebody goes.
#[test]
fn without_descriptors_it_neither_spins_nor_falls() {
    let mut command = std::process::Command::new("sh");
    command.arg("-c").arg(format!(
        "ulimit -n 40; exec {} --listen 127.0.0.1:0 --model tone",
        plugins::built("duplex-worker").display()
    ));
    let worker = Worker::of(command);
    serves(&worker);
    let crowd: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(worker.address).unwrap())
        .collect();
    thread::sleep(Duration::from_millis(1_500));
    let refusals = worker.said().matches("could not be accepted").count();
    assert!((1..100).contains(&refusals), "{refusals} refusals in 1.5 s");
    drop(crowd);
    serves(&worker);
}

#[test]
fn ten_thousand_short_calls_leave_nothing() {
    let _watchdog = Watchdog::new("ten thousand calls", Duration::from_secs(240));
    let worker = Worker::start();
    let calls = |count: usize| {
        worker.ask(async |client| {
            // One connection, some tasks on it, each with a session of its own.
            let tasks: Vec<_> = (0..20)
                .map(|_| {
                    let mut client = client.clone();
                    tokio::spawn(async move {
                        let session = name();
                        let mut spoken = 0;
                        for _ in 0..count / 20 {
                            let frames = speak(&mut client, &session, "a").await;
                            spoken +=
                                usize::from(frames.last().is_some_and(|frame| frame.is_final));
                        }
                        spoken
                    })
                })
                .collect();
            let mut spoken = 0;
            for task in tasks {
                spoken += task.await.unwrap();
            }
            spoken
        })
    };
    assert_eq!(calls(2_000), 2_000);
    worker.expect("sessions", 0.0);
    let before = used(&worker);
    assert_eq!(calls(10_000), 10_000);
    unchanged(&worker, before, 6 * 1024);
    assert_eq!(worker.metric("utterances_total"), 12_000.0);
}

#[test]
fn a_thousand_connections_come_and_go() {
    let _watchdog = Watchdog::new("a thousand connections", Duration::from_secs(120));
    let worker = Worker::start();
    let visit = |count: usize| {
        for n in 0..count {
            let mut raw = Raw::new(worker.address);
            match n % 4 {
                // Says nothing.
                0 => (),
                1 => drop(raw.send(&greeting())),
                // Leaves in the middle of a word of its own.
                2 => drop(raw.send(&[&greeting()[..], &headers(1, START)[..20]].concat())),
                // Leaves in the middle of one of the worker's.
                _ => {
                    let session = name();
                    let text = "alpha bravo charlie delta. ".repeat(10);
                    raw.send(&greeting());
                    raw.send(&call(1, START, &start(&session), true));
                    raw.send(&call(3, SPEAK, &chunk(&session, &text, None), false));
                }
            }
        }
        worker.expect("sessions", 0.0);
    };
    visit(200);
    serves(&worker);
    let before = used(&worker);
    visit(1_000);
    unchanged(&worker, before, 6 * 1024);
    // Three hundred that stay, and say nothing.
    let silent: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(worker.address).unwrap())
        .collect();
    serves(&worker);
    drop(silent);
    unchanged(&worker, before, 6 * 1024);
    serves(&worker);
}
