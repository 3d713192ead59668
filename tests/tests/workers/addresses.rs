// SPDX-License-Identifier: MPL-2.0

//! Wrong addresses, and what listens there that is no worker: each its sentence.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use duplex_tests::{plugins, speaking::Rig, worker::Worker};
use gst::prelude::*;

use crate::remote::{at_uri, bus, errors, texts};

/// A port where nobody listens: somebody did until now.
fn dead() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Somebody who reads what comes and answers this, or nothing at all; ends with the process.
fn answers(answer: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                let _ = stream.read(&mut bytes);
                match answer {
                    Some(answer) => drop(stream.write_all(answer)),
                    None => while stream.read(&mut bytes).is_ok_and(|count| count > 0) {},
                }
            });
        }
    });
    address
}

/// What gst-launch says; it must fail.
fn launched(settings: &str) -> String {
    let line =
        format!("fakesrc num-buffers=1 ! text/x-raw,format=utf8 ! grpctts {settings} ! fakesink");
    let output = plugins::command("gst-launch-1.0")
        .args(line.split(' '))
        .output()
        .unwrap();
    let told = plugins::told(&output);
    assert!(!output.status.success(), "{settings}: {told}");
    told
}

#[test]
fn each_wrong_address_has_its_sentence() {
    let worker = Worker::start();
    let dead = dead();
    let silent = answers(None);
    let http1 = answers(Some(
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    ));
    // What OpenSSL and rustls answer to a plain client: an alert, and no more.
    let tls = answers(Some(&[0x15, 3, 3, 0, 2, 2, 70]));
    let cases = [
        (
            format!("uri=grpc://{dead}"),
            vec!["no worker listens at", "duplex-worker --listen"],
        ),
        (
            "uri=grpc://nobody.invalid:7001".to_owned(),
            vec!["host", "nobody.invalid", "unknown"],
        ),
        (
            format!("uri=grpcs://{}", worker.address),
            vec!["TLS", "plain worker is grpc://"],
        ),
        (
            format!("uri=grpc://{tls}"),
            vec!["does not speak gRPC", "grpcs://"],
        ),
        (format!("uri=grpc://{http1}"), vec!["does not speak gRPC"]),
        (
            format!("uri=grpc://{silent} connect-timeout=300000000"),
            vec!["did not answer within 300 ms"],
        ),
        (
            format!("uri=grpcs://{silent} connect-timeout=300000000"),
            vec!["did not answer within 300 ms"],
        ),
        (
            format!("uri=grpc://{} model=piper-nowhere", worker.address),
            vec!["refuses", "piper-nowhere", "tone"],
        ),
        (
            format!("uri=grpc://{} model=tone voice=nobody", worker.address),
            vec!["refuses", "nobody", "tone-text"],
        ),
        (
            "uri=http://127.0.0.1:7001".to_owned(),
            vec!["neither grpc nor grpcs"],
        ),
        (
            format!("uri=grpc://{dead},grpc://{http1}"),
            vec!["no worker listens at", "does not speak gRPC"],
        ),
    ];
    let failures: Vec<String> = thread::scope(|scope| {
        let running: Vec<_> = cases
            .iter()
            .map(|(settings, parts)| {
                scope.spawn(move || {
                    let told = launched(settings);
                    let missing: Vec<_> =
                        parts.iter().filter(|part| !told.contains(**part)).collect();
                    let errors = told.matches("ERROR: from element").count();
                    (!missing.is_empty() || errors > 1).then(|| {
                        format!("{settings} lacks {missing:?}, has {errors} errors: {told}")
                    })
                })
            })
            .collect();
        running
            .into_iter()
            .filter_map(|one| one.join().unwrap())
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn the_next_worker_of_a_list_is_taken_where_the_first_is_dead() {
    let worker = Worker::start();
    let rig = at_uri(&format!("grpc://{},{}", dead(), worker.uri()));
    let bus = bus(&rig);
    speaks(&rig);
    let stats: gst::Structure = rig.element.property("stats");
    assert_eq!(stats.get::<String>("worker"), Ok(worker.uri()));
    // Who is not there need not be told again once somebody is.
    rig.stop();
    rig.element.set_property("uri", worker.uri());
    speaks(&rig);
    assert_eq!(errors(&bus), [""; 0]);
}

/// The first of a list takes calls and answers none.
#[test]
fn the_next_worker_of_a_list_is_taken_where_the_first_is_silent() {
    let worker = Worker::start();
    let rig = at_uri(&format!("grpc://{},{}", answers(None), worker.uri()));
    rig.element.set_property(
        "connect-timeout",
        Duration::from_millis(300).as_nanos() as u64,
    );
    speaks(&rig);
}

fn speaks(rig: &Rig) {
    rig.clear();
    rig.start();
    rig.begin_bytes();
    rig.push("alpha bravo.").unwrap();
    assert_eq!(texts(&rig.drain()), ["alpha", "bravo"]);
}
