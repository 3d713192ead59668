// SPDX-License-Identifier: MPL-2.0

//! Whether this server can do its work, in the words of the system before it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::server::Server;

/// One thing that has to work, and why it does not.
fn check(error: Option<String>) -> Value {
    json!({"ok": error.is_none(), "error": error})
}

/// `/health` and `/readiness`: 200 where a new session would work, 503 otherwise.
pub async fn health(server: &Server) -> Response {
    let worker = server.worker_error().await;
    let draining = server.is_draining();
    let healthy = worker.is_none() && !draining;
    let status = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "status": if healthy { "healthy" } else { "unhealthy" },
        "uptime_seconds": server.uptime().as_secs_f64(),
        // No session here depends on Redis.
        "redis": true,
        "worker": worker.is_none(),
        "draining": draining,
        "checks": {"redis": check(None), "worker": check(worker)},
    });
    (status, Json(body)).into_response()
}

/// `/liveness`: the process answers.
pub fn liveness(server: &Server) -> Response {
    let uptime = server.uptime().as_secs_f64();
    Json(json!({"status": "alive", "uptime_seconds": uptime})).into_response()
}

/// `/metrics`, for Prometheus.
pub fn metrics(server: &Server) -> Response {
    let (text, kind) = server.metrics().text();
    ([(axum::http::header::CONTENT_TYPE, kind)], text).into_response()
}

/// `/metrics/summary`, for people.
pub fn summary(server: &Server) -> Response {
    Json(json!({
        "status": "ok",
        "uptime_seconds": server.uptime().as_secs_f64(),
        "metrics": server.metrics().summary(),
    }))
    .into_response()
}
