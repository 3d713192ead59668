// SPDX-License-Identifier: MPL-2.0

//! Which request goes where, and who is turned away before any work is done.

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::admission::{Permit, Refusal};
use super::server::{Peer, Server};
use super::{about, access, health, web, webrtc, websocket};

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// All that the main port answers.
pub fn main(server: Arc<Server>) -> Router {
    Router::new().fallback(any).with_state(server)
}

/// All that the port for health and metrics alone answers.
pub fn health_only(server: Arc<Server>) -> Router {
    let handler =
        async |State(server): State<Arc<Server>>, method: Method, uri: Uri, headers: HeaderMap| {
            if let Some(refusal) = unauthorized(&server, &headers, &uri) {
                return refusal;
            }
            match figures(&server, &method, uri.path()).await {
                Some(response) => response,
                None => (StatusCode::NOT_FOUND, "there is no such page\n").into_response(),
            }
        };
    Router::new().fallback(handler).with_state(server)
}

async fn any(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<Peer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    let asks = headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if asks {
        return match upgrade {
            Ok(upgrade) => socket(server, peer, &uri, &headers, upgrade),
            Err(rejection) => rejection.into_response(),
        };
    }
    if let Some(refusal) = unauthorized(&server, &headers, &uri) {
        return refusal;
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        return (
            StatusCode::METHOD_NOT_ALLOWED,
            [(header::ALLOW, "GET, HEAD")],
            "this server is asked by GET, or by WebSocket\n",
        )
            .into_response();
    }
    if let Some(response) = figures(&server, &method, uri.path()).await {
        return response;
    }
    if uri.path() == "/about" {
        let plan = server.common().designs.default_plan();
        return axum::Json(about::about(&plan, &server.config().webrtc)).into_response();
    }
    let mut response = web::file(server.config().web.as_deref(), uri.path()).await;
    // What the page loads next shows the token by itself.
    if server.config().token.is_some()
        && let Some(token) = access::token(&HeaderMap::new(), &uri)
    {
        let secure = if server.config().tls.is_some() {
            "; Secure"
        } else {
            ""
        };
        let cookie = format!(
            "{}={token}; Path=/; HttpOnly; SameSite=Strict{secure}",
            access::COOKIE
        );
        if let Ok(cookie) = cookie.parse() {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// Health and metrics, where the path is one of theirs.
async fn figures(server: &Arc<Server>, method: &Method, path: &str) -> Option<Response> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    Some(match path {
        "/health" | "/readiness" => health::health(server).await,
        "/liveness" => health::liveness(server),
        "/metrics" => health::metrics(server),
        "/metrics/summary" => health::summary(server),
        _ => return None,
    })
}

fn unauthorized(server: &Server, headers: &HeaderMap, uri: &Uri) -> Option<Response> {
    let token = access::token(headers, uri);
    if access::is_token(server.config(), token.as_deref()) {
        return None;
    }
    Some(refused(
        StatusCode::UNAUTHORIZED,
        (header::WWW_AUTHENTICATE, "Bearer"),
        "this server asks for its token: Authorization: Bearer TOKEN, or ?token=TOKEN in a browser\n",
    ))
}

fn refused(
    status: StatusCode,
    with: (HeaderName, &'static str),
    sentence: &'static str,
) -> Response {
    (status, [with], sentence).into_response()
}

/// A WebSocket: to one of the transports, where there is room for it.
fn socket(
    server: Arc<Server>,
    peer: Peer,
    uri: &Uri,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !access::is_origin(server.config(), headers) {
        tracing::info!("a page of another origin was refused");
        return (
            StatusCode::FORBIDDEN,
            "pages of this origin may not connect here; the server's `origins` names those that may\n",
        )
            .into_response();
    }
    let token = access::token(headers, uri);
    // One that shows none may do so in its first message.
    let known = access::is_token(server.config(), token.as_deref());
    if token.is_some() && !known {
        return unauthorized(&server, headers, uri).unwrap_or_default();
    }
    if uri.path() == "/v1/realtime" {
        return (
            StatusCode::NOT_IMPLEMENTED,
            "OpenAI's realtime protocol is not served yet; every other path speaks this server's own\n",
        )
            .into_response();
    }
    let permit = match admit(&server, &peer) {
        Ok(permit) => permit,
        Err(response) => return *response,
    };
    if uri.path() == "/signalling" {
        if let Some(refusal) = unauthorized(&server, headers, uri) {
            return refusal;
        }
        return webrtc::upgrade(upgrade, server, peer, permit);
    }
    upgrade
        .read_buffer_size(websocket::READ)
        .max_message_size(websocket::LONGEST_READ)
        .max_frame_size(websocket::LONGEST_READ)
        .on_upgrade(move |socket| websocket::serve(socket, server, peer, permit, known))
}

/// A session's place, or why there is none.
fn admit(server: &Server, peer: &Peer) -> Result<Permit, Box<Response>> {
    let (status, sentence) = if server.is_draining() {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "this server is shutting down and takes no new sessions\n",
        )
    } else {
        match server.admission().enter(peer.address.ip()) {
            Ok(permit) => return Ok(permit),
            Err(Refusal::Full) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "this server has as many sessions as it may have; come back later\n",
            ),
            Err(Refusal::AddressFull) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "your address has as many sessions as it may have; end one first\n",
            ),
            Err(Refusal::TooOften) => (
                StatusCode::TOO_MANY_REQUESTS,
                "your address opens sessions too quickly; slow down\n",
            ),
        }
    };
    server.common().metrics.refused.inc();
    Err(refused(status, (header::RETRY_AFTER, "5"), sentence).into())
}
