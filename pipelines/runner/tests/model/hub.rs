// SPDX-License-Identifier: MPL-2.0

//! A hub on this machine, and a server for large files beside it, as huggingface.co has them.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Request, Response, StatusCode, Uri},
};
use duplex_models::Digest;
use futures_util::{StreamExt, stream};

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub large: bool,
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a server does other than serve.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Serves.
    None,
    /// Answers so.
    Status(u16, Vec<(&'static str, String)>),
    /// Breaks off after so many bytes.
    Cut(usize),
    /// Serves other bytes under the name of these.
    Wrong(Bytes),
    /// Waits before each of so many pieces.
    Slow(usize, Duration),
    /// The file is another one from now on.
    Changed(Bytes),
}

#[derive(Clone, Default)]
struct Shared {
    state: Arc<Mutex<Inner>>,
    large: Option<SocketAddr>,
}

#[derive(Default)]
struct Inner {
    files: HashMap<String, File>,
    asked: Vec<Asked>,
    /// What happens to the next GETs of a file (or, where the flag says so, to its HEADs), one after the other.
    troubles: Vec<(String, Method, Trouble)>,
    /// Without it the hub answers 401.
    token: Option<String>,
}

#[derive(Clone)]
struct File {
    bytes: Bytes,
    /// Large files are named by SHA-256, and lie elsewhere.
    large: bool,
    /// Told in the place of the size that it has.
    size: Option<u64>,
}

impl File {
    fn hash(&self) -> String {
        let length = if self.large { 64 } else { 40 };
        hash(&self.bytes, length)
    }
}

/// As a hub names a file: with 64 digits a large one, with 40 a small one.
pub fn hash(bytes: &[u8], digits: usize) -> String {
    let mut digest = Digest::named(&"0".repeat(digits), bytes.len() as u64).unwrap();
    digest.update(bytes);
    digest.finish()
}

/// Ends with its test.
pub struct Hub {
    shared: Shared,
    pub endpoint: String,
    _runtime: tokio::runtime::Runtime,
}

const CLOSER: &str = "/api/resolve-cache/";
pub const REPOSITORY: &str = "me/voices";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

impl Hub {
    pub fn start() -> Hub {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listen = || {
            runtime
                .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
                .unwrap()
        };
        let (hub, large) = (listen(), listen());
        let endpoint = format!("http://{}", hub.local_addr().unwrap());
        let shared = Shared {
            large: Some(large.local_addr().unwrap()),
            ..Shared::default()
        };
        let router = Router::new().fallback(at_hub).with_state(shared.clone());
        runtime.spawn(async { axum::serve(hub, router).await.unwrap() });
        let router = Router::new().fallback(at_large).with_state(shared.clone());
        runtime.spawn(async { axum::serve(large, router).await.unwrap() });
        Hub {
            shared,
            endpoint,
            _runtime: runtime,
        }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.shared.state.lock().unwrap()
    }

    /// Publishes a file; those over a hundred bytes are large.
    pub fn publish(&self, path: &str, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        let large = bytes.len() > 100;
        let size = None;
        self.inner()
            .files
            .insert(path.into(), File { bytes, large, size });
    }

    pub fn pretend_size(&self, path: &str, size: u64) {
        self.inner().files.get_mut(path).unwrap().size = Some(size);
    }

    pub fn want_token(&self, token: &str) {
        self.inner().token = Some(token.into());
    }

    /// The next GET of a file goes so.
    pub fn trouble(&self, path: &str, trouble: Trouble) {
        self.inner()
            .troubles
            .push((path.into(), Method::GET, trouble));
    }

    /// The next HEAD of a file goes so.
    pub fn trouble_when_asked(&self, path: &str, trouble: Trouble) {
        self.inner()
            .troubles
            .push((path.into(), Method::HEAD, trouble));
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.inner().asked.clone()
    }

    /// The GETs of a file.
    pub fn gets(&self, path: &str) -> Vec<Asked> {
        let asked = self.asked().into_iter();
        asked
            .filter(|asked| asked.method == Method::GET && asked.path.ends_with(path))
            .collect()
    }
}

fn answer(status: u16) -> axum::http::response::Builder {
    Response::builder().status(StatusCode::from_u16(status).unwrap())
}

fn empty(status: u16) -> Response<Body> {
    answer(status).body(Body::empty()).unwrap()
}

impl Shared {
    /// Remembers what was asked, and what becomes of it.
    fn hear(&self, large: bool, request: &Request<Body>, path: &str) -> Option<Trouble> {
        let mut inner = self.state.lock().unwrap();
        inner.asked.push(Asked {
            large,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            headers: request.headers().clone(),
        });
        // A large file's GET is in trouble where it is, not where it is asked for.
        let file = inner.files.get(path)?;
        if request.method() == Method::GET && file.large != large {
            return None;
        }
        let at = inner
            .troubles
            .iter()
            .position(|(of, method, _)| of == path && method == request.method())?;
        let trouble = inner.troubles.remove(at).2;
        if let Trouble::Changed(bytes) = &trouble {
            inner.files.get_mut(path)?.bytes = bytes.clone();
        }
        Some(trouble)
    }

    fn file(&self, path: &str) -> Option<File> {
        self.state.lock().unwrap().files.get(path).cloned()
    }
}

async fn at_hub(State(shared): State<Shared>, uri: Uri, request: Request<Body>) -> Response<Body> {
    let prefix = format!("/{REPOSITORY}/resolve/{COMMIT}/");
    let asked = uri.path();
    let direct = asked.strip_prefix(CLOSER);
    let path = direct
        .or(asked.strip_prefix(&prefix))
        .unwrap_or_default()
        .to_owned();
    let trouble = shared.hear(false, &request, &path);
    let wanted = shared.state.lock().unwrap().token.clone();
    let given = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    if wanted.is_some_and(|token| given != Some(&format!("Bearer {token}"))) {
        return empty(401);
    }
    let Some(file) = shared.file(&path) else {
        return answer(404)
            .header("x-error-message", "Entry not found")
            .body(Body::empty())
            .unwrap();
    };
    if let Some(Trouble::Status(status, headers)) = &trouble {
        let mut answer = answer(*status);
        for (key, value) in headers {
            answer = answer.header(*key, value);
        }
        return answer.body(Body::empty()).unwrap();
    }
    if file.large {
        let size = file.size.unwrap_or(file.bytes.len() as u64);
        return answer(302)
            .header(
                "location",
                format!("http://{}/signed/{path}?key=secret", shared.large.unwrap()),
            )
            .header("x-linked-etag", format!("\"{}\"", file.hash()))
            .header("x-linked-size", size)
            .header("x-repo-commit", COMMIT)
            .body(Body::empty())
            .unwrap();
    }
    // Small files lie closer by, on the hub itself.
    if direct.is_none() {
        return answer(307)
            .header("location", format!("{CLOSER}{path}"))
            .body(Body::empty())
            .unwrap();
    }
    let name = file.hash();
    serve(&request, file, &name, trouble)
}

async fn at_large(
    State(shared): State<Shared>,
    uri: Uri,
    request: Request<Body>,
) -> Response<Body> {
    let path = uri
        .path()
        .strip_prefix("/signed/")
        .unwrap_or_default()
        .to_owned();
    let trouble = shared.hear(true, &request, &path);
    let Some(file) = shared.file(&path) else {
        return empty(404);
    };
    // This server has names of its own.
    let name = format!("own-{}", &file.hash()[..8]);
    serve(&request, file, &name, trouble)
}

/// Answers with a file or a part of it, as HTTP has it.
fn serve(
    request: &Request<Body>,
    file: File,
    name: &str,
    trouble: Option<Trouble>,
) -> Response<Body> {
    let mut bytes = file.bytes;
    if let Some(Trouble::Status(status, headers)) = &trouble {
        let mut answer = answer(*status);
        for (key, value) in headers {
            answer = answer.header(*key, value);
        }
        return answer.body(Body::empty()).unwrap();
    }
    if let Some(Trouble::Wrong(wrong)) = &trouble {
        bytes = wrong.clone();
    }
    let header = |key: &str| {
        request
            .headers()
            .get(key)
            .and_then(|value| value.to_str().ok())
    };
    let etag = format!("\"{name}\"");
    let same = header("if-range").is_none_or(|wanted| wanted == etag);
    let from = header("range").and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse::<usize>()
            .ok()
    });
    let all = bytes.len();
    let answered = match from.filter(|_| same) {
        Some(from) if from >= all => {
            return answer(416)
                .header("content-range", format!("bytes */{all}"))
                .body(Body::empty())
                .unwrap();
        }
        Some(from) => {
            bytes = bytes.slice(from..);
            answer(206).header("content-range", format!("bytes {from}-{}/{all}", all - 1))
        }
        None => answer(200),
    };
    let answered = answered
        .header("etag", etag)
        .header("content-length", bytes.len());
    if request.method() == Method::HEAD {
        return answered.body(Body::empty()).unwrap();
    }
    let body = match trouble {
        Some(Trouble::Cut(after)) => {
            let part = bytes.slice(..after.min(bytes.len()));
            let error = std::io::Error::other("cut");
            // What was written first is to arrive first.
            let end = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(error)
            });
            Body::from_stream(stream::once(async { Ok(part) }).chain(end))
        }
        Some(Trouble::Slow(pieces, time)) => {
            let size = bytes.len().div_ceil(pieces).max(1);
            let parts: Vec<Bytes> = (0..bytes.len())
                .step_by(size)
                .map(|at| bytes.slice(at..(at + size).min(bytes.len())))
                .collect();
            Body::from_stream(stream::iter(parts).then(move |part| async move {
                tokio::time::sleep(time).await;
                Ok::<_, Infallible>(part)
            }))
        }
        _ => Body::from(bytes),
    };
    answered.body(body).unwrap()
}
