// SPDX-License-Identifier: MPL-2.0

//! Ways through firewalls, as the page finds them: ports that are open, and a real TURN server.

use std::time::Duration;

use duplex_tests::{
    browser::Browser,
    serving::Server,
    turn::{PASSWORD, Turn, USER},
    watchdog::Watchdog,
};
use serde_json::json;

use crate::talk::{open, type_text, until};

/// What the page does is watched; `policy` says which ways it may take.
const WATCHED: &str = "
    window.connections = [];
    const Connection = RTCPeerConnection;
    window.RTCPeerConnection = class extends Connection {
        constructor(configuration) {
            super({ ...configuration, iceTransportPolicy: policy });
            this.theirs = [];
            connections.push(this);
        }
        addIceCandidate(candidate) {
            this.theirs.push(candidate.candidate);
            return super.addIceCandidate(candidate);
        }
    };";

/// The types of our ends of the ways that carry something, and how much sound has come and gone.
const WAYS: &str = "(async () => {
    const told = { types: [], energy: 0, sent: 0 };
    for (const connection of connections) {
        const reports = [...(await connection.getStats()).values()];
        const find = id => reports.find(report => report.id === id);
        for (const report of reports) {
            if (report.type === 'transport' && report.selectedCandidatePairId)
                told.types.push(find(find(report.selectedCandidatePairId).localCandidateId).candidateType);
            if (report.type === 'inbound-rtp') told.energy += report.totalAudioEnergy ?? 0;
            if (report.type === 'outbound-rtp') told.sent += report.packetsSent;
        }
    }
    return told;
})()";

fn connect(browser: &mut Browser, policy: &str) {
    browser
        .evaluate(&format!("window.policy = '{policy}'; {WATCHED}"))
        .unwrap();
    browser
        .evaluate("document.getElementById('connect').click()")
        .unwrap();
}

/// Both ends of ours keep to the ports, and are told to be where the world finds them.
#[test]
fn both_ends_keep_to_the_ports_and_tell_the_announced_address() {
    let _watchdog = Watchdog::new("ports of the page", Duration::from_secs(120));
    let config = "webrtc: { ports: 42140-42199, announced_address: 203.0.113.7 }\n";
    let server = Server::with(&["pipelines/speak.yaml"], config, &[]);
    let Some(mut browser) = open(server.address, "?transport=webrtc", None, &[]) else {
        return;
    };
    connect(&mut browser, "all");
    until(
        &mut browser,
        &server,
        "an end does not tell its address",
        "connections.length === 2 && connections.every(({ theirs }) => \
            theirs.some(candidate => /^\\S+ 1 UDP \\d+ 203\\.0\\.113\\.7 /i.test(candidate)))",
    );
    until(
        &mut browser,
        &server,
        "the page does not connect",
        "document.getElementById('state').dataset.state === 'listening'",
    );
    let theirs = browser
        .evaluate("connections.flatMap(({ theirs }) => theirs)")
        .unwrap();
    for candidate in theirs.as_array().unwrap() {
        let candidate = candidate.as_str().unwrap();
        // Who only calls out over TCP has no port that anybody has to open.
        if !candidate.contains("tcptype active") {
            let port: u16 = candidate.split(' ').nth(5).unwrap().parse().unwrap();
            assert!((42_140..42_200).contains(&port), "{candidate}");
        }
    }
}

/// Both ways go through the server that the configuration names, and are good for a conversation.
#[test]
fn sound_goes_through_a_relay_where_nothing_else_does() {
    let _watchdog = Watchdog::new("relay", Duration::from_secs(120));
    let turn = match Turn::start() {
        Ok(turn) => turn,
        Err(error) if format!("{error:#}").contains("apt-get install") => {
            println!("SKIPPED: RELAYED SOUND IS NOT TESTED: {error:#}");
            return;
        }
        Err(error) => panic!("{error:#}"),
    };
    let config = format!("webrtc: {{ turn: [ \"{}\" ] }}\n", turn.url());
    let server = Server::with(&["pipelines/speak.yaml"], &config, &[]);
    let Some(mut browser) = open(server.address, "?transport=webrtc", None, &[]) else {
        return;
    };
    connect(&mut browser, "relay");
    until(
        &mut browser,
        &server,
        "no way through the relay is found",
        "document.getElementById('state').dataset.state === 'listening'",
    );
    type_text(&mut browser, "Hello there, my friend.");
    until(
        &mut browser,
        &server,
        "the answer is not heard to its end",
        "[...document.querySelectorAll('.it .heard')].map(e => e.textContent).join('') === 'Hello there my friend'",
    );
    until(
        &mut browser,
        &server,
        "no sound comes or goes",
        &format!(
            "{WAYS}.then(told => told.energy > 0.001 && told.sent > 20 && told.types.length === 2)"
        ),
    );
    let told = browser.evaluate(WAYS).unwrap();
    assert_eq!(told["types"], json!(["relay", "relay"]), "{told}");
    let transport = "document.getElementById('transport').value";
    assert_eq!(browser.evaluate(transport).unwrap(), "webrtc");
    // The page was told of the server, and the server's own ends use it, too.
    let servers = browser
        .evaluate("connections.map(connection => connection.getConfiguration().iceServers)")
        .unwrap();
    let named = json!([{ "urls": [format!("turn:{}", turn.address)], "username": USER, "credential": PASSWORD }]);
    assert_eq!(servers, json!([named, named]));
    until(
        &mut browser,
        &server,
        "the agent's ends are not reached through the relay",
        "connections.every(({ theirs }) => theirs.some(candidate => candidate.includes(' typ relay ')))",
    );
}
