// SPDX-License-Identifier: MPL-2.0

//! Ways through a firewall: what the configuration says of ports, addresses and servers is what WebRTC's candidates say.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use duplex_tests::plugins;
use duplex_tests::serving::{PATIENCE, Server, run};
use duplex_tests::watchdog::Watchdog;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// Of RFC 5737: nobody's.
const ANNOUNCED: &str = "203.0.113.7";
const SEEN: &str = "198.51.100.9";

/// Candidates of the agent's own end, until one fits; all that came.
async fn candidates(server: &Server, fits: impl Fn(&[&str]) -> bool) -> Vec<String> {
    let url = format!("ws://{}/signalling", server.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let say = |message: Value| Message::text(message.to_string());
    let mut found: Vec<String> = Vec::new();
    let mut asked = false;
    let all = async {
        loop {
            let Some(Ok(message)) = socket.next().await else {
                panic!("the signalling ends: {found:?}");
            };
            let Message::Text(text) = message else {
                continue;
            };
            let told: Value = serde_json::from_str(&text).unwrap();
            let producer = match told["type"].as_str().unwrap_or_default() {
                "welcome" => {
                    let status =
                        json!({"type": "setPeerStatus", "roles": ["listener"], "meta": {}});
                    socket.send(say(status)).await.unwrap();
                    socket.send(say(json!({"type": "list"}))).await.unwrap();
                    continue;
                }
                "list" => told["producers"][0]["id"].clone(),
                "peerStatusChanged" => told["peerId"].clone(),
                "peer" => {
                    if let Some(candidate) = told["ice"]["candidate"].as_str() {
                        found.push(candidate.to_owned());
                        let fields: Vec<&str> = candidate.split(' ').collect();
                        if fits(&fields) {
                            return;
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            if producer.is_string() && !asked {
                asked = true;
                let start = json!({"type": "startSession", "peerId": producer});
                socket.send(say(start)).await.unwrap();
            }
        }
    };
    let timely = tokio::time::timeout(PATIENCE, all).await;
    assert!(
        timely.is_ok(),
        "no such candidate: {found:#?}\n{}",
        server.said()
    );
    found
}

/// What a client may be reached at is what a firewall lets through, and where the world finds it.
#[test]
fn candidates_keep_to_the_ports_and_tell_the_announced_address() {
    let _watchdog = Watchdog::new("ports", Duration::from_secs(120));
    let config = format!("webrtc: {{ ports: 42100-42139, announced_address: {ANNOUNCED} }}\n");
    let server = Server::with(&["pipelines/speak.yaml"], &config, &[]);
    let found = run(candidates(&server, |fields| {
        fields[2].eq_ignore_ascii_case("udp") && fields[4] == ANNOUNCED
    }));
    for candidate in &found {
        let fields: Vec<&str> = candidate.split(' ').collect();
        assert_eq!(fields[6..8], ["typ", "host"], "{candidate}");
        // Who only calls out over TCP has no port that anybody has to open.
        if !candidate.contains("tcptype active") {
            let port: u16 = fields[5].parse().unwrap();
            assert!((42_100..42_140).contains(&port), "{candidate}");
        }
    }
}

/// A STUN server that sees everybody at [`SEEN`]. It says so by MAPPED-ADDRESS, which clients of RFC 3489 understand, too:
/// libnice is one where it looks for its address.
fn stun() -> SocketAddr {
    let socket = UdpSocket::bind((plugins::own_address(), 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let seen: Ipv4Addr = SEEN.parse().unwrap();
    // It ends with the process.
    std::thread::spawn(move || {
        let mut request = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut request) {
            // Binding requests alone are answered.
            if length < 20 || request[..2] != [0, 1] {
                continue;
            }
            let mut answer = vec![1, 1, 0, 12];
            answer.extend(&request[4..20]);
            answer.extend([0, 1, 0, 8, 0, 1]);
            answer.extend(from.port().to_be_bytes());
            answer.extend(seen.octets());
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

/// The server of the configuration is asked, and what it saw is handed on.
#[test]
fn the_stun_server_of_the_configuration_is_asked() {
    let _watchdog = Watchdog::new("STUN", Duration::from_secs(120));
    let address = stun();
    let config = format!("webrtc: {{ stun: \"stun://{address}\" }}\n");
    let server = Server::with(&["pipelines/speak.yaml"], &config, &[]);
    run(async {
        let found = candidates(&server, |fields| fields[6..8] == ["typ", "srflx"]).await;
        let seen = found.last().unwrap().split(' ').nth(4);
        assert_eq!(seen, Some(SEEN), "{found:?}");
        let about = server.json("/about").await;
        assert_eq!(
            about["ice_servers"],
            json!([{ "urls": format!("stun:{address}") }])
        );
    });
}
