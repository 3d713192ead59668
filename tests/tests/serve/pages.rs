// SPDX-License-Identifier: MPL-2.0

//! Health, metrics and the page.

use std::time::Duration;

use duplex_tests::plugins;
use duplex_tests::serving::{Server, run};
use duplex_tests::watchdog::Watchdog;
use serde_json::{Value, json};

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn health_has_its_old_fields() {
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        for path in ["/health", "/readiness"] {
            let (status, _) = server.get(path, "").await;
            assert_eq!(status, 200);
            let health = server.json(path).await;
            for key in ["status", "uptime_seconds", "redis", "worker", "checks"] {
                assert!(
                    keys(&health).contains(&key),
                    "{path} has no {key}: {health}"
                );
            }
            assert_eq!(
                (&health["status"], &health["worker"]),
                (&json!("healthy"), &json!(true))
            );
            for check in ["redis", "worker"] {
                assert_eq!(health["checks"][check], json!({"ok": true, "error": null}));
            }
        }
        let alive = server.json("/liveness").await;
        assert_eq!(
            (keys(&alive), &alive["status"]),
            (vec!["status", "uptime_seconds"], &json!("alive"))
        );
    });
}

/// The value of a metric, by its line.
fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

/// All stayed 0 in the predecessor.
#[test]
fn metrics_are_true() {
    let _watchdog = Watchdog::new("metrics", Duration::from_secs(60));
    let server = Server::start(&["pipelines/speak.yaml"]);
    run(async {
        let mut client = server.client().await;
        for _ in 0..3 {
            client.text("One two three.").await;
            client.until("audio").await;
            let (_, metrics) = server.get("/metrics", "").await;
            assert!(metrics.contains("text/plain; version=0.0.4"), "{metrics}");
            assert_eq!(value(&metrics, "sessions_active"), 1.0);
            assert_eq!(value(&metrics, "synthesis_active"), 1.0);
            client.utterance().await;
        }
        let other = server.client().await;
        drop(other);
        server.expect("sessions_active", 1).await;
        drop(client);
        server.expect("sessions_active", 0).await;
        let (_, metrics) = server.get("/metrics", "").await;
        for (name, wanted) in [
            ("synthesis_total", 3.0),
            ("synthesis_errors_total", 0.0),
            ("worker_tasks_total", 0.0),
            ("worker_errors_total", 0.0),
            ("sla_violations_total", 0.0),
            ("synthesis_queue_depth", 0.0),
            ("synthesis_active", 0.0),
            ("sessions_active", 0.0),
            ("synthesis_latency_seconds_count", 3.0),
            ("session_duration_seconds_count", 2.0),
            ("session_messages_sum", 3.0),
            ("session_barge_ins_count", 2.0),
            ("synthesis_latency_seconds_bucket{le=\"+Inf\"}", 3.0),
            ("barge_in_latency_seconds_count", 0.0),
        ] {
            // A busy machine may be late.
            if name != "sla_violations_total" {
                assert_eq!(value(&metrics, name), wanted, "{name}");
            } else {
                value(&metrics, name);
            }
        }
        for name in [
            "worker_utilization_percent",
            "workers_active",
            "workers_idle",
            "sla_compliance_percent",
        ] {
            value(&metrics, name);
        }
        let summary = server.json("/metrics/summary").await;
        assert_eq!(keys(&summary), ["status", "uptime_seconds", "metrics"]);
        let old = [
            "synthesis_total",
            "synthesis_errors",
            "synthesis_active",
            "synthesis_queue_depth",
            "synthesis_latency_p50_ms",
            "synthesis_latency_p95_ms",
            "synthesis_latency_p99_ms",
            "workers_active",
            "workers_idle",
            "worker_utilization_percent",
            "worker_tasks_total",
            "worker_errors",
            "sessions_active",
            "session_barge_in_p95_ms",
            "sla_violations",
        ];
        assert_eq!(keys(&summary["metrics"]), old);
        assert!(
            summary["metrics"]["synthesis_latency_p50_ms"]
                .as_f64()
                .unwrap()
                > 0.0
        );
    });
}

#[test]
fn health_has_a_port_of_its_own_where_that_is_wanted() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = format!("health_port: {}\n", free.port());
    let mut server = Server::with(&["pipelines/speak.yaml"], &config, &[]);
    let main = std::mem::replace(&mut server.address, free);
    run(async {
        assert_eq!(server.get("/health", "").await.0, 200);
        assert_eq!(server.get("/metrics", "").await.0, 200);
        assert_eq!(server.get("/", "").await.0, 404);
        assert!(server.connect("/", &[]).await.is_err());
        server.address = main;
        assert_eq!(server.get("/health", "").await.0, 200);
    });
}

#[test]
fn a_page_is_served_and_nothing_beside_it() {
    let folder = plugins::temporary("web").unwrap();
    let root = folder.join("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(folder.join("secret.txt"), "SECRET").unwrap();
    std::fs::write(root.join("index.html"), "<p>own page</p>").unwrap();
    std::fs::write(root.join("a.js"), "1").unwrap();
    std::os::unix::fs::symlink(folder.join("secret.txt"), root.join("link.txt")).unwrap();
    run(async {
        let server = Server::start(&["pipelines/speak.yaml"]);
        for path in ["/", "/index.html"] {
            let (status, page) = server.get(path, "").await;
            assert_eq!(status, 200);
            assert!(page.contains("<html"), "{page}");
            assert!(
                page.to_lowercase().contains("content-security-policy"),
                "{page}"
            );
        }
        let server = Server::with(
            &["pipelines/speak.yaml"],
            &format!("web: {}\n", root.display()),
            &[],
        );
        assert!(server.get("/", "").await.1.contains("own page"));
        assert!(
            server
                .get("/a.js?x=1", "")
                .await
                .1
                .contains("text/javascript")
        );
        for path in [
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "//etc/passwd",
            "/a.js/../../secret.txt",
            "/link.txt",
            "/none",
            "/.",
            "/..",
            "/\\..\\secret.txt",
            "/%00",
        ] {
            let (status, text) = server.get(path, "").await;
            assert!([400, 404].contains(&status), "{path}: {text}");
            assert!(
                !text.contains("SECRET") && !text.contains("root:"),
                "{path}: {text}"
            );
        }
    });
    std::fs::remove_dir_all(folder).unwrap();
}
