// SPDX-License-Identifier: MPL-2.0

//! The page: built in, or from a folder.

use std::path::{Component, Path, PathBuf};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What is built in, by its path.
macro_rules! built_in {
    ($($name:literal)*) => {
        &[$(($name, include_bytes!(concat!("../../web/", $name)))),*]
    };
}
const FILES: &[(&str, &[u8])] = built_in!(
    "index.html" "style.css" "app.js" "captions.js" "rtc.js" "socket.js" "sound.js" "waterfall.js" "worklets.js"
);
/// Largest file of a folder, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// What a page may load and connect to: its own server alone.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob:; \
                      worker-src 'self' blob:; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";

/// The file of a path.
pub async fn file(root: Option<&Path>, path: &str) -> Response {
    let path = path.trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let found = match root {
        None => {
            let built_in = FILES.iter().find(|(name, _)| *name == path);
            built_in.map(|(name, bytes)| (kind(name), bytes.to_vec()))
        }
        Some(root) => match inside(root, path) {
            Some(file) => read(&file).await.map(|bytes| (kind(path), bytes)),
            None => None,
        },
    };
    match found {
        Some((kind, bytes)) => (
            [
                (header::CONTENT_TYPE, kind),
                (header::CONTENT_SECURITY_POLICY, POLICY),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::REFERRER_POLICY, "no-referrer"),
                (header::CACHE_CONTROL, "no-cache"),
            ],
            bytes,
        )
            .into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such page\n").into_response(),
    }
}

/// A file below the root, wherever its path and links lead; `None` where that is outside.
fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let plain = Path::new(path).components().all(
        |part| matches!(part, Component::Normal(name) if !name.to_string_lossy().starts_with('.')),
    );
    if !plain {
        return None;
    }
    let root = root.canonicalize().ok()?;
    let file = root.join(path).canonicalize().ok()?;
    file.starts_with(&root).then_some(file)
}

async fn read(file: &Path) -> Option<Vec<u8>> {
    let file = file.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let metadata = std::fs::metadata(&file).ok()?;
        let good = metadata.is_file() && metadata.len() <= LARGEST;
        good.then(|| std::fs::read(&file).ok()).flatten()
    });
    read.await.ok().flatten()
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "wav" => "audio/wav",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out() {
        let folder = std::env::temp_dir().join(format!("duplex-web-{}", std::process::id()));
        let root = folder.join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(folder.join("secret"), "s").unwrap();
        std::fs::write(root.join("a.html"), "a").unwrap();
        std::fs::write(root.join(".hidden"), "h").unwrap();
        std::os::unix::fs::symlink(folder.join("secret"), root.join("link")).unwrap();
        for (path, good) in [
            ("a.html", true),
            ("sub", true),
            ("../secret", false),
            ("sub/../../secret", false),
            ("sub/../a.html", false),
            ("/etc/passwd", false),
            ("link", false),
            (".hidden", false),
            ("b.html", false),
        ] {
            assert_eq!(inside(&root, path).is_some(), good, "{path}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
