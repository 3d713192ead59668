// SPDX-License-Identifier: MPL-2.0

//! `/signalling`: the way to WebRTC.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::admission::Permit;
use super::server::{Peer, Server};

/// Answers an upgrade on `/signalling`. The request's token and origin are good, and the permit is a session's place.
pub fn upgrade(_: WebSocketUpgrade, _: Arc<Server>, _: Peer, _: Permit) -> Response {
    (
        StatusCode::NOT_IMPLEMENTED,
        "this server does not speak WebRTC yet; connect to / by WebSocket\n",
    )
        .into_response()
}
