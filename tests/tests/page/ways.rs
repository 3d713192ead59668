// SPDX-License-Identifier: MPL-2.0

//! Ways through the network, and what the page does where there is none.

use std::time::Duration;

use duplex_tests::{serving::Server, watchdog::Watchdog};

use crate::talk::{open, type_text, until};

/// A network without UDP: after five seconds the sound goes over the WebSocket, and the page says so.
#[test]
fn where_webrtc_does_not_get_through_the_socket_does() {
    let _watchdog = Watchdog::new("fallback", Duration::from_secs(120));
    let server = Server::start(&["pipelines/speak.yaml"]);
    let Some(mut browser) = open(server.address, "?transport=webrtc", None, &[]) else {
        return;
    };
    // No address of either side reaches the other, which is what a firewall makes of them.
    browser
        .evaluate(
            "RTCPeerConnection.prototype.addIceCandidate = () => Promise.resolve(); \
             const send = WebSocket.prototype.send; \
             WebSocket.prototype.send = function (m) { if (typeof m !== 'string' || !m.includes('\"ice\"')) send.call(this, m); }",
        )
        .unwrap();
    type_text(&mut browser, "Hello there, my friend.");
    until(
        &mut browser,
        &server,
        "the page does not say which way it took",
        "document.getElementById('notice').textContent.includes('over the WebSocket instead')",
    );
    until(
        &mut browser,
        &server,
        "nothing is heard",
        "!!document.querySelector('.it .heard')",
    );
    assert_eq!(
        browser
            .evaluate("document.getElementById('transport').value")
            .unwrap(),
        "websocket"
    );
}

/// The server goes away and comes back: so does the page, by itself.
#[test]
fn a_page_connects_again_to_a_server_that_was_away() {
    let _watchdog = Watchdog::new("reconnect", Duration::from_secs(120));
    let server = Server::start(&["pipelines/speak.yaml"]);
    let address = server.address.to_string();
    let Some(mut browser) = open(server.address, "?transport=websocket", None, &[]) else {
        return;
    };
    type_text(&mut browser, "Hello there.");
    until(
        &mut browser,
        &server,
        "nothing is heard",
        "!!document.querySelector('.it .heard')",
    );
    drop(server);
    let again = Server::start(&["pipelines/speak.yaml", "--listen", &address]);
    until(
        &mut browser,
        &again,
        "the page does not come back",
        "document.getElementById('state').dataset.state === 'listening'",
    );
    type_text(&mut browser, "Welcome back.");
    until(
        &mut browser,
        &again,
        "nothing is heard after that",
        "[...document.querySelectorAll('.it .heard')].some(e => e.textContent.includes('Welcome'))",
    );
}
